//! `/agents/{id}/execute` and `/runs`: who may see and do what, and which error is which status.

mod deliveries;
mod events;
mod execute;
mod fork;
mod happen;
mod hooks;
mod tree;
mod triggers;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use engine::RunKind;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Run;
use super::RunSummary;
use super::RunsError;
use super::Status;
use super::approvals;
use super::budgets;
use super::cancel;
use super::journal::JournalError;
use super::look;
use super::look::Purpose;
use super::signal::Cancel;
use super::stats;
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
use crate::oauth::scopes::RunRead;
use crate::oauth::scopes::RunWrite;

/// How long `/wait` waits, if it is not told, and at most.
const WAIT_MS: u64 = 30_000;
const MAX_WAIT_MS: u64 = 60_000;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(execute::execute_agent))
        .routes(routes!(execute::execute_tool))
        .routes(routes!(execute::execute_workflow))
        .routes(routes!(happen::bring_event))
        .routes(routes!(triggers::run_trigger))
        .routes(routes!(
            hooks::get_hook,
            hooks::post_hook,
            hooks::put_hook,
            hooks::patch_hook,
            hooks::delete_hook
        ))
        .routes(routes!(
            hooks::get_hook_of_tenant,
            hooks::post_hook_of_tenant,
            hooks::put_hook_of_tenant,
            hooks::patch_hook_of_tenant,
            hooks::delete_hook_of_tenant
        ))
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
        .merge(stats::routes::router())
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
        text: filter.text,
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
    /// Words in the input, the output or the error of the 10,000 newest runs; with a `cursor`, of those after it.
    #[param(max_length = 200)]
    text: Option<String>,
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
    Ok(Json(look::find(&app.runs, &caller, &id).await?.run))
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
    let run = look::find(&app.runs, &caller, &id).await?.run;
    let patience = Duration::from_millis(asked.timeout_ms.unwrap_or(WAIT_MS).min(MAX_WAIT_MS));
    let live = app.runs.live(run.summary.id);
    let waited = look::wait(&app.runs, &caller, run, live, patience).await?;
    let status = if waited.rests { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(waited.run)).into_response())
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
    let record = look::find_for(&app.runs, &caller, &id, Purpose::Cancelling).await?;
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
