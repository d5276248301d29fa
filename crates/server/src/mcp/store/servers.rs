//! SQL of how tenants show themselves.

use sqlx::FromRow;
use tracing::warn;

use crate::db::At;
use crate::db::Conn;
use crate::db::Json;
use crate::db::TenantId;
use crate::mcp::server::Expose;
use crate::mcp::server::Kept;
use crate::mcp::server::Server;
use crate::on;

pub const TABLE: &str = "mcp_servers";

#[derive(FromRow)]
struct Row {
    name: String,
    description: String,
    instructions: String,
    expose: Json,
    updated_at: At,
}

/// The row of a tenant. What cannot be read of what it shows is nothing.
pub async fn find(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Option<Kept>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT name, description, instructions, expose, updated_at FROM mcp_servers
             WHERE tenant_id = $1",
        )
        .bind(tenant)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|Row { name, description, instructions, expose, updated_at }| {
        let expose = expose.read().unwrap_or_else(|error| {
            warn!(%tenant, %error, "what is shown by MCP cannot be read, so nothing is");
            Expose::nothing()
        });
        let server = Server { name, description, instructions, expose };
        Kept { server, updated_at: Some(updated_at) }
    }))
}

pub async fn upsert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    server: &Server,
    expose: &Json,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_servers (tenant_id, name, description, instructions, expose, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id) DO UPDATE SET name = $2, description = $3, instructions = $4,
                 expose = $5, updated_at = $6",
        )
        .bind(tenant)
        .bind(&server.name)
        .bind(&server.description)
        .bind(&server.instructions)
        .bind(expose)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}
