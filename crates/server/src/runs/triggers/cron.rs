//! Schedules of workflows.
//!
//! Every process looks for schedules that are due: one query, by the time at which they are. Whoever moves a schedule on
//! in its row has its occurrences, and stores their runs in the same transaction; all others find that it was moved.
//! That no occurrence happens twice rests on that row and on the keys of what was done, and on no clock: a clock that
//! is wrong makes things early or late.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::Hash;
use std::hash::Hasher;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Firings;
use serde_json::Map;
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tracing::debug;
use tracing::error;
use tracing::info;
use tracing::warn;

use super::Ready;
use super::TriggerError;
use super::catch_up;
use super::count;
use super::entry;
use super::not_taken;
use super::ready;
use super::record;
use crate::db::At;
use crate::db::Conn;
use crate::runs::Record;
use crate::runs::execute;
use crate::runs::execute::ExecuteError;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::workflows::store::firings;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers;
use crate::workflows::store::triggers::Place;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;
use crate::workflows::triggers::Trigger;

/// How often a process looks.
const ROUND: Duration = Duration::from_millis(250);
/// So many occurrences of a schedule are dealt with in one transaction.
const AT_ONCE: usize = 20;
/// Who has dealt with what is further ahead had a clock that was wrong.
const AHEAD: Duration = Duration::from_mins(1);

/// Keeps firing until the server stops.
pub fn start(runs: &Runs) {
    runs.tasks.spawn(keep_firing(runs.clone()));
}

async fn keep_firing(runs: Runs) {
    let stopping = runs.tasks.stopping().clone();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(rounds.tick()).await.is_some() {
        if let Err(cause) = round(&runs).await {
            error!(error = &cause as &dyn Error, "schedules must wait");
        }
    }
}

/// Deals with all that is due now.
async fn round(runs: &Runs) -> Result<(), TriggerError> {
    let now = runs.clock.now();
    let ahead = At::new(now.time() + AHEAD);
    let work = runs.db.read(async |conn| triggers::work(conn, now, ahead).await).await?;
    if work.has_changes {
        catch_up(runs).await?;
    }
    if work.is_ahead {
        set_back(runs, now, ahead).await?;
    }
    if work.is_due || work.has_changes {
        fire_due(runs, now).await?;
    }
    Ok(())
}

async fn fire_due(runs: &Runs, now: At) -> Result<(), TriggerError> {
    let (mut after, mut has_begun) = (None, false);
    loop {
        let place = after.as_ref();
        let mut due = runs.db.read(async |conn| triggers::list_due(conn, now, place).await).await?;
        let Some(last) = due.last() else { break };
        after = last.next_at.map(|time| Place {
            time,
            workflow_id: last.workflow_id,
            trigger_id: last.trigger.id().to_owned(),
        });
        // Each process in an order of its own, so that they do not run after each other.
        due.sort_by_cached_key(|it| turn(runs, it));
        for armed in due {
            if runs.tasks.stopping().is_cancelled() {
                return Ok(());
            }
            has_begun |= fire(runs, armed, now).await;
        }
    }
    if has_begun {
        runs.work().notify_one();
    }
    Ok(())
}

fn turn(runs: &Runs, armed: &Armed) -> u64 {
    let mut hasher = DefaultHasher::new();
    (runs.worker(), armed.workflow_id, armed.trigger.id()).hash(&mut hasher);
    hasher.finish()
}

/// Deals with one schedule as far as it is due, and says whether it has begun runs.
async fn fire(runs: &Runs, armed: Armed, now: At) -> bool {
    let (mut next, mut has_begun) = (Some(armed), false);
    while let Some(armed) = next.take() {
        let (workflow, trigger) = (armed.workflow_id, armed.trigger.id().to_owned());
        match step(runs, armed, now).await {
            Ok(Step { begun, left }) => {
                has_begun |= begun > 0;
                next = left;
            }
            Err(TriggerError::Execute(
                cause @ (ExecuteError::QueueFull(_) | ExecuteError::ShareFull(_)),
            )) => {
                debug!(workflow.id = %workflow, trigger.id = trigger, "a schedule waits: {cause}");
            }
            Err(cause) => {
                warn!(workflow.id = %workflow, trigger.id = trigger, error = &cause as &dyn Error, "a schedule must wait");
            }
        }
    }
    has_begun
}

/// What came of a look at a schedule.
#[derive(Debug, Default)]
struct Step {
    begun: usize,
    /// The schedule, if more of it is due.
    left: Option<Armed>,
}

/// What is to be done for a schedule.
struct Plan {
    occurrences: Vec<At>,
    /// What is said of occurrences that are left out.
    left_out: Option<FiringError>,
    handled: At,
    next: Option<At>,
    is_more: bool,
}

impl Plan {
    fn of(armed: &Armed, now: At) -> Option<Self> {
        let (Trigger::Cron { missed, .. }, Some(schedule), Some(handled)) =
            (&armed.trigger, armed.trigger.schedule(), armed.handled_at)
        else {
            return None;
        };
        let Firings { mut fire, left_out, handled: last } =
            schedule.due(*missed, handled.time(), now.time());
        let is_more = fire.len() > AT_ONCE;
        fire.truncate(AT_ONCE);
        let last = if is_more { fire.last().copied().unwrap_or(last) } else { last };
        let left_out = (left_out > 0).then(|| left_out_error(left_out, handled.time(), now.time()));
        let next = schedule.after(last).next().map(At::new);
        let occurrences = fire.into_iter().map(At::new).collect();
        Some(Self { occurrences, left_out, handled: At::new(last), next, is_more })
    }
}

