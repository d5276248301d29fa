//! The interpreter of workflows: what a definition says, and what a run of it does next.
//!
//! A definition is read once ([`Workflow::parse`]) and is total from then on: values and predicates always give
//! something, and what cannot be done fails its entry. A run ([`WorkflowRun`]) is, like that of an agent, the fold of
//! its events.

mod apply;
mod begin;
mod definition;
mod env;
mod fork;
mod form;
mod named;
mod open;
mod parse;
mod place;
mod scope;
mod state;
mod step;
mod visit;

use std::sync::Arc;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde_json::Value;
use serde_json::json;

pub use definition::Reference;
pub use definition::ReferenceKind;
pub use definition::Workflow;
pub use fork::Cut;
pub use fork::EntryFault;
pub use fork::ForkFault;
pub use fork::TakenOver;
pub use named::named;
pub use open::ChildOf;
pub use parse::Parts;
pub use parse::normalise;
pub use step::Called;
pub use step::EntryCall;
pub use step::EntryChild;
pub use step::StepAsk;
pub use step::WorkflowStep;

use place::Place;
use state::State;
use visit::Due;
use visit::Progress;
use visit::Seen;
use visit::milliseconds;

use crate::agent::Callee;
use crate::agent::OfferedTool;
use crate::approval::ApprovalPolicy;
use crate::event::RunFinished;
use crate::limits::LimitOwner;
use crate::limits::LimitReached;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::outcome::Output;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::outcome::Usage;
use crate::tool::Effect;
use crate::tool::ToolSpec;
use crate::waiting::RunWaiting;
use crate::waiting::WaitingFor;
use crate::waiting::WaitingStatus;

/// How a run stands.
enum Stand {
    Running,
    /// With this output.
    Over(Value),
    Failed(RunError),
}

/// A run of a workflow: its definition, and the state to which its events fold.
///
/// Every event of the run is applied in order, whoever made it and whether it was just recorded or read back from the
/// log; [`WorkflowRun::next`] looks at nothing else. Whoever takes a run up appends `run.resumed`: calls that were
/// begun before it are then known to be under way no more.
#[derive(Debug)]
pub struct WorkflowRun {
    run_id: String,
    workflow: Arc<Workflow>,
    tools: Vec<OfferedTool>,
    steps: Vec<OfferedTool>,
    /// How scripts are called, which are no tools.
    script: Option<OfferedTool>,
    context: Value,
    limits: Limits,
    state: State,
}

/// What a run of a workflow executes, as its pinned version and what was asked say it.
#[derive(Debug, Clone)]
pub struct WorkflowSpec {
    pub workflow: Arc<Workflow>,
    /// Those that the definition names and the caller may use; of one name the one without a version first.
    pub tools: Vec<OfferedTool>,
    /// Steps of the program, which are called as tools are.
    pub steps: Vec<OfferedTool>,
    pub context: Value,
    pub limits: Limits,
}

impl WorkflowRun {
    /// A run of which no event is applied yet.
    pub fn new(run_id: impl Into<String>, spec: WorkflowSpec) -> Self {
        let WorkflowSpec { workflow, tools, steps, context, limits } = spec;
        let script = llm::Tool {
            name: begin::SCRIPT.to_owned(),
            description: String::new(),
            input_schema: json!({}),
        };
        let script = ToolSpec::new(script, None, Effect::Read).ok().map(|spec| OfferedTool {
            spec,
            approval: ApprovalPolicy::default(),
            callee: Callee::Tool,
            unavailable: None,
        });
        let (run_id, state) = (run_id.into(), State::default());
        Self { run_id, workflow, tools, steps, script, context, limits, state }
    }

