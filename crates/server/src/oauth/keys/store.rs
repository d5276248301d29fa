//! SQL of signing keys.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::on;

/// A key as it is kept.
#[derive(Debug, Clone, FromRow)]
pub struct Row {
    pub kid: String,
    /// Sealed; `None`: it is withdrawn.
    pub private: Option<String>,
    pub begins_at: At,
    pub withdrawn_at: Option<At>,
    pub created_by: Option<String>,
    pub created_at: At,
}

/// A number that grows with every change to a key.
pub async fn revision(conn: &mut Conn<'_>) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT revision FROM revisions WHERE name = 'signing_keys'",
        )
        .fetch_one(c)
        .await)
}

/// All keys, in the order in which they begin.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Row>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT kid, private, begins_at, withdrawn_at, created_by, created_at
             FROM signing_keys ORDER BY begins_at, kid",
        )
        .fetch_all(c)
        .await)
}

/// Makes others who change keys wait until the transaction is over.
pub async fn lock(conn: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE revisions SET revision = revision + 1 WHERE name = 'signing_keys'",
        )
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn insert(conn: &mut Conn<'_>, row: &Row) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO signing_keys (kid, private, begins_at, withdrawn_at, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&row.kid)
        .bind(&row.private)
        .bind(row.begins_at)
        .bind(row.withdrawn_at)
        .bind(&row.created_by)
        .bind(row.created_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Keeps the private half of a key sealed otherwise.
pub async fn replace_sealed(
    conn: &mut Conn<'_>,
    kid: &str,
    sealed: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("UPDATE signing_keys SET private = $2 WHERE kid = $1")
        .bind(kid)
        .bind(sealed)
        .execute(c)
        .await)?;
    Ok(())
}

/// Wipes a key, of which its name and its times stay.
pub async fn withdraw(conn: &mut Conn<'_>, kid: &str, at: At) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE signing_keys SET private = NULL, withdrawn_at = $2
             WHERE kid = $1 AND withdrawn_at IS NULL",
        )
        .bind(kid)
        .bind(at)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}
