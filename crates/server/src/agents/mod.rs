//! Agents: what they are, where they are kept, and which models they speak with.
//!
//! An agent is a row of `agent_definitions`, written by the API or in SQL, or is defined in code. The
//! row is the truth; [`Agents`] holds what it was understood to say. Executing one is done in `runs`.

mod code;
mod content;
mod instructions;
mod kind;
pub mod models;
pub mod normalise;
mod references;
pub mod routes;

use crate::definitions::Definition;
use crate::definitions::Definitions;
use crate::definitions::Snapshot;
use crate::http::Invalid;

pub use code::CodeAgents;
pub use content::AgentContent;
pub use content::Memory;
pub use content::ModelNames;
pub use content::RecallScope;
pub use content::SemanticRecall;
pub use content::ToolUse;
pub use instructions::Variables;
pub use kind::AgentKind;

/// The definition of an agent, at one of its versions.
pub type Agent = Definition<AgentKind>;

/// The agents of all tenants.
pub type Agents = Definitions<AgentKind>;

impl Agent {
    /// What the model is told in one run, or what is wrong with the context of its request.
    pub fn instructions(&self, variables: Variables<'_>) -> Result<String, Vec<Invalid>> {
        self.ready.fill(variables)
    }
}

/// The agents and tools around one.
type Around = Snapshot<AgentKind>;
