//! What a workflow is: the members of its definition that make up a version.

use engine::Fault;
use engine::Limits;
use engine::Parts;
use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::definitions::Content;
use crate::workflows::triggers::Trigger;

/// The content of a definition of a workflow. Each content that it ever had is a version.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WorkflowContent {
    /// A letter, then letters, digits, `_` and `-`.
    #[schema(max_length = 56, example = "refund")]
    pub name: String,
    /// The name for people; the name if absent.
    #[schema(max_length = 200, example = "Refund")]
    pub display_name: String,
    #[schema(max_length = 4000)]
    pub description: String,
    /// JSON Schema of the input; at most 64 kB and 32 levels deep.
    #[schema(value_type = Option<Object>, required)]
    pub input_schema: Option<Value>,
    /// JSON Schema of the output; at most 64 kB and 32 levels deep.
    #[schema(value_type = Option<Object>, required)]
    pub output_schema: Option<Value>,
    /// The entries, as `docs/WORKFLOWS.md` describes them. Members that say what would be so anyway are not kept.
    #[schema(value_type = Vec<Object>)]
    pub steps: Vec<Value>,
    /// What it gives: a value. What the last entry gives if absent.
    #[schema(value_type = Value)]
    pub output: Value,
    pub limits: WorkflowLimits,
    /// What begins runs of it beside those who execute it, as `docs/WORKFLOWS.md` describes.
    #[schema(max_items = 20)]
    pub triggers: Vec<Trigger>,
    /// What a caller must hold, all of it, to execute the workflow.
    #[schema(max_items = 100, example = json!(["workflow.execute"]))]
    pub scopes: Vec<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// How far a run may go. `null` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkflowLimits {
    /// How often entries are begun, each attempt and each turn counted.
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_steps: u32,
    /// Tokens of all runs that it begins, in and out.
    #[schema(minimum = 1)]
    pub max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>, minimum = 0)]
    pub max_cost_usd: Option<Usd>,
    /// Calls and runs that are under way at once.
    #[schema(minimum = 1, maximum = 64)]
    pub max_parallel: u32,
    /// How long it may be at work. The time in which it sleeps or waits does not count.
    #[schema(minimum = 1, maximum = 86_400_000)]
    pub timeout_ms: u64,
}

impl Default for WorkflowLimits {
    fn default() -> Self {
        Self {
            max_steps: 10_000,
            max_tokens: None,
            max_cost_usd: None,
            max_parallel: 8,
            timeout_ms: 3_600_000,
        }
    }
}

impl From<WorkflowLimits> for Limits {
    fn from(limits: WorkflowLimits) -> Self {
        let WorkflowLimits { max_steps, max_tokens, max_cost_usd, max_parallel, timeout_ms } =
            limits;
        let max_parallel_tool_calls = max_parallel;
        Self { max_steps, max_tokens, max_cost_usd, max_parallel_tool_calls, timeout_ms }
    }
}

impl Default for WorkflowContent {
    fn default() -> Self {
        Self {
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            input_schema: None,
            output_schema: None,
            steps: Vec::new(),
            output: json!({"$": "/previous"}),
            limits: WorkflowLimits::default(),
            triggers: Vec::new(),
            scopes: Vec::new(),
            metadata: Map::new(),
        }
    }
}

impl WorkflowContent {
    /// As the engine executes it, or all that is wrong with its entries and its output.
    pub fn parse(&self) -> Result<engine::Workflow, Vec<Fault>> {
        engine::Workflow::parse(Parts {
            steps: &Value::Array(self.steps.clone()),
            output: Some(&self.output),
            input_schema: self.input_schema.as_ref(),
            output_schema: self.output_schema.as_ref(),
            limits: self.limits.into(),
        })
    }
}

impl Content for WorkflowContent {
    fn name(&self) -> &str {
        &self.name
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
