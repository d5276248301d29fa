//! The rows of what stores of vectors have still to be told.
//!
//! A row does not say what happened, but which document is to be looked at again. So to tell it twice, late, or in
//! another order comes to the same.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

const DUE: &str = "SELECT tenant_id, rag_database_id, document_id FROM vector_outbox
    WHERE run_after <= $1 AND (worker_id IS NULL OR worker_id = $2
        OR worker_id NOT IN (SELECT id FROM workers))
    ORDER BY run_after, document_id LIMIT 100";

/// What this process tells a store.
#[derive(Debug, Clone, FromRow)]
pub struct Entry {
    #[sqlx(rename = "tenant_id")]
    pub tenant: TenantId,
    #[sqlx(rename = "rag_database_id")]
    pub database: Id,
    #[sqlx(rename = "document_id")]
    pub document: Id,
    /// A collection that is to go.
    pub gone: Option<String>,
    pub changes: i64,
    pub failures: i64,
}

/// Notes that a document has to be told to the store of its database, if that has one beside the rows.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO vector_outbox (tenant_id, rag_database_id, document_id, run_after)
             SELECT tenant_id, rag_database_id, $3, $4 FROM rag_indexes
             WHERE tenant_id = $1 AND rag_database_id = $2 AND store NOT LIKE '[\"embedded\"%'
             ON CONFLICT (tenant_id, rag_database_id, document_id)
                 DO UPDATE SET changes = vector_outbox.changes + 1",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// The same of all documents of a database.
pub async fn insert_all(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO vector_outbox (tenant_id, rag_database_id, document_id, run_after)
             SELECT d.tenant_id, d.rag_database_id, d.id, $3 FROM rag_documents d
                 JOIN rag_indexes i ON i.tenant_id = d.tenant_id AND i.rag_database_id = d.rag_database_id
             WHERE d.tenant_id = $1 AND d.rag_database_id = $2 AND i.store NOT LIKE '[\"embedded\"%'
             ON CONFLICT (tenant_id, rag_database_id, document_id)
                 DO UPDATE SET changes = vector_outbox.changes + 1",
        )
        .bind(tenant)
        .bind(database)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Notes that a collection is to go, under an id of nothing else.
pub async fn insert_gone(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    id: Id,
    gone: &str,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "INSERT INTO vector_outbox (tenant_id, rag_database_id, document_id, gone, run_after)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(tenant)
        .bind(database)
        .bind(id)
        .bind(gone)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// What waits, or was left by a process that is gone; also by `worker` itself, which tells one at a time.
pub async fn due(
    conn: &mut Conn<'_>,
    worker: Id,
    now: At,
) -> Result<Vec<(TenantId, Id, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(DUE).bind(now).bind(worker).fetch_all(c).await)
}

/// Takes one if it is still due, which only one of several can.
pub async fn claim(
    conn: &mut Conn<'_>,
    (tenant, database, document): &(TenantId, Id, Id),
    worker: Id,
    now: At,
) -> Result<Option<Entry>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Entry>(
            "UPDATE vector_outbox SET worker_id = $4
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND run_after <= $5
                 AND (worker_id IS NULL OR worker_id = $4 OR worker_id NOT IN (SELECT id FROM workers))
             RETURNING tenant_id, rag_database_id, document_id, gone, changes, failures",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .bind(worker)
        .bind(now)
        .fetch_optional(c)
        .await)
}

/// Strikes out what was told; `false` if it has changed meanwhile, or somebody else has taken it.
pub async fn delete(conn: &mut Conn<'_>, entry: &Entry, worker: Id) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM vector_outbox
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND changes = $4
                 AND worker_id = $5",
        )
        .bind(&entry.tenant)
        .bind(entry.database)
        .bind(entry.document)
        .bind(entry.changes)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Gives one back.
pub async fn release(conn: &mut Conn<'_>, entry: &Entry, worker: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE vector_outbox SET worker_id = NULL
             WHERE tenant_id = $1 AND rag_database_id = $2 AND document_id = $3 AND worker_id = $4",
        )
        .bind(&entry.tenant)
        .bind(entry.database)
        .bind(entry.document)
        .bind(worker)
        .execute(c)
        .await)?;
    Ok(())
}

/// What becomes of what could not be told.
#[derive(Debug, Clone, Copy)]
pub enum Waits {
    /// It alone.
    One,
    /// All of the database: its store is away.
    All,
}

/// Says why one could not be told, and when it is tried again.
pub async fn fail(
    conn: &mut Conn<'_>,
    entry: &Entry,
    error: &str,
    run_after: At,
    waits: Waits,
) -> Result<(), sqlx::Error> {
    let only = matches!(waits, Waits::One).then_some(entry.document);
    on!(conn, c => sqlx::query(
            "UPDATE vector_outbox SET failures = failures + 1, last_error = $4, run_after = $5, worker_id = NULL
             WHERE tenant_id = $1 AND rag_database_id = $2 AND ($3 IS NULL OR document_id = $3)",
        )
        .bind(&entry.tenant)
        .bind(entry.database)
        .bind(only)
        .bind(error)
        .bind(run_after)
        .execute(c)
        .await)?;
    Ok(())
}

/// Has all that waits for the store of a database tried now.
pub async fn hasten(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE vector_outbox SET run_after = $3
             WHERE tenant_id = $1 AND rag_database_id = $2 AND run_after > $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// The documents that the store of a database does not know as they are now, at most `limit`.
pub async fn list_documents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    limit: i64,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, Id>(
            "SELECT document_id FROM vector_outbox
             WHERE tenant_id = $1 AND rag_database_id = $2 AND gone IS NULL LIMIT $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(limit)
        .fetch_all(c)
        .await)
}

/// Why the store of a database was not told something.
pub async fn find_error(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<Option<String>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, String>(
            "SELECT last_error FROM vector_outbox
             WHERE tenant_id = $1 AND rag_database_id = $2 AND last_error IS NOT NULL AND gone IS NULL
             ORDER BY run_after, document_id LIMIT 1",
        )
        .bind(tenant)
        .bind(database)
        .fetch_optional(c)
        .await)
}

/// Forgets what was to be told of the documents of a database.
pub async fn delete_documents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM vector_outbox WHERE tenant_id = $1 AND rag_database_id = $2 AND gone IS NULL",
        )
        .bind(tenant)
        .bind(database)
        .execute(c)
        .await)?;
    Ok(())
}
