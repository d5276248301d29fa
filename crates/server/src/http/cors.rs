//! Which pages of other origins may call the API: those that the settings name, and no other.
//!
//! What stands at `/.well-known/` is open to all. Cookies are never let through.

use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;

const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, if-match, idempotency-key, last-event-id, mcp-method, mcp-name, mcp-protocol-version, \
         mcp-session-id, x-request-id",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "3600"),
];
const EXPOSED: &str = "etag, location, retry-after, www-authenticate, idempotency-replayed, mcp-session-id, x-request-id";

/// Tells the browser whether the page that asks may read the answer.
pub async fn cors(State(origins): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN);
    let is_open = request.uri().path().starts_with("/.well-known/");
    let allowed = origin.filter(|origin| is_open || origins.iter().any(|known| *origin == known));
    let allowed = allowed.cloned();
    if is_preflight(&request) {
        let mut response = StatusCode::NO_CONTENT.into_response();
        allow(response.headers_mut(), allowed, &PREFLIGHT);
        return response;
    }
    let mut response = next.run(request).await;
    allow(response.headers_mut(), allowed, &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)]);
    response
}

/// Whether this is the question that a browser asks before a call to another origin.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn allow(
    headers: &mut HeaderMap,
    origin: Option<HeaderValue>,
    more: &[(HeaderName, &'static str)],
) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in more {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
