//! The loop of an agent: ask the model, run the tools it calls, ask again.

mod bound;
mod children;
mod fork;
mod state;
mod step;

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use llm::ErrorKind;
use llm::ModelError;
use llm::ToolChoice;
use llm::Usd;
use state::Phase;
use state::State;

pub use bound::Bound;
pub use fork::OpenEffect;
pub use fork::fork;
pub use fork::retry;
pub use step::AgentSpec;
pub use step::ApprovalDue;
pub use step::Callee;
pub use step::ChildDue;
pub use step::ModelCall;
pub use step::OfferedTool;
pub use step::Step;
pub use step::ToolCall;

use crate::call::Call;
use crate::call::Next;
use crate::event::Event;
use crate::event::ModelFailed;
use crate::event::ModelFinished;
use crate::event::ModelStarted;
use crate::event::RunFinished;
use crate::event::ToolError;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::outcome::Usage;
use crate::step::StepFinished;
use crate::step::StepKind;
use crate::step::StepStarted;
use crate::step::StepStatus;
use crate::waiting::RunWaiting;
use crate::waiting::WaitingFor;
use crate::waiting::WaitingStatus;

/// A run of an agent: its specification, and the state to which its events fold.
///
/// Every event of the run is applied in order, whoever made it and whether it was just recorded or
/// read back from the log; [`Agent::next`] looks at nothing else.
#[derive(Debug)]
pub struct Agent {
    run_id: String,
    spec: Arc<AgentSpec>,
    state: State,
}

impl Agent {
    /// A run of which no event is applied yet.
    pub fn new(run_id: impl Into<String>, spec: Arc<AgentSpec>) -> Self {
        Self { run_id: run_id.into(), spec, state: State::default() }
    }

