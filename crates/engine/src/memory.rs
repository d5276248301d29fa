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
}

/// What was said in the run belongs to the thread from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryWritten {
    pub thread_id: String,
    pub message_ids: Vec<String>,
}
