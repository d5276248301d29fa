//! The history of definitions, and the numbers that tell replicas when to look again.

mod applied;
mod rows;
mod table;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Version;
use crate::on;

pub use applied::Applied;
pub use applied::delete as delete_applied;
pub use applied::list as list_applied;
pub use applied::upsert as upsert_applied;
pub use rows::Row;
pub use rows::UnreadableRow;
pub use rows::delete;
pub use rows::find;
pub use rows::insert;
pub use rows::list;
pub use rows::lock;
pub use rows::lock_all;
pub use rows::update;
pub use rows::update_active;
pub use rows::update_version;
pub use table::Holds;
pub use table::Table;

/// A number that every change of one of these `tables` raises.
pub async fn find_revision(conn: &mut Conn<'_>, tables: &[&str]) -> Result<i64, sqlx::Error> {
    let query = "SELECT name, revision FROM revisions";
    let all = on!(conn, c => sqlx::query_as::<_, (String, i64)>(query).fetch_all(c).await)?;
    let watched = all.iter().filter(|(name, _)| tables.contains(&name.as_str()));
    Ok(watched.map(|(_, revision)| revision).sum())
}

/// Adds a version to the history of a definition of kind `kind`.
pub async fn insert_version(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    id: Id,
    version: &Version,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO definition_versions
                 (tenant_id, kind, definition_id, version, content_hash, content, created_by, note, created_at,
                 client_id, scopes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .bind(version.version)
        .bind(&version.content_hash)
        .bind(&version.content)
        .bind(&version.created_by)
        .bind(&version.note)
        .bind(version.created_at)
        .bind(&version.client_id)
        .bind(&version.scopes)
        .execute(c)
        .await)?;
    Ok(())
}

/// Finds one version of a definition, also of one that was deleted.
pub async fn find_version(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    id: Id,
    version: i64,
) -> Result<Option<Version>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Version>(
            "SELECT version, content_hash, content, created_by, client_id, scopes, note, created_at
             FROM definition_versions
             WHERE tenant_id = $1 AND kind = $2 AND definition_id = $3 AND version = $4",
        )
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .bind(version)
        .fetch_optional(c)
        .await)
}

/// Finds the version of a definition that has this content; the newest, if it had it twice.
pub async fn find_version_by_hash(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    id: Id,
    content_hash: &str,
) -> Result<Option<Version>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Version>(
            "SELECT version, content_hash, content, created_by, client_id, scopes, note, created_at
             FROM definition_versions
             WHERE tenant_id = $1 AND kind = $2 AND definition_id = $3 AND content_hash = $4
             ORDER BY version DESC
             LIMIT 1",
        )
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .bind(content_hash)
        .fetch_optional(c)
        .await)
}

/// Lists versions, newest first: at most `rows`, those before the version `before`.
pub async fn list_versions(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    id: Id,
    before: i64,
    rows: i64,
) -> Result<Vec<Version>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Version>(
            "SELECT version, content_hash, content, created_by, client_id, scopes, note, created_at
             FROM definition_versions
             WHERE tenant_id = $1 AND kind = $2 AND definition_id = $3 AND version < $4
             ORDER BY version DESC
             LIMIT $5",
        )
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .bind(before)
        .bind(rows)
        .fetch_all(c)
        .await)
}

/// The number of the newest version; 0 if there is none.
pub async fn find_last_version(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    kind: &str,
    id: Id,
) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT COALESCE(MAX(version), 0) FROM definition_versions
             WHERE tenant_id = $1 AND kind = $2 AND definition_id = $3",
        )
        .bind(tenant)
        .bind(kind)
        .bind(id)
        .fetch_one(c)
        .await)
}
