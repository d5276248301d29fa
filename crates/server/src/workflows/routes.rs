//! `/workflows` without executing: who may see and write which, and which error is which status.

mod code;
mod drafts;
mod schedules;
mod triggers;

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
use crate::oauth::scopes::WorkflowDefinitionRead;
use crate::oauth::scopes::WorkflowRead;
use crate::oauth::scopes::WorkflowWrite;
use crate::workflows::Workflow;
use crate::workflows::WorkflowKind;
use crate::workflows::normalise::NewWorkflow;
use crate::workflows::normalise::WorkflowChange;

pub use triggers::not_found as trigger_not_found;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_workflows))
        .routes(routes!(read_workflow))
        .routes(routes!(list_workflow_definitions, create_workflow))
        .routes(routes!(read_workflow_definition, change_workflow, delete_workflow))
        .routes(routes!(activate_workflow))
        .routes(routes!(deactivate_workflow))
        .routes(routes!(list_workflow_versions))
        .routes(routes!(restore_workflow))
        .routes(routes!(code::list_steps))
        .routes(routes!(drafts::check_workflow))
        .routes(routes!(schedules::preview_schedule))
        .routes(routes!(triggers::list_triggers))
        .routes(routes!(triggers::pause_trigger))
        .routes(routes!(triggers::resume_trigger))
        .routes(routes!(triggers::list_firings))
}

/// What callers see of a workflow.
#[derive(Debug, Serialize, ToSchema)]
struct WorkflowSummary {
    id: Id,
    #[schema(example = "refund")]
    name: String,
    #[schema(example = "Refund")]
    display_name: String,
    description: String,
    version: i64,
    source: Source,
    is_active: bool,
    /// What a caller must hold, all of it, to execute the workflow.
    #[schema(example = json!(["workflow.execute"]))]
    scopes: Vec<String>,
    updated_at: At,
}

/// What callers see of a workflow, and what goes in and comes out.
#[derive(Debug, Serialize, ToSchema)]
struct WorkflowInterface {
    #[serde(flatten)]
    summary: WorkflowSummary,
    /// JSON Schema of `input` in a request, if the workflow has one.
    #[schema(value_type = Option<Object>, required)]
    input_schema: Option<Value>,
    /// JSON Schema of `output` of a run, if the workflow has one.
    #[schema(value_type = Option<Object>, required)]
    output_schema: Option<Value>,
}

/// List workflows
///
/// Those that the caller may use, the newest first; who holds `admin.read` sees all.
#[utoipa::path(get, path = "/workflows", tag = "workflows", params(Paging),
    responses((status = 200, body = Page<WorkflowSummary>), Problem),
    security(("oauth2" = ["workflow.read"]), ("oauth2" = ["workflow.execute"])))]
async fn list_workflows(
    State(app): State<App>,
    caller: Caller<WorkflowRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<WorkflowSummary>, Problem> {
    let workflows = app.workflows.snapshot(&caller.tenant).await?;
    let visible =
        workflows.newest_first(paging.after()?).filter(|workflow| is_visible(workflow, &caller));
    let rows = usize::try_from(paging.rows()).unwrap_or_default();
    let page =
        paging.page(visible.take(rows).collect(), |workflow| (workflow.created_at, workflow.id));
    Ok(Page {
        data: page.data.into_iter().map(|it| summary(it)).collect(),
        next_cursor: page.next_cursor,
    })
}

/// Read a workflow
#[utoipa::path(get, path = "/workflows/{id}", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = WorkflowInterface), Problem),
    security(("oauth2" = ["workflow.read"]), ("oauth2" = ["workflow.execute"])))]
async fn read_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowRead>,
    Path(id_or_name): Path<String>,
) -> Result<Json<WorkflowInterface>, Problem> {
    let workflows = app.workflows.snapshot(&caller.tenant).await?;
    let workflow = workflows.find(&id_or_name).filter(|workflow| is_visible(workflow, &caller));
    let workflow =
        workflow.ok_or_else(|| DefinitionError::not_found::<WorkflowKind>(&id_or_name))?;
    Ok(Json(WorkflowInterface {
        summary: summary(workflow),
        input_schema: workflow.content.input_schema.clone(),
        output_schema: workflow.content.output_schema.clone(),
    }))
}

/// List workflow definitions
///
/// All of them, the newest first, also those that have problems.
#[utoipa::path(get, path = "/workflows/definitions", tag = "workflows", params(Paging),
    responses((status = 200, body = Page<Workflow>), Problem),
    security(("oauth2" = ["workflow.write"]), ("oauth2" = ["admin.read"])))]
async fn list_workflow_definitions(
    State(app): State<App>,
    caller: Caller<WorkflowDefinitionRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Arc<Workflow>>, Problem> {
    let workflows = app.workflows.snapshot(&caller.tenant).await?;
    let rows = usize::try_from(paging.rows()).unwrap_or_default();
    let rows = workflows.newest_first(paging.after()?).take(rows).cloned().collect();
    Ok(paging.page(rows, |workflow: &Arc<Workflow>| (workflow.created_at, workflow.id)))
}

/// Create a workflow definition
#[utoipa::path(post, path = "/workflows/definitions", tag = "workflows", request_body = NewWorkflow,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Workflow, headers(("ETag" = String), ("Location" = String))), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn create_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Keyed { body: Members(body), key }: Keyed<Members>,
) -> Response {
    let create = Box::pin(async {
        let workflow = app.workflows.create(caller.author(), body).await?;
        Ok::<_, Problem>((etag(&workflow), Created(workflow)))
    });
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read a workflow definition
#[utoipa::path(get, path = "/workflows/definitions/{id}", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"), WhichVersion),
    responses((status = 200, body = Workflow, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["workflow.write"]), ("oauth2" = ["admin.read"])))]
