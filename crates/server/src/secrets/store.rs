//! SQL of secrets.

use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::Readable;
use crate::db::TenantId;
use crate::db::Unique;
use crate::on;
use crate::secrets::SecretError;
use crate::secrets::SecretHosts;

const NAME: Unique =
    Unique { name: "secrets_name", table: "secrets", columns: &["tenant_id", "name"] };

/// A secret as it is kept.
#[derive(Debug, Clone, FromRow)]
pub struct Row {
    pub id: Id,
    pub name: String,
    pub description: String,
    /// A list in JSON, letter for letter as it was sealed.
    pub hosts: String,
    pub value: String,
    pub version: i64,
    pub last_used_at: Readable<Option<At>>,
    pub created_at: Readable<At>,
    pub updated_at: Readable<At>,
}

/// What is written of a secret.
#[derive(Debug)]
pub struct Written<'a> {
    pub description: &'a str,
    pub hosts: &'a str,
    pub value: &'a str,
    pub bytes: i64,
    pub version: i64,
    pub at: At,
}

/// Where a secret stands in the list of its tenant.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Position(pub At, pub Id);

macro_rules! select_rows {
    ($which:literal) => {
        concat!(
            "SELECT id, name, description, hosts, value, version, last_used_at, created_at, updated_at
             FROM secrets ",
            $which
        )
    };
}

/// How many secrets a tenant has, and how many bytes their values have.
pub async fn size(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<(i64, i64), sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (i64, i64)>(
            "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM secrets WHERE tenant_id = $1",
        )
        .bind(tenant)
        .fetch_one(c)
        .await)
}

/// The tenants that have secrets.
pub async fn list_tenants(conn: &mut Conn<'_>) -> Result<Vec<TenantId>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar("SELECT DISTINCT tenant_id FROM secrets ORDER BY tenant_id")
        .fetch_all(c)
        .await)
}

/// All secrets of a tenant.
pub async fn list_all(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Vec<Row>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Row>(select_rows!("WHERE tenant_id = $1"))
        .bind(tenant)
        .fetch_all(c)
        .await)
}

/// The secrets of a tenant, the newest first, at most `limit` of those after `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let (created_at, id) = after.map(|Position(at, id)| (at, id)).unzip();
    on!(conn, c => sqlx::query_as::<_, Row>(select_rows!(
            "WHERE tenant_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
             ORDER BY created_at DESC, id DESC
             LIMIT $4"
        ))
        .bind(tenant)
        .bind(created_at)
        .bind(id)
        .bind(limit)
        .fetch_all(c)
        .await)
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Row>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Row>(select_rows!(
            "WHERE tenant_id = $1 AND lower(name) = lower($2)"
        ))
        .bind(tenant)
        .bind(name)
        .fetch_optional(c)
        .await)
}

/// Inserts a secret, or says that its name is taken.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    name: &str,
    written: &Written<'_>,
    created_by: &str,
) -> Result<(), SecretError> {
    on!(conn, c => sqlx::query(
            "INSERT INTO secrets
                 (id, tenant_id, name, description, hosts, value, bytes, version, created_by, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        )
        .bind(id)
        .bind(tenant)
        .bind(name)
        .bind(written.description)
        .bind(written.hosts)
        .bind(written.value)
        .bind(written.bytes)
        .bind(written.version)
        .bind(created_by)
        .bind(written.at)
        .execute(c)
        .await)
    .on_unique(NAME, || SecretError::NameTaken(name.to_owned()))?;
    Ok(())
}

/// Writes all of a secret but its name.
pub async fn update(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    written: &Written<'_>,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE secrets
             SET description = $3, hosts = $4, value = $5, bytes = $6, version = $7, updated_at = $8
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(written.description)
        .bind(written.hosts)
        .bind(written.value)
        .bind(written.bytes)
        .bind(written.version)
        .bind(written.at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Writes the same value as another key has sealed it, unless the row has changed; how many rows that were.
pub async fn replace_sealed(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    row: &Row,
    sealed: &str,
) -> Result<usize, sqlx::Error> {
    let written = on!(conn, c => sqlx::query(
            "UPDATE secrets SET value = $5
             WHERE tenant_id = $1 AND id = $2 AND value = $3 AND hosts = $4",
        )
        .bind(tenant)
        .bind(row.id)
        .bind(&row.value)
        .bind(&row.hosts)
        .bind(sealed)
        .execute(c)
        .await
        .map(|it| it.rows_affected()))?;
    Ok(usize::try_from(written).unwrap_or_default())
}

/// Writes down that a secret was used, unless a later time stands there.
pub async fn update_last_used(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    name: &str,
    at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE secrets SET last_used_at = $3
             WHERE tenant_id = $1 AND lower(name) = lower($2)
                 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .bind(tenant)
        .bind(name)
        .bind(at)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM secrets WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

/// The names of all tools of a tenant, how they are called, and their code.
pub async fn list_tools(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(String, Json, Option<String>)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (String, Json, Option<String>)>(
            "SELECT name, config, execute_code FROM tool_definitions WHERE tenant_id = $1 ORDER BY name",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)
}

/// The servers of others with how they are asked, by name.
pub async fn list_upstreams(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(String, Json)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (String, Json)>(
            "SELECT name, auth FROM mcp_upstreams WHERE tenant_id = $1 ORDER BY name",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)
}

/// The workflows with their triggers, by name.
pub async fn list_workflows(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(String, Json)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (String, Json)>(
            "SELECT name, triggers FROM workflow_definitions WHERE tenant_id = $1 ORDER BY name",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)
}

/// The hosts of all secrets of a tenant. One whose hosts cannot be read is for none.
pub async fn list_hosts(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<SecretHosts, sqlx::Error> {
    let query = "SELECT name, hosts FROM secrets WHERE tenant_id = $1";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, String)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let read = |(name, hosts): (String, String)| {
        (name.to_ascii_lowercase(), serde_json::from_str(&hosts).unwrap_or_default())
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The databases of documents with the settings of their stores, by name.
pub async fn list_databases(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(String, Json)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (String, Json)>(
            "SELECT name, vector_store_config FROM rag_databases WHERE tenant_id = $1 ORDER BY name",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)
}
