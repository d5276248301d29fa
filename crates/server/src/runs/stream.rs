//! The events of a run as a stream of server-sent events.

use axum::response::Response;
use futures::stream;

use super::watch::Watcher;
use crate::http::event_stream;

/// Everything that `watcher` sees, until the run ends.
pub fn response(watcher: Watcher) -> Response {
    event_stream(stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.transpose().map(|frames| (frames, watcher))
    }))
}
