//! The state of an agent's run: nothing but what its events say.

mod cited;
mod turn;

use std::collections::HashSet;
use std::time::Duration;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use llm::FinishReason;
use llm::Message;
use llm::Part;
use llm::Role;
use llm::ToolStatus;
use serde_json::Value;

use super::AgentSpec;
use super::bound::Counted;
use crate::call::CALLS;
use crate::call::Call;
use crate::child::ChildFinished;
use crate::event::ApprovalDecided;
use crate::event::Event;
use crate::event::ModelFailed;
use crate::event::ModelFinished;
use crate::event::RunKind;
use crate::event::RunStarted;
use crate::limits::LimitReached;
use crate::memory::MemoryRead;
use crate::outcome::Answer;
use crate::outcome::Outcome;
use crate::outcome::Output;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::outcome::Usage;
use crate::structured::OutputSpec;
use crate::structured::REPAIRS;

#[derive(Debug, Default)]
pub(super) struct State {
    pub phase: Phase,
    pub started_at: Option<DateTime<Utc>>,
    pub run_attempt: u32,
    /// The turn that has begun last, from 1.
    pub step: u32,
    pub step_started_at: Option<DateTime<Utc>>,
    /// Attempts of the model in this turn, and how many of them the present model has failed.
    pub attempt: u32,
    pub failures: u32,
    /// Index in the agent's list of models.
    pub model: usize,
    /// Model calls of the whole run.
    pub model_calls: u32,
    pub messages: Vec<Message>,
    /// How many of the messages were said in the thread before, once that is known.
    pub remembered: Option<usize>,
    /// The calls of the last assistant message, in its order; of a run of a tool the one that it is.
    pub calls: Vec<Call>,
    /// Whether the run is one call of a tool, and not a conversation.
    pub is_call: bool,
    /// Turns in a row in which the model called nothing that could be called.
    pub wrong_turns: u32,
    seen_calls: HashSet<String>,
    /// The text of the last whole answer without calls.
    pub answer: Option<String>,
    /// The value that the answer is, where it must be one.
    pub object: Option<Value>,
    /// Where in the messages an answer stands that was no such value, and after it what is wrong with it.
    misfits: Vec<usize>,
    /// Where stands what the model was given of documents, in the order in which it was found.
    citations: Vec<Value>,
    pub usage: Usage,
    /// How long the conversation was when a model last told.
    pub counted: Option<Counted>,
    /// What the runs that this one began have used.
    pub children: Usage,
    /// What the model call that is open may use, and what those without an answer may have used.
    may_use: Option<Usage>,
    unanswered: Usage,
    pub cancel: bool,
    /// Set while the events are those that a fork takes over. They count against none of its limits.
    pub is_taking_over: bool,
    /// Turns that it took over.
    pub steps_taken_over: u32,
    /// Since when the run has waited for somebody, and how long it did so before.
    pub waiting_since: Option<DateTime<Utc>>,
    pub waited: TimeDelta,
    /// Until when the work of runs below counts.
    worked_until: DateTime<Utc>,
}

/// Where the run stands.
#[derive(Debug, Default)]
pub(super) enum Phase {
    #[default]
    StepDue,
    ModelDue {
        wait: Duration,
    },
    ModelOpen,
    ToolsDue,
    StepFailed(RunError),
    StepEnding,
    LimitReached(LimitReached),
    Ending(Outcome, Option<RunError>),
    Ended,
}

impl Phase {
    /// Why the run is about to fail, in words.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::StepFailed(error) | Self::Ending(_, Some(error)) => Some(error.message.clone()),
            _ => None,
        }
    }
}

