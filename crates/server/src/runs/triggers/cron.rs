//! Schedules of workflows.
//!
//! Every process looks for schedules that are due: one query, by the time at which they are. Whoever moves a schedule on
//! in its row has its occurrences, and stores their runs in the same transaction; all others find that it was moved.
//! That no occurrence happens twice rests on that row and on the keys of what was done, and on no clock: a clock that
//! is wrong makes things early or late.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::Hash;
use std::hash::Hasher;
use std::time::Duration;
use std::time::Instant;

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
use super::plan::Plan;
use super::plan::plan;
use super::ready;
use super::record;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::runs::Record;
use crate::runs::execute;
use crate::runs::execute::ExecuteError;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::workflows::store::firings;
use crate::workflows::store::firings::Of;
use crate::workflows::store::schedules;
use crate::workflows::store::schedules::Batch;
use crate::workflows::store::schedules::Place;
use crate::workflows::store::triggers;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;
use crate::workflows::triggers::Trigger;

/// How often a process looks.
const ROUND: Duration = Duration::from_millis(250);
/// Who has dealt with what is further ahead had a clock that was wrong.
const AHEAD: Duration = Duration::from_mins(1);

/// How often the log tells of a schedule that cannot be read.
const TOLD: Duration = Duration::from_hours(1);
/// Of so many schedules that cannot be read it is remembered when the log told of them.
const REMEMBERED: usize = 10_000;

/// What is known from one round to the next.
#[derive(Debug, Default)]
struct Memory {
    /// When the last round was.
    last: Option<At>,
    /// The clock of this process was set back, or was never looked at, and schedules may have dealt with what is to come.
    is_back: bool,
    /// When the log told of schedules that cannot be read.
    told: HashMap<(Id, String), Instant>,
}

/// Of whom the queue has no room for another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Everybody,
    Client,
}

/// What came of a schedule that was due.
#[derive(Debug, Default)]
struct Fired {
    has_begun: bool,
    /// Why it must wait.
    full: Option<Full>,
}

/// Keeps firing until the server stops.
pub fn start(runs: &Runs) {
    runs.tasks.spawn(keep_firing(runs.clone()));
}

async fn keep_firing(runs: Runs) {
    let stopping = runs.tasks.stopping().clone();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory = Memory::default();
    while stopping.run_until_cancelled(rounds.tick()).await.is_some() {
        if let Err(cause) = round(&runs, &mut memory).await {
            error!(error = &cause as &dyn Error, "schedules must wait");
        }
    }
}

/// Deals with all that is due now.
async fn round(runs: &Runs, memory: &mut Memory) -> Result<(), TriggerError> {
    let now = runs.clock.now();
    let ahead = At::new(now.time() + AHEAD);
    memory.is_back |= memory.last.replace(now).is_none_or(|last| now < last);
    let work = runs.db.read(async |conn| triggers::work(conn, now, ahead).await).await?;
    if work.has_changes {
        catch_up(runs).await?;
    }
    if memory.is_back {
        memory.is_back = work.is_ahead && !set_back(runs, now, ahead).await?;
    }
    if work.is_due || work.has_changes {
        fire_due(runs, now, memory).await?;
    }
    Ok(())
}

