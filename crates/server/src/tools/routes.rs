//! `/tools` without executing: who may see which.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::Effect;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Document;
use crate::definitions::Source;
use crate::definitions::code_id;
use crate::http::Invalid;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::ToolDefinitionRead;
use crate::oauth::scopes::ToolRead;
use crate::tools::KIND;
use crate::tools::Tool;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tools))
        .routes(routes!(read_tool))
        .routes(routes!(list_tool_definitions))
        .routes(routes!(read_tool_definition))
}

/// What callers see of a tool.
#[derive(Debug, Serialize, ToSchema)]
struct ToolSummary {
    id: Id,
    #[schema(example = "refund")]
    name: String,
    display_name: String,
    /// What models are told of it.
    description: String,
    /// `null` for a tool in the code, of which no history is kept.
    #[schema(required)]
    version: Option<i64>,
    source: Source,
    is_active: bool,
    /// What a caller must hold, all of it, to use the tool, also through an agent.
    scopes: Vec<String>,
    /// `null` for a tool in the code.
    #[schema(required)]
    updated_at: Option<At>,
}

/// What callers see of a tool, and what goes in and comes out.
#[derive(Debug, Serialize, ToSchema)]
struct ToolInterface {
    #[serde(flatten)]
    summary: ToolSummary,
    /// JSON Schema of the arguments.
    #[schema(value_type = Object)]
    input_schema: Value,
    /// JSON Schema of the result, if the tool has one.
    #[schema(value_type = Option<Object>, required)]
    output_schema: Option<Value>,
}

/// The definition of a tool.
#[derive(Debug, Serialize, ToSchema)]
struct ToolDefinition {
    #[serde(flatten)]
    interface: ToolInterface,
    kind: ToolKind,
    effect: Effect,
    /// A call that takes longer is given up.
    #[schema(example = 30_000)]
    timeout_ms: u64,
    content_hash: String,
    /// Why it cannot be used; empty if it can.
    problems: Vec<Invalid>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    #[schema(required)]
    created_by: Option<String>,
    #[schema(required)]
    created_at: Option<At>,
}

/// What a call of a tool does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ToolKind {
    /// It runs a function of the program.
    Builtin,
}

/// List tools
///
/// Those that the caller may use, by their names; who holds `admin.read` sees all.
#[utoipa::path(get, path = "/tools", tag = "tools", params(Paging),
    responses((status = 200, body = Page<ToolSummary>), Problem),
    security(("oauth2" = ["tool.read"]), ("oauth2" = ["tool.execute"])))]
async fn list_tools(
    State(app): State<App>,
    caller: Caller<ToolRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<ToolSummary>, Problem> {
    let mut tools = app.tools.list(&caller.tenant);
    tools.retain(|tool| is_visible(&**tool, &caller));
    page(tools, &paging, summary)
}

/// Read a tool
#[utoipa::path(get, path = "/tools/{id}", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = ToolInterface), Problem),
    security(("oauth2" = ["tool.read"]), ("oauth2" = ["tool.execute"])))]
async fn read_tool(
    State(app): State<App>,
    caller: Caller<ToolRead>,
    Path(id_or_name): Path<String>,
) -> Result<Json<ToolInterface>, Problem> {
    let tool = find(&app, &caller.tenant, &id_or_name).filter(|it| is_visible(&**it, &caller));
    tool.map(|tool| Json(interface(&*tool))).ok_or_else(|| not_found(&id_or_name))
}

/// List tool definitions
///
/// All of them, by their names.
#[utoipa::path(get, path = "/tools/definitions", tag = "tools", params(Paging),
    responses((status = 200, body = Page<ToolDefinition>), Problem),
    security(("oauth2" = ["tool.write"]), ("oauth2" = ["admin.read"])))]
async fn list_tool_definitions(
    State(app): State<App>,
    caller: Caller<ToolDefinitionRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<ToolDefinition>, Problem> {
    page(app.tools.list(&caller.tenant), &paging, definition)
}

/// Read a tool definition
#[utoipa::path(get, path = "/tools/definitions/{id}", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = ToolDefinition), Problem),
    security(("oauth2" = ["tool.write"]), ("oauth2" = ["admin.read"])))]
async fn read_tool_definition(
    State(app): State<App>,
    caller: Caller<ToolDefinitionRead>,
    Path(id_or_name): Path<String>,
) -> Result<Json<ToolDefinition>, Problem> {
    let tool = find(&app, &caller.tenant, &id_or_name);
    tool.map(|tool| Json(definition(&*tool))).ok_or_else(|| not_found(&id_or_name))
}

/// One page of `tools`, which are in the order of their names.
fn page<T>(
    mut tools: Vec<Arc<dyn Tool>>,
    paging: &Paging,
    show: impl Fn(&dyn Tool) -> T,
) -> Result<Page<T>, Problem> {
    let key = |tool: &Arc<dyn Tool>| tool.spec().name().to_ascii_lowercase();
    if let Some(after) = paging.after::<String>()? {
        tools.retain(|tool| key(tool) > after);
    }
    let Page { data, next_cursor } = paging.page(tools, key);
    Ok(Page { data: data.iter().map(|tool| show(&**tool)).collect(), next_cursor })
}

fn find(app: &App, tenant: &TenantId, id_or_name: &str) -> Option<Arc<dyn Tool>> {
    match id_or_name.parse::<Id>() {
        Ok(id) => {
            app.tools.list(tenant).into_iter().find(|it| code_id(KIND, it.spec().name()) == id)
        }
        Err(_) => app.tools.find(tenant, id_or_name),
    }
}

fn not_found(id_or_name: &str) -> Problem {
    Problem::not_found("tool-not-found", format!("no tool has the name or id `{id_or_name}`"))
}

/// Whether `caller` may know that `tool` is there.
fn is_visible(tool: &dyn Tool, caller: &Principal) -> bool {
    caller.holds("admin.read") || tool.scopes().iter().all(|scope| caller.holds(scope.as_str()))
}

fn summary(tool: &dyn Tool) -> ToolSummary {
    let spec = &tool.spec().tool;
    ToolSummary {
        id: code_id(KIND, &spec.name),
        name: spec.name.clone(),
        display_name: spec.name.clone(),
        description: spec.description.clone(),
        version: None,
        source: Source::Code,
        is_active: true,
        scopes: tool.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
        updated_at: None,
    }
}

fn interface(tool: &dyn Tool) -> ToolInterface {
    let input_schema = tool.spec().tool.input_schema.clone();
    ToolInterface { summary: summary(tool), input_schema, output_schema: None }
}

fn definition(tool: &dyn Tool) -> ToolDefinition {
    let (interface, effect) = (interface(tool), tool.spec().effect);
    let timeout_ms = tool.timeout().as_millis().try_into().unwrap_or(u64::MAX);
    let ToolInterface { summary: ToolSummary { name, description, scopes, .. }, .. } = &interface;
    let content = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("description".to_owned(), json!(description)),
        ("input_schema".to_owned(), interface.input_schema.clone()),
        ("scopes".to_owned(), json!(scopes)),
        ("effect".to_owned(), json!(effect)),
        ("timeout_ms".to_owned(), json!(timeout_ms)),
    ]);
    ToolDefinition {
        interface,
        kind: ToolKind::Builtin,
        effect,
        timeout_ms,
        content_hash: Document::new(content).hash(),
        problems: Vec::new(),
        metadata: Map::new(),
        created_by: None,
        created_at: None,
    }
}
