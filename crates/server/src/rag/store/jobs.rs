//! The ingestion of documents as work that one process at a time has.

use sqlx::FromRow;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::db::TenantId;
use crate::on;
use crate::rag::documents::Stage;
use crate::rag::reading::Reading;
use crate::rag::store::files::FilePlace;

/// Every process asks this twice a second: SQLite takes an index only if its condition stands here.
macro_rules! due {
    ($which:literal) => {
        concat!(
            "SELECT tenant_id, rag_database_id, id FROM rag_documents
             WHERE embedding_status IN ('pending', 'processing') ",
            $which,
            " AND (embedding_status = 'pending' AND run_after <= $1
                    OR embedding_status = 'processing' AND (worker_id IS NULL OR worker_id = $2
                        OR worker_id NOT IN (SELECT id FROM workers)))
             ORDER BY run_after LIMIT 100"
        )
    };
}

/// Documents that no search finds go before those that are made anew.
const DUE: [&str; 2] = [due!("AND generation = 0"), due!("")];

/// A document that this process is at work on.
#[derive(Debug, Clone)]
pub struct Job {
    pub tenant: TenantId,
    pub database: Id,
    pub document: Id,
    pub filename: String,
    pub file: FilePlace,
    /// Of the file.
    pub bytes: i64,
    /// The number of this attempt. Whoever finds another one in the row has lost the document.
    pub attempt: i64,
    /// Attempts in a row that failed before it.
    pub failures: i64,
    /// The last generation that has all of its passages.
    pub generation: i64,
}

#[derive(FromRow)]
struct Claimed {
    filename: String,
    file_id: Option<Id>,
    file_size: i64,
    attempts: i64,
    failures: i64,
    generation: i64,
}

/// Documents that wait, or whose process is gone: `(tenant, database, document)`. Also those of `worker`
/// itself, which knows what it is at work on. Some are there twice.
pub async fn due(
    conn: &mut Conn<'_>,
    worker: Id,
    now: At,
) -> Result<Vec<(TenantId, Id, Id)>, sqlx::Error> {
    let mut due = Vec::new();
    for query in DUE {
        due.extend(on!(conn, c => sqlx::query_as::<_, (TenantId, Id, Id)>(query)
            .bind(now)
            .bind(worker)
            .fetch_all(c)
            .await)?);
    }
    Ok(due)
}

/// Begins an attempt if it is still due, which only one of several can.
pub async fn claim(
    conn: &mut Conn<'_>,
    (tenant, database, document): &(TenantId, Id, Id),
    worker: Id,
    now: At,
) -> Result<Option<Job>, sqlx::Error> {
    let claimed: Option<Claimed> = on!(conn, c => sqlx::query_as(
            "UPDATE rag_documents SET embedding_status = 'processing', stage = 'parse', worker_id = $4,
                 attempts = attempts + 1
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3
                 AND embedding_status IN ('pending', 'processing')
                 AND (embedding_status = 'pending' AND run_after <= $5
                     OR embedding_status = 'processing' AND (worker_id IS NULL OR worker_id = $4
                         OR worker_id NOT IN (SELECT id FROM workers)))
             RETURNING filename, file_id, file_size, attempts, failures, generation",
        )
        .bind(tenant)
        .bind(database)
        .bind(document)
        .bind(worker)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    Ok(claimed.map(|Claimed { filename, file_id, file_size, attempts, failures, generation }| {
        Job {
            tenant: tenant.clone(),
            database: *database,
            document: *document,
            filename,
            file: FilePlace {
                tenant: tenant.clone(),
                database: *database,
                file: file_id.unwrap_or(*document),
            },
            bytes: file_size,
            attempt: attempts,
            failures,
            generation,
        }
    }))
}

/// Says how far the attempt is; `false` if somebody else has the document now.
pub async fn update_stage(
    conn: &mut Conn<'_>,
    job: &Job,
    stage: Stage,
    (done, total): (i64, i64),
    revision: Option<i64>,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET stage = $5, progress_done = $6, progress_total = $7,
                 revision = COALESCE($8, revision)
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3 AND attempts = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(job.attempt)
        .bind(stage.as_str())
        .bind(done)
        .bind(total)
        .bind(revision)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Keeps what its file says of the document.
pub async fn update_reading(
    conn: &mut Conn<'_>,
    job: &Job,
    reading: &Reading,
    warnings: &Json,
) -> Result<bool, sqlx::Error> {
    let pages = reading.pages.and_then(|pages| i64::try_from(pages).ok());
    let done = on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET file_type = $5, encoding = $6, page_count = $7, warnings = $8, language = $9
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3 AND attempts = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(job.attempt)
        .bind(&reading.media_type)
        .bind(&reading.encoding)
        .bind(pages)
        .bind(warnings)
        .bind(&reading.language)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Notes that a generation has all passages of the document, which are so many; `false` if somebody else has the
/// document now.
pub async fn update_generation(
    conn: &mut Conn<'_>,
    job: &Job,
    generation: i64,
    chunks: i64,
    revision: i64,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET generation = $5, chunk_count = $6, revision = $7
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3 AND attempts = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(job.attempt)
        .bind(generation)
        .bind(chunks)
        .bind(revision)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Ends the attempt: the last generation has all passages. `note` says why one before has not.
pub async fn complete(
    conn: &mut Conn<'_>,
    job: &Job,
    note: Option<&str>,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET embedding_status = 'completed', stage = NULL, error_message = $6,
                 worker_id = NULL, failures = 0, progress_done = chunk_count, progress_total = chunk_count,
                 updated_at = $5
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3 AND attempts = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(job.attempt)
        .bind(now)
        .bind(note)
        .execute(c)
        .await)?;
    Ok(())
}

/// What becomes of a document whose attempt failed.
#[derive(Debug, Clone, Copy)]
pub enum Next {
    Failed,
    /// It is tried again then.
    Again(At),
}

/// Ends the attempt without success.
pub async fn fail(
    conn: &mut Conn<'_>,
    job: &Job,
    reason: &str,
    next: Next,
    revision: i64,
    now: At,
) -> Result<(), sqlx::Error> {
    let (status, run_after) = match next {
        Next::Failed => ("failed", now),
        Next::Again(at) => ("pending", at),
    };
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET embedding_status = $5, error_message = $6, worker_id = NULL,
                 failures = failures + 1, run_after = $7, revision = $8, updated_at = $9
             WHERE tenant_id = $1 AND rag_database_id = $2 AND id = $3 AND attempts = $4",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(job.document)
        .bind(job.attempt)
        .bind(status)
        .bind(reason)
        .bind(run_after)
        .bind(revision)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Has all documents of a database ingested again. One that was whole in a generation which is not searched (yet) is
/// whole in the one that is, unless its row says why not.
pub async fn requeue_all(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_documents SET embedding_status = 'pending', stage = 'parse', worker_id = NULL,
                 attempts = attempts + 1, failures = 0, run_after = $3, error_message = NULL,
                 progress_done = 0, progress_total = 0,
                 generation = CASE
                     WHEN generation <= (SELECT i.generation FROM rag_indexes i
                         WHERE i.tenant_id = $1 AND i.rag_database_id = $2) THEN generation
                     WHEN error_message IS NULL THEN (SELECT i.generation FROM rag_indexes i
                         WHERE i.tenant_id = $1 AND i.rag_database_id = $2)
                     ELSE 0 END
             WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}
