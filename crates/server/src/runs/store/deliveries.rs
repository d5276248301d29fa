//! SQL of webhooks.

use sqlx::FromRow;
use sqlx::QueryBuilder;

use super::row;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::RunsError;
use crate::runs::webhook::Delivery;
use crate::runs::webhook::NewDelivery;
use crate::runs::webhook::deliver::Attempt;
use crate::runs::webhook::deliver::Settled;

/// Every process asks this twice a second: SQLite takes the index only if its condition stands here.
const DUE: &str = "SELECT tenant_id, id, host FROM webhook_deliveries
    WHERE state = 'pending' AND next_attempt_at <= ";

/// Leaves a webhook for whoever sends it first.
pub async fn insert(conn: &mut Conn<'_>, new: &NewDelivery) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO webhook_deliveries
             (tenant_id, id, run_id, url, host, secret, state, attempts, next_attempt_at, planned_at,
              created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, $7, $7, $7)",
        )
        .bind(new.tenant.as_str())
        .bind(new.id)
        .bind(new.run_id)
        .bind(new.webhook.url.as_str())
        .bind(new.webhook.host())
        .bind(&new.webhook.secret)
        .bind(new.created_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// At most `limit` deliveries that are due, but not to the hosts that are `busy`, the oldest first:
/// `(tenant, id, host)`.
pub async fn due(
    conn: &mut Conn<'_>,
    now: At,
    busy: &[String],
    limit: u32,
) -> Result<Vec<(TenantId, Id, String)>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(DUE);
        query.push_bind(now);
        for host in busy {
            query.push(" AND host <> ").push_bind(host);
        }
        query.push(" ORDER BY next_attempt_at LIMIT ").push_bind(i64::from(limit));
        query.build_query_as().fetch_all(c).await
    })
}

#[derive(FromRow)]
struct AttemptRow {
    run_id: Id,
    url: String,
    secret: String,
    attempts: i64,
    created_at: At,
}

/// Begins an attempt if it is still due, which only one of several can; until `until` it is not due again.
pub async fn claim(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    now: At,
    until: At,
) -> Result<Option<Attempt>, sqlx::Error> {
    let row: Option<AttemptRow> = on!(conn, c => sqlx::query_as(
            "UPDATE webhook_deliveries SET attempts = attempts + 1, next_attempt_at = $1, planned_at = $4
             WHERE tenant_id = $2 AND id = $3 AND state = 'pending' AND next_attempt_at <= $4
             RETURNING run_id, url, secret, attempts, created_at",
        )
        .bind(until)
        .bind(tenant.as_str())
        .bind(id)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| Attempt {
        tenant: tenant.clone(),
        id,
        run_id: row.run_id,
        url: row.url,
        secret: row.secret,
        number: row.attempts,
        created_at: row.created_at,
    }))
}

/// Stores what came of an attempt, unless a later one was begun since.
pub async fn settle(
    conn: &mut Conn<'_>,
    attempt: &Attempt,
    settled: &Settled,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE webhook_deliveries SET state = $1, next_attempt_at = $2, last_status = $3,
             last_error = $4, delivered_at = $5, planned_at = $9
             WHERE tenant_id = $6 AND id = $7 AND attempts = $8 AND state = 'pending'",
        )
        .bind(settled.state.as_str())
        .bind(settled.next_attempt_at)
        .bind(settled.status)
        .bind(&settled.error)
        .bind(settled.delivered_at)
        .bind(attempt.tenant.as_str())
        .bind(attempt.id)
        .bind(attempt.number)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Makes an attempt due, whatever came of those before; `None` if there is no such delivery.
pub async fn retry(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    id: Id,
    now: At,
) -> Result<Option<Delivery>, RunsError> {
    let row: Option<DeliveryRow> = on!(conn, c => sqlx::query_as(
            "UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = $1, planned_at = $1,
             delivered_at = NULL
             WHERE tenant_id = $2 AND run_id = $3 AND id = $4
             RETURNING id, url, secret, state, attempts, last_status, last_error, next_attempt_at,
             created_at, delivered_at",
        )
        .bind(now)
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(DeliveryRow::read).transpose()
}

/// Whether an attempt was planned at a time that is still to come.
pub async fn planned_after(conn: &mut Conn<'_>, future: At) -> Result<bool, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, bool>(
            "SELECT count(*) > 0 FROM webhook_deliveries
             WHERE state = 'pending' AND next_attempt_at > $1 AND planned_at > $1",
        )
        .bind(future)
        .fetch_one(c)
        .await)
}

/// Makes all of these due.
pub async fn hurry(conn: &mut Conn<'_>, future: At, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE webhook_deliveries SET next_attempt_at = $1, planned_at = $1
             WHERE state = 'pending' AND next_attempt_at > $2 AND planned_at > $2",
        )
        .bind(now)
        .bind(future)
        .execute(c)
        .await)?;
    Ok(())
}

#[derive(FromRow)]
struct DeliveryRow {
    id: Id,
    url: String,
    secret: String,
    state: String,
    attempts: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    next_attempt_at: Option<At>,
    created_at: At,
    delivered_at: Option<At>,
}

/// The webhooks of a run.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Vec<Delivery>, RunsError> {
    let rows: Vec<DeliveryRow> = on!(conn, c => sqlx::query_as(
            "SELECT id, url, secret, state, attempts, last_status, last_error, next_attempt_at,
             created_at, delivered_at FROM webhook_deliveries
             WHERE tenant_id = $1 AND run_id = $2 ORDER BY id",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(DeliveryRow::read).collect()
}

impl DeliveryRow {
    fn read(self) -> Result<Delivery, RunsError> {
        Ok(Delivery {
            id: self.id,
            url: self.url,
            secret: self.secret,
            state: row::word(&self.state)?,
            attempts: self.attempts,
            last_status: self.last_status,
            last_error: self.last_error,
            next_attempt_at: self.next_attempt_at,
            created_at: self.created_at,
            delivered_at: self.delivered_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use sqlx::Connection;
    use sqlx::SqliteConnection;

    use super::*;
    use crate::db::Dialect;
    use crate::db::migrate::Migration;

    const TABLES: &str =
        include_str!("../../../../../migrations/sqlite/20261129000200_webhook_deliveries.sql");

    #[tokio::test]
    async fn looking_for_webhooks_reads_those_that_are_due_only() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let migration = Migration::parse("deliveries", TABLES, Dialect::Sqlite).unwrap();
        for statement in migration.up.statements {
            let statement = AssertSqlSafe(statement.text);
            sqlx::raw_sql(statement).execute(&mut database).await.unwrap();
        }

        let explain = format!(
            "EXPLAIN QUERY PLAN {DUE} '2026' AND host <> 'a' ORDER BY next_attempt_at LIMIT 1"
        );
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(explain)).fetch_all(&mut database).await.unwrap();

        let [(.., plan)] = plan.try_into().unwrap();
        assert!(plan.contains("USING INDEX webhook_deliveries_due"), "{plan}");
    }
}
