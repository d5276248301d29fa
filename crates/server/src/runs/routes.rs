//! `/agents/{id}/execute` and `/runs`: who may see and do what, and which error is which status.

mod deliveries;
mod events;
mod execute;
mod fork;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use engine::RunKind;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Record;
use super::Run;
use super::RunSummary;
use super::RunsError;
use super::Status;
use super::approvals;
use super::budgets;
use super::cancel;
use super::journal::JournalError;
use super::live::End;
use super::live::Live;
use super::mirror;
use super::signal::Cancel;
use super::store;
use super::store::Filter;
use crate::app::App;
use crate::db::At;
use crate::db::Id;
use crate::http::Body;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::RunRead;
use crate::oauth::scopes::RunWrite;

/// How long `/wait` waits, if it is not told, and at most.
const WAIT_MS: u64 = 30_000;
const MAX_WAIT_MS: u64 = 60_000;
/// How often the database is asked for the end of a run that another process executes.
const POLL: Duration = Duration::from_millis(500);

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(execute::execute_agent))
        .routes(routes!(execute::execute_tool))
        .routes(routes!(list_runs))
        .routes(routes!(get_run))
        .routes(routes!(events::list_events))
        .routes(routes!(events::get_value))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::retry_delivery))
        .routes(routes!(fork::fork_run))
        .routes(routes!(fork::retry_run))
        .routes(routes!(tree::get_tree))
        .routes(routes!(wait_for_run))
        .routes(routes!(cancel_run))
        .merge(approvals::routes::router())
        .merge(budgets::routes::router())
}

/// List runs
///
/// The newest first, without their input and output; one's own, or all with `admin.read`.
#[utoipa::path(get, path = "/runs", tag = "runs", params(RunFilter, Paging),
    responses((status = 200, body = Page<RunSummary>), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
async fn list_runs(
    State(app): State<App>,
    caller: Caller<RunRead>,
    paging: Paging,
    Query(filter): Query<RunFilter>,
) -> Result<Page<RunSummary>, Problem> {
    let filter = Filter {
        subject: (!caller.holds("admin.read")).then(|| caller.subject.to_string()),
        status: filter.status.map(|it| it.as_str().to_owned()),
        kind: filter.kind,
        thread_id: filter.thread_id,
        parent_run_id: filter.parent_run_id,
        definition: filter.definition,
        user: filter.user,
        created_after: filter.created_after,
        created_before: filter.created_before,
        before: paging.after()?,
    };
    let (tenant, rows) = (&caller.tenant, paging.rows());
    let runs = app.db.read(async |conn| store::list(conn, tenant, &filter, rows).await).await?;
    Ok(paging.page(runs, |run: &RunSummary| run.id))
}

/// What a list of runs is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunFilter {
    status: Option<Status>,
    kind: Option<RunKind>,
    thread_id: Option<Id>,
    parent_run_id: Option<Id>,
    /// Id or name of what was executed.
    definition: Option<String>,
    /// The caller's own name for an end user.
    user: Option<String>,
    created_after: Option<At>,
    created_before: Option<At>,
}

/// Get a run
#[utoipa::path(get, path = "/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "Id of the run")),
    responses((status = 200, body = Run), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
async fn get_run(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path(id): Path<String>,
) -> Result<Json<Run>, Problem> {
    Ok(Json(find(&app, &caller, &id).await?.run))
}

/// Wait for a run
///
/// 200 when it has ended or needs somebody, 202 when the time is over.
#[utoipa::path(get, path = "/runs/{id}/wait", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"), WaitAsked),
    responses((status = 200, body = Run), (status = 202, body = Run), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
async fn wait_for_run(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path(id): Path<String>,
    Query(asked): Query<WaitAsked>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, &id).await?.run;
    let patience = Duration::from_millis(asked.timeout_ms.unwrap_or(WAIT_MS).min(MAX_WAIT_MS));
    let live = app.runs.live(run.summary.id);
    let run = wait(&app, &caller, run, live, patience).await?;
    let status = if rests(&run) { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(run)).into_response())
}

