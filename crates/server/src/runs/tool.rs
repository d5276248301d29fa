//! One tool call of a run.

use std::error::Error;
use std::io;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use auth::scope::Scopes;
use engine::Called;
use engine::Effect;
use engine::EntryCall;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use engine::ToolStarted;
use futures::FutureExt;
use llm::ToolStatus;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Record;
use super::RunsError;
use super::pins;
use super::rights;
use super::service::Runs;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::Reports;
use crate::tools::Retry;
use crate::tools::Tool;
use crate::tools::ToolContext;
use crate::tools::ToolDefinition;
use crate::tools::ToolFailure;

/// The most bytes that a result may have as JSON.
const RESULT_BYTES: usize = 8 << 20;
/// What a tool that keeps its time is given beyond it.
const MORE: Duration = Duration::from_secs(1);

/// Refuses those of `calls` that the caller may not make any more.
pub async fn refuse(
    runs: &Runs,
    record: &Record,
    calls: &mut [EntryCall],
) -> Result<(), RunsError> {
    let held = rights::held(runs, record).await?;
    let of_all = rights::to_execute(record.run.summary.kind);
    for EntryCall { call, called } in calls.iter_mut().filter(|it| it.call.refused.is_none()) {
        let tool = match called {
            Called::Script(_) => None,
            Called::Step => runs.workflows.step(&record.tenant, &call.started.tool),
            Called::Tool => {
                pins::of_call(runs, &record.tenant, &record.asked, &call.started).await?
            }
        };
        let own = tool.iter().flat_map(|tool| &tool.content.scopes).map(String::as_str);
        if let Some(scope) = own.chain([of_all]).find(|scope| !held.covers(scope)) {
            let message = format!("the caller does not hold `{scope}` any more");
            call.refused = Some(ToolError::new(ToolErrorKind::UnknownTool, message));
            // A call that is refused is not made, and so has no effect.
            call.started.effect = Effect::Read;
        }
    }
    Ok(())
}

/// Makes the call, or refuses it, and says how it ended.
pub fn call(
    runs: &Runs,
    record: &Arc<Record>,
    EntryCall { call, called }: EntryCall,
    reports: &Arc<Reports>,
) -> impl Future<Output = ToolFinished> + Send + use<> {
    let (runs, record) = (runs.clone(), Arc::clone(record));
    let mut context = ToolContext {
        tenant: record.tenant.clone(),
        subject: record.run.summary.subject.clone(),
        client_id: record.run.summary.client_id.clone(),
        run_id: record.run.summary.id,
        call_id: call.started.call_id.clone(),
        effect_id: call.started.effect_id.clone(),
        now: runs.clock.now(),
        scopes: Scopes::default(),
        abandoned: CancellationToken::new(),
        reports: Arc::clone(reports),
    };
    async move {
        if !call.wait.is_zero() {
            tokio::time::sleep(call.wait).await;
        }
        let began = Instant::now();
        let started = call.started;
        context.scopes = match rights::held(&runs, &record).await {
            Ok(held) => held,
            Err(cause) => {
                let cause: &dyn Error = &cause;
                error!(run.id = %context.run_id, error = cause, "the rights of a caller cannot be read");
                Scopes::default()
            }
        };
        let outcome = match call.refused {
            Some(refused) => Err((ToolStatus::Failed, refused)),
            None => match find(&runs, &record, &started, called).await {
                Ok(Some(tool)) => make(&tool, &context, started.arguments)
                    .await
                    .map_err(|failure| without_result(failure, started.effect)),
                Ok(None) => Err(unknown_tool(format!("there is no tool `{}`", started.tool))),
                Err(cause) => {
                    let cause: &dyn Error = &cause;
                    error!(run.id = %context.run_id, error = cause, "a tool cannot be read");
                    Err(unknown_tool("the tool cannot be read now".to_owned()))
                }
            },
        };
        let (status, result, error) = match outcome {
            Ok(result) => (ToolStatus::Done, result, None),
            Err((status, error)) => (status, Value::Null, Some(error)),
        };
        let duration_ms = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        ToolFinished { call_id: started.call_id, status, result, error, duration_ms }
    }
}

/// What is called: a tool, or what only entries of workflows call.
async fn find(
    runs: &Runs,
    Record { tenant, asked, .. }: &Record,
    started: &ToolStarted,
    called: Called,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    match called {
        Called::Script(code) => Ok(runs.tools.script(code).map(Arc::new)),
        Called::Step => Ok(runs.workflows.step(tenant, &started.tool)),
        Called::Tool => pins::of_call(runs, tenant, asked, started).await,
    }
}

