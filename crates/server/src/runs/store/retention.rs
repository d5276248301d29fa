//! SQL of runs that are deleted when their time is over, and of the months that PostgreSQL keeps them in.

use chrono::NaiveDate;

use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Where the events of runs are that must be deleted row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Everywhere.
    All,
    /// On PostgreSQL, outside of months: months are dropped.
    OutsideMonths,
}

/// Whether nobody else deletes, until the end of this transaction.
pub async fn is_alone(conn: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
    // A number that only means this.
    const LOCK: i64 = 0x7265_7465_6e74;
    match conn.dialect() {
        Dialect::Sqlite => Ok(true),
        Dialect::Postgres => {
            on!(conn, c => sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_xact_lock($1)")
                .bind(LOCK)
                .fetch_one(c)
                .await)
        }
    }
}

/// The tenants that have runs, each found by one look into the index.
pub async fn tenants(conn: &mut Conn<'_>) -> Result<Vec<TenantId>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "WITH RECURSIVE found (tenant_id) AS (
                 SELECT min(tenant_id) FROM runs
                 UNION ALL
                 SELECT (SELECT min(runs.tenant_id) FROM runs WHERE runs.tenant_id > found.tenant_id)
                 FROM found WHERE found.tenant_id IS NOT NULL
             ) SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL",
        )
        .fetch_all(c)
        .await)
}

/// At most `limit` runs that ended before `age`. Such a run has an id before `before`.
pub async fn expired(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    before: Id,
    age: At,
    limit: i64,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT id FROM runs WHERE tenant_id = $1 AND id < $2 AND finished_at < $3
             ORDER BY id LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(before)
        .bind(age)
        .bind(limit)
        .fetch_all(c)
        .await)
}

macro_rules! delete_some {
    ($table:literal, $key:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE tenant_id = $1 AND run_id = $2 AND ",
            $key,
            " IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE tenant_id = $1 AND run_id = $2 ORDER BY ",
            $key,
            " LIMIT $3)"
        )
    };
}

/// Deletes at most `limit` events of a run, and says how many it were.
pub async fn delete_events(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    rows: Rows,
    limit: u64,
) -> Result<u64, sqlx::Error> {
    let sql = match (conn.dialect(), rows) {
        (Dialect::Postgres, Rows::OutsideMonths) => delete_some!("run_events_default", "seq"),
        _ => delete_some!("run_events", "seq"),
    };
    delete(conn, sql, tenant, run_id, limit).await
}

/// The same for its values.
pub async fn delete_values(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    rows: Rows,
    limit: u64,
) -> Result<u64, sqlx::Error> {
    let sql = match (conn.dialect(), rows) {
        (Dialect::Postgres, Rows::OutsideMonths) => delete_some!("run_values_default", "sha256"),
        _ => delete_some!("run_values", "sha256"),
    };
    delete(conn, sql, tenant, run_id, limit).await
}

async fn delete(
    conn: &mut Conn<'_>,
    sql: &'static str,
    tenant: &TenantId,
    run_id: Id,
    limit: u64,
) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(limit.cast_signed())
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// Deletes the row of a run and what else there is of it, but not its events and values. Says how many
/// rows it were.
pub async fn delete_run(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<u64, sqlx::Error> {
    let mut rows = 0;
    for sql in [
        "DELETE FROM run_signals WHERE tenant_id = $1 AND run_id = $2",
        "DELETE FROM workflow_waits WHERE tenant_id = $1 AND run_id = $2",
        "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND run_id = $2",
        "DELETE FROM approvals WHERE tenant_id = $1 AND run_id = $2",
        "DELETE FROM runs WHERE tenant_id = $1 AND id = $2",
    ] {
        let done = on!(conn, c => sqlx::query(sql)
            .bind(tenant.as_str())
            .bind(run_id)
            .execute(c)
            .await)?;
        rows += done.rows_affected();
    }
    Ok(rows)
}

/// The first days of the months that have partitions, oldest first.
pub async fn months(conn: &mut Conn<'_>) -> Result<Vec<NaiveDate>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT to_date(right(relname, 6), 'YYYYMM') AS month
             FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
             WHERE inhparent = 'run_events'::regclass AND relname ~ '^run_events_[0-9]{6}$'
             ORDER BY month",
        )
        .fetch_all(c)
        .await)
}

/// Whether a tenant has a run with an id from `from` and before `to`.
pub async fn has_runs(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    from: Id,
    to: Id,
) -> Result<bool, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM runs WHERE tenant_id = $1 AND id >= $2 AND id < $3)",
        )
        .bind(tenant.as_str())
        .bind(from)
        .bind(to)
        .fetch_one(c)
        .await)
}

/// At most 100 runs that have events but no row any more, with ids from `from` and before `to`, after
/// those of `after`.
pub async fn lost(
    conn: &mut Conn<'_>,
    after: &(String, Id),
    from: Id,
    to: Id,
) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT DISTINCT tenant_id, run_id FROM run_events
             WHERE (tenant_id, run_id) > ($1, $2) AND run_id >= $3 AND run_id < $4
             AND NOT EXISTS (SELECT 1 FROM runs
                 WHERE runs.tenant_id = run_events.tenant_id AND runs.id = run_events.run_id)
             ORDER BY tenant_id, run_id LIMIT 100",
        )
        .bind(&after.0)
        .bind(after.1)
        .bind(from)
        .bind(to)
        .fetch_all(c)
        .await)
}

/// Makes the partitions of a month, unless they are there.
pub async fn create_month(conn: &mut Conn<'_>, month: NaiveDate) -> Result<(), sqlx::Error> {
    change_month(conn, "SELECT create_run_month($1)", month).await
}

/// Drops the partitions of a month, with all that is in them.
pub async fn drop_month(conn: &mut Conn<'_>, month: NaiveDate) -> Result<(), sqlx::Error> {
    change_month(conn, "SELECT drop_run_month($1)", month).await
}

/// Who appends must not wait for long behind us: after a second without the lock we give up.
async fn change_month(
    conn: &mut Conn<'_>,
    sql: &'static str,
    month: NaiveDate,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("SET LOCAL lock_timeout = '1s'").execute(c).await)?;
    on!(conn, c => sqlx::query(sql).bind(month).execute(c).await)?;
    Ok(())
}
