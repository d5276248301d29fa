//! `GET /runs/{id}/tree`.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::RunRead;
use crate::runs::look::find;
use crate::runs::tree;
use crate::runs::tree::Tree;

/// Get what happened in a run as a tree
///
/// The run and those below it, with their turns, model calls and tool calls: at most 10 levels, 200 runs
/// and 2,000 spans; `truncated` says whether there is more.
#[utoipa::path(get, path = "/runs/{id}/tree", tag = "runs",
    params(("id" = String, Path, description = "Id of the run")),
    responses((status = 200, body = Tree), Problem),
    security(("oauth2" = ["run.read"]), ("oauth2" = ["agent.execute"]),
        ("oauth2" = ["workflow.execute"]), ("oauth2" = ["tool.execute"])))]
pub async fn get_tree(
    State(app): State<App>,
    caller: Caller<RunRead>,
    Path(id): Path<String>,
) -> Result<Json<Tree>, Problem> {
    let record = find(&app.runs, &caller, &id).await?;
    Ok(Json(tree::tree(&app.runs, record).await?))
}
