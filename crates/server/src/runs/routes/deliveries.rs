//! `/runs/{id}/deliveries`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::app::App;
use crate::db::Id;
use crate::http::Page;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::RunRead;
use crate::oauth::scopes::RunWrite;
use crate::runs::look::Purpose;
use crate::runs::look::find;
use crate::runs::look::find_for;
use crate::runs::store::deliveries;
use crate::runs::webhook::Delivery;

/// List the webhooks of a run
///
/// What came of telling its end: one for each webhook that was asked for, once the run has ended.
#[utoipa::path(get, path = "/runs/{id}/deliveries", tag = "runs",
    params(("id" = String, Path, description = "Id of the run")),
    responses((status = 200, body = Page<Delivery>), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
pub async fn list_deliveries(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path(id): Path<String>,
) -> Result<Page<Delivery>, Problem> {
    let run_id = find(&app.runs, &caller, &id).await?.run.summary.id;
    let tenant = &caller.tenant;
    let data = app.db.read(async |conn| deliveries::list(conn, tenant, run_id).await).await?;
    // A run has few webhooks: they are one page.
    Ok(Page { data, next_cursor: None })
}

/// Send a webhook again
///
/// At once and as the same webhook, also one that was delivered or given up; the answer is the delivery as
/// it waits for that. If it fails, it is tried again as long as the day after the run's end lasts.
#[utoipa::path(post, path = "/runs/{id}/deliveries/{delivery}/retry", tag = "runs",
    params(("id" = String, Path, description = "Id of the run"),
        ("delivery" = String, Path, description = "Id of the delivery")),
    responses((status = 202, body = Delivery), Problem),
    security(("oauth2" = ["run.write"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
pub async fn retry_delivery(
    State(app): State<App>,
    caller: Caller<RunWrite>,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let run_id = find_for(&app.runs, &caller, &id, Purpose::Cancelling).await?.run.summary.id;
    let not_found = || {
        let shown: String = delivery.chars().take(36).collect();
        let detail = format!("the run has no delivery `{shown}`");
        Problem::not_found("delivery-not-found", detail)
    };
    let delivery_id: Id = delivery.parse().map_err(|_| not_found())?;
    let (tenant, now) = (&caller.tenant, app.clock.now());
    let retried =
        app.db.write(async |tx| deliveries::retry(tx, tenant, run_id, delivery_id, now).await);
    let retried = retried.await?.ok_or_else(not_found)?;
    app.runs.webhooks.wake();
    Ok((StatusCode::ACCEPTED, Json(retried)))
}
