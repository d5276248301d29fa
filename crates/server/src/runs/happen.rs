//! Events from outside, for which runs of workflows wait.
//!
//! An event goes to all runs that wait for its name and key, to each once, and begins those of triggers for it. If there
//! are neither, it is kept, and the first that comes to wait for it gets it. Whom it is for is decided in one transaction;
//! who are many are told of it by and by. One that nobody had use for after all is kept again, unless it has begun runs.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::ResumeReason;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use tracing::error;

use super::journal::JournalError;
use super::service::Runs;
use super::signal::Order;
use super::signal::Signal;
use super::store::happenings;
use super::take_up;
use super::take_up::Found;
use super::triggers::TriggerError;
use super::triggers::event;
use crate::app::Ids;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::caller::Principal;

/// So many events of a tenant may wait for somebody.
pub const KEPT: i64 = 10_000;

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    pub name: String,
    pub key: String,
    pub payload: Value,
}

/// An event on its way, with what it takes to keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    #[serde(flatten)]
    pub event: Happening,
    pub by: String,
    pub at: At,
    /// Until when it may be kept.
    pub expires_at: At,
}

/// What changes of the events from outside that a run waits for. Only its owner writes that.
#[derive(Debug)]
pub struct Waits {
    pub tenant: TenantId,
    pub run_id: Id,
    /// The process that owns the run.
    pub owner: Id,
    /// What it waits for from now on, by names and keys; `None` if that is as before.
    pub awaited: Option<BTreeSet<(String, String)>>,
    /// The events that it has recorded, and those that it has no use for.
    pub received: Vec<Id>,
    pub returned: Vec<Id>,
    /// It is over, and has no use for whatever was given to it.
    pub is_over: bool,
    pub at: At,
    pub ids: Ids,
}

impl Waits {
    /// Whether others must not give it anything meanwhile.
    pub fn moves(&self) -> bool {
        self.awaited.is_some() || !self.returned.is_empty()
    }
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HappenError {
    #[error("{KEPT} events wait for somebody, and no more may")]
    Full,
    #[error("an event could not be stored")]
    Journal(#[from] JournalError),
    #[error("a run could not be begun")]
    Trigger(#[from] TriggerError),
    #[error("the database refused a query of events")]
    Database(#[from] sqlx::Error),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    /// Runs that waited for it.
    pub delivered: usize,
    /// Runs that it has begun.
    pub started: usize,
}

/// So often an event is looked at, if each time its triggers change before it is taken.
const ATTEMPTS: usize = 3;

/// Brings an event to the runs that wait for it, and begins those for which there are triggers; keeps it for so long if
/// there are neither.
pub async fn happen(
    runs: &Runs,
    caller: &Principal,
    event: Happening,
    keep: Duration,
) -> Result<Happened, HappenError> {
    let (tenant, id, now) = (&caller.tenant, runs.ids.next(), runs.clock.now());
    let by = caller.subject.to_string();
    let given = Given { event, by, at: now, expires_at: At::new(now.time() + keep) };
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match take(runs, tenant, id, &given).await {
            Err(HappenError::Trigger(TriggerError::Changed)) if left > 0 => {}
            taken => return taken,
        }
    }
}

/// Takes an event, unless triggers for it change at the same moment.
async fn take(
    runs: &Runs,
    tenant: &TenantId,
    id: Id,
    given: &Given,
) -> Result<Happened, HappenError> {
    let answer = event::prepare(runs, tenant, &given.event, &given.by).await?;
    let now = given.at;
    let done = runs.db.write(async |tx| {
        let started = event::carry_out(tx, &answer).await?.ok_or(TriggerError::Changed)?;
        let expires_at = if started == 0 { given.expires_at } else { now };
        let given = Given { expires_at, ..given.clone() };
        let offer = happenings::happen(tx, tenant, id, &given, now).await?;
        Ok::<_, HappenError>((given, offer, started))
    });
    let (given, offer, started) = done.await?;
    bring(runs, tenant, id, &given, &offer.told);
    if offer.told.len() < offer.runs {
        let (owned, tenant) = (runs.clone(), tenant.clone());
        runs.tasks.spawn(async move { tell_others(&owned, &tenant, id).await });
    }
    event::count(&answer);
    if started > 0 {
        runs.work().notify_one();
    }
    Ok(Happened { delivered: offer.runs, started })
}

/// Goes on with events of which not all are told to whom they were given, as when a process died over it.
pub async fn go_on(runs: &Runs) -> Result<(), sqlx::Error> {
    for (tenant, id) in runs.db.read(async |conn| happenings::open(conn).await).await? {
        tell_others(runs, &tenant, id).await;
    }
    Ok(())
}

/// Tells all who are not told yet, some in each transaction; whom it cannot tell now is told later.
async fn tell_others(runs: &Runs, tenant: &TenantId, id: Id) {
    let now = runs.clock.now();
    loop {
        let next =
            runs.db.write_behind(async |tx| happenings::tell_next(tx, tenant, id, now).await);
        match next.await {
            Ok(Some((given, told))) => bring(runs, tenant, id, &given, &told),
            Ok(None) => return,
            Err(cause) => {
                let cause: &dyn std::error::Error = &cause;
                error!(event.id = %id, error = cause, "runs are told later of an event");
                return;
            }
        }
    }
}

/// Wakes runs for which an event was left.
fn bring(runs: &Runs, tenant: &TenantId, id: Id, given: &Given, told: &[Id]) {
    for run_id in told.iter().copied() {
        runs.relay().signal(run_id);
        let tenant = tenant.clone();
        if let Some(live) = runs.live(run_id) {
            let order = Order::Event(Box::new(given.clone()));
            live.deliver(Signal { tenant, run_id, id, order, created_at: given.at });
        } else {
            let reason = ResumeReason::Event;
            take_up::soon(runs, Found { tenant, run_id, owner: None, reason });
        }
    }
}
