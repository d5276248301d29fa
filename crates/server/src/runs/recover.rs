//! Takes up runs that have no owner: those of the queue, and those whose process is gone.
//!
//! Who is gone is decided by watching: a process whose heartbeat has stood still for
//! [`SILENCE`] on our own clock is taken out of `workers`, and a run whose owner is not there may be
//! claimed. Nothing rests on that decision being right: an owner that wakes up again finds that its
//! next event has been written by somebody else, and lets go.

use std::collections::HashMap;
use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use engine::ResumeReason;
use serde::de::Error as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing::warn;

use super::RunsError;
use super::budgets;
use super::happen;
use super::service::Runs;
use super::signal::Signal;
use super::store;
use super::store::happenings;
use super::store::owners;
use super::store::owners::Queued;
use super::store::signals;
use super::store::signals::Place;
use super::store::signals::Unreadable;
use super::take_up;
use super::take_up::Found;
use super::take_up::Permit;
use super::take_up::take_up;
use crate::db::At;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;

/// How often a process looks for work and for orders.
const ROUND: Duration = Duration::from_millis(250);
/// How often its heart beats.
const BEAT: Duration = Duration::from_secs(1);
/// After so many looks without a beat, a process is gone. Only looks count, not time: a database that
/// nobody reached tells nothing of anybody.
const SILENCE: u32 = 5;
/// How often a process looks whether it owns a run that it does not execute.
const STRAYS: Duration = Duration::from_secs(5);
/// How often old rows are taken away.
const TIDY: Duration = Duration::from_mins(10);
/// How long an idempotency key is remembered.
const KEYS_KEPT: Duration = Duration::from_hours(24);
/// How long it is remembered what was used of budgets.
const USAGE_KEPT: Duration = Duration::from_hours(24 * 90);

/// Enters this process and keeps taking up runs until the server stops.
///
/// Must have returned before the first run is begun.
pub async fn start(runs: &Runs) -> Result<(), sqlx::Error> {
    let (now, worker) = (runs.clock.now(), runs.worker());
    let embedded = runs.db.dialect() == Dialect::Sqlite;
    let entered = runs.db.write(async |tx| {
        if embedded {
            // Nobody else can have this file: all others are gone.
            for (other, _) in owners::beats(tx).await? {
                owners::delete_worker(tx, other).await?;
            }
        }
        owners::beat(tx, worker, now).await
    });
    entered.await?;
    // The heart beats, and orders are taken, as long as there is a run, also while the server stops.
    if !embedded {
        runs.tasks.spawn_for_all(keep_beating(runs.clone()));
    }
    runs.tasks.spawn_for_all(keep_obeying(runs.clone()));
    runs.tasks.spawn(keep_working(runs.clone()));
    runs.tasks.spawn(keep_looking_after(runs.clone()));
    runs.tasks.spawn(keep_tidy(runs.clone()));
    Ok(())
}

/// Stops the heart, and takes this process out: whatever run it still has is for others now.
pub async fn stop(runs: &Runs) -> Result<(), sqlx::Error> {
    runs.heart().cancel();
    let worker = runs.worker();
    runs.db.write(async |tx| owners::delete_worker(tx, worker).await).await
}

async fn keep_beating(runs: Runs) {
    let mut seen = HashMap::new();
    while pause(runs.heart(), BEAT).await {
        report(beat(&runs, &mut seen).await);
    }
}

/// Lets the heart beat, and takes out those whose heart stands still. `seen` has the last beat of each,
/// and how often it was the same.
async fn beat(runs: &Runs, seen: &mut HashMap<Id, (i64, u32)>) -> Result<(), sqlx::Error> {
    let (now, worker) = (runs.clock.now(), runs.worker());
    runs.db.write_behind(async |tx| owners::beat(tx, worker, now).await).await?;
    let beats = runs.db.read(async |conn| owners::beats(conn).await).await?;
    seen.retain(|id, _| beats.iter().any(|(other, _)| other == id));
    for (id, beat) in beats.into_iter().filter(|(id, _)| *id != worker) {
        let (last, looks) = seen.entry(id).or_insert((beat, 0));
        *looks = if *last == beat { *looks + 1 } else { 0 };
        *last = beat;
        if *looks > SILENCE {
            warn!(worker.id = %id, "a process is gone: its runs are taken up");
            runs.db.write_behind(async |tx| owners::delete_worker(tx, id).await).await?;
        }
    }
    Ok(())
}

