//! Reads what clients ask of the endpoints that they prove themselves at.

use std::sync::Arc;
use std::time::Duration;

use auth::client_auth;
use auth::client_auth::ClientRequest;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::header;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::http::RequestId;
use crate::http::address;
use crate::oauth::OAuthFailure;
use crate::oauth::authenticate::ClientCall;
use crate::oauth::routes::read_body;

/// Such a request is short, and may be anybody's.
const BODY_TIME: Duration = Duration::from_secs(5);
/// How many are answered at once. Strangers who ask slowly take no place from others.
pub const AT_ONCE: usize = 256;

impl FromRequest<App> for ClientCall {
    type Rejection = OAuthFailure;

    async fn from_request(request: Request, app: &App) -> Result<Self, OAuthFailure> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, app.config.limits.body_time.min(BODY_TIME)).await?;
        let authorization = parts.headers.get_all(header::AUTHORIZATION);
        let authorization: Vec<&[u8]> = authorization.iter().map(HeaderValue::as_bytes).collect();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let (credentials, params) = client_auth::read(&ClientRequest {
            authorization: &authorization,
            content_type: content_type.map(HeaderValue::as_bytes),
            query: parts.uri.query(),
            body: &body,
        })?;
        let address = address::caller(&parts, &app.config.trusted_proxies);
        let request_id = parts.extensions.get::<RequestId>().cloned();
        Ok(Self { credentials, params, address, request_id, now: app.clock.now() })
    }
}

/// Refuses what would be one request too many, in the words of RFC 6749.
pub async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => OAuthFailure::Busy.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::body::to_bytes;
    use axum::middleware::from_fn_with_state;
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
        expect![[r#"{"error":"temporarily_unavailable","error_description":"too many requests of clients at once"}"#]]
            .assert_eq(str::from_utf8(&body).unwrap());
        drop(taken);
        assert_eq!(ask().await.unwrap().status(), 200);
    }
}
