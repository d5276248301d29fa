//! Goes on with a run whose log somebody else began, or with one of the queue.

use std::sync::Arc;

use engine::Event;
use engine::ResumeReason;
use engine::RunError;
use engine::RunErrorKind;
use engine::RunResumed;
use tokio::sync::OwnedSemaphorePermit;
use tracing::error;
use tracing::info;

use super::Record;
use super::RunsError;
use super::Status;
use super::driver::Driver;
use super::execute;
use super::log::Kept;
use super::log::Log;
use super::prepare;
use super::rights;
use super::service::Runs;
use super::signal::Signal;
use super::store;
use super::store::owners;
use super::store::signals;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// A run whose process died so often is the cause of it.
const MAX_RECOVERIES: usize = 20;
/// Events that are read at once.
const PAGE: u32 = 200;

/// A run that has no owner, or none who executes it.
#[derive(Debug)]
pub struct Found {
    pub tenant: TenantId,
    pub run_id: Id,
    pub owner: Option<Id>,
    /// What it goes on for, if it has begun.
    pub reason: ResumeReason,
}

/// The right to execute one more run.
#[derive(Debug)]
pub enum Permit {
    Held(OwnedSemaphorePermit),
    /// For a run that is only begun to be ended.
    NotNeeded,
}

impl Permit {
    /// The right to go on with a run for `reason`, if there is room.
    pub fn to_go_on(runs: &Runs, reason: ResumeReason) -> Option<Self> {
        match reason {
            ResumeReason::Cancel => Some(Self::NotNeeded),
            _ => runs.permit().map(Self::Held),
        }
    }
}

/// The log of a run as far as it goes.
#[derive(Debug, Default)]
pub struct Past {
    pub events: Vec<(At, Event)>,
    last_seq: u64,
    /// Why the run cannot go on.
    unusable: Option<RunError>,
}

impl Past {
    /// How often it was taken up because its process was gone.
    fn recoveries(&self) -> usize {
        let is_recovery = |event: &Event| match event {
            Event::RunResumed(resumed) => resumed.reason == ResumeReason::Recovery,
            _ => false,
        };
        self.events.iter().filter(|(_, event)| is_recovery(event)).count()
    }
}

/// Tells whoever executes a run here of a signal that was left for it; a run that waits is taken up,
/// if there is room. It is only faster so: whoever looks for work finds the signal too.
pub async fn bring(runs: &Runs, signal: Signal) {
    if let Some(live) = runs.live(signal.run_id) {
        return live.deliver(signal);
    }
    let Signal { tenant, run_id, order, .. } = signal;
    let found = Found { tenant, run_id, owner: None, reason: order.reason() };
    if let Some(permit) = Permit::to_go_on(runs, found.reason) {
        take_up_or_leave(runs, found, permit).await;
    }
}

/// The same, beside everything else.
pub fn bring_soon(runs: &Runs, signal: Signal) {
    let owned = runs.clone();
    runs.tasks.spawn(async move { bring(&owned, signal).await });
}

/// Takes up a run beside everything else, if there is room.
pub fn soon(runs: &Runs, found: Found) {
    if let Some(permit) = Permit::to_go_on(runs, found.reason) {
        soon_with(runs, found, permit);
    }
}

/// The same, with the room that there is for it.
pub fn soon_with(runs: &Runs, found: Found, permit: Permit) {
    let owned = runs.clone();
    runs.tasks.spawn(async move { take_up_or_leave(&owned, found, permit).await });
}

/// Leaves a run that cannot be taken up to whoever looks for work.
async fn take_up_or_leave(runs: &Runs, found: Found, permit: Permit) {
    if let Err(cause) = take_up(runs, &found, permit).await {
        let cause: &dyn std::error::Error = &cause;
        error!(run.id = %found.run_id, error = cause, "a run cannot be taken up now");
    }
}

/// Makes this process the owner of a run, and goes on with it.
///
/// Does nothing if somebody else was faster, if the run is over, or if its thread has another at work.
pub async fn take_up(runs: &Runs, found: &Found, permit: Permit) -> Result<(), RunsError> {
    let Found { tenant, run_id, owner, reason } = found;
    let (run_id, worker, now) = (*run_id, runs.worker(), runs.clock.now());
    // Not twice at once in this process, nor if it is executed here already.
    let Some(_reserved) = runs.reserve(run_id) else { return Ok(()) };
    let claimed = runs.db.write(async |tx| {
        let Some(record) = owners::claim(tx, tenant, run_id, *owner, worker, now).await? else {
            return Ok(None);
        };
        Ok::<_, RunsError>(Some((record, signals::for_run(tx, tenant, run_id).await?)))
    });
    let claimed = match claimed.await {
        Err(RunsError::ThreadBusy) => match permit {
            Permit::Held(_) => None,
            // It ends where it is, in the queue. Should somebody claim it now, the log has one author still.
            Permit::NotNeeded => queued(runs, tenant, run_id).await?,
        },
        claimed => claimed?,
    };
    let Some((record, signals)) = claimed else { return Ok(()) };
    info!(run.id = %run_id, run.attempt = record.run.summary.attempt, "run taken up");
    let share = runs.permits().share_of_begun(&record);
    let driver = driver(runs, record, *reason).await?;
    for signal in signals {
        driver.live().deliver(signal);
    }
    let permit = match permit {
        Permit::Held(permit) => Some(permit),
        Permit::NotNeeded => None,
    };
    runs.spawn(driver, permit, share);
    Ok(())
}

