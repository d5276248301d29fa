//! The rows of agents.

use serde_json::Value;
use sqlx::FromRow;

use crate::agents::AgentContent;
use crate::agents::AgentError;
use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::definitions::Document;
use crate::definitions::Version;
use crate::http::Invalid;
use crate::http::json::parse_strict;
use crate::http::pointer_to;
use crate::on;

const AGENT_NAME: Unique = Unique {
    name: "agent_definitions_name",
    table: "agent_definitions",
    columns: &["tenant_id", "name"],
};

/// A row as it is, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRow)]
pub struct Row {
    pub id: Id,
    pub name: String,
    display_name: String,
    description: String,
    instructions: String,
    model: Option<String>,
    model_options: Json,
    tools: Json,
    agents: Json,
    workflows: Json,
    rag_databases: Json,
    memory: Json,
    context_schema: Option<Json>,
    output_schema: Option<Json>,
    limits: Json,
    scopes: Json,
    metadata: Json,
    pub is_active: bool,
    pub version: Option<i64>,
    pub content_hash: Option<String>,
    pub created_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
    /// Whether the history has this version with this hash.
    pub is_in_history: bool,
}

/// A query that gives [`Row`]s, with the given end.
macro_rules! select_rows {
    ($end:literal) => {
        concat!(
            "SELECT id, name, display_name, description, instructions, model, model_options, tools, agents,
                 workflows, rag_databases, memory, context_schema, output_schema, limits, scopes, metadata,
                 is_active, version, content_hash, created_by, created_at, updated_at,
                 EXISTS (SELECT 1 FROM definition_versions h
                     WHERE h.tenant_id = a.tenant_id AND h.kind = 'agent' AND h.definition_id = a.id
                         AND h.version = a.version AND h.content_hash = a.content_hash) AS is_in_history
             FROM agent_definitions a ",
            $end
        )
    };
}

/// Lists all agents of a tenant. A row of which not even id and times can be read, as SQLite allows,
/// is an error of its own, so that it hides no other.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<Result<Row, sqlx::Error>>, sqlx::Error> {
    on!(conn, c => sqlx::query(select_rows!("WHERE tenant_id = $1"))
        .bind(tenant)
        .fetch_all(c)
        .await
        .map(|rows| rows.iter().map(Row::from_row).collect::<Vec<_>>()))
}

/// Keeps everybody else from changing an agent until the transaction ends.
///
/// On PostgreSQL it must be a statement of its own: one that waited for a lock sees the new row, but
/// every other table as it was before the wait.
pub async fn lock(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query(
            "SELECT 1 FROM agent_definitions WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        )
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

/// Keeps every other change through the API from agents of a tenant until the transaction ends, so
/// that what is seen of other agents holds.
///
/// On PostgreSQL it comes before any row of an agent is locked. Foreign keys do not wait for it, and
/// who writes in SQL does not know of it.
pub async fn lock_all(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query("SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE")
        .bind(tenant)
        .execute(c)
        .await)?;
    Ok(())
}

/// Finds an agent by its id.
pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Row>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Row>(select_rows!("WHERE tenant_id = $1 AND id = $2"))
        .bind(tenant)
        .bind(id)
        .fetch_optional(c)
        .await)
}

/// Inserts an agent that has not said anything yet, or says that its name is taken.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    name: &str,
    created_by: &str,
    created_at: At,
) -> Result<(), AgentError> {
    on!(conn, c => sqlx::query(
            "INSERT INTO agent_definitions
                 (tenant_id, id, name, display_name, instructions, created_by, created_at, updated_at)
             VALUES ($1, $2, $3, '', '', $4, $5, $5)",
        )
        .bind(tenant)
        .bind(id)
        .bind(name)
        .bind(created_by)
        .bind(created_at)
        .execute(c)
        .await)
    .on_unique(AGENT_NAME, || AgentError::NameTaken(name.to_owned()))?;
    Ok(())
}