    /// What comes next at the time `now`. The same until the next event is applied, but for the passing of time.
    pub fn next(&self, now: DateTime<Utc>) -> WorkflowStep {
        if self.state.ended {
            return WorkflowStep::Finished;
        }
        if let Some((outcome, error)) = self.early_end(now) {
            return self.end(outcome, error, now);
        }
        let mut due = Due::default();
        match self.stand(now, &mut due) {
            Stand::Failed(error) => self.fail_run(&error, now),
            Stand::Over(output) => WorkflowStep::Finish(RunFinished {
                status: Outcome::Succeeded,
                output: Some(Output::Value(output)),
                error: None,
                usage: Usage::default(),
            }),
            Stand::Running => self.take(due),
        }
    }

    /// When something is to be done although nothing comes: a timer, a timeout, or the deadline.
    pub fn next_time(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let due = self.due(now);
        // What has come meanwhile hides what comes after it.
        let time = due.record.map_or(due.time, |_| Some(now));
        time.into_iter().chain(self.deadline()).min()
    }

    /// The steps that wait for an event at the time `now`, each with its name and its key.
    pub fn events_awaited(&self, now: DateTime<Utc>) -> Vec<(String, String, String)> {
        self.due(now).events
    }

    /// How the run stands, but for a cancel and its deadline, and what is due as long as it does not fail.
    fn stand(&self, now: DateTime<Utc>, due: &mut Due) -> Stand {
        if let Some(error) = &self.state.failure {
            return Stand::Failed(error.clone());
        }
        match self.look(&self.workflow.steps, &self.state.root, &[], now, due) {
            Progress::Failed(error) => Stand::Failed(error),
            Progress::Over => self.output().map_or_else(Stand::Failed, Stand::Over),
            Progress::Running => Stand::Running,
        }
    }

    /// What is due, also of a run that makes up for what it has done.
    fn due(&self, now: DateTime<Utc>) -> Due {
        let mut due = Due::default();
        match self.stand(now, &mut due) {
            Stand::Failed(_) => self.making_up(now).unwrap_or_default(),
            Stand::Running | Stand::Over(_) => due,
        }
    }

    /// What is due of the entry that makes up for another now, if there is one.
    fn making_up(&self, now: DateTime<Utc>) -> Option<Due> {
        let undo = self.state.undo.iter().rev().find(|it| !it.node.is_over())?;
        let entry = self.workflow.entry(&undo.place)?;
        let mut due = Due::default();
        self.visit(Seen { entry, node: &undo.node, place: &undo.place, now }, &mut due);
        Some(due)
    }

