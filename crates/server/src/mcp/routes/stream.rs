//! Streams of events, with questions to the client between what it has asked for.

use axum::body::Body;
use axum::body::Bytes;
use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

/// The events of `body`, and a message whenever one is `said`, until `body` ends.
pub fn with(body: Body, said: UnboundedReceiver<Value>) -> Body {
    let state = (body.into_data_stream(), said);
    Body::from_stream(stream::unfold(state, async |(mut events, mut said)| {
        // One piece is one event. Nobody says anything any more once the last is made.
        let piece = tokio::select! {
            Some(message) = said.recv() => Ok(event(&message)),
            piece = events.next() => piece?,
        };
        Some((piece, (events, said)))
    }))
}

/// A message as an event.
pub fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}
