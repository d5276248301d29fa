//! Steps of the program, which entries of workflows call. They belong to the tenant `default`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::db::TenantId;
use crate::http::Invalid;
use crate::tools::CodeTool;
use crate::tools::ToolDefinition;

/// The steps of the program, by their names in lower case. Each is called as a tool is, and is none: no model sees it.
#[derive(Debug, Clone, Default)]
pub struct CodeSteps(Arc<BTreeMap<String, Arc<ToolDefinition>>>);

impl CodeSteps {
    /// Adds a step, or says what is wrong with its name.
    pub fn add(&mut self, step: CodeTool) -> Result<(), Invalid> {
        let step = step.into_definition();
        if self.0.contains_key(&step.key()) {
            return Err(Invalid::new("/name", "not_unique", "there is a step of this name"));
        }
        Arc::make_mut(&mut self.0).insert(step.key(), Arc::new(step));
        Ok(())
    }

    /// The step `name`, whatever its case.
    pub fn find(&self, tenant: &TenantId, name: &str) -> Option<&Arc<ToolDefinition>> {
        self.of(tenant)?.get(&name.to_ascii_lowercase())
    }

    /// All steps, by name.
    pub fn all(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<ToolDefinition>> {
        self.of(tenant).into_iter().flat_map(BTreeMap::values)
    }

    /// That there is no step `name`, and which there are.
    pub fn unknown(&self, tenant: &TenantId, name: &str) -> String {
        let known: Vec<_> = self.all(tenant).map(|it| format!("`{}`", it.content.name)).collect();
        if known.is_empty() {
            return format!("the program has no step `{name}`, nor any other");
        }
        format!("the program has no step `{name}`; it has {}", known.join(", "))
    }

    fn of(&self, tenant: &TenantId) -> Option<&BTreeMap<String, Arc<ToolDefinition>>> {
        (*tenant == TenantId::default()).then_some(&*self.0)
    }
}
