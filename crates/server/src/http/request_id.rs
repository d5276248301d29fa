//! Every request has a name that caller, answer and log share.

use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderName;
use http::HeaderValue;
use tracing::Instrument;
use tracing::info_span;

use crate::app::Ids;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MOST: usize = 128;

/// The name of a request: the caller's `X-Request-Id` if it is harmless, else one of ours.
///
/// It is for finding things again. Nothing is decided by it.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn of(request: &Request, ids: &Ids) -> Self {
        let harmless = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
            (1..=MOST).contains(&bytes.len()) && bytes.iter().all(is_word)
        };
        if let Some(given) = request.headers().get(HEADER).filter(harmless) {
            return Self(given.clone());
        }
        let own = HeaderValue::try_from(ids.next().to_string());
        Self(own.unwrap_or(HeaderValue::from_static("unknown")))
    }
}

/// Names the request, its log lines and its answer.
pub async fn name(State(ids): State<Ids>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request, &ids);
    let span = info_span!("request", request.id = id.as_str());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(HEADER, id.0);
    response
}
