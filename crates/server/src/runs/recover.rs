//! Takes up runs that have no owner: those of the queue, and those whose process is gone.
//!
//! Who is gone is decided by watching: a process whose heartbeat has stood still for
//! [`SILENCE`] on our own clock is taken out of `workers`, and a run whose owner is not there may be
//! claimed. Nothing rests on that decision being right: an owner that wakes up again finds that its
//! next event has been written by somebody else, and lets go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use engine::Event;
use engine::ResumeReason;
use engine::RunError;
use engine::RunErrorKind;
use engine::RunResumed;
use serde::de::Error as _;
use tokio::sync::OwnedSemaphorePermit;
use tracing::error;
use tracing::info;
use tracing::warn;

use super::Record;
use super::RunsError;
use super::Status;
use super::driver::Driver;
use super::execute;
use super::log;
use super::log::Log;
use super::prepare;
use super::service::Runs;
use super::store;
use crate::db::At;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;

/// How often a process looks for work and for orders.
const ROUND: Duration = Duration::from_millis(250);
/// How often its heart beats.
const BEAT: Duration = Duration::from_secs(1);
/// After so long without a beat, a process is gone.
const SILENCE: Duration = Duration::from_secs(5);
/// How often a process looks whether it owns a run that it does not execute.
const STRAYS: Duration = Duration::from_secs(5);
/// Events that are read at once.
const PAGE: u32 = 200;
/// How often old rows are taken away.
const TIDY: Duration = Duration::from_mins(10);
/// How long an idempotency key is remembered.
const KEYS_KEPT: Duration = Duration::from_hours(24);

/// Enters this process and keeps taking up runs until the server stops.
///
/// Must have returned before the first run is begun.
pub async fn start(runs: &Runs) -> Result<(), sqlx::Error> {
    let (now, worker) = (runs.clock.now(), runs.worker());
    let embedded = runs.db.dialect() == Dialect::Sqlite;
    runs.db
        .write(async |tx| {
            if embedded {
                // Nobody else can have this file: all others are gone.
                for (other, _) in store::beats(tx).await? {
                    store::delete_worker(tx, other).await?;
                }
            }
            store::beat(tx, worker, now).await
        })
        .await?;
    if !embedded {
        runs.tasks.spawn(keep_beating(runs.clone()));
    }
    runs.tasks.spawn(keep_working(runs.clone()));
    runs.tasks.spawn(keep_looking_after(runs.clone()));
    runs.tasks.spawn(keep_tidy(runs.clone()));
    Ok(())
}

/// Takes this process out. All its runs must have ended or been let go.
pub async fn stop(runs: &Runs) -> Result<(), sqlx::Error> {
    let worker = runs.worker();
    runs.db.write(async |tx| store::delete_worker(tx, worker).await).await
}

/// Lets the heart beat, and takes out those whose heart stands still.
async fn keep_beating(runs: Runs) {
    let mut seen = HashMap::new();
    while pause(&runs, BEAT).await {
        report(beat(&runs, &mut seen).await);
    }
}

async fn beat(runs: &Runs, seen: &mut HashMap<Id, (i64, Instant)>) -> Result<(), sqlx::Error> {
    let (now, worker) = (runs.clock.now(), runs.worker());
    runs.db.write_behind(async |tx| store::beat(tx, worker, now).await).await?;
    let beats = runs.db.read(async |conn| store::beats(conn).await).await?;
    seen.retain(|id, _| beats.iter().any(|(other, _)| other == id));
    for (id, beat) in beats.into_iter().filter(|(id, _)| *id != worker) {
        let last = seen.entry(id).or_insert_with(|| (beat, Instant::now()));
        if last.0 != beat {
            *last = (beat, Instant::now());
        } else if last.1.elapsed() > SILENCE {
            warn!(worker.id = %id, "a process is gone: its runs are taken up");
            runs.db.write_behind(async |tx| store::delete_worker(tx, id).await).await?;
        }
    }
    Ok(())
}

async fn keep_working(runs: Runs) {
    while pause(&runs, ROUND).await {
        report(work(&runs).await);
    }
}

/// Looks for orders to the runs of this process, and for runs that have no owner.
async fn work(runs: &Runs) -> Result<(), RunsError> {
    let signals = runs.db.read(async |conn| store::signals(conn).await).await?;
    for signal in signals {
        if let Some(live) = runs.live(signal.run_id) {
            live.cancel(signal.read()?);
        }
    }
    let orphans = runs.db.read(async |conn| store::orphans(conn).await).await?;
    for (tenant, id, owner) in orphans {
        let Some(permit) = runs.permit() else { break };
        take_up(runs, &tenant_of(tenant)?, id, owner, Some(permit)).await?;
    }
    let free = u32::try_from(runs.free()).unwrap_or(u32::MAX).min(50);
    let now = runs.clock.now();
    let queued = runs.db.read(async |conn| store::queued(conn, now, free).await).await?;
    for (tenant, id) in queued {
        let Some(permit) = runs.permit() else { break };
        take_up(runs, &tenant_of(tenant)?, id, None, Some(permit)).await?;
    }
    Ok(())
}

