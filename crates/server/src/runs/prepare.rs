//! From a pinned version of an agent and what was asked to what the engine executes.

use std::sync::Arc;

use engine::Agent as Execution;
use engine::AgentSpec;
use engine::DefinitionRef;
use engine::Limits;
use engine::RetryPolicy;
use serde_json::Value;

use super::Record;
use super::RunsError;
use super::asked::Asked;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::AgentError;
use crate::agents::Variables;
use crate::db::At;
use crate::db::TenantId;
use crate::http::Invalid;

/// What the engine needs to execute `agent` as `asked`, or what is wrong with that.
///
/// The same arguments give the same specification, on any process: `began` is the run's own time.
pub fn spec(
    runs: &Runs,
    tenant: &TenantId,
    agent: &Agent,
    asked: &Asked,
    limits: Limits,
    scopes: &auth::scope::Scopes,
    began: At,
) -> Result<AgentSpec, Vec<Invalid>> {
    let content = &agent.content;
    let given = Value::Object(asked.context.clone());
    let user = asked.user.as_deref();
    let instructions = agent.instructions(Variables { context: &given, now: began, user })?;
    // A tool that the caller may not use is not offered to the model.
    let tools = content.tools.iter().filter_map(|it| runs.tools.find(tenant, &it.name));
    let tools = tools.filter(|tool| tool.scopes().iter().all(|scope| scopes.covers(scope)));
    Ok(AgentSpec {
        name: content.name.clone(),
        models: models(runs, agent),
        instructions,
        tools: tools.map(|tool| tool.spec().clone()).collect(),
        options: asked.model_options.clone(),
        limits,
        retry: RetryPolicy::default(),
    })
}

/// What `agent` asks for and this release cannot do. It is not executed without it.
pub fn unsupported(agent: &Agent) -> Vec<Invalid> {
    let content = &agent.content;
    let asked = [
        ("/agents", !content.agents.is_empty()),
        ("/output_schema", content.output_schema.is_some()),
        ("/limits/max_cost_usd", content.limits.max_cost_usd.is_some()),
    ];
    let detail = "this release cannot do it; an agent that needs it is not executed";
    let asked = asked.into_iter().filter(|(_, asked)| *asked);
    asked.map(|(pointer, _)| Invalid::new(pointer, "not_supported", detail)).collect()
}

/// The agent's models by their full names; by the agent's, if that means none.
fn models(runs: &Runs, agent: &Agent) -> Vec<String> {
    let full = |name: &str| match runs.models.resolve(name) {
        Ok(model) => model.full_name,
        Err(_) => name.to_owned(),
    };
    match &agent.content.model {
        Some(names) => {
            let mut models: Vec<String> = Vec::new();
            for model in names.iter().map(full) {
                if !models.contains(&model) {
                    models.push(model);
                }
            }
            models
        }
        None => vec![full(runs.models.default_name())],
    }
}

/// The state of a run before its first event, from its record alone.
///
/// `Err` says in words for the caller why it cannot be executed: the version is gone, or what it
/// needs is.
pub async fn execution(
    runs: &Runs,
    record: &Record,
) -> Result<Result<Execution, String>, RunsError> {
    let summary = &record.run.summary;
    let definition = &summary.definition;
    let found = runs.agents.version(&record.tenant, record.definition, definition.version);
    let agent = match found.await {
        Ok(Some(agent)) => agent,
        Ok(None) => {
            let DefinitionRef { name, version, .. } = definition;
            return Ok(Err(format!("version {version} of `{name}` is no longer there")));
        }
        Err(unreadable @ AgentError::Unreadable { .. }) => return Ok(Err(unreadable.to_string())),
        Err(fault) => return Err(fault.into()),
    };
    let Record { tenant, asked, scopes, .. } = record;
    let spec = spec(runs, tenant, &agent, asked, summary.limits, scopes, summary.created_at);
    Ok(match spec {
        Ok(spec) => Ok(Execution::new(summary.id.to_string(), Arc::new(spec))),
        Err(wrong) => {
            let details: Vec<_> = wrong.into_iter().map(|it| it.detail).collect();
            Err(format!("`{}` cannot be executed: {}", definition.name, details.join("; ")))
        }
    })
}

/// An execution that can only end, for a run that cannot be executed.
pub fn nothing(record: &Record) -> Execution {
    let summary = &record.run.summary;
    let spec = AgentSpec {
        name: summary.definition.name.clone(),
        models: Vec::new(),
        instructions: String::new(),
        tools: Vec::new(),
        options: record.asked.model_options.clone(),
        limits: summary.limits,
        retry: RetryPolicy::default(),
    };
    Execution::new(summary.id.to_string(), Arc::new(spec))
}
