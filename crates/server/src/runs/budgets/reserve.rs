//! Draws what a model call may use from all budgets of its run, before it is made.

use engine::Bound;
use engine::LimitReached;
use llm::Usd;
use llm::price::Price;

use super::Budget;
use super::Owner;
use super::Settlement;
use super::day_of;
use crate::runs::service::Runs;
use crate::runs::store::budgets as store;

/// How often less is tried when the budgets do not have what is asked for.
const ATTEMPTS: usize = 3;

/// What a call has drawn: at most this it uses.
#[derive(Debug)]
pub struct Draw {
    owners: Vec<Owner>,
    day: String,
    tokens: u64,
    cost: Usd,
}

/// Why nothing was drawn.
#[derive(Debug, thiserror::Error)]
enum DrawError {
    /// One of the budgets leaves only so much output.
    #[error("a budget does not have so much")]
    Short { output_tokens: u64, reached: Box<LimitReached> },
    #[error("the database refused a query of budgets")]
    Database(#[from] sqlx::Error),
}

/// Draws from all of `budgets` at once what a call within `bound` may use. If they have less, the bound
/// becomes as small as they need; if they have not even the input, the answer is the limit that says so.
pub async fn reserve(
    runs: &Runs,
    budgets: &[Budget],
    bound: &mut Bound,
    price: Option<&Price>,
) -> Result<Result<Draw, LimitReached>, sqlx::Error> {
    if price.is_none()
        && let Some(budget) = budgets.iter().find(|budget| budget.max_cost_usd.is_some())
    {
        return Ok(Err(budget.cost_reached(None, None)));
    }
    let day = day_of(runs.clock.now());
    let mut attempts = ATTEMPTS;
    loop {
        match draw(runs, budgets, &day, bound, price).await {
            Ok(draw) => return Ok(Ok(draw)),
            Err(DrawError::Short { output_tokens, reached }) => {
                if let Err(reached) = bound.lower(output_tokens, (*reached).clone()) {
                    return Ok(Err(*reached));
                }
                attempts -= 1;
                // Others were faster each time.
                if attempts == 0 {
                    return Ok(Err(*reached));
                }
            }
            Err(DrawError::Database(cause)) => return Err(cause),
        }
    }
}

/// The limit that leaves too little for a call with so much input and any output at all.
pub async fn refusal(
    runs: &Runs,
    budgets: &[Budget],
    input_tokens: u64,
    price: Option<&Price>,
) -> Result<Option<LimitReached>, sqlx::Error> {
    let (day, bound) = (day_of(runs.clock.now()), Bound::least(input_tokens));
    for budget in budgets {
        let (used, cost) =
            runs.db.read(async |conn| store::used(conn, &budget.owner, &day).await).await?;
        if let (0, reached) = left(budget, (used.tokens, cost), &bound, price) {
            return Ok(Some(reached));
        }
    }
    Ok(None)
}

async fn draw(
    runs: &Runs,
    budgets: &[Budget],
    day: &str,
    bound: &Bound,
    price: Option<&Price>,
) -> Result<Draw, DrawError> {
    let tokens = bound.input_tokens + bound.output_tokens;
    let cost = price.map(|price| price.most(bound.input_tokens, bound.output_tokens));
    let drawn = runs.db.write(async |tx| {
        for budget in budgets {
            if !store::draw(tx, budget, day, tokens, cost).await? {
                let (used, cost) = store::used(tx, &budget.owner, day).await?;
                let (output_tokens, reached) = left(budget, (used.tokens, cost), bound, price);
                return Err(DrawError::Short { output_tokens, reached: Box::new(reached) });
            }
        }
        Ok(())
    });
    drawn.await?;
    let owners = budgets.iter().map(|budget| budget.owner.clone()).collect();
    Ok(Draw { owners, day: day.to_owned(), tokens, cost: cost.unwrap_or_default() })
}

/// How much output a budget leaves of which that much is `used`, and which limit of it leaves no more.
fn left(
    budget: &Budget,
    used: (u64, Usd),
    bound: &Bound,
    price: Option<&Price>,
) -> (u64, LimitReached) {
    let (tokens, cost) = used;
    let input = bound.input_tokens;
    let by_tokens = budget.max_tokens.map(|max| {
        let left = max.saturating_sub(tokens).saturating_sub(input);
        (left, budget.tokens_reached(tokens, input + 1))
    });
    let by_cost = budget.max_cost_usd.zip(price).map(|(max, price)| {
        let left = price.output_for(max.saturating_sub(cost), input).unwrap_or(0);
        (left, budget.cost_reached(Some(cost), Some(price.most(input, 1))))
    });
    let least = by_tokens.into_iter().chain(by_cost).min_by_key(|(left, _)| *left);
    least.unwrap_or_else(|| (0, budget.tokens_reached(tokens, input + 1)))
}

impl Draw {
    /// What is given back when the call has used this. More than was drawn is drawn now: what was used was
    /// used. A cost that nobody knows is as drawn.
    pub fn settle(self, tokens: u64, cost: Option<Usd>) -> Vec<Settlement> {
        let difference = |now: u64, before: u64| now.cast_signed() - before.cast_signed();
        let tokens = difference(tokens, self.tokens);
        let cost = difference(cost.unwrap_or(self.cost).trillionths(), self.cost.trillionths());
        let settle = |owner| Settlement { owner, day: self.day.clone(), tokens, cost };
        self.owners.into_iter().map(settle).collect()
    }

    /// All that was drawn.
    pub fn all(&self) -> (u64, Usd) {
        (self.tokens, self.cost)
    }
}
