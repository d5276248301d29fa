//! SQL of what runs wait for from outside: rows are made and removed only by their owners, and who brings an event notes
//! its id.

use std::collections::BTreeSet;

use sqlx::FromRow;
use sqlx::QueryBuilder;

use super::append::chunks;
use super::happenings;
use super::signals;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::on;
use crate::runs::happen::Given;
use crate::runs::happen::Waits;
use crate::runs::journal::JournalError;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;
use crate::runs::signal::Taken;

/// What a run waits for.
#[derive(Debug, FromRow)]
struct WaitRow {
    name: String,
    key: String,
    /// What it is given, and has not recorded yet.
    event_id: Option<Id>,
}

/// Refuses what is not written by the owner of its run, and sees to it that nobody becomes that before the commit.
pub async fn ensure_owned(conn: &mut Conn<'_>, all: &[&Waits]) -> Result<(), JournalError> {
    let mut all = all.to_vec();
    // Two processes that write of the same runs wait for each other in one order.
    all.sort_by_key(|it| it.run_id);
    let lock = match conn.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR NO KEY UPDATE OF runs",
    };
    for chunk in chunks(&all) {
        let owned: Vec<Id> = on!(conn, c => {
            let mut query = QueryBuilder::new("SELECT runs.id FROM (");
            query.push_values(chunk, |mut row, waits| {
                row.push_bind(waits.tenant.as_str()).push_bind(waits.run_id).push_bind(waits.owner);
            });
            query.push(
                ") AS new JOIN runs ON runs.tenant_id = new.column1 AND runs.id = new.column2
                 AND runs.worker_id = new.column3 ORDER BY runs.id",
            );
            query.push(lock);
            query.build_query_scalar().fetch_all(c).await
        })?;
        if owned.len() != chunk.len() {
            return Err(JournalError::Fenced);
        }
    }
    Ok(())
}

/// Notes what the runs of `all` wait for from now on, and what became of that which they were given. Of what came
/// before they waited, the oldest is theirs.
pub async fn change(conn: &mut Conn<'_>, all: &[&Waits]) -> Result<(), JournalError> {
    if conn.dialect() == Dialect::Postgres {
        lock(conn, all).await?;
    }
    for waits in all {
        for event in &waits.received {
            forget(conn, waits, *event).await?;
        }
        for event in &waits.returned {
            give_back(conn, waits, *event).await?;
        }
        if let Some(awaited) = &waits.awaited {
            wait_for(conn, waits, awaited).await?;
        }
    }
    Ok(())
}

/// Keeps others from giving these runs anything, in one order.
async fn lock(conn: &mut Conn<'_>, all: &[&Waits]) -> Result<(), JournalError> {
    let mut keys = BTreeSet::new();
    for waits in all.iter().filter(|it| it.moves()) {
        let tenant = waits.tenant.as_str();
        let before = find(conn, waits).await?.into_iter().map(|it| (it.name, it.key));
        keys.extend(before.map(|(name, key)| (tenant, name, key)));
        let after = waits.awaited.iter().flatten().cloned();
        keys.extend(after.map(|(name, key)| (tenant, name, key)));
    }
    for (tenant, name, key) in &keys {
        happenings::lock(conn, (tenant, name, key)).await?;
    }
    Ok(())
}

async fn wait_for(
    conn: &mut Conn<'_>,
    waits: &Waits,
    awaited: &BTreeSet<(String, String)>,
) -> Result<(), JournalError> {
    let mut missing: BTreeSet<_> = awaited.iter().collect();
    for WaitRow { name, key, event_id } in find(conn, waits).await? {
        let wanted = (name, key);
        let is_wanted = missing.remove(&wanted);
        match event_id {
            // What it has no use for it gives back itself, once it hears of it.
            Some(event) if waits.is_over => give_back(conn, waits, event).await?,
            None if !is_wanted => delete(conn, waits, &wanted).await?,
            _ => {}
        }
    }
    for (name, key) in missing {
        let tenant = waits.tenant.as_str();
        let kept = happenings::take(conn, (tenant, name, key), waits.at).await?;
        let event = kept.as_ref().map(|(event, _)| *event);
        insert(conn, waits, (name, key), event).await?;
        if let Some((id, given)) = kept {
            let (tenant, run_id) = (waits.tenant.clone(), waits.run_id);
            let (order, created_at) = (Order::Event(Box::new(given)), waits.at);
            signals::insert(conn, &Signal { tenant, run_id, id, order, created_at }).await?;
        }
    }
    Ok(())
}

