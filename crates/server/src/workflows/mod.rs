//! Workflows: what they are and where they are kept.
//!
//! A workflow is a row of `workflow_definitions`, written by the API or in SQL. The row is the truth; [`Workflows`]
//! holds what it was understood to say. What its entries mean, the engine says. Nothing here executes one.

mod content;
mod kind;
mod normalise;
mod references;
pub mod routes;
mod steps;
pub mod store;
mod tool;
pub mod triggers;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agents::Agents;
use crate::db::TenantId;
use crate::definitions::Definition;
use crate::definitions::Definitions;
use crate::definitions::InCode;
use crate::definitions::Snapshot;
use crate::tools::ToolDefinition;

pub use content::WorkflowContent;
pub use content::WorkflowLimits;
pub use kind::WorkflowKind;
pub use steps::CodeSteps;
pub use tool::as_tool;
pub use tool::given_by;
pub use tool::is_of_objects;
pub use tool::object;

/// The definition of a workflow, at one of its versions.
pub type Workflow = Definition<WorkflowKind>;

/// The workflows of all tenants.
pub type Workflows = Definitions<WorkflowKind>;

impl Workflows {
    /// Those that name these agents, their tools, and these steps. The code defines none.
    pub fn of(agents: Agents, steps: CodeSteps) -> Self {
        let kind = WorkflowKind { agents: agents.clone(), steps };
        Self::beside(&agents, kind, InCode::Versioned(BTreeMap::new()))
    }

    /// The step of the program that entries call `name`.
    pub fn step(&self, tenant: &TenantId, name: &str) -> Option<Arc<ToolDefinition>> {
        self.kind().steps.find(tenant, name).cloned()
    }
}

/// The workflows around one, and the agents and tools that they name.
type Around = Snapshot<WorkflowKind>;
