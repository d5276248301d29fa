//! The rows of passages.

use retrieval::Code;
use serde::Serialize;
use sqlx::FromRow;
use sqlx::QueryBuilder;
use utoipa::ToSchema;

use super::jobs::Job;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::on;
use crate::rag::Document;

/// Rows that are deleted in one transaction.
const AT_ONCE: i64 = 200;

/// A passage that is to be stored.
#[derive(Debug)]
pub struct New {
    pub place: Place,
    pub vector_key: Option<Id>,
    pub text: String,
    pub words: Vec<u8>,
    pub code: Code,
    pub vector: Vec<f32>,
}

/// A passage, and where it stands in its document.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub id: Id,
    pub position: i64,
    pub start: i64,
    pub end: i64,
    pub page: Option<i64>,
    pub page_end: Option<i64>,
    pub heading_path: Json,
}

/// A passage of a document.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RagChunk)]
pub struct Shown {
    pub id: Id,
    /// From 0, in the order of the text.
    pub index: i64,
    pub text: String,
    /// Code points of the extracted text.
    pub start: i64,
    pub end: i64,
    /// The page on which it begins.
    #[schema(required)]
    pub page: Option<i64>,
    /// The page on which it ends, if that is another.
    #[schema(required)]
    pub page_end: Option<i64>,
    /// The headings it stands under, the highest first.
    pub heading_path: Vec<String>,
    /// That of its document.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// A passage as a search finds it.
#[derive(Debug, FromRow)]
pub struct Found {
    pub id: Id,
    pub rag_database_id: Id,
    pub document_id: Id,
    pub filename: String,
    pub text: String,
    pub start_at: i64,
    pub end_at: i64,
    pub page: Option<i64>,
    pub page_end: Option<i64>,
    pub heading_path: Json,
    pub metadata: Json,
    #[sqlx(try_from = "Vec<u8>")]
    pub vector: Numbers,
    /// The number of the last change of the database that was asked about.
    pub revision: Option<i64>,
}

/// The numbers of a vector.
#[derive(Debug)]
pub struct Numbers(pub Vec<f32>);

impl From<Vec<u8>> for Numbers {
    fn from(bytes: Vec<u8>) -> Self {
        Self(numbers(&bytes))
    }
}

/// What of a passage is kept in memory.
#[derive(Debug, Clone, FromRow)]
pub struct Loaded {
    pub id: Id,
    pub document_id: Id,
    pub scale: f64,
    pub code: Vec<u8>,
    pub words: Vec<u8>,
}

#[derive(FromRow)]
struct PlaceRow {
    id: Id,
    position: i64,
    start_at: i64,
    end_at: i64,
    page: Option<i64>,
    page_end: Option<i64>,
    heading_path: Json,
}

/// The places of the passages that a document has in a generation.
pub async fn list_places(
    conn: &mut Conn<'_>,
    job: &Job,
    generation: i64,
) -> Result<Vec<Place>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, PlaceRow>(
            "SELECT id, position, start_at, end_at, page, page_end, heading_path FROM rag_chunks
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND generation = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(generation)
        .fetch_all(c)
        .await)?;
    let read = |row: PlaceRow| Place {
        id: row.id,
        position: row.position,
        start: row.start_at,
        end: row.end_at,
        page: row.page,
        page_end: row.page_end,
        heading_path: row.heading_path,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Stores a passage; one that is there already keeps what it has.
pub async fn insert(
    conn: &mut Conn<'_>,
    job: &Job,
    generation: i64,
    new: &New,
) -> Result<(), sqlx::Error> {
    let New { place, vector_key, text, words, code, vector } = new;
    let numbers: Vec<u8> = code.values.iter().map(|value| value.to_le_bytes()[0]).collect();
    let vector: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_chunks
                 (tenant_id, id, rag_database_id, document_id, generation, position, start_at, end_at, page,
                  page_end, heading_path, scale, code, words, text, vector, vector_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             ON CONFLICT (tenant_id, id) DO NOTHING",
        )
        .bind(&job.tenant)
        .bind(place.id)
        .bind(job.database)
        .bind(job.document)
        .bind(generation)
        .bind(place.position)
        .bind(place.start)
        .bind(place.end)
        .bind(place.page)
        .bind(place.page_end)
        .bind(&place.heading_path)
        .bind(f64::from(code.scale))
        .bind(&numbers)
        .bind(words)
        .bind(text)
        .bind(&vector)
        .bind(vector_key)
        .execute(c)
        .await)?;
    Ok(())
}

/// Says that a passage stands elsewhere now.
pub async fn move_to(conn: &mut Conn<'_>, job: &Job, place: &Place) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_chunks SET position = $4, start_at = $5, end_at = $6, page = $7, page_end = $8,
                 heading_path = $9
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(place.id)
        .bind(place.position)
        .bind(place.start)
        .bind(place.end)
        .bind(place.page)
        .bind(place.page_end)
        .bind(&place.heading_path)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes these passages.
pub async fn delete(conn: &mut Conn<'_>, job: &Job, ids: &[Id]) -> Result<(), sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new("DELETE FROM rag_chunks WHERE tenant_id = ");
        query.push_bind(&job.tenant).push(" AND id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build().execute(c).await
    })?;
    Ok(())
}

/// Deletes some passages of a document, and says how many.
pub async fn delete_some_of_document(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_chunks WHERE tenant_id = $1 AND id IN (SELECT id FROM rag_chunks
                 WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 LIMIT $4)",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .bind(AT_ONCE)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// Deletes some passages of a database, and says how many.
pub async fn delete_some_of_database(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_chunks WHERE tenant_id = $1 AND id IN (SELECT id FROM rag_chunks
                 WHERE tenant_id = $1 AND rag_database_id = $2 LIMIT $3)",
        )
        .bind(tenant)
        .bind(database)
        .bind(AT_ONCE)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// How many passages a generation of a database has.
pub async fn count(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM rag_chunks
             WHERE tenant_id = $1 AND rag_database_id = $2 AND generation = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(generation)
        .fetch_one(c)
        .await)
}

/// The passages in a generation of all documents that changed after `revision`, as they are kept in memory.
pub async fn list_loaded(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
    revision: i64,
) -> Result<Vec<Loaded>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Loaded>(
            "SELECT id, document_id, scale, code, words FROM rag_chunks
             WHERE tenant_id = $1 AND rag_database_id = $2 AND generation = $4 AND document_id IN
                 (SELECT id FROM rag_documents WHERE tenant_id = $1 AND rag_database_id = $2 AND revision > $3)
             ORDER BY document_id, position",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision)
        .bind(generation)
        .fetch_all(c)
        .await)
}

