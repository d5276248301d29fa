//! What is said to a model and what comes back, in no provider's dialect.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    pub role: Role,
    /// The parts in the order in which they were said. A `part` index in a delta points in here.
    pub content: Vec<Part>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    /// Results of the tool calls of the assistant message before it.
    Tool,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    Text {
        text: String,
        #[serde(default)]
        #[schema(value_type = Vec<Object>)]
        citations: Vec<Value>,
    },
    /// `url` is `https:` or `data:`.
    Image {
        url: String,
    },
    File {
        url: String,
        media_type: String,
        filename: Option<String>,
    },
    /// What the model thought. `private` goes back unchanged to the provider that made it, and to
    /// no other.
    Reasoning {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        private: Option<Private>,
    },
    ToolCall {
        call_id: String,
        tool: String,
        /// A JSON object; integers of up to 64 bits keep their digits.
        #[schema(value_type = Object)]
        arguments: Value,
        /// Set when the model wrote no usable arguments; `arguments` is then `{}`. Such a call
        /// must not be run: its result is `failed` and tells the model the reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        malformed: Option<MalformedArguments>,
    },
    ToolResult {
        call_id: String,
        tool: String,
        status: ToolStatus,
        #[schema(value_type = Object)]
        result: Value,
    },
}

/// What a model wrote as the arguments of a call, where it should have written a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MalformedArguments {
    /// The model's text as it came.
    pub text: String,
    /// What is wrong with it, in words for the model: `the arguments are not JSON: …`.
    pub reason: String,
}

/// A provider's own bytes (a signature, encrypted reasoning), which must come back as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Private {
    /// The provider that made it, as in `provider/model`.
    pub provider: String,
    /// The provider's model that made it; empty in what releases up to 0.1 stored.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The provider's JSON text, byte for byte.
    pub data: String,
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    Done,
    Failed,
    Rejected,
    /// Sent, but nobody knows what came of it.
    Unknown,
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The provider's own name of the model, verbatim.
    pub model: String,
    pub instructions: Option<String>,
    pub messages: Vec<Message>,
    /// In a stable order, so that providers can cache the prompt.
    pub tools: Vec<Tool>,
    pub options: ModelOptions,
    /// JSON Schema of the answer, if it must be a JSON value. A provider that can be bound to it is; every
    /// other model is told. Whoever asks checks the answer.
    pub output_schema: Option<Value>,
}

/// A tool as a model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments, as its author wrote it; adapters translate.
    pub input_schema: Value,
}

/// How a model should answer. `null` leaves the choice to the provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    #[schema(minimum = 1)]
    pub max_output_tokens: Option<u32>,
    pub reasoning_effort: Option<ReasoningEffort>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: bool,
    /// Members for the provider's request as they are; they win over ours.
    #[schema(value_type = Object)]
    pub provider: Map<String, Value>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            temperature: None,
            top_p: None,
            max_output_tokens: None,
            reasoning_effort: None,
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: true,
            provider: Map::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningEffort {
    None,
    Low,
    Medium,
    High,
}

/// Whether the model may, must or must not call a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    #[default]
    Auto,
    Required,
    None,
    /// This one: `{"name": "…"}`.
    #[serde(untagged)]
    Named {
        name: String,
    },
}

/// What a model call gives while it runs, and at its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    Delta(Delta),
    /// The terminal one.
    Finished(Box<Answer>),
}

/// A piece of text of the message that is being made.
///
/// Parts grow one after the other: a delta never belongs to a part before that of the delta before
/// it, so the text of a call is one sequence and a number of code points is a position in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Index in [`Message::content`].
    pub part: usize,
    pub kind: DeltaKind,
    /// Never empty.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeltaKind {
    Text,
    Reasoning,
}

/// A whole answer of a model, ended by the provider's terminal event.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// An assistant message; its calls have distinct, non-empty ids and parsed arguments.
    pub message: Message,
    pub finish_reason: FinishReason,
    /// As far as the provider told.
    pub usage: Usage,
}

/// Why a model stopped. Decided by content first: an answer with calls is `tool_calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    Stop,
    ToolCalls,
    Length,
    ContentFilter,
    Other,
}

/// Tokens, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tokens)]
pub struct Usage {
    /// All input, with what was read from and written to a cache.
    pub input_tokens: u64,
    /// The part of the input that was read from the provider's cache.
    pub cached_tokens: u64,
    /// The part of the input that was written to the provider's cache.
    pub cache_write_tokens: u64,
    /// All output, with the reasoning.
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.cached_tokens += other.cached_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
    }
}

impl Message {
    /// A user's message of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![Part::text(text)] }
    }

    /// The texts of this message, joined; reasoning and calls are left out.
    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|part| match part {
                Part::Text { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Part {
    /// A text without citations.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), citations: Vec::new() }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        })
    }
}
