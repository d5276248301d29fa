//! The original bytes of documents, in pieces that a row can hold.
//!
//! A file that comes in, or that no document has any more, has a row in `rag_uploads`: with the process that takes
//! it in, or with none, as soon as it is to be deleted.

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Bytes of a piece.
pub const PIECE: usize = 1 << 20;
/// Pieces that are deleted in one transaction.
const AT_ONCE: i64 = 4;

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlace {
    pub tenant: TenantId,
    pub database: Id,
    /// That of the document which it came with, or one of its own.
    pub file: Id,
}

/// Says that `worker` takes in a file.
pub async fn begin(conn: &mut Conn<'_>, place: &FilePlace, worker: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_uploads (tenant_id, rag_database_id, file_id, worker_id)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(())
}

/// Whether `worker` still takes it in; nobody takes it away until the transaction ends.
pub async fn is_coming(
    conn: &mut Conn<'_>,
    place: &FilePlace,
    worker: Id,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE rag_uploads SET worker_id = $4
             WHERE tenant_id = $1 AND rag_database_id = $2 AND file_id = $3 AND worker_id = $4",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

pub async fn insert(
    conn: &mut Conn<'_>,
    place: &FilePlace,
    part: i64,
    bytes: &[u8],
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_files (tenant_id, rag_database_id, document_id, part, bytes)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(part)
        .bind(bytes)
        .execute(c)
        .await)?;
    Ok(())
}

/// Says that `worker` has it all, and a document has it; `false` if it was taken away.
pub async fn end(conn: &mut Conn<'_>, place: &FilePlace, worker: Id) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_uploads
             WHERE tenant_id = $1 AND rag_database_id = $2 AND file_id = $3 AND worker_id = $4",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Says that nobody has it: it is to be deleted.
pub async fn leave(conn: &mut Conn<'_>, place: &FilePlace) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_uploads (tenant_id, rag_database_id, file_id, worker_id)
             VALUES ($1, $2, $3, NULL)
             ON CONFLICT (tenant_id, rag_database_id, file_id) DO UPDATE SET worker_id = NULL",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .execute(c)
        .await)?;
    Ok(())
}

/// Files that nobody has, and those whose process is gone.
pub async fn list_left(conn: &mut Conn<'_>) -> Result<Vec<FilePlace>, sqlx::Error> {
    let rows: Vec<(TenantId, Id, Id)> = on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, rag_database_id, file_id FROM rag_uploads
             WHERE worker_id IS NULL OR worker_id NOT IN (SELECT id FROM workers)",
        )
        .fetch_all(c)
        .await)?;
    let place = |(tenant, database, file)| FilePlace { tenant, database, file };
    Ok(rows.into_iter().map(place).collect())
}

/// A piece of a file; an empty one after the last.
pub async fn find(
    conn: &mut Conn<'_>,
    place: &FilePlace,
    part: i64,
) -> Result<Vec<u8>, sqlx::Error> {
    let bytes: Option<Vec<u8>> = on!(conn, c => sqlx::query_scalar(
            "SELECT bytes FROM rag_files
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND part = $4",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(part)
        .fetch_optional(c)
        .await)?;
    Ok(bytes.unwrap_or_default())
}

/// Deletes some pieces of a file, and says how many.
pub async fn delete_some(conn: &mut Conn<'_>, place: &FilePlace) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM rag_files WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3
                 AND part IN (SELECT part FROM rag_files
                     WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 LIMIT $4)",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .bind(AT_ONCE)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// Forgets a file that is deleted.
pub async fn forget(conn: &mut Conn<'_>, place: &FilePlace) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM rag_uploads
             WHERE tenant_id = $1 AND rag_database_id = $2 AND file_id = $3 AND worker_id IS NULL",
        )
        .bind(&place.tenant)
        .bind(place.database)
        .bind(place.file)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes some pieces of a database, and says how many. What still comes in for it is refused from now on.
pub async fn delete_some_of_database(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<u64, sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM rag_uploads WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .execute(c)
        .await)?;
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
