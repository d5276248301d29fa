//! `/tools` without executing: who may see and write which.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::db::Id;
use crate::definitions::DefinitionError;
use crate::definitions::Kind;
use crate::definitions::Source;
use crate::definitions::Switch;
use crate::definitions::store;
use crate::definitions::wire::DefinitionVersion;
use crate::definitions::wire::Deletion;
use crate::definitions::wire::Members;
use crate::definitions::wire::Tagged;
use crate::definitions::wire::WhichVersion;
use crate::definitions::wire::etag;
use crate::http::Body;
use crate::http::Created;
use crate::http::IfMatch;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::ToolDefinitionRead;
use crate::oauth::scopes::ToolRead;
use crate::oauth::scopes::ToolWrite;
use crate::tools::ToolContent;
use crate::tools::ToolDefinition;
use crate::tools::ToolRows;
use crate::tools::kinds::misplaced;
use crate::tools::normalise::NewTool;
use crate::tools::normalise::ToolChange;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tools))
        .routes(routes!(read_tool))
        .routes(routes!(list_tool_definitions, create_tool))
        .routes(routes!(read_tool_definition, change_tool, delete_tool))
        .routes(routes!(activate_tool))
        .routes(routes!(deactivate_tool))
        .routes(routes!(list_tool_versions))
        .routes(routes!(restore_tool))
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
#[schema(as = ToolDefinition)]
struct Shown {
    id: Id,
    #[serde(flatten)]
    content: ToolContent,
    /// Whether it may be used.
    is_active: bool,
    source: Source,
    /// Where there is another of the same name, that is hidden by this one.
    #[schema(required)]
    shadows: Option<Source>,
    /// Counts the contents that it had; `null` for a tool in the code, of which no history is kept.
    #[schema(required)]
    version: Option<i64>,
    content_hash: String,
    /// Why it cannot be executed; empty if it can.
    problems: Vec<Invalid>,
    #[schema(required, example = "client:admin")]
    created_by: Option<String>,
    #[schema(required)]
    created_at: Option<At>,
    #[schema(required)]
    updated_at: Option<At>,
}

/// List tools
///
/// Those that the caller may use or, with `tool.read`, could with `tool.execute`, by their names; who holds
/// `admin.read` sees all.
#[utoipa::path(get, path = "/tools", tag = "tools", params(Paging),
    responses((status = 200, body = Page<ToolSummary>), Problem),
    security(("oauth2" = ["tool.read"]), ("oauth2" = ["tool.execute"])))]
async fn list_tools(
    State(app): State<App>,
    caller: Caller<ToolRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<ToolSummary>, Problem> {
    let tools = app.tools.snapshot(&caller.tenant).await?;
    page(tools.all().filter(|tool| is_visible(tool, &caller)), &paging, summary)
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
    let tools = app.tools.snapshot(&caller.tenant).await?;
    let tool = tools.find(&id_or_name).filter(|tool| is_visible(tool, &caller));
    let tool = tool.ok_or_else(|| DefinitionError::not_found::<ToolRows>(&id_or_name))?;
    Ok(Json(ToolInterface {
        summary: summary(tool),
        input_schema: tool.content.input_schema.clone(),
        output_schema: tool.content.output_schema.clone(),
    }))
}

/// List tool definitions
///
/// All of them, by their names, also those that cannot be executed.
#[utoipa::path(get, path = "/tools/definitions", tag = "tools", params(Paging),
    responses((status = 200, body = Page<Shown>), Problem),
    security(("oauth2" = ["tool.write"]), ("oauth2" = ["admin.read"])))]
async fn list_tool_definitions(
    State(app): State<App>,
    caller: Caller<ToolDefinitionRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Shown>, Problem> {
    let tools = app.tools.snapshot(&caller.tenant).await?;
    page(tools.all(), &paging, |tool| Shown::from(tool))
}

/// Create a tool definition
#[utoipa::path(post, path = "/tools/definitions", tag = "tools", request_body = NewTool,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Shown, headers(("ETag" = String), ("Location" = String))), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn create_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Keyed { body: Members(body), key }: Keyed<Members>,
) -> Response {
    let create = Box::pin(async {
        misplaced(None, &body)?;
        let tool = app.tools.create(caller.author(), body).await?;
        Ok::<_, Problem>((etag(&tool), Created(Shown::from(&*tool))))
    });
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read a tool definition
#[utoipa::path(get, path = "/tools/definitions/{id}", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"), WhichVersion),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["tool.write"]), ("oauth2" = ["admin.read"])))]
async fn read_tool_definition(
    State(app): State<App>,
    caller: Caller<ToolDefinitionRead>,
    Path(id_or_name): Path<String>,
    Query(WhichVersion { version }): Query<WhichVersion>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let tools = app.tools.snapshot(&caller.tenant).await?;
    let unknown = || DefinitionError::not_found::<ToolRows>(&id_or_name);
    let mut tool = tools.find(&id_or_name).cloned().ok_or_else(unknown)?;
    if let Some(version) = version {
        let past = app.tools.version(&caller.tenant, tool.id, version).await?;
        let unknown = DefinitionError::VersionNotFound { kind: ToolRows::WORDS, version };
        tool = past.ok_or(unknown)?;
    }
    Ok((etag(&tool), Json(Shown::from(&*tool))))
}

/// Change a tool definition
///
/// Members that are not in the body stay as they are; `null` stands for the default. The same content
/// makes no new version.
#[utoipa::path(put, path = "/tools/definitions/{id}", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    request_body = ToolChange,
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn change_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
    Body(Members(body)): Body<Members>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let tools = app.tools.snapshot(&caller.tenant).await?;
    misplaced(tools.find(&id_or_name), &body)?;
    let tool = app.tools.update(caller.author(), &id_or_name, &if_match, body).await?;
    Ok((etag(&tool), Json(Shown::from(&*tool))))
}

