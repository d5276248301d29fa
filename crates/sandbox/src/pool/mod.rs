//! The side of the server: workers that are started when they are needed, given to one owner each,
//! and killed when they are late.

mod process;
mod queue;

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::warn;

use process::Process;
use queue::Queue;

/// How often a job is given to another worker because one ended before it had it.
const TRIES: u32 = 3;
/// How much later than its time a job may end by itself, which spares us a new worker.
const GRACE: Duration = Duration::from_millis(100);
/// A worker is replaced after so many jobs, or when it was busy for so long.
const JOBS: u32 = 1000;
const BUSY: Duration = Duration::from_mins(5);

/// How a pool works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is started as a worker: a program that calls [`worker::main`](crate::worker::main) when
    /// it has these arguments.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Workers at work at once, a quarter of which no single owner can take. One more may be kept ready.
    pub workers: NonZeroUsize,
    /// Jobs that may wait for a worker.
    pub queue: usize,
    /// A worker that has had nothing to do for so long is ended.
    pub idle: Duration,
}

/// What a worker is to do.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Which kind of job.
    pub task: u8,
    pub body: &'a [u8],
    /// When it must be done, the time in the queue included.
    pub deadline: Instant,
}

/// What a job may ask for, and whom it talks to.
pub trait Host: Sync {
    /// Answers a question. Dropped when the job is over.
    fn answer(&self, question: Bytes) -> BoxFuture<'_, Vec<u8>>;

    /// Hears what is said in passing. It comes from a process that is not trusted, and is bounded.
    fn hear(&self, note: Bytes);
}

/// Why a job was not done. Unless [`CallError::Late`] or [`CallError::Died`] says so, nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("too much is waiting for a worker")]
    Full,
    #[error("no worker became free in time")]
    NoneFree,
    #[error("a worker could not be started")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the job was not done in time")]
    Late,
    #[error("the worker ended in the middle of the job")]
    Died(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Workers, and who waits for one. A cheap handle.
///
/// A worker that has worked for one owner is never given to another: it is ended, and a new one begins.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Places there are, and those taken: by workers that are at work or idle.
    most: usize,
    taken: usize,
    /// Places at which each owner has a worker at work.
    at_work: HashMap<Arc<str>, usize>,
    /// The one that was used last stands last.
    idle: Vec<(Arc<str>, Process)>,
    /// One that nobody has used, ready for whoever comes next.
    spare: Option<Process>,
    queue: Queue<oneshot::Sender<Place>>,
}

impl Pool {
    /// Workers are started when they are needed, not here.
    pub fn new(settings: Settings) -> Self {
        let queue = Queue::new(settings.queue);
        let most = settings.workers.get();
        let (at_work, idle) = (HashMap::new(), Vec::new());
        let state = State { most, taken: 0, at_work, idle, spare: None, queue };
        Self(Arc::new(Inner { settings, state: Mutex::new(state) }))
    }

    /// Has a job done for `owner`. Dropped before its end, the job ends at once, with its worker.
    pub async fn call(
        &self,
        owner: &str,
        job: Job<'_>,
        host: &impl Host,
    ) -> Result<Bytes, CallError> {
        let owner = Arc::from(owner);
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let mut place = self.place(&owner, job.deadline).await?;
            let mut worker = self.worker(&mut place)?;
            let work = timeout_at(job.deadline + GRACE, worker.work(job, host));
            // While the job is done, whoever comes next gets a worker made ready.
            let (done, ()) = tokio::join!(work, async { self.keep_one_ready() });
            match done {
                Ok(Ok(done)) => {
                    let is_fresh = worker.jobs < JOBS && worker.busy < BUSY && !worker.has_yielded;
                    place.worker = is_fresh.then_some(worker);
                    return Ok(done);
                }
                // It ended before it had the job: somebody else may do it.
                Ok(Err(_)) if !worker.begun && tries > 0 => {}
                Ok(Err(cause)) if !worker.begun => return Err(CallError::Start(cause.into())),
                Ok(Err(cause)) => {
                    let error: &dyn std::error::Error = &cause;
                    warn!(error, "a worker ended in the middle of a job");
                    return Err(CallError::Died(cause.into()));
                }
                Err(_) if worker.begun => return Err(CallError::Late),
                Err(_) => {
                    warn!("a worker was not ready in time");
                    return Err(CallError::NoneFree);
                }
            }
        }
    }

    /// Ends workers that have had nothing to do for long; never returns.
    pub async fn tend(&self) -> Infallible {
        let Settings { idle: patience, .. } = self.0.settings;
        loop {
            tokio::time::sleep(patience / 2).await;
            let mut state = self.0.state();
            let State { idle, spare, taken, .. } = &mut *state;
            let before = idle.len();
            idle.retain(|(_, worker)| worker.idle_since.elapsed() < patience);
            *taken -= before - idle.len();
            if *taken == 0 {
                spare.take_if(|worker| worker.idle_since.elapsed() >= patience);
            }
        }
    }

    /// Waits for a place to work at.
    async fn place(&self, owner: &Arc<str>, deadline: Instant) -> Result<Place, CallError> {
        let found = self.0.state().place(owner);
        let waiter = match found {
            Ok(worker) => return Ok(Place::new(&self.0, owner, worker)),
            Err(Some(waiter)) => waiter,
            Err(None) => return Err(CallError::Full),
        };
        match timeout_at(deadline, waiter).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(CallError::NoneFree),
        }
    }

    /// The worker of that place: the one it came with, the spare one, or a new one.
    fn worker(&self, place: &mut Place) -> Result<Process, CallError> {
        let own = place.worker.take().and_then(Process::alive);
        let ready = own.or_else(|| self.0.state().spare.take().and_then(Process::alive));
        let new = || self.0.start().map_err(|cause| CallError::Start(cause.into()));
        ready.map_or_else(new, Ok)
    }

    /// Starts a spare worker if there is none.
    fn keep_one_ready(&self) {
        if self.0.state().spare.is_some() {
            return;
        }
        match self.0.start() {
            Ok(worker) => drop(self.0.state().spare.get_or_insert(worker)),
            Err(cause) => {
                warn!(error = &cause as &dyn std::error::Error, "no worker could be started ahead");
            }
        }
    }
}

