//! `/grants`: what people have allowed clients.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::Id;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::grants::Grant;
use crate::oauth::scopes::UserRead;
use crate::oauth::scopes::UserWrite;
use crate::oauth::store::grants as store;
use crate::oauth::store::grants::Position;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_grants)).routes(routes!(delete_grant))
}

/// List what people have allowed
///
/// Each is a client that acts for somebody, the newest first.
#[utoipa::path(get, path = "/grants", tag = "users", params(Paging),
    responses((status = 200, body = Page<Grant>), Problem),
    security(("oauth2" = ["user.read"]), ("oauth2" = ["user.write"])))]
async fn list_grants(
    State(app): State<App>,
    caller: Caller<UserRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Grant>, Problem> {
    let (after, rows, now) = (paging.after()?, paging.rows(), app.clock.now());
    let grants =
        app.db.read(async |conn| store::list(conn, &caller.tenant, now, after, rows).await);
    let grants = grants.await.map_err(|cause| Problem::internal(&cause))?;
    Ok(paging.page(grants, |it| Position(it.created_at, it.id)))
}

/// Take back what somebody has allowed
///
/// The client's tokens for him are void at once; on other replicas within half a second.
#[utoipa::path(delete, path = "/grants/{id}", tag = "users", params(("id" = Id, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["user.write"])))]
async fn delete_grant(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    let none = || Problem::not_found("grant-not-found", "nothing that was allowed has this id");
    let id = id.parse().map_err(|_| none())?;
    let ended = app.people.end_grant(caller.actor(), id, app.clock.now()).await;
    if !ended.map_err(|cause| Problem::internal(&cause))? {
        return Err(none());
    }
    app.clients.catch_up().await;
    tracing::info!(grant = %id, by = %caller.subject, "what was allowed was taken back");
    Ok(NoContent)
}