/// Makes an agent say `content`, or says that its name is taken.
pub async fn update_content(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    content: &AgentContent,
) -> Result<(), AgentError> {
    let columns = Columns::of(content);
    on!(conn, c => sqlx::query(
            "UPDATE agent_definitions
             SET name = $3, display_name = $4, description = $5, instructions = $6, model = $7,
                 model_options = $8, tools = $9, agents = $10, workflows = $11, rag_databases = $12,
                 memory = $13, context_schema = $14, output_schema = $15, limits = $16, scopes = $17,
                 metadata = $18
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(&content.name)
        .bind(&content.display_name)
        .bind(&content.description)
        .bind(&content.instructions)
        .bind(columns.model())
        .bind(columns.json("model_options"))
        .bind(columns.json("tools"))
        .bind(columns.json("agents"))
        .bind(columns.json("workflows"))
        .bind(columns.json("rag_databases"))
        .bind(columns.json("memory"))
        .bind(columns.json("context_schema"))
        .bind(columns.json("output_schema"))
        .bind(columns.json("limits"))
        .bind(columns.json("scopes"))
        .bind(columns.json("metadata"))
        .execute(c)
        .await)
    .on_unique(AGENT_NAME, || AgentError::NameTaken(content.name.clone()))?;
    Ok(())
}

/// Notes which version an agent is at, and since when.
pub async fn update_version(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    version: &Version,
    updated_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE agent_definitions SET version = $3, content_hash = $4, updated_at = $5
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(version.version)
        .bind(&version.content_hash)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Switches an agent on or off.
pub async fn update_active(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    is_active: bool,
    updated_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE agent_definitions SET is_active = $3, updated_at = $4
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(id)
        .bind(is_active)
        .bind(updated_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes an agent; its history stays.
pub async fn delete(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM agent_definitions WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

impl Row {
    /// What the row says, and what of it cannot be read.
    pub fn given(&self) -> (Document, Vec<Invalid>) {
        let mut given = Given::default();
        given.text("name", &self.name);
        given.text("display_name", &self.display_name);
        given.text("description", &self.description);
        given.text("instructions", &self.instructions);
        match self.model.as_deref() {
            Some(list) if list.trim_start().starts_with('[') => given.json("model", list),
            Some(name) => given.text("model", name),
            None => {}
        }
        given.json("model_options", self.model_options.as_str());
        given.json("tools", self.tools.as_str());
        given.json("agents", self.agents.as_str());
        given.json("workflows", self.workflows.as_str());
        given.json("rag_databases", self.rag_databases.as_str());
        given.json("memory", self.memory.as_str());
        given.json("context_schema", self.context_schema.as_ref().map_or("null", Json::as_str));
        given.json("output_schema", self.output_schema.as_ref().map_or("null", Json::as_str));
        given.json("limits", self.limits.as_str());
        given.json("scopes", self.scopes.as_str());
        given.json("metadata", self.metadata.as_str());
        (given.document, given.unreadable)
    }
}

/// A document in the making.
#[derive(Default)]
struct Given {
    document: Document,
    unreadable: Vec<Invalid>,
}

impl Given {
    fn text(&mut self, member: &str, text: &str) {
        if text.contains('\0') {
            let detail = "text may not hold the character U+0000";
            self.unreadable.push(Invalid::new(pointer_to("", member), "nul", detail));
        }
        self.document.set(member, text.replace('\0', "\u{fffd}").into());
    }

    fn json(&mut self, member: &str, text: &str) {
        match parse_strict(text.as_bytes()) {
            Ok(value) => self.document.set(member, value),
            Err(malformed) => {
                let fault = Invalid::from(malformed).under(&pointer_to("", member));
                self.unreadable.push(fault);
                self.document.set(member, text.into());
            }
        }
    }
}

/// The columns of a content that are JSON.
struct Columns(Value);

impl Columns {
    fn of(content: &AgentContent) -> Self {
        Self(serde_json::to_value(content).unwrap_or_default())
    }

    fn json(&self, member: &str) -> Option<Json> {
        self.0.get(member).filter(|value| !value.is_null()).cloned().map(Json::from)
    }

    /// A name as it is, several as a JSON list.
    fn model(&self) -> Option<String> {
        match self.0.get("model") {
            Some(Value::String(name)) => Some(name.clone()),
            Some(list @ Value::Array(_)) => Some(list.to_string()),
            _ => None,
        }
    }
}
