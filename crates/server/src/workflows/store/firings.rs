//! SQL of what triggers have done.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::workflows::triggers::Firing;
use crate::workflows::triggers::FiringError;
use crate::workflows::triggers::FiringStatus;
use crate::workflows::triggers::NewFiring;

/// The trigger of a workflow.
#[derive(Debug, Clone, Copy)]
pub struct Of<'o> {
    pub tenant: &'o TenantId,
    pub workflow: Id,
    pub trigger: &'o str,
}

#[derive(Debug, FromRow)]
struct Row {
    id: Id,
    at: Option<At>,
    fired_at: At,
    status: String,
    run_id: Option<Id>,
    error_code: Option<String>,
    error_message: Option<String>,
    fired_by: Option<String>,
}

#[derive(Debug, FromRow)]
struct Last {
    trigger_id: String,
    #[sqlx(flatten)]
    row: Row,
}

/// Notes a firing. Of a delivery there is one, and of an occurrence: of others nothing is stored, which is said.
pub async fn insert(conn: &mut Conn<'_>, new: &NewFiring) -> Result<bool, sqlx::Error> {
    let NewFiring { tenant, workflow_id, trigger_id, delivery, firing } = new;
    let error = firing.error.as_ref();
    let done = on!(conn, c => sqlx::query(
            "INSERT INTO workflow_firings (tenant_id, id, workflow_id, trigger_id, at, fired_at, status, run_id,
                 error_code, error_message, fired_by, delivery)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT DO NOTHING",
        )
        .bind(tenant)
        .bind(firing.id)
        .bind(workflow_id)
        .bind(trigger_id)
        .bind(firing.at)
        .bind(firing.fired_at)
        .bind(firing.status.as_str())
        .bind(firing.run_id)
        .bind(error.map(|it| &it.code))
        .bind(error.map(|it| &it.message))
        .bind(&firing.by)
        .bind(delivery)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Lists what a trigger has done, the newest first: at most `rows`, of those before the one with the id `before`.
pub async fn list(
    conn: &mut Conn<'_>,
    of: Of<'_>,
    before: Option<Id>,
    rows: i64,
) -> Result<Vec<Firing>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT id, at, fired_at, status, run_id, error_code, error_message, fired_by FROM workflow_firings
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND ($4 IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .bind(before)
        .bind(rows)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Firing::from).collect())
}

/// The run that a delivery has begun, if it came before.
pub async fn find_delivery(
    conn: &mut Conn<'_>,
    of: Of<'_>,
    delivery: &str,
) -> Result<Option<Id>, sqlx::Error> {
    let found = on!(conn, c => sqlx::query_scalar::<_, Option<Id>>(
            "SELECT run_id FROM workflow_firings
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND delivery = $4",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .bind(delivery)
        .fetch_optional(c)
        .await)?;
    Ok(found.flatten())
}

/// The occurrences from the `first` to the `last` for which a trigger has fired.
pub async fn fired(
    conn: &mut Conn<'_>,
    of: Of<'_>,
    (first, last): (At, At),
) -> Result<Vec<At>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, At>(
            "SELECT at FROM workflow_firings
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND at >= $4 AND at <= $5
                 AND status <> 'skipped'",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .bind(first)
        .bind(last)
        .fetch_all(c)
        .await)
}

/// For how many occurrences after `after` until `until` a trigger has fired.
pub async fn count_fired(
    conn: &mut Conn<'_>,
    of: Of<'_>,
    (after, until): (At, At),
) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM workflow_firings
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND at > $4 AND at <= $5
                 AND status <> 'skipped'",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .bind(after)
        .bind(until)
        .fetch_one(c)
        .await)
}

/// What each trigger of a workflow that is at work has done last.
pub async fn list_last(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    workflow: Id,
) -> Result<Vec<(String, Firing)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Last>(
            "SELECT f.trigger_id, f.id, f.at, f.fired_at, f.status, f.run_id, f.error_code, f.error_message, f.fired_by
             FROM workflow_triggers t JOIN workflow_firings f ON f.tenant_id = t.tenant_id AND f.id =
                 (SELECT l.id FROM workflow_firings l WHERE l.tenant_id = t.tenant_id
                      AND l.workflow_id = t.workflow_id AND l.trigger_id = t.trigger_id ORDER BY l.id DESC LIMIT 1)
             WHERE t.tenant_id = $1 AND t.workflow_id = $2",
        )
        .bind(tenant)
        .bind(workflow)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|it| (it.trigger_id, it.row.into())).collect())
}

/// Forgets some of what was done before `age`, and says how much.
pub async fn delete_old(conn: &mut Conn<'_>, age: At) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM workflow_firings WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_firings WHERE fired_at < $1 ORDER BY fired_at LIMIT 200)",
        )
        .bind(age)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

impl From<Row> for Firing {
    fn from(row: Row) -> Self {
        let status = match row.status.as_str() {
            "started" => FiringStatus::Started,
            "skipped" => FiringStatus::Skipped,
            _ => FiringStatus::Refused,
        };
        let error = row
            .error_code
            .map(|code| FiringError { code, message: row.error_message.unwrap_or_default() });
        let Row { id, at, fired_at, run_id, fired_by: by, .. } = row;
        Self { id, at, fired_at, status, run_id, error, by }
    }
}
