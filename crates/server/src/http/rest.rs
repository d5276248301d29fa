//! What a client still writes when it has its answer already.
//!
//! A connection that is closed with unread bytes is reset, and a reset takes the answer with it that the
//! client has not read yet. So the rest of a refused body is read, and thrown away.

use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody;
use bytes::Bytes;
use http::Request;
use http::Version;
use http::header;
use http_body::Frame;
use http_body::SizeHint;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::app::Tasks;

/// So much of a rest is read, in bytes and in time; then the connection is closed all the same.
const REST_BYTES: usize = 16 << 20;
const REST_TIME: Duration = Duration::from_secs(2);

/// The request with a body whose rest is read when nobody wants it any more.
pub fn take_along(request: Request<Incoming>, tasks: &Tasks) -> Request<Body> {
    // HTTP/2 ends a stream without its connection.
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return request.map(Body::new);
    }
    // Who asks before he writes writes nothing if he is refused.
    let is_coming = !request.headers().contains_key(header::EXPECT);
    let tasks = tasks.clone();
    request.map(|body| Body::new(WithRest { body: Some(body), is_coming, tasks }))
}

struct WithRest {
    /// There until this is dropped.
    body: Option<Incoming>,
    /// Whether the client writes, for all that we know.
    is_coming: bool,
    tasks: Tasks,
}

impl HttpBody for WithRest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_coming = true;
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for WithRest {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.is_coming && !body.is_end_stream());
        if let Some(rest) = rest {
            self.tasks.spawn(async move {
                let _ = tokio::time::timeout(REST_TIME, throw_away(rest)).await;
            });
        }
    }
}

async fn throw_away(rest: Incoming) {
    let mut rest = pin!(rest);
    let mut left = REST_BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(read) else { return };
        left = less;
    }
}