fn left_out_error(count: usize, from: DateTime<Utc>, to: DateTime<Utc>) -> FiringError {
    let (from, to) = (At::new(from), At::new(to));
    let message =
        format!("{count} occurrences between {from} and {to} were missed and are left out");
    FiringError::new("missed", message)
}

/// Deals with the next occurrences of a schedule, in one transaction.
async fn step(runs: &Runs, mut armed: Armed, now: At) -> Result<Step, TriggerError> {
    let Some(plan) = Plan::of(&armed, now) else { return Ok(Step::default()) };
    let (firings, entries) = prepare(runs, &armed, &plan, now).await?;
    let (started, refused) = (entries.len(), firings.len());
    let done = runs.db.write(async |tx| carry_out(tx, &armed, &plan, &firings, entries).await);
    let Some(begun) = done.await.map_err(ExecuteError::from)? else {
        return Ok(Step::default());
    };
    let trigger = &armed.trigger;
    count(trigger, "started", begun);
    count(trigger, "refused", refused - usize::from(plan.left_out.is_some()));
    if plan.left_out.is_some() {
        count(trigger, "skipped", 1);
    }
    info!(workflow.id = %armed.workflow_id, trigger.id = trigger.id(), started, begun, "a schedule has fired");
    (armed.handled_at, armed.next_at) = (Some(plan.handled), plan.next);
    Ok(Step { begun, left: plan.is_more.then_some(armed) })
}

/// What is noted without a run, and the runs, of what is planned.
async fn prepare(
    runs: &Runs,
    armed: &Armed,
    plan: &Plan,
    now: At,
) -> Result<(Vec<NewFiring>, Vec<(At, Entry)>), TriggerError> {
    let noted = |status, at, error| {
        let mut firing = armed.firing(runs.ids.next(), now, status);
        (firing.firing.at, firing.firing.error) = (at, error);
        firing
    };
    let (mut firings, mut entries) = (Vec::new(), Vec::new());
    if let Some(error) = plan.left_out.clone() {
        firings.push(noted(FiringStatus::Skipped, None, Some(error)));
    }
    if plan.occurrences.is_empty() {
        return Ok((firings, entries));
    }
    let ready = ready(runs, armed).await?;
    if let Ok(Ready { who, .. }) = &ready {
        execute::ensure_room(runs, &who.client_id).await?;
    }
    for at in &plan.occurrences {
        let record = match &ready {
            Ok(ready) => occurrence(runs, armed, ready, *at).await?,
            Err(refusal) => Err(refusal.clone()),
        };
        match record {
            Ok(record) => {
                let firing = noted(FiringStatus::Started, Some(*at), None);
                entries.push((*at, entry(record, firing)));
            }
            Err(refusal) => {
                firings.push(noted(FiringStatus::Refused, Some(*at), Some(refusal)));
            }
        }
    }
    Ok((firings, entries))
}

async fn occurrence(
    runs: &Runs,
    armed: &Armed,
    ready: &Ready,
    at: At,
) -> Result<Result<Record, FiringError>, TriggerError> {
    let Trigger::Cron { input, .. } = &armed.trigger else {
        return Ok(Err(FiringError::new("no_schedule", "it has no schedule")));
    };
    let told = Map::from_iter([("at".to_owned(), Value::from(at.to_string()))]);
    let record = record(runs, armed, ready, input.clone(), told).await?;
    Ok(record.map_err(|wrong| not_taken(&wrong)))
}

/// Moves the schedule on, and stores what comes of it: nothing of it, if somebody else did or it has changed. Says how many
/// runs were begun.
async fn carry_out(
    tx: &mut Conn<'_>,
    armed: &Armed,
    plan: &Plan,
    noted: &[NewFiring],
    entries: Vec<(At, Entry)>,
) -> Result<Option<usize>, JournalError> {
    if !triggers::advance(tx, armed, plan.handled, plan.next).await? {
        return Ok(None);
    }
    let (tenant, workflow, trigger) = (&armed.tenant, armed.workflow_id, armed.trigger.id());
    let of = Of { tenant, workflow, trigger };
    // What a clock that was wrong has let happen before does not happen again.
    let fired = match (plan.occurrences.first(), plan.occurrences.last()) {
        (Some(first), Some(last)) => firings::fired(tx, of, (*first, *last)).await?,
        _ => Vec::new(),
    };
    let entries: Vec<Entry> =
        entries.into_iter().filter(|(at, _)| !fired.contains(at)).map(|(_, it)| it).collect();
    let begun = entries.len();
    store::append(tx, &entries.iter().collect::<Vec<_>>()).await?;
    for firing in noted.iter().filter(|it| it.firing.at.is_none_or(|at| !fired.contains(&at))) {
        firings::insert(tx, firing).await?;
    }
    Ok(Some(begun))
}

/// Lets schedules go on from now that have dealt with what is to come.
async fn set_back(runs: &Runs, now: At, ahead: At) -> Result<(), TriggerError> {
    let found = runs.db.read(async |conn| triggers::list_ahead(conn, ahead).await).await?;
    for armed in found {
        let next = armed.next_after(now.time());
        warn!(workflow.id = %armed.workflow_id, trigger.id = armed.trigger.id(), "a schedule goes on from now: a clock was ahead");
        runs.db.write(async |tx| triggers::advance(tx, &armed, now, next).await).await?;
    }
    Ok(())
}
