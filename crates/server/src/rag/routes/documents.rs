//! `/rag/databases/{id}/documents`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use futures::StreamExt;
use futures::stream;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::find;
use super::holds_all;
use super::is_visible;
use super::manages;
use super::may_read;
use super::upload;
use super::upload::Given;
use super::upload::RagForm;
use super::upload::RagText;
use super::upload::Target;
use crate::app::App;
use crate::http::Created;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::http::event_stream;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::RagRead;
use crate::oauth::scopes::RagWrite;
use crate::rag::Database;
use crate::rag::Document;
use crate::rag::DocumentStatus;
use crate::rag::RagError;
use crate::rag::documents::Uploaded;
use crate::rag::store::chunks::Shown as Chunk;
use crate::rag::store::documents;
use crate::rag::store::documents::Filter;
use crate::rag::store::documents::Named;
use crate::rag::store::documents::Position;
use crate::rag::store::labels;
use crate::rag::watch;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(find_rag_documents))
        .routes(routes!(list_rag_documents))
        .routes(routes!(read_rag_document, delete_rag_document))
        .routes(routes!(read_rag_document_content))
        .routes(routes!(list_rag_chunks))
        .routes(routes!(watch_rag_document))
        .routes(routes!(retry_rag_document))
}

/// What takes as long as a file takes to arrive, and has limits of size and time of its own.
pub fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(upload_rag_document))
        .routes(routes!(change_rag_document))
        .layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DocumentFilter {
    status: Option<DocumentStatus>,
    /// The whole name.
    filename: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DocumentName {
    /// A part of the name, in capitals or not.
    name: Option<String>,
}

/// Find documents by name
///
/// In all databases that the caller may see; the newest first.
#[utoipa::path(get, path = "/rag/documents", tag = "rag", params(DocumentName, Paging),
    responses((status = 200, body = Page<Document>), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn find_rag_documents(
    State(app): State<App>,
    caller: Caller<RagRead>,
    paging: Paging,
    Query(DocumentName { name }): Query<DocumentName>,
) -> Result<Page<Document>, Problem> {
    let snapshot = app.rag.databases().snapshot(&caller.tenant).await?;
    let seen = snapshot.newest_first(None).filter(|it| is_visible(it, &caller));
    let named = Named { databases: seen.map(|it| it.id).collect(), name, before: paging.after()? };
    let (tenant, rows) = (&caller.tenant, paging.rows());
    let found = app.db.read(async |conn| {
        let scopes = if manages(&caller) {
            None
        } else {
            let sets = labels::list_scope_sets(conn, tenant).await?;
            Some(sets.into_iter().filter(|set| holds_all(&caller, &set.scopes)).collect())
        };
        documents::find_named(conn, tenant, &named, scopes, rows).await
    });
    Ok(paging.page(found.await?, |it: &Document| Position(it.created_at, it.id)))
}

/// List documents
///
/// The newest first.
#[utoipa::path(get, path = "/rag/databases/{id}/documents", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), DocumentFilter, Paging),
    responses((status = 200, body = Page<Document>), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn list_rag_documents(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path(id_or_name): Path<String>,
    paging: Paging,
    Query(DocumentFilter { status, filename }): Query<DocumentFilter>,
) -> Result<Page<Document>, Problem> {
    let database = find(&app, &caller, &id_or_name).await?;
    let filter = Filter { status, filename, before: paging.after()? };
    let (tenant, id, rows) = (&caller.tenant, database.id, paging.rows());
    let found = app.db.read(async |conn| documents::list(conn, tenant, id, &filter, rows).await);
    let mut page = paging.page(found.await?, |it: &Document| Position(it.created_at, it.id));
    page.data.retain(|document| may_read(document, &caller));
    Ok(page)
}

/// Upload a document
///
/// A form with a file, or JSON with a text or a URL. It is ingested soon after. 200 with the document that is there already,
/// if the database has the same bytes.
#[utoipa::path(post, path = "/rag/databases/{id}/documents", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database")),
    request_body(content((RagForm = "multipart/form-data"), (RagText = "application/json"))),
    responses((status = 201, body = Document, headers(("Location" = String))),
        (status = 200, body = Document), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn upload_rag_document(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path(id_or_name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let database = find(&app, &caller, &id_or_name).await?;
    let target = Target { app: &app, tenant: &caller.tenant, database: database.id };
    let Given { upload, labels } = target.read(request).await?;
    let Some(upload) = upload else {
        let detail = "a document is a `file` of a form, or a `text` or a `url` in JSON";
        return Err(upload::invalid("/file", "missing_member", detail));
    };
    let by = caller.subject.as_str();
    Ok(match app.rag.upload(&caller.tenant, &database, by, upload, labels).await? {
        Uploaded::New(document) => Created(document).into_response(),
        Uploaded::Known(document) => Json(document).into_response(),
    })
}

/// Read a document
#[utoipa::path(get, path = "/rag/databases/{id}/documents/{document}", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path)),
    responses((status = 200, body = Document), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn read_rag_document(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path((id_or_name, document)): Path<(String, String)>,
) -> Result<Json<Document>, Problem> {
    Ok(Json(find_document(&app, &caller, &id_or_name, &document).await?.1))
}

/// Change a document
///
/// What is not in the body stays as it is. Another file or text is ingested soon after; passages that stay the same
/// keep their vectors.
#[utoipa::path(put, path = "/rag/databases/{id}/documents/{document}", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path)),
    request_body(content((RagForm = "multipart/form-data"), (RagText = "application/json"))),
    responses((status = 200, body = Document), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn change_rag_document(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path((id_or_name, document)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Document>, Problem> {
    let (database, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    let target = Target { app: &app, tenant: &caller.tenant, database: database.id };
    let Given { upload, labels } = target.read(request).await?;
    let changed = app.rag.change(&caller.tenant, &database, document.id, upload, labels).await?;
    Ok(Json(changed))
}

/// Delete a document
///
/// When this is answered no search finds it, on any process.
#[utoipa::path(delete, path = "/rag/databases/{id}/documents/{document}", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn delete_rag_document(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path((id_or_name, document)): Path<(String, String)>,
) -> Result<NoContent, Problem> {
    let (database, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    app.rag.delete_document(&caller.tenant, &database, document.id).await?;
    Ok(NoContent)
}

/// Read a document's file
///
/// Byte for byte as it was uploaded.
#[utoipa::path(get, path = "/rag/databases/{id}/documents/{document}/content", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn read_rag_document_content(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path((id_or_name, document)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (_, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    let place = document.file_place(&caller.tenant);
    let first = app.rag.piece(&place, 0).await?;
    let length = if first.is_empty() { 0 } else { document.file_size };
    let rest = stream::try_unfold((app, 1), move |(app, number)| {
        let place = place.clone();
        async move {
            let piece = app.rag.piece(&place, number).await?;
            Ok::<_, RagError>((!piece.is_empty()).then_some((piece, (app, number + 1))))
        }
    });
    let body = Body::from_stream(stream::iter([Ok(first)]).chain(rest));
    let name = utf8_percent_encode(&document.filename, NON_ALPHANUMERIC);
    let attachment = format!("attachment; filename*=UTF-8''{name}");
    let media_type = HeaderValue::try_from(document.file_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_LENGTH, length.into()),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(attachment).map_err(|it| Problem::internal(&it))?,
        ),
    ];
    Ok((headers, body).into_response())
}

/// List the passages of a document
///
/// In their order.
#[utoipa::path(get, path = "/rag/databases/{id}/documents/{document}/chunks", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path), Paging),
    responses((status = 200, body = Page<Chunk>), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn list_rag_chunks(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path((id_or_name, document)): Path<(String, String)>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Chunk>, Problem> {
    let (_, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    let chunks = app.rag.chunks(&caller.tenant, &document, paging.after()?, paging.rows()).await?;
    Ok(paging.page(chunks, |chunk: &Chunk| chunk.index))
}

/// Watch a document's ingestion
///
/// A stream of events whose data is the document as it is then: `document.progress`, and at the end
/// `document.completed` or `document.failed`. `Last-Event-ID` or `after` leaves out the state that is known already.
#[utoipa::path(get, path = "/rag/databases/{id}/documents/{document}/events", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path), EventsAsked,
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`, sent by EventSource")),
    responses((status = 200, body = String, content_type = "text/event-stream"),
        (status = 204, description = "The ingestion is over, and its end is known"), Problem),
    security(("oauth2" = ["rag.read"]), ("oauth2" = ["rag.write"])))]
async fn watch_rag_document(
    State(app): State<App>,
    caller: Caller<RagRead>,
    Path((id_or_name, document)): Path<(String, String)>,
    Query(EventsAsked { after }): Query<EventsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (database, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    let header = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let seen = header.filter(|it| !it.is_empty()).map(str::to_owned).or(after);
    let state = watch::state_id(&document).map_err(RagError::from)?;
    if document.embedding_status.is_final() && seen == Some(state) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (tenant, place) = (caller.tenant.clone(), (database.id, document.id));
    Ok(event_stream(watch::watch(app.rag.clone(), tenant, place, seen)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsAsked {
    /// The id of the last event that is known already.
    after: Option<String>,
}

/// Ingest a document once more
///
/// One that failed, or waits for its next try, is tried now. All others stay as they are.
#[utoipa::path(post, path = "/rag/databases/{id}/documents/{document}/retry", tag = "rag",
    params(("id" = String, Path, description = "Id or name of the database"), ("document" = String, Path)),
    responses((status = 202, body = Document), Problem),
    security(("oauth2" = ["rag.write"])))]
async fn retry_rag_document(
    State(app): State<App>,
    caller: Caller<RagWrite>,
    Path((id_or_name, document)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Document>), Problem> {
    let (database, document) = find_document(&app, &caller, &id_or_name, &document).await?;
    let document = app.rag.retry(&caller.tenant, &database, document.id).await?;
    Ok((StatusCode::ACCEPTED, Json(document)))
}

/// The document of that id, if `caller` may know that it is there, and its database.
async fn find_document(
    app: &App,
    caller: &Principal,
    id_or_name: &str,
    document: &str,
) -> Result<(Arc<Database>, Document), RagError> {
    let database = find(app, caller, id_or_name).await?;
    let unknown = || RagError::DocumentNotFound(document.chars().take(100).collect());
    let id = document.parse().map_err(|_| unknown())?;
    let tenant = &caller.tenant;
    let found = app.db.read(async |conn| documents::find(conn, tenant, database.id, id).await);
    let found = found.await?.filter(|it| may_read(it, caller)).ok_or_else(unknown)?;
    Ok((database, found))
}

impl Located for Document {
    fn location(&self) -> String {
        format!("/rag/databases/{}/documents/{}", self.rag_database_id, self.id)
    }
}
