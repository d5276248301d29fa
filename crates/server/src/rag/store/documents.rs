//! The rows of documents.

use serde::Deserialize;
use serde::Serialize;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::OnUnique;
use crate::db::TenantId;
use crate::db::Unique;
use crate::db::containing;
use crate::on;
use crate::rag::Document;
use crate::rag::DocumentStatus;
use crate::rag::Progress;
use crate::rag::RagError;
use crate::rag::Stage;
use crate::rag::documents::Labels;
use crate::rag::documents::Upload;
use crate::rag::store::labels::ScopeSet;

const CONTENT: Unique = Unique {
    name: "rag_documents_content",
    table: "rag_documents",
    columns: &["tenant_id", "rag_database_id", "content_hash"],
};

macro_rules! columns {
    ($rest:expr) => {
        concat!(
            "SELECT id, rag_database_id, filename, original_filename, file_type, file_size, content_hash,
                 embedding_status, stage, progress_done, progress_total, error_message, chunk_count,
                 page_count, language, encoding, warnings, source_url, scopes, metadata, uploaded_by,
                 created_at, updated_at, file_id
             FROM rag_documents WHERE tenant_id = ",
            $rest
        )
    };
}

macro_rules! select_documents {
    ($which:literal) => {
        columns!(concat!("$1 AND rag_database_id = $2 ", $which))
    };
}

/// A document as its row has it.
#[derive(FromRow)]
struct Row {
    id: Id,
    rag_database_id: Id,
    filename: String,
    original_filename: String,
    file_type: String,
    file_size: i64,
    content_hash: Option<String>,
    embedding_status: String,
    stage: Option<String>,
    progress_done: i64,
    progress_total: i64,
    error_message: Option<String>,
    chunk_count: i64,
    page_count: Option<i64>,
    language: Option<String>,
    encoding: Option<String>,
    warnings: Json,
    source_url: Option<String>,
    scopes: Json,
    metadata: Json,
    uploaded_by: Option<String>,
    created_at: At,
    updated_at: At,
    file_id: Option<Id>,
}

/// The bytes of a document, and what goes with them.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    pub id: Id,
    pub upload: &'a Upload,
    pub hash: &'a str,
    pub revision: i64,
    pub now: At,
}

/// Which documents of a database are listed.
#[derive(Debug, Default)]
pub struct Filter {
    pub status: Option<DocumentStatus>,
    pub filename: Option<String>,
    pub before: Option<Position>,
}

/// Which documents are found by their name.
#[derive(Debug)]
pub struct Named {
    /// In which databases.
    pub databases: Vec<Id>,
    /// A part of it, in capitals or not.
    pub name: Option<String>,
    pub before: Option<Position>,
}

/// Where a document stands in a list, the newest first.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub struct Position(pub At, pub Id);

/// Inserts a document, or says that the database has its bytes.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    new: &Content<'_>,
    labels: &Labels,
    by: &str,
) -> Result<(), RagError> {
    let (metadata, scopes) =
        (Json::of(&labels.metadata.clone().unwrap_or_default())?, scopes(labels)?);
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_documents
                 (tenant_id, id, rag_database_id, filename, original_filename, file_type, file_size, content_hash,
                  stage, run_after, revision, metadata, scopes, uploaded_by, source_url, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'parse', $9, $10, $11, $12, $13, $14, $9, $9)",
        )
        .bind(tenant)
        .bind(new.id)
        .bind(database)
        .bind(new.upload.plain_name())
        .bind(&new.upload.filename)
        .bind(new.upload.said_type())
        .bind(new.upload.size())
        .bind(new.hash)
        .bind(new.now)
        .bind(new.revision)
        .bind(&metadata)
        .bind(&scopes)
        .bind(by)
        .bind(&new.upload.source_url)
        .execute(c)
        .await)
    .on_unique(CONTENT, || RagError::Duplicate(new.id))?;
    Ok(())
}

/// Gives a document other bytes, which are ingested soon; an attempt that is under way has lost it.
pub async fn replace(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    new: &Content<'_>,
) -> Result<(), RagError> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET filename = $4, original_filename = $5, file_type = $6, file_size = $7,
                 content_hash = $8, embedding_status = 'pending', stage = 'parse', attempts = attempts + 1,
                 failures = 0, worker_id = NULL, run_after = $9, revision = $10, error_message = NULL,
                 generation = 0, progress_done = 0, progress_total = 0, source_url = $11,
                 file_id = $12, updated_at = $9
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(new.id)
        .bind(new.upload.plain_name())
        .bind(&new.upload.filename)
        .bind(new.upload.said_type())
        .bind(new.upload.size())
        .bind(new.hash)
        .bind(new.now)
        .bind(new.revision)
        .bind(&new.upload.source_url)
        .bind(new.upload.file.id())
        .execute(c)
        .await)
    .on_unique(CONTENT, || RagError::Duplicate(new.id))?;
    Ok(())
}

