//! `/users`: who may sign in, and what he may do then.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::Id;
use crate::http::Body;
use crate::http::Created;
use crate::http::IdempotencyKey;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::insufficient;
use crate::oauth::passwords::HasherError;
use crate::oauth::scopes::UserRead;
use crate::oauth::scopes::UserWrite;
use crate::oauth::store::users as store;
use crate::oauth::store::users::Position;
use crate::oauth::users::Actor;
use crate::oauth::users::Change;
use crate::oauth::users::NewUser;
use crate::oauth::users::User;
use crate::oauth::users::UserError;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(read_user, change_user, delete_user))
        .routes(routes!(set_password))
}

/// Somebody who shall be able to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
struct Given {
    /// 1 to 200 characters without spaces; case does not matter. It belongs to one person on the whole server.
    #[schema(example = "maria.koski@fjord.example")]
    username: String,
    #[serde(default)]
    #[schema(max_length = 200, example = "Maria Koski")]
    display_name: String,
    /// `owner`, `admin`, `editor`, `operator` or `viewer`; none that allows what the caller may not.
    #[schema(example = "operator")]
    role: String,
    /// Scopes beyond those of the role, with spaces between; none that the caller lacks.
    #[serde(default)]
    #[schema(example = "rfp.process")]
    scope: String,
    /// 12 to 256 characters. Without one he cannot sign in with a password.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    password: Option<SecretString>,
}

/// What of a user is to be changed. Members that are absent stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    #[schema(nullable = false, max_length = 200)]
    display_name: Option<String>,
    #[schema(nullable = false, example = "editor")]
    role: Option<String>,
    #[schema(nullable = false)]
    scope: Option<String>,
    /// `false`: he cannot sign in, is signed out everywhere, and what he allowed clients is over.
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// 12 to 256 characters.
    #[schema(value_type = String, format = Password, write_only)]
    password: SecretString,
}

/// List users
///
/// The newest first.
#[utoipa::path(get, path = "/users", tag = "users", params(Paging),
    responses((status = 200, body = Page<User>), Problem),
    security(("oauth2" = ["user.read"]), ("oauth2" = ["user.write"])))]
async fn list_users(
    State(app): State<App>,
    caller: Caller<UserRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<User>, Problem> {
    let (after, rows) = (paging.after()?, paging.rows());
    let users = app.db.read(async |conn| store::list(conn, &caller.tenant, after, rows).await);
    let users = users.await.map_err(|cause| Problem::internal(&cause))?;
    Ok(paging.page(users, |user| Position(user.created_at, user.id)))
}

/// Create a user
#[utoipa::path(post, path = "/users", tag = "users", request_body = Given,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = User, headers(("Location" = String))), Problem),
    security(("oauth2" = ["user.write"])))]
async fn create_user(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Keyed { body, key }: Keyed<Given>,
) -> Response {
    let tagged = |key: IdempotencyKey| IdempotencyKey {
        body_sha256: app.people.tag(&key.body_sha256),
        ..key
    };
    let create = Box::pin(async {
        let Given { username, display_name, role, scope, password } = body;
        let new = NewUser { username, display_name, role, scope, password };
        let row = (app.ids.next(), app.clock.now());
        let user = app.people.create_user(Actor::of(&caller), new, row).await?;
        app.clients.catch_up().await;
        Ok::<_, Problem>(Created(user))
    });
    once(&app, caller.owner(), key.map(tagged), Answers::Kept, create).await
}

/// Read a user
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = Id, Path)),
    responses((status = 200, body = User), Problem),
    security(("oauth2" = ["user.read"]), ("oauth2" = ["user.write"])))]
async fn read_user(
    State(app): State<App>,
    caller: Caller<UserRead>,
    Path(id): Path<String>,
) -> Result<Json<User>, Problem> {
    let id = user_id(&id)?;
    let user = app.db.read(async |conn| store::find(conn, &caller.tenant, id).await).await;
    Ok(Json(user.map_err(UserError::from)?.ok_or(UserError::NotFound)?))
}

/// Change a user
///
/// Not one who may do, before or after, what the caller may not. What acts for him loses at once what is taken
/// away; on other replicas within half a second.
#[utoipa::path(put, path = "/users/{id}", tag = "users", params(("id" = Id, Path)),
    request_body = UserChange, responses((status = 200, body = User), Problem),
    security(("oauth2" = ["user.write"])))]
async fn change_user(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Path(id): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, Problem> {
    let UserChange { display_name, role, scope, is_active } = change;
    let change = Change { display_name, role, scope, is_active };
    let by = Actor::of(&caller);
    let user = app.people.change_user(by, user_id(&id)?, change, app.clock.now()).await?;
    app.clients.forget_user(user.id).await;
    app.clients.catch_up().await;
    Ok(Json(user))
}

/// Delete a user
///
/// What acts for him is void at once; on other replicas within half a second.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = Id, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["user.write"])))]
async fn delete_user(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    let id = user_id(&id)?;
    app.people.delete_user(Actor::of(&caller), id, app.clock.now()).await?;
    app.clients.forget_user(id).await;
    app.clients.catch_up().await;
    Ok(NoContent)
}

/// Give a user another password
///
/// Not one who may do what the caller may not. He is signed out everywhere, and what he allowed clients is over.
#[utoipa::path(put, path = "/users/{id}/password", tag = "users", params(("id" = Id, Path)),
    request_body = NewPassword, responses((status = 204), Problem),
    security(("oauth2" = ["user.write"])))]
async fn set_password(
    State(app): State<App>,
    caller: Caller<UserWrite>,
    Path(id): Path<String>,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<NoContent, Problem> {
    let by = Actor::of(&caller);
    app.people.set_password(by, user_id(&id)?, password, app.clock.now()).await?;
    app.clients.catch_up().await;
    Ok(NoContent)
}

/// What is no id is the id of nobody.
fn user_id(text: &str) -> Result<Id, UserError> {
    text.parse().map_err(|_| UserError::NotFound)
}

impl Located for User {
    fn location(&self) -> String {
        format!("/users/{}", self.id)
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Problem::not_found("user-not-found", error),
            UserError::NameTaken(_) => Problem::conflict("user-name-taken", error),
            UserError::Invalid(faults) => Problem::invalid(faults),
            UserError::BeyondYou { scope } => insufficient(&[&scope]),
            UserError::Hasher(HasherError::Busy) => {
                Problem::unavailable(std::time::Duration::from_secs(1))
            }
            UserError::Hasher(_) | UserError::Json(_) | UserError::Database(_) => {
                Problem::internal(&error)
            }
        }
    }
}
