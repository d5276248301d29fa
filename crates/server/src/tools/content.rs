//! What a tool is: the members of its definition that make up a version.

use engine::Effect;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::definitions::Content;
use crate::tools::Approval;
use crate::tools::TIMEOUT;

/// The content of a definition of a tool. Each content that it ever had is a version.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolContent {
    /// What models call it: a letter, then letters, digits, `_` and `-`.
    #[schema(max_length = 56, example = "refund")]
    pub name: String,
    /// The name for people; the name if absent.
    #[schema(max_length = 200, example = "Refund")]
    pub display_name: String,
    /// What models are told of it.
    #[schema(min_length = 1, max_length = 4000)]
    pub description: String,
    /// `javascript` if absent and there is an `execute_code`.
    pub kind: ToolKind,
    /// JSON Schema of the arguments, which are an object; at most 64 kB and 32 levels deep.
    #[schema(value_type = Object)]
    pub input_schema: Value,
    /// JSON Schema of the result; at most 64 kB and 32 levels deep.
    #[schema(value_type = Option<Object>, required)]
    pub output_schema: Option<Value>,
    /// What a call does, in the words of its kind; at most 256 kB and 32 levels deep.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// JavaScript, of a tool of that kind.
    #[schema(required, max_length = 262_144)]
    pub execute_code: Option<String>,
    /// What repeating a call would do. `read` if absent for `static`, `template`, `rag`, and `http` with
    /// GET (which is the default) or HEAD; else `effect`.
    pub effect: Effect,
    /// When a person must agree to a call. What an agent demands of its use comes on top of it.
    pub approval: Approval,
    /// A call that takes longer is given up.
    #[schema(minimum = 1, maximum = 600_000, example = 30_000)]
    pub timeout_ms: u64,
    pub retry: Retry,
    /// What a caller must hold, all of it, to use the tool, also through an agent.
    #[schema(max_items = 100, example = json!(["tool.execute"]))]
    pub scopes: Vec<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// What a call of a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// It sends an HTTP request.
    Http,
    /// It runs `execute_code`.
    Javascript,
    /// It gives what `config.result` says.
    Static,
    /// It fills in `config.template`.
    Template,
    /// It asks the agent `config.agent`, in a run of its own.
    Agent,
    /// It runs the workflow `config.workflow`, in a run of its own.
    Workflow,
    /// It searches databases.
    Rag,
    /// It calls a tool of another server.
    Mcp,
    /// It runs a function of the program.
    Builtin,
}

/// How often a call that failed is made again. A tool that has effects has no retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    #[schema(maximum = 5)]
    pub max: u32,
    /// How long to wait before the first; twice as long before each that follows.
    #[schema(maximum = 60_000)]
    pub backoff_ms: u64,
}

impl ToolKind {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Javascript => "javascript",
            Self::Static => "static",
            Self::Template => "template",
            Self::Agent => "agent",
            Self::Workflow => "workflow",
            Self::Rag => "rag",
            Self::Mcp => "mcp",
            Self::Builtin => "builtin",
        }
    }

    /// What repeating a call would do, if the definition does not say.
    pub fn usual_effect(self, config: &Map<String, Value>) -> Effect {
        let only_reads = match self {
            Self::Static | Self::Template | Self::Rag => true,
            Self::Http => {
                let method = config.get("method").map_or(Some("GET"), Value::as_str);
                method.is_some_and(|it| {
                    ["GET", "HEAD"].iter().any(|verb| verb.eq_ignore_ascii_case(it))
                })
            }
            _ => false,
        };
        if only_reads { Effect::Read } else { Effect::Effect }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { max: 0, backoff_ms: 500 }
    }
}

impl Default for ToolContent {
    fn default() -> Self {
        Self {
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            kind: ToolKind::Javascript,
            input_schema: Value::Null,
            output_schema: None,
            config: Map::new(),
            execute_code: None,
            effect: Effect::Effect,
            approval: Approval::Never,
            timeout_ms: TIMEOUT.as_millis().try_into().unwrap_or(u64::MAX),
            retry: Retry::default(),
            scopes: Vec::new(),
            metadata: Map::new(),
        }
    }
}

impl Content for ToolContent {
    fn name(&self) -> &str {
        &self.name
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
