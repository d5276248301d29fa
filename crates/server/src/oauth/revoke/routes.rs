//! `POST /oauth/revoke`.

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
use crate::oauth::revoke::revoke;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::RefusalSchema;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(revoke_token))
}

/// Which token is meant, at the two endpoints that are told one.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "only its schema is used; the crate `auth` reads the request")]
pub struct TokenNamed {
    token: String,
    /// Not needed: each token says itself what it is.
    token_type_hint: Option<String>,
    /// Unless the client authenticates in the header `Authorization`.
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Revoke a token
///
/// A client gives back a token of its own, which is void from now on; on other replicas within half a second.
/// What is no token, or one that is over, is answered 200, too.
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth", security(()),
    request_body(content((TokenNamed = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The token is void"), (status = 400, body = RefusalSchema),
        (status = 401, body = RefusalSchema, description = "The client did not prove itself"),
        (status = 429, body = RefusalSchema, description = "Too many wrong secrets, or revoked tokens")))]
async fn revoke_token(State(app): State<App>, call: ClientCall) -> Result<Response, OAuthFailure> {
    revoke(&app.db, &app.keys, &app.clients, &call, app.clock.now()).await?;
    Ok(NO_STORE.into_response())
}
