//! What a model call may use: no more than the limits of the run leave.

use llm::Request;
use llm::Usd;
use llm::price::Price;
use serde_json::Value;
use serde_json::json;

use super::Agent;
use super::AgentSpec;
use super::ModelCall;
use super::state::State;
use crate::input::Input;
use crate::limits::LimitOwner;
use crate::limits::LimitReached;
use crate::outcome::Usage;

/// How many tokens a model call may use at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// What the input is at most.
    pub input_tokens: u64,
    /// At least 1.
    pub output_tokens: u64,
    /// The limit that leaves less output than the call would have had.
    pub lowered_by: Option<LimitReached>,
}

/// What a conversation has been counted as by a model.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub model: String,
    /// So many messages.
    pub messages: usize,
    pub tokens: u64,
}

impl Bound {
    /// That of a call with so much input, and as little output as there can be.
    pub fn least(input_tokens: u64) -> Self {
        Self { input_tokens, output_tokens: 1, lowered_by: None }
    }

    /// All that the call may use, at this price.
    pub fn usage(&self, price: Option<&Price>) -> Usage {
        let (input_tokens, output_tokens) = (self.input_tokens, self.output_tokens);
        let cost_usd = price.map(|price| price.most(input_tokens, output_tokens));
        let tokens = llm::Usage { input_tokens, output_tokens, ..llm::Usage::default() };
        Usage { tokens, cost_usd }
    }

    /// Leaves no more than `output_tokens` of output, because of `limit`; fails with it if that is none.
    pub fn lower(
        &mut self,
        output_tokens: u64,
        limit: LimitReached,
    ) -> Result<(), Box<LimitReached>> {
        if output_tokens == 0 {
            return Err(Box::new(limit));
        }
        if output_tokens < self.output_tokens {
            self.output_tokens = output_tokens;
            self.lowered_by = Some(limit);
        }
        Ok(())
    }

    /// Binds `request` to this. Members for the provider that say otherwise are taken out.
    pub fn bind(&self, request: &mut Request) {
        let options = &mut request.options;
        options.max_output_tokens = Some(self.output_tokens.try_into().unwrap_or(u32::MAX));
        for member in ["max_tokens", "max_completion_tokens", "max_output_tokens", "n"] {
            options.provider.remove(member);
        }
        // Google's and Ollama's are within these.
        for object in ["generationConfig", "options"] {
            let Some(Value::Object(members)) = options.provider.get_mut(object) else { continue };
            for member in ["maxOutputTokens", "candidateCount", "num_predict"] {
                members.remove(member);
            }
        }
    }
}

impl Agent {
    /// Whether limits of tokens or money bound the model calls of this run.
    pub fn is_bounded(&self) -> bool {
        let limits = &self.spec.limits;
        limits.max_tokens.is_some() || limits.max_cost_usd.is_some()
    }

    /// What `call` may use, or the limit that does not leave enough to make it. `price` is that of its
    /// model, if it is known.
    ///
    /// Until a model has counted the conversation, each of its bytes is taken for a token, so that no more
    /// is ever used than a limit allows, but for what a provider does not keep to.
    pub fn bound(
        &self,
        call: &ModelCall,
        price: Option<&Price>,
    ) -> Result<Bound, Box<LimitReached>> {
        let request = &call.request;
        let own = request.options.max_output_tokens;
        let usual = own.unwrap_or_else(|| llm::usual_output_tokens(&request.model));
        let input_tokens = self.state.most_input_tokens(request);
        let mut bound = Bound { input_tokens, output_tokens: usual.into(), lowered_by: None };
        let usage = self.usage_of_all();
        if let Some(max) = self.spec.limits.max_tokens {
            let used = usage.tokens.input_tokens + usage.tokens.output_tokens;
            let reached = of_run("max_tokens", json!(max), json!(used), json!(input_tokens + 1));
            bound.lower(max.saturating_sub(used).saturating_sub(input_tokens), reached)?;
        }
        if let Some(max) = self.spec.limits.max_cost_usd {
            let needs = price.map(|price| price.most(input_tokens, 1));
            let used = usage.cost_usd;
            let reached = of_run("max_cost_usd", json!(max), json!(used), json!(needs));
            let left = used.map(|used| max.saturating_sub(used));
            let pays_for = |(left, price): (Usd, &Price)| price.output_for(left, input_tokens);
            bound.lower(left.zip(price).and_then(pays_for).unwrap_or(0), reached)?;
        }
        Ok(bound)
    }
}

impl AgentSpec {
    /// The most tokens of the input of a run's first model call.
    pub fn most_first_input(&self, input: &Input) -> u64 {
        let request = self.request(String::new(), input.messages());
        llm::most_frame_tokens(&request) + llm::most_tokens(&request.messages)
    }
}

impl State {
    /// The most tokens of the input of `request`, which has the messages of this state.
    fn most_input_tokens(&self, request: &Request) -> u64 {
        match &self.counted {
            Some(counted) if counted.model == request.model => {
                let new = request.messages.get(counted.messages..).unwrap_or_default();
                counted.tokens + llm::most_tokens(new)
            }
            _ => llm::most_frame_tokens(request) + llm::most_tokens(&request.messages),
        }
    }
}

fn of_run(limit: &str, value: Value, used: Value, needs: Value) -> LimitReached {
    let (limit, owner, needs) = (limit.to_owned(), LimitOwner::Run, Some(needs));
    LimitReached { limit, value, used, needs, owner }
}
