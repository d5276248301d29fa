//! The events of a run: the one record of what happened, as stored and as sent.
//!
//! Members are only added. A changed meaning is a new type. `docs/API.md` lists them for callers.

use llm::FinishReason;
use llm::Message;
use llm::ToolStatus;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::approval::Approval;
use crate::approval::Consent;
use crate::approval::Decision;
use crate::child::ChildFinished;
use crate::child::ChildStarted;
use crate::input::Input;
use crate::limits::LimitReached;
use crate::limits::Limits;
use crate::memory::MemoryRead;
use crate::memory::MemoryWritten;
use crate::outcome::Outcome;
use crate::outcome::Output;
use crate::outcome::RunError;
use crate::outcome::Usage;
use crate::progress::LogLine;
use crate::progress::RequestFinished;
use crate::progress::RequestStarted;
use crate::progress::RetrievalFinished;
use crate::progress::ToolProgress;
use crate::step::StepFinished;
use crate::step::StepStarted;
use crate::tool::Effect;
use crate::waiting::EventReceived;
use crate::waiting::RunWaiting;
use crate::waiting::TimerFired;
use crate::waiting::TimerSet;

/// Declares the event types: the enum, the names on the wire, and the way there and back.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that happened in a run.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Event {
            /// The name on the wire, such as `tool.started`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The JSON text of `data`.
            pub fn data(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$variant(data) => serde_json::to_string(data),)* }
            }

            /// Reads an event back from its name and its `data`.
            pub fn parse(name: &str, data: &str) -> Result<Self, ParseError> {
                match name {
                    $($name => Ok(Self::$variant(serde_json::from_str(data)?)),)*
                    _ => Err(ParseError::Unknown(name.to_owned())),
                }
            }
        }

        $(impl From<$variant> for Event {
            fn from(data: $variant) -> Self {
                Self::$variant(data)
            }
        })*
    };
}

events! {
    RunStarted = "run.started",
    RunWaiting = "run.waiting",
    RunResumed = "run.resumed",
    CancelRequested = "run.cancel_requested",
    RunFinished = "run.finished",
    StepStarted = "step.started",
    StepFinished = "step.finished",
    ModelStarted = "model.started",
    ModelFinished = "model.finished",
    ModelFailed = "model.failed",
    ToolStarted = "tool.started",
    ToolProgress = "tool.progress",
    ToolFinished = "tool.finished",
    RequestStarted = "request.started",
    RequestFinished = "request.finished",
    RetrievalFinished = "retrieval.finished",
    ApprovalRequested = "approval.requested",
    ApprovalDecided = "approval.decided",
    ChildStarted = "child.started",
    ChildFinished = "child.finished",
    TimerSet = "timer.set",
    TimerFired = "timer.fired",
    EventReceived = "event.received",
    LimitReached = "limit.reached",
    MemoryRead = "memory.read",
    MemoryWritten = "memory.written",
    LogLine = "log",
}

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Written by a newer engine: readers pass it on, a fold stops.
    #[error("no event of this engine is called `{0}`")]
    Unknown(String),
    #[error("the data of the event is not of its type")]
    Data(#[from] serde_json::Error),
}

/// The first event. With the pinned version of the definition it holds all that the run needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RunStartedForm")]
pub struct RunStarted {
    pub kind: RunKind,
    pub definition: DefinitionRef,
    pub input: Input,
    pub thread_id: Option<String>,
    pub parent_run_id: Option<String>,
    /// The run whose results it takes over: the events from here to the first `run.resumed`.
    #[serde(default)]
    pub forked_from: Option<String>,
    /// What it takes over has become its own: that run is over, and has failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_retry: bool,
    /// Of a retry: so many of the events that it takes over, the first, that run had not made itself. They stay those
    /// of the run that has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign: u64,
    pub limits: Limits,
}

