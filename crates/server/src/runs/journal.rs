//! The journal writer: what many runs record while one commit is made goes into the next one.
//!
//! There is no timer. An entry that finds the writer idle is committed at once; under load the
//! entries that arrive during a commit share the next, so the number of commits a second stays what
//! the disk can do and the work of each grows.

use std::sync::Arc;

use engine::Approval;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::Record;
use super::Run;
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

/// Entries of one commit. On the embedded database no transaction may be long.
const ENTRIES_PER_COMMIT: usize = 50;

/// Entries that may wait for the writer. Whoever comes later waits for room.
const ENTRIES_WAITING: usize = 1024;

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
    /// The run of which nobody needs to decide anything any more.
    pub closed: Option<(TenantId, Id)>,
    /// The signals that these events answer.
    pub taken: Vec<Taken>,
    /// Signals to other runs.
    pub left: Vec<Signal>,
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
    pub data: String,
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
    #[error("somebody else has written this event")]
    Fenced,
    #[error("this idempotency key is in use")]
    KeyTaken,
    #[error("another run of the thread is at work")]
    ThreadBusy,
    #[error("a value of a run cannot be written")]
    Unwritable(#[from] serde_json::Error),
    #[error("the database refused an entry of the journal")]
    Database(#[from] sqlx::Error),
    #[error("the server is stopping")]
    Stopping,
}

/// The way to the journal writer of this process.
#[derive(Debug, Clone)]
pub struct Journal(mpsc::Sender<Waiting>);

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Result<(), JournalError>>,
}

impl Journal {
    /// Starts the writer. It ends when the last of those who can reach it is gone.
    pub fn start(db: Db, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(ENTRIES_WAITING);
        tasks.spawn_for_all(write(db, receiver));
        Self(sender)
    }

    /// Stores `entry`; when this returns `Ok`, it is on the disk.
    pub async fn commit(&self, entry: Entry) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        self.0.send(Waiting { entry, done }).await.map_err(|_| JournalError::Stopping)?;
        committed.await.unwrap_or(Err(JournalError::Stopping))
    }
}

async fn write(db: Db, mut entries: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(ENTRIES_PER_COMMIT);
    while entries.recv_many(&mut batch, ENTRIES_PER_COMMIT).await > 0 {
        let waiting: Vec<&Entry> = batch.iter().map(|it| &it.entry).collect();
        let together = append(&db, &waiting).await;
        if let (Err(_), false) = (&together, batch.len() == 1) {
            // One of them cannot be stored: each for itself, so that only that one fails.
            for Waiting { entry, done } in batch.drain(..) {
                let _ = done.send(append(&db, &[&entry]).await);
            }
            continue;
        }
        let mut together = Some(together);
        for Waiting { done, .. } in batch.drain(..) {
            let _ = done.send(together.take().unwrap_or(Ok(())));
        }
    }
}

async fn append(db: &Db, entries: &[&Entry]) -> Result<(), JournalError> {
    db.write(async |tx| store::append(tx, entries).await).await
}
