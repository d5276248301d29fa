//! Upstreams that say that their tools have changed.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Notify;

use crate::db::Id;
use crate::db::TenantId;

/// One of a tenant's upstreams.
pub type Which = (TenantId, Id);

/// Those that nobody has looked at since. However often one says it, it is here once.
#[derive(Debug, Default)]
pub struct Changes {
    known: Mutex<Known>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Known {
    noted: BTreeSet<Which>,
    /// Those that are being looked at.
    busy: BTreeSet<Which>,
}

impl Changes {
    pub fn note(&self, tenant: &TenantId, upstream: Id) {
        self.lock().noted.insert((tenant.clone(), upstream));
        self.more.notify_one();
    }

    /// One of them, as soon as there is one that is not being looked at. It is, until [`done`](Self::done).
    pub async fn next(&self) -> Which {
        loop {
            let more = self.more.notified();
            if let Some(which) = self.lock().next() {
                return which;
            }
            more.await;
        }
    }

    pub fn done(&self, which: &Which) {
        self.lock().busy.remove(which);
        self.more.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn next(&mut self) -> Option<Which> {
        let which = self.noted.iter().find(|it| !self.busy.contains(it)).cloned()?;
        self.noted.remove(&which);
        self.busy.insert(which.clone());
        Some(which)
    }
}
