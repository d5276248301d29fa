//! SQL of the vectors by which messages are recalled.

use retrieval::Code;
use sqlx::FromRow;
use sqlx::QueryBuilder;

use super::BATCH;
use super::end_user::EndUser;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Of each thread so many of the latest messages are looked at.
const REACH: i64 = 4000;
/// Threads of one end user that are looked at, the newest.
const THREADS: i64 = 50;

/// A message that somebody or an agent wrote.
#[derive(Debug, Clone, FromRow)]
pub struct Written {
    pub thread_id: Id,
    pub seq: i64,
    pub role: String,
    /// Its parts, as JSON.
    pub content: String,
    pub created_at: At,
}

/// What a message is found by; nothing, if it has no text.
#[derive(Debug)]
pub struct NewVector {
    pub thread_id: Id,
    pub seq: i64,
    pub code: Option<Code>,
}

/// A stored one that has something.
#[derive(Debug, FromRow)]
pub struct Vector {
    pub thread_id: Id,
    pub seq: i64,
    pub scale: f64,
    pub code: Vec<u8>,
}

/// The latest threads of an end user.
pub async fn list_threads(conn: &mut Conn<'_>, of: &EndUser) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "SELECT id FROM threads WHERE tenant_id = $1 AND subject = $2 AND end_user = $3
             AND end_user IS NOT NULL ORDER BY id DESC LIMIT $4",
        )
        .bind(of.tenant.as_str())
        .bind(&of.subject)
        .bind(&of.user)
        .bind(THREADS)
        .fetch_all(c)
        .await)
}

/// How many messages these threads have together.
pub async fn count_said(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    threads: &[Id],
) -> Result<i64, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT CAST(COALESCE(SUM(message_count), 0) AS BIGINT) FROM threads WHERE tenant_id = ",
        );
        query.push_bind(tenant.as_str()).push(" AND id IN (");
        let mut list = query.separated(", ");
        for id in threads {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_scalar::<i64>().fetch_one(c).await
    })
}

/// At most `limit` messages of these threads that have no vector of `model`, the latest first.
pub async fn list_without(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    threads: &[Id],
    model: &str,
    limit: i64,
) -> Result<Vec<Written>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT m.thread_id, m.seq, m.role, m.content, m.created_at
             FROM messages m JOIN threads t ON t.tenant_id = m.tenant_id AND t.id = m.thread_id
             WHERE m.role IN ('user', 'assistant') AND m.tenant_id = ",
        );
        query.push_bind(tenant.as_str());
        query.push(" AND m.seq > t.message_count - ").push_bind(REACH).push(" AND m.thread_id IN (");
        let mut list = query.separated(", ");
        for id in threads {
            list.push_bind(*id);
        }
        query.push(
            ") AND NOT EXISTS (SELECT 1 FROM message_vectors v WHERE v.tenant_id = m.tenant_id
                 AND v.thread_id = m.thread_id AND v.seq = m.seq AND v.model = ",
        );
        query.push_bind(model).push(") ORDER BY m.thread_id DESC, m.seq DESC LIMIT ");
        query.push_bind(limit).build_query_as().fetch_all(c).await
    })
}

/// Stores vectors; of a message that has one already, that stays. A thread that is gone takes none.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    model: &str,
    vectors: &[NewVector],
) -> Result<(), sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "INSERT INTO message_vectors (tenant_id, thread_id, model, seq, scale, code) ",
        );
        query.push_values(vectors, |mut row, new| {
            let code = new.code.iter().flat_map(|code| &code.values);
            let code: Vec<u8> = code.map(|value| value.to_le_bytes()[0]).collect();
            row.push_bind(tenant.as_str())
                .push_bind(new.thread_id)
                .push_bind(model)
                .push_bind(new.seq)
                .push_bind(f64::from(new.code.as_ref().map_or(0.0, |code| code.scale)))
                .push_bind(code);
        });
        query.push(" ON CONFLICT (tenant_id, thread_id, model, seq) DO NOTHING");
        query.build().execute(c).await
    })?;
    Ok(())
}

/// The vectors of `model` that the latest messages of these threads have, the latest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    threads: &[Id],
    model: &str,
) -> Result<Vec<Vector>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT thread_id, seq, scale, code FROM message_vectors WHERE scale > 0 AND tenant_id = ",
        );
        query.push_bind(tenant.as_str()).push(" AND model = ").push_bind(model);
        query.push(" AND thread_id IN (");
        let mut list = query.separated(", ");
        for id in threads {
            list.push_bind(*id);
        }
        query.push(") ORDER BY thread_id DESC, seq DESC LIMIT ").push_bind(REACH);
        query.build_query_as().fetch_all(c).await
    })
}

/// The messages of threads from one number to another, in their order.
pub async fn list_written(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    ranges: &[(Id, i64, i64)],
) -> Result<Vec<Written>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT thread_id, seq, role, content, created_at FROM messages
             WHERE role IN ('user', 'assistant') AND tenant_id = ",
        );
        query.push_bind(tenant.as_str()).push(" AND (");
        let mut list = query.separated(" OR ");
        for (thread, first, last) in ranges {
            list.push("(thread_id = ").push_bind_unseparated(*thread);
            list.push_unseparated(" AND seq BETWEEN ").push_bind_unseparated(*first);
            list.push_unseparated(" AND ").push_bind_unseparated(*last).push_unseparated(")");
        }
        query.push(") ORDER BY thread_id, seq");
        query.build_query_as().fetch_all(c).await
    })
}

/// Takes some of a thread's vectors away, and says how many.
pub async fn delete_some(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    thread_id: Id,
) -> Result<i64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM message_vectors WHERE tenant_id = $1 AND thread_id = $2 AND (model, seq) IN
             (SELECT model, seq FROM message_vectors WHERE tenant_id = $1 AND thread_id = $2 LIMIT $3)",
        )
        .bind(tenant.as_str())
        .bind(thread_id)
        .bind(BATCH)
        .execute(c)
        .await)?;
    Ok(done.rows_affected().cast_signed())
}
