pub mod models;
use crate::db::*;
use crate::http::Invalid;
use std::sync::Arc;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub enum AgentError {
    Database(#[from] sqlx::Error),
}
impl From<AgentError> for crate::http::Problem {
    fn from(e: AgentError) -> Self {
        Self::internal(&e)
    }
}
#[derive(Debug, Clone)]
pub struct Agents;
impl Agents {
    pub async fn find(&self, _: &TenantId, _: &str) -> Result<Option<Arc<Agent>>, AgentError> {
        Ok(None)
    }
    pub async fn version(
        &self,
        _: &TenantId,
        _: Id,
        _: i64,
    ) -> Result<Option<Arc<Agent>>, AgentError> {
        Ok(None)
    }
}
#[derive(Debug)]
pub struct Agent {
    pub id: Id,
    pub version: i64,
    pub content: AgentContent,
    pub problems: Vec<Invalid>,
    pub is_active: bool,
}
#[derive(Debug)]
pub struct AgentContent {
    pub name: String,
    pub model: Option<Vec<String>>,
    pub tools: Vec<ToolUse>,
    pub scopes: Vec<String>,
    pub limits: engine::Limits,
    pub model_options: llm::ModelOptions,
}
impl AgentContent {
    pub fn instructions_for(
        &self,
        _: &serde_json::Map<String, serde_json::Value>,
        _: Option<&str>,
        _: At,
    ) -> Result<String, Vec<Invalid>> {
        Ok(String::new())
    }
}
#[derive(Debug)]
pub struct ToolUse;
impl ToolUse {
    pub fn name(&self) -> &str {
        ""
    }
}
