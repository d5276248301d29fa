//! The runs that a run began, as events.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::event::RunKind;
use crate::outcome::Outcome;
use crate::outcome::Output;
use crate::outcome::RunError;
use crate::outcome::Usage;

/// A run began another one and waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildStarted {
    pub run_id: String,
    pub kind: RunKind,
    pub name: String,
    /// The call of the model that asked for it.
    pub call_id: String,
}

/// A run that this one began is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildFinished {
    pub run_id: String,
    pub status: Outcome,
    /// Of the child and of all below it.
    pub usage: Usage,
    /// How long it took, in the queue too, without its waiting for people. Earlier engines do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_ms: Option<u64>,
    /// Of its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Value>,
    /// What it answered, and why it failed, for an entry of a workflow. The call of an agent ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}
