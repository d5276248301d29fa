//! SQL of what others leave for the owner of a run.

use sqlx::FromRow;
use uuid::Uuid;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::journal::JournalError;
use crate::runs::signal::Signal;
use crate::runs::signal::Taken;

/// Signals that are read at once.
const PAGE: i64 = 200;

#[derive(Debug, FromRow)]
struct SignalRow {
    tenant_id: String,
    run_id: Id,
    id: Id,
    data: String,
    created_at: At,
}

/// A signal that nobody can read: who wrote it knows more than this release, or it is broken.
#[derive(Debug)]
pub struct Unreadable {
    pub run_id: Id,
    pub id: Id,
}

impl SignalRow {
    fn read(self) -> Result<Signal, Unreadable> {
        let Self { tenant_id, run_id, id, data, created_at } = self;
        let (tenant, order) = (TenantId::try_from(tenant_id), serde_json::from_str(&data));
        match (tenant, order) {
            (Ok(tenant), Ok(order)) => Ok(Signal { tenant, run_id, id, order, created_at }),
            _ => Err(Unreadable { run_id, id }),
        }
    }
}

/// How far signals have been looked at: their key.
#[derive(Debug, Clone)]
pub struct Place(String, Id, Id);

impl Place {
    /// Before all signals.
    pub fn start() -> Self {
        Self(String::new(), Id::new(Uuid::nil()), Id::new(Uuid::nil()))
    }
}

/// Signals that are looked at together.
#[derive(Debug)]
pub struct Page {
    pub signals: Vec<Result<Signal, Unreadable>>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Place>,
}

impl Page {
    fn of(rows: Vec<SignalRow>) -> Self {
        let is_full = i64::try_from(rows.len()) == Ok(PAGE);
        let last = rows.last().filter(|_| is_full);
        let next = last.map(|row| Place(row.tenant_id.clone(), row.run_id, row.id));
        Self { signals: rows.into_iter().map(SignalRow::read).collect(), next }
    }
}

/// Leaves a signal for the owner of its run. The first of the same id counts.
pub async fn insert(conn: &mut Conn<'_>, signal: &Signal) -> Result<(), JournalError> {
    let data = serde_json::to_string(&signal.order)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO run_signals (tenant_id, run_id, id, kind, data, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, run_id, id) DO NOTHING",
        )
        .bind(signal.tenant.as_str())
        .bind(signal.run_id)
        .bind(signal.id)
        .bind(signal.order.kind())
        .bind(data)
        .bind(signal.created_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes away a signal that was answered.
pub async fn delete(conn: &mut Conn<'_>, taken: &Taken) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM run_signals WHERE tenant_id = $1 AND run_id = $2 AND id = $3",
        )
        .bind(taken.tenant.as_str())
        .bind(taken.run_id)
        .bind(taken.id)
        .execute(c)
        .await)?;
    Ok(())
}

/// Signals to runs that `worker` executes, after `place`.
pub async fn for_worker(
    conn: &mut Conn<'_>,
    worker: Id,
    place: &Place,
) -> Result<Page, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as(
            "SELECT s.tenant_id, s.run_id, s.id, s.data, s.created_at FROM run_signals s JOIN runs
             ON runs.tenant_id = s.tenant_id AND runs.id = s.run_id
             WHERE runs.worker_id = $1 AND runs.status = 'running'
             AND (s.tenant_id, s.run_id, s.id) > ($2, $3, $4)
             ORDER BY s.tenant_id, s.run_id, s.id LIMIT $5",
        )
        .bind(worker)
        .bind(&place.0)
        .bind(place.1)
        .bind(place.2)
        .bind(PAGE)
        .fetch_all(c)
        .await)?;
    Ok(Page::of(rows))
}

/// Signals to one run, the oldest first.
pub async fn for_run(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Vec<Signal>, sqlx::Error> {
    let rows: Vec<SignalRow> = on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, run_id, id, data, created_at FROM run_signals
             WHERE tenant_id = $1 AND run_id = $2 ORDER BY created_at, id",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_all(c)
        .await)?;
    let read = rows.into_iter().map(SignalRow::read);
    // One that nobody can read does not hold up the others.
    Ok(read.filter_map(Result::ok).collect())
}

/// Signals to runs that wait, and orders to end to those of the queue, after `place`.
pub async fn awaited(conn: &mut Conn<'_>, place: &Place) -> Result<Page, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as(
            "SELECT s.tenant_id, s.run_id, s.id, s.data, s.created_at FROM run_signals s JOIN runs
             ON runs.tenant_id = s.tenant_id AND runs.id = s.run_id
             WHERE (runs.status IN ('waiting', 'suspended') OR runs.status = 'queued' AND s.kind = 'cancel')
             AND runs.engine <= $1 AND (s.tenant_id, s.run_id, s.id) > ($2, $3, $4)
             ORDER BY s.tenant_id, s.run_id, s.id LIMIT $5",
        )
        .bind(engine::ENGINE)
        .bind(&place.0)
        .bind(place.1)
        .bind(place.2)
        .bind(PAGE)
        .fetch_all(c)
        .await)?;
    Ok(Page::of(rows))
}

/// Forgets signals to runs that are over.
pub async fn delete_late(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM run_signals WHERE EXISTS (SELECT 1 FROM runs
             WHERE runs.tenant_id = run_signals.tenant_id AND runs.id = run_signals.run_id
             AND runs.finished_at IS NOT NULL)",
        )
        .execute(c)
        .await)?;
    Ok(())
}
