//! Whether a run may begin: what it may cost can be known, and its budgets have something left.

use engine::AgentSpec;
use engine::Limits;

use super::Record;
use super::RunsError;
use super::budgets::Budget;
use super::budgets::reserve;
use super::budgets::resets_at;
use super::execute::ExecuteError;
use super::prepare;
use super::service::Runs;
use crate::agents::Agent;
use crate::http::Invalid;

/// Refuses a run that its limits or a budget do not let begin.
pub async fn ensure(
    runs: &Runs,
    agent: &Agent,
    spec: &AgentSpec,
    record: &Record,
) -> Result<(), ExecuteError> {
    let budgets = runs.budgets.of(record);
    ensure_priced(runs, agent, record.run.summary.limits, &budgets)?;
    ensure_left(runs, &budgets, spec, record).await
}

/// Refuses a run whose cost is limited, and cannot be known: what is unknown is never taken for nothing.
fn ensure_priced(
    runs: &Runs,
    agent: &Agent,
    limits: Limits,
    budgets: &[Budget],
) -> Result<(), ExecuteError> {
    let by_budget = budgets.iter().find(|budget| budget.max_cost_usd.is_some());
    let (pointer, whose) = match (limits.max_cost_usd, by_budget) {
        (Some(_), _) => ("/limits/max_cost_usd", "run"),
        (None, Some(budget)) => ("/model", budget.owner.kind.as_str()),
        (None, None) => return Ok(()),
    };
    let Some(model) = prepare::unpriced(runs, agent) else { return Ok(()) };
    let detail = format!(
        "the price of `{model}` is unknown, and the cost of the {whose} is limited: set AGENT_SERVER_PRICES"
    );
    Err(ExecuteError::UnknownPrice(vec![Invalid::new(pointer, "unknown_price", detail)]))
}

/// Refuses a run whose first model call a budget would not pay for.
async fn ensure_left(
    runs: &Runs,
    budgets: &[Budget],
    spec: &AgentSpec,
    record: &Record,
) -> Result<(), ExecuteError> {
    if budgets.is_empty() {
        return Ok(());
    }
    let input = spec.most_first_input(&record.asked.input);
    let price = spec.models.first().and_then(|model| runs.models.price(model));
    let reached = reserve::refusal(runs, budgets, input, price.as_ref()).await;
    let Some(reached) = reached.map_err(RunsError::from)? else { return Ok(()) };
    let now = runs.clock.now();
    let resets_at = resets_at(now);
    let wait = (resets_at.time() - now.time()).to_std().unwrap_or_default();
    Err(ExecuteError::Budget { reached: Box::new(reached), resets_at, wait })
}
