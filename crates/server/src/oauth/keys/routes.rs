//! `/oauth/keys`: the keys that sign, which belong to the server and so to its own tenant.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::TenantId;
use crate::http::Body;
use crate::http::Created;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::Page;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::keys::Begin;
use crate::oauth::keys::KeyInfo;
use crate::oauth::keys::ManageError;
use crate::oauth::routes::encoded;
use crate::oauth::scopes::KeyRead;
use crate::oauth::scopes::KeyWrite;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_keys, rotate_keys))
        .routes(routes!(import_key))
        .routes(routes!(read_key, retire_key))
}

/// How a new key takes over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// Whether it signs at once, and not when it has been published for ten minutes.
    #[serde(default)]
    now: bool,
}

/// List signing keys
///
/// In the order in which they begin to sign. The one of the settings is among them.
#[utoipa::path(get, path = "/oauth/keys", tag = "oauth",
    responses((status = 200, body = Page<KeyInfo>), Problem),
    security(("oauth2" = ["key.read"])))]
async fn list_keys(
    State(app): State<App>,
    caller: Caller<KeyRead>,
) -> Result<Page<KeyInfo>, Problem> {
    refuse_other_tenants(&caller)?;
    Ok(Page { data: app.keys.list().await?, next_cursor: None })
}

/// Read a signing key
#[utoipa::path(get, path = "/oauth/keys/{kid}", tag = "oauth", params(("kid" = String, Path)),
    responses((status = 200, body = KeyInfo), Problem),
    security(("oauth2" = ["key.read"])))]
async fn read_key(
    State(app): State<App>,
    caller: Caller<KeyRead>,
    Path(kid): Path<String>,
) -> Result<Json<KeyInfo>, Problem> {
    refuse_other_tenants(&caller)?;
    Ok(Json(app.keys.find(&kid).await?))
}

/// Make a signing key
///
/// It is published at once and signs ten minutes later, when everybody who keeps our key set has it; or at once,
/// with `now`. The key before stays published, and its tokens good, for another day.
#[utoipa::path(post, path = "/oauth/keys", tag = "oauth", request_body = Rotation,
    responses((status = 201, body = KeyInfo, headers(("Location" = String))), Problem),
    security(("oauth2" = ["key.write"])))]
async fn rotate_keys(
    State(app): State<App>,
    caller: Caller<KeyWrite>,
    Body(rotation): Body<Rotation>,
) -> Result<Created<KeyInfo>, Problem> {
    refuse_other_tenants(&caller)?;
    let begin = if rotation.now { Begin::Now } else { Begin::Soon };
    Ok(Created(app.keys.rotate(begin, caller.actor()).await?))
}

/// Move the signing key of the settings into the database
///
/// It stays what it is. Afterwards `TOKEN_SERVICE_PRIVATE_KEY` can be left out.
#[utoipa::path(post, path = "/oauth/keys/import", tag = "oauth",
    responses((status = 200, body = KeyInfo), Problem),
    security(("oauth2" = ["key.write"])))]
async fn import_key(
    State(app): State<App>,
    caller: Caller<KeyWrite>,
) -> Result<Json<KeyInfo>, Problem> {
    refuse_other_tenants(&caller)?;
    Ok(Json(app.keys.import(caller.actor()).await?))
}

/// Take a signing key back
///
/// Its tokens are void at once; on other replicas within half a second. The key that signs cannot be taken back:
/// make another sign first.
#[utoipa::path(delete, path = "/oauth/keys/{kid}", tag = "oauth", params(("kid" = String, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["key.write"])))]
async fn retire_key(
    State(app): State<App>,
    caller: Caller<KeyWrite>,
    Path(kid): Path<String>,
) -> Result<NoContent, Problem> {
    refuse_other_tenants(&caller)?;
    app.keys.retire(&kid, caller.actor()).await?;
    Ok(NoContent)
}

/// All tenants trust the same keys; whose server it is minds them.
fn refuse_other_tenants(caller: &Principal) -> Result<(), Problem> {
    if caller.tenant == TenantId::default() {
        return Ok(());
    }
    Err(Problem::not_found("key-not-found", "signing keys belong to the tenant `default`"))
}

impl Located for KeyInfo {
    fn location(&self) -> String {
        format!("/oauth/keys/{}", encoded(&self.kid))
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::NotFound(_) => Problem::not_found("key-not-found", error),
            ManageError::Active(_) => Problem::conflict("key-active", error),
            ManageError::Pending(_) => Problem::conflict("key-pending", error),
            ManageError::NothingToImport => Problem::conflict("key-not-in-settings", error),
            ManageError::Withdrawn(_) => Problem::conflict("key-withdrawn", error),
            ManageError::Random(_)
            | ManageError::Seal(_)
            | ManageError::Json(_)
            | ManageError::Database(_) => Problem::internal(&error),
        }
    }
}
