//! The journal writer: what many runs record while one commit is made goes into the next one.
//!
//! There is no timer. An entry that finds the writer idle is committed at once; under load the
//! entries that arrive during a commit share the next, so the number of commits a second stays what
//! the disk can do and the work of each grows.
//!
//! A database that is away, as when it is restarted, is waited for: what a tool has answered must not
//! get lost for that. A run that only begins is not: who wants it is told, and may ask again.

use std::time::Duration;
use std::time::Instant;

use std::sync::Arc;

use engine::Approval;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tracing::error;

use super::Record;
use super::Run;
use super::asked::OnBusy;
use super::budgets::Settlement;
use super::happen::Waits;
use super::signal::Signal;
use super::signal::Taken;
use super::store;
use super::threads::NewMessages;
use super::values::LargeValue;
use super::webhook::NewDelivery;
use crate::app::Tasks;
use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::db::is_away;
use crate::workflows::triggers::NewFiring;

/// Entries of one commit. On the embedded database no transaction may be long.
const ENTRIES_PER_COMMIT: usize = 50;

/// Entries that may wait for the writer. Whoever comes later waits for room.
const ENTRIES_WAITING: usize = 1024;

/// For so long a database that is away is asked again, and how long it is left alone at first and at most.
const PATIENCE: Duration = Duration::from_mins(5);
/// For so long runs that begin wait for it.
const PATIENCE_OF_NEW: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What one author adds to one run, all or nothing.
#[derive(Debug, Default)]
pub struct Entry {
    /// The rows of runs that begin: its own, or those of its children.
    pub begin: Vec<NewRun>,
    pub events: Vec<EventRow>,
    /// What is too large for these events.
    pub values: Vec<LargeValue>,
    /// How the run's row changes with the last of these events.
    pub change: Option<Box<Change>>,
    /// What the run's thread holds from now on.
    pub said: Option<Box<NewMessages>>,
    /// What people are asked by these events.
    pub asked: Vec<(TenantId, Approval)>,
    /// Approvals that nobody needs to decide any more, and the run of which that is so of all.
    pub withdrawn: Vec<(TenantId, Id)>,
    pub closed: Option<(TenantId, Id)>,
    /// What changes of the events from outside that the run waits for.
    pub waits: Option<Box<Waits>>,
    /// The signals that these events answer.
    pub taken: Vec<Taken>,
    /// Signals to other runs.
    pub left: Vec<Signal>,
    /// What budgets get back of what model calls have drawn.
    pub settled: Vec<Settlement>,
    /// Who must be told of the last of these events.
    pub delivery: Option<Box<NewDelivery>>,
}

/// The row of a run that begins.
#[derive(Debug)]
pub struct NewRun {
    pub record: Arc<Record>,
    /// The process that executes it; `None` leaves it in the queue.
    pub worker: Option<Id>,
    pub key: Option<NewKey>,
    pub on_busy: OnBusy,
    /// What the trigger that has begun it notes of that.
    pub firing: Option<Box<NewFiring>>,
    /// The run that it retries, if no other may do so beside it.
    pub retry_of: Option<Id>,
}

impl NewRun {
    /// Whether it begins only if no other run of its thread is at work or waits.
    pub fn wants_free_thread(&self) -> bool {
        self.on_busy == OnBusy::Reject && self.record.run.summary.thread_id.is_some()
    }
}

/// An idempotency key that this run answers.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub key: String,
    pub path: String,
    pub body_sha256: String,
}

/// An event as it is stored.
#[derive(Debug)]
pub struct EventRow {
    pub tenant: TenantId,
    pub run_id: Id,
    pub seq: u64,
    pub name: &'static str,
    pub at: At,
    pub data: Arc<str>,
}

/// How a run's row changes: to what the run is now.
#[derive(Debug)]
pub struct Change {
    pub tenant: TenantId,
    pub run: Arc<Run>,
    /// Of a run that is let go: when it is to be taken up, whatever comes or does not.
    pub wake_at: Option<At>,
}

/// Why an entry was not stored. None of it was.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("somebody else has written this event, or deleted the run")]
    Fenced,
    #[error("this idempotency key is in use")]
    KeyTaken,
    #[error("another run of the thread is at work")]
    ThreadBusy,
    #[error("another run retries that one")]
    Retried,
    #[error("what came from outside has come before")]
    Delivered,
    #[error("a value of a run cannot be written")]
    Unwritable(#[from] serde_json::Error),
    #[error("the database refused an entry of the journal")]
    Database(#[from] sqlx::Error),
    #[error("the database is away")]
    Away,
    #[error("the server is stopping")]
    Stopping,
}

impl JournalError {
    /// Whether it is the database's fault, and no entry's.
    fn is_away(&self) -> bool {
        matches!(self, Self::Database(cause) if is_away(cause))
    }
}

/// The way to the journal writer of this process.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: mpsc::Sender<Waiting>,
    /// Whether the database is away for longer than runs that begin wait for it.
    away: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Result<(), JournalError>>,
}

