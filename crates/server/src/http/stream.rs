//! Server-sent events: what goes around frames.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use futures::StreamExt;
use futures::stream;
use http::HeaderValue;
use http::header;
use tracing::error;

/// A comment is sent after so long a silence, so that nothing in between closes the connection.
const SILENCE: Duration = Duration::from_secs(15);
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// How long a client waits before it comes back; in the first frame.
const RETRY: &[u8] = b"retry: 2000\n";

/// An answer that is sent frame by frame, to the end of `frames` or the first failure.
pub fn event_stream<E: Error + Send + Sync + 'static>(
    frames: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Response {
    let state = (frames.boxed(), RETRY);
    let body = stream::unfold(state, |(mut frames, prefix)| async move {
        match tokio::time::timeout(SILENCE, frames.next()).await {
            Err(_) => Some((Ok(PING), (frames, prefix))),
            Ok(None) => None,
            Ok(Some(Ok(next))) if prefix.is_empty() => Some((Ok(next), (frames, prefix))),
            Ok(Some(Ok(next))) => {
                let first = Bytes::from([prefix, &next].concat());
                Some((Ok(first), (frames, &[][..])))
            }
            Ok(Some(Err(cause))) => {
                error!(error = &cause as &dyn Error, "an event stream broke off");
                Some((Err(cause), (frames, prefix)))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies of the nginx kind keep back what they do not know to be a stream.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(body)).into_response()
}