/// An event is recorded: nothing is left of it.
async fn forget(conn: &mut Conn<'_>, waits: &Waits, event: Id) -> Result<bool, sqlx::Error> {
    let (tenant, run_id) = (waits.tenant.clone(), waits.run_id);
    signals::delete(conn, &Taken { tenant, run_id, id: event }).await?;
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM workflow_waits WHERE tenant_id = $1 AND run_id = $2 AND event_id = $3",
        )
        .bind(waits.tenant.as_str())
        .bind(waits.run_id)
        .bind(event)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// A run has no use for an event. If nobody else had, it goes to those who wait for it now, or is kept.
async fn give_back(conn: &mut Conn<'_>, waits: &Waits, event: Id) -> Result<(), JournalError> {
    let told = find_told(conn, waits, event).await?;
    if !forget(conn, waits, event).await? {
        return Ok(());
    }
    let tenant = &waits.tenant;
    let given = match happenings::count_returned(conn, tenant, event).await? {
        Some(false) => return Ok(()),
        Some(true) => happenings::take_delivery(conn, tenant, event).await?.or(told),
        None => told,
    };
    let Some(given) = given.filter(|it| it.expires_at > waits.at) else { return Ok(()) };
    // It is another to those who were given it before.
    let again = waits.ids.next();
    if happenings::offer(conn, tenant, again, &given, waits.at).await?.runs == 0 {
        happenings::keep(conn, tenant, again, &given).await?;
    }
    Ok(())
}

/// The event that was left for a run.
async fn find_told(
    conn: &mut Conn<'_>,
    waits: &Waits,
    event: Id,
) -> Result<Option<Given>, JournalError> {
    let data: Option<String> = on!(conn, c => sqlx::query_scalar(
            "SELECT data FROM run_signals WHERE tenant_id = $1 AND run_id = $2 AND id = $3",
        )
        .bind(waits.tenant.as_str())
        .bind(waits.run_id)
        .bind(event)
        .fetch_optional(c)
        .await)?;
    let order: Option<Order> = data.as_deref().map(serde_json::from_str).transpose()?;
    Ok(order.and_then(|order| match order {
        Order::Event(given) => Some(*given),
        _ => None,
    }))
}

async fn find(conn: &mut Conn<'_>, waits: &Waits) -> Result<Vec<WaitRow>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT name, key, event_id FROM workflow_waits WHERE tenant_id = $1 AND run_id = $2",
        )
        .bind(waits.tenant.as_str())
        .bind(waits.run_id)
        .fetch_all(c)
        .await)
}

async fn insert(
    conn: &mut Conn<'_>,
    waits: &Waits,
    (name, key): (&str, &str),
    event: Option<Id>,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO workflow_waits (tenant_id, run_id, name, key, event_id) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(waits.tenant.as_str())
        .bind(waits.run_id)
        .bind(name)
        .bind(key)
        .bind(event)
        .execute(c)
        .await)?;
    Ok(())
}

async fn delete(
    conn: &mut Conn<'_>,
    waits: &Waits,
    (name, key): &(String, String),
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM workflow_waits WHERE tenant_id = $1 AND run_id = $2 AND name = $3 AND key = $4",
        )
        .bind(waits.tenant.as_str())
        .bind(waits.run_id)
        .bind(name)
        .bind(key)
        .execute(c)
        .await)?;
    Ok(())
}
