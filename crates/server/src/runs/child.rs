//! Runs that other runs begin.

use std::sync::Arc;

use auth::scope::Scopes;
use engine::Input;
use engine::Limits;
use engine::RunKind;
use llm::ModelOptions;
use llm::Usd;
use serde_json::Map;
use serde_json::Value;

use super::Record;
use super::RunsError;
use super::Trigger;
use super::asked;
use super::asked::Asked;
use super::execute;
use super::execute::Executed;
use super::offered;
use super::pins;
use super::pins::Pinned;
use super::pins::Pins;
use super::prepare;
use super::service::Runs;
use crate::agents::Agent;
use crate::agents::Memory;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Kind;
use crate::http::Invalid;
use crate::workflows;
use crate::workflows::Workflow;

/// What a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub kind: RunKind,
    pub name: String,
    /// `None`: the version that there is now.
    pub version: Option<i64>,
}

/// What is wanted, as it is executed now.
#[derive(Debug)]
pub enum Found {
    Agent(Arc<Agent>, Pinned),
    Workflow(Arc<Workflow>, Pinned),
}

/// What a run is given.
#[derive(Debug)]
pub enum Given {
    Input(Value),
    /// By a call that it answers.
    Arguments(Value),
}

/// What is `wanted` by `parent`, whose caller still has what is `held`; or words for whoever wanted it why it cannot be
/// asked.
pub async fn find(
    runs: &Runs,
    parent: &Record,
    wanted: &Wanted,
    held: &Scopes,
) -> Result<Result<Found, String>, RunsError> {
    let tenant = &parent.tenant;
    Ok(match wanted.kind {
        RunKind::Workflow => match usable(&runs.workflows, parent, wanted, held).await? {
            Ok(it) => {
                let pinned = pins::pin_workflow(runs, tenant, &it).await?;
                Ok(Found::Workflow(it, pinned))
            }
            Err(why) => Err(why),
        },
        _ => match usable(&runs.agents, parent, wanted, held).await? {
            Ok(it) => {
                let pinned = pins::pin(runs, tenant, &it).await?;
                Ok(Found::Agent(it, pinned))
            }
            Err(why) => Err(why),
        },
    })
}

/// The run of another agent or workflow that `parent` begins, on behalf of the same caller with what he still
/// `held`, and within what `left` it has; or words for whoever wanted it why there is none.
pub fn record(
    runs: &Runs,
    parent: &Record,
    found: &Found,
    given: Given,
    held: Scopes,
    left: Limits,
) -> Result<Record, String> {
    let is_exhausted =
        left.timeout_ms == 0 || left.max_tokens == Some(0) || left.max_cost_usd == Some(Usd::ZERO);
    let (executed, asked, limits) = match found {
        Found::Agent(agent, pinned) => {
            of_agent(runs, parent, (agent.as_ref(), pinned), given, left)?
        }
        Found::Workflow(it, pinned) => of_workflow(parent, (it.as_ref(), pinned), given, left)?,
    };
    if is_exhausted {
        return Err("nothing is left of the limits of this run".to_owned());
    }
    let tenant = parent.tenant.clone();
    let mut record = execute::new_record(runs, executed, asked, limits, tenant, held);
    let (summary, above) = (&mut record.run.summary, &parent.run.summary);
    summary.subject.clone_from(&above.subject);
    summary.client_id.clone_from(&above.client_id);
    summary.parent_run_id = Some(above.id);
    summary.trigger = Trigger::Run;
    Ok(record)
}

/// What a run executes, what it is asked, and how far it may go.
type Begun = Result<(Executed, Asked, Limits), String>;

/// The definition that is wanted, if it can be executed and the caller may.
async fn usable<K: Kind>(
    definitions: &Definitions<K>,
    parent: &Record,
    Wanted { name, version, .. }: &Wanted,
    held: &Scopes,
) -> Result<Result<Arc<Definition<K>>, String>, DefinitionError> {
    let (tenant, kind) = (&parent.tenant, K::NAME);
    let mut found = definitions.find(tenant, name).await?.filter(|it| it.is_active);
    if let (Some(current), Some(version)) = (&found, version)
        && current.version != *version
    {
        found = definitions.version(tenant, current.id, *version).await?;
    }
    let Some(found) = found.filter(|it| it.problems.is_empty()) else {
        let version = version.map(|it| format!(" at version {it}")).unwrap_or_default();
        return Ok(Err(format!("the {kind} `{name}`{version} cannot be asked now")));
    };
    if !offered::may_execute(&found, held) {
        return Ok(Err(format!("the caller may not execute `{name}` any more")));
    }
    let own = parent.definition.to_string();
    let circle = offered::circle(found.id, found.content.name(), (&own, &parent.asked));
    Ok(circle.map_or(Ok(found), Err))
}

