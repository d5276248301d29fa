//! How a run ends: what it answered, or why it did not, and what it used.

use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    Failed,
    Canceled,
    TimedOut,
}

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Output {
    /// Of an agent.
    Answer(Answer),
    /// Of a tool: its result.
    #[schema(value_type = Value)]
    Value(Value),
}

impl Output {
    /// What an agent answered.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Answer(answer) => Some(&answer.text),
            Self::Value(_) => None,
        }
    }
}

/// What an agent answered.
///
/// It takes no other members, so that the result of a tool that has some is read as what it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub text: String,
    /// The answer as a value, when the agent has an `output_schema`.
    #[schema(value_type = Option<Object>)]
    pub object: Option<Value>,
    #[schema(value_type = Vec<Object>)]
    pub citations: Vec<Value>,
}

/// Why a run did not succeed, in words that are safe for its caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunError {
    pub kind: RunErrorKind,
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The HTTP status of the model provider, when it answered.
    pub provider_status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunErrorKind {
    Provider,
    ProviderTimeout,
    Timeout,
    Limit,
    Tool,
    Output,
    Guardrail,
    Definition,
    Canceled,
    Internal,
}

impl RunError {
    /// An error of ours: no provider is to blame, and the same again would end the same.
    pub fn new(kind: RunErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: false, provider_status: None }
    }
}

impl From<&llm::ModelError> for RunError {
    fn from(error: &llm::ModelError) -> Self {
        let kind = match error.kind {
            llm::ErrorKind::Timeout => RunErrorKind::ProviderTimeout,
            _ => RunErrorKind::Provider,
        };
        Self {
            kind,
            message: error.message.clone(),
            retryable: error.retryable,
            provider_status: error.status,
        }
    }
}

/// Tokens and money. `cost_usd` is `null` when a price is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    #[serde(flatten)]
    pub tokens: llm::Usage,
    #[schema(value_type = Option<f64>)]
    pub cost_usd: Option<Usd>,
}

impl Default for Usage {
    /// Nothing used, which costs nothing.
    fn default() -> Self {
        Self { tokens: llm::Usage::default(), cost_usd: Some(Usd::ZERO) }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.cost_usd = self.cost_usd.zip(other.cost_usd).map(|(a, b)| a + b);
    }
}
