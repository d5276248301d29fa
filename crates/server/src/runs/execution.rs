//! What a run executes: the loop of an agent, which a run of a tool is too, or the entries of a workflow.

use std::sync::Arc;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use engine::Agent;
use engine::AgentSpec;
use engine::Called;
use engine::ChildOf;
use engine::EntryCall;
use engine::EntryChild;
use engine::Event;
use engine::Limits;
use engine::ModelCall;
use engine::OfferedTool;
use engine::RunError;
use engine::RunFinished;
use engine::RunWaiting;
use engine::Step;
use engine::StepAsk;
use engine::Usage;
use engine::WorkflowRun;
use engine::WorkflowSpec;
use engine::WorkflowStep;

use crate::db::Id;

/// What the engine needs to execute a run.
#[derive(Debug, Clone)]
pub enum Spec {
    Agent(Arc<AgentSpec>),
    Workflow(WorkflowSpec),
}

/// The state of a run.
#[derive(Debug)]
pub enum Execution {
    Agent(Box<Agent>),
    Workflow(Box<WorkflowRun>),
}

/// What comes next, of whichever it is.
#[derive(Debug)]
pub enum Next {
    Record(Event),
    CallModel(ModelCall),
    /// Make these calls, and go on when all have ended.
    CallAll(Vec<EntryCall>),
    /// Begin these calls beside those that are under way.
    Call(Vec<EntryCall>),
    /// Wait for what comes of the calls that are under way, or for this time.
    Await(Option<DateTime<Utc>>),
    Ask(Vec<StepAsk>),
    StartChildren(Vec<EntryChild>),
    Wait(RunWaiting),
    Finish(RunFinished),
    Finished,
}

impl Spec {
    /// The state of a run that has no event yet.
    pub fn begin(self, run_id: Id) -> Execution {
        let run_id = run_id.to_string();
        match self {
            Self::Agent(spec) => Execution::Agent(Box::new(Agent::new(run_id, spec))),
            Self::Workflow(spec) => Execution::Workflow(Box::new(WorkflowRun::new(run_id, spec))),
        }
    }

    /// What it may call.
    pub fn tools(&self) -> &[OfferedTool] {
        match self {
            Self::Agent(spec) => &spec.tools,
            Self::Workflow(spec) => &spec.tools,
        }
    }
}

