//! The state of an agent's run: nothing but what its events say.

use std::collections::HashSet;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use llm::FinishReason;
use llm::Message;
use llm::Part;
use llm::Role;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

use super::AgentSpec;
use super::ToolCall;
use crate::event::Event;
use crate::event::LimitOwner;
use crate::event::LimitReached;
use crate::event::Limits;
use crate::event::ModelFailed;
use crate::event::ModelFinished;
use crate::event::StepFinished;
use crate::event::ToolError;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::event::ToolStarted;
use crate::outcome::Outcome;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::outcome::Usage;
use crate::tool::Effect;
use crate::tool::arguments_hash;
use crate::tool::effect_id;

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
    /// The calls of the last assistant message, in its order.
    calls: Vec<Call>,
    seen_calls: HashSet<String>,
    /// The text of the last whole answer without calls.
    pub answer: Option<String>,
    pub usage: Usage,
    pub cancel: bool,
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

/// A call that the model made.
#[derive(Debug)]
pub(super) struct Call {
    id: String,
    tool: String,
    arguments: Value,
    /// Why the model's arguments are none.
    malformed: Option<String>,
    /// How often it was begun.
    attempts: u32,
    effect: Effect,
    result: Option<(ToolStatus, Value)>,
}

impl State {
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>, spec: &AgentSpec) {
        match event {
            Event::RunStarted(started) => {
                self.started_at = Some(at);
                self.run_attempt = 1;
                self.messages = started.input.messages();
            }
            Event::RunResumed(resumed) => {
                self.run_attempt = resumed.attempt;
                if let Phase::ModelOpen = self.phase {
                    self.phase = Phase::ModelDue { wait: Duration::ZERO };
                }
            }
            Event::CancelRequested(_) => self.cancel = true,
            Event::StepStarted(_) => {
                self.step += 1;
                self.step_started_at = Some(at);
                self.attempt = 0;
                self.failures = 0;
                self.phase = Phase::ModelDue { wait: Duration::ZERO };
            }
            Event::StepFinished(finished) => self.step_finished(finished, spec),
            Event::ModelStarted(_) => {
                self.attempt += 1;
                self.model_calls += 1;
                self.phase = Phase::ModelOpen;
            }
            Event::ModelFinished(finished) => self.answered(finished),
            Event::ModelFailed(failed) => self.model_failed(failed, spec),
            Event::ToolStarted(started) => self.tool_started(started),
            Event::ToolFinished(finished) => self.tool_finished(finished),
            Event::LimitReached(limit) => {
                self.phase = Phase::Ending(Outcome::Failed, Some(over(limit)));
            }
            Event::RunFinished(_) => self.phase = Phase::Ended,
        }
    }

    /// The calls that have no result yet, in the model's order.
    pub fn open_calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.result.is_none())
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

    fn answered(&mut self, finished: &ModelFinished) {
        self.usage += finished.usage;
        self.calls = finished.message.content.iter().filter_map(Call::of).collect();
        self.seen_calls.extend(self.calls.iter().map(|call| call.id.clone()));
        self.messages.push(finished.message.clone());
        if !self.calls.is_empty() {
            self.phase = Phase::ToolsDue;
            return;
        }
        self.answer = Some(finished.message.text());
        self.phase = match unfinished(finished.finish_reason) {
            Some(error) => Phase::StepFailed(error),
            None => Phase::StepEnding,
        };
    }

    fn model_failed(&mut self, failed: &ModelFailed, spec: &AgentSpec) {
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

    fn tool_started(&mut self, started: &ToolStarted) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == started.call_id) {
            call.attempts += 1;
            call.effect = started.effect;
        }
    }

    fn tool_finished(&mut self, finished: &ToolFinished) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == finished.call_id) {
            call.result = Some((finished.status, told(finished)));
        }
    }

    fn step_finished(&mut self, finished: &StepFinished, spec: &AgentSpec) {
        if let Some(error) = &finished.error {
            self.phase = Phase::Ending(Outcome::Failed, Some(error.clone()));
            return;
        }
        if self.calls.is_empty() {
            self.phase = Phase::Ending(Outcome::Succeeded, None);
            return;
        }
        let results = self.calls.drain(..).filter_map(Call::into_result).collect();
        self.messages.push(Message { role: Role::Tool, content: results });
        self.phase = match self.limit(&spec.limits) {
            Some(limit) => Phase::LimitReached(limit),
            None => Phase::StepDue,
        };
    }

    /// The limit that forbids another turn.
    fn limit(&self, limits: &Limits) -> Option<LimitReached> {
        let tokens = self.usage.tokens.input_tokens + self.usage.tokens.output_tokens;
        let reached = |limit: &str, value: Value, used: Value| {
            Some(LimitReached { limit: limit.to_owned(), value, used, owner: LimitOwner::Run })
        };
        if self.step >= limits.max_steps {
            return reached("max_steps", json!(limits.max_steps), json!(self.step));
        }
        if let Some(max) = limits.max_tokens.filter(|max| tokens >= *max) {
            return reached("max_tokens", json!(max), json!(tokens));
        }
        let spent = limits.max_cost_usd.zip(self.usage.cost_usd).filter(|(max, cost)| cost >= max);
        spent.and_then(|(max, cost)| reached("max_cost_usd", json!(max), json!(cost)))
    }
}

