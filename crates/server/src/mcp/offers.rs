//! What can be called by MCP, under which names, and by whom.

use std::sync::Arc;

use engine::Effect;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::agents::Agent;
use crate::app::App;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::mcp::asks;
use crate::mcp::face::Face;
use crate::mcp::face::Role;
use crate::mcp::server::Expose;
use crate::mcp::server::means;
use crate::oauth::caller::Principal;
use crate::tools::Does;
use crate::tools::ToolDefinition;
use crate::tools::ToolKind;
use crate::tools::database_of;
use crate::tools::run_name;
use crate::tools::search_of;
use crate::tools::workflow_of;
use crate::workflows::Workflow;
use crate::workflows::as_tool;
use crate::workflows::is_of_objects;
use crate::workflows::object;

/// What the names of tools that ask an agent begin with, before its name.
const ASK: &str = "ask_";

/// What every caller of all of it must hold.
pub const ACCESS: &str = "mcp.access";

/// Something that can be called by its name.
#[derive(Debug, Clone)]
pub enum Offer {
    Tool(Arc<ToolDefinition>),
    /// `ask_<name>`.
    Agent(Arc<Agent>),
    /// `run_<name>`.
    Workflow(Arc<Workflow>),
    /// `search_<name>`: the tool that searches a database.
    Search(Arc<ToolDefinition>),
}

/// How many there are of each kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpResources)]
pub struct Counted {
    agents: u32,
    workflows: u32,
    tools: u32,
    rag_databases: u32,
}

/// How an offer looks from outside.
#[derive(Debug)]
pub struct Shown {
    pub name: String,
    pub title: String,
    pub description: String,
    pub input_schema: Map<String, Value>,
    pub output_schema: Option<Map<String, Value>>,
    pub effect: Effect,
    /// Whether a call may reach what is not ours.
    pub is_open: bool,
}

/// What `caller` may call, by its names.
pub async fn all(app: &App, caller: &Principal) -> Result<Vec<Offer>, DefinitionError> {
    let kept = app.mcp.servers.find(&caller.tenant).await?;
    let mut offers = of_tenant(app, &caller.tenant, &kept.server.expose).await?;
    offers.retain(|offer| offer.is_for(caller));
    Ok(offers)
}

/// What of a tenant can be called at all, by its names.
pub async fn of_tenant(
    app: &App,
    tenant: &TenantId,
    expose: &Expose,
) -> Result<Vec<Offer>, DefinitionError> {
    let tools = app.tools.snapshot(tenant).await?;
    let agents = app.agents.snapshot(tenant).await?;
    let workflows = app.workflows.snapshot(tenant).await?;
    let databases = app.rag.databases().snapshot(tenant).await?;
    let own = tools.all().filter(|it| it.is_usable() && means(&expose.tools, &it.content.name));
    let asked = agents.all().filter(|it| it.is_usable() && means(&expose.agents, &it.content.name));
    let run = workflows.all();
    let run = run.filter(|it| it.is_usable() && means(&expose.workflows, &it.content.name));
    let searched = databases.all();
    let searched = searched
        .filter(|it| it.is_usable() && means(&expose.rag_databases, &it.content.name))
        .map(|database| Offer::Search(Arc::new(search_of(&app.rag, database))));
    let run = run.cloned().map(Offer::Workflow);
    let made = asked.cloned().map(Offer::Agent).chain(run).chain(searched);
    // A tool of that name goes before what is made of something else.
    let made = made.filter(|offer| tools.find_by_name(&offer.name()).is_none());
    let mut offers: Vec<Offer> = own.cloned().map(Offer::Tool).chain(made).collect();
    offers.sort_by_cached_key(Offer::name);
    Ok(offers)
}

