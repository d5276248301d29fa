//! SQL of figures over time.
//!
//! `(tenant_id || '')` is the tenant, and no part of an index: else SQLite takes the key that begins with it, and reads
//! all runs that the tenant ever had.

use engine::RunErrorKind;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::Status;

/// A run that has ended, as figures need it.
#[derive(Debug, FromRow)]
pub struct EndedRow {
    pub tenant_id: TenantId,
    pub id: Id,
    pub parent_run_id: Option<Id>,
    kind: String,
    definition_name: String,
    pub client_id: String,
    status: String,
    error: Option<String>,
    pub usage: String,
    created_at: At,
    pub finished_at: At,
}

/// The part of an error that is counted.
#[derive(Deserialize)]
struct Kind {
    kind: RunErrorKind,
}

impl EndedRow {
    pub fn status(&self) -> Result<Status, serde_json::Error> {
        let word: Result<Status, Error> =
            Status::deserialize(self.status.as_str().into_deserializer());
        word.map_err(serde::de::Error::custom)
    }

    pub fn error_kind(&self) -> Result<Option<RunErrorKind>, serde_json::Error> {
        let error: Option<Kind> = self.error.as_deref().map(serde_json::from_str).transpose()?;
        Ok(error.map(|it| it.kind))
    }

    /// What ran, as `kind/name`.
    pub fn definition(&self) -> String {
        format!("{}/{}", self.kind, self.definition_name)
    }

    /// From being asked to the end.
    pub fn took_ms(&self) -> u64 {
        let took = self.finished_at.time() - self.created_at.time();
        u64::try_from(took.num_milliseconds()).unwrap_or(0)
    }
}

/// Whose runs are counted.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// Of every tenant, each for itself.
    All,
    One(&'a TenantId),
}

/// At most `limit` runs that ended from `from` on and before `to`, after that one, in the order of their ends.
pub async fn ended(
    conn: &mut Conn<'_>,
    whose: Whose<'_>,
    (from, to): (At, At),
    after: Option<(At, Id)>,
    limit: i64,
) -> Result<Vec<EndedRow>, sqlx::Error> {
    on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT tenant_id, id, parent_run_id, kind, definition_name, client_id, status, error, usage,
                    created_at, finished_at
             FROM runs WHERE finished_at >= ",
        );
        query.push_bind(from).push(" AND finished_at < ").push_bind(to);
        if let Whose::One(tenant) = whose {
            query.push(" AND (tenant_id || '') = ").push_bind(tenant);
        }
        if let Some((at, id)) = after {
            query.push(" AND (finished_at, id) > (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        query.push(" ORDER BY finished_at, id LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })
}

/// When the first run ended from `from` on and before `to`.
pub async fn first_end(conn: &mut Conn<'_>, from: At, to: At) -> Result<Option<At>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, Option<At>>(
            "SELECT min(finished_at) FROM runs WHERE finished_at >= $1 AND finished_at < $2",
        )
        .bind(from)
        .bind(to)
        .fetch_one(c)
        .await)
}

/// Before which time all runs are counted; `None`: none is yet.
pub async fn until(conn: &mut Conn<'_>) -> Result<Option<At>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, At>("SELECT until FROM run_minutes_until")
        .fetch_optional(c)
        .await)
}

/// Says that all runs before `next` are counted, if what was counted before is still `last`; says whether it was.
pub async fn move_until(
    conn: &mut Conn<'_>,
    last: Option<At>,
    next: At,
) -> Result<bool, sqlx::Error> {
    let done = match last {
        None => on!(conn, c => sqlx::query(
                "INSERT INTO run_minutes_until (only_one, until) VALUES (1, $1)
                 ON CONFLICT DO NOTHING",
            )
            .bind(next)
            .execute(c)
            .await),
        Some(last) => on!(conn, c => sqlx::query(
                "UPDATE run_minutes_until SET until = $2 WHERE until = $1",
            )
            .bind(last)
            .bind(next)
            .execute(c)
            .await),
    }?;
    Ok(done.rows_affected() == 1)
}

/// Stores the figures of a minute that had none, as JSON.
pub async fn insert_minute(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    minute: At,
    figures: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO run_minutes (tenant_id, minute, figures) VALUES ($1, $2, $3)",
        )
        .bind(tenant)
        .bind(minute)
        .bind(figures)
        .execute(c)
        .await)
    .map(drop)
}

/// The minutes from `from` on and before `to` in which something ended, with their figures as JSON.
pub async fn minutes(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    from: At,
    to: At,
) -> Result<Vec<(At, String)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT minute, figures FROM run_minutes
             WHERE tenant_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute",
        )
        .bind(tenant)
        .bind(from)
        .bind(to)
        .fetch_all(c)
        .await)
}

/// Forgets some of the minutes before `age`.
pub async fn delete_minutes(conn: &mut Conn<'_>, age: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM run_minutes WHERE (tenant_id, minute) IN
             (SELECT tenant_id, minute FROM run_minutes WHERE minute < $1 ORDER BY minute LIMIT 200)",
        )
        .bind(age)
        .execute(c)
        .await)
    .map(drop)
}

/// How many runs of a tenant are not over, by where they stand.
pub async fn open_runs(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT status, count(*) FROM runs
             WHERE status IN ('queued', 'running', 'waiting', 'suspended') AND (tenant_id || '') = $1
             GROUP BY status",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)
}

/// How many approvals of a tenant wait for a decision.
pub async fn pending_approvals(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM approvals WHERE tenant_id = $1 AND status = 'pending'",
        )
        .bind(tenant)
        .fetch_one(c)
        .await)
}
