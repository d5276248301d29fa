//! SQL of what sessions hear of.

use sqlx::FromRow;

use crate::db::Conn;
use crate::on;

/// A session hears when this resource is not as it was `seen` any more.
#[derive(Debug, FromRow)]
pub struct Subscription {
    pub session_id: String,
    pub uri: String,
    pub seen: String,
}

/// Inserts it, unless it is there or the session has `most`; says whether it is there now.
pub async fn insert(
    conn: &mut Conn<'_>,
    Subscription { session_id, uri, seen }: &Subscription,
    most: i64,
) -> Result<bool, sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_subscriptions (session_id, uri, seen)
             SELECT $1, $2, $3
             WHERE (SELECT COUNT(*) FROM mcp_subscriptions WHERE session_id = $1) < $4
             ON CONFLICT (session_id, uri) DO NOTHING",
        )
        .bind(session_id)
        .bind(uri)
        .bind(seen)
        .bind(most)
        .execute(c)
        .await)?;
    let found = on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM mcp_subscriptions WHERE session_id = $1 AND uri = $2",
        )
        .bind(session_id)
        .bind(uri)
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}

pub async fn delete(conn: &mut Conn<'_>, session: &str, uri: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM mcp_subscriptions WHERE session_id = $1 AND uri = $2")
        .bind(session)
        .bind(uri)
        .execute(c)
        .await)?;
    Ok(())
}

/// Those of these sessions.
pub async fn of(
    conn: &mut Conn<'_>,
    sessions: &[String],
) -> Result<Vec<Subscription>, sqlx::Error> {
    on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT session_id, uri, seen FROM mcp_subscriptions WHERE session_id IN (",
        );
        let mut places = query.separated(", ");
        for session in sessions {
            places.push_bind(session);
        }
        query.push(")").build_query_as().fetch_all(c).await
    })
}