async fn keep_looking_after(runs: Runs) {
    while pause(&runs, STRAYS).await {
        report(look_after(&runs).await);
    }
}

/// Takes up runs of our own that a fault made us let go of.
async fn look_after(runs: &Runs) -> Result<(), RunsError> {
    let worker = runs.worker();
    let owned = runs.db.read(async |conn| store::owned(conn, worker).await).await?;
    for (tenant, id) in owned {
        if runs.live(id).is_none()
            && let Some(permit) = runs.permit()
        {
            take_up(runs, &tenant_of(tenant)?, id, Some(worker), Some(permit)).await?;
        }
    }
    Ok(())
}

async fn keep_tidy(runs: Runs) {
    while pause(&runs, TIDY).await {
        let age = At::new(runs.clock.now().time() - KEYS_KEPT);
        let tidied = runs.db.write_behind(async |tx| {
            store::delete_old_keys(tx, age).await?;
            store::delete_late_signals(tx).await
        });
        report(tidied.await);
    }
}

/// Waits; `false`, at once, when the server stops.
async fn pause(runs: &Runs, pause: Duration) -> bool {
    tokio::time::timeout(pause, runs.tasks.stopping().cancelled()).await.is_err()
}

/// Logs a fault; the next round comes.
fn report<E: std::error::Error + 'static>(round: Result<(), E>) {
    if let Err(cause) = round {
        error!(error = &cause as &dyn std::error::Error, "work on runs must wait");
    }
}

/// Makes this process the owner of a run that belongs to `owner`, and goes on with it.
///
/// Does nothing if somebody else was faster, or if the run is over.
pub async fn take_up(
    runs: &Runs,
    tenant: &TenantId,
    run_id: Id,
    owner: Option<Id>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<(), RunsError> {
    let worker = runs.worker();
    let claimed =
        runs.db.write(async |tx| store::claim(tx, tenant, run_id, owner, worker).await).await?;
    let Some(mut record) = claimed else { return Ok(()) };
    info!(run.id = %run_id, run.attempt = record.run.summary.attempt, "run taken up");
    let events = read_log(runs, tenant, run_id).await?;
    let last_seq = events.last().map_or(0, |(seq, ..)| *seq);
    let began = events.first().map_or_else(|| runs.clock.now(), |(_, at, _)| *at);
    record.run.summary.started_at = Some(began);
    record.run.summary.status = Status::Running;
    let (mut execution, unusable) = match prepare::execution(runs, &record).await? {
        Ok(execution) => (execution, None),
        Err(message) => (prepare::nothing(&record), Some(message)),
    };
    for (_, at, event) in &events {
        execution.apply(event, at.time());
    }
    let live = runs.enter(run_id, last_seq);
    let log = Log::new(tenant.clone(), Arc::clone(&live), runs.journal().clone(), last_seq);
    let first = first_event(&record, events.is_empty());
    let mut driver = Driver::new(runs.clone(), record, execution, log, live);
    driver.begin_with(first, unusable.map(|it| RunError::new(RunErrorKind::Definition, it)));
    runs.spawn(driver, permit);
    Ok(())
}

/// What a new owner appends first: the log is his from then on.
fn first_event(record: &Record, fresh: bool) -> Event {
    if fresh {
        return execute::started(record).into();
    }
    let attempt = record.run.summary.attempt;
    RunResumed { attempt, reason: ResumeReason::Recovery }.into()
}

async fn read_log(
    runs: &Runs,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Vec<(u64, At, Event)>, RunsError> {
    let mut events: Vec<(u64, At, Event)> = Vec::new();
    loop {
        let after = events.last().map_or(0, |(seq, ..)| *seq);
        let page = runs
            .db
            .read(async |conn| store::events(conn, tenant, run_id, after, PAGE).await)
            .await?;
        let last = page.len() < PAGE as usize;
        for row in page {
            let event = log::read_back(runs, tenant, run_id, &row).await?;
            events.push((row.seq.cast_unsigned(), row.at, event));
        }
        if last {
            return Ok(events);
        }
    }
}

fn tenant_of(name: String) -> Result<TenantId, RunsError> {
    TenantId::try_from(name).map_err(|error| serde_json::Error::custom(error).into())
}
