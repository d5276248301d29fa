//! `/sessions`: where people are signed in.

use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::db::Id;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::UserRead;
use crate::oauth::scopes::UserWrite;
use crate::oauth::sessions::IDLE;
use crate::oauth::sessions::Session;
use crate::oauth::store::sessions as store;
use crate::oauth::store::sessions::Position;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_sessions)).routes(routes!(delete_session))
}

/// List sessions
///
/// The browsers in which people are signed in, the newest first.
#[utoipa::path(get, path = "/sessions", tag = "users", params(Paging),
    responses((status = 200, body = Page<Session>), Problem),
    security(("oauth2" = ["user.read"]), ("oauth2" = ["user.write"])))]
async fn list_sessions(
    State(app): State<App>,
    caller: Caller<UserRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Session>, Problem> {
    let (after, rows, now) = (paging.after()?, paging.rows(), app.clock.now());
    let open = (now, At::new(now.time() - IDLE));
    let sessions =
        app.db.read(async |conn| store::list(conn, &caller.tenant, open, after, rows).await);
    let sessions = sessions.await.map_err(|cause| Problem::internal(&cause))?;
    Ok(paging.page(sessions, |it| Position(it.created_at, it.id)))
}

/// End a session
///
/// Whoever used it has to sign in again, on all replicas at once. What he allowed clients stays: see `/grants`.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "users", params(("id" = Id, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["user.write"])))]
async fn delete_session(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    let none = || Problem::not_found("session-not-found", "there is no such session");
    let id = id.parse().map_err(|_| none())?;
    let now = app.clock.now();
    let deleted = app.db.write(async |tx| {
        let is_gone = store::delete(tx, &caller.tenant, id).await?;
        if is_gone {
            let target = id.to_string();
            let act = Act::new("session.delete", &target, Value::Null);
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok::<_, sqlx::Error>(is_gone)
    });
    let deleted = deleted.await;
    if deleted.map_err(|cause| Problem::internal(&cause))? {
        tracing::info!(session = %id, by = %caller.subject, "a session was ended");
        return Ok(NoContent);
    }
    Err(none())
}
