//! What a caller may execute, whichever door he comes through.

use std::sync::Arc;

use super::service::Runs;
use crate::agents::Agent;
use crate::definitions::Content;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Definitions;
use crate::definitions::Kind;
use crate::definitions::Words;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::tools::Does;
use crate::tools::ToolDefinition;
use crate::workflows::Workflow;

/// Why a caller cannot execute what he names.
#[derive(Debug, thiserror::Error)]
pub enum NotExecutable {
    #[error("there is no active {kind} `{name}`")]
    NotFound { kind: &'static Words, name: String },
    #[error("this needs the scope `{0}`")]
    MissingScope(String),
    #[error("the {kind} has no version {version}")]
    NoVersion { kind: &'static Words, version: i64 },
    #[error("the {kind} `{name}` cannot be executed as it is defined")]
    Broken { kind: &'static Words, name: String, problems: Vec<Invalid> },
    #[error(transparent)]
    Definitions(#[from] DefinitionError),
}

/// The agent in the version that is asked for, if this caller may execute it.
pub async fn agent(
    runs: &Runs,
    caller: &Principal,
    name: &str,
    version: Option<i64>,
) -> Result<Arc<Agent>, NotExecutable> {
    usable(&runs.agents, caller, name, version).await
}

/// The same for a tool. Of one that asks an agent or runs a workflow, the caller may execute that, too.
pub async fn tool(
    runs: &Runs,
    caller: &Principal,
    name: &str,
    version: Option<i64>,
) -> Result<Arc<ToolDefinition>, NotExecutable> {
    let tool = usable(&runs.tools, caller, name, version).await?;
    match &tool.ready.does {
        Some(Does::Ask(agent)) => may_begin(&runs.agents, caller, agent).await?,
        Some(Does::Run(workflow)) => may_begin(&runs.workflows, caller, workflow).await?,
        Some(Does::Call(_)) | None => {}
    }
    Ok(tool)
}

/// Refuses who may not execute `name`, if there is such a thing.
async fn may_begin<K: Kind>(
    definitions: &Definitions<K>,
    caller: &Principal,
    name: &str,
) -> Result<(), NotExecutable> {
    let Some(found) = definitions.find(&caller.tenant, name).await? else { return Ok(()) };
    if !caller.holds(K::EXECUTE) {
        return Err(NotExecutable::MissingScope(K::EXECUTE.to_owned()));
    }
    may_execute(caller, &found)
}

/// The same for a workflow. What it names, whoever executes it must be allowed to use, too; that is seen when it is
/// used.
pub async fn workflow(
    runs: &Runs,
    caller: &Principal,
    name: &str,
    version: Option<i64>,
) -> Result<Arc<Workflow>, NotExecutable> {
    usable(&runs.workflows, caller, name, version).await
}

async fn usable<K: Kind>(
    definitions: &Definitions<K>,
    caller: &Principal,
    name: &str,
    version: Option<i64>,
) -> Result<Arc<Definition<K>>, NotExecutable> {
    let current = definitions.find(&caller.tenant, name).await?.filter(|it| it.is_active);
    let not_found = || NotExecutable::NotFound { kind: K::WORDS, name: name.to_owned() };
    let current = current.ok_or_else(not_found)?;
    // Who may not execute it as it is may not execute it as it was.
    may_execute(caller, &current)?;
    let found = match version.filter(|version| *version != current.version) {
        None => current,
        Some(version) => {
            let pinned = definitions.version(&caller.tenant, current.id, version).await?;
            let pinned = pinned.ok_or(NotExecutable::NoVersion { kind: K::WORDS, version })?;
            may_execute(caller, &pinned)?;
            pinned
        }
    };
    if found.problems.is_empty() {
        return Ok(found);
    }
    let (name, problems) = (found.content.name().to_owned(), found.problems.clone());
    Err(NotExecutable::Broken { kind: K::WORDS, name, problems })
}

/// The rights to a definition that its kind's scope alone does not give.
fn may_execute<K: Kind>(
    caller: &Principal,
    definition: &Definition<K>,
) -> Result<(), NotExecutable> {
    match definition.content.scopes().iter().find(|scope| !caller.holds(scope)) {
        Some(scope) => Err(NotExecutable::MissingScope(scope.clone())),
        None => Ok(()),
    }
}
