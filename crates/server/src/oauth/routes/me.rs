//! `/me`: who is calling.

use auth::scope::Scope;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::Id;
use crate::http::Problem;
use crate::oauth::User;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::Anybody;
use crate::oauth::store::users;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read_me))
}

/// Who is calling, and what he may do now.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// `user:<id>` or `client:<client_id>`.
    #[schema(example = "user:0199a1b2-0000-7000-8000-000000000001")]
    subject: String,
    /// The client by which he calls; `agent-server-ui` stands for our own pages.
    #[schema(example = "agent-server-ui")]
    client_id: String,
    /// `null`: a client, which calls for itself.
    #[schema(required)]
    user: Option<User>,
    /// Every action that he may do, by its name, and scopes of your own.
    #[schema(value_type = Vec<String>, example = json!(["agent.read", "agent.execute"]))]
    scopes: Vec<Scope>,
}

/// Read who is calling
///
/// Open to everybody who is known, whatever he may do.
#[utoipa::path(get, path = "/me", tag = "users", responses((status = 200, body = Me), Problem),
    security(("oauth2" = [])))]
async fn read_me(State(app): State<App>, caller: Caller<Anybody>) -> Result<Json<Me>, Problem> {
    let id: Option<Id> =
        caller.subject.as_str().strip_prefix("user:").and_then(|id| id.parse().ok());
    let user = match id {
        Some(id) => app.db.read(async |conn| users::find(conn, &caller.tenant, id).await).await,
        None => Ok(None),
    };
    let own = caller.scopes.iter().filter(|scope| scope.is_own()).cloned();
    let known = Scope::known().filter(|scope| caller.scopes.covers(scope.as_str()));
    Ok(Json(Me {
        subject: caller.subject.to_string(),
        client_id: caller.client_id.clone(),
        user: user.map_err(|cause| Problem::internal(&cause))?,
        scopes: known.chain(own).collect(),
    }))
}
