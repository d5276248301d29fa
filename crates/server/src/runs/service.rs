//! The handle of everything that executes: which runs this process has, and what they need.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::journal::Journal;
use super::live::End;
use super::live::Live;
use crate::agents::Agents;
use crate::agents::models::Models;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::db::Db;
use crate::db::Id;
use crate::tools::Tools;

/// Executes runs in this process.
#[derive(Debug, Clone)]
pub struct Runs(Arc<Inner>);

/// What an execution needs of the rest of the server.
#[derive(Debug)]
pub struct Services {
    pub db: Db,
    pub clock: Clock,
    pub ids: Ids,
    pub tasks: Tasks,
    pub agents: Agents,
    pub models: Models,
    pub tools: Tools,
}

/// The one [`Runs`] of a process.
#[derive(Debug)]
struct Inner {
    services: Services,
    journal: Journal,
    /// This process, in `workers` and as the owner of runs.
    worker: Id,
    /// Fires when runs must be let go, because the process ends.
    hand_over: CancellationToken,
    permits: Arc<Semaphore>,
    live: Mutex<HashMap<Id, Arc<Live>>>,
}

impl std::ops::Deref for Runs {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0.services
    }
}

impl Runs {
    /// At most `concurrency` runs are executed at once; more wait in the queue.
    pub fn new(services: Services, concurrency: usize) -> Self {
        Self(Arc::new(Inner {
            journal: Journal::start(services.db.clone(), &services.tasks),
            worker: services.ids.next(),
            hand_over: CancellationToken::new(),
            permits: Arc::new(Semaphore::new(concurrency)),
            live: Mutex::default(),
            services,
        }))
    }

    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// This process, in `workers` and as the owner of runs.
    pub fn worker(&self) -> Id {
        self.0.worker
    }

    /// Fires when runs must be let go, because the process ends.
    pub fn hand_over(&self) -> &CancellationToken {
        &self.0.hand_over
    }

    /// The run, if this process executes it.
    pub fn live(&self, run_id: Id) -> Option<Arc<Live>> {
        self.lock().get(&run_id).cloned()
    }

    /// How many runs this process executes.
    pub fn live_count(&self) -> usize {
        self.lock().len()
    }

    /// The right to execute one more run now.
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.permits).try_acquire_owned().ok()
    }

    /// How many more runs may be executed now.
    pub fn free(&self) -> usize {
        self.0.permits.available_permits()
    }

    /// Lets readers find the run here, before anybody can know of it from the database.
    pub fn enter(&self, run_id: Id, last_seq: u64) -> Arc<Live> {
        let live = Arc::new(Live::new(run_id, last_seq));
        self.lock().insert(run_id, Arc::clone(&live));
        live
    }

    /// Readers no longer find the run here.
    pub fn leave(&self, live: &Arc<Live>) {
        live.end(End::LetGo);
        let mut runs = self.lock();
        if runs.get(&live.run_id).is_some_and(|it| Arc::ptr_eq(it, live)) {
            runs.remove(&live.run_id);
        }
    }

    /// Executes a run to its end, beside everything else. `permit` is `None` for a run that must not
    /// wait, such as one that is only begun to be canceled.
    pub fn spawn(&self, driver: Driver, permit: Option<OwnedSemaphorePermit>) {
        let left = Left { runs: self.clone(), live: Arc::clone(driver.live()) };
        self.tasks.spawn(async move {
            let _permit = permit;
            let end = driver.drive().await;
            left.live.end(end);
            drop(left);
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Arc<Live>>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a run out of the process when its execution ends, by whatever way.
struct Left {
    runs: Runs,
    live: Arc<Live>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.runs.leave(&self.live);
    }
}
