//! `GET /runs/{id}/deliveries`.

use axum::extract::State;

use super::find;
use crate::app::App;
use crate::http::Page;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::RunRead;
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
    let run_id = find(&app, &caller, &id).await?.run.summary.id;
    let tenant = &caller.tenant;
    let data = app.db.read(async |conn| deliveries::list(conn, tenant, run_id).await).await?;
    // A run has few webhooks: they are one page.
    Ok(Page { data, next_cursor: None })
}
