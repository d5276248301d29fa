//! Begins a run on a thread: now, after others, or not at all.

use super::Thread;
use super::store;
use crate::db::Id;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::asked::OnBusy;
use crate::runs::cancel;
use crate::runs::execute;
use crate::runs::execute::Begun;
use crate::runs::execute::ExecuteError;
use crate::runs::execute::Prepared;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::signal::Cancel;
use crate::runs::store as all_runs;

/// The caller's own thread. One of his end users' is there for that user only.
pub async fn find_own(
    runs: &Runs,
    caller: &Principal,
    id: &str,
    user: Option<&str>,
) -> Result<Thread, RunsError> {
    let not_found = || RunsError::ThreadNotFound(id.to_owned());
    let thread_id: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let found = runs.db.read(async |conn| store::find(conn, tenant, thread_id).await).await?;
    let is_own = |it: &Thread| {
        it.subject == caller.subject.as_str() && (user.is_none() || it.user.as_deref() == user)
    };
    found.filter(is_own).ok_or_else(not_found)
}

/// Begins the run now if `thread` is free, else does what `on_busy` says.
///
/// Who is there is read here, and decided by the database: a run that finds another at work after all
/// looks again.
pub async fn begin(
    runs: &Runs,
    caller: &Principal,
    mut thread: Thread,
    run: Prepared,
    on_busy: OnBusy,
) -> Result<Begun, ExecuteError> {
    loop {
        let active = thread.active_run_id;
        if let Some(busy) = active.or(thread.next_run_id) {
            if on_busy == OnBusy::Reject {
                return Err(ExecuteError::ThreadBusy(busy));
            }
            let begun = execute::enqueue(runs, run.record, run.key).await?;
            if let (OnBusy::Interrupt, Some(active)) = (on_busy, active) {
                interrupt(runs, caller, active, begun.run.summary.id).await?;
            }
            return Ok(begun);
        }
        match execute::begin(runs, run.clone()).await {
            Err(ExecuteError::Journal(JournalError::ThreadBusy)) => {}
            begun => return begun,
        }
        thread = find_own(runs, caller, &thread.id.to_string(), None).await?;
    }
}

/// Asks the run at work to end, so that the new one can begin.
async fn interrupt(runs: &Runs, caller: &Principal, active: Id, new: Id) -> Result<(), RunsError> {
    let (tenant, by) = (&caller.tenant, caller.subject.to_string());
    let found = runs.db.read(async |conn| all_runs::find(conn, tenant, active).await).await?;
    let Some(record) = found else { return Ok(()) };
    let reason = Some(format!("interrupted by the run {new}"));
    cancel::cancel(runs, record, Cancel { by, reason }).await?;
    Ok(())
}
