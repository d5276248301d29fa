use std::sync::Arc;
pub struct Model {
    pub full_name: String,
    pub name: String,
    pub model: Arc<dyn llm::ChatModel>,
}
#[derive(Debug, Clone)]
pub struct Models;
impl Models {
    pub fn resolve(&self, _: &str) -> Result<Model, String> {
        Err(String::new())
    }
    pub fn names(&self, _: Option<&Vec<String>>) -> Vec<String> {
        vec![]
    }
}
