//! SQL of the servers of others, beside what all definitions have.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::mcp::upstreams::Place;
use crate::mcp::upstreams::Seen;
use crate::on;

#[derive(FromRow)]
struct Row {
    upstream_id: Id,
    protocol: Option<String>,
    last_error: Option<String>,
    tools: Json,
    checked_at: At,
}

impl From<Row> for (Id, Seen) {
    /// Tools that cannot be read have not been seen.
    fn from(row: Row) -> Self {
        let Row { upstream_id, protocol, last_error, tools, checked_at } = row;
        let tools = tools.read().unwrap_or_default();
        (upstream_id, Seen { protocol, last_error, tools, checked_at: Some(checked_at) })
    }
}

/// What was last seen of each upstream of a tenant.
pub async fn list_seen(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<(Id, Seen)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT upstream_id, protocol, last_error, tools, checked_at FROM mcp_upstream_states
             WHERE tenant_id = $1",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// What was last seen of one upstream.
pub async fn find_seen(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Seen>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            "SELECT upstream_id, protocol, last_error, tools, checked_at FROM mcp_upstream_states
             WHERE tenant_id = $1 AND upstream_id = $2",
        )
        .bind(tenant)
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| <(Id, Seen)>::from(row).1))
}

/// Keeps what was seen of an upstream, if that is still there.
pub async fn upsert_seen(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    (id, place): (Id, Place),
    seen: &Seen,
    tools: &Json,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO mcp_upstream_states (tenant_id, upstream_id, protocol, last_error, tools, checked_at)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE $7 OR EXISTS (SELECT 1 FROM mcp_upstreams WHERE tenant_id = $1 AND id = $2)
             ON CONFLICT (tenant_id, upstream_id) DO UPDATE
             SET protocol = $3, last_error = $4, tools = $5, checked_at = $6",
        )
        .bind(tenant)
        .bind(id)
        .bind(&seen.protocol)
        .bind(&seen.last_error)
        .bind(tools)
        .bind(now)
        .bind(place == Place::File)
        .execute(c)
        .await)?;
    Ok(())
}

/// Some upstreams of all tenants that nobody has looked at since `before`.
pub async fn list_due(conn: &mut Conn<'_>, before: At) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id)>(
            "SELECT u.tenant_id, u.id FROM mcp_upstreams u LEFT JOIN mcp_upstream_states s
                 ON s.tenant_id = u.tenant_id AND s.upstream_id = u.id
             WHERE u.is_active AND (s.checked_at IS NULL OR s.checked_at < $1)
             ORDER BY s.checked_at, u.id LIMIT 20",
        )
        .bind(before)
        .fetch_all(c)
        .await)
}

/// The first upstreams of all tenants that are active and could be looked at.
pub async fn list_looked_at(
    conn: &mut Conn<'_>,
    rows: i64,
) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id)>(
            "SELECT u.tenant_id, u.id FROM mcp_upstreams u JOIN mcp_upstream_states s
                 ON s.tenant_id = u.tenant_id AND s.upstream_id = u.id
             WHERE u.is_active AND s.last_error IS NULL
             ORDER BY u.created_at, u.id LIMIT $1",
        )
        .bind(rows)
        .fetch_all(c)
        .await)
}

/// Those of the file that were looked at, and by nobody since `before`: of these `programs`.
pub async fn list_due_programs(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    before: At,
    programs: &BTreeSet<Id>,
) -> Result<Vec<Id>, sqlx::Error> {
    let all = on!(conn, c => sqlx::query_scalar::<_, Id>(
            "SELECT upstream_id FROM mcp_upstream_states WHERE tenant_id = $1 AND checked_at < $2",
        )
        .bind(tenant)
        .bind(before)
        .fetch_all(c)
        .await)?;
    Ok(all.into_iter().filter(|id| programs.contains(id)).collect())
}

/// Takes it upon this process to look at an upstream. `false`: another one does, or has since `before`.
pub async fn claim(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    (id, place): (Id, Place),
    before: At,
    now: At,
) -> Result<bool, sqlx::Error> {
    let claimed = on!(conn, c => sqlx::query(
            "INSERT INTO mcp_upstream_states (tenant_id, upstream_id, checked_at)
             SELECT $1, $2, $4
             WHERE $5 OR EXISTS (SELECT 1 FROM mcp_upstreams WHERE tenant_id = $1 AND id = $2)
             ON CONFLICT (tenant_id, upstream_id) DO UPDATE SET checked_at = $4
             WHERE mcp_upstream_states.checked_at < $3",
        )
        .bind(tenant)
        .bind(id)
        .bind(before)
        .bind(now)
        .bind(place == Place::File)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(claimed == 1)
}

/// The names of the agents of a tenant that name a tool of an upstream, in their order.
pub async fn list_agents_with_tools_of(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    upstream: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT name, tools FROM agent_definitions WHERE tenant_id = $1 ORDER BY name";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let beginning = format!("{upstream}__").to_ascii_lowercase();
    let is_of_it = |tool: &Value| {
        let name = tool.as_str().or_else(|| tool.get("name")?.as_str()).unwrap_or_default();
        name.to_ascii_lowercase().starts_with(&beginning)
    };
    let names_one = |(_, tools): &(String, Json)| {
        tools.read::<Vec<Value>>().unwrap_or_default().iter().any(is_of_it)
    };
    Ok(rows.into_iter().filter(names_one).map(|(name, _)| name).collect())
}