/// Whether the run does nothing any more, or nothing before somebody has done something.
fn rests(run: &Run) -> bool {
    run.summary.status.is_final() || run.summary.status == Status::Suspended
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaitAsked {
    /// 30,000 if absent.
    #[param(minimum = 0, maximum = 60000)]
    timeout_ms: Option<u64>,
}

/// Cancel a run
///
/// 202 when it was asked to end, 200 when it had ended already.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs",
    params(("id" = String, Path, description = "Id of the run")),
    request_body = CancelAsked,
    responses((status = 200, body = Run), (status = 202, body = Run), Problem),
    security(("oauth2" = ["run.write"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
async fn cancel_run(
    State(app): State<App>,
    caller: Caller<RunWrite>,
    Path(id): Path<String>,
    Body(asked): Body<CancelAsked>,
) -> Result<Response, Problem> {
    let record = find_for(&app, &caller, &id, Purpose::Cancelling).await?;
    let over = record.run.summary.status.is_final();
    let order = Cancel { by: caller.subject.to_string(), reason: asked.reason };
    let run = cancel::cancel(&app.runs, record, order).await?;
    let status = if over { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(run)).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelAsked {
    /// Why, for the record.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// The run, if this caller may see it.
async fn find(app: &App, caller: &Principal, id: &str) -> Result<Record, Problem> {
    find_for(app, caller, id, Purpose::Reading).await
}

/// What a caller wants of a run; others' runs need more for it than his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reading,
    /// Also sending its webhooks again.
    Cancelling,
}

impl Purpose {
    /// Whether `caller` may do it to `run`.
    fn is_allowed(self, caller: &Principal, run: &RunSummary) -> bool {
        let (own, all) = match self {
            Self::Reading => ("run.read", "admin.read"),
            Self::Cancelling => ("run.write", "admin.write"),
        };
        let begins = match run.kind {
            RunKind::Agent => "agent.execute",
            RunKind::Workflow => "workflow.execute",
            RunKind::Tool => "tool.execute",
        };
        let is_own = run.subject == caller.subject.as_str();
        caller.holds(all) || is_own && (caller.holds(own) || caller.holds(begins))
    }
}

async fn find_for(
    app: &App,
    caller: &Principal,
    id: &str,
    purpose: Purpose,
) -> Result<Record, Problem> {
    let not_found = || RunsError::NotFound(id.to_owned());
    let run_id: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let found = app.db.read(async |conn| {
        let Some(mut record) = store::find(conn, tenant, run_id).await? else { return Ok(None) };
        let summary = &mut record.run.summary;
        if !summary.status.is_final() {
            // The row changes at the end only.
            let (last_seq, steps) = store::progress(conn, tenant, run_id).await?;
            summary.last_seq = last_seq.cast_unsigned();
            summary.steps = steps.try_into().unwrap_or(u32::MAX);
        }
        Ok::<_, RunsError>(Some(record))
    });
    let allowed = |record: &Record| purpose.is_allowed(caller, &record.run.summary);
    Ok(found.await?.filter(allowed).ok_or_else(not_found)?)
}

/// Waits until the run has ended or needs somebody, at most for `patience`, and returns it as it is then.
async fn wait(
    app: &App,
    caller: &Principal,
    run: Run,
    live: Option<Arc<Live>>,
    patience: Duration,
) -> Result<Run, Problem> {
    let id = run.summary.id;
    let deadline = Instant::now() + patience;
    let stopping = app.tasks.stopping().clone();
    let (mut run, mut live) = (run, live);
    while !rests(&run) {
        if let Some(live) = live.take().or_else(|| app.runs.live(id)) {
            match tokio::time::timeout_at(deadline, live.ended()).await {
                Ok(End::Finished(run) | End::Suspended(run)) => return Ok((*run).clone()),
                Ok(End::LetGo) if !stopping.is_cancelled() => {}
                _ => return Ok(find(app, caller, &id.to_string()).await?.run),
            }
        } else if Instant::now() >= deadline || stopping.is_cancelled() {
            return Ok(run);
        } else {
            let mirror = mirror::follow(&app.runs, &caller.tenant, id, run.summary.last_seq);
            let poll = deadline.min(Instant::now() + POLL);
            let _ = tokio::time::timeout_at(poll, mirror.live().rested(run.summary.last_seq)).await;
        }
        run = find(app, caller, &id.to_string()).await?.run;
    }
    Ok(run)
}

impl From<RunsError> for Problem {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::NotFound(_) => Self::not_found("run-not-found", error),
            RunsError::ThreadNotFound(_) => Self::not_found("thread-not-found", error),
            RunsError::Definitions(error) => error.into(),
            RunsError::Journal(JournalError::Away) => Self::unavailable(Duration::from_secs(1)),
            // Whoever takes up runs leaves such a one in the queue.
            RunsError::ThreadBusy
            | RunsError::Unreadable(_)
            | RunsError::Event(_)
            | RunsError::Journal(_)
            | RunsError::Database(_) => Self::internal(&error),
        }
    }
}
