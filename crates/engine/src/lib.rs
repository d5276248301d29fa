//! What a run does next.
//!
//! The engine reads and writes nothing. It folds the events of a run into its state and says which
//! step comes next; the server takes the step, records what came of it as an event, and asks again.
//! The same log gives the same next step on every machine, which is all that recovery needs.

mod agent;
mod approval;
mod call;
mod child;
mod event;
mod fault;
mod input;
mod limits;
mod memory;
mod outcome;
mod predicate;
mod progress;
mod retry;
mod schedule;
mod step;
mod structured;
mod tool;
mod value;
mod waiting;
mod workflow;

pub use agent::Agent;
pub use agent::AgentSpec;
pub use agent::ApprovalDue;
pub use agent::Bound;
pub use agent::Callee;
pub use agent::ChildDue;
pub use agent::ModelCall;
pub use agent::OfferedTool;
pub use agent::OpenEffect;
pub use agent::Step;
pub use agent::ToolCall;
pub use agent::fork;
pub use agent::retry;
pub use approval::APPROVER;
pub use approval::Approval;
pub use approval::ApprovalKind;
pub use approval::ApprovalPolicy;
pub use approval::ApprovalRule;
pub use approval::ApprovalStatus;
pub use approval::ApprovalTool;
pub use approval::Consent;
pub use approval::Decision;
pub use approval::OnTimeout;
pub use child::ChildFinished;
pub use child::ChildStarted;
pub use event::*;
pub use fault::Fault;
pub use input::Input;
pub use limits::LimitOwner;
pub use limits::LimitReached;
pub use limits::Limits;
pub use memory::MemoryRead;
pub use memory::MemoryWritten;
pub use memory::Recalled;
pub use memory::Resembling;
pub use outcome::Answer;
pub use outcome::Outcome;
pub use outcome::Output;
pub use outcome::RunError;
pub use outcome::RunErrorKind;
pub use outcome::Usage;
pub use predicate::Comparison;
pub use predicate::Operand;
pub use predicate::Predicate;
pub use predicate::PredicateFault;
pub use progress::LogLevel;
pub use progress::LogLine;
pub use progress::RequestFinished;
pub use progress::RequestStarted;
pub use progress::RetrievalFinished;
pub use progress::ToolProgress;
pub use retry::RetryPolicy;
pub use schedule::Firings;
pub use schedule::Missed;
pub use schedule::Schedule;
pub use step::StepFinished;
pub use step::StepKind;
pub use step::StepStarted;
pub use step::StepStatus;
pub use structured::OutputSpec;
pub use tool::Effect;
pub use tool::ToolSpec;
pub use tool::arguments_hash;
pub use tool::effect_id;
pub use value::TooLarge;
pub use waiting::EventReceived;
pub use waiting::RunWaiting;
pub use waiting::TimerFired;
pub use waiting::TimerSet;
pub use waiting::WaitingFor;
pub use waiting::WaitingStatus;
pub use workflow::Called;
pub use workflow::ChildOf;
pub use workflow::Cut;
pub use workflow::EntryCall;
pub use workflow::EntryChild;
pub use workflow::EntryFault;
pub use workflow::ForkFault;
pub use workflow::Parts;
pub use workflow::Reference;
pub use workflow::ReferenceKind;
pub use workflow::StepAsk;
pub use workflow::TakenOver;
pub use workflow::Workflow;
pub use workflow::WorkflowRun;
pub use workflow::WorkflowSpec;
pub use workflow::WorkflowStep;
pub use workflow::named;
pub use workflow::normalise;

/// The version of the interpreter.
///
/// It rises when the same log would lead to another next step, or may have events that are new. A worker takes
/// up a run only if its own version is at least the run's. 3 bounded the calls of an answer; 4 has runs of tools, and
/// ends one whose model calls nothing that can be called; 5 has requests and lines of the console;
/// 6 has searches of documents, and their citations in answers; 7 has consents of people; 8 has workflows.
pub const ENGINE: i32 = 8;

/// The version that a run of this kind pins when it begins: the first that interprets it as this one does. One that may
/// begin runs of other kinds pins theirs, if that is higher.
pub fn engine_of(kind: RunKind) -> i32 {
    match kind {
        RunKind::Agent | RunKind::Tool => 7,
        RunKind::Workflow => 8,
    }
}
