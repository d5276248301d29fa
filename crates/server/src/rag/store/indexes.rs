//! What all passages of a database have in common, and the number of its last change.

use sqlx::FromRow;

use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::rag::Database;
use crate::rag::RagError;
use crate::rag::databases::Recipe;

/// Changes after which a deletion is forgotten. Who has not looked for so long reads all anew.
pub const REMEMBERED: i64 = 10_000;

/// The state of the passages of a database.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct State {
    /// The generation that is searched.
    pub generation: i64,
    /// How many numbers its vectors have; 0 before there is one.
    pub dimension: i64,
    pub recipe: String,
    /// Every transaction that changes a document or passage of the database makes the next one, and those who
    /// make one wait for each other: who has seen a revision has seen all before it.
    pub revision: i64,
    /// The [`Named`](crate::rag::stores::Named) store that its vectors are in.
    pub store: String,
    next_generation: Option<i64>,
    next_recipe: Option<String>,
    next_dimension: i64,
    /// The highest number that a generation ever had.
    pub last_generation: i64,
}

/// One making of all passages of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub number: i64,
    pub recipe: Recipe,
    /// How many numbers its vectors have; `None` before there is one.
    pub dimension: Option<usize>,
}

impl State {
    pub fn current(&self) -> Result<Generation, RagError> {
        Generation::new(self.generation, &self.recipe, self.dimension)
    }

    /// The generation that is being made.
    pub fn next(&self) -> Result<Option<Generation>, RagError> {
        let next = self.next_generation.zip(self.next_recipe.as_ref());
        next.map(|(number, recipe)| Generation::new(number, recipe, self.next_dimension))
            .transpose()
    }

    pub fn next_number(&self) -> Option<i64> {
        self.next_generation
    }

    /// The recipe by which documents are made in the end.
    pub fn planned(&self) -> &str {
        self.next_recipe.as_ref().unwrap_or(&self.recipe)
    }
}

impl Generation {
    fn new(number: i64, recipe: &str, dimension: i64) -> Result<Self, RagError> {
        let dimension = usize::try_from(dimension).ok().filter(|it| *it > 0);
        Ok(Self { number, recipe: serde_json::from_str(recipe)?, dimension })
    }
}

/// Makes the state of a database that has none.
pub async fn ensure(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: &Database,
) -> Result<(), RagError> {
    let recipe = database.content.recipe();
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_indexes
                 (tenant_id, rag_database_id, generation, embedder, dimension, recipe, revision, store)
             VALUES ($1, $2, 1, $3, 0, $4, 0, $5)
             ON CONFLICT (tenant_id, rag_database_id) DO NOTHING",
        )
        .bind(tenant)
        .bind(database.id)
        .bind(&recipe.embedding_model)
        .bind(recipe.text()?)
        .bind(database.content.store_text()?)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<Option<State>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, State>(
            "SELECT generation, dimension, recipe, revision, store, next_generation, next_recipe, next_dimension,
                 last_generation
             FROM rag_indexes WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .fetch_optional(c)
        .await)
}

/// Begins the next revision; others wait for the end of the transaction. 0 if the database has no state.
pub async fn bump(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<i64, sqlx::Error> {
    let revision = on!(conn, c => sqlx::query_scalar::<_, i64>(
            "UPDATE rag_indexes SET revision = revision + 1
             WHERE tenant_id = $1 AND rag_database_id = $2 RETURNING revision",
        )
        .bind(tenant)
        .bind(database)
        .fetch_optional(c)
        .await)?;
    Ok(revision.unwrap_or_default())
}

/// Notes which store the vectors of a database are in from now on.
pub async fn update_store(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    store: &str,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE rag_indexes SET store = $3 WHERE tenant_id = $1 AND rag_database_id = $2",
        )
        .bind(tenant)
        .bind(database)
        .bind(store)
        .execute(c)
        .await)?;
    Ok(())
}

/// The tenants that have passages.
pub async fn list_tenants(conn: &mut Conn<'_>) -> Result<Vec<TenantId>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, TenantId>("SELECT DISTINCT tenant_id FROM rag_indexes")
        .fetch_all(c)
        .await)
}

/// Remembers that a document is gone since `revision`, and forgets what was long ago.
pub async fn insert_deletion(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    document: Id,
    revision: i64,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM rag_deletions
             WHERE tenant_id = $1 AND rag_database_id = $2 AND revision < $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision - REMEMBERED)
        .execute(c)
        .await)?;
    on!(conn, c => sqlx::query(
            "INSERT INTO rag_deletions (tenant_id, rag_database_id, revision, document_id)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision)
        .bind(document)
        .execute(c)
        .await)?;
    Ok(())
}

/// The documents that are gone since `revision`.
pub async fn list_deletions(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
    revision: i64,
) -> Result<Vec<Id>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, Id>(
            "SELECT document_id FROM rag_deletions
             WHERE tenant_id = $1 AND rag_database_id = $2 AND revision > $3",
        )
        .bind(tenant)
        .bind(database)
        .bind(revision)
        .fetch_all(c)
        .await)
}

/// States whose database is gone.
pub async fn list_without_database(
    conn: &mut Conn<'_>,
) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id)>(
            "SELECT tenant_id, rag_database_id FROM rag_indexes
             WHERE NOT EXISTS (SELECT 1 FROM rag_databases d
                 WHERE d.tenant_id = rag_indexes.tenant_id AND d.id = rag_indexes.rag_database_id)",
        )
        .fetch_all(c)
        .await)
}

/// Documents that are gone and have passages: `(tenant, database, document)`.
pub async fn list_unpurged(conn: &mut Conn<'_>) -> Result<Vec<(TenantId, Id, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, (TenantId, Id, Id)>(
            "SELECT tenant_id, rag_database_id, document_id FROM rag_deletions d
             WHERE EXISTS (SELECT 1 FROM rag_chunks c WHERE c.tenant_id = d.tenant_id
                     AND c.rag_database_id = d.rag_database_id AND c.document_id = d.document_id)
                 OR EXISTS (SELECT 1 FROM rag_files f WHERE f.tenant_id = d.tenant_id
                     AND f.rag_database_id = d.rag_database_id AND f.document_id = d.document_id)",
        )
        .fetch_all(c)
        .await)
}

/// Deletes the state of a database that is gone, and what is remembered of its documents.
pub async fn delete(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    database: Id,
) -> Result<(), sqlx::Error> {
    for query in [
        "DELETE FROM rag_deletions WHERE tenant_id = $1 AND rag_database_id = $2",
        "DELETE FROM rag_indexes WHERE tenant_id = $1 AND rag_database_id = $2",
    ] {
        on!(conn, c => sqlx::query(query).bind(tenant).bind(database).execute(c).await)?;
    }
    Ok(())
}
