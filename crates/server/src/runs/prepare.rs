//! From a pinned version of an agent and what was asked to what the engine executes.

use std::sync::Arc;

use auth::scope::Scopes;
use engine::AgentSpec;
use engine::ApprovalPolicy;
use engine::Callee;
use engine::DefinitionRef;
use engine::Effect;
use engine::Limits;
use engine::OfferedTool;
use engine::OutputSpec;
use engine::ReferenceKind;
use engine::RetryPolicy;
use engine::RunKind;
use engine::ToolSpec;
use engine::WorkflowSpec;
use llm::ModelOptions;
use serde_json::Value;
use serde_json::json;

use super::Record;
use super::RunSummary;
use super::RunsError;
use super::asked::Asked;
use super::execution::Execution;
use super::execution::Spec;
use super::pins;
use super::pins::Pin;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::ToolUse;
use crate::agents::Variables;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Kind;
use crate::http::Invalid;
use crate::tools::Does;
use crate::tools::ToolDefinition;
use crate::tools::search_of;
use crate::workflows::Workflow;

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
    let mut tools = Vec::new();
    let own = agent.id.to_string();
    for used in &content.tools {
        let Some(found) = pins::find(runs, tenant, asked, &used.name).await? else { continue };
        tools.extend(tool(runs, tenant, (&own, asked), used, &found, scopes).await?);
    }
    for name in &content.rag_databases {
        let Some(database) = runs.rag.databases().find(tenant, name).await? else { continue };
        let found = search_of(&runs.rag, &database);
        let offer = ToolUse::of(&found.content.name);
        tools.extend(tool(runs, tenant, (&own, asked), &offer, &found, scopes).await?);
    }
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

/// What the engine needs for the run of `record`, which is one call of `tool`.
pub async fn call(
    runs: &Runs,
    record: &Record,
    called: &ToolDefinition,
) -> Result<AgentSpec, RunsError> {
    let Record { tenant, asked, scopes, run, .. } = record;
    let (own, used) = (called.id.to_string(), ToolUse::of(&called.content.name));
    let offered = tool(runs, tenant, (&own, asked), &used, called, scopes).await?;
    let name = called.content.name.clone();
    Ok(AgentSpec { name, tools: offered.into_iter().collect(), ..empty(run.summary.limits) })
}

/// What the engine needs for the run of `record`, which executes `workflow`; none if that is not valid.
pub async fn workflow(
    runs: &Runs,
    record: &Record,
    executed: &Workflow,
) -> Result<Option<WorkflowSpec>, RunsError> {
    let Record { tenant, asked, scopes, run, .. } = record;
    let Some(workflow) = executed.ready.workflow.clone() else { return Ok(None) };
    let own = executed.id.to_string();
    let mut named = workflow.references();
    named.retain(|it| it.kind == ReferenceKind::Tool);
    // Those without a version first: what is asked for without one is the first of its name.
    named.sort_by_key(|it| (it.name.to_ascii_lowercase(), it.version));
    named.dedup_by_key(|it| (it.name.to_ascii_lowercase(), it.version));
    let mut tools = Vec::new();
    for reference in named {
        let (name, version) = (&reference.name, reference.version);
        let Some(found) = pins::find_at(runs, tenant, asked, name, version).await? else {
            continue;
        };
        let used = ToolUse::of(&found.content.name);
        match tool(runs, tenant, (&own, asked), &used, &found, scopes).await? {
            Some(offered) => tools.push(offered),
            None => tools.extend(found.ready.spec.clone().map(|spec| OfferedTool {
                spec,
                approval: ApprovalPolicy::default(),
                callee: Callee::Tool,
                unavailable: Some(format!("the caller may not use `{name}`")),
            })),
        }
    }
    let context = Value::Object(asked.context.clone());
    Ok(Some(WorkflowSpec { workflow, tools, context, limits: limits(&run.summary) }))
}