async fn keep_obeying(runs: Runs) {
    let mut unreadable = HashSet::new();
    loop {
        tokio::select! {
            () = runs.heart().cancelled() => return,
            () = runs.relay().signaled() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
        report(obey(&runs, &mut unreadable).await);
    }
}

/// Brings orders that others left to the runs of this process.
async fn obey(runs: &Runs, unreadable: &mut HashSet<Id>) -> Result<(), RunsError> {
    let worker = runs.worker();
    let (mut sieve, mut place) = (Sieve::new(unreadable), Some(Place::start()));
    while let Some(from) = place {
        let page =
            runs.db.read(async |conn| signals::for_worker(conn, worker, &from).await).await?;
        for signal in page.signals.into_iter().filter_map(|it| sieve.pass(it)) {
            if let Some(live) = runs.live(signal.run_id) {
                live.deliver(signal);
            }
        }
        place = page.next;
    }
    sieve.end();
    Ok(())
}

/// Lets signals pass that can be read, and tells of the others, of each once.
struct Sieve<'u> {
    /// Those of the last look.
    known: &'u mut HashSet<Id>,
    /// Those of this one.
    seen: HashSet<Id>,
}

impl<'u> Sieve<'u> {
    fn new(known: &'u mut HashSet<Id>) -> Self {
        Self { known, seen: HashSet::new() }
    }

    fn pass(&mut self, signal: Result<Signal, Unreadable>) -> Option<Signal> {
        let Unreadable { run_id, id } = match signal {
            Ok(signal) => return Some(signal),
            Err(unreadable) => unreadable,
        };
        self.seen.insert(id);
        if self.known.insert(id) {
            error!(run.id = %run_id, signal.id = %id, "a signal cannot be read");
        }
        None
    }

    /// Forgets those that are not there any more.
    fn end(self) {
        *self.known = self.seen;
    }
}

async fn keep_working(runs: Runs) {
    let mut unreadable = HashSet::new();
    while is_called(runs.work(), runs.tasks.stopping()).await {
        report(work(&runs, &mut unreadable).await);
    }
}

/// Waits until somebody calls for work, or the next round; `false` when there is an end to it.
async fn is_called(work: &Notify, end: &CancellationToken) -> bool {
    tokio::select! {
        () = end.cancelled() => false,
        () = work.notified() => true,
        () = tokio::time::sleep(ROUND) => true,
    }
}

/// Takes up runs whose owner is gone, then those that what they waited for has come to, and then
/// those of the queue.
async fn work(runs: &Runs, unreadable: &mut HashSet<Id>) -> Result<(), RunsError> {
    for (tenant, id, owner) in runs.db.read(async |conn| owners::orphans(conn).await).await? {
        take_up_soon(runs, tenant, id, owner, ResumeReason::Recovery);
    }
    let (mut sieve, mut place) = (Sieve::new(unreadable), Some(Place::start()));
    while let Some(from) = place {
        let page = runs.db.read(async |conn| signals::awaited(conn, &from).await).await?;
        for signal in page.signals.into_iter().filter_map(|it| sieve.pass(it)) {
            let Signal { tenant, run_id, order, .. } = signal;
            take_up::soon(runs, Found { tenant, run_id, owner: None, reason: order.reason() });
        }
        place = page.next;
    }
    sieve.end();
    let now = runs.clock.now();
    for (tenant, id) in runs.db.read(async |conn| owners::due(conn, now).await).await? {
        take_up_soon(runs, tenant, id, None, ResumeReason::Timer);
    }
    begin_queued(runs).await
}

