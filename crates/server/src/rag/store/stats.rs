//! How much is in databases, how far their next generations are, and what is under way.

use sqlx::FromRow;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// How much is in a database.
#[derive(Debug, Clone, Default, FromRow)]
pub struct Stats {
    pub documents: i64,
    pub chunks: i64,
    pub bytes: i64,
    /// Documents that the next generation has.
    pub whole: i64,
    /// Documents that failed for it.
    pub failed: i64,
    /// Why one of them is not in it.
    pub reason: Option<String>,
}

#[derive(FromRow)]
struct StatsRow {
    rag_database_id: Id,
    #[sqlx(flatten)]
    stats: Stats,
}

/// How much is in each database of a tenant that has documents.
pub async fn list(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Vec<(Id, Stats)>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, StatsRow>(
            "SELECT d.rag_database_id, COUNT(*) AS documents, CAST(SUM(d.chunk_count) AS BIGINT) AS chunks,
                 CAST(SUM(d.file_size) AS BIGINT) AS bytes,
                 COUNT(CASE WHEN d.generation >= i.next_generation THEN 1 END) AS whole,
                 COUNT(CASE WHEN d.generation < i.next_generation AND d.embedding_status = 'failed' THEN 1 END)
                     AS failed,
                 MIN(CASE WHEN d.generation < i.next_generation THEN d.error_message END) AS reason
             FROM rag_documents d LEFT JOIN rag_indexes i
                 ON i.tenant_id = d.tenant_id AND i.rag_database_id = d.rag_database_id
             WHERE d.tenant_id = $1 GROUP BY d.rag_database_id",
        )
        .bind(tenant)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|row| (row.rag_database_id, row.stats)).collect())
}

/// How many documents of a tenant are read, or will be. The tenant is no part of an index here: else SQLite takes one
/// that begins with it, and reads all documents that the tenant has.
pub async fn ingesting(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM rag_documents
             WHERE embedding_status IN ('pending', 'processing') AND (tenant_id || '') = $1",
        )
        .bind(tenant)
        .fetch_one(c)
        .await)
}
