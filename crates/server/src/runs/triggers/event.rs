//! Events that begin runs.

use std::collections::HashMap;

use serde_json::Map;
use serde_json::Value;

use super::TriggerError;
use super::current;
use super::entry;
use super::not_taken;
use super::ready;
use super::record;
use crate::db::Conn;
use crate::db::TenantId;
use crate::runs::Record;
use crate::runs::execute;
use crate::runs::execute::ExecuteError;
use crate::runs::happen::Happening;
use crate::runs::journal::Entry;
use crate::runs::journal::JournalError;
use crate::runs::service::Runs;
use crate::runs::store;
use crate::workflows::store::firings;
use crate::workflows::store::triggers;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;
use crate::workflows::triggers::Trigger;

/// What the triggers for an event would do, in their order.
#[derive(Debug, Default)]
pub struct Answer(Vec<(Armed, Outcome)>);

/// What one of them would.
#[derive(Debug)]
enum Outcome {
    Begin(Box<Entry>),
    Refuse(Box<NewFiring>),
}

/// Clients that were asked for: why there is no room in the queue for another run of them, if so.
type Rooms = HashMap<String, Option<FiringError>>;

/// Finds out what `event`, which `by` brings, begins.
pub async fn prepare(
    runs: &Runs,
    tenant: &TenantId,
    event: &Happening,
    by: &str,
) -> Result<Answer, TriggerError> {
    current(runs).await?;
    let (now, name) = (runs.clock.now(), &event.name);
    let found = runs.db.read(async |conn| triggers::list_for_event(conn, tenant, name).await);
    let found = found.await?.into_iter().filter(|it| is_for(&it.trigger, &event.key));
    let (mut answer, mut rooms) = (Answer::default(), Rooms::new());
    for armed in found {
        let begun = begun(runs, &armed, event, &mut rooms).await?;
        let status = if begun.is_ok() { FiringStatus::Started } else { FiringStatus::Refused };
        let mut firing = armed.firing(runs.ids.next(), now, status);
        firing.firing.by = Some(by.to_owned());
        let outcome = match begun {
            Ok(record) => Outcome::Begin(Box::new(entry(record, firing))),
            Err(refusal) => {
                firing.firing.error = Some(refusal);
                Outcome::Refuse(Box::new(firing))
            }
        };
        answer.0.push((armed, outcome));
    }
    Ok(answer)
}

/// Stores it in the transaction in which the event is taken, and says how many runs have begun; `None`, if one of the
/// triggers has changed meanwhile. Then nothing may be committed.
pub async fn carry_out(
    conn: &mut Conn<'_>,
    answer: &Answer,
) -> Result<Option<usize>, JournalError> {
    for (armed, _) in &answer.0 {
        if !triggers::is_current(conn, armed).await? {
            return Ok(None);
        }
    }
    let (mut entries, mut refused) = (Vec::<&Entry>::new(), Vec::new());
    for (_, outcome) in &answer.0 {
        match outcome {
            Outcome::Begin(entry) => entries.push(entry),
            Outcome::Refuse(firing) => refused.push(firing),
        }
    }
    store::append(conn, &entries).await?;
    for firing in refused {
        firings::insert(conn, firing).await?;
    }
    Ok(Some(entries.len()))
}

/// Counts what was stored.
pub fn count(answer: &Answer) {
    for (armed, outcome) in &answer.0 {
        let status = match outcome {
            Outcome::Begin(_) => "started",
            Outcome::Refuse(_) => "refused",
        };
        super::count(&armed.trigger, status, 1);
    }
}

/// A run that `armed` begins for `event`, or why not.
async fn begun(
    runs: &Runs,
    armed: &Armed,
    event: &Happening,
    rooms: &mut Rooms,
) -> Result<Result<Record, FiringError>, TriggerError> {
    let ready = match ready(runs, armed).await? {
        Ok(ready) => ready,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(full) = full(runs, rooms, &ready.who.client_id).await? {
        return Ok(Err(full));
    }
    let told = [("name", &event.name), ("key", &event.key)];
    let told = told.map(|(member, value)| (member.to_owned(), Value::from(value.as_str())));
    let told = Map::from_iter(told);
    let record = record(runs, armed, &ready, event.payload.clone(), told).await?;
    Ok(record.map_err(|wrong| not_taken(&wrong)))
}

/// Why there is no room for another run of `client`, if the others have some: then the event is theirs all the same.
async fn full(
    runs: &Runs,
    rooms: &mut Rooms,
    client: &str,
) -> Result<Option<FiringError>, TriggerError> {
    if let Some(known) = rooms.get(client) {
        return Ok(known.clone());
    }
    let full = match execute::ensure_room(runs, client).await {
        Ok(()) => None,
        Err(cause @ ExecuteError::ShareFull(_)) => {
            Some(FiringError::new("queue_full", cause.to_string()))
        }
        Err(cause) => return Err(cause.into()),
    };
    rooms.insert(client.to_owned(), full.clone());
    Ok(full)
}

fn is_for(trigger: &Trigger, key: &str) -> bool {
    match trigger {
        Trigger::Event { key: wanted, .. } => wanted.as_ref().is_none_or(|it| it == key),
        _ => false,
    }
}
