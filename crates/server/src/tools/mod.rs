//! Tools: what a model may call, and what we do when it does.
//!
//! Those that are here are built in. Offering, checking and recording calls is not done here.

mod current_time;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::scope::Scope;
use engine::ToolSpec;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::tools::current_time::CurrentTime;

/// How long a call may take if its tool says nothing else.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Something that a model may call.
pub trait Tool: Send + Sync {
    /// What the model is told, and what a repetition would do.
    fn spec(&self) -> &ToolSpec;

    /// What a caller must hold, all of it, to use the tool; also through an agent.
    fn scopes(&self) -> &[Scope] {
        &[]
    }

    /// How long a call may take; after that nobody waits for its result.
    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    /// Makes one call, with arguments that the schema accepts. It may panic: that ends the call.
    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>>;
}

/// Why a call gave no result, in words for the model.
///
/// There is no conversion from other errors: only who made the call knows which of the two it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolFailure {
    /// Nothing was done: the far side said no, or was never reached. The call may be made anew.
    #[error("{0}")]
    Failed(String),
    /// The call was sent and its answer was lost, so that nobody knows whether it was done.
    #[error("{0}")]
    Unknown(String),
}

impl ToolFailure {
    /// Nothing was done, because of `why`.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// Nobody knows whether it was done, because of `why`.
    pub fn unknown(why: impl fmt::Display) -> Self {
        Self::Unknown(why.to_string())
    }
}

/// On whose behalf and when a tool is called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ToolContext {
    pub tenant: TenantId,
    /// Who began the run: `client:<client_id>` or `user:<id>`.
    pub subject: String,
    pub run_id: Id,
    pub call_id: String,
    /// The same for every attempt of this call, and of no other: an `Idempotency-Key`.
    pub effect_id: String,
    pub now: At,
    /// Fires when nobody waits for the result any more: the run was canceled, or the time is up. The
    /// call itself is dropped then; this is for what it has started beside itself.
    pub abandoned: CancellationToken,
}

/// All tools there are.
#[derive(Clone)]
pub struct Tools(Arc<BTreeMap<String, Arc<dyn Tool>>>);

impl Tools {
    /// Those that every server has. Fails only if the schema of one is none.
    pub fn built_in() -> Result<Self, String> {
        let tools: [Arc<dyn Tool>; 1] = [Arc::new(CurrentTime::new()?)];
        let named = tools.map(|tool| (tool.spec().tool.name.to_ascii_lowercase(), tool));
        Ok(Self(Arc::new(BTreeMap::from(named))))
    }

    /// The tool of that name, whatever its case. Tenants have none of their own yet.
    pub fn find(&self, _tenant: &TenantId, name: &str) -> Option<Arc<dyn Tool>> {
        self.0.get(&name.to_ascii_lowercase()).cloned()
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_tool_is_found_whatever_the_case_of_its_name() {
        let tools = Tools::built_in().unwrap();
        let tenant = TenantId::default();

        assert_eq!(tools.find(&tenant, "Current_Time").unwrap().spec().tool.name, "current_time");
        assert!(tools.find(&tenant, "tool1").is_none());
    }
}
