//! The events of a run as a stream of server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use http::header;
use tracing::error;

use super::RunsError;
use super::watch::Watcher;

/// A comment is sent after so long a silence, so that nothing in between closes the connection.
const SILENCE: Duration = Duration::from_secs(15);
const PING: Bytes = Bytes::from_static(b": ping\n\n");
/// How long a client waits before it comes back; in the first frame.
const RETRY: &[u8] = b"retry: 2000\n";

/// Everything that `watcher` sees, until the run ends.
pub fn response(watcher: Watcher) -> Response {
    let frames = stream::unfold((watcher, RETRY), |(mut watcher, prefix)| async move {
        match next(&mut watcher).await {
            Ok(None) => None,
            Ok(Some(ping)) if ping == PING => Some((Ok(ping), (watcher, prefix))),
            Ok(Some(frames)) if prefix.is_empty() => Some((Ok(frames), (watcher, prefix))),
            Ok(Some(frames)) => {
                let first = Bytes::from([prefix, &frames].concat());
                Some((Ok(first), (watcher, &[][..])))
            }
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "an event stream broke off");
                Some((Err(cause), (watcher, prefix)))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies of the nginx kind keep back what they do not know to be a stream.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

async fn next(watcher: &mut Watcher) -> Result<Option<Bytes>, RunsError> {
    tokio::time::timeout(SILENCE, watcher.next()).await.unwrap_or(Ok(Some(PING)))
}
