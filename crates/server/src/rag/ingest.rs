//! Has documents ingested, on every process.
//!
//! A document that waits is claimed by one process, and by another when that one is gone. An attempt has a number;
//! whatever it stores, it stores only while the row has that number, so a process that was asleep stores nothing.

mod job;
mod vectors;

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

use tracing::error;

use crate::app::Tasks;
use crate::db::Id;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::jobs;

/// How often a process looks for documents.
const ROUND: Duration = Duration::from_millis(500);
/// Documents that a process ingests at once.
pub const AT_ONCE: usize = 2;
/// How often a process takes away what others left behind: after so many looks.
const PURGE_EVERY: u32 = 1200;
/// The same of files that nobody sends any more.
const FILES_EVERY: u32 = 10;

/// Keeps ingesting as `worker` until the server stops.
pub fn start(rag: &Rag, tasks: &Tasks, worker: Id) {
    rag.databases().start(tasks);
    let _ = rag.0.worker.set(worker);
    let (rag, stopping) = (rag.clone(), tasks.stopping().clone());
    tasks.spawn(async move { stopping.run_until_cancelled(keep_ingesting(rag, worker)).await });
}

async fn keep_ingesting(rag: Rag, worker: Id) {
    let (mut looks, mut seen) = (0_u32, None);
    loop {
        if looks.is_multiple_of(PURGE_EVERY) {
            report(rag.purge_all().await);
        }
        if looks.is_multiple_of(FILES_EVERY) {
            report(rag.purge_files().await);
        }
        looks = looks.wrapping_add(1);
        report(rag.follow_definitions(&mut seen).await);
        report(rag.look_at_generations().await);
        match round(&rag, worker).await {
            // There may be more.
            Ok(begun) if begun > 0 => continue,
            other => report(other.map(drop)),
        }
        let _ = tokio::time::timeout(ROUND, rag.0.wake.notified()).await;
    }
}

/// Begins what is due and has room, and says how many that were.
async fn round(rag: &Rag, worker: Id) -> Result<usize, RagError> {
    let now = rag.0.clock.now();
    let due = rag.0.db.read(async |conn| jobs::due(conn, worker, now).await).await?;
    let mut begun = 0;
    for place in due.into_iter().filter(|(_, _, document)| !rag.is_at_work_on(*document)) {
        let Ok(permit) = Arc::clone(&rag.0.places).try_acquire_owned() else { break };
        let claim =
            rag.0.db.write_behind(async |tx| jobs::claim(tx, &place, worker, now).await).await?;
        let Some(job) = claim else { continue };
        begun += 1;
        let work = AtWork::begin(rag, job.document);
        rag.0.tasks.spawn(async move {
            let stopping = work.rag.0.tasks.stopping().clone();
            // What is left undone when the server stops is for others, or for the next start.
            if let Some(Err(cause)) = stopping.run_until_cancelled(job::run(&work.rag, &job)).await
            {
                error!(document.id = %job.document, error = &cause as &dyn std::error::Error,
                    "a document could not be ingested: it is tried again");
                tokio::time::sleep(ROUND).await;
            }
            drop(permit);
            drop(work);
        });
    }
    Ok(begun)
}

/// This process is at work on a document as long as it lives.
struct AtWork {
    rag: Rag,
    document: Id,
}

impl AtWork {
    fn begin(rag: &Rag, document: Id) -> Self {
        rag.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).insert(document);
        Self { rag: rag.clone(), document }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.rag.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.document);
        self.rag.wake();
    }
}

impl Rag {
    fn is_at_work_on(&self, document: Id) -> bool {
        self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner).contains(&document)
    }
}

fn report(outcome: Result<(), RagError>) {
    if let Err(cause) = outcome {
        error!(error = &cause as &dyn std::error::Error, "documents must wait");
    }
}
