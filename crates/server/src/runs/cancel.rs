//! Asks a run to end, whichever process executes it.

use super::Record;
use super::Run;
use super::RunsError;
use super::Status;
use super::live::Cancel;
use super::service::Runs;
use super::store;
use super::take_up::Found;
use super::take_up::Permit;
use super::take_up::take_up;

/// Leaves the order where the run's owner finds it, and returns the run as it is now.
///
/// A run that is over stays as it is. One that nobody has begun is begun here, to be ended.
pub async fn cancel(
    runs: &Runs,
    record: Record,
    by: String,
    reason: Option<String>,
) -> Result<Run, RunsError> {
    let Record { tenant, run, .. } = record;
    if run.summary.status.is_final() {
        return Ok(run);
    }
    let run_id = run.summary.id;
    let cancel = Cancel { by, reason };
    let now = runs.clock.now();
    let left =
        runs.db.write(async |tx| store::insert_signal(tx, &tenant, run_id, &cancel, now).await);
    left.await?;
    match runs.live(run_id) {
        Some(live) => live.cancel(cancel),
        None if run.summary.status == Status::Queued => {
            take_up(runs, &Found { tenant, run_id, owner: None }, Permit::NotNeeded).await?;
        }
        // Its owner looks for signals.
        None => {}
    }
    Ok(run)
}