/// Begins runs of the queue, as many as there is room for.
async fn begin_queued(runs: &Runs) -> Result<(), RunsError> {
    let permits = runs.permits();
    let saturated = permits.saturated();
    let most = u32::try_from(permits.free()).unwrap_or(u32::MAX).clamp(1, 50);
    let queued = runs.db.read(async |conn| owners::queued(conn, &saturated, most).await);
    let mut is_full = false;
    for (start, run) in permits.in_turn(queued.await?) {
        let Queued { tenant_id, id, client_id, definition_id, .. } = run;
        // Those before it may have taken the last place.
        if !permits.has_place(&client_id, definition_id) {
            continue;
        }
        let Some(permit) = runs.permit() else {
            is_full = true;
            break;
        };
        let found = found(tenant_id, id, None, ResumeReason::Recovery);
        let begun = async { take_up(runs, &found?, Permit::Held(permit)).await };
        if let Err(cause) = begun.await {
            failed(id, &cause);
        }
        permits.note_turn(client_id, start);
    }
    // New ones go behind those that wait.
    runs.note_backlog(usize::from(is_full));
    if !is_full {
        permits.note_waiting(&saturated);
    }
    Ok(())
}

async fn keep_looking_after(runs: Runs) {
    while pause(runs.tasks.stopping(), STRAYS).await {
        report(look_after(&runs).await);
    }
}

/// Takes up runs of our own that a fault made us let go of, and goes on with what others have died over.
async fn look_after(runs: &Runs) -> Result<(), RunsError> {
    let worker = runs.worker();
    let owned = runs.db.read(async |conn| owners::owned(conn, worker).await).await?;
    for (tenant, id) in owned.into_iter().filter(|(_, id)| runs.live(*id).is_none()) {
        take_up_soon(runs, tenant, id, Some(worker), ResumeReason::Recovery);
    }
    Ok(happen::go_on(runs).await?)
}

/// Takes up a run beside all others, if there is room: none of them keeps another waiting.
fn take_up_soon(runs: &Runs, tenant: String, run_id: Id, owner: Option<Id>, reason: ResumeReason) {
    let Some(permit) = Permit::to_go_on(runs, reason) else { return };
    match found(tenant, run_id, owner, reason) {
        Ok(found) => take_up::soon_with(runs, found, permit),
        Err(cause) => failed(run_id, &cause),
    }
}

fn found(
    tenant: String,
    run_id: Id,
    owner: Option<Id>,
    reason: ResumeReason,
) -> Result<Found, RunsError> {
    let tenant = TenantId::try_from(tenant).map_err(serde_json::Error::custom)?;
    Ok(Found { tenant, run_id, owner, reason })
}

async fn keep_tidy(runs: Runs) {
    while pause(runs.tasks.stopping(), TIDY).await {
        report(tidy(&runs).await);
    }
}

async fn tidy(runs: &Runs) -> Result<(), sqlx::Error> {
    let age = At::new(runs.clock.now().time() - KEYS_KEPT);
    while runs.db.write_behind(async |tx| store::delete_old_keys(tx, age).await).await? > 0 {}
    let old = budgets::day_of(At::new(runs.clock.now().time() - USAGE_KEPT));
    let forget = async || {
        runs.db.write_behind(async |tx| store::budgets::delete_old_usage(tx, &old).await).await
    };
    while forget().await? > 0 {}
    let now = runs.clock.now();
    let forget =
        async || runs.db.write_behind(async |tx| happenings::delete_expired(tx, now).await).await;
    while forget().await? > 0 {}
    runs.db.write_behind(async |tx| signals::delete_late(tx).await).await
}

/// Waits; `false`, at once, when there is an end to it.
async fn pause(end: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, end.cancelled()).await.is_err()
}

/// Logs a fault; the next round comes.
fn report<E: Error + 'static>(round: Result<(), E>) {
    if let Err(cause) = round {
        error!(error = &cause as &dyn Error, "work on runs must wait");
    }
}

fn failed(run_id: Id, cause: &(dyn Error + 'static)) {
    error!(run.id = %run_id, error = cause, "a run cannot be taken up");
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_called_to_work_comes_at_once_and_otherwise_soon() {
        let (work, end) = (Notify::new(), CancellationToken::new());
        let began = Instant::now();

        work.notify_one();
        assert!(is_called(&work, &end).await);
        assert_eq!(began.elapsed(), Duration::ZERO);

        assert!(is_called(&work, &end).await);
        // What docs/API.md promises for runs of a thread that ended on another process.
        assert!(began.elapsed() < Duration::from_millis(300));

        end.cancel();
        assert!(!is_called(&work, &end).await);
    }
}
