//! `/agents` without executing: who may see and write which, and which error is which status.

mod models;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::Agent;
use crate::agents::AgentKind;
use crate::agents::normalise::AgentChange;
use crate::agents::normalise::NewAgent;
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
use crate::oauth::scopes::AgentDefinitionRead;
use crate::oauth::scopes::AgentRead;
use crate::oauth::scopes::AgentWrite;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_agents))
        .routes(routes!(read_agent))
        .routes(routes!(list_agent_definitions, create_agent))
        .routes(routes!(read_agent_definition, change_agent, delete_agent))
        .routes(routes!(activate_agent))
        .routes(routes!(deactivate_agent))
        .routes(routes!(list_agent_versions))
        .routes(routes!(restore_agent))
        .routes(routes!(models::list_models))
        .routes(routes!(models::test_model))
}

/// What callers see of an agent.
#[derive(Debug, Serialize, ToSchema)]
struct AgentSummary {
    id: Id,
    #[schema(example = "support")]
    name: String,
    #[schema(example = "Support")]
    display_name: String,
    description: String,
    version: i64,
    source: Source,
    is_active: bool,
    /// What a caller must hold, all of it, to execute the agent.
    #[schema(example = json!(["agent.execute"]))]
    scopes: Vec<String>,
    updated_at: At,
}

/// What callers see of an agent, and what goes in and comes out.
#[derive(Debug, Serialize, ToSchema)]
struct AgentInterface {
    #[serde(flatten)]
    summary: AgentSummary,
    /// JSON Schema of `input` in a request.
    #[schema(value_type = Object)]
    input_schema: Value,
    /// JSON Schema of `output.object` of a run, if the agent has one.
    #[schema(value_type = Option<Object>, required)]
    output_schema: Option<Value>,
}

/// List agents
///
/// Those that the caller may execute or, with `agent.read`, could with `agent.execute`, the newest first; who holds
/// `admin.read` sees all.
#[utoipa::path(get, path = "/agents", tag = "agents", params(Paging),
    responses((status = 200, body = Page<AgentSummary>), Problem),
    security(("oauth2" = ["agent.read"]), ("oauth2" = ["agent.execute"])))]
async fn list_agents(
    State(app): State<App>,
    caller: Caller<AgentRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<AgentSummary>, Problem> {
    let agents = app.agents.snapshot(&caller.tenant).await?;
    let visible = agents.newest_first(paging.after()?).filter(|agent| is_visible(agent, &caller));
    let rows = usize::try_from(paging.rows()).unwrap_or_default();
    let page = paging.page(visible.take(rows).collect(), |agent| (agent.created_at, agent.id));
    Ok(Page {
        data: page.data.into_iter().map(|it| summary(it)).collect(),
        next_cursor: page.next_cursor,
    })
}

/// Read an agent
#[utoipa::path(get, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = AgentInterface), Problem),
    security(("oauth2" = ["agent.read"]), ("oauth2" = ["agent.execute"])))]
async fn read_agent(
    State(app): State<App>,
    caller: Caller<AgentRead>,
    Path(id_or_name): Path<String>,
) -> Result<Json<AgentInterface>, Problem> {
    let agents = app.agents.snapshot(&caller.tenant).await?;
    let agent = agents.find(&id_or_name).filter(|agent| is_visible(agent, &caller));
    let agent = agent.ok_or_else(|| DefinitionError::not_found::<AgentKind>(&id_or_name))?;
    Ok(Json(AgentInterface {
        summary: summary(agent),
        input_schema: json!({"type": ["string", "array"]}),
        output_schema: agent.content.output_schema.clone(),
    }))
}

/// List agent definitions
///
/// All of them, the newest first, also those that cannot be executed.
#[utoipa::path(get, path = "/agents/definitions", tag = "agents", params(Paging),
    responses((status = 200, body = Page<Agent>), Problem),
    security(("oauth2" = ["agent.write"]), ("oauth2" = ["admin.read"])))]
async fn list_agent_definitions(
    State(app): State<App>,
    caller: Caller<AgentDefinitionRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Arc<Agent>>, Problem> {
    let agents = app.agents.snapshot(&caller.tenant).await?;
    let rows = usize::try_from(paging.rows()).unwrap_or_default();
    let rows = agents.newest_first(paging.after()?).take(rows).cloned().collect();
    Ok(paging.page(rows, |agent: &Arc<Agent>| (agent.created_at, agent.id)))
}

/// Create an agent definition
#[utoipa::path(post, path = "/agents/definitions", tag = "agents", request_body = NewAgent,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Agent, headers(("ETag" = String), ("Location" = String))), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn create_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Keyed { body: Members(body), key }: Keyed<Members>,
) -> Response {
    let create = Box::pin(async {
        let agent = app.agents.create(caller.author(), body).await?;
        Ok::<_, Problem>((etag(&agent), Created(agent)))
    });
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read an agent definition
#[utoipa::path(get, path = "/agents/definitions/{id}", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"), WhichVersion),
    responses((status = 200, body = Agent, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["agent.write"]), ("oauth2" = ["admin.read"])))]
