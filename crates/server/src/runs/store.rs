//! SQL of runs, their events and their signals.

mod append;
pub mod approvals;
pub mod budgets;
pub mod deliveries;
pub mod happenings;
pub mod owners;
pub mod retention;
mod row;
mod rows;
pub mod signals;
pub mod stats;
pub mod tree;
mod waits;

use std::collections::BTreeSet;

pub use append::append;
pub use append::chunks;
pub use append::is_stored;
use engine::RunKind;
use row::RunRow;
use row::SummaryRow;
use row::run_columns;
use row::summary_columns;
pub use row::word;

use super::Record;
use super::RunSummary;
use super::RunsError;
use super::Status;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::db::containing;
use crate::on;

/// An event as it was stored.
#[derive(Debug, sqlx::FromRow)]
pub struct StoredEvent {
    pub seq: i64,
    #[sqlx(rename = "type")]
    pub name: String,
    pub at: At,
    pub data: String,
}

/// How many runs are read for words in them.
const LOOKED_THROUGH: i64 = 10_000;

/// What lists of runs are narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    /// `None`: all of the tenant.
    pub subject: Option<String>,
    pub status: Option<String>,
    pub kind: Option<RunKind>,
    pub thread_id: Option<Id>,
    pub parent_run_id: Option<Id>,
    /// Name or id of the definition.
    pub definition: Option<String>,
    pub user: Option<String>,
    pub created_after: Option<At>,
    pub created_before: Option<At>,
    /// Words in what was asked, answered or went wrong.
    pub text: Option<String>,
    /// Runs that are older than this one.
    pub before: Option<Id>,
}

/// The run, if the tenant has it.
pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Record>, RunsError> {
    let row: Option<RunRow> = on!(conn, c => sqlx::query_as(
            concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_id = $1 AND id = $2"),
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(RunRow::read).transpose()
}

/// At most `limit` runs, the newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<RunSummary>, RunsError> {
    let rows: Vec<SummaryRow> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            concat!("SELECT ", summary_columns!(), " FROM runs WHERE tenant_id = "),
        );
        query.push_bind(tenant.as_str());
        if let Some(subject) = &filter.subject {
            query.push(" AND subject = ").push_bind(subject);
        }
        if let Some(status) = &filter.status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(row::kind(kind));
        }
        if let Some(thread) = filter.thread_id {
            query.push(" AND thread_id = ").push_bind(thread);
        }
        if let Some(parent) = filter.parent_run_id {
            query.push(" AND parent_run_id = ").push_bind(parent);
        }
        if let Some(definition) = &filter.definition {
            query.push(" AND (lower(definition_name) = lower(").push_bind(definition);
            query.push(") OR CAST(definition_id AS TEXT) = ").push_bind(definition).push(")");
        }
        if let Some(user) = &filter.user {
            query.push(" AND end_user = ").push_bind(user);
        }
        if let Some(after) = filter.created_after {
            query.push(" AND created_at > ").push_bind(after);
        }
        if let Some(before) = filter.created_before {
            query.push(" AND created_at < ").push_bind(before);
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        if let Some(text) = &filter.text {
            // No index finds words, so that no more than these are read.
            query.push(" AND id IN (SELECT id FROM runs WHERE tenant_id = ").push_bind(tenant.as_str());
            if let Some(before) = filter.before {
                query.push(" AND id < ").push_bind(before);
            }
            query.push(" ORDER BY id DESC LIMIT ").push_bind(LOOKED_THROUGH);
            query.push(") AND (lower(request) LIKE ").push_bind(pattern(text)).push(" ESCAPE '!'");
            for column in ["output", "error"] {
                query.push(" OR lower(").push(column).push(") LIKE ");
                query.push_bind(pattern(text)).push(" ESCAPE '!'");
            }
            query.push(")");
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(SummaryRow::read).collect()
}

/// Finds `text` within a JSON text of ours, whatever is in it.
fn pattern(text: &str) -> String {
    let quoted = serde_json::Value::from(text.to_lowercase()).to_string();
    let inside = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(&quoted);
    containing(inside)
}

/// Where a run stands.
pub async fn status(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Option<Status>, RunsError> {
    let status: Option<String> = on!(conn, c => sqlx::query_scalar(
            "SELECT status FROM runs WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_optional(c)
        .await)?;
    status.as_deref().map(row::word).transpose()
}

/// At most `limit` events after number `after`, oldest first.
pub async fn events(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT seq, type, at, data FROM run_events
             WHERE tenant_id = $1 AND run_id = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(after.cast_signed())
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)
}

/// A value that is kept apart, as JSON text.
pub async fn value(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    sha256: &str,
) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT value FROM run_values WHERE tenant_id = $1 AND run_id = $2 AND sha256 = $3",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(sha256)
        .fetch_optional(c)
        .await)
}

/// These values of a run that are kept apart: `(sha256, JSON text)`.
pub async fn values(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    hashes: &BTreeSet<String>,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    on!(conn, c => {
        let mut query =
            sqlx::QueryBuilder::new("SELECT sha256, value FROM run_values WHERE tenant_id = ");
        query.push_bind(tenant.as_str()).push(" AND run_id = ").push_bind(run_id);
        query.push(" AND sha256 IN (");
        let mut list = query.separated(", ");
        for sha256 in hashes {
            list.push_bind(sha256);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })
}

/// How far a run has come: the number of its last event, and of its turns.
pub async fn progress(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<(i64, i64), sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (i64, i64)>(
            "SELECT coalesce(max(seq), 0), count(CASE WHEN type = 'step.started' THEN 1 END)
             FROM run_events WHERE tenant_id = $1 AND run_id = $2",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_one(c)
        .await)
}

/// The run and the path and body that this idempotency key was used with.
pub async fn keyed_run(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    client_id: &str,
    key: &str,
) -> Result<Option<(String, String, Option<Id>)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT path, body_sha256, run_id FROM idempotency_keys
             WHERE tenant_id = $1 AND client_id = $2 AND key = $3",
        )
        .bind(tenant.as_str())
        .bind(client_id)
        .bind(key)
        .fetch_optional(c)
        .await)
}

/// The run that retries `run_id`, if it keeps others from that.
pub async fn retry_of(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
) -> Result<Option<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT id FROM runs WHERE tenant_id = $1 AND retry_of = $2 AND status <> 'canceled'",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .fetch_optional(c)
        .await)
}

/// Forgets some of the idempotency keys that were first used before `age`, and says how many.
pub async fn delete_old_keys(conn: &mut Conn<'_>, age: At) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM idempotency_keys WHERE (tenant_id, client_id, key) IN
             (SELECT tenant_id, client_id, key FROM idempotency_keys
              WHERE created_at < $1 ORDER BY created_at LIMIT 200)",
        )
        .bind(age)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}