/// A run that nobody has begun, with the signals to it.
async fn queued(
    runs: &Runs,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Option<(Record, Vec<Signal>)>, RunsError> {
    let found = runs.db.read(async |conn| {
        let found = store::find(conn, tenant, run_id).await?;
        let found = found.filter(|it| it.run.summary.status == Status::Queued);
        let Some(record) = found else { return Ok(None) };
        Ok(Some((record, signals::for_run(conn, tenant, run_id).await?)))
    });
    found.await
}

/// The new owner of a run, who knows all that has happened.
async fn driver(
    runs: &Runs,
    mut record: Record,
    reason: ResumeReason,
) -> Result<Driver, RunsError> {
    let (tenant, run_id) = (record.tenant.clone(), record.run.summary.id);
    record.run.summary.status = Status::Running;
    record.scopes = rights::held(runs, &record).await?;
    let mut past = past(runs, &record).await?;
    let mut execution = match prepare::execution(runs, &record).await {
        Ok(Ok(execution)) => execution,
        Ok(Err(message)) => {
            past.unusable = Some(RunError::new(RunErrorKind::Definition, message));
            prepare::nothing(&record)
        }
        Err(cause) => return Err(cause),
    };
    for (at, event) in &past.events {
        execution.apply(event, at.time());
    }
    let live = runs.enter(run_id, past.last_seq);
    let log = Log::new(tenant, Arc::clone(&live), runs.journal().clone(), past.last_seq);
    let first = first_event(&record, past.last_seq == 0, reason);
    let mut driver = Driver::new(runs.clone(), Arc::new(record), execution, log, live);
    for (at, event) in &past.events {
        driver.recall(event, at.time());
    }
    driver.begin_with(first, past.unusable);
    Ok(driver)
}

/// What has happened. A log that nobody can read, or that has seen too many owners, only lets the run
/// end.
async fn past(runs: &Runs, record: &Record) -> Result<Past, RunsError> {
    let (tenant, summary) = (&record.tenant, &record.run.summary);
    let unusable = |message: &str| Some(RunError::new(RunErrorKind::Internal, message));
    match read_log(runs, tenant, summary.id).await {
        Ok(past) if past.recoveries() > MAX_RECOVERIES => {
            Ok(Past { unusable: unusable("the run was interrupted too often"), ..past })
        }
        Ok(past) => Ok(past),
        Err(cause @ (RunsError::Unreadable(_) | RunsError::Event(_))) => {
            error!(run.id = %summary.id, error = &cause as &dyn std::error::Error, "unreadable log");
            let progress = store::progress;
            let (last_seq, _) =
                runs.db.read(async |conn| progress(conn, tenant, summary.id).await).await?;
            let unusable = unusable("what has happened in the run cannot be read");
            Ok(Past { last_seq: last_seq.cast_unsigned(), unusable, ..Past::default() })
        }
        Err(cause) => Err(cause),
    }
}

/// What has happened in a run until now.
pub async fn read_log(runs: &Runs, tenant: &TenantId, run_id: Id) -> Result<Past, RunsError> {
    let mut past = Past::default();
    loop {
        let after = past.last_seq;
        let page = runs
            .db
            .read(async |conn| store::events(conn, tenant, run_id, after, PAGE).await)
            .await?;
        let last = page.len() < PAGE as usize;
        let kept = Kept::of(runs, tenant, run_id, page.iter()).await?;
        for row in page {
            past.last_seq = row.seq.cast_unsigned();
            past.events.push((row.at, kept.read_back(&row)?));
        }
        if last {
            return Ok(past);
        }
    }
}

/// What a new owner appends first: the log is his from then on.
fn first_event(record: &Record, fresh: bool, reason: ResumeReason) -> Event {
    if fresh {
        return execute::started(record).into();
    }
    let summary = &record.run.summary;
    let attempt = summary.attempt;
    // The log of a fork begins with what it took over.
    let is_fork = attempt == 1 && summary.forked_from.is_some();
    let reason = if is_fork { ResumeReason::Fork } else { reason };
    RunResumed { attempt, reason }.into()
}