impl Execution {
    /// Folds one event, which happened `at`, into the state.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>) {
        match self {
            Self::Agent(agent) => agent.apply(event, at),
            Self::Workflow(run) => run.apply(event, at),
        }
    }

    /// What comes next at the time `now`.
    pub fn next(&self, now: DateTime<Utc>) -> Next {
        match self {
            Self::Agent(agent) => agent.next(now).into(),
            Self::Workflow(run) => run.next(now).into(),
        }
    }

    /// Whether it may go on while calls are under way.
    pub fn is_parallel(&self) -> bool {
        matches!(self, Self::Workflow(_))
    }

    /// When the run must be over.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Agent(agent) => agent.deadline(),
            Self::Workflow(run) => run.deadline(),
        }
    }

    /// When a run that waits has something to do although nothing comes.
    pub fn next_time(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Agent(agent) => agent.next_expiry(),
            Self::Workflow(run) => run.next_time(now),
        }
    }

    /// What it has used itself. A workflow asks no model.
    pub fn usage(&self) -> Usage {
        match self {
            Self::Agent(agent) => agent.usage(),
            Self::Workflow(_) => Usage::default(),
        }
    }

    /// The same, with the runs that it began.
    pub fn usage_of_all(&self) -> Usage {
        match self {
            Self::Agent(agent) => agent.usage_of_all(),
            Self::Workflow(run) => run.usage_of_all(),
        }
    }

    /// What is left of the limits for the next of `begun` runs that begin together.
    pub fn left(&self, now: DateTime<Utc>, begun: usize) -> Limits {
        match self {
            Self::Agent(agent) => agent.left(now),
            Self::Workflow(run) => {
                let sharers = run.open_children().count() + begun;
                run.left(now, u64::try_from(sharers).unwrap_or(u64::MAX))
            }
        }
    }

    /// How many turns or entries have begun.
    pub fn steps(&self) -> u32 {
        match self {
            Self::Agent(agent) => agent.steps(),
            Self::Workflow(run) => run.steps(),
        }
    }

    /// How long it has waited.
    pub fn waited(&self) -> TimeDelta {
        match self {
            Self::Agent(agent) => agent.waited(),
            Self::Workflow(run) => run.waited(),
        }
    }

    /// Whether a person is asked to decide something.
    pub fn asks(&self) -> bool {
        match self {
            Self::Agent(agent) => agent.asks(),
            Self::Workflow(run) => run.asks(),
        }
    }

    /// Whether it awaits a decision on `approval_id`.
    pub fn awaits(&self, approval_id: &str) -> bool {
        match self {
            Self::Agent(agent) => agent.awaits(approval_id),
            Self::Workflow(run) => run.awaits(approval_id),
        }
    }

    /// The approvals that it awaits and whose time is up at `now`.
    pub fn expired(&self, now: DateTime<Utc>) -> Vec<String> {
        match self {
            Self::Agent(agent) => agent.expired(now),
            Self::Workflow(run) => run.expired(now),
        }
    }

    /// The approval that nobody needs to decide any more once `event` is recorded. Those of an agent are all
    /// decided before it goes on.
    pub fn withdrawn_by(&self, event: &Event) -> Option<&str> {
        match self {
            Self::Agent(_) => None,
            Self::Workflow(run) => run.withdrawn_by(event),
        }
    }

    /// The steps that wait for an event from outside, each with its name and its key; nothing of what never does.
    pub fn events_awaited(&self, now: DateTime<Utc>) -> Option<Vec<(String, String, String)>> {
        match self {
            Self::Workflow(run) if run.may_wait_for_events() => Some(run.events_awaited(now)),
            _ => None,
        }
    }

    /// What the run `child` belongs to, if it is one that this run began and that is not over.
    pub fn child(&self, child: &str) -> Option<ChildOf> {
        match self {
            Self::Agent(agent) => agent.call_of_child(child).map(|it| ChildOf::Call(it.to_owned())),
            Self::Workflow(run) => run.child(child),
        }
    }

    /// The tool of an open call.
    pub fn tool_of(&self, call_id: &str) -> Option<&str> {
        match self {
            Self::Agent(agent) => agent.tool_of(call_id),
            Self::Workflow(run) => run.tool_of(call_id),
        }
    }

    /// The runs that it began and that are not over.
    pub fn open_children(&self) -> Vec<&str> {
        match self {
            Self::Agent(agent) => agent.open_children().collect(),
            Self::Workflow(run) => run.open_children().collect(),
        }
    }

    /// The same, with the time by which each of them must have begun.
    pub fn children_due(&self) -> Vec<(&str, DateTime<Utc>)> {
        match self {
            Self::Agent(agent) => agent.children_due().collect(),
            Self::Workflow(run) => run.children_due().collect(),
        }
    }

    /// Those of them that nothing waits for any more.
    pub fn abandoned(&self) -> &[String] {
        match self {
            Self::Agent(_) => &[],
            Self::Workflow(run) => run.abandoned(),
        }
    }

    /// The end of an entry whose run could not be begun. Of an agent calls end, and no entries.
    pub fn cannot_begin(&self, call_id: &str, why: RunError, now: DateTime<Utc>) -> Option<Event> {
        match self {
            Self::Agent(_) => None,
            Self::Workflow(run) => run.cannot_begin(call_id, why, now),
        }
    }

    /// The end of the first thing that is open, of a run that cannot go on because of `why`.
    pub fn unfinished(&self, why: &RunError, now: DateTime<Utc>) -> Option<Event> {
        match self {
            Self::Agent(agent) => {
                agent.unfinished(&why.message).into_iter().next().map(Event::from)
            }
            Self::Workflow(run) => run.unfinished(why, now),
        }
    }
}

impl From<Step> for Next {
    fn from(step: Step) -> Self {
        match step {
            Step::Record(event) => Self::Record(event),
            Step::CallModel(call) => Self::CallModel(call),
            Step::CallTools(calls) => {
                let alone = |call| EntryCall { call, called: Called::Tool };
                Self::CallAll(calls.into_iter().map(alone).collect())
            }
            Step::Ask(due) => Self::Ask(due.into_iter().map(StepAsk::Call).collect()),
            Step::StartChildren(due) => {
                Self::StartChildren(due.into_iter().map(EntryChild::from).collect())
            }
            Step::Wait(waiting) => Self::Wait(waiting),
            Step::Finish(end) => Self::Finish(end),
            Step::Finished => Self::Finished,
        }
    }
}

impl From<WorkflowStep> for Next {
    fn from(step: WorkflowStep) -> Self {
        match step {
            WorkflowStep::Record(event) => Self::Record(event),
            WorkflowStep::Call(calls) => Self::Call(calls),
            WorkflowStep::Await(until) => Self::Await(until),
            WorkflowStep::Ask(due) => Self::Ask(due),
            WorkflowStep::StartChildren(due) => Self::StartChildren(due),
            WorkflowStep::Wait(waiting) => Self::Wait(waiting),
            WorkflowStep::Finish(end) => Self::Finish(end),
            WorkflowStep::Finished => Self::Finished,
        }
    }
}
