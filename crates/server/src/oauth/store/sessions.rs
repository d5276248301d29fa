//! SQL of sessions.

use auth::token::Digest;
use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::sessions::Session;
use crate::oauth::sessions::Who;
use crate::on;

/// Where a session stands in the list of its tenant.
#[derive(Debug, Deserialize, Serialize)]
pub struct Position(pub At, pub Id);

/// A session, and whose it is.
#[derive(Debug)]
pub struct Row {
    pub tenant_id: TenantId,
    pub user_id: Option<Id>,
    pub credential: Option<String>,
    pub session: Session,
}

/// The session of this token, over or not. Its tenant follows from it.
pub async fn find(conn: &mut Conn<'_>, token: &Digest) -> Result<Option<Row>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Whole>(
            "SELECT id, tenant_id, user_id, credential, subject, address, user_agent, created_at,
                    last_seen_at, expires_at
             FROM sessions WHERE token_sha256 = $1",
        )
        .bind(token.to_hex())
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| Row {
        tenant_id: row.tenant_id.clone(),
        user_id: row.user_id,
        credential: row.credential.clone(),
        session: row.into(),
    }))
}

/// The sessions of a tenant that are not over, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    (now, seen_after): (At, At),
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Session>, sqlx::Error> {
    let (created_at, id) = after.map(|Position(at, id)| (at, id)).unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Whole>(
            "SELECT id, tenant_id, user_id, credential, subject, address, user_agent, created_at,
                    last_seen_at, expires_at
             FROM sessions
             WHERE tenant_id = $1 AND expires_at > $2 AND last_seen_at >= $3
                 AND ($4 IS NULL OR (created_at, id) < ($4, $5))
             ORDER BY created_at DESC, id DESC LIMIT $6",
        )
        .bind(tenant)
        .bind(now)
        .bind(seen_after)
        .bind(created_at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// The sessions of somebody that are not over, the newest first, and whether each is the one of this token.
pub async fn list_own(
    conn: &mut Conn<'_>,
    who: &Who,
    (now, seen_after): (At, At),
    token: &Digest,
) -> Result<Vec<(Session, bool)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Own>(
            "SELECT id, tenant_id, user_id, credential, subject, address, user_agent, created_at,
                    last_seen_at, expires_at, token_sha256
             FROM sessions
             WHERE tenant_id = $1 AND subject = $2 AND expires_at > $3 AND last_seen_at >= $4
             ORDER BY created_at DESC, id DESC LIMIT 100",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(now)
        .bind(seen_after)
        .fetch_all(c)
        .await)?;
    let here = token.to_hex();
    Ok(rows.into_iter().map(|row| (row.whole.into(), row.token_sha256 == here)).collect())
}

pub async fn insert(
    conn: &mut Conn<'_>,
    who: &Who,
    session: &Session,
    token: &Digest,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO sessions (id, tenant_id, token_sha256, subject, user_id, credential, address,
                                   user_agent, created_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(session.id)
        .bind(&who.tenant)
        .bind(token.to_hex())
        .bind(&session.subject)
        .bind(who.user)
        .bind(&who.credential)
        .bind(&session.address)
        .bind(&session.user_agent)
        .bind(session.created_at)
        .bind(session.last_seen_at)
        .bind(session.expires_at)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn update_seen(conn: &mut Conn<'_>, id: Id, now: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2")
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Ends a session, and says whether it was there.
pub async fn delete(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query("DELETE FROM sessions WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// The same of a session of somebody.
pub async fn delete_own(conn: &mut Conn<'_>, who: &Who, id: Id) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM sessions WHERE tenant_id = $1 AND subject = $2 AND id = $3",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

pub async fn delete_by_token(conn: &mut Conn<'_>, token: &Digest) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1")
        .bind(token.to_hex())
        .execute(c)
        .await)?;
    Ok(())
}

/// Ends the sessions of somebody but for the newest `most`.
pub async fn delete_older(conn: &mut Conn<'_>, who: &Who, most: i64) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM sessions
             WHERE tenant_id = $1 AND subject = $2 AND id NOT IN
                 (SELECT id FROM sessions WHERE tenant_id = $1 AND subject = $2
                  ORDER BY created_at DESC, id DESC LIMIT $3)",
        )
        .bind(&who.tenant)
        .bind(who.subject.as_str())
        .bind(most)
        .execute(c)
        .await)?;
    Ok(())
}

/// Ends all sessions of a user.
pub async fn delete_of_user(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    user: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant)
        .bind(user)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets sessions that were over before `before`; at most `most` of them.
pub async fn delete_ended(conn: &mut Conn<'_>, before: At, most: i64) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM sessions WHERE id IN
                 (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

#[derive(FromRow)]
struct Own {
    #[sqlx(flatten)]
    whole: Whole,
    token_sha256: String,
}

#[derive(FromRow)]
struct Whole {
    id: Id,
    tenant_id: TenantId,
    user_id: Option<Id>,
    credential: Option<String>,
    subject: String,
    address: String,
    user_agent: String,
    created_at: At,
    last_seen_at: At,
    expires_at: At,
}

impl From<Whole> for Session {
    fn from(row: Whole) -> Self {
        Self {
            id: row.id,
            subject: row.subject,
            address: row.address,
            user_agent: row.user_agent,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}
