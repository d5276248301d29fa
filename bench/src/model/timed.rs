//! A body whose frames leave on a fixed timetable, without a task or a channel of its own.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::body::Frame;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

/// Frame 0 leaves at once, each later one `interval` after the one before it.
///
/// The timetable is absolute: a frame that is late does not delay the next.
pub struct Timed {
    frames: Box<dyn FnMut(u64) -> Bytes + Send>,
    total: u64,
    next: u64,
    interval: Duration,
    due: Pin<Box<Sleep>>,
}

impl Timed {
    /// `frames` makes frame `i` of `total`.
    pub fn new(
        total: u64,
        interval: Duration,
        frames: impl FnMut(u64) -> Bytes + Send + 'static,
    ) -> Self {
        let due = Box::pin(sleep_until(Instant::now()));
        Self { frames: Box::new(frames), total, next: 0, interval, due }
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed")
            .field("next", &self.next)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next == self.total {
            return Poll::Ready(None);
        }
        if !self.interval.is_zero() {
            if self.due.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let due = self.due.deadline() + self.interval;
            self.due.as_mut().reset(due);
        }
        let frame = self.next;
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data((self.frames)(frame)))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.total
    }
}
