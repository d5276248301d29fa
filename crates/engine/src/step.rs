//! The turns of agents and the entries of workflows, as events.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::outcome::RunError;

/// A turn of an agent begins, or an entry of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Of an agent `"1"`, `"2"` and so on; of a workflow the id of the entry, as in `each[3].send` within turns.
    pub step: String,
    pub kind: StepKind,
    pub name: String,
    /// How often it was begun.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempt: u32,
}

/// It is over. An entry may begin again after it has failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFinished {
    pub step: String,
    pub status: StepStatus,
    pub output: Option<Value>,
    pub error: Option<RunError>,
    pub attempt: u32,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Done,
    Failed,
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Agent,
    Tool,
    /// A step of the program.
    Step,
    Workflow,
    Mapping,
    Parallel,
    Conditional,
    Foreach,
    Loop,
    Sleep,
    SleepUntil,
    WaitForEvent,
    Approval,
    Script,
    Fail,
}

impl StepKind {
    /// Whether such an entry is answered by a run of its own.
    pub(crate) fn begins_run(self) -> bool {
        matches!(self, Self::Agent | Self::Workflow)
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_one(attempt: &u32) -> bool {
    *attempt == 1
}
