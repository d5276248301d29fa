//! `/oauth/clients/{client_id}/keys`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::db::Id;
use crate::http::Created;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::Page;
use crate::http::Path;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::api_keys;
use crate::oauth::api_keys::ApiKey;
use crate::oauth::api_keys::ApiKeyError;
use crate::oauth::api_keys::NewApiKey;
use crate::oauth::caller::Caller;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::encoded;
use crate::oauth::routes::no_client;
use crate::oauth::scopes::ClientRead;
use crate::oauth::scopes::ClientWrite;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_api_keys, create_api_key))
        .routes(routes!(read_api_key, delete_api_key))
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct Given {
    /// A name for people.
    #[schema(max_length = 100, example = "Laptop of Ann")]
    name: String,
    /// Scopes with spaces between, all of which the client and the caller hold. None that administers the server.
    #[schema(example = "agent.read agent.execute")]
    scope: String,
    /// `null`: never.
    expires_at: Option<At>,
}

/// A new key, and the only sight of it.
#[derive(Serialize, ToSchema)]
struct Made {
    #[schema(example = "agk_…")]
    key: String,
    #[serde(flatten)]
    shown: ApiKey,
    #[serde(skip)]
    path: String,
}

/// List the API keys of a client
///
/// The newest first, without what they are.
#[utoipa::path(get, path = "/oauth/clients/{client_id}/keys", tag = "oauth",
    params(("client_id" = String, Path)),
    responses((status = 200, body = Page<ApiKey>), Problem),
    security(("oauth2" = ["client.read"])))]
async fn list_api_keys(
    State(app): State<App>,
    caller: Caller<ClientRead>,
    Path(client_id): Path<String>,
) -> Result<Page<ApiKey>, Problem> {
    let data = api_keys::list(&app.db, &caller.tenant, &client_id).await?;
    Ok(Page { data, next_cursor: None })
}

/// Make an API key
///
/// It is shown this once. It opens the API as an access token does, for what it, its client and nobody else
/// allows.
#[utoipa::path(post, path = "/oauth/clients/{client_id}/keys", tag = "oauth",
    params(("client_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    request_body = Given,
    responses((status = 201, body = Made, headers(("Location" = String))), Problem),
    security(("oauth2" = ["client.write"])))]
async fn create_api_key(
    State(app): State<App>,
    caller: Caller<ClientWrite>,
    Path(client_id): Path<String>,
    Keyed { body, key }: Keyed<Given>,
) -> Response {
    let create = Box::pin(async {
        let Given { name, scope, expires_at } = body;
        let new = NewApiKey { name, scope, expires_at };
        let (at, row) = ((&app.db, &*app.clients), (app.ids.next(), app.clock.now()));
        let (shown, token) = api_keys::create(at, &caller, &client_id, new, row).await?;
        let path = format!("/oauth/clients/{}/keys/{}", encoded(&client_id), shown.id);
        Ok::<_, Problem>((NO_STORE, Created(Made { key: token.expose().to_owned(), shown, path })))
    });
    once(&app, caller.owner(), key, Answers::Secret, create).await
}

/// Read an API key
#[utoipa::path(get, path = "/oauth/clients/{client_id}/keys/{id}", tag = "oauth",
    params(("client_id" = String, Path), ("id" = Id, Path)),
    responses((status = 200, body = ApiKey), Problem),
    security(("oauth2" = ["client.read"])))]
async fn read_api_key(
    State(app): State<App>,
    caller: Caller<ClientRead>,
    Path((client_id, id)): Path<(String, String)>,
) -> Result<Json<ApiKey>, Problem> {
    Ok(Json(api_keys::find(&app.db, &caller.tenant, &client_id, key_id(&id)?).await?))
}

/// Delete an API key
///
/// It is void at once; on other replicas within half a second.
#[utoipa::path(delete, path = "/oauth/clients/{client_id}/keys/{id}", tag = "oauth",
    params(("client_id" = String, Path), ("id" = Id, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["client.write"])))]
async fn delete_api_key(
    State(app): State<App>,
    caller: Caller<ClientWrite>,
    Path((client_id, id)): Path<(String, String)>,
) -> Result<NoContent, Problem> {
    let key = (key_id(&id)?, app.clock.now());
    api_keys::delete((&app.db, &*app.clients), &caller, &client_id, key).await?;
    Ok(NoContent)
}

/// What is no id is the id of nothing.
fn key_id(text: &str) -> Result<Id, Problem> {
    text.parse().map_err(|_| ApiKeyError::NotFound.into())
}

impl Located for Made {
    fn location(&self) -> String {
        self.path.clone()
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::NoClient(client_id) => no_client(&client_id),
            ApiKeyError::NotFound => Problem::not_found("api-key-not-found", error),
            ApiKeyError::TooMany => Problem::conflict("too-many-api-keys", error),
            ApiKeyError::Invalid(faults) => Problem::invalid(faults),
            ApiKeyError::OAuth(_) | ApiKeyError::Random(_) | ApiKeyError::Database(_) => {
                Problem::internal(&error)
            }
        }
    }
}
