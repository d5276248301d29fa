//! What a run is asked.

use llm::Message;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::event::RunKind;

/// What an agent is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Input {
    /// One text of the user.
    Text(String),
    /// One message of the user, in parts.
    Parts(Vec<llm::Part>),
    /// A conversation whose last message is to be answered.
    Messages { messages: Vec<Message> },
    /// The arguments of a tool.
    #[schema(value_type = Object)]
    Arguments(Value),
}

impl Input {
    /// Reads the input of a run of this kind: what a tool is called with is no conversation, whatever it looks like.
    pub fn read(kind: RunKind, input: Value) -> Result<Self, serde_json::Error> {
        match kind {
            RunKind::Agent => serde_json::from_value(input),
            RunKind::Tool | RunKind::Workflow => Ok(Self::Arguments(input)),
        }
    }

    /// What a tool is called with.
    pub fn arguments(&self) -> Value {
        match self {
            Self::Arguments(arguments) => arguments.clone(),
            _ => Value::Null,
        }
    }

    /// The conversation with which the run begins.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Arguments(_) => Vec::new(),
            Self::Text(text) => vec![Message::user(text)],
            Self::Parts(parts) => {
                vec![Message { role: llm::Role::User, content: parts.clone() }]
            }
            Self::Messages { messages } => messages.clone(),
        }
    }
}
