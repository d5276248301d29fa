//! One tool call of a run.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use auth::scope::Scope;
use engine::Effect;
use engine::ToolCall;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use futures::FutureExt;
use llm::ToolStatus;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Record;
use super::rights;
use super::service::Runs;
use crate::tools::Reports;
use crate::tools::Tool;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;

/// Refuses those of `calls` that the caller may not make any more.
pub async fn refuse(
    runs: &Runs,
    record: &Record,
    calls: &mut [ToolCall],
) -> Result<(), sqlx::Error> {
    let held = rights::held(runs, record).await?;
    for call in calls.iter_mut().filter(|call| call.refused.is_none()) {
        let tool = runs.tools.find(&record.tenant, &call.started.tool);
        let needed = tool.iter().flat_map(|tool| tool.scopes()).map(Scope::as_str);
        if let Some(scope) = needed.chain([rights::EXECUTE]).find(|scope| !held.covers(scope)) {
            let message = format!("the caller does not hold `{scope}` any more");
            call.refused = Some(ToolError { kind: ToolErrorKind::UnknownTool, message });
            // A call that is refused is not made, and so has no effect.
            call.started.effect = Effect::Read;
        }
    }
    Ok(())
}

/// Makes the call, or refuses it, and says how it ended.
pub fn call(
    runs: &Runs,
    record: &Record,
    call: ToolCall,
    reports: &Arc<Reports>,
) -> impl Future<Output = ToolFinished> + Send + use<> {
    let tool = runs.tools.find(&record.tenant, &call.started.tool);
    let context = ToolContext {
        tenant: record.tenant.clone(),
        subject: record.run.summary.subject.clone(),
        run_id: record.run.summary.id,
        call_id: call.started.call_id.clone(),
        effect_id: call.started.effect_id.clone(),
        now: runs.clock.now(),
        abandoned: CancellationToken::new(),
        reports: Arc::clone(reports),
    };
    async move {
        if !call.wait.is_zero() {
            tokio::time::sleep(call.wait).await;
        }
        let began = Instant::now();
        let started = call.started;
        let outcome = match (call.refused, tool) {
            (Some(refused), _) => Err((ToolStatus::Failed, refused)),
            (None, Some(tool)) => make(&*tool, &context, started.arguments)
                .await
                .map_err(|failure| without_result(failure, started.effect)),
            (None, None) => {
                let message = format!("there is no tool `{}`", started.tool);
                let error = ToolError { kind: ToolErrorKind::UnknownTool, message };
                Err((ToolStatus::Failed, error))
            }
        };
        let (status, result, error) = match outcome {
            Ok(result) => (ToolStatus::Done, result, None),
            Err((status, error)) => (status, Value::Null, Some(error)),
        };
        let duration_ms = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        ToolFinished { call_id: started.call_id, status, result, error, duration_ms }
    }
}

/// Makes the call, within its time. A tool that panics ends its call, and nothing else.
async fn make(
    tool: &dyn Tool,
    context: &ToolContext,
    arguments: Value,
) -> Result<Value, ToolFailure> {
    let _abandon = context.abandoned.clone().drop_guard();
    let call = AssertUnwindSafe(async { tool.call(context, arguments).await }).catch_unwind();
    match tokio::time::timeout(tool.timeout(), call).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            let name = tool.spec().name();
            error!(run.id = %context.run_id, tool = name, "a tool panicked");
            Err(ToolFailure::unknown("the tool broke down"))
        }
        Err(_) => {
            let patience = tool.timeout().as_millis();
            Err(ToolFailure::Unknown(format!("the tool did not answer within {patience} ms")))
        }
    }
}

/// How a call ended that gave no result. One that only reads has simply failed.
fn without_result(failure: ToolFailure, effect: Effect) -> (ToolStatus, ToolError) {
    let (status, kind, message) = match failure {
        ToolFailure::Unknown(message) if effect != Effect::Read => {
            (ToolStatus::Unknown, ToolErrorKind::Lost, message)
        }
        ToolFailure::Failed(message) | ToolFailure::Unknown(message) => {
            (ToolStatus::Failed, ToolErrorKind::Failed, message)
        }
    };
    (status, ToolError { kind, message })
}
