//! The handle of everything that executes: which runs this process has, and what they need.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::budgets::Budgets;
use super::driver::Driver;
use super::journal::Journal;
use super::live::End;
use super::live::Live;
use super::mirror::Mirrors;
use super::permits::Permits;
use super::permits::Share;
use super::relay::Relay;
use super::take_up;
use super::triggers::strangers::Strangers;
use super::webhook::Webhooks;
use crate::agents::Agents;
use crate::agents::models::Models;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::config::Limits;
use crate::db::Db;
use crate::db::Id;
use crate::oauth::Clients;
use crate::rag::Rag;
use crate::telemetry::Telemetry;
use crate::tools::Tools;
use crate::workflows::Workflows;

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
    pub workflows: Workflows,
    pub clients: Arc<Clients>,
    pub models: Models,
    pub rag: Rag,
    pub tools: Tools,
    /// Where traces go, if anywhere.
    pub telemetry: Option<Telemetry>,
    pub webhooks: Webhooks,
    pub budgets: Budgets,
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
    /// Stops what must go on as long as this process has runs.
    heart: CancellationToken,
    permits: Permits,
    /// Tells that a run of the queue may begin.
    work: Notify,
    /// So many runs may wait in the queue.
    queue_limit: u32,
    /// Runs that are known to wait in the queue.
    backlog: AtomicUsize,
    live: Mutex<HashMap<Id, Arc<Live>>>,
    /// Runs that are being taken up.
    reserved: Mutex<HashSet<Id>>,
    mirrors: Mirrors,
    relay: Relay,
    strangers: Strangers,
}

impl std::ops::Deref for Runs {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0.services
    }
}

impl Runs {
    /// At most `limits.runs` runs are executed at once; more wait in the queue.
    pub fn new(services: Services, limits: &Limits) -> Self {
        Self(Arc::new(Inner {
            journal: Journal::start(services.db.clone(), &services.tasks),
            worker: services.ids.next(),
            hand_over: CancellationToken::new(),
            heart: CancellationToken::new(),
            permits: Permits::new(limits),
            queue_limit: limits.queued_runs,
            work: Notify::new(),
            backlog: AtomicUsize::new(0),
            live: Mutex::default(),
            reserved: Mutex::default(),
            mirrors: Mirrors::default(),
            relay: Relay::default(),
            strangers: Strangers::default(),
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

    /// What is watched here and executed elsewhere.
    pub fn mirrors(&self) -> &Mirrors {
        &self.0.mirrors
    }

    /// The way to other processes.
    pub fn relay(&self) -> &Relay {
        &self.0.relay
    }

    /// Who has called at `/hooks` without being known.
    pub fn strangers(&self) -> &Strangers {
        &self.0.strangers
    }

    /// The right to execute one more run now.
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.0.permits.one()
    }

    /// Who executes how much.
    pub fn permits(&self) -> &Permits {
        &self.0.permits
    }

    /// The same for a run that is new, and goes behind those that wait.
    pub fn permit_for_new(&self) -> Option<OwnedSemaphorePermit> {
        if self.0.backlog.load(Ordering::Relaxed) > 0 { None } else { self.permit() }
    }

    /// How many runs may wait in the queue, of all processes together.
    pub fn queue_limit(&self) -> u32 {
        self.0.queue_limit
    }

    /// So many runs wait in the queue.
    pub fn note_backlog(&self, waiting: usize) {
        self.0.backlog.store(waiting, Ordering::Relaxed);
    }

    /// Tells that a run of the queue may begin.
    pub fn work(&self) -> &Notify {
        &self.0.work
    }

    /// Keeps a run for whoever asks first, unless it is executed here already.
    pub fn reserve(&self, run_id: Id) -> Option<Reserved> {
        let is_free = self.lock_reserved().insert(run_id);
        let reserved = is_free.then(|| Reserved { runs: self.clone(), run_id })?;
        self.live(run_id).is_none().then_some(reserved)
    }

    /// Lets readers find the run here, before anybody can know of it from the database.
    pub fn enter(&self, run_id: Id, last_seq: u64) -> Arc<Live> {
        let live = Arc::new(Live::new(run_id, last_seq));
        self.lock().insert(run_id, Arc::clone(&live));
        self.0.mirrors.enter(run_id);
        self.0.relay.enter(&live);
        live
    }

    /// Fires when this process has no run any more.
    pub fn heart(&self) -> &CancellationToken {
        &self.0.heart
    }

    /// Readers no longer find the run here; then they hear how it ended.
    pub fn leave(&self, live: &Arc<Live>, end: End) {
        let mut runs = self.lock();
        if runs.get(&live.run_id).is_some_and(|it| Arc::ptr_eq(it, live)) {
            runs.remove(&live.run_id);
        }
        drop(runs);
        live.end(end);
    }

    /// Executes a run to its end, beside everything else. `permit` is `None` for a run that must not
    /// wait, such as one that is only begun to be canceled.
    pub fn spawn(&self, driver: Driver, permit: Option<OwnedSemaphorePermit>, share: Share) {
        let left = Left { runs: self.clone(), live: Arc::clone(driver.live()) };
        let runs = self.clone();
        self.tasks.spawn(async move {
            let end = driver.drive().await;
            let frees_thread =
                matches!(&end, End::Finished(run) if run.summary.thread_id.is_some());
            let live = Arc::clone(&left.live);
            runs.leave(&live, end);
            drop((left, permit, share));
            if frees_thread {
                runs.work().notify_one();
            }
            // What came too late to be heard, while the run was let go.
            live.take_orders().into_iter().for_each(|signal| take_up::bring_soon(&runs, signal));
        });
    }

    fn lock_reserved(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.0.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Arc<Live>>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that is being taken up here, and by nobody else in this process.
#[derive(Debug)]
pub struct Reserved {
    runs: Runs,
    run_id: Id,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.runs.lock_reserved().remove(&self.run_id);
    }
}

/// Takes a run out of the process when its execution ends, by whatever way.
struct Left {
    runs: Runs,
    live: Arc<Live>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.runs.leave(&self.live, End::LetGo);
    }
}
