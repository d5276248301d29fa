//! Runs that other runs begin.

use auth::scope::Scopes;
use engine::Limits;
use llm::Usd;

use super::Record;
use super::RunsError;
use super::Trigger;
use super::asked::Asked;
use super::execute;
use super::pins;
use super::prepare;
use super::service::Runs;

/// The run of another agent that `parent` begins, on behalf of the same caller with what he still `held`, and
/// within what `left` it has; or words for the model why there is none.
pub async fn record(
    runs: &Runs,
    parent: &Record,
    name: &str,
    input: String,
    held: Scopes,
    left: Limits,
) -> Result<Result<Record, String>, RunsError> {
    let is_exhausted =
        left.timeout_ms == 0 || left.max_tokens == Some(0) || left.max_cost_usd == Some(Usd::ZERO);
    let agent = runs.agents.find(&parent.tenant, name).await?;
    let Some(agent) = agent.filter(|it| it.is_usable()) else {
        return Ok(Err(format!("the agent `{name}` cannot be asked now")));
    };
    if !prepare::may_execute(&agent, &held) {
        return Ok(Err(format!("the caller may not execute `{name}` any more")));
    }
    if is_exhausted {
        return Ok(Err("nothing is left of the limits of this run".to_owned()));
    }
    let own = agent.content.limits;
    let at_most = |own: Option<u64>, left: Option<u64>| match (own, left) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (own, left) => own.or(left),
    };
    let limits = Limits {
        max_steps: own.max_steps,
        max_parallel_tool_calls: own.max_parallel_tool_calls,
        max_tokens: at_most(own.max_tokens, left.max_tokens),
        max_cost_usd: own.max_cost_usd.map_or(left.max_cost_usd, |own| {
            Some(left.max_cost_usd.map_or(own, |left| left.min(own)))
        }),
        timeout_ms: own.timeout_ms.min(left.timeout_ms),
    };
    if limits.max_cost_usd.is_some()
        && let Some(model) = prepare::unpriced(runs, &agent)
    {
        return Ok(Err(format!(
            "the price of `{model}` is unknown, and the cost of this run is limited"
        )));
    }
    let mut ancestors = parent.asked.ancestors.clone();
    ancestors.push(parent.definition.to_string());
    let asked = Asked {
        input: engine::Input::Text(input),
        user: parent.asked.user.clone(),
        context: parent.asked.context.clone(),
        model_options: agent.content.model_options.clone(),
        ancestors,
        top_run: Some(parent.asked.top_run.unwrap_or(parent.run.summary.id)),
        webhook: None,
        memory: agent.content.memory.clone(),
        output_schema: None,
        tools: Some(pins::pin(runs, &parent.tenant, &agent).await?),
    };
    let tenant = parent.tenant.clone();
    let mut record = execute::new_record(runs, (&*agent).into(), asked, limits, tenant, held);
    let (summary, above) = (&mut record.run.summary, &parent.run.summary);
    summary.subject.clone_from(&above.subject);
    summary.client_id.clone_from(&above.client_id);
    summary.parent_run_id = Some(above.id);
    summary.trigger = Trigger::Run;
    Ok(Ok(record))
}
