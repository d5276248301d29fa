//! `/rag/databases`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::find;
use super::is_visible;
use crate::app::App;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::wire::Deletion;
use crate::definitions::wire::Members;
use crate::definitions::wire::Tagged;
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
use crate::oauth::scopes::RagRead;
use crate::oauth::scopes::RagWrite;
use crate::rag::Database;
use crate::rag::RagError;
use crate::rag::databases::DatabaseChange;
use crate::rag::databases::NewDatabase;
use crate::rag::databases::StoreType;
use crate::rag::store::indexes;
use crate::rag::store::outbox;
use crate::rag::store::stats;
use crate::rag::store::stats::Stats;

/// What the server says of a database, and nobody sets. A body that has these members may be sent as it was read.
const STATE: [&str; 6] = ["dimension", "generation", "status", "last_error", "reindex", "stats"];

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_rag_databases, create_rag_database))
        .routes(routes!(read_rag_database, change_rag_database, delete_rag_database))
        .routes(routes!(reindex_rag_database))
        .routes(routes!(test_rag_database))
}

/// A database, and how it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RagDatabaseState)]
struct Shown {
    #[serde(flatten)]
    definition: Database,
    /// How many numbers a vector has; `null` before there is one.
    #[schema(required)]
    dimension: Option<i64>,
    /// Which making of all passages is searched; each has a higher number than those before.
    generation: i64,
    status: Status,
    /// Why it, or its vector store, cannot be used, or why a document is not in the next generation.
    #[schema(required)]
    last_error: Option<String>,
    /// How far the next generation is; `null` if there is none.
    #[schema(required)]
    reindex: Option<Reindex>,
    stats: Counts,
}

/// The making of the next generation. It is searched as soon as each document is in it or has failed for it, and
/// at least one is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = RagDatabaseReindex)]
struct Reindex {
    generation: i64,
    /// Documents that are in it.
    done: i64,
    /// Documents that are not, and will not be before they are changed or retried.
    failed: i64,
    total: i64,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RagDatabaseStatus)]
enum Status {
    Ready,
    /// The next generation is being made; the one before is searched until then.
    Reindexing,
    /// It cannot be used, as `problems[]` says; or its vector store cannot, as `last_error` does.
    Error,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = RagDatabaseStats)]
struct Counts {
    documents: i64,
    chunks: i64,
    bytes: i64,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RagDatabaseTest)]
struct Tested {
    ok: bool,
    detail: String,
    /// `exact`: the nearest vectors are always found, however many there are.
    #[schema(example = json!(["filter", "keyword", "hybrid", "exact"]))]
    capabilities: Vec<&'static str>,
}

