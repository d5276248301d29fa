//! What a tool call says and sends while it is under way, as events. What is done next
//! does not follow from them: they are for whoever watches the run, decides on it, or reads its answer.

use llm::ToolStatus;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// How far a tool call has come, in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolProgress {
    pub call_id: String,
    pub progress: f64,
    /// What `progress` will be in the end, if that is known.
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// A tool call is about to send a request that may change something. It is stored before that is sent, so
/// that whoever decides on a call whose answer is lost knows how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStarted {
    pub call_id: String,
    /// Which of the call's requests, from 1; only those that may change something are counted.
    pub request: u32,
    pub method: String,
    /// With the names of secrets in the places of their values.
    pub url: String,
    /// The same for the same request of each attempt of the call.
    pub effect_id: String,
}

/// Such a request is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFinished {
    pub call_id: String,
    pub request: u32,
    /// `done`: it was answered; `failed`: it was never sent; `unknown`: it may have been.
    pub status: ToolStatus,
    /// With what it was answered.
    pub http_status: Option<u16>,
    /// Why it was not.
    pub error: Option<String>,
    pub duration_ms: u64,
}

/// A tool call has searched documents. What it found stands behind the answer of the run, once the call has given
/// it to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetrievalFinished {
    pub call_id: String,
    /// By their names.
    pub databases: Vec<String>,
    pub query: String,
    /// Where what was found stands, the best first.
    pub citations: Vec<Value>,
    pub duration_ms: u64,
}

/// Something that was said in passing, such as a line that a script wrote to its console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: LogLevel,
    /// Who said it: the name of a tool.
    pub source: String,
    pub message: String,
    /// In which call.
    pub call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}
