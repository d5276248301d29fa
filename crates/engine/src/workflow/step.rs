//! What a workflow asks for: the words between it and whoever takes the steps.

use chrono::DateTime;
use chrono::Utc;
use serde_json::Value;

use crate::agent::ApprovalDue;
use crate::agent::ChildDue;
use crate::agent::ToolCall;
use crate::approval::OnTimeout;
use crate::event::Event;
use crate::event::RunFinished;
use crate::event::RunKind;
use crate::event::ToolStarted;
use crate::waiting::RunWaiting;

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkflowStep {
    /// Apply and record this; nothing has to be done for it.
    Record(Event),
    /// Record each [`ToolStarted`], make the calls beside those under way, and record each
    /// [`ToolFinished`](crate::ToolFinished) as it comes. Never empty.
    Call(Vec<EntryCall>),
    /// Record each [`Approval`](crate::Approval) that is asked for. Never empty.
    Ask(Vec<StepAsk>),
    /// Begin the runs, and record each [`ChildStarted`](crate::ChildStarted), after its [`ToolStarted`] if it has
    /// one. Never empty.
    StartChildren(Vec<EntryChild>),
    /// Calls are under way, and nothing else is to be done before one ends, or before this time.
    Await(Option<DateTime<Utc>>),
    /// Record this, and let go of the run until what it waits for comes, or the time of
    /// [`WorkflowRun::next_time`](crate::WorkflowRun::next_time).
    Wait(RunWaiting),
    /// Apply and record this; it is the last event.
    Finish(RunFinished),
    /// The last event is there.
    Finished,
}

/// A call that an entry makes.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryCall {
    pub call: ToolCall,
    pub called: Called,
}

/// What a call is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// The tool of the name in it.
    Tool,
    /// The step of the program of that name.
    Step,
    /// This script, which is executed without network.
    Script(String),
}

/// A run that an entry begins.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryChild {
    pub call_id: String,
    pub kind: RunKind,
    pub name: String,
    /// `None`: the version that there is now.
    pub version: Option<i64>,
    pub input: Value,
    /// Set if it answers a call of a tool.
    pub started: Option<ToolStarted>,
}

impl From<ChildDue> for EntryChild {
    fn from(ChildDue { started, kind, name }: ChildDue) -> Self {
        Self {
            call_id: started.call_id.clone(),
            kind,
            name,
            version: None,
            input: started.arguments.clone(),
            started: Some(started),
        }
    }
}

/// Something that a person has to decide.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAsk {
    /// On a call of a tool.
    Call(ApprovalDue),
    /// On an entry of the workflow.
    Entry {
        step: String,
        call_id: String,
        message: String,
        /// What is shown beside the message.
        arguments: Value,
        scope: Option<String>,
        expires_at: DateTime<Utc>,
        on_timeout: OnTimeout,
    },
}