impl Journal {
    /// Starts the writer. It ends when the last of those who can reach it is gone.
    pub fn start(db: Db, tasks: &Tasks) -> Self {
        let (writer, entries) = mpsc::channel(ENTRIES_WAITING);
        let (tells, away) = watch::channel(false);
        tasks.spawn_for_all(write(db, entries, tells));
        Self { writer, away }
    }

    /// Stores `entry`; when this returns `Ok`, it is on the disk.
    pub async fn commit(&self, entry: Entry) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        let (is_new, mut away) = (entry.is_new(), self.away.clone());
        let stored = async {
            let waiting = Waiting { entry, done };
            self.writer.send(waiting).await.map_err(|_| JournalError::Stopping)?;
            committed.await.unwrap_or(Err(JournalError::Stopping))
        };
        tokio::select! {
            biased;
            stored = stored => stored,
            Ok(_) = away.wait_for(|away| *away), if is_new => Err(JournalError::Away),
        }
    }
}

impl Entry {
    /// Whether it is the beginning of a run that nobody has begun for another.
    fn is_new(&self) -> bool {
        !self.begin.is_empty() && self.events.first().is_none_or(|event| event.seq == 1)
    }
}

impl Waiting {
    /// Whether somebody wanted a run, and was told that there is none.
    fn is_given_up(&self) -> bool {
        self.done.is_closed() && self.entry.is_new()
    }
}

async fn write(db: Db, mut entries: mpsc::Receiver<Waiting>, away: watch::Sender<bool>) {
    let mut batch = Vec::with_capacity(ENTRIES_PER_COMMIT);
    while entries.recv_many(&mut batch, ENTRIES_PER_COMMIT).await > 0 {
        match append(&db, &mut batch, &away).await {
            Ok(()) => batch.drain(..).for_each(|it| drop(it.done.send(Ok(())))),
            Err(cause) if cause.is_away() => {
                error!(error = &cause as &dyn std::error::Error, "the journal cannot be written");
                batch.drain(..).for_each(|it| drop(it.done.send(Err(JournalError::Away))));
            }
            Err(cause) => {
                let mut cause = Some(cause).filter(|_| batch.len() == 1);
                // One of them cannot be stored: each for itself, so that only that one fails.
                for waiting in std::mem::take(&mut batch) {
                    let mut alone = vec![waiting];
                    let own = match cause.take() {
                        Some(cause) => Err(cause),
                        None => append(&db, &mut alone, &away).await,
                    };
                    if let Some(Waiting { done, .. }) = alone.pop() {
                        let _ = done.send(own);
                    }
                }
            }
        }
    }
}

/// Stores `batch` in one transaction, and waits for a database that is away. What was given up
/// meanwhile is taken out.
async fn append(
    db: &Db,
    batch: &mut Vec<Waiting>,
    away: &watch::Sender<bool>,
) -> Result<(), JournalError> {
    let began = Instant::now();
    let (mut pause, mut is_doubtful) = (FIRST_PAUSE, false);
    loop {
        batch.retain(|it| !it.is_given_up());
        if batch.is_empty() {
            // The next one finds out whether it is back.
            tell(away, false);
            return Ok(());
        }
        let entries: Vec<&Entry> = batch.iter().map(|it| &it.entry).collect();
        let done = db.write(async |tx| store::append(tx, &entries).await).await;
        let is_away = done.as_ref().is_err_and(JournalError::is_away);
        if is_away && began.elapsed() < PATIENCE {
            tell(away, began.elapsed() >= PATIENCE_OF_NEW);
            tokio::time::sleep(pause).await;
            (pause, is_doubtful) = ((pause * 2).min(LAST_PAUSE), true);
            continue;
        }
        tell(away, is_away);
        let Err(cause) = done else { return Ok(()) };
        // A commit whose answer was lost may have been made: then it stands in its own way.
        let is_stored = match entries.first().filter(|_| is_doubtful) {
            Some(first) => db.read(async |conn| store::is_stored(conn, first).await).await?,
            None => false,
        };
        return if is_stored { Ok(()) } else { Err(cause) };
    }
}

/// Lets those know who wait for it.
fn tell(away: &watch::Sender<bool>, is_away: bool) {
    away.send_if_modified(|away| std::mem::replace(away, is_away) != is_away);
}
