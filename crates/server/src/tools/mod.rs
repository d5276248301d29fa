use crate::db::{At, Id, TenantId};
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
pub struct ToolContext {
    pub tenant: TenantId,
    pub subject: String,
    pub run_id: Id,
    pub call_id: String,
    pub effect_id: String,
    pub now: At,
}
pub trait Tool: Send + Sync {
    fn spec(&self) -> &engine::ToolSpec;
    fn scopes(&self) -> &[auth::scope::Scope] {
        &[]
    }
    fn call<'a>(&'a self, c: &'a ToolContext, a: Value) -> BoxFuture<'a, Result<Value, String>>;
}
#[derive(Debug, Clone)]
pub struct Tools;
impl Tools {
    pub fn find(&self, _: &TenantId, _: &str) -> Option<Arc<dyn Tool>> {
        None
    }
}
