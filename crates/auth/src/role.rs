//! What people may do: roles are bundles of scopes that have a name.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::scope::Scope;
use crate::scope::Scopes;

/// The role of a user. Each holds all that the next one holds, as far as it is about the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    Owner,
    /// The same, but for signing keys and what is set for the whole server.
    Admin,
    /// Makes agents, tools, workflows and databases, and the secrets that they use.
    Editor,
    /// Has agents work, watches runs, and decides what people are asked.
    Operator,
    /// Sees what is there.
    Viewer,
}

impl Role {
    pub const ALL: [Self; 5] =
        [Self::Owner, Self::Admin, Self::Editor, Self::Operator, Self::Viewer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// What who has it may do.
    pub fn scopes(self) -> Scopes {
        let names: &[&str] = match self {
            Self::Owner => return Scopes::all_types(),
            Self::Admin => &[
                "agent.*",
                "workflow.*",
                "tool.*",
                "rag.*",
                "run.*",
                "thread.*",
                "approval.*",
                "secret.*",
                "client.*",
                "user.*",
                "audit.read",
                "key.read",
                "mcp.access",
                "admin.read",
            ],
            Self::Editor => &[
                "agent.*",
                "workflow.*",
                "tool.*",
                "rag.*",
                "run.*",
                "thread.*",
                "approval.*",
                "secret.*",
                "mcp.access",
            ],
            Self::Operator => &[
                "agent.read",
                "agent.execute",
                "workflow.read",
                "workflow.execute",
                "tool.read",
                "tool.execute",
                "rag.read",
                "rag.search",
                "run.*",
                "thread.*",
                "approval.*",
                "mcp.access",
            ],
            Self::Viewer => &[
                "agent.read",
                "workflow.read",
                "tool.read",
                "rag.read",
                "run.read",
                "thread.read",
                "approval.read",
            ],
        };
        names.iter().filter_map(|name| name.parse::<Scope>().ok()).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_all_that_the_next_one_holds() {
        for pair in Role::ALL.windows(2) {
            let (more, less) = (pair[0].scopes(), pair[1].scopes());
            assert!(more.covers_all(&less), "{} {}", pair[0], pair[1]);
            assert!(!less.covers_all(&more), "{} {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_viewer_changes_and_begins_nothing() {
        for scope in Scope::known().filter(|scope| Role::Viewer.scopes().covers(scope)) {
            assert_eq!(scope.as_str().split_once('.').unwrap().1, "read");
            assert!(!scope.administers(), "{}", scope.as_str());
        }
    }

    #[test]
    fn roles_are_found_by_their_names() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
            assert!(!role.scopes().is_empty());
        }
        assert_eq!(Role::parse("root"), None);
    }
}