async fn read_workflow_definition(
    State(app): State<App>,
    caller: Caller<WorkflowDefinitionRead>,
    Path(id_or_name): Path<String>,
    Query(WhichVersion { version }): Query<WhichVersion>,
) -> Result<Tagged<Json<Arc<Workflow>>>, Problem> {
    let workflows = app.workflows.snapshot(&caller.tenant).await?;
    let mut workflow = Arc::clone(
        workflows
            .find(&id_or_name)
            .ok_or_else(|| DefinitionError::not_found::<WorkflowKind>(&id_or_name))?,
    );
    if let Some(version) = version {
        let past = app.workflows.version(&caller.tenant, workflow.id, version).await?;
        workflow =
            past.ok_or(DefinitionError::VersionNotFound { kind: WorkflowKind::WORDS, version })?;
    }
    Ok((etag(&workflow), Json(workflow)))
}

/// Change a workflow definition
///
/// Members that are not in the body stay as they are; `null` stands for the default. The same content
/// makes no new version.
#[utoipa::path(put, path = "/workflows/definitions/{id}", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    request_body = WorkflowChange,
    responses((status = 200, body = Workflow, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn change_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
    Body(Members(body)): Body<Members>,
) -> Result<Tagged<Json<Arc<Workflow>>>, Problem> {
    let workflow = app.workflows.update(caller.author(), &id_or_name, &if_match, body).await?;
    Ok((etag(&workflow), Json(workflow)))
}

/// Delete a workflow definition
///
/// Its runs and their versions stay. A workflow that others name is deleted only with `force`.
#[utoipa::path(delete, path = "/workflows/definitions/{id}", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"), Deletion,
        ("If-Match" = Option<String>, Header, description = "Versions that may be deleted")),
    responses((status = 204), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn delete_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path(id_or_name): Path<String>,
    Query(deletion): Query<Deletion>,
    if_match: IfMatch,
) -> Result<NoContent, Problem> {
    app.workflows.delete(caller.author(), &id_or_name, &if_match, deletion.force()).await?;
    Ok(NoContent)
}

/// Activate a workflow
#[utoipa::path(post, path = "/workflows/definitions/{id}/activate", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Workflow, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn activate_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Workflow>>>, Problem> {
    let workflow =
        app.workflows.switch(caller.author(), &id_or_name, &if_match, Switch::On).await?;
    Ok((etag(&workflow), Json(workflow)))
}

/// Deactivate a workflow
///
/// It stays as it is, but nobody can execute it.
#[utoipa::path(post, path = "/workflows/definitions/{id}/deactivate", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Workflow, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn deactivate_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Workflow>>>, Problem> {
    let workflow =
        app.workflows.switch(caller.author(), &id_or_name, &if_match, Switch::Off).await?;
    Ok((etag(&workflow), Json(workflow)))
}

/// List the versions of a workflow
///
/// The newest first.
#[utoipa::path(get, path = "/workflows/definitions/{id}/versions", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"), Paging),
    responses((status = 200, body = Page<DefinitionVersion>), Problem),
    security(("oauth2" = ["workflow.write"]), ("oauth2" = ["admin.read"])))]
async fn list_workflow_versions(
    State(app): State<App>,
    caller: Caller<WorkflowDefinitionRead>,
    Path(id_or_name): Path<String>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<DefinitionVersion>, Problem> {
    let tenant = &caller.tenant;
    let workflows = app.workflows.snapshot(tenant).await?;
    let id = workflows
        .find(&id_or_name)
        .ok_or_else(|| DefinitionError::not_found::<WorkflowKind>(&id_or_name))?
        .id;
    let (before, rows) = (paging.after()?.unwrap_or(i64::MAX), paging.rows());
    let versions = app.db.read(async |conn| {
        store::list_versions(conn, tenant, WorkflowKind::NAME, id, before, rows).await
    });
    let versions = versions.await.map_err(DefinitionError::from)?;
    let versions = versions.into_iter().map(DefinitionVersion::from).collect();
    Ok(paging.page(versions, |it: &DefinitionVersion| it.version))
}

/// Restore a version of a workflow
///
/// What the workflow said then becomes its newest version.
#[utoipa::path(post, path = "/workflows/definitions/{id}/versions/{version}/restore", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"), ("version" = i64, Path),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Workflow, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["workflow.write"])))]
async fn restore_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path((id_or_name, version)): Path<(String, i64)>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Arc<Workflow>>>, Problem> {
    let workflow = app.workflows.restore(caller.author(), &id_or_name, &if_match, version).await?;
    Ok((etag(&workflow), Json(workflow)))
}

/// Whether `caller` may know that `workflow` is there.
fn is_visible(workflow: &Workflow, caller: &Principal) -> bool {
    let may_execute = || workflow.content.scopes.iter().all(|scope| caller.holds(scope));
    caller.holds("admin.read") || workflow.is_active && may_execute()
}

fn summary(workflow: &Workflow) -> WorkflowSummary {
    WorkflowSummary {
        id: workflow.id,
        name: workflow.content.name.clone(),
        display_name: workflow.content.display_name.clone(),
        description: workflow.content.description.clone(),
        version: workflow.version,
        source: workflow.source,
        is_active: workflow.is_active,
        scopes: workflow.content.scopes.clone(),
        updated_at: workflow.updated_at,
    }
}

impl Located for Workflow {
    fn location(&self) -> String {
        format!("/workflows/definitions/{}", self.id)
    }
}
