//! SQL of documents.

pub mod chunks;
pub mod documents;
pub mod files;
pub mod generations;
pub mod indexes;
pub mod jobs;
pub mod labels;
pub mod outbox;
pub mod points;
pub mod stats;
pub mod vectors;

use crate::db::Conn;
use crate::db::Json;
use crate::db::TenantId;
use crate::on;

/// The names of the tools of a tenant that search a database, in their order.
pub async fn list_tools_with_database(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT name, config FROM tool_definitions WHERE tenant_id = $1 AND kind = 'rag' ORDER BY name";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let names_it = |(_, config): &(String, Json)| {
        let config: serde_json::Value = config.read().unwrap_or_default();
        let names = config["databases"].as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str()).any(|name| name.eq_ignore_ascii_case(database))
    };
    Ok(rows.into_iter().filter(names_it).map(|(name, _)| name).collect())
}

/// The names of the agents of a tenant that name a database, in their order.
pub async fn list_agents_with_database(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let query =
        "SELECT name, rag_databases FROM agent_definitions WHERE tenant_id = $1 ORDER BY name";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let names_it = |(_, names): &(String, Json)| {
        let names: Vec<String> = names.read().unwrap_or_default();
        names.iter().any(|name| name.eq_ignore_ascii_case(database))
    };
    Ok(rows.into_iter().filter(names_it).map(|(name, _)| name).collect())
}
