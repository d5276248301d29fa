//! Work that outlives the request that began it, but not the process.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks, tells them when the server stops, and waits for them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `work` beside everything else. It must end soon after [`Tasks::stopping`] fires.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tracker.spawn(work)
    }

    /// Runs `work` that everything else needs until the very end: nobody tells it to stop or waits
    /// for it. It must end by itself when nobody can use it any more.
    pub fn spawn_for_all<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        #[expect(clippy::disallowed_methods, reason = "this is where tasks are started")]
        tokio::spawn(work)
    }

    /// Fires when the server begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Tells every task to stop and waits for them, at most `patience`. Returns how many were left.
    pub async fn shut_down(&self, patience: Duration) -> usize {
        self.stop.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout(patience, self.tracker.wait()).await;
        self.tracker.len()
    }
}
