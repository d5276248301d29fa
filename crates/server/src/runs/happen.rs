//! Events from outside, for which runs of workflows wait.
//!
//! An event goes to all runs that wait for its name and key, to each once, and begins those of triggers for it. If there
//! are neither, it is kept, and the first that comes to wait for it gets it. Who waits and who brings an event do so in transactions that see each other.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::journal::JournalError;
use super::service::Runs;
use super::store::happenings;
use super::take_up;
use super::triggers::TriggerError;
use super::triggers::event;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::caller::Principal;
use crate::workflows::store::triggers;

/// So many events of a tenant may wait for somebody.
pub const KEPT: i64 = 10_000;

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    pub name: String,
    pub key: String,
    pub payload: Value,
}

/// What a run waits for from now on, by names and keys.
#[derive(Debug)]
pub struct Waits {
    pub tenant: TenantId,
    pub run_id: Id,
    pub awaited: BTreeSet<(String, String)>,
    pub at: At,
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

/// Brings an event to the runs that wait for it, and begins those for which there are triggers; keeps it for so long if
/// there are neither.
pub async fn happen(
    runs: &Runs,
    caller: &Principal,
    event: Happening,
    keep: Duration,
) -> Result<Happened, HappenError> {
    let (tenant, by) = (&caller.tenant, caller.subject.to_string());
    if runs.db.read(async |conn| happenings::count(conn, tenant, KEPT).await).await? >= KEPT {
        return Err(HappenError::Full);
    }
    let (id, now) = (runs.ids.next(), runs.clock.now());
    let answer = event::prepare(runs, tenant, &event, &by).await?;
    let times = (now, At::new(now.time() + keep));
    let done = runs.db.write(async |tx| {
        let given = happenings::happen(tx, tenant, id, &event, &by, times).await?;
        let started = event::carry_out(tx, &answer).await?;
        if given.is_empty() && started > 0 {
            triggers::delete_kept_event(tx, tenant, id).await?;
        }
        Ok::<_, HappenError>((given, started))
    });
    let (given, started) = done.await?;
    let delivered = given.len();
    for signal in given {
        runs.relay().signal(signal.run_id);
        take_up::bring_soon(runs, signal);
    }
    event::count(&answer);
    if started > 0 {
        runs.work().notify_one();
    }
    Ok(Happened { delivered, started })
}
