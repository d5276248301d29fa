//! `POST /oauth/token`.

use std::sync::Arc;
use std::time::Duration;

use auth::client_auth::ClientRequest;
use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::header;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::address;
use crate::oauth::OAuthFailure;
use crate::oauth::issue::IssuedToken;
use crate::oauth::issue::issue;
use crate::oauth::routes::RefusalSchema;
use crate::oauth::routes::read_body;

/// A token request is short, and may be anybody's.
const BODY_TIME: Duration = Duration::from_secs(5);
/// How many are answered at once. Strangers who ask slowly for tokens take no place from others.
const AT_ONCE: usize = 256;

pub fn router() -> OpenApiRouter<App> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    OpenApiRouter::new().routes(routes!(issue_token)).layer(from_fn_with_state(places, shed))
}

/// Refuses what would be one request too many, in the words of RFC 6749.
async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => OAuthFailure::Busy.into_response(),
    }
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
    /// Scopes with spaces between. Without it: all that the client holds.
    #[schema(example = "agent.read agent.execute")]
    scope: Option<String>,
    /// For whom the token is (RFC 8707). Without it: this API.
    resource: Option<String>,
}

/// Get an access token
///
/// The client authenticates by HTTP Basic or by `client_id` and `client_secret` in the body.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(()),
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded"),
        (TokenRequest = "application/json"))),
    responses((status = 200, body = IssuedToken), (status = 400, body = RefusalSchema),
        (status = 401, body = RefusalSchema, description = "The client did not prove itself"),
        (status = 429, body = RefusalSchema, description = "Too many wrong secrets")))]
async fn issue_token(State(app): State<App>, request: Request) -> Result<Response, OAuthFailure> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, app.config.limits.body_time.min(BODY_TIME)).await?;
    let authorization = parts.headers.get_all(header::AUTHORIZATION);
    let authorization: Vec<&[u8]> = authorization.iter().map(HeaderValue::as_bytes).collect();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let request = ClientRequest {
        authorization: &authorization,
        content_type: content_type.map(HeaderValue::as_bytes),
        query: parts.uri.query(),
        body: &body,
    };
    let address = address::caller(&parts, &app.config.trusted_proxies);
    let token = (app.ids.next(), app.clock.now());
    let issued = issue(&app.keys, &app.clients, &request, address, token).await?;
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    Ok((headers, Json(issued)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::routing::post;
    use expect_test::expect;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn one_request_too_many_is_refused_in_oauths_words() {
        let places = Arc::new(Semaphore::new(1));
        let routes = Router::new()
            .route("/", post(|| async { "a token" }))
            .layer(from_fn_with_state(Arc::clone(&places), shed));
        let ask = || routes.clone().oneshot(Request::post("/").body(Body::empty()).unwrap());
        assert_eq!(ask().await.unwrap().status(), 200);

        let taken = places.try_acquire().unwrap();
        let refused = ask().await.unwrap();

        assert_eq!(
            (refused.status().as_u16(), &refused.headers()[header::RETRY_AFTER]),
            (503, &HeaderValue::from(1))
        );
        let body = to_bytes(refused.into_body(), usize::MAX).await.unwrap();
        expect![[r#"{"error":"temporarily_unavailable","error_description":"too many tokens are asked for at once"}"#]]
            .assert_eq(str::from_utf8(&body).unwrap());
        drop(taken);
        assert_eq!(ask().await.unwrap().status(), 200);
    }
}