/// The tool `tool` as it is `used` by the definition `own`, which is executed as `asked`; none if the caller may
/// not use it: then it is not offered to the model.
async fn tool(
    runs: &Runs,
    tenant: &TenantId,
    own: (&str, &Asked),
    used: &ToolUse,
    tool: &ToolDefinition,
    scopes: &Scopes,
) -> Result<Option<OfferedTool>, RunsError> {
    let may_use = tool.content.scopes.iter().all(|scope| scopes.covers(scope));
    let Some(spec) = tool.ready.spec.clone().filter(|_| may_use) else { return Ok(None) };
    let mut unavailable = pins::refusal(tool);
    let callee = match &tool.ready.does {
        Some(Does::Ask(other)) => {
            let callee = runs.agents.find(tenant, other).await?;
            if !callee.as_ref().is_some_and(|it| may_execute(it, scopes)) {
                return Ok(None);
            }
            let circle = |it: Arc<Agent>| circle(it.id, &it.content.name, own);
            unavailable = unavailable.or_else(|| callee.and_then(circle));
            Callee::Agent(other.clone())
        }
        _ => Callee::Tool,
    };
    let approval = used.policy_with(&tool.content.approval);
    Ok(Some(OfferedTool { spec, approval, callee, unavailable }))
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
    let own = agent.id.to_string();
    let unavailable = circle(other.id, &other.content.name, (&own, asked));
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

/// Whether who holds `scopes` may execute `definition`.
pub fn may_execute<K: Kind>(definition: &Definition<K>, scopes: &Scopes) -> bool {
    let own = definition.content.scopes().iter().map(String::as_str);
    own.chain([K::EXECUTE]).all(|scope| scopes.covers(scope))
}

/// Why the agent or workflow `other` cannot be asked by the run of the definition `own`, which is below others.
pub fn circle(other: Id, name: &str, (own, asked): (&str, &Asked)) -> Option<String> {
    let id = other.to_string();
    if own == id || asked.ancestors.contains(&id) {
        return Some(format!("`{name}` waits for this answer itself, and cannot be asked"));
    }
    let is_deep = asked.ancestors.len() + 1 >= MAX_DEPTH;
    is_deep.then(|| format!("agents ask each other at most {MAX_DEPTH} deep"))
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
pub async fn pinned(runs: &Runs, record: &Record) -> Result<Result<Spec, String>, RunsError> {
    let summary = &record.run.summary;
    let DefinitionRef { name, version, .. } = &summary.definition;
    let spec = match summary.kind {
        RunKind::Tool => pinned_tool(runs, record, *version).await,
        RunKind::Agent => pinned_agent(runs, record, *version).await,
        RunKind::Workflow => pinned_workflow(runs, record, *version).await,
    };
    match spec {
        Ok(Some(Ok(spec))) => Ok(Ok(spec)),
        Ok(Some(Err(wrong))) => {
            let details: Vec<_> = wrong.into_iter().map(|it| it.detail).collect();
            Ok(Err(format!("`{name}` cannot be executed: {}", details.join("; "))))
        }
        Ok(None) => Ok(Err(format!("version {version} of `{name}` is no longer there"))),
        Err(RunsError::Definitions(unreadable @ DefinitionError::Unreadable { .. })) => {
            Ok(Err(unreadable.to_string()))
        }
        Err(fault) => Err(fault),
    }
}

/// What is pinned, if it is there, or what is wrong with it.
type Pinned = Option<Result<Spec, Vec<Invalid>>>;

async fn pinned_agent(runs: &Runs, record: &Record, version: i64) -> Result<Pinned, RunsError> {
    let Record { tenant, asked, scopes, run, .. } = record;
    let (limits, began) = (limits(&run.summary), run.summary.created_at);
    let found = runs.agents.version(tenant, record.definition, version).await?;
    let Some(agent) = found else { return Ok(None) };
    let spec = spec(runs, tenant, &agent, asked, limits, scopes, began).await?;
    Ok(Some(spec.map(|spec| Spec::Agent(Arc::new(spec)))))
}

async fn pinned_workflow(runs: &Runs, record: &Record, version: i64) -> Result<Pinned, RunsError> {
    let found = runs.workflows.version(&record.tenant, record.definition, version).await?;
    let Some(found) = found else { return Ok(None) };
    let spec = workflow(runs, record, &found).await?;
    Ok(Some(spec.map(Spec::Workflow).ok_or_else(|| found.problems.clone())))
}

async fn pinned_tool(runs: &Runs, record: &Record, version: i64) -> Result<Pinned, RunsError> {
    let pin = Pin { id: record.definition, version };
    let name = &record.run.summary.definition.name;
    let tool = match pins::at(runs, &record.tenant, pin).await? {
        Some(tool) => Some(tool),
        // One that searches a database is made of it, whenever it is asked for.
        None => pins::called(runs, &record.tenant, &record.asked, name).await?,
    };
    let Some(tool) = tool else { return Ok(None) };
    Ok(Some(Ok(Spec::Agent(Arc::new(call(runs, record, &tool).await?)))))
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
    Ok(spec.map(|spec| spec.begin(record.run.summary.id)))
}

/// An execution that can only end, for a run that cannot be executed.
pub fn nothing(record: &Record) -> Execution {
    let summary = &record.run.summary;
    let spec = AgentSpec { name: summary.definition.name.clone(), ..empty(summary.limits) };
    Spec::Agent(Arc::new(spec)).begin(summary.id)
}

/// What asks no model and calls no tool.
fn empty(limits: Limits) -> AgentSpec {
    AgentSpec {
        name: String::new(),
        models: Vec::new(),
        instructions: String::new(),
        tools: Vec::new(),
        options: ModelOptions::default(),
        limits,
        retry: RetryPolicy::default(),
        output: None,
    }
}
