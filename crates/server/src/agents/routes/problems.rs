//! Which error is which status.

use http::StatusCode;

use crate::agents::AgentError;
use crate::http::Problem;
use crate::oauth::caller::insufficient;

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::NotFound(_) => Self::not_found("agent-not-found", error),
            AgentError::VersionNotFound(_) => Self::not_found("agent-version-not-found", error),
            AgentError::NameTaken(_) => Self::conflict("agent-name-taken", error),
            AgentError::InUse(ref names) => {
                Self::conflict("agent-in-use", &error).with("dependents", names)
            }
            AgentError::ReadOnly(_) => Self::conflict("read-only", error),
            AgentError::MissingScope(scope) => insufficient(&[&scope]),
            AgentError::Changed { current } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "version-changed", error)
                    .with("version", current)
            }
            AgentError::Invalid(errors) => Self::invalid(errors),
            AgentError::Unreadable { version: _, ref faults } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "agent-invalid", &error)
                    .errors(faults.clone())
            }
            AgentError::Database(_) => Self::internal(&error),
        }
    }
}
