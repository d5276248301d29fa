//! SQL of what may come once.

use auth::token::Digest;

use crate::db::At;
use crate::db::Conn;
use crate::on;

/// Notes that something came, and says whether it is the first time. Of several at once one is the first.
pub async fn insert(
    conn: &mut Conn<'_>,
    kind: &'static str,
    key: &Digest,
    expires_at: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "INSERT INTO replay_guard (kind, key_sha256, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (kind, key_sha256) DO NOTHING",
        )
        .bind(kind)
        .bind(key.to_hex())
        .bind(expires_at)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Forgets what need not be remembered since `before`; at most `most` of it.
pub async fn delete_ended(conn: &mut Conn<'_>, before: At, most: i64) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM replay_guard WHERE (kind, key_sha256) IN
                 (SELECT kind, key_sha256 FROM replay_guard WHERE expires_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(most)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}