/// Delete a tool definition
///
/// Its runs and their versions stay. A tool that others name is deleted only with `force`.
#[utoipa::path(delete, path = "/tools/definitions/{id}", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"), Deletion,
        ("If-Match" = Option<String>, Header, description = "Versions that may be deleted")),
    responses((status = 204), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn delete_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Path(id_or_name): Path<String>,
    Query(deletion): Query<Deletion>,
    if_match: IfMatch,
) -> Result<NoContent, Problem> {
    app.tools.delete(caller.author(), &id_or_name, &if_match, deletion.force()).await?;
    Ok(NoContent)
}

/// Activate a tool
#[utoipa::path(post, path = "/tools/definitions/{id}/activate", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn activate_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let tool = app.tools.switch(caller.author(), &id_or_name, &if_match, Switch::On).await?;
    Ok((etag(&tool), Json(Shown::from(&*tool))))
}

/// Deactivate a tool
///
/// It stays as it is, but nobody can execute it.
#[utoipa::path(post, path = "/tools/definitions/{id}/deactivate", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn deactivate_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let tool = app.tools.switch(caller.author(), &id_or_name, &if_match, Switch::Off).await?;
    Ok((etag(&tool), Json(Shown::from(&*tool))))
}

/// List the versions of a tool
///
/// The newest first.
#[utoipa::path(get, path = "/tools/definitions/{id}/versions", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"), Paging),
    responses((status = 200, body = Page<DefinitionVersion>), Problem),
    security(("oauth2" = ["tool.write"]), ("oauth2" = ["admin.read"])))]
async fn list_tool_versions(
    State(app): State<App>,
    caller: Caller<ToolDefinitionRead>,
    Path(id_or_name): Path<String>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<DefinitionVersion>, Problem> {
    let tenant = &caller.tenant;
    let tools = app.tools.snapshot(tenant).await?;
    let id = tools
        .find(&id_or_name)
        .ok_or_else(|| DefinitionError::not_found::<ToolRows>(&id_or_name))?
        .id;
    let (before, rows) = (paging.after()?.unwrap_or(i64::MAX), paging.rows());
    let versions = app.db.read(async |conn| {
        store::list_versions(conn, tenant, ToolRows::NAME, id, before, rows).await
    });
    let versions = versions.await.map_err(DefinitionError::from)?;
    let versions = versions.into_iter().map(DefinitionVersion::from).collect();
    Ok(paging.page(versions, |it: &DefinitionVersion| it.version))
}

/// Restore a version of a tool
///
/// What the tool said then becomes its newest version.
#[utoipa::path(post, path = "/tools/definitions/{id}/versions/{version}/restore", tag = "tools",
    params(("id" = String, Path, description = "Its id or its name"), ("version" = i64, Path),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["tool.write"])))]
async fn restore_tool(
    State(app): State<App>,
    caller: Caller<ToolWrite>,
    Path((id_or_name, version)): Path<(String, i64)>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let tool = app.tools.restore(caller.author(), &id_or_name, &if_match, version).await?;
    Ok((etag(&tool), Json(Shown::from(&*tool))))
}

/// One page of `tools`, by their names.
fn page<'t, T>(
    tools: impl Iterator<Item = &'t Arc<ToolDefinition>>,
    paging: &Paging,
    show: impl Fn(&ToolDefinition) -> T,
) -> Result<Page<T>, Problem> {
    let mut tools: Vec<_> = tools.collect();
    if let Some(after) = paging.after::<String>()? {
        tools.retain(|tool| tool.key() > after);
    }
    tools.sort_by_key(|tool| tool.key());
    let Page { data, next_cursor } = paging.page(tools, |tool| tool.key());
    Ok(Page { data: data.into_iter().map(|tool| show(tool)).collect(), next_cursor })
}

/// Whether `caller` may know that `tool` is there.
fn is_visible(tool: &ToolDefinition, caller: &Principal) -> bool {
    caller.holds("admin.read") || tool.is_active && caller.may_know_of(&tool.content.scopes)
}

fn summary(tool: &ToolDefinition) -> ToolSummary {
    let in_history = tool.source == Source::Database;
    ToolSummary {
        id: tool.id,
        name: tool.content.name.clone(),
        display_name: tool.content.display_name.clone(),
        description: tool.content.description.clone(),
        version: in_history.then_some(tool.version),
        source: tool.source,
        is_active: tool.is_active,
        scopes: tool.content.scopes.clone(),
        updated_at: in_history.then_some(tool.updated_at),
    }
}

impl From<&ToolDefinition> for Shown {
    fn from(tool: &ToolDefinition) -> Self {
        let in_history = tool.source == Source::Database;
        Self {
            id: tool.id,
            content: tool.content.clone(),
            is_active: tool.is_active,
            source: tool.source,
            shadows: tool.shadows,
            version: in_history.then_some(tool.version),
            content_hash: tool.content_hash.clone(),
            problems: tool.problems.clone(),
            created_by: tool.created_by.clone(),
            created_at: in_history.then_some(tool.created_at),
            updated_at: in_history.then_some(tool.updated_at),
        }
    }
}

impl Located for Shown {
    fn location(&self) -> String {
        format!("/tools/definitions/{}", self.id)
    }
}