/// Changes who may find a document and what is said of it.
pub async fn update_labels(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    current: &Document,
    labels: &Labels,
    revision: i64,
    now: At,
) -> Result<(), RagError> {
    let metadata = Json::of(labels.metadata.as_ref().unwrap_or(&current.metadata))?;
    let scopes = Json::of(labels.scopes.as_ref().unwrap_or(&current.scopes))?;
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET metadata = $4, scopes = $5, revision = $6, updated_at = $7
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3",
        )
        .bind(tenant)
        .bind(current.rag_database_id)
        .bind(current.id)
        .bind(&metadata)
        .bind(&scopes)
        .bind(revision)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Makes a document due that failed or waits for its next try.
pub async fn retry(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    id: Id,
    now: At,
) -> Result<(), RagError> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET embedding_status = 'pending', stage = 'parse', failures = 0,
                 run_after = $4, error_message = NULL, updated_at = $4
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3
                 AND embedding_status IN ('failed', 'pending')",
        )
        .bind(tenant)
        .bind(database)
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes a document, if it is there.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    id: Id,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_documents WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    id: Id,
) -> Result<Option<Document>, RagError> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(select_documents!("AND id = $3"))
        .bind(tenant)
        .bind(database)
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(Row::read).transpose()
}

pub async fn find_by_hash(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    hash: &str,
) -> Result<Option<Document>, RagError> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(select_documents!("AND content_hash = $3"))
        .bind(tenant)
        .bind(database)
        .bind(hash)
        .fetch_optional(c)
        .await)?;
    row.map(Row::read).transpose()
}

/// The documents of a database, the newest first, at most `rows`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    filter: &Filter,
    rows: i64,
) -> Result<Vec<Document>, RagError> {
    let (created_at, id) = filter.before.map(|Position(at, id)| (at, id)).unzip();
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(select_documents!(
            "AND ($3 IS NULL OR (created_at, id) < ($3, $4))
                 AND ($5 IS NULL OR embedding_status = $5) AND ($6 IS NULL OR filename = $6)
             ORDER BY created_at DESC, id DESC LIMIT $7"
        ))
        .bind(tenant)
        .bind(database)
        .bind(created_at)
        .bind(id)
        .bind(filter.status.map(DocumentStatus::as_str))
        .bind(&filter.filename)
        .bind(rows)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(Row::read).collect()
}

/// The documents of that name, the newest first, at most `rows`; only those with one of these sets of scopes, if there are any given.
pub async fn find_named(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    named: &Named,
    scopes: Option<Vec<ScopeSet>>,
    rows: i64,
) -> Result<Vec<Document>, RagError> {
    if named.databases.is_empty() || scopes.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let rows = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(columns!(""));
        query.push_bind(tenant).push(" AND rag_database_id IN (");
        let mut list = query.separated(", ");
        for database in &named.databases {
            list.push_bind(database);
        }
        query.push(")");
        if let Some(scopes) = &scopes {
            query.push(" AND CAST(scopes AS TEXT) IN (");
            let mut list = query.separated(", ");
            for set in scopes {
                list.push_bind(&set.text);
            }
            query.push(")");
        }
        if let Some(name) = &named.name {
            // What is in a database may know only the capitals of ASCII.
            query.push(" AND (lower(filename) LIKE ").push_bind(containing(&name.to_lowercase()));
            query.push(" ESCAPE '!' OR filename LIKE ").push_bind(containing(name)).push(" ESCAPE '!')");
        }
        if let Some(Position(at, id)) = named.before {
            query.push(" AND (created_at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(rows);
        query.build_query_as::<Row>().fetch_all(c).await
    })?;
    rows.into_iter().map(Row::read).collect()
}

fn scopes(labels: &Labels) -> Result<Json, serde_json::Error> {
    Json::of(labels.scopes.as_deref().unwrap_or_default())
}

impl Row {
    fn read(self) -> Result<Document, RagError> {
        let word = |text: String| serde_json::Value::from(text);
        let embedding_status: DocumentStatus = serde_json::from_value(word(self.embedding_status))?;
        let stage: Option<Stage> =
            self.stage.map(|stage| serde_json::from_value(word(stage))).transpose()?;
        let counted = Progress { done: self.progress_done, total: self.progress_total };
        Ok(Document {
            id: self.id,
            rag_database_id: self.rag_database_id,
            filename: self.filename,
            original_filename: self.original_filename,
            file_type: self.file_type,
            file_size: self.file_size,
            content_hash: self.content_hash,
            embedding_status,
            stage,
            progress: (counted.total > 0).then_some(counted),
            error_message: self.error_message,
            chunk_count: self.chunk_count,
            page_count: self.page_count,
            language: self.language,
            encoding: self.encoding,
            warnings: self.warnings.read()?,
            source_url: self.source_url,
            scopes: self.scopes.read()?,
            metadata: self.metadata.read()?,
            uploaded_by: self.uploaded_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
            // Which is its own as long as it was not replaced.
            file: self.file_id.unwrap_or(self.id),
        })
    }
}
