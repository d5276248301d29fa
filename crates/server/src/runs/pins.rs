//! The versions of tools that a run is pinned to: those that there were when it was asked for.
//!
//! Whatever becomes of a tool meanwhile, a run calls what it began with, so that what was approved is what
//! is called, on whatever process and after however long. Only one that is switched off or deleted is not
//! called any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ReferenceKind;
use engine::RunKind;
use engine::ToolStarted;
use serde::Deserialize;
use serde::Serialize;

use super::RunsError;
use super::asked::Asked;
use super::service::Runs;
use crate::agents::Agent;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Source;
use crate::tools::Does;
use crate::tools::ToolDefinition;
use crate::tools::database_of;
use crate::tools::search_of;
use crate::workflows::Workflow;

/// The tools of a run, by their names in lower case.
pub type Pins = BTreeMap<String, Pin>;

/// A version of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub id: Id,
    /// 0 for a tool of the code, of which there is always the one of the release.
    pub version: i64,
}

impl Pin {
    pub fn of(tool: &ToolDefinition) -> Self {
        Self { id: tool.id, version: tool.version }
    }
}

/// Tools, and the engine that a run with them needs.
#[derive(Debug, Clone)]
pub struct Pinned {
    pub tools: Pins,
    pub engine: i32,
}

/// The versions of the tools of `agent` as they are now; what is not there is left out.
pub async fn pin(runs: &Runs, tenant: &TenantId, agent: &Agent) -> Result<Pinned, RunsError> {
    let tools = agent.content.tools.iter().map(|it| &*it.name);
    let runs_workflows = !agent.content.workflows.is_empty();
    let kind = if runs_workflows { RunKind::Workflow } else { RunKind::Agent };
    pin_all(runs, tenant, tools, kind).await
}

/// The same of `tool`, which is called alone.
pub fn pin_tool(tool: &ToolDefinition) -> Pinned {
    let tools = Pins::from([(tool.key(), Pin::of(tool))]);
    Pinned { tools, engine: engine_of(RunKind::Tool, tool) }
}

/// The engine that a run of this kind needs if it calls `tool`.
fn engine_of(kind: RunKind, tool: &ToolDefinition) -> i32 {
    let begun = match tool.ready.does {
        Some(Does::Run(_)) => RunKind::Workflow,
        Some(Does::Ask(_) | Does::Call(_)) | None => kind,
    };
    engine::engine_of(kind).max(engine::engine_of(begun))
}

/// The same of the tools of `workflow`.
pub async fn pin_workflow(
    runs: &Runs,
    tenant: &TenantId,
    workflow: &Workflow,
) -> Result<Pinned, RunsError> {
    let named = workflow.ready.workflow.iter().flat_map(|it| it.references());
    let tools: Vec<_> = named.filter(|it| it.kind == ReferenceKind::Tool).collect();
    pin_all(runs, tenant, tools.iter().map(|it| &*it.name), RunKind::Workflow).await
}

async fn pin_all(
    runs: &Runs,
    tenant: &TenantId,
    names: impl Iterator<Item = &str>,
    kind: RunKind,
) -> Result<Pinned, RunsError> {
    let (mut tools, mut engine) = (Pins::new(), engine::engine_of(kind));
    for name in names {
        if let Some(tool) = runs.tools.find(tenant, name).await? {
            engine = engine.max(engine_of(kind, &tool));
            tools.insert(name.to_ascii_lowercase(), Pin::of(&tool));
        }
    }
    Ok(Pinned { tools, engine })
}

/// The tool `name` of a run, in its version. Runs of the first releases have none: they take what there is.
pub async fn find(
    runs: &Runs,
    tenant: &TenantId,
    asked: &Asked,
    name: &str,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    let Some(pins) = &asked.tools else { return Ok(runs.tools.find(tenant, name).await?) };
    match pins.get(&name.to_ascii_lowercase()) {
        Some(pin) => at(runs, tenant, *pin).await,
        None => Ok(None),
    }
}

/// The same at another version, if one is named, as entries of workflows may.
pub async fn find_at(
    runs: &Runs,
    tenant: &TenantId,
    asked: &Asked,
    name: &str,
    version: Option<i64>,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    let pins = asked.tools.as_ref();
    match (version, pins.and_then(|pins| pins.get(&name.to_ascii_lowercase()))) {
        (Some(version), Some(pin)) => at(runs, tenant, Pin { version, ..*pin }).await,
        _ => find(runs, tenant, asked, name).await,
    }
}

/// The tool of a call that is begun.
pub async fn of_call(
    runs: &Runs,
    tenant: &TenantId,
    asked: &Asked,
    ToolStarted { tool: name, version, .. }: &ToolStarted,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    match find_at(runs, tenant, asked, name, *version).await? {
        Some(tool) => Ok(Some(tool)),
        None => called(runs, tenant, asked, name).await,
    }
}

/// The tool `name` of a run that calls it: it may also be the one that searches a database, which is as it is now.
pub async fn called(
    runs: &Runs,
    tenant: &TenantId,
    asked: &Asked,
    name: &str,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    let found = find(runs, tenant, asked, name).await?;
    let (None, Some(database)) = (&found, database_of(name)) else { return Ok(found) };
    let database = runs.rag.databases().find(tenant, database).await?;
    Ok(database.map(|database| Arc::new(search_of(&runs.rag, &database))))
}

/// The tool at a version.
pub async fn at(
    runs: &Runs,
    tenant: &TenantId,
    Pin { id, version }: Pin,
) -> Result<Option<Arc<ToolDefinition>>, RunsError> {
    let current = runs.tools.find(tenant, &id.to_string()).await?;
    match current {
        Some(tool) if tool.version == version => Ok(Some(tool)),
        _ => Ok(runs.tools.version(tenant, id, version).await?),
    }
}

/// Why a tool cannot be called, in words for a model.
pub fn refusal(tool: &ToolDefinition) -> Option<String> {
    let name = &tool.content.name;
    if !tool.is_active && tool.source == Source::Database {
        return Some(format!("the tool `{name}` is switched off"));
    }
    let problem = tool.problems.first()?;
    Some(format!("the tool `{name}` cannot be used: {}", problem.detail))
}
