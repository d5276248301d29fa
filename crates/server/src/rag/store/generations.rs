//! How a database gets from one generation of its passages to the next.

use sqlx::FromRow;

use super::indexes::Generation;
use super::jobs::Job;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;

/// Every process asks this twice a second: SQLite takes the index only if its condition stands here.
const DUE: &str = "SELECT tenant_id, rag_database_id FROM rag_indexes
    WHERE look_at IS NOT NULL AND look_at <= $1 ORDER BY look_at LIMIT 100";

/// Passages of one generation after the other that are neither searched nor being made.
const LEFT: [&str; 2] = [
    "DELETE FROM rag_chunks WHERE tenant_id = $1 AND id IN (SELECT c.id FROM rag_chunks c
         JOIN rag_indexes i ON i.tenant_id = c.tenant_id AND i.rag_database_id = c.rag_database_id
         WHERE c.tenant_id = $1 AND c.rag_database_id = $2 AND c.generation < i.generation LIMIT $3)",
    "DELETE FROM rag_chunks WHERE tenant_id = $1 AND id IN (SELECT c.id FROM rag_chunks c
         JOIN rag_indexes i ON i.tenant_id = c.tenant_id AND i.rag_database_id = c.rag_database_id
         WHERE c.tenant_id = $1 AND c.rag_database_id = $2 AND c.generation > i.generation
             AND c.generation < COALESCE(i.next_generation, i.last_generation + 1) LIMIT $3)",
];

/// How far the documents of a database are with a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Progress {
    pub documents: i64,
    /// Documents that are whole in it.
    pub whole: i64,
    /// Documents that somebody is at work on, or that wait.
    pub waiting: i64,
}

/// Databases that have to be looked at.
pub async fn list_due(conn: &mut Conn<'_>, now: At) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(DUE).bind(now).fetch_all(c).await)
}

/// Has the documents made by `recipe` from now on: in a new generation; or in the one that is searched, if that is
/// made by it already, and no other any more. `false`: that is the plan already.
pub async fn plan(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    recipe: &str,
    now: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE rag_indexes SET
                 next_generation = CASE WHEN recipe = $3 THEN NULL ELSE last_generation + 1 END,
                 next_recipe = CASE WHEN recipe = $3 THEN NULL ELSE $3 END,
                 next_dimension = 0, last_generation = last_generation + 1, look_at = $4
             WHERE tenant_id = $1 AND rag_database_id = $2 AND COALESCE(next_recipe, recipe) <> $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(recipe)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Has the documents made by `recipe` in a new generation, whatever there is.
pub async fn plan_anew(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    recipe: &str,
    now: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_indexes SET next_generation = last_generation + 1, next_recipe = $3, next_dimension = 0,
                 last_generation = last_generation + 1, look_at = $4
             WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .bind(recipe)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Notes how many numbers the vectors of a generation have, and says how many it was noted first.
pub async fn update_dimension(
    conn: &mut Conn<'_>,
    job: &Job,
    generation: i64,
    dimension: i64,
) -> Result<Option<i64>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar(
            "UPDATE rag_indexes SET
                 dimension = CASE WHEN generation = $3 AND dimension = 0 THEN $4 ELSE dimension END,
                 next_dimension = CASE WHEN next_generation = $3 AND next_dimension = 0 THEN $4
                     ELSE next_dimension END
             WHERE tenant_id = $1 AND rag_database_id = $2 AND (generation = $3 OR next_generation = $3)
             RETURNING CASE WHEN generation = $3 THEN dimension ELSE next_dimension END",
        )
        .bind(&job.tenant)
        .bind(job.database)
        .bind(generation)
        .bind(dimension)
        .fetch_optional(c)
        .await)
}

pub async fn find_progress(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    generation: i64,
) -> Result<Progress, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Progress>(
            "SELECT COUNT(*) AS documents, COUNT(CASE WHEN generation >= $3 THEN 1 END) AS whole,
                 COUNT(CASE WHEN generation < $3 AND embedding_status IN ('pending', 'processing') THEN 1 END)
                     AS waiting
             FROM rag_documents WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .bind(generation)
        .fetch_one(c)
        .await)
}

/// Has `next` searched from now on; what it replaces is left until `look_at`.
pub async fn swap(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    next: &Generation,
    look_at: At,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_indexes SET generation = next_generation, recipe = next_recipe, embedder = $4,
                 dimension = next_dimension, next_generation = NULL, next_recipe = NULL, next_dimension = 0,
                 look_at = $5
             WHERE tenant_id = $1 AND rag_database_id = $2 AND next_generation = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(next.number)
        .bind(&next.recipe.embedding_model)
        .bind(look_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Deletes at most `most` passages of generations that are neither searched nor being made, and says how many.
pub async fn delete_some_left(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    most: i64,
) -> Result<u64, sqlx::Error> {
    let mut deleted = 0;
    for query in LEFT {
        let done = on!(conn, c => sqlx::query(query)
            .bind(tenant)
            .bind(database)
            .bind(most)
            .execute(c)
            .await)?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// Notes that there is nothing to look at, if no generation has been begun since that was `last`.
pub async fn settle(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    last: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_indexes SET look_at = NULL
             WHERE tenant_id = $1 AND rag_database_id = $2 AND last_generation = $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(last)
        .execute(c)
        .await)?;
    Ok(())
}
