//! The endpoints of OAuth, and the administration of clients.
//!
//! What clients prove themselves at, and `/oauth/register`, refuse in the words of RFC 6749 and RFC 7591;
//! `/oauth/clients` is our API and refuses with problems, and so does every
//! [`Caller`](crate::oauth::caller::Caller).

mod audit;
mod client_call;
mod clients;
mod me;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::form::MAX_BODY;
use axum::Json;
use axum::body;
use axum::body::Body as RawBody;
use axum::extract::Request;
use axum::middleware::Next;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use metrics::counter;
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::error;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::oauth::OAuthFailure;
use crate::oauth::api_keys;
use crate::oauth::authorize;
use crate::oauth::discovery;
use crate::oauth::external;
use crate::oauth::grants;
use crate::oauth::introspect;
use crate::oauth::issue;
use crate::oauth::keys;
use crate::oauth::register;
use crate::oauth::revoke;
use crate::oauth::sessions;
use crate::oauth::sign_in;
use crate::oauth::users;

/// Of answers that hold a token or say what one allows.
pub const NO_STORE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

/// Where clients prove themselves.
const CLIENT_CALLS: [&str; 3] = ["/oauth/token", "/oauth/introspect", "/oauth/revoke"];

pub use clients::no_client;

pub fn router() -> OpenApiRouter<App> {
    let places = Arc::new(Semaphore::new(client_call::AT_ONCE));
    let client_calls = OpenApiRouter::new()
        .merge(issue::routes::router())
        .merge(introspect::routes::router())
        .merge(revoke::routes::router())
        .layer(from_fn_with_state(places, client_call::shed));
    OpenApiRouter::new()
        .merge(discovery::routes::router())
        .merge(client_calls)
        .merge(keys::routes::router())
        .merge(register::routes::router())
        .merge(clients::router())
        .merge(api_keys::routes::router())
        .merge(audit::router())
        .merge(me::router())
        .merge(users::routes::router())
        .merge(sessions::routes::router())
        .merge(grants::routes::router())
        .merge(sign_in::routes::router())
        .merge(external::routes::router())
        .merge(authorize::routes::router())
}

/// Says in the words of RFC 6749 what the house, which knows no feature, says in problems: that there
/// is no such method, or no time or place for a request.
pub async fn speak_oauth(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_oauth = CLIENT_CALLS.contains(&path) || path == "/oauth/register";
    let response = next.run(request).await;
    let code = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::InvalidRequest,
        StatusCode::INTERNAL_SERVER_ERROR => ErrorCode::ServerError,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::TemporarilyUnavailable,
        _ => return response,
    };
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if !is_oauth || media_type.is_none_or(|it| it != "application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = body::to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&problem).unwrap_or_default();
    let refusal = OAuthError::new(code, problem["detail"].as_str().unwrap_or_default());
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let (own, body) = Json(&refusal).into_response().into_parts();
    parts.headers.extend(own.headers);
    Response::from_parts(parts, body)
}

/// An id as a part of a path.
pub fn encoded(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    id.replace('+', "%20")
}

/// Reads the body of a request to an OAuth endpoint, which has so much `time` to arrive.
pub async fn read_body(body: RawBody, time: Duration) -> Result<Bytes, OAuthError> {
    let refuse = |description: &str, status| {
        OAuthError::new(ErrorCode::InvalidRequest, description).with_status(status)
    };
    match tokio::time::timeout(time, body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => {
            Err(refuse(&format!("the body is longer than {MAX_BODY} bytes"), 413))
        }
        Ok(Err(_)) => Err(refuse("the body ended before it was complete", 400)),
        Err(_) => Err(refuse("the body did not arrive in time", 408)),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    error.source().is_some_and(<dyn Error>::is::<http_body_util::LengthLimitError>)
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        if let Some(reason) = self.reason() {
            counter!("auth_failures_total", "reason" => reason).increment(1);
        }
        let (refusal, retry_after) = self.into_refusal();
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, NO_STORE, Json(&refusal)).into_response();
        if let Some(challenge) = refusal.www_authenticate() {
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = retry_after {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl OAuthFailure {
    /// One word for the metrics, if somebody did not prove himself.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) if refusal.code() == ErrorCode::InvalidClient => {
                Some("invalid_client")
            }
            Self::Refused(refusal) if refusal.code() == ErrorCode::InvalidGrant => {
                Some("invalid_grant")
            }
            Self::TooManyGuesses { .. } => Some("too_many_guesses"),
            _ => None,
        }
    }

    /// What the caller is told, and after which time it is worth trying again. What is our fault is
    /// logged here.
    fn into_refusal(self) -> (OAuthError, Option<Duration>) {
        let refuse = |code, text: &str| OAuthError::new(code, text);
        match self {
            Self::Refused(refusal) => (refusal, None),
            Self::TooManyGuesses { retry_after } => {
                let text =
                    "too many requests failed to authenticate; wait, then present the right secret";
                let refusal = refuse(ErrorCode::TemporarilyUnavailable, text).with_status(429);
                (refusal, Some(retry_after))
            }
            Self::TooManyRegistrations { retry_after } => {
                let text = "too many clients were registered from this address; wait";
                let refusal = refuse(ErrorCode::TemporarilyUnavailable, text).with_status(429);
                (refusal, Some(retry_after))
            }
            Self::TooManyRevoked => {
                let text = "the client has revoked too many tokens that are not over yet; wait";
                let refusal = refuse(ErrorCode::TemporarilyUnavailable, text).with_status(429);
                (refusal, Some(Duration::from_mins(1)))
            }
            Self::Busy => {
                let text = "too many requests of clients at once";
                let refusal = refuse(ErrorCode::TemporarilyUnavailable, text);
                (refusal, Some(Duration::from_secs(1)))
            }
            taken @ Self::ClientIdTaken(_) => {
                let refusal = refuse(ErrorCode::InvalidClientMetadata, &taken.to_string());
                (refusal.with_status(409), None)
            }
            Self::Database(cause) => {
                error!(error = %cause, "the database could not be asked about clients");
                let text = "clients cannot be looked up now";
                (refuse(ErrorCode::TemporarilyUnavailable, text), Some(Duration::from_secs(1)))
            }
            fault @ (Self::Signing(_) | Self::Secret(_) | Self::Json(_)) => {
                error!(error = %fault, cause = ?fault.source(), "an OAuth request failed");
                (refuse(ErrorCode::ServerError, "the server failed; its log has the cause"), None)
            }
        }
    }
}

/// Why an OAuth endpoint refused (RFC 6749, RFC 7591).
#[derive(ToSchema)]
#[schema(as = OAuthError)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct RefusalSchema {
    #[schema(example = "invalid_client")]
    error: String,
    #[schema(example = "client authentication failed")]
    error_description: String,
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;
    use crate::http::layers;

    #[tokio::test]
    async fn a_full_house_says_so_in_oauths_words() {
        let full = Router::new().route("/oauth/token", post(async || "x"));
        let full = full.route("/oauth/clients", post(async || "x"));
        let routes = layers::limit_count(full, 0).layer(from_fn(speak_oauth));

        for (path, media_type) in
            [("/oauth/token", "application/json"), ("/oauth/clients", "application/problem+json")]
        {
            let request = Request::post(path).body(RawBody::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 503, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], media_type, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "1", "{path}");
        }
    }
}
