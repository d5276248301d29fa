//! Asks a run to end, whichever process executes it.

use super::Record;
use super::Run;
use super::RunsError;
use super::Status;
use super::journal::Signal;
use super::live::Cancel;
use super::recover;
use super::service::Runs;
use super::store;

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
    let signal = Signal { tenant: tenant.clone(), run_id, id: runs.ids.next() };
    let cancel = Cancel { signal: signal.id, by, reason };
    let now = runs.clock.now();
    runs.db.write(async |tx| store::insert_signal(tx, &signal, &cancel, now).await).await?;
    match runs.live(run_id) {
        Some(live) => live.cancel(cancel),
        None if run.summary.status == Status::Queued => {
            recover::take_up(runs, &tenant, run_id, None, None).await?;
            if let Some(live) = runs.live(run_id) {
                live.cancel(cancel);
            }
        }
        // Its owner looks for signals.
        None => {}
    }
    Ok(run)
}
