//! The versions of tools that a run is pinned to: those that there were when it was asked for.
//!
//! Whatever becomes of a tool meanwhile, a run calls what it began with, so that what was approved is what
//! is called, on whatever process and after however long. Only one that is switched off or deleted is not
//! called any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::RunsError;
use super::asked::Asked;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::ToolUse;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Source;
use crate::tools::ToolDefinition;
use crate::tools::database_of;
use crate::tools::search_of;

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

/// The versions of the tools of `agent` as they are now; what is not there is left out.
pub async fn pin(runs: &Runs, tenant: &TenantId, agent: &Agent) -> Result<Pins, RunsError> {
    let mut pins = Pins::new();
    for ToolUse { name, .. } in &agent.content.tools {
        if let Some(tool) = runs.tools.find(tenant, name).await? {
            pins.insert(name.to_ascii_lowercase(), Pin::of(&tool));
        }
    }
    Ok(pins)
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

/// The same of a tool that is called: it may also be the one that searches a database, which is as it is now.
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