    /// Folds one event, which happened `at`, into the state.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>) {
        self.state.apply(event, at, &self.spec);
    }

    /// What comes next at the time `now`. The same until the next event is applied, but for the
    /// passing of the deadline.
    pub fn next(&self, now: DateTime<Utc>) -> Step {
        if let Phase::Ended = self.state.phase {
            return Step::Finished;
        }
        if let Some(ending) = self.early_end(now) {
            return ending;
        }
        if let Some(why) = self.state.phase.failure()
            && let Some(unfinished) = self.unfinished(&why).into_iter().next()
        {
            return Step::Record(unfinished.into());
        }
        match &self.state.phase {
            Phase::StepDue => Step::Record(self.step_started().into()),
            Phase::ModelDue { wait } => Step::CallModel(self.model_call(*wait)),
            // Asked in the middle of a call, the answer is to make it: what else could it be?
            Phase::ModelOpen => Step::CallModel(self.model_call(Duration::ZERO)),
            Phase::ToolsDue => self.tools_due(now),
            Phase::StepFailed(error) => {
                Step::Record(self.step_finished(now, Some(error.clone())).into())
            }
            Phase::StepEnding => Step::Record(self.step_finished(now, None).into()),
            Phase::LimitReached(limit) => Step::Record(limit.clone().into()),
            Phase::Ending(outcome, error) => Step::Finish(self.finish(*outcome, error.clone())),
            Phase::Ended => Step::Finished,
        }
    }

    /// When the run must be over. The time in which it, or a run below, waited for somebody does not count.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let limit = Duration::from_millis(self.spec.limits.timeout_ms);
        self.state.started_at.map(|at| at + limit + self.state.waited)
    }

    /// What all model calls have used so far.
    pub fn usage(&self) -> Usage {
        self.state.usage
    }

    /// The same, with what the runs that this one began have used, and what attempts without an answer may have:
    /// all that counts against limits.
    pub fn usage_of_all(&self) -> Usage {
        self.state.usage_of_all()
    }

    /// What is left of the limits at the time `now`, for a run that this one begins: an equal share for each
    /// of those that are under way and to come, so that together they keep to what is left.
    pub fn left(&self, now: DateTime<Utc>) -> Limits {
        let (limits, usage) = (&self.spec.limits, self.usage_of_all());
        let tokens = usage.tokens.input_tokens + usage.tokens.output_tokens;
        let begins = |call: &&Call| call.begins_run(&self.spec);
        let sharers = self.state.open_calls().filter(begins).count().max(1) as u64;
        let money = |max: Usd| max.saturating_sub(usage.cost_usd.unwrap_or(max)).trillionths();
        let time = self.deadline().map_or(TimeDelta::zero(), |deadline| deadline - now);
        Limits {
            max_steps: limits.max_steps,
            max_parallel_tool_calls: limits.max_parallel_tool_calls,
            max_tokens: limits.max_tokens.map(|max| max.saturating_sub(tokens) / sharers),
            max_cost_usd: limits.max_cost_usd.map(|max| Usd::of_trillionths(money(max) / sharers)),
            timeout_ms: u64::try_from(time.num_milliseconds()).unwrap_or(0),
        }
    }

    /// How long it has waited for people, and those below it.
    pub fn waited(&self) -> TimeDelta {
        self.state.waited
    }

    /// Whether a person is asked to decide something.
    pub fn asks(&self) -> bool {
        self.state.calls.iter().any(Call::asks)
    }

    /// When the first of the approvals that it awaits expires.
    pub fn next_expiry(&self) -> Option<DateTime<Utc>> {
        self.state.open_calls().filter_map(Call::expiry).map(|(_, at)| at).min()
    }

    /// The approvals that it awaits and whose time is up at `now`.
    pub fn expired(&self, now: DateTime<Utc>) -> Vec<String> {
        let awaited = self.state.open_calls().filter_map(Call::expiry);
        awaited.filter(|(_, at)| *at <= now).map(|(id, _)| id.to_owned()).collect()
    }

    /// Whether it awaits a decision on `approval_id`.
    pub fn awaits(&self, approval_id: &str) -> bool {
        self.state.open_calls().any(|call| call.awaits(approval_id))
    }

    /// How many turns have begun.
    pub fn steps(&self) -> u32 {
        self.state.step
    }

    /// Whether the run knows what was said in its thread before.
    pub fn remembers(&self) -> bool {
        self.state.remembered.is_some()
    }

    /// What this run added to the conversation: its input, whole answers, and calls with all their
    /// results. A conversation that ends so is one that every provider takes up.
    pub fn said(&self) -> Vec<llm::Message> {
        self.state.said()
    }

    /// How often the run was taken up, the first time included.
    pub fn run_attempt(&self) -> u32 {
        self.state.run_attempt
    }

    /// The event that records `answer`. Call ids that the run has seen before get new names, so that
    /// a call id names one call.
    pub fn answered(
        &self,
        call: &ModelStarted,
        mut answer: llm::Answer,
        cost_usd: Option<Usd>,
        duration: Duration,
    ) -> ModelFinished {
        self.state.rename_seen_calls(&mut answer.message);
        ModelFinished {
            call_id: call.call_id.clone(),
            model: call.model.clone(),
            finish_reason: answer.finish_reason,
            message: answer.message,
            usage: Usage { tokens: answer.usage, cost_usd },
            duration_ms: millis(duration),
        }
    }

    /// The event that records the failure of a model call, with the decision whether another
    /// attempt follows. `partial` is what readers have seen of the answer: once there is any, the
    /// call is not repeated. `chance`, from 0 to 1, spreads the attempts of many runs.
    pub fn failed(
        &self,
        call: &ModelStarted,
        error: &ModelError,
        partial: Option<llm::Message>,
        chance: f64,
    ) -> ModelFailed {
        let (retry_in, next_model) = self.next_attempt(call, error, partial.is_some());
        ModelFailed {
            call_id: call.call_id.clone(),
            model: call.model.clone(),
            error: error.into(),
            retry_in_ms: retry_in.map(|delay| millis(delay.mul_f64(1.0 + chance / 4.0))),
            next_model,
            partial,
            may_have_used: call.may_use.filter(|_| !error.used_nothing()),
        }
    }

    fn next_attempt(
        &self,
        call: &ModelStarted,
        error: &ModelError,
        visible: bool,
    ) -> (Option<Duration>, Option<String>) {
        if visible {
            return (None, None);
        }
        let next = self.spec.models.get(self.state.model + 1);
        // Who let us wait for nothing is not waited for again while there is another.
        let is_left = error.kind == ErrorKind::Timeout && next.is_some();
        if let Some(delay) = self.spec.retry.delay(self.state.failures + 1, error)
            && !is_left
        {
            return (Some(delay), Some(call.model.clone()));
        }
        match next {
            Some(next) => (Some(Duration::ZERO), Some(next.clone())),
            None => (None, None),
        }
    }

    /// The ends of the calls that have no result, when the run is over because of `why`.
    pub fn unfinished(&self, why: &str) -> Vec<ToolFinished> {
        let error = ToolError::new(ToolErrorKind::Canceled, why);
        self.state.open_calls().map(|call| call.finished_without_result(error.clone())).collect()
    }

    /// The end that a cancel or the deadline brings, after the results that open calls still need.
    fn early_end(&self, now: DateTime<Utc>) -> Option<Step> {
        if let Phase::Ending(..) = self.state.phase {
            return None;
        }
        let late = self.deadline().is_some_and(|deadline| now >= deadline);
        let (outcome, error) = if self.state.cancel {
            let message = "the run was canceled";
            (Outcome::Canceled, RunError::new(RunErrorKind::Canceled, message))
        } else if late {
            let message = format!("the run was not done in {} ms", self.spec.limits.timeout_ms);
            (Outcome::TimedOut, RunError::new(RunErrorKind::Timeout, message))
        } else {
            return None;
        };
        if let Some(unfinished) = self.unfinished(&error.message).into_iter().next() {
            return Some(Step::Record(unfinished.into()));
        }
        Some(Step::Finish(self.finish(outcome, Some(error))))
    }

    /// What the open calls need: first what is recorded of them, then people, children and tools,
    /// and when there is nothing but to wait, that.
    fn tools_due(&self, now: DateTime<Utc>) -> Step {
        let (mut asked, mut children, mut calls, mut waits) = (vec![], vec![], vec![], vec![]);
        let step = self.state.step.to_string();
        for call in self.state.open_calls() {
            let found = self.spec.tools.iter().find(|it| it.spec.tool.name == call.tool);
            match call.next(&self.run_id, &step, found) {
                Next::Record(finished) => return Step::Record(finished.into()),
                Next::Ask(due) => asked.push(due),
                Next::Child(due) => children.push(due),
                Next::Call(due) => calls.push(due),
                Next::Wait(waiting) => waits.push(waiting),
            }
        }
        if !asked.is_empty() {
            return Step::Ask(asked);
        }
        let most = self.spec.limits.max_parallel_tool_calls.max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        children.truncate(most.saturating_sub(self.open_children().count()));
        if !children.is_empty() {
            return Step::StartChildren(children);
        }
        if !calls.is_empty() {
            calls.truncate(most);
            return Step::CallTools(calls);
        }
        if waits.is_empty() {
            let failed = self.state.outcome().and_then(Result::err);
            return Step::Record(self.step_finished(now, failed).into());
        }
        let status = if waits.iter().any(WaitingFor::needs_somebody) {
            WaitingStatus::Suspended
        } else {
            WaitingStatus::Waiting
        };
        Step::Wait(RunWaiting { status, waiting_for: waits })
    }

    fn step_started(&self) -> StepStarted {
        StepStarted {
            step: (self.state.step + 1).to_string(),
            kind: if self.state.is_call { StepKind::Tool } else { StepKind::Agent },
            name: self.spec.name.clone(),
            attempt: 1,
        }
    }

    fn step_finished(&self, now: DateTime<Utc>, error: Option<RunError>) -> StepFinished {
        let began = self.state.step_started_at.unwrap_or(now);
        StepFinished {
            step: self.state.step.to_string(),
            status: if error.is_some() { StepStatus::Failed } else { StepStatus::Done },
            output: None,
            error,
            attempt: 1,
            duration_ms: (now - began).num_milliseconds().try_into().unwrap_or(0),
        }
    }

    fn model_call(&self, wait: Duration) -> ModelCall {
        let model = self.spec.models.get(self.state.model).cloned().unwrap_or_default();
        ModelCall {
            started: ModelStarted {
                call_id: format!("m{}", self.state.model_calls + 1),
                step: self.state.step.to_string(),
                model: model.clone(),
                attempt: self.state.attempt + 1,
                left_out: Vec::new(),
                unbound: None,
                may_use: None,
            },
            request: self.request(model),
            wait,
        }
    }

    fn request(&self, model: String) -> llm::Request {
        let mut request = self.spec.request(model, self.state.messages.clone());
        if self.state.step > 1
            && matches!(
                request.options.tool_choice,
                ToolChoice::Required | ToolChoice::Named { .. }
            )
        {
            // It has been done; a model that must call again would never answer.
            request.options.tool_choice = ToolChoice::Auto;
        }
        request
    }

    fn finish(&self, outcome: Outcome, error: Option<RunError>) -> RunFinished {
        RunFinished { status: outcome, output: self.state.output(), error, usage: self.state.usage }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
