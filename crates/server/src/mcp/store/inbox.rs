//! SQL of messages that are for another process.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::on;

/// A message, and what its token allowed.
#[derive(Debug, FromRow)]
pub struct Letter {
    pub id: String,
    pub session_id: String,
    pub scopes: String,
    pub message: String,
}

/// Inserts it, unless so many wait for its session; says whether it did.
pub async fn insert(
    conn: &mut Conn<'_>,
    letter: &Letter,
    most: i64,
    now: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "INSERT INTO mcp_inbox (id, session_id, scopes, message, created_at)
             SELECT $1, $2, $3, $4, $5
             WHERE (SELECT COUNT(*) FROM mcp_inbox WHERE session_id = $2) < $6",
        )
        .bind(&letter.id)
        .bind(&letter.session_id)
        .bind(&letter.scopes)
        .bind(&letter.message)
        .bind(now)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Those of these sessions, the oldest first.
pub async fn of(conn: &mut Conn<'_>, sessions: &[String]) -> Result<Vec<Letter>, sqlx::Error> {
    on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT id, session_id, scopes, message FROM mcp_inbox WHERE session_id IN (",
        );
        let mut places = query.separated(", ");
        for session in sessions {
            places.push_bind(session);
        }
        query.push(") ORDER BY id LIMIT 500").build_query_as().fetch_all(c).await
    })
}

/// Takes one out; says whether it was still there.
pub async fn delete(conn: &mut Conn<'_>, id: &str) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query("DELETE FROM mcp_inbox WHERE id = $1").bind(id).execute(c).await)?;
    Ok(done.rows_affected() > 0)
}

/// Deletes those that nobody has taken since before `then`.
pub async fn delete_old(conn: &mut Conn<'_>, then: At) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM mcp_inbox WHERE created_at <= $1").bind(then).execute(c).await)?;
    Ok(())
}
