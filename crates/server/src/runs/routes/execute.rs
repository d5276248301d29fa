//! `POST /agents/{id}/execute`, `/tools/{id}/execute` and `/workflows/{id}/execute`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use engine::RunErrorKind;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde_json::json;

use super::events;
use crate::app::App;
use crate::http::IdempotencyKey;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Path;
use crate::http::Problem;
use crate::http::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::caller::insufficient;
use crate::oauth::scopes::AgentExecute;
use crate::oauth::scopes::ToolExecute;
use crate::oauth::scopes::WorkflowExecute;
use crate::runs::Run;
use crate::runs::Status;
use crate::runs::asked::Execute;
use crate::runs::call;
use crate::runs::call::ExecuteTool;
use crate::runs::cursor::Cursor;
use crate::runs::executable;
use crate::runs::executable::NotExecutable;
use crate::runs::execute;
use crate::runs::execute::Begun;
use crate::runs::execute::ExecuteError;
use crate::runs::journal::JournalError;
use crate::runs::journal::NewKey;
use crate::runs::look;
use crate::runs::perform;
use crate::runs::perform::ExecuteWorkflow;
use crate::runs::stream;
use crate::runs::watch::Deltas;
use crate::runs::watch::Until;

/// How long an `execute` is waited for before it is answered with 202.
const PATIENCE: Duration = Duration::from_mins(10);
/// After how long it is worth asking again for a place in the queue.
const QUEUE_FULL: Duration = Duration::from_secs(5);

/// Execute an agent
///
/// Waits for the answer; with `stream` the events come as they happen, with `background` the run
/// comes at once. A closed connection never stops a run.
#[utoipa::path(post, path = "/agents/{id}/execute", tag = "agents",
    params(("id" = String, Path, description = "Id or name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = Execute,
    responses((status = 200, body = Run, description = "The run succeeded, or its events follow"),
        (status = 202, body = Run, description = "The run goes on"), Problem),
    security(("oauth2" = ["agent.execute"])))]
pub async fn execute_agent(
    State(app): State<App>,
    caller: Caller<AgentExecute>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Keyed { body, key }: Keyed<Execute>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    let stream = body.stream || events::wanted(&headers);
    let wanted = Wanted { stream, background: body.background };
    let replayed = match &key {
        Some(key) => execute::replay(&app.runs, &caller, key).await?,
        None => None,
    };
    let begun = if let Some(begun) = replayed {
        begun
    } else {
        let agent = executable::agent(&app.runs, &caller, &name, body.version).await?;
        execute::execute(&app.runs, &caller, &agent, body, key).await?
    };
    answer(&app, &caller, &begun, wanted).await
}

/// Execute a tool
///
/// A run that is one call. It is answered, waited for, watched and canceled as every other, and may need approval.
#[utoipa::path(post, path = "/tools/{id}/execute", tag = "tools",
    params(("id" = String, Path, description = "Id or name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = ExecuteTool,
    responses((status = 200, body = Run, description = "The run succeeded, or its events follow"),
        (status = 202, body = Run, description = "The run goes on"), Problem),
    security(("oauth2" = ["tool.execute"])))]
pub async fn execute_tool(
    State(app): State<App>,
    caller: Caller<ToolExecute>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Keyed { body, key }: Keyed<ExecuteTool>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    let stream = body.stream || events::wanted(&headers);
    let wanted = Wanted { stream, background: body.background };
    let replayed = match &key {
        Some(key) => execute::replay(&app.runs, &caller, key).await?,
        None => None,
    };
    let begun = if let Some(begun) = replayed {
        begun
    } else {
        let tool = executable::tool(&app.runs, &caller, &name, body.version).await?;
        call::call(&app.runs, &caller, &tool, body, key).await?
    };
    answer(&app, &caller, &begun, wanted).await
}

/// Execute a workflow
///
/// Waits for its end, or until it needs somebody; with `stream` the events come as they happen, with `background` the
/// run comes at once. A closed connection never stops a run.
#[utoipa::path(post, path = "/workflows/{id}/execute", tag = "workflows",
    params(("id" = String, Path, description = "Id or name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = ExecuteWorkflow,
    responses((status = 200, body = Run, description = "The run succeeded, or its events follow"),
        (status = 202, body = Run, description = "The run goes on"), Problem),
    security(("oauth2" = ["workflow.execute"])))]
pub async fn execute_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowExecute>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Keyed { body, key }: Keyed<ExecuteWorkflow>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    let stream = body.stream || events::wanted(&headers);
    let wanted = Wanted { stream, background: body.background };
    let replayed = match &key {
        Some(key) => execute::replay(&app.runs, &caller, key).await?,
        None => None,
    };
    let begun = if let Some(begun) = replayed {
        begun
    } else {
        let workflow = executable::workflow(&app.runs, &caller, &name, body.version).await?;
        perform::perform(&app.runs, &caller, &workflow, body, key).await?
    };
    answer(&app, &caller, &begun, wanted).await
}

