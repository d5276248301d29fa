//! From a pinned version of an agent and what was asked to what the engine executes.

use std::sync::Arc;

use auth::scope::Scopes;
use engine::Agent as Execution;
use engine::AgentSpec;
use engine::ApprovalPolicy;
use engine::ApprovalRule;
use engine::Callee;
use engine::DefinitionRef;
use engine::Effect;
use engine::Limits;
use engine::OfferedTool;
use engine::OutputSpec;
use engine::RetryPolicy;
use engine::ToolSpec;
use serde_json::Value;
use serde_json::json;

use super::Record;
use super::RunSummary;
use super::RunsError;
use super::asked::Asked;
use super::rights;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::AgentError;
use crate::agents::Variables;
use crate::db::At;
use crate::db::TenantId;
use crate::http::Invalid;

/// An agent may ask one that asks one, and so on, to this depth.
const MAX_DEPTH: usize = 5;

/// What the engine needs to execute `agent` as `asked`, or what is wrong with that.
///
/// The same arguments give the same specification, on any process: `began` is the run's own time.
pub async fn spec(
    runs: &Runs,
    tenant: &TenantId,
    agent: &Agent,
    asked: &Asked,
    limits: Limits,
    scopes: &Scopes,
    began: At,
) -> Result<Result<AgentSpec, Vec<Invalid>>, RunsError> {
    let content = &agent.content;
    let given = Value::Object(asked.context.clone());
    let user = asked.user.as_deref();
    let variables = Variables { context: &given, now: began, user };
    let instructions = match agent.instructions(variables) {
        Ok(instructions) => instructions,
        Err(wrong) => return Ok(Err(wrong)),
    };
    // A tool that the caller may not use is not offered to the model.
    let tools = content.tools.iter().filter_map(|it| {
        let tool = runs.tools.find(tenant, &it.name)?;
        let may_use = tool.scopes().iter().all(|scope| scopes.covers(scope));
        may_use.then(|| OfferedTool {
            spec: tool.spec().clone(),
            approval: it.policy().unwrap_or_else(|_| always()),
            callee: Callee::Tool,
            unavailable: None,
        })
    });
    let mut tools: Vec<_> = tools.collect();
    for name in &content.agents {
        tools.extend(agent_as_tool(runs, tenant, agent, name, asked, scopes).await?);
    }
    let schema = asked.output_schema.as_ref().or(content.output_schema.as_ref());
    let output = match schema.cloned().map(OutputSpec::new).transpose() {
        Ok(output) => output,
        Err(why) => return Ok(Err(vec![Invalid::new("/output_schema", "bad_schema", why)])),
    };
    Ok(Ok(AgentSpec {
        name: content.name.clone(),
        models: models(runs, agent),
        instructions,
        tools,
        options: asked.model_options.clone(),
        limits,
        retry: RetryPolicy::default(),
        output,
    }))
}

/// What applies when nobody can say when a person must agree.
fn always() -> ApprovalPolicy {
    ApprovalPolicy { rule: ApprovalRule::Always, ..ApprovalPolicy::default() }
}

/// Another agent, as a tool of `agent` named `ask_<name>`; none if the caller may not execute it.
async fn agent_as_tool(
    runs: &Runs,
    tenant: &TenantId,
    agent: &Agent,
    name: &str,
    asked: &Asked,
    scopes: &Scopes,
) -> Result<Option<OfferedTool>, RunsError> {
    let Some(other) = runs.agents.find(tenant, name).await? else { return Ok(None) };
    if !may_execute(&other, scopes) {
        return Ok(None);
    }
    let above = |id: &str| asked.ancestors.iter().any(|it| it == id) || agent.id.to_string() == id;
    let unavailable = if above(&other.id.to_string()) {
        Some(format!("`{name}` waits for this answer itself, and cannot be asked"))
    } else if asked.ancestors.len() + 1 >= MAX_DEPTH {
        Some(format!("agents ask each other at most {MAX_DEPTH} deep"))
    } else {
        None
    };
    let tool = llm::Tool {
        name: format!("ask_{}", other.content.name),
        description: description(&other),
        input_schema: json!({
            "type": "object",
            "properties": {"input": {
                "type": "string",
                "minLength": 1,
                "description": "What to ask. The agent knows nothing else of this conversation.",
            }},
            "required": ["input"],
            "additionalProperties": false,
        }),
    };
    let Ok(spec) = ToolSpec::new(tool, Some(other.version), Effect::Effect) else {
        return Ok(None);
    };
    let callee = Callee::Agent(other.content.name.clone());
    Ok(Some(OfferedTool { spec, approval: ApprovalPolicy::default(), callee, unavailable }))
}

/// Whether who holds `scopes` may execute `agent`.
pub fn may_execute(agent: &Agent, scopes: &Scopes) -> bool {
    let mut needed = agent.content.scopes.iter().map(String::as_str).chain([rights::EXECUTE]);
    needed.all(|scope| scopes.covers(scope))
}

fn description(agent: &Agent) -> String {
    let content = &agent.content;
    if content.description.is_empty() {
        return format!("Asks the agent {}.", content.display_name);
    }
    format!("Asks the agent {}: {}", content.display_name, content.description)
}

/// One of the agent's models whose price nobody knows.
pub fn unpriced(runs: &Runs, agent: &Agent) -> Option<String> {
    models(runs, agent).into_iter().find(|model| runs.models.price(model).is_none())
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

/// What a run executes, from its record alone.
///
/// `Err` says in words for the caller why it cannot be executed: the version is gone, or what it
/// needs is.
pub async fn pinned(
    runs: &Runs,
    record: &Record,
) -> Result<Result<Arc<AgentSpec>, String>, RunsError> {
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
    let (limits, began) = (limits(summary), summary.created_at);
    let spec = spec(runs, tenant, &agent, asked, limits, scopes, began);
    Ok(match spec.await? {
        Ok(spec) => Ok(Arc::new(spec)),
        Err(wrong) => {
            let details: Vec<_> = wrong.into_iter().map(|it| it.detail).collect();
            Err(format!("`{}` cannot be executed: {}", definition.name, details.join("; ")))
        }
    })
}

/// The limits of a run. Of one that another waits for, the time in the queue counts.
fn limits(summary: &RunSummary) -> Limits {
    let began = summary.started_at.filter(|_| summary.parent_run_id.is_some());
    let queued = began.map_or(0, |at| (at.time() - summary.created_at.time()).num_milliseconds());
    let timeout_ms = summary.limits.timeout_ms.saturating_sub(queued.try_into().unwrap_or(0));
    Limits { timeout_ms, ..summary.limits }
}

/// The state of a run before its first event, or words for its caller why it has none.
pub async fn execution(
    runs: &Runs,
    record: &Record,
) -> Result<Result<Execution, String>, RunsError> {
    let spec = pinned(runs, record).await?;
    Ok(spec.map(|spec| Execution::new(record.run.summary.id.to_string(), spec)))
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
        output: None,
    };
    Execution::new(summary.id.to_string(), Arc::new(spec))
}