    /// When the run must be over, as long as somebody has it. The time in which nobody does, because it sleeps or
    /// waits, does not count, unless a run below was at work.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let limit = milliseconds(self.limits.timeout_ms);
        let begun = self.state.started_at.filter(|_| self.state.waiting_since.is_none());
        begun.map(|at| at + limit + self.state.waited)
    }

    /// What the runs that it began have used.
    pub fn usage_of_all(&self) -> Usage {
        self.state.usage
    }

    /// What is left of the limits, for one of `sharers` runs that are under way or begin now.
    pub fn left(&self, now: DateTime<Utc>, sharers: u64) -> Limits {
        let (limits, usage, sharers) = (self.limits, self.state.usage, sharers.max(1));
        let tokens = usage.tokens.input_tokens + usage.tokens.output_tokens;
        let money = |max: llm::Usd| {
            max.saturating_sub(usage.cost_usd.unwrap_or(max)).trillionths() / sharers
        };
        let time = self.deadline().map_or(TimeDelta::zero(), |deadline| deadline - now);
        Limits {
            max_tokens: limits.max_tokens.map(|max| max.saturating_sub(tokens) / sharers),
            max_cost_usd: limits.max_cost_usd.map(|max| llm::Usd::of_trillionths(money(max))),
            timeout_ms: u64::try_from(time.num_milliseconds()).unwrap_or(0),
            ..limits
        }
    }

    /// How often entries were begun.
    pub fn steps(&self) -> u32 {
        self.state.steps
    }

    /// How often the run was taken up, the first time included.
    pub fn run_attempt(&self) -> u32 {
        self.state.run_attempt
    }

    /// What it gives, or why that is nothing.
    fn output(&self) -> Result<Value, RunError> {
        let (list, root) = (&self.workflow.steps, &self.state.root);
        let gave = root.gave(list, &list.last);
        let output = self.env(&[], &gave).evaluate(&self.workflow.output)?;
        let wrong = self.workflow.schema.as_ref();
        match wrong.and_then(|schema| crate::tool::faults(&schema.0, &output).err()) {
            None => Ok(output),
            Some(why) => {
                let message = format!("the output is not what its schema says: {why}");
                Err(RunError::new(RunErrorKind::Output, message))
            }
        }
    }

    /// The end that a cancel or the deadline brings.
    fn early_end(&self, now: DateTime<Utc>) -> Option<(Outcome, RunError)> {
        if self.state.cancel {
            let error = RunError::new(RunErrorKind::Canceled, "the run was canceled");
            return Some((Outcome::Canceled, error));
        }
        let is_late = self.deadline().is_some_and(|deadline| now >= deadline);
        let message = || format!("the run was not done in {} ms", self.limits.timeout_ms);
        is_late.then(|| (Outcome::TimedOut, RunError::new(RunErrorKind::Timeout, message())))
    }

    /// Ends what is open, then makes up for what is done, the last first, and then ends the run.
    fn fail_run(&self, error: &RunError, now: DateTime<Utc>) -> WorkflowStep {
        let (list, root) = (&self.workflow.steps, &self.state.root);
        if let Some(event) = self.close(list, root, &[], error, now) {
            return WorkflowStep::Record(event);
        }
        if let Some(due) = self.making_up(now) {
            return self.take(due);
        }
        self.end(Outcome::Failed, error.clone(), now)
    }

    /// Ends what is open, and then the run.
    fn end(&self, outcome: Outcome, error: RunError, now: DateTime<Utc>) -> WorkflowStep {
        if let Some(event) = self.unfinished(&error, now) {
            return WorkflowStep::Record(event);
        }
        let (error, usage) = (Some(error), Usage::default());
        WorkflowStep::Finish(RunFinished { status: outcome, output: None, error, usage })
    }

    /// Of all that is due, what comes first.
    fn take(&self, mut due: Due) -> WorkflowStep {
        if let Some(event) = due.record {
            return WorkflowStep::Record(event);
        }
        if !due.asks.is_empty() {
            return WorkflowStep::Ask(due.asks);
        }
        let waited_for = self.state.children.len().saturating_sub(self.state.abandoned.len());
        let at_work = waited_for + due.in_flight;
        let most =
            usize::try_from(self.limits.max_parallel_tool_calls.max(1)).unwrap_or(usize::MAX);
        let free = most.saturating_sub(at_work);
        due.children.truncate(free);
        if !due.children.is_empty() {
            return WorkflowStep::StartChildren(due.children);
        }
        due.calls.truncate(free);
        if !due.calls.is_empty() {
            return WorkflowStep::Call(due.calls);
        }
        if due.in_flight > 0 {
            return WorkflowStep::Await(due.time.into_iter().chain(self.deadline()).min());
        }
        if due.waits.is_empty() {
            let error = RunError::new(RunErrorKind::Internal, "the workflow does not go on");
            let (status, output, usage) = (Outcome::Failed, None, Usage::default());
            return WorkflowStep::Finish(RunFinished { status, output, error: Some(error), usage });
        }
        let status = if due.waits.iter().any(WaitingFor::needs_somebody) {
            WaitingStatus::Suspended
        } else {
            WaitingStatus::Waiting
        };
        WorkflowStep::Wait(RunWaiting { status, waiting_for: due.waits })
    }

    /// The limit that forbids another entry to begin. Those that make up for others may.
    fn step_limit(&self, place: &Place) -> Option<LimitReached> {
        let steps = self.state.steps - self.state.steps_taken_over;
        let is_reached = steps >= self.limits.max_steps && !place.compensates;
        is_reached.then(|| LimitReached {
            limit: "max_steps".to_owned(),
            value: json!(self.limits.max_steps),
            used: json!(steps),
            needs: None,
            owner: LimitOwner::Run,
        })
    }
}