/// The answer to an execution, with what every one of them has.
pub async fn answer(
    app: &App,
    caller: &Principal,
    begun: &Begun,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let mut answer = body(app, caller, begun, wanted).await?;
    let headers = answer.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("/runs/{}", begun.run.summary.id)) {
        headers.insert(header::LOCATION, location);
    }
    if begun.replayed {
        headers.insert(once::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(answer)
}

/// How an execution is to be answered; with neither, by its end.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub stream: bool,
    pub background: bool,
}

async fn body(
    app: &App,
    caller: &Principal,
    begun: &Begun,
    wanted: Wanted,
) -> Result<Response, Problem> {
    if wanted.background {
        return Ok((StatusCode::ACCEPTED, Json(&begun.run)).into_response());
    }
    if wanted.stream {
        let (id, start) = (begun.run.summary.id, Cursor::default());
        let (deltas, until) = (Deltas::Shown, Until::Suspension);
        return Ok(stream::response(events::watcher(app, caller, id, start, deltas, until)));
    }
    wait_to_answer(app, caller, begun).await
}

/// A repeated request is answered with the run as it is; a new one waits for it.
async fn wait_to_answer(app: &App, caller: &Principal, begun: &Begun) -> Result<Response, Problem> {
    if begun.replayed && !begun.run.summary.status.is_final() {
        return Ok((StatusCode::ACCEPTED, Json(&begun.run)).into_response());
    }
    let (run, live) = (begun.run.clone(), begun.live.clone());
    let run = look::wait(&app.runs, caller, run, live, PATIENCE).await?.run;
    match run.summary.status {
        Status::Succeeded => Ok(Json(run).into_response()),
        status if status.is_final() => Ok(run_failed(&run).into_response()),
        _ => Ok((StatusCode::ACCEPTED, Json(run)).into_response()),
    }
}

/// The run was waited for, and did not succeed.
fn run_failed(run: &Run) -> Problem {
    let error = run.summary.error.as_ref();
    let status = match error.map(|error| error.kind) {
        Some(RunErrorKind::Provider | RunErrorKind::Tool) => StatusCode::BAD_GATEWAY,
        Some(RunErrorKind::ProviderTimeout | RunErrorKind::Timeout) => StatusCode::GATEWAY_TIMEOUT,
        Some(RunErrorKind::Canceled) => StatusCode::CONFLICT,
        Some(
            RunErrorKind::Limit
            | RunErrorKind::Output
            | RunErrorKind::Guardrail
            | RunErrorKind::Definition,
        ) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(RunErrorKind::Internal) | None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let detail = error.map_or("the run did not succeed", |error| error.message.as_str());
    Problem::new(status, "run-failed", detail).with("run", run)
}

fn queue_full(name: &str, limit: i64, error: &ExecuteError) -> Problem {
    let reached = json!({"name": name, "value": limit, "used": limit, "resets_at": null});
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", error)
        .with("limit", reached)
        .header(header::RETRY_AFTER, QUEUE_FULL.as_secs())
}

impl From<IdempotencyKey> for NewKey {
    fn from(key: IdempotencyKey) -> Self {
        Self { key: key.key, path: key.path, body_sha256: key.body_sha256 }
    }
}

impl From<NotExecutable> for Problem {
    fn from(error: NotExecutable) -> Self {
        match error {
            NotExecutable::NotFound { kind, .. } => Self::not_found(kind.not_found.0, error),
            NotExecutable::MissingScope(scope) => insufficient(&[scope.as_str()]),
            NotExecutable::NoVersion { .. } => {
                Self::invalid(vec![Invalid::new("/version", "unknown_version", error)])
            }
            NotExecutable::Broken { kind, ref problems, .. } => {
                let problems = problems.clone();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind.invalid.0, error).errors(problems)
            }
            NotExecutable::Definitions(error) => error.into(),
        }
    }
}

impl From<ExecuteError> for Problem {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid(wrong) => Self::invalid(wrong),
            ExecuteError::KeyReused => once::reused(),
            ExecuteError::QueueFull(limit) => queue_full("queued_runs", limit.into(), &error),
            ExecuteError::ShareFull(own) => queue_full("queued_runs_of_client", own, &error),
            ExecuteError::Budget { ref reached, resets_at, wait } => {
                let limit = json!({
                    "name": reached.limit, "value": reached.value, "used": reached.used,
                    "resets_at": resets_at, "owner": reached.owner,
                });
                Self::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", &error)
                    .with("limit", limit)
                    .header(header::RETRY_AFTER, wait.as_secs() + 1)
            }
            ExecuteError::UnknownPrice(ref wrong) => {
                let wrong = wrong.clone();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "agent-invalid", error).errors(wrong)
            }
            ExecuteError::ThreadBusy(run_id) => {
                Self::conflict("thread-busy", error).with("run_id", run_id)
            }
            ExecuteError::Retried(run_id) => {
                Self::conflict("run-retried", error).with("run_id", run_id)
            }
            ExecuteError::NotFailed(_) => Self::conflict("run-not-failed", error),
            ExecuteError::Journal(JournalError::KeyTaken) => once::under_way(),
            ExecuteError::Journal(
                JournalError::Stopping | JournalError::Away | JournalError::Retried,
            ) => Self::unavailable(Duration::from_secs(1)),
            ExecuteError::Journal(cause) => Self::internal(&cause),
            ExecuteError::Runs(error) => error.into(),
        }
    }
}
