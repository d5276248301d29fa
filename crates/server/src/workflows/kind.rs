//! What makes a definition one of a workflow.

use std::sync::Arc;

use engine::Parts;
use serde_json::Map;
use serde_json::Value;

use crate::agents::AgentKind;
use crate::agents::Agents;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::Broken;
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
use crate::http::schema::Schema;
use crate::table;
use crate::tools::Node;
use crate::tools::list_workflows_with;
use crate::workflows::CodeSteps;
use crate::workflows::WorkflowContent;
use crate::workflows::normalise::normalise;
use crate::workflows::references;
use crate::workflows::triggers;
use crate::workflows::triggers::Trigger;

/// The kind of definition that a workflow is, with what workflows refer to.
#[derive(Debug, Clone)]
pub struct WorkflowKind {
    pub agents: Agents,
    pub steps: CodeSteps,
}

/// A workflow made ready for its runs.
#[derive(Debug)]
pub struct Ready {
    /// None: it is not valid, and never executed.
    pub workflow: Option<Arc<engine::Workflow>>,
    /// What its input must be.
    pub input: Option<Schema>,
}

static TABLE: Table = table!("workflow_definitions", "workflow", {
    "name": Text = "$6",
    "display_name": Text = "$7",
    "description": Text = "$8",
    "input_schema": Json = "$9",
    "output_schema": Json = "$10",
    "steps": Json = "$11",
    "output": Json = "$12",
    "limits": Json = "$13",
    "triggers": Json = "$14",
    "scopes": Json = "$15",
    "metadata": Json = "$16",
});

static WORDS: Words = Words {
    name: "workflow",
    not_found: Slug::new("workflow-not-found"),
    version_not_found: Slug::new("workflow-version-not-found"),
    name_taken: Slug::new("workflow-name-taken"),
    in_use: Slug::new("workflow-in-use"),
    invalid: Slug::new("workflow-invalid"),
};

impl Kind for WorkflowKind {
    const WORDS: &'static Words = &WORDS;
    const SCHEMA: &'static str = "Workflow";
    const TABLE: &'static Table = &TABLE;
    const WATCHED: &'static [&'static str] = &[
        "workflow_definitions",
        "agent_definitions",
        "tool_definitions",
        "rag_databases",
        "secrets",
    ];
    const EXECUTE: &'static str = "workflow.execute";

    type Content = WorkflowContent;
    type Ready = Ready;
    /// The agents of the tenant, and what is around them.
    type View = Arc<Snapshot<AgentKind>>;

    fn understand(&self, given: Document, unreadable: Vec<Invalid>) -> Normalised<Self> {
        normalise(given, unreadable)
    }

    async fn examine(&self, tenant: &TenantId, given: &Map<String, Value>) -> Vec<Invalid> {
        let makers = &self.agents.kind().tools.kind().makers;
        let steps = given.get("steps").unwrap_or(&Value::Null);
        let (output, input_schema, output_schema) = (None, given.get("input_schema"), None);
        let limits = engine::Limits::default();
        let parts = Parts { steps, output, input_schema, output_schema, limits };
        let mut faults = Vec::new();
        // What is wrong with one that is none is said elsewhere.
        for (place, code) in
            engine::Workflow::parse(parts).iter().flat_map(engine::Workflow::scripts)
        {
            let script = Map::from_iter([("execute_code".to_owned(), Value::from(code))]);
            let found = makers.examine(tenant, &script).await.into_iter();
            faults.extend(found.map(|it| Invalid { pointer: place.clone(), ..it }));
        }
        faults
    }

    fn ready(&self, _: Id, _: i64, content: &WorkflowContent) -> Ready {
        let input = content.input_schema.clone().and_then(|it| Schema::compile(it).ok());
        Ready { workflow: content.parse().ok().map(Arc::new), input }
    }

    async fn call_up(&self, tenant: &TenantId) -> Result<(), DefinitionError> {
        self.agents.snapshot(tenant).await.map(drop)
    }

    async fn look(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: &Self::View,
    ) -> Result<Arc<Snapshot<AgentKind>>, DefinitionError> {
        self.agents.seen_by(conn, tenant).await
    }

    fn follow(
        &self,
        tenant: &TenantId,
        content: &WorkflowContent,
        around: &Snapshot<Self>,
    ) -> Broken {
        let mut broken = references::follow(content, around, (&self.steps, tenant));
        triggers::follow(content, around, &mut broken);
        broken
    }

    fn taken(
        &self,
        content: &WorkflowContent,
        own: Option<Id>,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        triggers::taken(content, own, around)
    }

    fn acts_for_author(content: &WorkflowContent) -> bool {
        content.triggers.iter().any(Trigger::is_unattended)
    }

    fn beyond(
        &self,
        author: Author<'_>,
        content: &WorkflowContent,
        around: &Snapshot<Self>,
    ) -> Vec<Invalid> {
        let mut faults = references::beyond_rights(author, content, around, &self.steps);
        faults.extend(references::cycles(content, around));
        faults.extend(triggers::missing_rights(author, content));
        faults
    }

    async fn dependents(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
        _: Id,
        name: &str,
        around: &Snapshot<Self>,
    ) -> Result<Vec<Dependent>, DefinitionError> {
        let own = Node::workflow(name);
        let runs_it = |it: &String| it.eq_ignore_ascii_case(name);
        let agents = around.view.newest_first(None);
        let agents = agents.filter(|it| it.content.workflows.iter().any(runs_it));
        let agents = agents.map(|it| Dependent { kind: "agent", name: it.content.name.clone() });
        let mut dependents: Vec<_> = agents.collect();
        dependents.extend(self.agents.kind().tools.that_begin(conn, tenant, &own).await?);
        let workflows = list_workflows_with(conn, tenant, &own).await?;
        let others = workflows.into_iter().filter(|it| !it.name.eq_ignore_ascii_case(name));
        dependents.extend(others);
        Ok(dependents)
    }
}
