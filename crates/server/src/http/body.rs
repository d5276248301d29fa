//! What a request's body must be before a handler sees it.

use std::error::Error;

use axum::body;
use axum::extract::FromRequest;
use axum::extract::Request;
use bytes::Bytes;
use http::HeaderMap;
use http::StatusCode;
use http::header;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::app::App;
use crate::config::Limits;
use crate::http::Invalid;
use crate::http::Problem;
use crate::http::json;

/// A JSON body that is a `T` in every respect; any other is refused with all that is wrong with it.
///
/// No body at all stands for `{}`, so that calls whose members all have defaults need none.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = is_json(request.headers())?;
        let bytes = read(request, &app.config.limits).await?;
        let bytes = match (is_json, bytes.is_empty()) {
            (true, true) => return Err(empty()),
            (true, false) => bytes,
            (false, true) => Bytes::from_static(b"{}"),
            (false, false) => {
                return Err(unsupported("a JSON body needs `Content-Type: application/json`"));
            }
        };
        let value = json::parse_strict(&bytes)?;
        json::read(value).map(Self).map_err(Problem::invalid)
    }
}

/// Whether the request says that it holds JSON. One that says anything else is refused.
fn is_json(headers: &HeaderMap) -> Result<bool, Problem> {
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(unsupported("bodies are taken without `Content-Encoding` only"));
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(false) };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    if essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
    {
        return Ok(true);
    }
    Err(unsupported("the body must be JSON, sent with `Content-Type: application/json`"))
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
        .header(header::ACCEPT, "application/json")
}

fn empty() -> Problem {
    let detail = "the body is empty, but should be JSON";
    Problem::malformed(detail, vec![Invalid::new("", "not_json", detail)])
}

/// Reads the body, no longer than its limits allow, in bytes and in time.
pub async fn read(request: Request, limits: &Limits) -> Result<Bytes, Problem> {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large(limits.body_bytes));
    }
    let all = body::to_bytes(request.into_body(), limits.body_bytes);
    match tokio::time::timeout(limits.body_time, all).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_large(&error) => Err(too_large(limits.body_bytes)),
        Ok(Err(_)) => Err(Problem::malformed("the body ended before it was complete", Vec::new())),
        Err(_) => Err(too_slow(limits)),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    error.source().is_some_and(<dyn Error>::is::<LengthLimitError>)
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("a body may have at most {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).with("limit", limit)
}

fn too_slow(limits: &Limits) -> Problem {
    let detail = format!("the body did not arrive within {} s", limits.body_time.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
}
