//! What the engine is given, and what it asks for: the words between it and whoever takes the steps.

use std::time::Duration;

use llm::Message;
use llm::ModelOptions;
use llm::Request;
use serde_json::Value;

use crate::approval::ApprovalKind;
use crate::approval::ApprovalPolicy;
use crate::approval::ApprovalTool;
use crate::approval::Consent;
use crate::event::Event;
use crate::event::ModelStarted;
use crate::event::RunFinished;
use crate::event::RunKind;
use crate::event::ToolError;
use crate::event::ToolStarted;
use crate::limits::Limits;
use crate::retry::RetryPolicy;
use crate::structured::OutputSpec;
use crate::tool::ToolSpec;
use crate::waiting::RunWaiting;

/// What an agent is, as its pinned version and the request of the run say it.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    pub name: String,
    /// `provider/name`s, tried in order until one has begun to answer. Never empty.
    pub models: Vec<String>,
    /// Filled in, if it was a template.
    pub instructions: String,
    /// What this caller may use, in the agent's order.
    pub tools: Vec<OfferedTool>,
    pub options: ModelOptions,
    pub limits: Limits,
    pub retry: RetryPolicy,
    /// What the answer must be, if not any text.
    pub output: Option<OutputSpec>,
}

impl AgentSpec {
    /// What `model` is asked.
    pub(super) fn request(&self, model: String, messages: Vec<Message>) -> Request {
        let instructions = Some(&self.instructions).filter(|text| !text.is_empty());
        Request {
            model,
            instructions: instructions.cloned(),
            messages,
            tools: self.tools.iter().map(|it| it.spec.tool.clone()).collect(),
            options: self.options.clone(),
            output_schema: self.output.as_ref().map(|output| output.schema().clone()),
        }
    }
}

/// A tool in the hands of an agent.
#[derive(Debug, Clone)]
pub struct OfferedTool {
    pub spec: ToolSpec,
    pub approval: ApprovalPolicy,
    pub callee: Callee,
    /// Set when it must not be called in this run: this is what the model is told instead.
    pub unavailable: Option<String>,
}

/// Who answers the calls of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    Tool,
    /// The agent of this name, in a run of its own.
    Agent(String),
    /// The workflow of this name, in a run of its own.
    Workflow(String),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Apply and record this; nothing has to be done for it.
    Record(Event),
    /// Wait, record [`ModelStarted`], ask the model, record what came of it.
    CallModel(ModelCall),
    /// Record each [`ToolStarted`], call the tools, record each
    /// [`ToolFinished`](crate::ToolFinished). Never empty.
    CallTools(Vec<ToolCall>),
    /// Record the [`Approval`](crate::Approval)s that are asked for. Never empty.
    Ask(Vec<ApprovalDue>),
    /// Begin the runs, and record each [`ToolStarted`] and
    /// [`ChildStarted`](crate::ChildStarted). Never empty.
    StartChildren(Vec<ChildDue>),
    /// Record this, and let go of the run until a decision or the end of a child comes.
    Wait(RunWaiting),
    /// Apply and record this; it is the last event.
    Finish(RunFinished),
    /// The last event is there.
    Finished,
}

/// A model call that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCall {
    pub started: ModelStarted,
    /// `model` in it is `provider/name`, as in `started`.
    pub request: Request,
    pub wait: Duration,
}

/// A tool call that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    pub started: ToolStarted,
    /// Set when the call must not be made: this is what the model is told instead.
    pub refused: Option<ToolError>,
    /// How long to wait before it is made: an answer of it was lost.
    pub wait: Duration,
}

/// Something that a person has to decide.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalDue {
    pub kind: ApprovalKind,
    pub step: String,
    pub call_id: String,
    pub tool: ApprovalTool,
    pub arguments: Value,
    pub arguments_hash: String,
    pub policy: ApprovalPolicy,
    /// Of the kind `consent`.
    pub consent: Option<Box<Consent>>,
}

/// A run of another agent, or of a workflow, that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildDue {
    pub started: ToolStarted,
    pub kind: RunKind,
    pub name: String,
}
