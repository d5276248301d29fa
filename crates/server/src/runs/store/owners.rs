//! SQL of who executes what: processes, and the runs that belong to them or to nobody.

use super::row::RunRow;
use super::row::run_columns;
use super::row::summary_columns;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::Record;
use crate::runs::RunsError;

/// Enters a process, or lets its heart beat.
pub async fn beat(conn: &mut Conn<'_>, worker: Id, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO workers (id, beat, started_at) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET beat = workers.beat + 1",
        )
        .bind(worker)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// The heartbeat of every process.
pub async fn beats(conn: &mut Conn<'_>) -> Result<Vec<(Id, i64)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as("SELECT id, beat FROM workers").fetch_all(c).await)
}

/// Takes a process out; its runs must have been let go.
pub async fn delete_worker(conn: &mut Conn<'_>, worker: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM workers WHERE id = $1").bind(worker).execute(c).await)?;
    Ok(())
}

/// Runs that were begun and whose owner is gone: `(tenant, run, owner)`.
pub async fn orphans(conn: &mut Conn<'_>) -> Result<Vec<(String, Id, Option<Id>)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, id, worker_id FROM runs WHERE status = 'running' AND engine <= $1
             AND (worker_id IS NULL OR worker_id NOT IN (SELECT id FROM workers))
             ORDER BY run_after LIMIT 200",
        )
        .bind(engine::ENGINE)
        .fetch_all(c)
        .await)
}

/// Runs that were begun and belong to `worker`: `(tenant, run)`.
pub async fn owned(conn: &mut Conn<'_>, worker: Id) -> Result<Vec<(String, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, id FROM runs WHERE status = 'running' AND worker_id = $1",
        )
        .bind(worker)
        .fetch_all(c)
        .await)
}

/// At most `limit` runs of the queue, the oldest first: `(tenant, run)`.
pub async fn queued(
    conn: &mut Conn<'_>,
    now: At,
    limit: u32,
) -> Result<Vec<(String, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, id FROM runs
             WHERE status = 'queued' AND run_after <= $1 AND engine <= $2
             ORDER BY run_after LIMIT $3",
        )
        .bind(now)
        .bind(engine::ENGINE)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)
}

/// Makes `worker` the owner of a run that still belongs to `from`, and says whether it did.
pub async fn claim(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    from: Option<Id>,
    worker: Id,
    now: At,
) -> Result<Option<Record>, RunsError> {
    let row: Option<RunRow> = on!(conn, c => sqlx::query_as(concat!(
            "UPDATE runs SET worker_id = $1, status = 'running', attempt = attempt + 1,
             started_at = coalesce(started_at, $5)
             WHERE tenant_id = $2 AND id = $3 AND status IN ('queued', 'running')
             AND worker_id IS NOT DISTINCT FROM $4 AND engine <= $6 RETURNING ", run_columns!(),
        ))
        .bind(worker)
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(from)
        .bind(now)
        .bind(engine::ENGINE)
        .fetch_optional(c)
        .await)?;
    row.map(RunRow::read).transpose()
}

/// Lets go of a run, so that any process may go on with it.
pub async fn release(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    worker: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE runs SET worker_id = NULL
             WHERE tenant_id = $1 AND id = $2 AND worker_id = $3 AND status = 'running'",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(())
}
