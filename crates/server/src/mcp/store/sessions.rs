//! SQL of sessions.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::TenantId;
use crate::mcp::sessions::Owner;
use crate::mcp::sessions::Session;
use crate::on;

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    subject: String,
    client_id: String,
    initialize: String,
    seen_at: At,
}

/// The session with this id. Its tenant follows from it.
pub async fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<Session>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT tenant_id, subject, client_id, initialize, seen_at FROM mcp_sessions WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|Row { tenant_id: tenant, subject, client_id, initialize, seen_at }| Session {
        owner: Owner { tenant, subject, client_id },
        initialize,
        seen_at,
    }))
}

pub async fn insert(conn: &mut Conn<'_>, id: &str, session: &Session) -> Result<(), sqlx::Error> {
    let Owner { tenant, subject, client_id } = &session.owner;
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_sessions (id, tenant_id, subject, client_id, initialize, created_at, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id)
        .bind(tenant)
        .bind(subject)
        .bind(client_id)
        .bind(&session.initialize)
        .bind(session.seen_at)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn update_seen(conn: &mut Conn<'_>, id: &str, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("UPDATE mcp_sessions SET seen_at = $2 WHERE id = $1 AND seen_at < $2")
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, id: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM mcp_sessions WHERE id = $1").bind(id).execute(c).await)?;
    Ok(())
}

/// Ends those of an owner that were seen least lately, but for the last `keep`.
pub async fn delete_surplus(
    conn: &mut Conn<'_>,
    Owner { tenant, subject, client_id }: &Owner,
    keep: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM mcp_sessions WHERE id IN (
                 SELECT id FROM mcp_sessions WHERE tenant_id = $1 AND subject = $2 AND client_id = $3
                 ORDER BY seen_at DESC, id LIMIT 1000000 OFFSET $4)",
        )
        .bind(tenant)
        .bind(subject)
        .bind(client_id)
        .bind(keep)
        .execute(c)
        .await)?;
    Ok(())
}

/// Ends those of which nothing was seen after `then`, at most 200.
pub async fn delete_idle(conn: &mut Conn<'_>, then: At) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM mcp_sessions WHERE id IN (SELECT id FROM mcp_sessions WHERE seen_at <= $1 LIMIT 200)",
        )
        .bind(then)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// How many a tenant has of which something was seen after `then`.
pub async fn count_of(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    then: At,
) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM mcp_sessions WHERE tenant_id = $1 AND seen_at > $2",
        )
        .bind(tenant)
        .bind(then)
        .fetch_one(c)
        .await)
}

/// How many there are in all.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM mcp_sessions").fetch_one(c).await)
}
