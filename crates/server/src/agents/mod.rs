//! Agents: what they are, where they are kept, and which models they speak with.
//!
//! An agent is a row of `agent_definitions`, written by the API or in SQL, or is defined in code. The
//! row is the truth; [`Agents`] holds what it was understood to say. Executing one is done in `runs`.

mod code;
mod content;
mod handle;
mod instructions;
pub mod models;
pub mod normalise;
mod references;
pub mod routes;
mod save;
mod settle;
mod snapshot;
mod store;
mod understand;

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Id;
use crate::definitions::Source;
use crate::definitions::Version;
use crate::http::Invalid;

pub use code::CodeAgents;
pub use content::AgentContent;
pub use content::Approval;
pub use content::Memory;
pub use content::ModelNames;
pub use content::ToolUse;
pub use handle::Agents;
pub use instructions::Variables;
pub use save::Author;
pub use save::Force;
pub use save::Switch;

use instructions::Instructions;

/// How the history calls agents.
const KIND: &str = "agent";

/// The definition of an agent, at one of its versions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Agent {
    pub id: Id,
    #[serde(flatten)]
    pub content: AgentContent,
    /// Whether it may be used.
    pub is_active: bool,
    pub source: Source,
    /// Where there is another of the same name, that is hidden by this one.
    #[schema(required)]
    pub shadows: Option<Source>,
    /// Counts the contents that it had.
    pub version: i64,
    #[schema(example = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    pub content_hash: String,
    /// Why it cannot be executed; empty if it can.
    pub problems: Vec<Invalid>,
    #[schema(required, example = "client:admin")]
    pub created_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
    #[serde(skip)]
    instructions: Arc<Instructions>,
    /// What is wrong with it by itself, whatever there is around it.
    #[serde(skip)]
    own_problems: Vec<Invalid>,
    /// Of its row.
    #[serde(skip)]
    fingerprint: u64,
}

/// Why an operation on an agent failed.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("no agent has the name or id `{0}`")]
    NotFound(String),
    #[error("the agent has no version {0}")]
    VersionNotFound(i64),
    #[error("an agent named `{0}` already exists")]
    NameTaken(String),
    #[error("other agents name it: {}", .0.join(", "))]
    InUse(Vec<String>),
    /// Who may not execute an agent may not make it one that he may execute.
    #[error("the agent is only for who holds `{0}`")]
    MissingScope(String),
    #[error("the agent `{0}` is defined in code, and only changed there")]
    ReadOnly(String),
    #[error("the agent is at version {current} now")]
    Changed { current: i64 },
    #[error("the definition is not valid")]
    Invalid(Vec<Invalid>),
    #[error("version {version} of the agent cannot be read")]
    Unreadable { version: i64, faults: Vec<Invalid> },
    #[error("the database refused an agent query")]
    Database(#[from] sqlx::Error),
}

impl AgentError {
    fn unreadable(version: &Version) -> Self {
        Self::Unreadable { version: version.version, faults: version.faults() }
    }
}

impl Agent {
    /// What the model is told in one run, or what is wrong with the context of its request.
    pub fn instructions(&self, variables: Variables<'_>) -> Result<String, Vec<Invalid>> {
        self.instructions.fill(variables)
    }
}
