//! How far a run may go, and what is said when it may go no further.

use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::outcome::RunError;
use crate::outcome::RunErrorKind;

/// How far a run may go. `null` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Turns of the model.
    #[schema(minimum = 1, maximum = 1000)]
    pub max_steps: u32,
    /// Tokens of all model calls together, in and out.
    #[schema(minimum = 1)]
    pub max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>, minimum = 0)]
    pub max_cost_usd: Option<Usd>,
    /// Tool calls that are made at once; what a turn has beyond them follows when these are done.
    #[schema(minimum = 1, maximum = 64)]
    pub max_parallel_tool_calls: u32,
    /// From the first event to the last.
    #[schema(minimum = 1, maximum = 86_400_000)]
    pub timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 20,
            max_tokens: None,
            max_cost_usd: None,
            max_parallel_tool_calls: 8,
            timeout_ms: 600_000,
        }
    }
}

/// A limit ended the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitReached {
    /// The member of `limits`, such as `max_steps`.
    pub limit: String,
    pub value: Value,
    pub used: Value,
    /// What the next model call may need; `null` if that is not known. Absent if the limit is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Value>,
    /// Whose limit it is.
    pub owner: LimitOwner,
}

impl LimitReached {
    /// Why the run failed.
    pub(crate) fn error(&self) -> RunError {
        let LimitReached { limit, value, used, needs, owner } = self;
        let whose = match owner {
            LimitOwner::Run => "the run reached its".to_owned(),
            owner => format!("the {} reached its daily", owner.as_str()),
        };
        let why = match needs {
            None => String::new(),
            Some(needs) if needs.is_null() || used.is_null() => {
                ": what a call costs is unknown".into()
            }
            Some(needs) => format!(": {used} is used, and the next call may need {needs}"),
        };
        RunError::new(RunErrorKind::Limit, format!("{whose} {limit} of {value}{why}"))
    }
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LimitOwner {
    Run,
    Agent,
    Client,
    User,
    Tenant,
}

impl LimitOwner {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Agent => "agent",
            Self::Client => "client",
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }
}
