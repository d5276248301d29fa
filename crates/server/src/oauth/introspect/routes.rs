//! `POST /oauth/introspect`.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::introspect::Introspection;
use crate::oauth::introspect::introspect;
use crate::oauth::revoke::routes::TokenNamed;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::RefusalSchema;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(introspect_token))
}

/// Ask what a token allows
///
/// A client may ask about its own tokens, one that holds `client.read` about all of its tenant. Every other
/// text is answered `{"active": false}`, whatever is wrong with it.
#[utoipa::path(post, path = "/oauth/introspect", tag = "oauth", security(()),
    request_body(content((TokenNamed = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = Introspection), (status = 400, body = RefusalSchema),
        (status = 401, body = RefusalSchema, description = "The client did not prove itself"),
        (status = 429, body = RefusalSchema, description = "Too many wrong secrets")))]
async fn introspect_token(
    State(app): State<App>,
    call: ClientCall,
) -> Result<Response, OAuthFailure> {
    let found = introspect(&app.keys, &app.clients, &call, app.clock.now()).await?;
    Ok((NO_STORE, Json(found)).into_response())
}
