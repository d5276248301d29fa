//! SQL of what others leave for the owner of a run.

use sqlx::FromRow;
use tracing::error;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::journal::JournalError;
use crate::runs::signal::Signal;
use crate::runs::signal::Taken;

#[derive(Debug, FromRow)]
struct SignalRow {
    tenant_id: String,
    run_id: Id,
    id: Id,
    data: String,
    created_at: At,
}

impl SignalRow {
    /// The signal; none if nobody can read it, which must not hold up the others.
    fn read(self) -> Option<Signal> {
        let (run_id, id, created_at) = (self.run_id, self.id, self.created_at);
        let order = serde_json::from_str(&self.data);
        let (Ok(tenant), Ok(order)) = (TenantId::try_from(self.tenant_id), order) else {
            error!(run.id = %run_id, signal.id = %id, "a signal cannot be read");
            return None;
        };
        Some(Signal { tenant, run_id, id, order, created_at })
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

/// Signals to runs that `worker` executes.
pub async fn for_worker(conn: &mut Conn<'_>, worker: Id) -> Result<Vec<Signal>, sqlx::Error> {
    let rows: Vec<SignalRow> = on!(conn, c => sqlx::query_as(
            "SELECT s.tenant_id, s.run_id, s.id, s.data, s.created_at FROM run_signals s JOIN runs
             ON runs.tenant_id = s.tenant_id AND runs.id = s.run_id
             WHERE runs.worker_id = $1 AND runs.status = 'running' LIMIT 200",
        )
        .bind(worker)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().filter_map(SignalRow::read).collect())
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
    Ok(rows.into_iter().filter_map(SignalRow::read).collect())
}

/// Runs that wait and have signals, and those of the queue that are to end: `(tenant, run, kind of signal)`.
pub async fn awaited(conn: &mut Conn<'_>) -> Result<Vec<(String, Id, String)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT s.tenant_id, s.run_id, s.kind FROM run_signals s JOIN runs
             ON runs.tenant_id = s.tenant_id AND runs.id = s.run_id
             WHERE (runs.status IN ('waiting', 'suspended') OR runs.status = 'queued' AND s.kind = 'cancel')
             AND runs.engine <= $1 LIMIT 200",
        )
        .bind(engine::ENGINE)
        .fetch_all(c)
        .await)
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
