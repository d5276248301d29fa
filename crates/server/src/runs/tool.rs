//! One tool call of a run.

use std::time::Instant;

use engine::ToolCall;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use llm::ToolStatus;
use serde_json::Value;

use super::Record;
use super::service::Runs;
use crate::tools::ToolContext;

/// Makes the call, or refuses it, and says how it ended.
pub fn call(
    runs: &Runs,
    record: &Record,
    call: ToolCall,
) -> impl Future<Output = ToolFinished> + Send + use<> {
    let tool = runs.tools.find(&record.tenant, &call.started.tool);
    let context = ToolContext {
        tenant: record.tenant.clone(),
        subject: record.run.summary.subject.clone(),
        run_id: record.run.summary.id,
        call_id: call.started.call_id.clone(),
        effect_id: call.started.effect_id.clone(),
        now: runs.clock.now(),
    };
    async move {
        let began = Instant::now();
        let started = call.started;
        let outcome = match (call.refused, tool) {
            (Some(refused), _) => Err(refused),
            (None, Some(tool)) => {
                let called = tool.call(&context, started.arguments).await;
                called.map_err(|message| ToolError { kind: ToolErrorKind::Failed, message })
            }
            (None, None) => {
                let message = format!("there is no tool `{}`", started.tool);
                Err(ToolError { kind: ToolErrorKind::UnknownTool, message })
            }
        };
        let (status, result, error) = match outcome {
            Ok(result) => (ToolStatus::Done, result, None),
            Err(error) => (ToolStatus::Failed, Value::Null, Some(error)),
        };
        let duration_ms = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        ToolFinished { call_id: started.call_id, status, result, error, duration_ms }
    }
}