fn of_agent(
    runs: &Runs,
    parent: &Record,
    (agent, pinned): (&Agent, &Pinned),
    given: Given,
    left: Limits,
) -> Begun {
    let limits = narrowed(agent.content.limits, left);
    if limits.max_cost_usd.is_some()
        && let Some(model) = prepare::unpriced(runs, agent)
    {
        return Err(format!(
            "the price of `{model}` is unknown, and the cost of this run is limited"
        ));
    }
    let input = match given {
        Given::Input(input) => input,
        Given::Arguments(arguments) => Value::String(question(&arguments)),
    };
    let input = match input {
        Value::String(text) if text.is_empty() => {
            return Err(format!("`{}` is asked nothing: its input is empty", agent.content.name));
        }
        // What is neither a text nor content parts is told as JSON.
        input => asked::read_input(input.clone(), &mut Vec::new())
            .unwrap_or_else(|| Input::Text(input.to_string())),
    };
    let Pinned { tools, engine } = pinned.clone();
    let asked = Asked {
        model_options: agent.content.model_options.clone(),
        memory: agent.content.memory.clone(),
        ..below(parent, input, tools)
    };
    Ok((Executed { engine, ..agent.into() }, asked, limits))
}

fn of_workflow(
    parent: &Record,
    (workflow, pinned): (&Workflow, &Pinned),
    given: Given,
    left: Limits,
) -> Begun {
    let name = &workflow.content.name;
    let input = match given {
        Given::Input(input) => input,
        Given::Arguments(arguments) => workflows::given_by(workflow, arguments),
    };
    let faults = workflow.ready.input.as_ref().map(|it| it.check(&input)).unwrap_or_default();
    if let Some(Invalid { pointer, detail, .. }) = faults.first() {
        let place = if pointer.is_empty() { String::new() } else { format!(" (at `{pointer}`)") };
        return Err(format!("`{name}` does not take this input: {detail}{place}"));
    }
    let asked = below(parent, Input::Arguments(input), pinned.tools.clone());
    Ok((workflow.into(), asked, narrowed(workflow.content.limits.into(), left)))
}

/// What an agent is asked by a call: the text `input` if there is nothing else, or the arguments as JSON.
fn question(arguments: &Value) -> String {
    match (arguments.as_object().map(Map::len), &arguments["input"]) {
        (Some(1), Value::String(input)) => input.clone(),
        _ => arguments.to_string(),
    }
}

/// What a run below `parent` is asked.
fn below(parent: &Record, input: Input, tools: Pins) -> Asked {
    let mut ancestors = parent.asked.ancestors.clone();
    ancestors.push(parent.definition.to_string());
    Asked {
        input,
        user: parent.asked.user.clone(),
        context: parent.asked.context.clone(),
        model_options: ModelOptions::default(),
        ancestors,
        top_run: Some(parent.asked.top_run.unwrap_or(parent.run.summary.id)),
        webhook: None,
        memory: Memory::default(),
        output_schema: None,
        is_retry: false,
        tools: Some(tools),
    }
}

/// A definition's own limits, no larger than what is left.
fn narrowed(own: Limits, left: Limits) -> Limits {
    let at_most = |own: Option<u64>, left: Option<u64>| match (own, left) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (own, left) => own.or(left),
    };
    Limits {
        max_steps: own.max_steps,
        max_parallel_tool_calls: own.max_parallel_tool_calls,
        max_tokens: at_most(own.max_tokens, left.max_tokens),
        max_cost_usd: own.max_cost_usd.map_or(left.max_cost_usd, |own| {
            Some(left.max_cost_usd.map_or(own, |left| left.min(own)))
        }),
        timeout_ms: own.timeout_ms.min(left.timeout_ms),
    }
}
