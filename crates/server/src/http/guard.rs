//! What keeps one request, or too many of them, from taking the whole server.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use http_body::SizeHint;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tracing::error;

use crate::http::Problem;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Refuses what would be one request too many. A request counts until the last byte of its answer.
pub async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire_owned() {
        Ok(place) => next.run(request).await.map(|body| Body::new(Held { body, _place: place })),
        Err(_) => Problem::unavailable(RETRY_AFTER).into_response(),
    }
}

/// Gives up on an answer that does not begin in time. A stream that has begun may go on.
pub async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable(RETRY_AFTER).into_response(),
    }
}

/// Answers for a handler that panicked. What it said is for the log.
pub fn recover(panic: Box<dyn Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    error!(panic = said, "a handler panicked");
    Problem::fault().into_response()
}

/// A body that holds its request's place.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