/// What has this name, whoever may call it.
pub async fn find(
    app: &App,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Offer>, DefinitionError> {
    let kept = app.mcp.servers.find(tenant).await?;
    let expose = &kept.server.expose;
    if let Some(tool) = app.tools.find(tenant, name).await?
        // An id is no name, and a name has one spelling.
        && tool.content.name == name
    {
        let is_there = tool.is_active && means(&expose.tools, name);
        return Ok(is_there.then_some(Offer::Tool(tool)));
    }
    if let Some(agent) = name.strip_prefix(ASK) {
        let found = app.agents.find(tenant, agent).await?.filter(|it| it.content.name == agent);
        let found = found.filter(|it| it.is_active && means(&expose.agents, agent));
        return Ok(found.map(Offer::Agent));
    }
    if let Some(workflow) = workflow_of(name) {
        let found = app.workflows.find(tenant, workflow).await?;
        let found = found.filter(|it| it.content.name == workflow && it.is_active);
        let found = found.filter(|_| means(&expose.workflows, workflow));
        return Ok(found.map(Offer::Workflow));
    }
    let Some(database) = database_of(name) else { return Ok(None) };
    let found = app.rag.databases().find(tenant, database).await?;
    let found = found.filter(|it| it.content.name == database && it.is_active);
    let found = found.filter(|_| means(&expose.rag_databases, database));
    Ok(found.map(|it| Offer::Search(Arc::new(search_of(&app.rag, &it)))))
}

/// How many of each kind are usable and shown.
pub async fn count(
    app: &App,
    tenant: &TenantId,
    expose: &Expose,
) -> Result<Counted, DefinitionError> {
    let mut counted = Counted { agents: 0, workflows: 0, tools: 0, rag_databases: 0 };
    for offer in of_tenant(app, tenant, expose).await? {
        *match offer {
            Offer::Tool(_) => &mut counted.tools,
            Offer::Agent(_) => &mut counted.agents,
            Offer::Workflow(_) => &mut counted.workflows,
            Offer::Search(_) => &mut counted.rag_databases,
        } += 1;
    }
    Ok(counted)
}

fn ask(agent: &str) -> String {
    format!("{ASK}{agent}")
}

impl Offer {
    /// Its name on the wire.
    pub fn name(&self) -> String {
        match self {
            Self::Tool(tool) | Self::Search(tool) => tool.content.name.clone(),
            Self::Agent(agent) => ask(&agent.content.name),
            Self::Workflow(workflow) => run_name(&workflow.content.name),
        }
    }

    /// All that a caller must hold.
    pub fn needs(&self) -> Vec<&str> {
        let (kinds, own): (&[&str], _) = match self {
            Self::Tool(tool) => {
                let kinds: &[&str] = match tool.ready.does {
                    Some(Does::Ask(_)) => &["tool.execute", "agent.execute"],
                    Some(Does::Run(_)) => &["tool.execute", "workflow.execute"],
                    Some(Does::Call(_)) | None => &["tool.execute"],
                };
                (kinds, &tool.content.scopes)
            }
            Self::Agent(agent) => (&["agent.execute"], &agent.content.scopes),
            Self::Workflow(it) => (&["workflow.execute"], &it.content.scopes),
            Self::Search(tool) => (&["tool.execute", "rag.search"], &tool.content.scopes),
        };
        let mut needs = vec![ACCESS];
        for scope in kinds.iter().copied().chain(own.iter().map(String::as_str)) {
            if !needs.contains(&scope) {
                needs.push(scope);
            }
        }
        needs
    }

    /// Whether `caller` holds all of it.
    pub fn is_for(&self, caller: &Principal) -> bool {
        self.needs().into_iter().all(|scope| caller.holds(scope))
    }

    /// As what it is shown.
    pub fn face(&self) -> Face {
        match self {
            Self::Tool(tool) | Self::Search(tool) => Face::of(&tool.content),
            Self::Agent(_) | Self::Workflow(_) => Face { role: Role::Tool, has_content: false },
        }
    }

    /// What it says, in short.
    pub fn content_hash(&self) -> &str {
        match self {
            Self::Tool(tool) | Self::Search(tool) => &tool.content_hash,
            Self::Agent(agent) => &agent.content_hash,
            Self::Workflow(workflow) => &workflow.content_hash,
        }
    }

    /// Whether it says what comes of a call.
    pub fn has_schema(&self) -> bool {
        match self {
            Self::Tool(tool) | Self::Search(tool) => tool.content.output_schema.is_some(),
            Self::Agent(agent) => agent.content.output_schema.is_some(),
            Self::Workflow(it) => it.content.output_schema.as_ref().is_some_and(is_of_objects),
        }
    }

    /// Whether its schema has arguments repeated in headers.
    pub fn names_headers(&self) -> bool {
        matches!(self, Self::Tool(tool) if names_headers(&tool.content.input_schema))
    }

    pub fn show(&self) -> Shown {
        match self {
            Self::Tool(tool) | Self::Search(tool) => show_tool(tool),
            Self::Agent(agent) => show_agent(agent),
            Self::Workflow(workflow) => show_workflow(workflow),
        }
    }
}

fn show_tool(tool: &ToolDefinition) -> Shown {
    let content = &tool.content;
    let mut input_schema = object(&content.input_schema);
    asks::leave_out(&mut input_schema, asks::names(content));
    Shown {
        name: content.name.clone(),
        title: content.display_name.clone(),
        description: content.description.clone(),
        input_schema,
        output_schema: content.output_schema.as_ref().map(object),
        effect: content.effect,
        is_open: !matches!(content.kind, ToolKind::Static | ToolKind::Template | ToolKind::Rag),
    }
}

fn show_agent(agent: &Agent) -> Shown {
    let content = &agent.content;
    let about = if content.description.is_empty() { "." } else { ": " };
    Shown {
        name: ask(&content.name),
        title: content.display_name.clone(),
        description: format!(
            "Asks the agent {}{about}{}",
            content.display_name, content.description
        ),
        input_schema: asked_by(agent),
        output_schema: content.output_schema.as_ref().map(object),
        effect: Effect::Effect,
        is_open: true,
    }
}

fn show_workflow(workflow: &Workflow) -> Shown {
    let (content, tool) = (&workflow.content, as_tool(workflow));
    Shown {
        name: tool.name,
        title: content.display_name.clone(),
        description: tool.description,
        input_schema: object(&tool.input_schema),
        output_schema: content.output_schema.as_ref().filter(|it| is_of_objects(it)).map(object),
        effect: Effect::Effect,
        is_open: true,
    }
}

/// The schema of what an agent is asked with.
pub fn asked_by(agent: &Agent) -> Map<String, Value> {
    let mut schema = json!({
        "type": "object",
        "properties": {
            "input": {"type": "string", "minLength": 1, "description": "What to ask."},
            "thread_id": {
                "type": "string",
                "description": "The conversation to go on with, which remembers what was said before.",
            },
        },
        "required": ["input"],
        "additionalProperties": false,
    });
    if let Some(context) = &agent.content.context_schema {
        schema["properties"]["context"] = context.clone();
        schema["required"] = json!(["input", "context"]);
    }
    object(&schema)
}

fn names_headers(schema: &Value) -> bool {
    let properties = schema["properties"].as_object();
    schema.get("x-mcp-header").is_some()
        || properties.is_some_and(|all| all.values().any(names_headers))
}
