//! The one source of the time of day.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;

use crate::db::At;

/// Tells the time. In tests it stands still until it is moved.
///
/// It is for records and expiry, never for correctness between processes, and not for measuring
/// durations: `std::time::Instant` does that.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    Frozen(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        Self::Frozen(Arc::new(Mutex::new(at)))
    }

    pub fn now(&self) -> At {
        At::new(match self {
            Self::System =>
            {
                #[expect(clippy::disallowed_methods, reason = "this is the clock")]
                Utc::now()
            }
            Self::Frozen(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// Moves a frozen clock on; the system's takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Self::Frozen(at) = self {
            *at.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
