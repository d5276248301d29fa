//! The original bytes of documents, in pieces that a row can hold.

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Bytes of a piece.
const PIECE: usize = 1 << 20;
/// Pieces that are deleted in one transaction.
const AT_ONCE: i64 = 16;

pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
    bytes: &[u8],
) -> Result<(), sqlx::Error> {
    for (part, piece) in (0_i64..).zip(bytes.chunks(PIECE)) {
        on!(conn, c => sqlx::query(
                "INSERT INTO rag_files (tenant_id, rag_database_id, document_id, part, bytes)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(tenant)
            .bind(database)
            .bind(document)
            .bind(part)
            .bind(piece)
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// The bytes of a document. None: nobody kept any, as of a document that was written in SQL.
pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
) -> Result<Vec<u8>, sqlx::Error> {
    let pieces = on!(conn, c => sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT bytes FROM rag_files
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 ORDER BY part",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .fetch_all(c)
        .await)?;
    Ok(pieces.concat())
}

pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM rag_files
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes some pieces of a database, and says how many.
pub async fn delete_some_of_database(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_files WHERE tenant_id = $1 AND rag_database_id = $2
                 AND (document_id, part) IN (SELECT document_id, part FROM rag_files
                     WHERE tenant_id = $1 AND rag_database_id = $2 LIMIT $3)",
        )
        .bind(tenant)
        .bind(database)
        .bind(AT_ONCE)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}