/// The same as JSON, where only `kind` tells what `input` is.
#[derive(Deserialize)]
struct RunStartedForm {
    kind: RunKind,
    definition: DefinitionRef,
    input: Value,
    thread_id: Option<String>,
    parent_run_id: Option<String>,
    #[serde(default)]
    forked_from: Option<String>,
    #[serde(default)]
    is_retry: bool,
    #[serde(default)]
    foreign: u64,
    limits: Limits,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TryFrom<RunStartedForm> for RunStarted {
    type Error = serde_json::Error;

    fn try_from(form: RunStartedForm) -> Result<Self, Self::Error> {
        Ok(Self {
            kind: form.kind,
            definition: form.definition,
            input: Input::read(form.kind, form.input)?,
            thread_id: form.thread_id,
            parent_run_id: form.parent_run_id,
            forked_from: form.forked_from,
            is_retry: form.is_retry,
            foreign: form.foreign,
            limits: form.limits,
        })
    }
}

/// What a run executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Agent,
    Workflow,
    Tool,
}

/// The version of a definition that a run is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionRef {
    pub id: String,
    pub name: String,
    pub version: i64,
}

/// The run goes on after a stop. Whoever writes it owns the log from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    pub attempt: u32,
    pub reason: ResumeReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeReason {
    Decision,
    Timer,
    Event,
    Child,
    Consent,
    /// The process that ran it is gone.
    Recovery,
    /// It is only taken up to be ended.
    Cancel,
    /// It begins where another run has been.
    Fork,
}

/// Somebody asked for an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// The subject who asked.
    pub by: String,
    pub reason: Option<String>,
}

/// The one terminal event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    pub status: Outcome,
    pub output: Option<Output>,
    pub error: Option<RunError>,
    pub usage: Usage,
}

/// A model is about to be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelStarted {
    pub call_id: String,
    pub step: String,
    /// `provider/name`.
    pub model: String,
    pub attempt: u32,
    /// Tools that cannot be offered to this model; the call is made without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Why its provider does not bind the answer to the output schema, if there is one: the model is told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbound: Option<String>,
    /// The most that it may use, in a run with limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_use: Option<Usage>,
}

/// A tool that is not offered to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub tool: String,
    /// Why, in words for the tool's author.
    pub reason: String,
}

/// A model gave a whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFinished {
    pub call_id: String,
    pub model: String,
    pub finish_reason: FinishReason,
    pub message: Message,
    pub usage: Usage,
    pub duration_ms: u64,
}

/// A model gave no whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFailed {
    pub call_id: String,
    pub model: String,
    pub error: RunError,
    /// When the next attempt comes; `null`: there is none.
    pub retry_in_ms: Option<u64>,
    /// The model of the next attempt: the same one, or the next of the agent's list.
    pub next_model: Option<String>,
    /// What had been said, for readers who saw it grow.
    pub partial: Option<Message>,
    /// What it may have used, in a run with limits of tokens or money: it counts against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_have_used: Option<Usage>,
}

/// A tool is about to be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolStarted {
    pub call_id: String,
    pub step: String,
    pub tool: String,
    /// `null` for a tool that is built in, or is not there.
    pub version: Option<i64>,
    pub arguments: Value,
    pub arguments_hash: String,
    /// The same for all attempts of this call.
    pub effect_id: String,
    pub effect: Effect,
    pub attempt: u32,
}

/// A tool call is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolFinished {
    pub call_id: String,
    pub status: ToolStatus,
    pub result: Value,
    pub error: Option<ToolError>,
    pub duration_ms: u64,
}

/// What the model is told of a tool call that gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolError {
    pub kind: ToolErrorKind,
    pub message: String,
    /// Of the kind `consent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Box<Consent>>,
}

impl ToolError {
    pub fn new(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), consent: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolErrorKind {
    /// The agent has no such tool, or the caller may not use it.
    UnknownTool,
    InvalidArguments,
    /// The tool itself failed.
    Failed,
    /// The call was sent, and nobody knows what came of it.
    Lost,
    /// A person did not want it.
    Rejected,
    Canceled,
    /// Nothing was sent: the person for whom it is made must consent first. It is made again when he has.
    Consent,
}

/// A person is asked, as callers see it in `/approvals`.
pub type ApprovalRequested = Approval;

/// Somebody decided, or nobody did in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalDecided {
    pub approval_id: String,
    pub decision: Decision,
    /// Of `approve`: what the tool is called with instead of what was asked for.
    pub arguments: Option<Value>,
    /// Of `done`: what came of the call.
    pub result: Option<Value>,
    /// Of a step of a workflow: what whoever decided gave with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    pub reason: Option<String>,
    /// The subject who decided; `null` if nobody did.
    pub by: Option<String>,
}
