//! Tools: what a model may call, and what we do when it does.
//!
//! Those that are here are built in. Offering, checking and recording calls is not done here.

mod current_time;
pub mod http;
pub mod openapi;
mod progress;
pub mod routes;

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
use crate::http::Invalid;
use crate::tools::current_time::CurrentTime;
pub use crate::tools::progress::Progress;
pub use crate::tools::progress::Reports;

/// How ids call tools.
const KIND: &str = "tool";

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
    pub(crate) reports: Arc<Reports>,
}

impl ToolContext {
    /// Lets those who watch the run know how far the call is: it becomes an event `tool.progress`. Of
    /// what is said within half a second the last word counts, and of one call a thousand.
    pub fn report(&self, progress: Progress) {
        self.reports.put(&self.call_id, progress);
    }
}

/// All tools there are, by their names in lower case.
#[derive(Clone)]
pub struct Tools {
    /// Of every tenant.
    built_in: Arc<BTreeMap<String, Arc<dyn Tool>>>,
    /// Of the tenant `default`.
    code: Arc<BTreeMap<String, Arc<dyn Tool>>>,
}

impl Tools {
    /// Those that every server has. Fails only if the schema of one is none.
    pub fn built_in() -> Result<Self, String> {
        let tools: [Arc<dyn Tool>; 1] = [Arc::new(CurrentTime::new()?)];
        let named = tools.map(|tool| (key(tool.spec().name()), tool));
        Ok(Self { built_in: Arc::new(BTreeMap::from(named)), code: Arc::default() })
    }

    /// Adds a tool that is defined in code, or says what is wrong with its name.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), Invalid> {
        let key = key(tool.spec().name());
        if self.built_in.contains_key(&key) || self.code.contains_key(&key) {
            return Err(Invalid::new("/name", "not_unique", "there is a tool of this name"));
        }
        Arc::make_mut(&mut self.code).insert(key, tool);
        Ok(())
    }

    /// The tool of that name, whatever its case.
    pub fn find(&self, tenant: &TenantId, name: &str) -> Option<Arc<dyn Tool>> {
        let key = key(name);
        let code = || self.code_of(tenant)?.get(&key);
        self.built_in.get(&key).or_else(code).cloned()
    }

    /// All tools of a tenant, by their names.
    pub fn list(&self, tenant: &TenantId) -> Vec<Arc<dyn Tool>> {
        let code = self.code_of(tenant).into_iter().flat_map(BTreeMap::values);
        let mut tools: Vec<_> = self.built_in.values().chain(code).cloned().collect();
        tools.sort_by_key(|tool| key(tool.spec().name()));
        tools
    }

    fn code_of(&self, tenant: &TenantId) -> Option<&BTreeMap<String, Arc<dyn Tool>>> {
        (*tenant == TenantId::default()).then_some(&*self.code)
    }
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.built_in.keys()).entries(self.code.keys()).finish()
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
