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

const NEEDS_JSON: &str = "the body must be JSON, sent with `Content-Type: application/json`";

/// A JSON body that is a `T` in every respect; any other is refused with all that is wrong with it.
///
/// No body at all stands for `{}`, so that calls whose members all have defaults need none.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        take(request, &app.config.limits).await.map(Self)
    }
}

async fn take<T>(request: Request, limits: &Limits) -> Result<T, Problem>
where
    T: DeserializeOwned + ToSchema + 'static,
{
    parse(&read_json(request, limits).await?)
}

/// The bytes of a body that says it is JSON.
pub async fn read_json(request: Request, limits: &Limits) -> Result<Bytes, Problem> {
    let is_json = is_json(request.headers())?;
    let bytes = read(request, limits).await?;
    match (is_json, bytes.is_empty()) {
        (true, true) => Err(empty()),
        (false, true) => Ok(Bytes::from_static(b"{}")),
        (true, false) => Ok(bytes),
        (false, false) => Err(unsupported(NEEDS_JSON)),
    }
}

/// The `T` that the bytes are, or all that is wrong with them.
pub fn parse<T: DeserializeOwned + ToSchema + 'static>(bytes: &[u8]) -> Result<T, Problem> {
    json::read(json::parse_strict(bytes)?).map_err(Problem::invalid)
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
    Err(unsupported(NEEDS_JSON))
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body as Bytestream;
    use futures::stream;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Reason {
        #[serde(default)]
        reason: Option<String>,
    }

    #[tokio::test]
    async fn every_spelling_of_the_json_media_type_is_taken() {
        for media_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
            " application/json ;x=y",
        ] {
            let reason: Reason =
                take(request(media_type, r#"{"reason": "x"}"#), &limits()).await.unwrap();
            assert_eq!(reason, Reason { reason: Some("x".into()) }, "{media_type}");
        }
    }

    #[tokio::test]
    async fn no_body_stands_for_an_empty_object() {
        let request = Request::new(Bytestream::empty());

        assert_eq!(take::<Reason>(request, &limits()).await.unwrap(), Reason { reason: None });
    }

    #[tokio::test]
    async fn other_media_types_and_encodings_are_refused() {
        check(request("text/plain", "{}"), 415).await;
        check(request("application/x-www-form-urlencoded", "a=b"), 415).await;
        check(request("application/jsonx", "{}"), 415).await;
        check(Request::new(Bytestream::from("{}")), 415).await;
        let mut zipped = request("application/json", "{}");
        zipped.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        check(zipped, 415).await;
    }

    #[tokio::test]
    async fn a_long_body_is_refused_whether_it_says_its_length_or_not() {
        let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(2000));
        let parts = stream::iter(
            long.clone().into_bytes().chunks(100).map(<[u8]>::to_vec).collect::<Vec<_>>(),
        );
        let mut streamed = request("application/json", "");
        *streamed.body_mut() =
            Bytestream::from_stream(futures::StreamExt::map(parts, Ok::<_, Infallible>));
        let mut declared = request("application/json", "");
        declared.headers_mut().insert(header::CONTENT_LENGTH, "2000000".parse().unwrap());

        check(request("application/json", &long), 413).await;
        check(streamed, 413).await;
        check(declared, 413).await;
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let mut slow = request("application/json", "");
        *slow.body_mut() = Bytestream::from_stream(stream::pending::<Result<Bytes, Infallible>>());

        check(slow, 408).await;
    }

    #[tokio::test]
    async fn what_is_not_json_is_malformed_and_what_breaks_a_rule_is_invalid() {
        check(request("application/json", ""), 400).await;
        check(request("application/json", "{"), 400).await;
        check(request("application/json", r#"{"reason": "\u0000"}"#), 400).await;
        check(request("application/json", r#"{"reason": 1}"#), 422).await;
        check(request("application/json", r#"{"raeson": ""}"#), 422).await;
    }

    async fn check(request: Request, status: u16) {
        let problem = take::<Reason>(request, &limits()).await.unwrap_err();
        assert_eq!(problem.status(), status, "{}", problem.detail());
    }

    fn request(media_type: &str, body: &str) -> Request {
        let body = Bytestream::from(body.to_owned());
        Request::builder().header(header::CONTENT_TYPE, media_type).body(body).unwrap()
    }

    fn limits() -> Limits {
        Limits {
            body_bytes: 1024,
            body_time: Duration::from_millis(20),
            request_time: Duration::from_mins(1),
            concurrency: 10,
            runs_per_client: 0,
            runs_per_agent: 0,
            runs: 10,
            queued_runs: 10,
            shutdown_grace: Duration::from_secs(1),
        }
    }
}
