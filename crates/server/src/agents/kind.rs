//! What makes a definition one of an agent.

use crate::agents::AgentContent;
use crate::agents::instructions::Instructions;
use crate::agents::models::Models;
use crate::agents::normalise::normalise;
use crate::agents::references;
use crate::agents::references::Others;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::Broken;
use crate::definitions::Content;
use crate::definitions::DefinitionError;
use crate::definitions::Dependent;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::Normalised;
use crate::definitions::Slug;
use crate::definitions::Snapshot;
use crate::definitions::Table;
use crate::definitions::Words;
use crate::http::Invalid;
use crate::rag::Embedders;
use crate::table;
use crate::tools::Node;
use crate::tools::ToolSnapshot;
use crate::tools::Tools;
use crate::tools::list_workflows_with;

/// The kind of definition that an agent is, with what agents refer to.
#[derive(Debug, Clone)]
pub struct AgentKind {
    pub models: Models,
    pub tools: Tools,
    /// For what agents recall of their threads.
    pub embedders: Embedders,
}

static TABLE: Table = table!("agent_definitions", "agent", {
    "name": Text = "$6",
    "display_name": Text = "$7",
    "description": Text = "$8",
    "instructions": Text = "$9",
    "model": TextOrList = "$10",
    "model_options": Json = "$11",
    "tools": Json = "$12",
    "agents": Json = "$13",
    "workflows": Json = "$14",
    "rag_databases": Json = "$15",
    "memory": Json = "$16",
    "context_schema": Json = "$17",
    "output_schema": Json = "$18",
    "limits": Json = "$19",
    "scopes": Json = "$20",
    "metadata": Json = "$21",
});

static WORDS: Words = Words {
    name: "agent",
    not_found: Slug::new("agent-not-found"),
    version_not_found: Slug::new("agent-version-not-found"),
    name_taken: Slug::new("agent-name-taken"),
    in_use: Slug::new("agent-in-use"),
    invalid: Slug::new("agent-invalid"),
};

impl Kind for AgentKind {
    const WORDS: &'static Words = &WORDS;
    const SCHEMA: &'static str = "Agent";
    const TABLE: &'static Table = &TABLE;
    const WATCHED: &'static [&'static str] = &[
        "agent_definitions",
        "tool_definitions",
        "workflow_definitions",
        "rag_databases",
        "secrets",
    ];
    const EXECUTE: &'static str = "agent.execute";

    type Content = AgentContent;
    type Ready = Instructions;
    /// The tools of the tenant, and what is around them.
    type View = ToolSnapshot;

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(given, unreadable)
    }

    fn ready(&self, _: Id, _: i64, content: &AgentContent) -> Instructions {
        Instructions::new(&content.instructions, content.context_schema.as_ref())
            .unwrap_or_else(|_| Instructions::Text(content.instructions.clone()))
    }

    /// Tools are looked up whenever an agent is executed.
    async fn call_up(&self, tenant: &TenantId) -> Result<(), DefinitionError> {
        self.tools.snapshot(tenant).await.map(drop)
    }

    async fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: &Self::View,
    ) -> Result<ToolSnapshot, DefinitionError> {
        self.tools.seen_by(conn, tenant).await
    }

    fn follow(&self, _: &TenantId, content: &AgentContent, around: &Snapshot<Self>) -> Broken {
        let others = Others {
            tools: &|name| around.view.find_by_name(name).is_some(),
            agents: &|name| around.find_by_name(name).is_some(),
            workflows: &|name| around.view.view.workflow(name).is_some(),
            databases: &|name| around.view.view.to_search(name).is_some(),
        };
        let mut broken = references::follow(&self.models, content, others);
        references::follow_recall(&self.embedders, content, &mut broken);
        broken
    }

    fn beyond(
        &self,
        author: Author<'_>,
        content: &AgentContent,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let mut faults = references::beyond_rights(author, content, around);
        faults.extend(references::cycles(content, around));
        faults
    }

    async fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        id: Id,
        name: &str,
        around: &Snapshot<Self>,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        let names_it = |content: &AgentContent| {
            content.agents.iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        let others = around.newest_first(None).filter(|other| other.id != id);
        let agents = others
            .filter(|other| names_it(&other.content))
            .map(|other| Dependent { kind: "agent", name: other.content.name.clone() });
        let mut dependents: Vec<_> = agents.collect();
        let own = Node::agent(name);
        dependents.extend(self.tools.that_begin(conn, tenant, &own).await?);
        dependents.extend(list_workflows_with(conn, tenant, &own).await?);
        Ok(dependents)
    }
}

impl Content for AgentContent {
    fn name(&self) -> &str {
        &self.name
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