/// The vectors that passages of a tenant have under these keys; of which of several, it does not matter.
pub async fn list_vectors_by_key(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    keys: &[Id],
) -> Result<Vec<(Id, Vec<f32>)>, sqlx::Error> {
    let rows: Vec<(Id, Vec<u8>)> = on!(conn, c => {
        let mut query =
            QueryBuilder::new("SELECT vector_key, vector FROM rag_chunks WHERE tenant_id = ");
        query.push_bind(tenant).push(" AND vector_key IN (");
        let mut list = query.separated(", ");
        for key in keys {
            list.push_bind(*key);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(key, bytes)| (key, numbers(&bytes))).collect())
}

/// The numbers of a vector.
pub fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect()
}

/// These passages with what their documents say of them, in no order, and the revision of a database if they are all `of`
/// that one. They are told apart by their ids alone: SQLite
/// would take an index of databases for a better one, and read all that a database has.
pub async fn list_found(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    of: Option<Id>,
    ids: &[Id],
) -> Result<Vec<Found>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(
            "SELECT c.id, c.rag_database_id, c.document_id, d.filename, c.text, c.start_at, c.end_at, c.page,
                 c.page_end, c.heading_path, d.metadata, c.vector,
                 (SELECT revision FROM rag_indexes WHERE tenant_id = ",
        );
        query.push_bind(tenant).push(" AND rag_database_id = ").push_bind(of);
        query.push(
            ") AS revision
             FROM rag_chunks c JOIN rag_documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
             WHERE c.tenant_id = ",
        );
        query.push_bind(tenant).push(" AND c.id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })
}

#[derive(FromRow)]
struct ShownRow {
    #[sqlx(flatten)]
    place: PlaceRow,
    text: String,
}

/// The passages of a document that are searched, in their order, at most `limit` after the position `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    document: &Document,
    after: i64,
    limit: i64,
) -> Result<Vec<Shown>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, ShownRow>(
            "SELECT id, position, start_at, end_at, page, page_end, heading_path, text FROM rag_chunks
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND position > $4
                 AND generation = (SELECT generation FROM rag_indexes WHERE tenant_id = $1 AND rag_database_id = $2)
             ORDER BY position LIMIT $5",
        )
        .bind(tenant)
        .bind(document.rag_database_id)
        .bind(document.id)
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    let read = |ShownRow { place, text }: ShownRow| Shown {
        id: place.id,
        index: place.position,
        text,
        start: place.start_at,
        end: place.end_at,
        page: place.page,
        page_end: place.page_end,
        heading_path: place.heading_path.read().unwrap_or_default(),
        metadata: document.metadata.clone(),
    };
    Ok(rows.into_iter().map(read).collect())
}