impl State {
    /// A place and perhaps the worker that `owner` has used, or else somewhere to wait if there is room.
    fn place(
        &mut self,
        owner: &Arc<str>,
    ) -> Result<Option<Process>, Option<oneshot::Receiver<Place>>> {
        let own = self.idle.iter().rposition(|(of, _)| of == owner);
        let has_room = self.taken < self.most || !self.idle.is_empty();
        if has_room && may_begin(&self.at_work, owner, self.most) {
            self.begin(owner);
            if let Some(own) = own {
                return Ok(Some(self.idle.remove(own).1));
            }
            if self.taken < self.most {
                self.taken += 1;
            } else {
                // Another owner's: only its place is of use.
                self.idle.remove(0);
            }
            return Ok(None);
        }
        let (sender, waiter) = oneshot::channel();
        self.queue.retain(|it| !it.is_closed());
        self.queue.push(owner, sender).map_err(|_| None)?;
        Err(Some(waiter))
    }

    fn begin(&mut self, owner: &Arc<str>) {
        *self.at_work.entry(Arc::clone(owner)).or_default() += 1;
    }

    fn end(&mut self, owner: &Arc<str>) {
        if let Some(count) = self.at_work.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.at_work.remove(owner);
            }
        }
    }

    /// Takes out who waits and whose turn it is among those who may begin.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Place>)> {
        let State { queue, at_work, most, .. } = self;
        queue.pop(|owner| may_begin(at_work, owner, *most))
    }
}

/// Whether `owner` has places left: a quarter of them is for others, and one at least if there are several.
fn may_begin(at_work: &HashMap<Arc<str>, usize>, owner: &str, most: usize) -> bool {
    at_work.get(owner).is_none_or(|own| *own < (most * 3 / 4).max(1))
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> io::Result<Process> {
        Process::start(&self.settings.program, &self.settings.arguments)
    }
}

/// The right to have one worker at work. Dropped, it goes to whoever waits longest, or is free.
#[derive(Debug)]
struct Place {
    /// `None`: it was taken over by another.
    pool: Option<Arc<Inner>>,
    owner: Arc<str>,
    /// A worker that may go on to work for the owner.
    worker: Option<Process>,
}

impl Place {
    fn new(pool: &Arc<Inner>, owner: &Arc<str>, worker: Option<Process>) -> Self {
        Self { pool: Some(Arc::clone(pool)), owner: Arc::clone(owner), worker }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut state = pool.state();
        let mut worker = self.worker.take();
        state.end(&self.owner);
        while let Some((owner, waiter)) = state.next() {
            let fits = owner == self.owner;
            let place = Self::new(&pool, &owner, if fits { worker.take() } else { None });
            // Who waits no more gives it back, and it must not come here again: we hold the lock.
            match waiter.send(place) {
                Ok(()) => {
                    state.begin(&owner);
                    return;
                }
                Err(mut place) => {
                    place.pool = None;
                    worker = place.worker.take().or(worker);
                }
            }
        }
        match worker {
            Some(mut worker) => {
                worker.idle_since = Instant::now();
                state.idle.push((Arc::clone(&self.owner), worker));
            }
            None => state.taken -= 1,
        }
    }
}