async fn fire_due(runs: &Runs, now: At, memory: &mut Memory) -> Result<(), TriggerError> {
    let (mut after, mut has_begun, mut is_full) = (None, false, false);
    // Clients who have as much of the queue as they may.
    let mut sated: HashSet<String> = HashSet::new();
    while !is_full {
        let place = after.as_ref();
        let due = runs.db.read(async |conn| schedules::list_due(conn, now, place).await).await?;
        let Batch { mut armed, unreadable, last } = due;
        memory.tell_of(unreadable);
        after = last;
        // Each process in an order of its own, so that they do not run after each other.
        armed.sort_by_cached_key(|it| turn(runs, it));
        for armed in armed {
            if is_full || runs.tasks.stopping().is_cancelled() {
                break;
            }
            if sated.contains(&armed.who.client_id) {
                continue;
            }
            let client = armed.who.client_id.clone();
            let fired = fire(runs, armed, now).await;
            has_begun |= fired.has_begun;
            is_full = fired.full == Some(Full::Everybody);
            if fired.full == Some(Full::Client) {
                sated.insert(client);
            }
        }
        if after.is_none() || runs.tasks.stopping().is_cancelled() {
            break;
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

/// Deals with one schedule as far as it is due.
async fn fire(runs: &Runs, armed: Armed, now: At) -> Fired {
    let (mut next, mut fired) = (Some(armed), Fired::default());
    while let Some(armed) = next.take() {
        let (workflow, trigger) = (armed.workflow_id, armed.trigger.id().to_owned());
        match step(runs, armed, now).await {
            Ok(Step { begun, left }) => {
                fired.has_begun |= begun > 0;
                next = left;
            }
            Err(TriggerError::Execute(
                cause @ (ExecuteError::QueueFull(_) | ExecuteError::ShareFull(_)),
            )) => {
                debug!(workflow.id = %workflow, trigger.id = trigger, "a schedule waits: {cause}");
                let is_share = matches!(cause, ExecuteError::ShareFull(_));
                fired.full = Some(if is_share { Full::Client } else { Full::Everybody });
            }
            // It is looked at again in the next round.
            Err(TriggerError::Changed) => {}
            Err(cause) => {
                warn!(workflow.id = %workflow, trigger.id = trigger, error = &cause as &dyn Error, "a schedule must wait");
            }
        }
    }
    fired
}

/// What came of a look at a schedule.
#[derive(Debug, Default)]
struct Step {
    begun: usize,
    /// The schedule, if more of it is due.
    left: Option<Armed>,
}

/// What would be stored for a plan.
struct Prepared {
    /// What is noted if occurrences are left out.
    skipped: NewFiring,
    refused: Vec<NewFiring>,
    entries: Vec<(At, Entry)>,
}

/// How much was stored.
#[derive(Debug, Clone, Copy, Default)]
struct Stored {
    started: usize,
    refused: usize,
    skipped: usize,
}

/// Deals with the next occurrences of a schedule, in one transaction.
async fn step(runs: &Runs, mut armed: Armed, now: At) -> Result<Step, TriggerError> {
    let Some(plan) = plan(&armed, now).await else { return Ok(Step::default()) };
    let prepared = prepare(runs, &armed, &plan, now).await?;
    let done = runs.db.write(async |tx| carry_out(tx, &armed, &plan, &prepared).await);
    let Some(stored) = done.await.map_err(ExecuteError::from)? else {
        return Ok(Step::default());
    };
    let (trigger, Stored { started, refused, skipped }) = (&armed.trigger, stored);
    count(trigger, "started", started);
    count(trigger, "refused", refused);
    count(trigger, "skipped", skipped);
    info!(workflow.id = %armed.workflow_id, trigger.id = trigger.id(), started, refused, skipped, "a schedule has fired");
    (armed.handled_at, armed.next_at) = (Some(plan.handled), plan.next);
    Ok(Step { begun: started, left: plan.is_more.then_some(armed) })
}

/// What is noted without a run, and the runs, of what is planned.
async fn prepare(
    runs: &Runs,
    armed: &Armed,
    plan: &Plan,
    now: At,
) -> Result<Prepared, TriggerError> {
    let noted = |status, at, error| {
        let mut firing = armed.firing(runs.ids.next(), now, status);
        (firing.firing.at, firing.firing.error) = (at, error);
        firing
    };
    let skipped = noted(FiringStatus::Skipped, None, None);
    let mut prepared = Prepared { skipped, refused: Vec::new(), entries: Vec::new() };
    if plan.occurrences.is_empty() {
        return Ok(prepared);
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
                prepared.entries.push((*at, entry(record, firing)));
            }
            Err(refusal) => {
                let firing = noted(FiringStatus::Refused, Some(*at), Some(refusal));
                prepared.refused.push(firing);
            }
        }
    }
    Ok(prepared)
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

/// Moves the schedule on, and stores what comes of it: nothing of it, if somebody else did or it has changed.
async fn carry_out(
    tx: &mut Conn<'_>,
    armed: &Armed,
    plan: &Plan,
    prepared: &Prepared,
) -> Result<Option<Stored>, JournalError> {
    if !schedules::advance(tx, armed, plan.handled, plan.next).await? {
        return Ok(None);
    }
    let (tenant, workflow, trigger) = (&armed.tenant, armed.workflow_id, armed.trigger.id());
    let of = Of { tenant, workflow, trigger };
    // What a clock that was wrong has let happen before does not happen again, and was not missed.
    let fired = match (plan.occurrences.first(), plan.occurrences.last()) {
        (Some(first), Some(last)) => firings::fired(tx, of, (*first, *last)).await?,
        _ => Vec::new(),
    };
    let entries = prepared.entries.iter().filter(|(at, _)| !fired.contains(at));
    let entries: Vec<&Entry> = entries.map(|(_, it)| it).collect();
    store::append(tx, &entries).await?;
    let mut stored = Stored { started: entries.len(), ..Stored::default() };
    for firing in &prepared.refused {
        stored.refused += usize::from(firings::insert(tx, firing).await?);
    }
    let left_out = match plan.left_out {
        0 => 0,
        missed => {
            let all = firings::count_fired(tx, of, (plan.since, plan.handled)).await?;
            let all = usize::try_from(all).unwrap_or_default();
            missed.saturating_sub(all.saturating_sub(fired.len()))
        }
    };
    if left_out > 0 {
        let mut skipped = prepared.skipped.clone();
        skipped.firing.error = Some(plan.left_out_error(left_out));
        stored.skipped = usize::from(firings::insert(tx, &skipped).await?);
    }
    Ok(Some(stored))
}

/// Lets schedules go on from now that have dealt with what is to come, and says whether all do. Each is looked at once:
/// another process, whose clock is ahead of ours, may move it on again.
async fn set_back(runs: &Runs, now: At, ahead: At) -> Result<bool, TriggerError> {
    let (mut after, mut all_do) = (None, true);
    loop {
        let place = after.as_ref();
        let found =
            runs.db.read(async |conn| schedules::list_ahead(conn, ahead, place).await).await?;
        for armed in &found.armed {
            let next = armed.next_after(now.time());
            warn!(workflow.id = %armed.workflow_id, trigger.id = armed.trigger.id(), "a schedule goes on from now: a clock was ahead");
            all_do &=
                runs.db.write(async |tx| schedules::advance(tx, armed, now, next).await).await?;
        }
        after = found.last;
        if after.is_none() {
            return Ok(all_do);
        }
    }
}

impl Memory {
    /// Lets the log tell of schedules that this release cannot read, of each now and then.
    fn tell_of(&mut self, unreadable: Vec<Place>) {
        for Place { workflow_id, trigger_id, .. } in unreadable {
            let now = Instant::now();
            if self.told.len() >= REMEMBERED {
                self.told.retain(|_, at| now.duration_since(*at) < TOLD);
            }
            let key = (workflow_id, trigger_id);
            let is_told = self.told.get(&key).is_some_and(|at| now.duration_since(*at) < TOLD);
            if is_told || self.told.len() >= REMEMBERED {
                continue;
            }
            error!(workflow.id = %key.0, trigger.id = key.1, "a schedule cannot be read, and does not fire");
            self.told.insert(key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_once_of_what_cannot_be_read() {
        let mut memory = Memory::default();
        let place = |trigger: &str| Place {
            time: At::NEVER,
            workflow_id: Id::new(uuid::Uuid::nil()),
            trigger_id: trigger.to_owned(),
        };

        memory.tell_of(vec![place("a"), place("b")]);
        let told = memory.told.clone();
        memory.tell_of(vec![place("a"), place("b")]);

        assert_eq!((told.len(), memory.told), (2, told));
    }
}