async fn read_agent_definition(
    State(app): State<App>,
    caller: Caller<AgentDefinitionRead>,
    Path(id_or_name): Path<String>,
    Query(WhichVersion { version }): Query<WhichVersion>,
) -> Result<Tagged<Json<Arc<Agent>>>, Problem> {
    let agents = app.agents.snapshot(&caller.tenant).await?;
    let mut agent = Arc::clone(
        agents
            .find(&id_or_name)
            .ok_or_else(|| DefinitionError::not_found::<AgentKind>(&id_or_name))?,
    );
    if let Some(version) = version {
        let past = app.agents.version(&caller.tenant, agent.id, version).await?;
        agent = past.ok_or(DefinitionError::VersionNotFound { kind: AgentKind::WORDS, version })?;
    }
    Ok((etag(&agent), Json(agent)))
}

/// Change an agent definition
///
/// Members that are not in the body stay as they are; `null` stands for the default. The same content
/// makes no new version.
#[utoipa::path(put, path = "/agents/definitions/{id}", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    request_body = AgentChange,
    responses((status = 200, body = Agent, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn change_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
    Body(Members(body)): Body<Members>,
) -> Result<Tagged<Json<Arc<Agent>>>, Problem> {
    let agent = app.agents.update(caller.author(), &id_or_name, &if_match, body).await?;
    Ok((etag(&agent), Json(agent)))
}

/// Delete an agent definition
///
/// Its runs and their versions stay. An agent that others name is deleted only with `force`.
#[utoipa::path(delete, path = "/agents/definitions/{id}", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"), Deletion,
        ("If-Match" = Option<String>, Header, description = "Versions that may be deleted")),
    responses((status = 204), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn delete_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Path(id_or_name): Path<String>,
    Query(deletion): Query<Deletion>,
    if_match: IfMatch,
) -> Result<NoContent, Problem> {
    app.agents.delete(caller.author(), &id_or_name, &if_match, deletion.force()).await?;
    Ok(NoContent)
}

/// Activate an agent
#[utoipa::path(post, path = "/agents/definitions/{id}/activate", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Agent, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn activate_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Agent>>>, Problem> {
    let agent = app.agents.switch(caller.author(), &id_or_name, &if_match, Switch::On).await?;
    Ok((etag(&agent), Json(agent)))
}

/// Deactivate an agent
///
/// It stays as it is, but nobody can execute it.
#[utoipa::path(post, path = "/agents/definitions/{id}/deactivate", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Agent, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn deactivate_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Agent>>>, Problem> {
    let agent = app.agents.switch(caller.author(), &id_or_name, &if_match, Switch::Off).await?;
    Ok((etag(&agent), Json(agent)))
}

/// List the versions of an agent
///
/// The newest first.
#[utoipa::path(get, path = "/agents/definitions/{id}/versions", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"), Paging),
    responses((status = 200, body = Page<DefinitionVersion>), Problem),
    security(("oauth2" = ["agent.write"]), ("oauth2" = ["admin.read"])))]
async fn list_agent_versions(
    State(app): State<App>,
    caller: Caller<AgentDefinitionRead>,
    Path(id_or_name): Path<String>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<DefinitionVersion>, Problem> {
    let tenant = &caller.tenant;
    let agents = app.agents.snapshot(tenant).await?;
    let id = agents
        .find(&id_or_name)
        .ok_or_else(|| DefinitionError::not_found::<AgentKind>(&id_or_name))?
        .id;
    let (before, rows) = (paging.after()?.unwrap_or(i64::MAX), paging.rows());
    let versions = app.db.read(async |conn| {
        store::list_versions(conn, tenant, AgentKind::NAME, id, before, rows).await
    });
    let versions = versions.await.map_err(DefinitionError::from)?;
    let versions = versions.into_iter().map(DefinitionVersion::from).collect();
    Ok(paging.page(versions, |it: &DefinitionVersion| it.version))
}

/// Restore a version of an agent
///
/// What the agent said then becomes its newest version.
#[utoipa::path(post, path = "/agents/definitions/{id}/versions/{version}/restore", tag = "agents",
    params(("id" = String, Path, description = "Its id or its name"), ("version" = i64, Path),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Agent, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["agent.write"])))]
async fn restore_agent(
    State(app): State<App>,
    caller: Caller<AgentWrite>,
    Path((id_or_name, version)): Path<(String, i64)>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Agent>>>, Problem> {
    let agent = app.agents.restore(caller.author(), &id_or_name, &if_match, version).await?;
    Ok((etag(&agent), Json(agent)))
}

/// Whether `caller` may know that `agent` is there.
fn is_visible(agent: &Agent, caller: &Principal) -> bool {
    caller.holds("admin.read") || agent.is_active && caller.may_know_of(&agent.content.scopes)
}

fn summary(agent: &Agent) -> AgentSummary {
    AgentSummary {
        id: agent.id,
        name: agent.content.name.clone(),
        display_name: agent.content.display_name.clone(),
        description: agent.content.description.clone(),
        version: agent.version,
        source: agent.source,
        is_active: agent.is_active,
        scopes: agent.content.scopes.clone(),
        updated_at: agent.updated_at,
    }
}

impl Located for Agent {
    fn location(&self) -> String {
        format!("/agents/definitions/{}", self.id)
    }
}
