//! `/.well-known/*`: public, cacheable, the same for everybody.

use auth::token::Digest;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::StatusCode;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::discovery::ResourceMetadata;
use crate::oauth::discovery::ServerMetadata;
use crate::oauth::discovery::path_of;
use crate::oauth::resource::Resource;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_jwks))
        .routes(routes!(read_server))
        .routes(routes!(read_resource))
        .routes(routes!(read_mcp_resource))
        .route("/.well-known/oauth-authorization-server/{*path}", get(read_server_of_path))
        .route("/.well-known/oauth-protected-resource/{*path}", get(read_resource_of_path))
}

/// The public keys (RFC 7517, RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used; the crate `auth` writes the set")]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Jwk {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(example = "Ed25519")]
    crv: String,
    x: String,
    kid: String,
    #[schema(example = "sig")]
    r#use: String,
    #[schema(example = "EdDSA")]
    alg: String,
}

/// Read the keys that verify access tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "oauth", security(()),
    responses((status = 200, body = JwkSet), Problem))]
async fn read_jwks(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    app.keys.look_again().await;
    document(&headers, app.keys.jwks())
}

/// Read what the authorization server can do
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", security(()),
    responses((status = 200, body = ServerMetadata), Problem))]
async fn read_server(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    json_document(&headers, &server_metadata(&app))
}

/// The same, where RFC 8414 has it if the issuer has a path.
async fn read_server_of_path(
    State(app): State<App>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !is_path_of(&app.config.issuer, &path) {
        return Err(no_such_path());
    }
    json_document(&headers, &server_metadata(&app))
}

/// Read which tokens open this API
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource", tag = "oauth", security(()),
    responses((status = 200, body = ResourceMetadata), Problem))]
async fn read_resource(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    json_document(&headers, &ResourceMetadata::of(&app.config.issuer, Resource::Api))
}

/// Read which tokens open what speaks MCP
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource/mcp", tag = "oauth", security(()),
    responses((status = 200, body = ResourceMetadata), Problem))]
async fn read_mcp_resource(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    json_document(&headers, &ResourceMetadata::of(&app.config.issuer, Resource::Mcp))
}

/// Both, where RFC 9728 has them if the issuer has a path.
async fn read_resource_of_path(
    State(app): State<App>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let issuer = &app.config.issuer;
    let is_it = |resource: &Resource| is_path_of(&resource.url(issuer), &path);
    let resource = Resource::ALL.into_iter().find(is_it).ok_or_else(no_such_path)?;
    json_document(&headers, &ResourceMetadata::of(issuer, resource))
}

fn server_metadata(app: &App) -> ServerMetadata {
    ServerMetadata::of(&app.config.issuer, &app.config.identity.registration)
}

fn is_path_of(url: &str, path: &str) -> bool {
    path_of(url).strip_prefix('/') == Some(path)
}

fn no_such_path() -> Problem {
    Problem::not_found("route-not-found", "nothing of this server has that path")
}

fn json_document<T: Serialize>(headers: &HeaderMap, content: &T) -> Result<Response, Problem> {
    document(headers, serde_json::to_string(content))
}

/// A JSON text that may be kept for five minutes, or the news that there is none.
fn document(
    headers: &HeaderMap,
    text: Result<String, serde_json::Error>,
) -> Result<Response, Problem> {
    let text = text.map_err(|cause| Problem::internal(&cause))?;
    let tag = format!("W/\"{}\"", &Digest::of(&text).to_hex()[..16]);
    let is_known = is_known(headers, &tag);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CACHE_CONTROL, "public, max-age=300".to_owned()),
        (header::ETAG, tag),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, text).into_response())
}

/// Whether the caller has the document of that tag already. Strength does not matter (RFC 9110).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known.trim()) == opaque(tag))
}
