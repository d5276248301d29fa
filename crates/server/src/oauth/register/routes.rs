//! `POST /oauth/register`.

mod own;
mod registrar;

use auth::registration::AuthMethod;
use auth::registration::ClientMetadata;
use auth::registration::GrantType;
use auth::registration::KeySource;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::IdempotencyKey;
use crate::http::Located;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::keys;
use crate::oauth::register::Registered;
use crate::oauth::register::Registrar;
use crate::oauth::register::register;
use crate::oauth::routes::RefusalSchema;
use crate::oauth::routes::encoded;
use crate::oauth::routes::read_body;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register_client)).merge(own::router())
}

/// What a client is registered as (RFC 7591). Members that are null or empty count as absent.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used; the crate `auth` reads the request")]
struct NewClient {
    #[schema(example = "Shop")]
    client_name: Option<String>,
    #[schema(example = json!(["client_credentials"]))]
    grant_types: Option<Vec<String>>,
    #[schema(example = "client_secret_basic")]
    token_endpoint_auth_method: Option<String>,
    /// Scopes with spaces between, none of which the caller lacks. Without it: `agent.read agent.execute`. Who
    /// registers without an administrator gets at most the setting `REGISTRATION_SCOPES`, which is his default, too.
    #[schema(example = "agent.read agent.execute")]
    scope: Option<String>,
    redirect_uris: Option<Vec<String>>,
    /// For `private_key_jwt`: the public keys with which the client signs, or in `jwks_uri` where they are.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

/// A client with its secret, which is never shown again.
#[derive(Serialize, ToSchema)]
struct ClientInformation {
    client_id: String,
    /// Not there for a client that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ags_…")]
    client_secret: Option<String>,
    /// Seconds since 1970.
    client_id_issued_at: u64,
    /// 0: never.
    client_secret_expires_at: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_name: String,
    #[schema(value_type = Vec<String>)]
    grant_types: Vec<GrantType>,
    #[schema(value_type = String)]
    token_endpoint_auth_method: Option<AuthMethod>,
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String)]
    scope: Scopes,
    redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    /// With this its client reads and deletes its registration (RFC 7592), at `registration_client_uri`.
    #[schema(example = "agg_…")]
    registration_access_token: String,
    registration_client_uri: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    original: Option<OriginalAnswer>,
}

/// What the original server answered, beside the members of RFC 7591.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginalAnswer {
    server_id: String,
    client_id: String,
    client_secret: Option<String>,
    scopes: Scopes,
}

/// Register a client
///
/// The body of the original server, `{"serverId", "name", "scopes"}`, is understood too. The setting
/// `REGISTRATION_POLICY` can open this for whoever shows a token of its own, or for anybody.
#[utoipa::path(post, path = "/oauth/register", tag = "oauth",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    request_body = NewClient,
    responses((status = 201, body = ClientInformation), (status = 400, body = RefusalSchema),
        (status = 409, body = RefusalSchema, description = "`serverId` is taken"),
        (status = 429, body = RefusalSchema, description = "Too many from one address"), Problem),
    security(("oauth2" = ["client.write"])))]
async fn register_client(
    State(app): State<App>,
    registrar: Registrar,
    request: Request,
) -> Result<Response, OAuthFailure> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, app.config.limits.body_time).await?;
    let key = match IdempotencyKey::of(&parts, &body) {
        Ok(key) => key,
        Err(problem) => return Ok(problem.into_response()),
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let metadata = ClientMetadata::read(content_type, &body, registrar.kind())?;
    let is_original = metadata.server_id.is_some();
    let row = (app.ids.next(), app.clock.now());
    let answer = async {
        let registered = register(&app.db, &app.clients, &registrar, metadata, row).await?;
        let headers = [
            (header::LOCATION, registered.registration.location()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::PRAGMA, "no-cache".to_owned()),
        ];
        let information = ClientInformation::of(&app.config.issuer, registered, is_original);
        Ok::<_, OAuthFailure>((StatusCode::CREATED, headers, Json(information)))
    };
    Ok(match &registrar {
        Registrar::Caller(caller) => once(&app, caller.owner(), key, Answers::Secret, answer).await,
        // A key is somebody's; of a stranger nobody knows whose.
        Registrar::Stranger { .. } => answer.await.into_response(),
    })
}

impl ClientInformation {
    /// Of a client that was registered just now.
    fn of(issuer: &str, registered: Registered, is_original: bool) -> Self {
        let Registered { registration, secret, token } = registered;
        let client_secret = secret.map(|secret| secret.expose().to_owned());
        let original = is_original.then(|| OriginalAnswer {
            server_id: registration.client_id.clone(),
            client_id: registration.client_id.clone(),
            client_secret: client_secret.clone(),
            scopes: registration.scope.clone(),
        });
        Self { client_secret, original, ..Self::again(issuer, registration, &token) }
    }

    /// The same at any later time.
    fn again(issuer: &str, registration: Registration, token: &OpaqueToken) -> Self {
        let (jwks, jwks_uri) = match registration.keys {
            None => (None, None),
            Some(KeySource::Inline(text)) => (serde_json::from_str(&text).ok(), None),
            Some(KeySource::Uri(uri)) => (None, Some(uri)),
        };
        Self {
            registration_access_token: token.expose().to_owned(),
            registration_client_uri: format!(
                "{issuer}/oauth/register/{}",
                encoded(&registration.client_id)
            ),
            client_id: registration.client_id,
            client_secret: None,
            client_id_issued_at: registration.created_at.map_or(0, keys::seconds),
            client_secret_expires_at: 0,
            client_name: registration.client_name,
            grant_types: registration.grant_types,
            token_endpoint_auth_method: registration.token_endpoint_auth_method,
            scope: registration.scope,
            redirect_uris: registration.redirect_uris,
            jwks,
            jwks_uri,
            original: None,
        }
    }
}
