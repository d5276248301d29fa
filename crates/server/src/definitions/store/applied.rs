//! What was applied from files.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// A definition as it was when it was applied from a file.
#[derive(Debug, Clone, FromRow)]
pub struct Applied {
    pub definition_id: Id,
    /// Which files.
    pub file_set: String,
    pub file: String,
    pub version: i64,
    pub content_hash: String,
    pub is_active: bool,
    pub applied_at: At,
}

/// Lists what was applied of a kind.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
) -> Result<Vec<Applied>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Applied>(
            "SELECT definition_id, file_set, file, version, content_hash, is_active, applied_at
             FROM applied_definitions WHERE tenant_id = $1 AND kind = $2",
        )
        .bind(tenant)
        .bind(kind)
        .fetch_all(c)
        .await)
}

/// Says what was applied, in the place of what was said before.
pub async fn upsert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    applied: &Applied,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO applied_definitions
                 (tenant_id, kind, definition_id, file_set, file, version, content_hash, is_active, applied_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant_id, kind, definition_id) DO UPDATE SET
                 file_set = excluded.file_set, file = excluded.file, version = excluded.version,
                 content_hash = excluded.content_hash, is_active = excluded.is_active, applied_at = excluded.applied_at",
        )
        .bind(tenant)
        .bind(kind)
        .bind(applied.definition_id)
        .bind(&applied.file_set)
        .bind(&applied.file)
        .bind(applied.version)
        .bind(&applied.content_hash)
        .bind(applied.is_active)
        .bind(applied.applied_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets what was applied of a definition that is gone.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    definition: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM applied_definitions WHERE tenant_id = $1 AND kind = $2 AND definition_id = $3",
        )
        .bind(tenant)
        .bind(kind)
        .bind(definition)
        .execute(c)
        .await)?;
    Ok(())
}
