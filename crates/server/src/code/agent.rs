//! An agent that is defined in Rust.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::definitions::Document;
use crate::tools::Approval;

/// An agent by its members, which are those of the API's `POST /agents/definitions`.
///
/// Nothing is checked here: [`Builder::start`](super::Builder::start) says all that is wrong.
#[derive(Debug, Clone)]
#[must_use]
pub struct Agent {
    name: String,
    members: Map<String, Value>,
}

impl Agent {
    /// An agent that programs call by `name`, as in `/agents/{name}/execute`.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let agent = Self { members: Map::new(), name: name.clone() };
        agent.set("display_name", &name).set("name", name)
    }

    /// The name for people; without it, the name.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", name.into())
    }

    /// What the agent is good for.
    pub fn description(self, description: impl Into<String>) -> Self {
        self.set("description", description.into())
    }

    /// What the model is told.
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.set("instructions", instructions.into())
    }

    /// The model, as `provider/name` or a bare name; without any, the configured default. Those of
    /// further calls are tried in their order when the ones before cannot answer.
    pub fn model(self, model: impl Into<String>) -> Self {
        self.add("model", model.into())
    }

    /// How the model should answer.
    pub fn model_options(self, options: llm::ModelOptions) -> Self {
        self.set("model_options", options)
    }

    /// A tool that the model may call, by its name.
    pub fn tool(self, name: impl Into<String>) -> Self {
        self.add("tools", name.into())
    }

    /// The same, of which a person must agree to some calls or to all.
    pub fn tool_with_approval(self, name: impl Into<String>, approval: Approval) -> Self {
        self.add("tools", json!({ "name": name.into(), "approval": approval }))
    }

    /// Another agent that this one may ask, by its name.
    pub fn agent(self, name: impl Into<String>) -> Self {
        self.add("agents", name.into())
    }

    /// A workflow that the model may run, by its name.
    pub fn workflow(self, name: impl Into<String>) -> Self {
        self.add("workflows", name.into())
    }

    /// A database of documents that the model may search, by its name.
    pub fn rag_database(self, name: impl Into<String>) -> Self {
        self.add("rag_databases", name.into())
    }

    /// How far a run may go.
    pub fn limits(self, limits: engine::Limits) -> Self {
        self.set("limits", limits)
    }

    /// JSON Schema of `context` in a request, which makes a template of the instructions.
    pub fn context_schema(self, schema: impl Serialize) -> Self {
        self.set("context_schema", schema)
    }

    /// Whoever executes the agent must hold `scope`. Several must all be held.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.add("scopes", scope.into())
    }

    /// Something of yours that is shown with the agent.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let metadata = self.members.entry("metadata").or_insert_with(|| json!({}));
        metadata[name.into()] = value.into();
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_document(self) -> Document {
        Document::new(self.members)
    }

    fn set(mut self, member: &str, value: impl Serialize) -> Self {
        // A value that is none in JSON is missed, or found to be of the wrong type, with the rest.
        let value = serde_json::to_value(value).unwrap_or_default();
        self.members.insert(member.to_owned(), value);
        self
    }

    fn add(mut self, member: &str, item: impl Into<Value>) -> Self {
        let list = self.members.entry(member).or_insert_with(|| json!([]));
        if let Value::Array(items) = list {
            items.push(item.into());
        }
        self
    }
}
