//! What a run reads of its thread, and what it leaves there, as events.

use llm::Message;
use serde::Deserialize;
use serde::Serialize;

/// What was said in the thread before, as far as the model is shown it. It comes before the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryRead {
    pub thread_id: String,
    /// Oldest first; every call in them has its result.
    pub messages: Vec<Message>,
    /// An estimate for all of them.
    pub tokens: u64,
    /// What else of before was looked for; the excerpts that were found are the last of the messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled: Option<Recalled>,
}

/// Messages of before that are like what is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// `thread` or `user`.
    pub scope: String,
    /// The embedding model.
    pub model: String,
    pub query: String,
    /// The best first.
    pub found: Vec<Resembling>,
    pub duration_ms: u64,
    /// Why there may be more.
    pub warning: Option<String>,
}

/// A message that is like what is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resembling {
    pub thread_id: String,
    pub seq: u64,
    /// About the cosine of its vector and that of the query.
    pub score: f64,
}

/// What was said in the run belongs to the thread from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryWritten {
    pub thread_id: String,
    pub message_ids: Vec<String>,
}