fn unknown_tool(message: String) -> (ToolStatus, ToolError) {
    (ToolStatus::Failed, ToolError::new(ToolErrorKind::UnknownTool, message))
}

/// Makes the call, and again as often as the tool wants it and its effect lets it.
async fn make(
    tool: &ToolDefinition,
    context: &ToolContext,
    arguments: Value,
) -> Result<Value, ToolFailure> {
    let Retry { max, backoff_ms } = tool.content.retry;
    let (Some(Does::Call(does)), None) = (&tool.ready.does, pins::refusal(tool)) else {
        let why = pins::refusal(tool).unwrap_or_else(|| "it cannot be called".to_owned());
        return Err(ToolFailure::Failed(why));
    };
    let is_once = tool.content.effect == Effect::Effect || does.repeats_itself();
    let retries = if is_once { 0 } else { max };
    for attempt in 0..retries {
        match once(tool, &**does, context, arguments.clone()).await {
            Ok(result) => return checked(tool, result),
            // Nothing changes about that by itself.
            Err(ToolFailure::Consent(needed)) => return Err(ToolFailure::Consent(needed)),
            Err(_) => {}
        }
        let pause = Duration::from_millis(backoff_ms.saturating_mul(1 << attempt));
        tokio::time::sleep(pause).await;
    }
    checked(tool, once(tool, &**does, context, arguments).await?)
}

/// Makes one attempt, within its time. A tool that panics ends its call, and nothing
/// else.
async fn once(
    tool: &ToolDefinition,
    does: &dyn Tool,
    context: &ToolContext,
    arguments: Value,
) -> Result<Value, ToolFailure> {
    let abandoned = context.abandoned.child_token();
    let context = &ToolContext { abandoned, ..context.clone() };
    let _abandon = context.abandoned.clone().drop_guard();
    let patience = tool.content.timeout_ms;
    let call = AssertUnwindSafe(async { does.call(context, arguments).await }).catch_unwind();
    let more = if does.keeps_time() { MORE } else { Duration::ZERO };
    match tokio::time::timeout(Duration::from_millis(patience) + more, call).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            let name = &tool.content.name;
            error!(run.id = %context.run_id, tool = name, "a tool panicked");
            Err(ToolFailure::unknown("the tool broke down"))
        }
        Err(_) => {
            Err(ToolFailure::Unknown(format!("the tool did not answer within {patience} ms")))
        }
    }
}

/// A result that is not too large and is what the tool says of it. What the call did, it has done: so one that
/// is not fails the call in words that say so.
pub fn checked(tool: &ToolDefinition, result: Value) -> Result<Value, ToolFailure> {
    let mut size = Counter(0);
    let is_written = serde_json::to_writer(&mut size, &result);
    if is_written.is_err() {
        let detail =
            format!("the tool was called, but its result has more than {RESULT_BYTES} bytes");
        return Err(ToolFailure::Failed(detail));
    }
    let faults = tool.ready.output.as_ref().map(|it| it.check(&result)).unwrap_or_default();
    let Some(Invalid { pointer, detail, .. }) = faults.first() else { return Ok(result) };
    let place = if pointer.is_empty() { String::new() } else { format!(" (at `{pointer}`)") };
    Err(ToolFailure::Failed(format!(
        "the tool was called, but its result is not what its `output_schema` says: {detail}{place}"
    )))
}

/// Counts bytes, up to the most that a result may have.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > RESULT_BYTES {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a call ended that gave no result. One that only reads has simply failed.
fn without_result(failure: ToolFailure, effect: Effect) -> (ToolStatus, ToolError) {
    match failure {
        ToolFailure::Unknown(message) if effect != Effect::Read => {
            (ToolStatus::Unknown, ToolError::new(ToolErrorKind::Lost, message))
        }
        ToolFailure::Failed(message) | ToolFailure::Unknown(message) => {
            (ToolStatus::Failed, ToolError::new(ToolErrorKind::Failed, message))
        }
        ToolFailure::Consent(needed) => {
            let error = ToolError::new(ToolErrorKind::Consent, needed.to_string());
            (ToolStatus::Failed, ToolError { consent: Some(needed), ..error })
        }
    }
}
