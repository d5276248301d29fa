//! Asks a run to end, whichever process executes it.

use engine::ResumeReason;
use tracing::error;

use super::Record;
use super::Run;
use super::RunsError;
use super::Status;
use super::service::Runs;
use super::signal::Cancel;
use super::signal::Signal;
use super::store::signals;
use super::take_up::Found;
use super::take_up::Permit;
use super::take_up::take_up;

/// Leaves the order where the run's owner finds it, and returns the run as it is now.
///
/// A run that is over stays as it is. One that nobody executes is taken up here, to be ended.
pub async fn cancel(runs: &Runs, record: Record, cancel: Cancel) -> Result<Run, RunsError> {
    let Record { tenant, run, .. } = record;
    if run.summary.status.is_final() {
        return Ok(run);
    }
    let run_id = run.summary.id;
    let signal = Signal::cancel(tenant.clone(), run_id, cancel, runs.clock.now());
    runs.db.write(async |tx| signals::insert(tx, &signal).await).await?;
    match runs.live(run_id) {
        Some(live) => live.deliver(signal),
        None if run.summary.status != Status::Running => {
            let found = Found { tenant, run_id, owner: None, reason: ResumeReason::Cancel };
            take_up(runs, &found, Permit::NotNeeded).await?;
        }
        // Its owner looks for signals, sooner if he is told.
        None => runs.relay().signal(run_id),
    }
    Ok(run)
}

/// The same, beside everything else.
pub fn soon(runs: &Runs, record: Record, order: Cancel) {
    let (owned, run_id) = (runs.clone(), record.run.summary.id);
    runs.tasks.spawn(async move {
        if let Err(cause) = cancel(&owned, record, order).await {
            error!(run.id = %run_id, error = &cause as &dyn std::error::Error, "a run cannot be canceled now");
        }
    });
}
