//! Why a model call gave no whole answer.

use std::time::Duration;

use crate::Message;

/// A model call that failed.
///
/// `message` is for callers of our API: it names the provider, the status and the provider's own
/// error text where that is safe, and never holds a key, a URL's query or our request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub kind: ErrorKind,
    pub message: String,
    /// The provider's HTTP status, when it answered.
    pub status: Option<u16>,
    /// Whether the same request may succeed later. Quotas, refused keys and bad requests are not.
    pub retryable: bool,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
    /// What had been said before the call broke off; its calls are left out.
    pub partial: Option<Box<Message>>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection could be made: nothing was sent.
    Connect,
    /// No first token, no next token, or no end in time.
    Timeout,
    /// The provider answered with an error, or the request could not be written.
    Refused,
    /// The provider ended the stream of its answer with an error.
    BrokenOff,
    /// The connection or the stream ended without its terminal event.
    Truncated,
    /// The answer is not of the provider's protocol.
    Protocol,
    /// We have no key or address for this provider.
    NotConfigured,
}

impl ModelError {
    /// Whether nothing can have been used: nothing was sent, or the provider would not have it. Of any other
    /// failure nobody knows what the provider has done until then.
    pub fn used_nothing(&self) -> bool {
        match self.kind {
            ErrorKind::Connect | ErrorKind::NotConfigured => true,
            ErrorKind::Refused => self.status.is_none_or(|status| (400..500).contains(&status)),
            ErrorKind::Timeout
            | ErrorKind::BrokenOff
            | ErrorKind::Truncated
            | ErrorKind::Protocol => false,
        }
    }

    /// A failure that the same request would meet again.
    pub(crate) fn lasting(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            retryable: false,
            retry_after: None,
            partial: None,
        }
    }

    /// A failure that may be gone at the next try.
    pub(crate) fn passing(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::lasting(kind, message) }
    }
}
