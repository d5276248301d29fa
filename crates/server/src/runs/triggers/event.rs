//! Events that begin runs.

use serde_json::Map;
use serde_json::Value;

use super::TriggerError;
use super::catch_up;
use super::entry;
use super::not_taken;
use super::ready;
use super::record;
use crate::db::Conn;
use crate::db::TenantId;
use crate::runs::Record;
use crate::runs::execute;
use crate::runs::happen::Happening;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::workflows::store::firings;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;
use crate::workflows::triggers::Trigger;

/// What the triggers for an event would do.
#[derive(Debug, Default)]
pub struct Answer {
    runs: Vec<(Armed, Entry)>,
    refused: Vec<(Armed, NewFiring)>,
}

/// Finds out what `event`, which `by` brings, begins.
pub async fn prepare(
    runs: &Runs,
    tenant: &TenantId,
    event: &Happening,
    by: &str,
) -> Result<Answer, TriggerError> {
    let now = runs.clock.now();
    let changed = runs.db.read(async |conn| triggers::work(conn, now, now).await).await?;
    if changed.has_changes {
        catch_up(runs).await?;
    }
    let name = &event.name;
    let found = runs.db.read(async |conn| triggers::list_for_event(conn, tenant, name).await);
    let found = found.await?.into_iter().filter(|it| is_for(&it.trigger, &event.key));
    let mut answer = Answer::default();
    for armed in found {
        let begun = begun(runs, &armed, event).await?;
        let status = if begun.is_ok() { FiringStatus::Started } else { FiringStatus::Refused };
        let mut firing = armed.firing(runs.ids.next(), now, status);
        firing.firing.by = Some(by.to_owned());
        match begun {
            Ok(record) => answer.runs.push((armed, entry(record, firing))),
            Err(refusal) => {
                firing.firing.error = Some(refusal);
                answer.refused.push((armed, firing));
            }
        }
    }
    Ok(answer)
}

/// Stores it in the transaction in which the event is taken, and says how many runs have begun: of triggers that have
/// changed meanwhile none.
pub async fn carry_out(conn: &mut Conn<'_>, answer: &Answer) -> Result<usize, JournalError> {
    let mut entries = Vec::new();
    for (armed, entry) in &answer.runs {
        if is_unchanged(conn, armed).await? {
            entries.push(entry);
        }
    }
    store::append(conn, &entries).await?;
    for (_, firing) in &answer.refused {
        firings::insert(conn, firing).await?;
    }
    Ok(entries.len())
}

/// Counts what was begun.
pub fn count(answer: &Answer) {
    for (armed, _) in &answer.runs {
        super::count(&armed.trigger, "started", 1);
    }
    for (armed, _) in &answer.refused {
        super::count(&armed.trigger, "refused", 1);
    }
}

async fn is_unchanged(conn: &mut Conn<'_>, armed: &Armed) -> Result<bool, sqlx::Error> {
    let (tenant, workflow, trigger) = (&armed.tenant, armed.workflow_id, armed.trigger.id());
    Ok(triggers::find(conn, Of { tenant, workflow, trigger }).await?.as_ref() == Some(armed))
}

/// A run that `armed` begins for `event`, or why not.
async fn begun(
    runs: &Runs,
    armed: &Armed,
    event: &Happening,
) -> Result<Result<Record, FiringError>, TriggerError> {
    let ready = match ready(runs, armed).await? {
        Ok(ready) => ready,
        Err(refusal) => return Ok(Err(refusal)),
    };
    execute::ensure_room(runs, &ready.who.client_id).await?;
    let told = [("name", &event.name), ("key", &event.key)];
    let told = told.map(|(member, value)| (member.to_owned(), Value::from(value.as_str())));
    let told = Map::from_iter(told);
    let record = record(runs, armed, &ready, event.payload.clone(), told).await?;
    Ok(record.map_err(|wrong| not_taken(&wrong)))
}

fn is_for(trigger: &Trigger, key: &str) -> bool {
    match trigger {
        Trigger::Event { key: wanted, .. } => wanted.as_ref().is_none_or(|it| it == key),
        _ => false,
    }
}
