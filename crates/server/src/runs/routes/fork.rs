//! `POST /runs/{id}/fork` and `/retry`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use engine::RunKind;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Path;
use crate::http::Problem;
use crate::http::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::caller::insufficient;
use crate::oauth::scopes::RunFork;
use crate::runs::Record;
use crate::runs::Run;
use crate::runs::executable;
use crate::runs::execute::Begun;
use crate::runs::execute::replay;
use crate::runs::fork;
use crate::runs::fork::Fork;
use crate::runs::fork::Target;
use crate::runs::journal::NewKey;
use crate::runs::look::find;

/// Fork a run
///
/// Begins a run that takes over the results which another recorded before an event, and goes on from
/// there with the rights of the caller. The other run stays as it is.
#[utoipa::path(post, path = "/runs/{id}/fork", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = Fork,
    responses((status = 202, body = Run), Problem),
    security(("oauth2" = ["agent.execute"]), ("oauth2" = ["workflow.execute"])))]
pub async fn fork_run(
    State(app): State<App>,
    caller: Caller<RunFork>,
    Path(id): Path<String>,
    Keyed { body, key }: Keyed<Fork>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    if let Some(begun) = replayed(&app, &caller, key.as_ref()).await? {
        return Ok(answer(&begun));
    }
    let (from, target) = find_both(&app, &caller, &id, body.version).await?;
    Ok(answer(&fork::fork(&app.runs, &caller, &from, &target, body, key).await?))
}

/// Retry a run
///
/// Begins a run that takes over all results of one that failed or took too long, and makes what failed
/// again. A call whose effect is unknown is left to a person.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = RetryAsked,
    responses((status = 202, body = Run), Problem),
    security(("oauth2" = ["agent.execute"]), ("oauth2" = ["workflow.execute"])))]
pub async fn retry_run(
    State(app): State<App>,
    caller: Caller<RunFork>,
    Path(id): Path<String>,
    Keyed { body: RetryAsked {}, key }: Keyed<RetryAsked>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    if let Some(begun) = replayed(&app, &caller, key.as_ref()).await? {
        return Ok(answer(&begun));
    }
    let (from, target) = find_both(&app, &caller, &id, None).await?;
    Ok(answer(&fork::retry(&app.runs, &caller, &from, &target, key).await?))
}

/// Nothing is to be said about a retry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryAsked {}

async fn replayed(
    app: &App,
    caller: &Principal,
    key: Option<&NewKey>,
) -> Result<Option<Begun>, Problem> {
    match key {
        Some(key) => Ok(replay(&app.runs, caller, key).await?),
        None => Ok(None),
    }
}

/// The run, which the caller must be allowed to see, and what it executed, which he must be allowed to execute.
async fn find_both(
    app: &App,
    caller: &Principal,
    id: &str,
    version: Option<i64>,
) -> Result<(Record, Target), Problem> {
    let from = find(&app.runs, caller, id).await?;
    let (runs, definition) = (&app.runs, from.definition.to_string());
    let version = Some(version.unwrap_or(from.run.summary.definition.version));
    let needed = |scope: &'static str| {
        if caller.holds(scope) { Ok(()) } else { Err(insufficient(&[scope])) }
    };
    let target = match from.run.summary.kind {
        RunKind::Agent => {
            needed("agent.execute")?;
            Target::Agent(executable::agent(runs, caller, &definition, version).await?)
        }
        RunKind::Workflow => {
            needed("workflow.execute")?;
            Target::Workflow(executable::workflow(runs, caller, &definition, version).await?)
        }
        RunKind::Tool => {
            let detail = "a run of a tool does not go on elsewhere: the tool is executed again";
            return Err(Problem::invalid(vec![Invalid::new("", "not_supported", detail)]));
        }
    };
    Ok((from, target))
}

fn answer(begun: &Begun) -> Response {
    let mut answer = (StatusCode::ACCEPTED, Json(&begun.run)).into_response();
    let headers = answer.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("/runs/{}", begun.run.summary.id)) {
        headers.insert(header::LOCATION, location);
    }
    if begun.replayed {
        headers.insert(once::REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}
