//! From a pinned version of an agent and what was asked to what the engine executes.

use std::sync::Arc;

use auth::scope::Scopes;
use engine::AgentSpec;
use engine::ApprovalPolicy;
use engine::Callee;
use engine::DefinitionRef;
use engine::Limits;
use engine::OfferedTool;
use engine::OutputSpec;
use engine::Reference;
use engine::ReferenceKind;
use engine::RetryPolicy;
use engine::RunKind;
use engine::WorkflowSpec;
use llm::ModelOptions;
use serde_json::Value;

use super::Record;
use super::RunSummary;
use super::RunsError;
use super::asked::Asked;
use super::execution::Execution;
use super::execution::Spec;
use super::offered;
use super::pins;
use super::pins::Pin;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::ToolUse;
use crate::agents::Variables;
use crate::db::At;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::http::Invalid;
use crate::tools::ToolDefinition;
use crate::tools::search_of;
use crate::workflows::Workflow;

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
        tools.extend(offered::tool(runs, tenant, (&own, asked), used, &found, scopes).await?);
    }
    for name in &content.rag_databases {
        let Some(database) = runs.rag.databases().find(tenant, name).await? else { continue };
        let found = search_of(&runs.rag, &database);
        let offer = ToolUse::of(&found.content.name);
        tools.extend(offered::tool(runs, tenant, (&own, asked), &offer, &found, scopes).await?);
    }
    for name in &content.agents {
        tools.extend(offered::agent(runs, tenant, (&own, asked), name, scopes).await?);
    }
    for name in &content.workflows {
        tools.extend(offered::workflow(runs, tenant, (&own, asked), name, scopes).await?);
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
    let offered = offered::tool(runs, tenant, (&own, asked), &used, called, scopes).await?;
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
    let steps = steps(runs, record, &workflow);
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
        match offered::tool(runs, tenant, (&own, asked), &used, &found, scopes).await? {
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
    Ok(Some(WorkflowSpec { workflow, tools, steps, context, limits: limits(&run.summary) }))
}

/// The steps of the program that entries of `workflow` call.
fn steps(runs: &Runs, record: &Record, workflow: &engine::Workflow) -> Vec<OfferedTool> {
    let mut named = workflow.references();
    named.retain(|it| it.kind == ReferenceKind::Step);
    let step = |it: Reference| offered::step(runs, &record.tenant, &it.name, &record.scopes);
    named.into_iter().filter_map(step).collect()
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
