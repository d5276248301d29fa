//! The one source of new ids.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use crate::db::Id;

/// Makes ids: UUIDv7, so that later ones sort after earlier ones. In tests they count.
#[derive(Debug, Clone)]
pub enum Ids {
    Random,
    Counting(Arc<AtomicU64>),
}

impl Ids {
    /// Ids `01900000-0000-7000-8000-000000000001`, `…2` and so on.
    pub fn counting() -> Self {
        Self::Counting(Arc::default())
    }

    /// Ids of the same kind with a count of their own, for what should not use up these.
    #[must_use]
    pub fn apart(&self) -> Self {
        match self {
            Self::Random => Self::Random,
            Self::Counting(_) => Self::counting(),
        }
    }

    /// The next id: greater than every id that this process made before.
    pub fn next(&self) -> Id {
        const FIRST: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;
        Id::new(match self {
            Self::Random =>
            {
                #[expect(clippy::disallowed_methods, reason = "this is where ids are made")]
                Uuid::now_v7()
            }
            Self::Counting(last) => {
                Uuid::from_u128(FIRST + u128::from(last.fetch_add(1, Ordering::Relaxed) + 1))
            }
        })
    }
}