impl State {
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, spec: &AgentSpec) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += at - since;
        }
        match event {
            Event::RunStarted(started) => self.begin(started, at, spec),
            Event::RunResumed(resumed) => {
                self.run_attempt = resumed.attempt;
                if std::mem::take(&mut self.is_taking_over) {
                    self.started_at = Some(at);
                    self.waited = TimeDelta::zero();
                    self.steps_taken_over = self.step;
                }
                if let Phase::ModelOpen = self.phase {
                    self.unanswered += self.may_use.take().unwrap_or_default();
                    self.phase = Phase::ModelDue { wait: Duration::ZERO };
                }
            }
            Event::RunWaiting(_) => self.waiting_since = Some(at),
            Event::CancelRequested(_) => self.cancel = true,
            Event::StepStarted(_) => self.step_started(at),
            Event::StepFinished(finished) => self.step_finished(finished, spec),
            Event::ModelStarted(started) => {
                self.may_use = started.may_use;
                self.attempt += 1;
                self.model_calls += 1;
                self.phase = Phase::ModelOpen;
            }
            Event::ModelFinished(finished) => self.answered(finished, spec),
            Event::ModelFailed(failed) => self.model_failed(failed, spec),
            Event::ToolStarted(started) => self.on_call(&started.call_id, |it| it.start(started)),
            Event::RetrievalFinished(it) => self.found(&it.call_id, &it.citations),
            Event::ToolFinished(end) => self.call_ended(end),
            Event::ApprovalRequested(asked) => self.on_call(&asked.call_id, |it| it.ask(asked)),
            Event::ApprovalDecided(decided) => self.decided(decided),
            Event::ChildStarted(child) => {
                let begun = (at, self.waited);
                self.on_call(&child.call_id, |it| {
                    it.child(child);
                    it.child_begun = begun;
                });
            }
            Event::ChildFinished(child) => self.child_finished(child, at),
            Event::LimitReached(limit) => {
                self.phase = Phase::Ending(Outcome::Failed, Some(limit.error()));
            }
            Event::MemoryRead(read) => self.remember(read),
            Event::MemoryWritten(_)
            | Event::ToolProgress(_)
            | Event::RequestStarted(_)
            | Event::RequestFinished(_)
            | Event::TimerSet(_)
            | Event::TimerFired(_)
            | Event::EventReceived(_)
            | Event::LogLine(_) => {}
            Event::RunFinished(_) => self.phase = Phase::Ended,
        }
    }

    /// What the run has answered so far; of a run that is one call, what the tool gave.
    pub fn output(&self) -> Option<Output> {
        if let Some(result) = self.outcome() {
            return result.ok().map(Output::Value);
        }
        let text = self.answer.clone()?;
        let (object, citations) = (self.object.clone(), self.citations.clone());
        Some(Output::Answer(Answer { text, object, citations }))
    }

    /// Of a run that is one call: what the tool gave, or why it gave nothing.
    pub fn outcome(&self) -> Option<Result<Value, RunError>> {
        let (status, told) = self.calls.first().filter(|_| self.is_call)?.result()?;
        if *status == ToolStatus::Done {
            return Some(Ok(told.clone()));
        }
        let why = told.get("error").and_then(Value::as_str).unwrap_or("the tool gave no result");
        Some(Err(RunError::new(RunErrorKind::Tool, why)))
    }

    /// The calls that have no result yet, in the model's order.
    pub fn open_calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| !call.is_done())
    }

    /// Renames calls whose id the run has seen before: `c1` becomes `c1_2`.
    pub fn rename_seen_calls(&self, message: &mut Message) {
        let mut taken: HashSet<String> = HashSet::new();
        for part in &mut message.content {
            let Part::ToolCall { call_id, .. } = part else { continue };
            let free = |id: &String| !self.seen_calls.contains(id) && !taken.contains(id);
            if !free(call_id) {
                let last = 2 + self.seen_calls.len() + taken.len();
                let renamed = (2..=last).map(|n| format!("{call_id}_{n}")).find(free);
                *call_id = renamed.unwrap_or_default();
            }
            taken.insert(call_id.clone());
        }
    }

    /// What this run added to the conversation.
    pub fn said(&self) -> Vec<Message> {
        if self.is_call {
            return Vec::new();
        }
        let is_misfit = |at: &usize| self.misfits.iter().any(|it| (*it..it + 2).contains(at));
        let own = (self.remembered.unwrap_or(0)..self.messages.len()).filter(|at| !is_misfit(at));
        let mut said: Vec<_> = own.map(|at| self.messages[at].clone()).collect();
        if !self.calls.is_empty() {
            let content = self.calls.iter().cloned().map(Call::into_result).collect();
            said.push(Message { role: Role::Tool, content });
        }
        said.retain(|message| !message.content.is_empty());
        said
    }

    fn begin(&mut self, started: &RunStarted, at: DateTime<Utc>, spec: &AgentSpec) {
        self.started_at = Some(at);
        self.run_attempt = 1;
        self.is_taking_over = started.forked_from.is_some();
        self.messages = started.input.messages();
        if started.kind == RunKind::Tool {
            self.is_call = true;
            let tool = spec.tools.first().map_or(&spec.name, |it| &it.spec.tool.name);
            self.calls = vec![Call::new("c1".into(), tool.clone(), started.input.arguments())];
        }
    }

    fn step_started(&mut self, at: DateTime<Utc>) {
        self.step += 1;
        self.step_started_at = Some(at);
        self.attempt = 0;
        self.failures = 0;
        let ask = Phase::ModelDue { wait: Duration::ZERO };
        self.phase = if self.is_call { Phase::ToolsDue } else { ask };
    }

    /// Puts what was said before in front. Its call ids are taken.
    fn remember(&mut self, read: &MemoryRead) {
        let parts = read.messages.iter().flat_map(|message| &message.content);
        self.seen_calls.extend(parts.filter_map(Call::of).map(|call| call.id));
        self.remembered = Some(read.messages.len());
        self.messages.splice(0..0, read.messages.iter().cloned());
    }

    /// All that counts against the limits.
    pub fn usage_of_all(&self) -> Usage {
        let mut usage = self.usage;
        usage += self.children;
        usage += self.unanswered;
        usage
    }

    fn answered(&mut self, finished: &ModelFinished, spec: &AgentSpec) {
        let may_use = self.may_use.take();
        if !self.is_taking_over {
            self.usage += finished.usage;
            let is_told =
                finished.usage.tokens.input_tokens + finished.usage.tokens.output_tokens > 0;
            self.unanswered += may_use.filter(|_| !is_told).unwrap_or_default();
        }
        self.calls = finished.message.content.iter().filter_map(Call::of).collect();
        self.calls.iter_mut().skip(CALLS).for_each(|call| call.is_beyond = true);
        self.seen_calls.extend(self.calls.iter().map(|call| call.id.clone()));
        if !self.calls.is_empty() {
            self.messages.push(finished.message.clone());
            let tokens = finished.usage.tokens;
            self.counted = (tokens.input_tokens > 0).then(|| Counted {
                model: finished.model.clone(),
                messages: self.messages.len(),
                tokens: tokens.input_tokens + tokens.output_tokens,
            });
            self.phase = Phase::ToolsDue;
            return;
        }
        let text = finished.message.text();
        self.answer = Some(text.clone());
        if let Some(unfinished) = unfinished(finished.finish_reason) {
            // Half an answer is no part of the conversation.
            self.phase = Phase::StepFailed(unfinished);
            return;
        }
        self.messages.push(finished.message.clone());
        self.phase = Phase::StepEnding;
        match spec.output.as_ref().map(|output| (output, output.read(&text))) {
            Some((output, Err(why))) => self.misfit(output, &why),
            Some((_, Ok(object))) => self.object = Some(object),
            None => {}
        }
    }

    /// What the model has answered is not what it must be: it is told so, unless that is in vain.
    fn misfit(&mut self, output: &OutputSpec, why: &str) {
        if self.misfits.len() == REPAIRS {
            let message = format!("the model's answer is not what `output_schema` says: {why}");
            self.phase = Phase::StepFailed(RunError::new(RunErrorKind::Output, message));
            return;
        }
        self.misfits.push(self.messages.len() - 1);
        self.messages.push(Message::user(output.repair(why)));
    }

    fn model_failed(&mut self, failed: &ModelFailed, spec: &AgentSpec) {
        self.may_use = None;
        if !self.is_taking_over {
            self.unanswered += failed.may_have_used.unwrap_or_default();
        }
        let Some(retry_in) = failed.retry_in_ms else {
            self.answer = failed.partial.as_ref().map(Message::text);
            self.phase = Phase::StepFailed(failed.error.clone());
            return;
        };
        self.failures += 1;
        if failed.next_model.as_ref() != Some(&failed.model) {
            self.failures = 0;
            let mut later = spec.models.iter().enumerate().skip(self.model + 1);
            let next = later.find(|(_, model)| Some(*model) == failed.next_model.as_ref());
            self.model = next.map_or(self.model, |(index, _)| index);
        }
        self.phase = Phase::ModelDue { wait: Duration::from_millis(retry_in) };
    }

    fn on_call(&mut self, id: &str, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            change(call);
        }
    }

    fn child_finished(&mut self, child: &ChildFinished, at: DateTime<Utc>) {
        if !self.is_taking_over {
            self.children += child.usage;
        }
        let ended = self.calls.iter_mut().find(|call| call.began(&child.run_id));
        let Some(call) = ended else { return };
        call.end_child();
        call.citations.clone_from(&child.citations);
        let (begun, waited) = call.child_begun;
        let worked = i64::try_from(child.worked_ms.unwrap_or(0)).unwrap_or(i64::MAX);
        // Of runs that were at work together, the time counts once, and where this one waited for them.
        let until = begun + TimeDelta::milliseconds(worked).min(at - begun);
        let new = (until - self.worked_until.max(begun)).min(self.waited - waited);
        self.waited -= new.max(TimeDelta::zero());
        self.worked_until = self.worked_until.max(until);
    }

    fn decided(&mut self, decided: &ApprovalDecided) {
        let asked = self.calls.iter_mut().find(|call| call.awaits(&decided.approval_id));
        let failed = asked.and_then(|call| call.decide(decided));
        if let Some(error) = failed {
            self.phase = Phase::StepFailed(error);
        }
    }
}

/// Why an answer without calls is none.
pub(super) fn unfinished(reason: FinishReason) -> Option<RunError> {
    match reason {
        FinishReason::Length => Some(RunError::new(
            RunErrorKind::Limit,
            "the model's answer was cut off at its maximum length",
        )),
        FinishReason::ContentFilter => Some(RunError::new(
            RunErrorKind::Guardrail,
            "the provider's content filter stopped the answer",
        )),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => None,
    }
}
