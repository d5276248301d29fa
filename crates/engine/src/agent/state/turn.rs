//! What follows a turn: the next one, or the end of the run.

use llm::Message;
use llm::Role;
use llm::Usd;
use serde_json::Value;
use serde_json::json;

use super::Phase;
use super::State;
use crate::agent::AgentSpec;
use crate::call::Call;
use crate::limits::LimitOwner;
use crate::limits::LimitReached;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::step::StepFinished;

/// So often a model is told what is wrong with its calls.
const WRONG_TURNS: u32 = 5;

impl State {
    pub(super) fn step_finished(&mut self, finished: &StepFinished, spec: &AgentSpec) {
        if let Some(error) = &finished.error {
            self.phase = Phase::Ending(Outcome::Failed, Some(error.clone()));
            return;
        }
        let is_wrong = self.misfits.last().is_some_and(|at| at + 2 == self.messages.len());
        if self.is_call || self.calls.is_empty() && !is_wrong {
            self.phase = Phase::Ending(Outcome::Succeeded, None);
            return;
        }
        if !self.calls.is_empty() {
            if let Some(error) = self.count_wrong_turns() {
                self.phase = Phase::Ending(Outcome::Failed, Some(error));
                return;
            }
            let results = self.calls.drain(..).map(Call::into_result).collect();
            self.messages.push(Message { role: Role::Tool, content: results });
        }
        self.phase = match self.limit(&spec.limits) {
            Some(limit) => Phase::LimitReached(limit),
            None => Phase::StepDue,
        };
    }

    /// The end of a run whose model does not learn from what it is told of its calls.
    fn count_wrong_turns(&mut self) -> Option<RunError> {
        let is_wrong = !self.calls.is_empty() && self.calls.iter().all(Call::is_wrong);
        self.wrong_turns = if is_wrong { self.wrong_turns + 1 } else { 0 };
        let message = || {
            format!("in {WRONG_TURNS} turns in a row the model called nothing that can be called")
        };
        (self.wrong_turns >= WRONG_TURNS).then(|| RunError::new(RunErrorKind::Tool, message()))
    }

    /// The limit that forbids another turn.
    fn limit(&self, limits: &Limits) -> Option<LimitReached> {
        if self.is_taking_over {
            return None;
        }
        let usage = self.usage_of_all();
        let tokens = usage.tokens.input_tokens + usage.tokens.output_tokens;
        let reached = |limit: &str, value: Value, used: Value| {
            Some(LimitReached {
                limit: limit.to_owned(),
                value,
                used,
                needs: None,
                owner: LimitOwner::Run,
            })
        };
        let steps = self.step - self.steps_taken_over;
        if steps >= limits.max_steps {
            return reached("max_steps", json!(limits.max_steps), json!(steps));
        }
        if let Some(max) = limits.max_tokens.filter(|max| tokens >= *max) {
            return reached("max_tokens", json!(max), json!(tokens));
        }
        // What nobody knows the price of may have cost anything.
        let spent = |max: &Usd| usage.cost_usd.is_none_or(|cost| cost >= *max);
        let max = limits.max_cost_usd.filter(spent)?;
        reached("max_cost_usd", json!(max), json!(usage.cost_usd))
    }
}
