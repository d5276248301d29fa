//! What a model call may use: limits of the run and budgets, before and after it is made.

use engine::LimitReached;
use engine::ModelCall;
use llm::Answer;
use llm::FinishReason;
use llm::ModelError;
use llm::Usage;
use llm::Usd;
use llm::price::Price;

use super::Driver;
use super::Stop;
use crate::runs::budgets::Settlement;
use crate::runs::budgets::reserve;
use crate::runs::budgets::reserve::Draw;

/// The most output of a call that draws from a budget and is told no other number: so much is held back
/// from others while it is under way.
const OUTPUT: u64 = 8_192;

/// What a call may use, and what it costs.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    price: Option<Price>,
    draw: Option<Draw>,
    lowered_by: Option<LimitReached>,
}

impl Driver {
    /// Bounds a call by what the limits of the run and its budgets leave, and draws that from the budgets;
    /// or the limit for which it must not be made.
    pub(super) async fn afford(
        &mut self,
        call: &mut ModelCall,
    ) -> Result<Result<Allowance, LimitReached>, Stop> {
        let price = self.runs.models.price(&call.started.model);
        let budgets = self.runs.budgets.of(&self.record);
        if budgets.is_empty() && !self.agent()?.is_bounded() {
            return Ok(Ok(Allowance { price, ..Allowance::default() }));
        }
        let mut bound = match self.agent()?.bound(call, price.as_ref()) {
            Ok(bound) => bound,
            Err(reached) => return Ok(Err(*reached)),
        };
        let mut draw = None;
        if !budgets.is_empty() {
            if self.log.gives_back() || self.first_before_asking {
                // What the call before did not use is there for this one. A run that does not begin
                // draws nothing.
                self.store().await?;
            }
            if call.request.options.max_output_tokens.is_none() {
                bound.output_tokens = bound.output_tokens.min(OUTPUT);
            }
            match reserve::reserve(&self.runs, &budgets, &mut bound, price.as_ref()).await? {
                Ok(drawn) => draw = Some(drawn),
                Err(reached) => return Ok(Err(reached)),
            }
        }
        bound.bind(&mut call.request);
        if self.agent()?.is_bounded() {
            call.started.may_use = Some(bound.usage(price.as_ref()));
        }
        Ok(Ok(Allowance { price, draw, lowered_by: bound.lowered_by }))
    }
}

impl Allowance {
    /// What an answer has cost; `None` if the price is unknown, or what was used.
    pub fn cost(&self, answer: &Answer) -> Option<Usd> {
        self.price.filter(|_| is_told(&answer.usage)).map(|price| price.cost(&answer.usage))
    }

    /// The limit that cut an answer short.
    pub fn cut(&self, answer: &Answer) -> Option<LimitReached> {
        self.lowered_by.clone().filter(|_| answer.finish_reason == FinishReason::Length)
    }

    /// What the budgets get back after an answer. One that does not tell what it used has used all.
    pub fn after_answer(&mut self, answer: &Answer) -> Vec<Settlement> {
        let (usage, cost) = (answer.usage, self.cost(answer));
        let settle = |draw: Draw| {
            let tokens = usage.input_tokens + usage.output_tokens;
            let tokens = if is_told(&usage) { tokens } else { draw.all().0 };
            draw.settle(tokens, cost)
        };
        self.draw.take().map(settle).unwrap_or_default()
    }

    /// What the budgets get back after a failure: all if nothing can have been used, else nothing. What a
    /// provider did until its answer broke off, thoughts and arguments of calls included, nobody sees.
    pub fn after_error(&mut self, error: &ModelError) -> Vec<Settlement> {
        let draw = self.draw.take().filter(|_| error.used_nothing());
        draw.map(|draw| draw.settle(0, Some(Usd::ZERO))).unwrap_or_default()
    }
}

/// Whether a provider told what it used.
fn is_told(usage: &Usage) -> bool {
    usage.input_tokens + usage.output_tokens > 0
}
