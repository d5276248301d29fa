//! SQL of idempotency keys whose answers are kept.

use super::Owner;
use crate::db::At;
use crate::db::Conn;
use crate::http::IdempotencyKey;
use crate::on;

/// A key that is in use.
#[derive(Debug, sqlx::FromRow)]
pub struct Claimed {
    pub path: String,
    pub body_sha256: String,
    pub answer: Option<String>,
}

/// Claims `key`, also if its claim is older than `dead` and was never answered, and says whether
/// it did.
pub async fn insert(
    conn: &mut Conn<'_>,
    owner: Owner<'_>,
    key: &IdempotencyKey,
    now: At,
    dead: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "INSERT INTO idempotency_keys (tenant_id, client_id, key, path, body_sha256, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, client_id, key) DO UPDATE SET created_at = excluded.created_at
             WHERE idempotency_keys.answer IS NULL AND idempotency_keys.run_id IS NULL
             AND idempotency_keys.created_at < $7
             AND idempotency_keys.path = excluded.path
             AND idempotency_keys.body_sha256 = excluded.body_sha256",
        )
        .bind(owner.tenant.as_str())
        .bind(owner.client_id)
        .bind(&key.key)
        .bind(&key.path)
        .bind(&key.body_sha256)
        .bind(now)
        .bind(dead)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

pub async fn find(
    conn: &mut Conn<'_>,
    owner: Owner<'_>,
    key: &str,
) -> Result<Option<Claimed>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT path, body_sha256, answer FROM idempotency_keys
             WHERE tenant_id = $1 AND client_id = $2 AND key = $3",
        )
        .bind(owner.tenant.as_str())
        .bind(owner.client_id)
        .bind(key)
        .fetch_optional(c)
        .await)
}

/// Keeps the answer.
pub async fn update(
    conn: &mut Conn<'_>,
    owner: Owner<'_>,
    key: &str,
    answer: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE idempotency_keys SET answer = $4
             WHERE tenant_id = $1 AND client_id = $2 AND key = $3",
        )
        .bind(owner.tenant.as_str())
        .bind(owner.client_id)
        .bind(key)
        .bind(answer)
        .execute(c)
        .await)?;
    Ok(())
}

/// Gives the key up.
pub async fn delete(conn: &mut Conn<'_>, owner: Owner<'_>, key: &str) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM idempotency_keys
             WHERE tenant_id = $1 AND client_id = $2 AND key = $3 AND answer IS NULL",
        )
        .bind(owner.tenant.as_str())
        .bind(owner.client_id)
        .bind(key)
        .execute(c)
        .await)?;
    Ok(())
}
