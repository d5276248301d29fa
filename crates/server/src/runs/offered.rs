//! What a run may call, as it is offered: tools, and agents and workflows that answer in runs of their own.

use auth::scope::Scopes;
use engine::ApprovalPolicy;
use engine::Callee;
use engine::Effect;
use engine::OfferedTool;
use engine::ToolSpec;
use serde_json::json;

use super::RunsError;
use super::asked::Asked;
use super::pins;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::ToolUse;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::Kind;
use crate::tools::Does;
use crate::tools::ToolDefinition;
use crate::workflows;

/// Runs may begin runs that begin runs, and so on, to this depth.
const MAX_DEPTH: usize = 5;

/// The tool `tool` as it is `used` by the definition `own`, which is executed as `asked`; none if the caller may
/// not use it: then it is not offered to the model.
pub async fn tool(
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
    let (callee, begun) = match &tool.ready.does {
        Some(Does::Ask(other)) => {
            let found = runs.agents.find(tenant, other).await?;
            (Callee::Agent(other.clone()), Begun::of(found.as_deref(), scopes))
        }
        Some(Does::Run(other)) => {
            let found = runs.workflows.find(tenant, other).await?;
            (Callee::Workflow(other.clone()), Begun::of(found.as_deref(), scopes))
        }
        Some(Does::Call(_)) | None => (Callee::Tool, Some(Begun::Nothing)),
    };
    match begun {
        None => return Ok(None),
        Some(Begun::Nothing) => {}
        Some(Begun::Run(id, name)) => unavailable = unavailable.or_else(|| circle(id, &name, own)),
    }
    let approval = used.policy_with(&tool.content.approval);
    Ok(Some(OfferedTool { spec, approval, callee, unavailable }))
}

/// What a call begins a run of.
enum Begun {
    Nothing,
    Run(Id, String),
}

impl Begun {
    /// None of what is not there, or not for who holds `scopes`.
    fn of<K: Kind>(found: Option<&Definition<K>>, scopes: &Scopes) -> Option<Self> {
        let found = found.filter(|it| may_execute(it, scopes))?;
        Some(Self::Run(found.id, found.content.name().to_owned()))
    }
}

/// The agent `name`, as a tool named `ask_<name>` of the definition `own`; none if the caller may not execute it.
pub async fn agent(
    runs: &Runs,
    tenant: &TenantId,
    own: (&str, &Asked),
    name: &str,
    scopes: &Scopes,
) -> Result<Option<OfferedTool>, RunsError> {
    let Some(other) = runs.agents.find(tenant, name).await? else { return Ok(None) };
    if !may_execute(&other, scopes) {
        return Ok(None);
    }
    let unavailable = circle(other.id, &other.content.name, own);
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

/// The workflow `name`, as a tool named `run_<name>` of the definition `own`; none if the caller may not execute it.
pub async fn workflow(
    runs: &Runs,
    tenant: &TenantId,
    own: (&str, &Asked),
    name: &str,
    scopes: &Scopes,
) -> Result<Option<OfferedTool>, RunsError> {
    let Some(found) = runs.workflows.find(tenant, name).await? else { return Ok(None) };
    if !may_execute(&found, scopes) {
        return Ok(None);
    }
    let mut unavailable = circle(found.id, &found.content.name, own);
    let (tool, version) = (workflows::as_tool(&found), Some(found.version));
    let spec = match ToolSpec::new(tool.clone(), version, Effect::Effect) {
        Ok(spec) => spec,
        Err(why) => {
            unavailable = Some(format!("what `{name}` takes cannot be told: {why}"));
            let input_schema = json!({"type": "object"});
            match ToolSpec::new(llm::Tool { input_schema, ..tool }, version, Effect::Effect) {
                Ok(spec) => spec,
                Err(_) => return Ok(None),
            }
        }
    };
    let callee = Callee::Workflow(found.content.name.clone());
    Ok(Some(OfferedTool { spec, approval: ApprovalPolicy::default(), callee, unavailable }))
}

/// The step of the program that entries call `name`. Who holds too little calls it in vain, as does who asks a program that
/// does not have it.
pub fn step(runs: &Runs, tenant: &TenantId, name: &str, scopes: &Scopes) -> Option<OfferedTool> {
    let found = runs.workflows.step(tenant, name);
    let (spec, unavailable) = match found {
        None => {
            let (name, input_schema) = (name.to_owned(), json!({}));
            let tool = llm::Tool { name, description: String::new(), input_schema };
            let why = runs.workflows.kind().steps.unknown(tenant, &tool.name);
            (ToolSpec::new(tool, None, Effect::Read).ok()?, Some(why))
        }
        Some(step) => {
            let may_use = step.content.scopes.iter().all(|scope| scopes.covers(scope));
            let why = (!may_use).then(|| format!("the caller may not use the step `{name}`"));
            (step.ready.spec.clone()?, why)
        }
    };
    let approval = ApprovalPolicy::default();
    Some(OfferedTool { spec, approval, callee: Callee::Tool, unavailable })
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
    is_deep.then(|| format!("runs begin each other at most {MAX_DEPTH} deep"))
}

fn description(agent: &Agent) -> String {
    let content = &agent.content;
    if content.description.is_empty() {
        return format!("Asks the agent {}.", content.display_name);
    }
    format!("Asks the agent {}: {}", content.display_name, content.description)
}
