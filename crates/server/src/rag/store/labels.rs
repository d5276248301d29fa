//! What searches know of documents: who may find them, and what filters are about.

use serde_json::Map;
use serde_json::Value;

use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::on;

/// Who may find a document, and what filters are about.
#[derive(Debug, Clone)]
pub struct Label {
    pub id: Id,
    pub scopes: Vec<String>,
    pub metadata: Map<String, Value>,
    /// What there is of a document that failed is not all of it, or of what it was before.
    pub is_failed: bool,
}

impl Label {
    /// What the columns of a document say.
    pub fn read(id: Id, scopes: &Json, metadata: &Json, is_failed: bool) -> Self {
        Self {
            id,
            // What cannot be read, as SQL allows, is for nobody.
            scopes: scopes.read().unwrap_or_else(|_| vec![String::new()]),
            metadata: metadata.read().unwrap_or_default(),
            is_failed,
        }
    }
}

/// The labels of the documents that changed after `revision`, for who searches this generation.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
    revision: i64,
) -> Result<Vec<Label>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (Id, Json, Json, String, i64)>(
            "SELECT id, scopes, metadata, embedding_status, generation FROM rag_documents
             WHERE tenant_id = $1 AND rag_database_id = $2 AND revision > $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision)
        .fetch_all(c)
        .await)?;
    let read = |(id, scopes, metadata, status, whole): (Id, Json, Json, String, i64)| {
        Label::read(id, &scopes, &metadata, status == "failed" && whole < generation)
    };
    Ok(rows.into_iter().map(read).collect())
}

/// The labels of the latest documents.
pub async fn list_latest(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    limit: i64,
) -> Result<Vec<Label>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (Id, Json, Json)>(
            "SELECT id, scopes, metadata FROM rag_documents
             WHERE tenant_id = $1 AND rag_database_id = $2 ORDER BY revision DESC LIMIT $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    let read =
        |(id, scopes, metadata): (Id, Json, Json)| Label::read(id, &scopes, &metadata, false);
    Ok(rows.into_iter().map(read).collect())
}

/// At most `limit` of the documents that changed after `revision`.
pub async fn list_changed(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    revision: i64,
    limit: i64,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, Id>(
            "SELECT id FROM rag_documents
             WHERE tenant_id = $1 AND rag_database_id = $2 AND revision > $3 LIMIT $4",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision)
        .bind(limit)
        .fetch_all(c)
        .await)
}

/// Scopes and metadata of one document, if it is there.
pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
) -> Result<Option<(Vec<String>, Map<String, Value>)>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, (Json, Json)>(
            "SELECT scopes, metadata FROM rag_documents
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .fetch_optional(c)
        .await)?;
    let read = |(scopes, metadata): (Json, Json)| {
        let Label { scopes, metadata, .. } = Label::read(document, &scopes, &metadata, false);
        (scopes, metadata)
    };
    Ok(row.map(read))
}

/// The sets of scopes that documents of a database have.
pub async fn list_scopes(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_scalar::<_, String>(
            "SELECT DISTINCT CAST(scopes AS TEXT) FROM rag_documents
             WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .fetch_all(c)
        .await)?;
    Ok(rows.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// Scopes that documents have together, and the text by which their rows say so.
#[derive(Debug)]
pub struct ScopeSet {
    pub scopes: Vec<String>,
    pub text: String,
}

/// The sets of scopes that documents of all databases have. One that cannot be read, as SQL allows, is for nobody.
pub async fn list_scope_sets(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
) -> Result<Vec<ScopeSet>, sqlx::Error> {
    let texts = on!(conn, c => sqlx::query_scalar::<_, String>(
            "SELECT DISTINCT CAST(scopes AS TEXT) FROM rag_documents WHERE tenant_id = $1",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    let read = |text: String| Some(ScopeSet { scopes: serde_json::from_str(&text).ok()?, text });
    Ok(texts.into_iter().filter_map(read).collect())
}