/// List databases
///
/// Those that the caller may search, or all for who may change them; the newest first.
#[utoipa::path(get, path = "/rag/databases", tag = "rag", params(Paging),
    responses((status = 200, body = Page<Shown>), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn list_rag_databases(
    State(app): State<App>,
    caller: Caller<RagRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Shown>, Problem> {
    let databases = app.rag.databases().snapshot(&caller.tenant).await?;
    let all = databases.newest_first(paging.after()?);
    let rows = usize::try_from(paging.rows()).unwrap_or(usize::MAX);
    let some: Vec<_> = all.filter(|it| is_visible(it, &caller)).take(rows).cloned().collect();
    let page = paging.page(some, |it: &Arc<Database>| (it.created_at, it.id));
    let mut stats = stats(&app, &caller.tenant).await?;
    let mut data = Vec::with_capacity(page.data.len());
    for database in page.data {
        let counted = stats.remove(&database.id).unwrap_or_default();
        data.push(show(&app, &caller.tenant, database, counted).await?);
    }
    Ok(Page { data, next_cursor: page.next_cursor })
}

/// Create a database
#[utoipa::path(post, path = "/rag/databases", tag = "rag", request_body = NewDatabase,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Shown, headers(("ETag" = String), ("Location" = String))), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn create_rag_database(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Keyed { body: Members(mut body), key }: Keyed<Members>,
) -> Response {
    let create = Box::pin(async {
        take_state(&mut body);
        let made = app.rag.databases().create(caller.author(), body).await?;
        app.rag.follow_store(&caller.tenant, &made).await?;
        let etag = etag(&made);
        Ok::<_, Problem>((etag, Created(show(&app, &caller.tenant, made, Stats::default()).await?)))
    });
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read a database
#[utoipa::path(get, path = "/rag/databases/{id}", tag = "rag",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn read_rag_database(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path(id_or_name): Path<String>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let database = find(&app, &caller, &id_or_name).await?;
    let counted = stats(&app, &caller.tenant).await?.remove(&database.id).unwrap_or_default();
    let etag = etag(&database);
    Ok((etag, Json(show(&app, &caller.tenant, database, counted).await?)))
}

/// Change a database
///
/// Members that are not in the body stay as they are; `null` stands for the default. 202 if its documents are
/// embedded or cut otherwise from now on: then the next generation is made, and searched when it is whole. Passages
/// whose text and model stay the same keep their vectors.
#[utoipa::path(put, path = "/rag/databases/{id}", tag = "rag",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    request_body = DatabaseChange,
    responses((status = 200, body = Shown, headers(("ETag" = String))),
        (status = 202, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn change_rag_database(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
    Body(Members(mut body)): Body<Members>,
) -> Result<Response, Problem> {
    take_state(&mut body);
    let (databases, tenant) = (app.rag.databases(), &caller.tenant);
    let before = databases.find(tenant, &id_or_name).await?.map(|it| it.content.recipe());
    let changed = databases.update(caller.author(), &id_or_name, &if_match, body).await?;
    let is_other = before.is_some_and(|recipe| recipe != changed.content.recipe());
    app.rag.follow_definition(tenant, &changed).await?;
    app.rag.follow_store(tenant, &changed).await?;
    let counted = stats(&app, tenant).await?.remove(&changed.id).unwrap_or_default();
    let etag = etag(&changed);
    let shown = show(&app, tenant, changed, counted).await?;
    let is_made_anew = is_other && shown.reindex.is_some();
    let status = if is_made_anew { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, etag, Json(shown)).into_response())
}

/// Delete a database
///
/// With its documents, files, passages and vectors. One that agents name is deleted only with `force`.
#[utoipa::path(delete, path = "/rag/databases/{id}", tag = "rag",
    params(("id" = String, Path, description = "Its id or its name"), Deletion,
        ("If-Match" = Option<String>, Header, description = "Versions that may be deleted")),
    responses((status = 204), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn delete_rag_database(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path(id_or_name): Path<String>,
    Query(deletion): Query<Deletion>,
    if_match: IfMatch,
) -> Result<NoContent, Problem> {
    app.rag.delete_database(caller.author(), &id_or_name, &if_match, deletion.force()).await?;
    Ok(NoContent)
}

/// Make all passages anew
///
/// Every file is read again, and every passage embedded again, as the next generation. It goes on with one that is
/// being made already.
#[utoipa::path(post, path = "/rag/databases/{id}/reindex", tag = "rag",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 202, body = Shown), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn reindex_rag_database(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path(id_or_name): Path<String>,
) -> Result<(StatusCode, Json<Shown>), Problem> {
    let database = find(&app, &caller, &id_or_name).await?;
    app.rag.reindex(&caller.tenant, &database).await?;
    let counted = stats(&app, &caller.tenant).await?.remove(&database.id).unwrap_or_default();
    let shown = show(&app, &caller.tenant, database, counted).await?;
    Ok((StatusCode::ACCEPTED, Json(shown)))
}

/// Test a database
///
/// Embeds a text and looks for it, and says whether that went well.
#[utoipa::path(post, path = "/rag/databases/{id}/test", tag = "rag",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = Tested), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn test_rag_database(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path(id_or_name): Path<String>,
) -> Result<Json<Tested>, Problem> {
    let database = find(&app, &caller, &id_or_name).await?;
    let (ok, detail) = match app.rag.test(&caller.tenant, &database).await {
        Ok(dimension) => (true, format!("vectors have {dimension} numbers; a search was answered")),
        Err(RagError::DatabaseInvalid { problems, .. }) => {
            (false, problems.first().map(|it| it.detail.clone()).unwrap_or_default())
        }
        Err(error @ (RagError::Embed(_) | RagError::IndexTooLarge { .. } | RagError::Store(_))) => {
            (false, error.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    let mut capabilities = vec!["filter", "keyword", "hybrid"];
    if database.content.vector_store_type == StoreType::Embedded {
        capabilities.push("exact");
    }
    Ok(Json(Tested { ok, detail, capabilities }))
}

fn take_state(body: &mut Map<String, Value>) {
    body.retain(|name, _| !STATE.contains(&name.as_str()));
}

async fn stats(app: &App, tenant: &TenantId) -> Result<HashMap<Id, Stats>, RagError> {
    let stats = app.db.read(async |conn| stats::list(conn, tenant).await).await?;
    Ok(stats.into_iter().collect())
}

async fn show(
    app: &App,
    tenant: &TenantId,
    definition: Arc<Database>,
    counted: Stats,
) -> Result<Shown, RagError> {
    let found = app.db.read(async |conn| indexes::find(conn, tenant, definition.id).await).await?;
    let dimension = found.as_ref().map(|state| state.dimension).filter(|it| *it > 0);
    let generation = found.as_ref().map_or(1, |state| state.generation);
    let Stats { documents, chunks, bytes, whole, failed, reason } = counted;
    let next = found.and_then(|state| state.next_number());
    let reindex =
        next.map(|generation| Reindex { generation, done: whole, failed, total: documents });
    let untold =
        app.db.read(async |conn| outbox::find_error(conn, tenant, definition.id).await).await?;
    let problem = definition.problems.first().map(|problem| problem.detail.clone()).or(untold);
    let status = match (&problem, reindex) {
        (Some(_), _) => Status::Error,
        (None, None) => Status::Ready,
        (None, Some(_)) => Status::Reindexing,
    };
    let definition = Database::clone(&definition);
    Ok(Shown {
        definition,
        dimension,
        generation,
        status,
        last_error: problem.or(reason),
        reindex,
        stats: Counts { documents, chunks, bytes },
    })
}

impl Located for Shown {
    fn location(&self) -> String {
        format!("/rag/databases/{}", self.definition.id)
    }
}
