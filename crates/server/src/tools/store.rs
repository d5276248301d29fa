//! What tools need to know of agents, which come after them: read from their rows.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::hash::BuildHasherDefault;
use std::hash::DefaultHasher;
use std::sync::Arc;

use engine::ReferenceKind;
use serde_json::Value;

use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::definitions::Dependent;
use crate::definitions::code_id;
use crate::on;
use crate::tools::DatabaseScopes;
use crate::tools::Known;
use crate::tools::KnownOthers;
use crate::tools::KnownServer;
use crate::tools::KnownServers;
use crate::tools::Node;

/// All agents of a tenant. A row whose scopes cannot be read is one that nobody may use.
pub async fn list_agents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<KnownOthers, sqlx::Error> {
    let query =
        "SELECT name, scopes, agents, tools, workflows FROM agent_definitions WHERE tenant_id = $1";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json, Json, Json, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let read = |(name, scopes, agents, tools, workflows): (String, Json, Json, Json, Json)| {
        let scopes = scopes.read().unwrap_or_else(|_| vec![String::new()]);
        let lists = [
            (ReferenceKind::Agent, agents),
            (ReferenceKind::Tool, tools),
            (ReferenceKind::Workflow, workflows),
        ];
        let of_list = |(kind, list): &(ReferenceKind, Json)| {
            names(list).iter().map(|it| Node::of(*kind, it)).collect::<Vec<_>>()
        };
        let calls = lists.iter().flat_map(of_list).collect();
        (name.to_ascii_lowercase(), Known { scopes, calls, fingerprint: 0 })
    };
    Ok(rows.into_iter().map(read).collect())
}

/// All workflows of a tenant, of which some were known `before`: entries that have not changed are not read again. A row
/// whose scopes cannot be read is one that nobody may use.
pub async fn list_workflows(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    before: &KnownOthers,
) -> Result<KnownOthers, sqlx::Error> {
    let query = "SELECT name, scopes, steps FROM workflow_definitions WHERE tenant_id = $1";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let read = |(name, scopes, steps): (String, Json, Json)| {
        let name = name.to_ascii_lowercase();
        let known = workflow(&scopes, &steps, before.get(&name));
        (name, known)
    };
    Ok(rows.into_iter().map(read).collect())
}

fn workflow(scopes: &Json, steps: &Json, before: Option<&Known>) -> Known {
    let scopes = scopes.read().unwrap_or_else(|_| vec![String::new()]);
    let fingerprint = BuildHasherDefault::<DefaultHasher>::default().hash_one(steps);
    let unchanged = before.filter(|it| it.fingerprint == fingerprint);
    let calls = unchanged.map_or_else(|| entries(steps).into(), |it| Arc::clone(&it.calls));
    Known { scopes, calls, fingerprint }
}

/// The scopes of all databases of a tenant. One whose scopes cannot be read is one that nobody may use.
pub async fn list_database_scopes(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<DatabaseScopes, sqlx::Error> {
    let query = "SELECT name, scopes FROM rag_databases WHERE tenant_id = $1";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let read = |(name, scopes): (String, Json)| {
        let scopes = scopes.read().unwrap_or_else(|_| vec![String::new()]);
        (name.to_ascii_lowercase(), scopes)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The servers of others of a tenant, with those that are `programs`, and which of their tools have changed. Of one whose tools
/// cannot be read none has.
pub async fn list_servers(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    programs: impl Iterator<Item = &String>,
) -> Result<KnownServers, sqlx::Error> {
    let query = "SELECT id, name, is_active FROM mcp_upstreams WHERE tenant_id = $1";
    let rows = on!(conn, c => sqlx::query_as::<_, (Id, String, bool)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let query = "SELECT upstream_id, tools FROM mcp_upstream_states WHERE tenant_id = $1";
    let states = on!(conn, c => sqlx::query_as::<_, (Id, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let states: BTreeMap<Id, Json> = states.into_iter().collect();
    // A row goes before a program of its name.
    let programs = programs.map(|name| (code_id("mcp_upstream", name), name.clone(), true));
    let read = |(id, name, is_active): (Id, String, bool)| {
        let tools = states.get(&id).and_then(|it| it.read().ok());
        let tools: Vec<Value> = tools.unwrap_or_default();
        let changed = tools.iter().filter(|it| it["changed"] == true);
        let changed = changed.filter_map(|it| it["name"].as_str().map(str::to_owned)).collect();
        (name.to_ascii_lowercase(), KnownServer { is_active, changed })
    };
    Ok(programs.chain(rows).map(read).collect())
}

/// The names of the agents of a tenant that name a tool, in their order.
pub async fn list_agents_with_tool(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    tool: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT name, tools FROM agent_definitions WHERE tenant_id = $1 ORDER BY name";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let names_it = |(_, tools): &(String, Json)| {
        names(tools).iter().any(|name| name.eq_ignore_ascii_case(tool))
    };
    Ok(rows.into_iter().filter(names_it).map(|(name, _)| name).collect())
}

/// The names of the workflows of a tenant with an entry that calls `called`, in their order.
pub async fn list_workflows_with(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    called: &Node,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let query = "SELECT name, steps FROM workflow_definitions WHERE tenant_id = $1 ORDER BY name";
    let rows = on!(conn, c => sqlx::query_as::<_, (String, Json)>(query)
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let names_it = |(_, steps): &(String, Json)| entries(steps).contains(called);
    let named = |(name, _)| Dependent { kind: "workflow", name };
    Ok(rows.into_iter().filter(names_it).map(named).collect())
}

/// What the entries of a workflow call.
fn entries(steps: &Json) -> Vec<Node> {
    let steps: Value = steps.read().unwrap_or_default();
    engine::named(&steps).into_iter().map(|(kind, name)| Node::of(kind, name)).collect()
}

/// The names in a list of them, or of objects that have them.
fn names(list: &Json) -> Vec<String> {
    let list: Vec<Value> = list.read().unwrap_or_default();
    let name = |it: &Value| it.as_str().or_else(|| it.get("name")?.as_str()).map(str::to_owned);
    list.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_that_have_not_changed_are_not_read_again() {
        let json = |value: Value| Json::of(&value).unwrap();
        let calls = |tool: &str| json(json!([{"id": "a", "type": "tool", "tool": tool}]));
        let known = workflow(&json(json!([])), &calls("pay"), None);
        assert_eq!(*known.calls, [Node::tool("pay")]);

        let again = workflow(&json(json!(["x.y"])), &calls("pay"), Some(&known));
        assert!(Arc::ptr_eq(&again.calls, &known.calls));
        assert_eq!(again.scopes, ["x.y"]);
        let changed = workflow(&json(json!([])), &calls("put"), Some(&known));
        assert_eq!(*changed.calls, [Node::tool("put")]);
    }
}
