//! SQL of events from outside: what runs wait for, and what came before anybody did.

use std::collections::BTreeSet;

use serde_json::Value;

use super::signals;
use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::happen::Happening;
use crate::runs::happen::Waits;
use crate::runs::journal::JournalError;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;

/// What names an event, and what waits for it.
type Key<'k> = (&'k str, &'k str, &'k str);

/// Notes what the runs of `all` wait for from now on, instead of what they have waited for. Of what came before they
/// did, the oldest is theirs.
pub async fn wait<'a>(conn: &mut Conn<'_>, all: &[&'a Waits]) -> Result<(), JournalError> {
    let keys = |it: &&'a Waits| {
        let (tenant, awaited) = (it.tenant.as_str(), &it.awaited);
        awaited.iter().map(move |(name, key)| (tenant, name.as_str(), key.as_str()))
    };
    // In one order, so that no two processes wait for each other.
    let keys: BTreeSet<Key<'_>> = all.iter().flat_map(keys).collect();
    for key in keys {
        lock(conn, key).await?;
    }
    for waits in all {
        let tenant = waits.tenant.as_str();
        on!(conn, c => sqlx::query("DELETE FROM workflow_waits WHERE tenant_id = $1 AND run_id = $2")
            .bind(tenant)
            .bind(waits.run_id)
            .execute(c)
            .await)?;
        for (name, key) in &waits.awaited {
            match take(conn, (tenant, name, key), waits.at).await? {
                Some((id, payload)) => {
                    let event = Happening { name: name.clone(), key: key.clone(), payload };
                    signals::insert(
                        conn,
                        &signal(&waits.tenant, waits.run_id, id, event, waits.at),
                    )
                    .await?;
                }
                None => insert_wait(conn, waits.run_id, (tenant, name, key)).await?,
            }
        }
    }
    Ok(())
}

/// Gives an event to all runs that wait for it, which then do no more; keeps it until `expires_at` if none does. Says
/// to which it was given.
pub async fn happen(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    event: &Happening,
    by: &str,
    (now, expires_at): (At, At),
) -> Result<Vec<Signal>, JournalError> {
    let key = (tenant.as_str(), &*event.name, &*event.key);
    lock(conn, key).await?;
    let waiting: Vec<Id> = on!(conn, c => sqlx::query_scalar(
            "DELETE FROM workflow_waits WHERE tenant_id = $1 AND name = $2 AND key = $3 RETURNING run_id",
        )
        .bind(key.0)
        .bind(key.1)
        .bind(key.2)
        .fetch_all(c)
        .await)?;
    let mut signals = Vec::with_capacity(waiting.len());
    for run_id in waiting {
        let signal = signal(tenant, run_id, id, event.clone(), now);
        signals::insert(conn, &signal).await?;
        signals.push(signal);
    }
    if signals.is_empty() {
        on!(conn, c => sqlx::query(
                "INSERT INTO workflow_events (tenant_id, id, name, key, payload, created_by, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(key.0)
            .bind(id)
            .bind(key.1)
            .bind(key.2)
            .bind(event.payload.to_string())
            .bind(by)
            .bind(now)
            .bind(expires_at)
            .execute(c)
            .await)?;
    }
    Ok(signals)
}

/// How many events of a tenant wait for somebody; more than `most` are not counted.
pub async fn count(conn: &mut Conn<'_>, tenant: &TenantId, most: i64) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM (SELECT id FROM workflow_events WHERE tenant_id = $1 LIMIT $2) AS kept",
        )
        .bind(tenant.as_str())
        .bind(most)
        .fetch_one(c)
        .await)
}

/// Forgets some of the events whose time is over, and says how many.
pub async fn delete_expired(conn: &mut Conn<'_>, now: At) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM workflow_events WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_events WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)",
        )
        .bind(now)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

fn signal(tenant: &TenantId, run_id: Id, id: Id, event: Happening, created_at: At) -> Signal {
    let order = Order::Event(Box::new(event));
    Signal { tenant: tenant.clone(), run_id, id, order, created_at }
}

/// Keeps whoever waits for an event and whoever brings it from not seeing each other. SQLite has one writer.
async fn lock(conn: &mut Conn<'_>, (tenant, name, key): Key<'_>) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Postgres {
        let text = format!("workflow_events/{tenant}/{name}/{key}");
        on!(conn, c => sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(&text)
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// Takes away the oldest event that is kept, with its payload.
async fn take(
    conn: &mut Conn<'_>,
    (tenant, name, key): Key<'_>,
    now: At,
) -> Result<Option<(Id, Value)>, JournalError> {
    let taken: Option<(Id, String)> = on!(conn, c => sqlx::query_as(
            "DELETE FROM workflow_events WHERE tenant_id = $1 AND id =
             (SELECT id FROM workflow_events WHERE tenant_id = $1 AND name = $2 AND key = $3 AND expires_at > $4
              ORDER BY id LIMIT 1) RETURNING id, payload",
        )
        .bind(tenant)
        .bind(name)
        .bind(key)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    let read =
        |(id, payload): (Id, String)| serde_json::from_str(&payload).map(|payload| (id, payload));
    Ok(taken.map(read).transpose()?)
}

async fn insert_wait(
    conn: &mut Conn<'_>,
    run_id: Id,
    (tenant, name, key): Key<'_>,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO workflow_waits (tenant_id, run_id, name, key) VALUES ($1, $2, $3, $4)",
        )
        .bind(tenant)
        .bind(run_id)
        .bind(name)
        .bind(key)
        .execute(c)
        .await)?;
    Ok(())
}