impl Call {
    fn of(part: &Part) -> Option<Self> {
        let Part::ToolCall { call_id, tool, arguments, malformed } = part else { return None };
        Some(Self {
            id: call_id.clone(),
            tool: tool.clone(),
            arguments: arguments.clone(),
            malformed: malformed.as_ref().map(|malformed| malformed.reason.clone()),
            attempts: 0,
            effect: Effect::Read,
            result: None,
        })
    }

    /// The call as it is to be made now, or refused.
    pub fn due(&self, run_id: &str, state: &State, spec: &AgentSpec) -> ToolCall {
        let found = spec.tools.iter().find(|it| it.tool.name == self.tool);
        let refused = match found {
            None => Some((ToolErrorKind::UnknownTool, format!("there is no tool `{}`", self.tool))),
            Some(tool) => {
                let wrong = self.malformed.clone().or_else(|| tool.check(&self.arguments).err());
                wrong.map(|message| (ToolErrorKind::InvalidArguments, message))
            }
        };
        ToolCall {
            started: ToolStarted {
                call_id: self.id.clone(),
                step: state.step.to_string(),
                tool: self.tool.clone(),
                version: found.and_then(|it| it.version),
                arguments: self.arguments.clone(),
                arguments_hash: arguments_hash(&self.arguments),
                effect_id: effect_id(run_id, &self.id),
                // A call that is refused is not made, and so has no effect.
                effect: match (found, &refused) {
                    (Some(tool), None) => tool.effect,
                    _ => Effect::Read,
                },
                attempt: self.attempts + 1,
            },
            refused: refused.map(|(kind, message)| ToolError { kind, message }),
        }
    }

    /// Whether the call was sent and its answer lost, so that it must not be sent again.
    pub fn is_lost(&self) -> bool {
        self.attempts > 0 && self.effect == Effect::Effect
    }

    /// The end of a call whose result nobody will bring: unknown if it may have had an effect.
    pub fn finished_without_result(&self, error: ToolError) -> ToolFinished {
        let sent = self.attempts > 0 && self.effect != Effect::Read;
        ToolFinished {
            call_id: self.id.clone(),
            status: if sent { ToolStatus::Unknown } else { ToolStatus::Failed },
            result: Value::Null,
            error: Some(error),
            duration_ms: 0,
        }
    }

    fn into_result(self) -> Option<Part> {
        let (status, result) = self.result?;
        Some(Part::ToolResult { call_id: self.id, tool: self.tool, status, result })
    }
}

/// What the model is told of a finished call.
fn told(finished: &ToolFinished) -> Value {
    match &finished.error {
        Some(error) => json!({ "error": error.message }),
        None => finished.result.clone(),
    }
}

/// Why an answer without calls is none.
fn unfinished(reason: FinishReason) -> Option<RunError> {
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

fn over(limit: &LimitReached) -> RunError {
    let message = format!("the run reached its {} of {}", limit.limit, limit.value);
    RunError::new(RunErrorKind::Limit, message)
}
