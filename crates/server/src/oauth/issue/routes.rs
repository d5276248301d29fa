//! `POST /oauth/token`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::issue::IssuedToken;
use crate::oauth::issue::issue;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::RefusalSchema;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(issue_token))
}

/// What a token request says: a form, as RFC 6749 has it, or the same members as JSON.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used; the crate `auth` reads the request")]
struct TokenRequest {
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// Unless the client authenticates in the header `Authorization`.
    client_id: Option<String>,
    client_secret: Option<String>,
    /// Instead of a secret: a JWT that the client signed, with our issuer as its only audience (`private_key_jwt`).
    client_assertion: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// Scopes with spaces between. Without it: all that the client holds.
    #[schema(example = "agent.read agent.execute")]
    scope: Option<String>,
    /// For whom the token is (RFC 8707). Without it: this API.
    resource: Option<String>,
    /// Of `authorization_code`: what the person was sent back with, and the secret whose hash was asked with.
    code: Option<String>,
    code_verifier: Option<String>,
    /// Where the person was sent back to, if it is given.
    redirect_uri: Option<String>,
    /// Of `refresh_token`.
    refresh_token: Option<String>,
    /// Of a token exchange (RFC 8693): a token of this client, `urn:ietf:params:oauth:token-type:access_token`.
    subject_token: Option<String>,
    subject_token_type: Option<String>,
    /// Who acts, if it is not the client itself: another token of the client.
    actor_token: Option<String>,
    actor_token_type: Option<String>,
    requested_token_type: Option<String>,
    /// The same as `resource`.
    audience: Option<String>,
}

/// Get an access token
///
/// The client authenticates by HTTP Basic, by `client_id` and `client_secret` in the body, or by an assertion; one that
/// cannot names itself by `client_id`, and is given tokens for people only.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(()),
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded"),
        (TokenRequest = "application/json"))),
    responses((status = 200, body = IssuedToken), (status = 400, body = RefusalSchema),
        (status = 401, body = RefusalSchema, description = "The client did not prove itself"),
        (status = 429, body = RefusalSchema, description = "Too many wrong secrets")))]
async fn issue_token(State(app): State<App>, call: ClientCall) -> Result<Response, OAuthFailure> {
    let token = (app.ids.next(), app.clock.now());
    let issued = issue(&app.keys, (&app.clients, &app.people), &call, token).await?;
    Ok((NO_STORE, Json(issued)).into_response())
}
