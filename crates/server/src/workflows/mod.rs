//! Workflows: what they are and where they are kept.
//!
//! A workflow is a row of `workflow_definitions`, written by the API or in SQL. The row is the truth; [`Workflows`]
//! holds what it was understood to say. What its entries mean, the engine says. Nothing here executes one.

mod content;
mod kind;
mod normalise;
mod references;
pub mod routes;
pub mod store;
pub mod triggers;

use std::collections::BTreeMap;

use crate::agents::Agents;
use crate::definitions::Definition;
use crate::definitions::Definitions;
use crate::definitions::InCode;
use crate::definitions::Snapshot;

pub use content::WorkflowContent;
pub use content::WorkflowLimits;
pub use kind::WorkflowKind;

/// The definition of a workflow, at one of its versions.
pub type Workflow = Definition<WorkflowKind>;

/// The workflows of all tenants.
pub type Workflows = Definitions<WorkflowKind>;

impl Workflows {
    /// Those that name these agents, and their tools. The code defines none.
    pub fn of(agents: Agents) -> Self {
        let kind = WorkflowKind { agents: agents.clone() };
        Self::beside(&agents, kind, InCode::Versioned(BTreeMap::new()))
    }
}

/// The workflows around one, and the agents and tools that they name.
type Around = Snapshot<WorkflowKind>;
