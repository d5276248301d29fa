//! The store `pgvector`: tables beside the rows, in the server's own PostgreSQL.

use futures::FutureExt;
use retrieval::ChunkId;
use retrieval::Collection;
use retrieval::Doing;
use retrieval::Marks;
use retrieval::Near;
use retrieval::Normal;
use retrieval::Point;
use retrieval::StoreError;
use retrieval::VectorStore;

use crate::db::Db;
use crate::db::Dialect;
use crate::rag::store::vectors;
use crate::rag::store::vectors::Extension;

/// Vectors in the database itself.
#[derive(Debug)]
pub struct Pgvector(pub Db);

impl Pgvector {
    /// Says what the database lacks.
    async fn set_up(&self) -> Result<(), StoreError> {
        if self.0.dialect() != Dialect::Postgres {
            let detail = "`pgvector` is for a server whose own database is PostgreSQL";
            return Err(StoreError::Away(detail.to_owned()));
        }
        let extension = self.0.read(async |conn| vectors::extension(conn).await).await;
        match extension.map_err(away)? {
            Extension::Created => return Ok(()),
            Extension::Missing => {
                let detail =
                    "the extension `vector` (pgvector) is not installed in this PostgreSQL";
                return Err(StoreError::Away(detail.to_owned()));
            }
            Extension::Available => {}
        }
        let created = self.0.write(async |tx| vectors::create_extension(tx).await).await;
        created.map_err(|error| {
            StoreError::Away(format!(
                "let somebody who may do so run `CREATE EXTENSION vector` in this database ({})",
                told(&error)
            ))
        })
    }
}

impl VectorStore for Pgvector {
    fn can(&self, _: &Normal) -> bool {
        true
    }

    fn ensure<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            self.set_up().await?;
            if collection.dimension == 0 {
                return Ok(());
            }
            let is_there = self.0.read(async |conn| vectors::is_there(conn, collection).await);
            if is_there.await.map_err(away)? {
                return Ok(());
            }
            self.0.write(async |tx| vectors::create(tx, collection).await).await.map_err(away)
        }
        .boxed()
    }

    fn put<'a>(
        &'a self,
        collection: &'a Collection,
        marks: &'a Marks,
        points: &'a [Point],
    ) -> Doing<'a, ()> {
        async move {
            points.iter().try_for_each(|point| collection.check(&point.vector))?;
            let put =
                self.0.write_behind(async |tx| vectors::put(tx, collection, marks, points).await);
            put.await.map_err(away)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, collection: &'a Collection, document: u128) -> Doing<'a, ()> {
        async move {
            let deleted =
                self.0.write_behind(async |tx| vectors::delete(tx, collection, document).await);
            deleted.await.map_err(away)
        }
        .boxed()
    }

    fn near<'a>(&'a self, collection: &'a Collection, near: &'a Near) -> Doing<'a, Vec<ChunkId>> {
        async move {
            collection.check(&near.vector)?;
            let few = self.0.read(async |conn| {
                if vectors::count(conn, collection, Some(near)).await? > vectors::EXACT {
                    return Ok(None);
                }
                vectors::list_exact(conn, collection, near).await.map(Some)
            });
            let found = if let Some(found) = few.await.map_err(away)? {
                found
            } else {
                let many =
                    self.0.write(async |tx| vectors::list_indexed(tx, collection, near).await);
                many.await.map_err(away)?
            };
            Ok(found.into_iter().map(|id| ChunkId(id.as_u128())).collect())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            if self.0.dialect() != Dialect::Postgres {
                return Ok(());
            }
            self.0.write(async |tx| vectors::remove(tx, collection).await).await.map_err(away)
        }
        .boxed()
    }

    fn settle<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        async move {
            self.0.write_behind(async |tx| vectors::index(tx, collection).await).await.map_err(away)
        }
        .boxed()
    }
}

/// What PostgreSQL says of the vectors. It is our own database: nothing of it is a fault of one document alone.
fn away(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(fault) if fault.code().is_some_and(|code| code.starts_with("22")) => {
            StoreError::Refused(fault.message().to_owned())
        }
        // `undefined_table` and `invalid_schema_name`.
        sqlx::Error::Database(fault)
            if fault.code().is_some_and(|code| ["42P01", "3F000"].contains(&&*code)) =>
        {
            StoreError::Lost
        }
        other => StoreError::Away(told(&other)),
    }
}

/// What a caller may be told of it.
fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(fault) => fault.message().to_owned(),
        _ => "the database does not answer".to_owned(),
    }
}
