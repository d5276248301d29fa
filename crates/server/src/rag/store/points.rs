//! Passages as stores of vectors are told of them, and as what those find is compared with.

use sqlx::FromRow;
use sqlx::QueryBuilder;

use super::chunks::numbers;
use super::labels::Label;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::on;

/// The passages of a document of a generation that stand after the position `after`, with their positions, in their
/// order, at most `limit`.
pub async fn list_of_document(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    (document, generation): (Id, i64),
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, Id, Vec<f32>)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, (i64, Id, Vec<u8>)>(
            "SELECT position, id, vector FROM rag_chunks
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND generation = $4
                 AND position > $5
             ORDER BY position LIMIT $6",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .bind(generation)
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|(at, id, bytes)| (at, id, numbers(&bytes))).collect())
}

/// A passage with what its document says of it.
#[derive(Debug, FromRow)]
pub struct Labelled {
    pub id: Id,
    pub document_id: Id,
    rag_database_id: Id,
    generation: i64,
    scopes: Json,
    metadata: Json,
    /// It failed before it was whole in the generation.
    is_failed: bool,
}

impl Labelled {
    pub fn label(&self) -> Label {
        Label::read(self.document_id, &self.scopes, &self.metadata, self.is_failed)
    }
}

const LABELLED: &str =
    "SELECT c.id, c.document_id, c.rag_database_id, c.generation, d.scopes, d.metadata,
         d.embedding_status = 'failed' AND d.generation < c.generation AS is_failed
     FROM rag_chunks c JOIN rag_documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
     WHERE c.tenant_id = ";

/// Those of these passages that a database has in a generation, in no order. The rows are told apart by their ids
/// alone: SQLite would take the index of generations for a better one, and read all that the database has.
pub async fn list_labelled(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
    ids: &[Id],
) -> Result<Vec<Labelled>, sqlx::Error> {
    let mut rows: Vec<Labelled> = on!(conn, c => {
        let mut query = QueryBuilder::new(LABELLED);
        query.push_bind(tenant).push(" AND c.id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.retain(|row| (row.rag_database_id, row.generation) == (database, generation));
    Ok(rows)
}

/// The passages of these documents, in no order.
pub async fn list_of_documents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
    documents: &[Id],
) -> Result<Vec<Labelled>, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new(LABELLED);
        query.push_bind(tenant).push(" AND c.rag_database_id = ").push_bind(database);
        query.push(" AND c.generation = ").push_bind(generation);
        query.push(" AND c.document_id IN (");
        let mut list = query.separated(", ");
        for id in documents {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })
}

/// How many passages these documents have.
pub async fn count_of_documents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    documents: &[Id],
) -> Result<i64, sqlx::Error> {
    on!(conn, c => {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM rag_chunks WHERE tenant_id = ");
        query.push_bind(tenant).push(" AND rag_database_id = ").push_bind(database);
        query.push(" AND document_id IN (");
        let mut list = query.separated(", ");
        for id in documents {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_scalar::<i64>().fetch_one(c).await
    })
}
