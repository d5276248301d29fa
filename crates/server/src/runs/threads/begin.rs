//! Begins a run on a thread: now, after others, or not at all.

use super::Thread;
use super::store;
use crate::db::Id;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::asked::OnBusy;
use crate::runs::execute;
use crate::runs::execute::Begun;
use crate::runs::execute::ExecuteError;
use crate::runs::execute::Prepared;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::signal::Cancel;
use crate::runs::signal::Signal;
use crate::runs::take_up;

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
) -> Result<Begun, ExecuteError> {
    loop {
        let active = thread.active_run_id;
        if let Some(busy) = active.or(thread.next_run_id) {
            return match run.on_busy {
                OnBusy::Reject => Err(ExecuteError::ThreadBusy(busy)),
                OnBusy::Enqueue => execute::enqueue(runs, run, Vec::new()).await,
                OnBusy::Interrupt => interrupt(runs, caller, active, run).await,
            };
        }
        match execute::begin(runs, run.clone()).await {
            Err(ExecuteError::Journal(JournalError::ThreadBusy)) => {}
            begun => return begun,
        }
        thread = find_own(runs, caller, &thread.id.to_string(), None).await?;
    }
}

/// Begins the run later, and asks the one at work to end, so that it can: both or neither.
async fn interrupt(
    runs: &Runs,
    caller: &Principal,
    active: Option<Id>,
    run: Prepared,
) -> Result<Begun, ExecuteError> {
    let by = caller.subject.to_string();
    let reason = Some(format!("interrupted by the run {}", run.record.run.summary.id));
    let (cancel, now) = (Cancel { by, reason }, runs.clock.now());
    let order = active.map(|active| Signal::cancel(caller.tenant.clone(), active, cancel, now));
    let begun = execute::enqueue(runs, run, order.iter().cloned().collect()).await?;
    if let Some(order) = order {
        runs.relay().signal(order.run_id);
        take_up::bring(runs, order).await;
    }
    Ok(begun)
}
