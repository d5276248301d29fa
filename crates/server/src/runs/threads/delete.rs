//! Takes away a thread, or all that is kept of an end user, in short transactions.
//!
//! Whatever a call leaves undone, because the process ends in the middle of it, the same call does when
//! it is repeated.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::store;
use super::store::BATCH;
use super::store::end_user;
use super::store::end_user::EndUser;
use super::store::vectors;
use crate::db::Id;
use crate::db::TenantId;
use crate::runs::RunsError;
use crate::runs::budgets;
use crate::runs::cancel;
use crate::runs::service::Runs;
use crate::runs::signal::Cancel;
use crate::runs::store as all_runs;
use crate::runs::store::retention;
use crate::runs::store::retention::Rows;

/// So many events and values of a run are deleted in one transaction. A value may be large.
const EVENTS: u64 = 200;
const VALUES: u64 = 20;
/// How long runs are waited for that were asked to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Whether everything is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    All,
    /// Some runs have not ended yet.
    NotYet,
}

/// Takes a thread away with its messages, and says whether it was there.
///
/// A run that is at work on it goes on to its end; what was said in it is not kept.
pub async fn thread(runs: &Runs, tenant: &TenantId, id: Id) -> Result<bool, RunsError> {
    loop {
        let gone = runs.db.write(async |tx| {
            if vectors::delete_some(tx, tenant, id).await? == BATCH
                || store::delete_messages(tx, tenant, id).await? == BATCH
            {
                return Ok(None);
            }
            let was_there = store::delete(tx, tenant, id).await?;
            // What came between the two, before the row was ours.
            while store::delete_messages(tx, tenant, id).await? > 0 {}
            Ok::<_, sqlx::Error>(Some(was_there))
        });
        if let Some(was_there) = gone.await? {
            return Ok(was_there);
        }
    }
}

/// Takes away all threads and runs of an end user, with their messages, inputs, outputs and events.
/// Runs that have not ended are canceled first, in the name of `by`.
pub async fn all_of(runs: &Runs, of: &EndUser, by: &str) -> Result<Erased, RunsError> {
    let deadline = Instant::now() + PATIENCE;
    let mut canceled = HashSet::new();
    loop {
        let ended = erase_runs(runs, of, by, &mut canceled).await?;
        // Threads go last: a run that ended just now may have left something there.
        erase_threads(runs, of).await?;
        if ended {
            // What was used today still bounds him today.
            let today = budgets::day_of(runs.clock.now());
            runs.db.write(async |tx| end_user::delete_usage(tx, of, &today).await).await?;
            return Ok(Erased::All);
        }
        if Instant::now() >= deadline {
            return Ok(Erased::NotYet);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Takes away the runs that are over, cancels the others, and says whether there were none.
async fn erase_runs(
    runs: &Runs,
    of: &EndUser,
    by: &str,
    canceled: &mut HashSet<Id>,
) -> Result<bool, RunsError> {
    let (mut all_ended, mut after) = (true, None);
    loop {
        let some = runs.db.read(async |conn| end_user::runs_of(conn, of, after).await).await?;
        let Some((last, _)) = some.last() else { return Ok(all_ended) };
        after = Some(*last);
        for (run_id, is_over) in some {
            if is_over {
                erase_run(runs, &of.tenant, run_id).await?;
                continue;
            }
            all_ended = false;
            if canceled.insert(run_id) {
                cancel_run(runs, &of.tenant, run_id, by).await?;
            }
        }
    }
}

async fn cancel_run(runs: &Runs, tenant: &TenantId, run_id: Id, by: &str) -> Result<(), RunsError> {
    let found = runs.db.read(async |conn| all_runs::find(conn, tenant, run_id).await).await?;
    let Some(record) = found else { return Ok(()) };
    let reason = Some("all that is kept of the end user is deleted".to_owned());
    cancel::cancel(runs, record, Cancel { by: by.to_owned(), reason }).await?;
    Ok(())
}

/// The row goes last: as long as it is there, the rest can be found.
async fn erase_run(runs: &Runs, tenant: &TenantId, run_id: Id) -> Result<(), sqlx::Error> {
    loop {
        let gone = runs.db.write_behind(async |tx| {
            let rows = Rows::All;
            let events = retention::delete_events(tx, tenant, run_id, rows, EVENTS).await?;
            let values = retention::delete_values(tx, tenant, run_id, rows, VALUES).await?;
            if events == EVENTS || values == VALUES {
                return Ok(false);
            }
            retention::delete_run(tx, tenant, run_id).await?;
            // What came between the two, before the row was ours.
            retention::delete_events(tx, tenant, run_id, rows, EVENTS).await?;
            retention::delete_values(tx, tenant, run_id, rows, VALUES).await?;
            Ok::<_, sqlx::Error>(true)
        });
        if gone.await? {
            return Ok(());
        }
    }
}

async fn erase_threads(runs: &Runs, of: &EndUser) -> Result<(), RunsError> {
    loop {
        let some = runs.db.read(async |conn| end_user::threads_of(conn, of).await).await?;
        if some.is_empty() {
            return Ok(());
        }
        for id in some {
            thread(runs, &of.tenant, id).await?;
        }
    }
}
