//! Tools: what a model may call, and what we do when it does.
//!
//! Those that are here are built in. Offering, checking and recording calls is not done here.

mod current_time;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use auth::scope::Scope;
use engine::ToolSpec;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::tools::current_time::CurrentTime;

/// Something that a model may call.
pub trait Tool: Send + Sync {
    /// What the model is told, and what a repetition would do.
    fn spec(&self) -> &ToolSpec;

    /// What a caller must hold, all of it, to use the tool; also through an agent.
    fn scopes(&self) -> &[Scope] {
        &[]
    }

    /// Makes one call, with arguments that the schema accepts. An error is words for the model.
    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, String>>;
}

/// On whose behalf and when a tool is called.
#[derive(Debug, Clone)]
pub struct ToolContext {
    pub tenant: TenantId,
    pub subject: String,
    pub run_id: Id,
    pub call_id: String,
    /// The same for every attempt of this call.
    pub effect_id: String,
    pub now: At,
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
