//! Takes away what belonged to documents and databases that are gone, a little at a time.

use tracing::info;

use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::Force;
use crate::http::IfMatch;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::chunks;
use crate::rag::store::files;
use crate::rag::store::indexes;

impl Rag {
    /// Deletes a database with its documents, files and passages.
    pub async fn delete_database(
        &self,
        author: Author<'_>,
        id_or_name: &str,
        if_match: &IfMatch,
        force: Force,
    ) -> Result<(), RagError> {
        let found = self.databases().find(author.tenant, id_or_name).await?;
        self.databases().delete(author, id_or_name, if_match, force).await?;
        match found {
            Some(database) => self.purge_database(author.tenant, database.id).await,
            None => Ok(()),
        }
    }

    /// What a process left that ended in the middle of it.
    pub(in crate::rag) async fn purge_all(&self) -> Result<(), RagError> {
        let read = self.0.db.read(async |conn| {
            let databases = indexes::list_without_database(conn).await?;
            Ok::<_, RagError>((databases, indexes::list_unpurged(conn).await?))
        });
        let (databases, documents) = read.await?;
        for (tenant, database, document) in documents {
            self.purge_document(&tenant, database, document).await?;
        }
        for (tenant, database) in databases {
            self.purge_database(&tenant, database).await?;
        }
        Ok(())
    }

    /// Files that nobody has any more.
    pub(in crate::rag) async fn purge_files(&self) -> Result<(), RagError> {
        let left = self.0.db.read(async |conn| files::list_left(conn).await).await?;
        for place in left {
            self.purge_file(&place).await?;
        }
        Ok(())
    }

    pub(in crate::rag) async fn purge_document(
        &self,
        tenant: &TenantId,
        database: Id,
        id: Id,
    ) -> Result<(), RagError> {
        loop {
            let purged = self.0.db.write_behind(async |tx| {
                chunks::delete_some_of_document(tx, tenant, database, id).await
            });
            if purged.await? == 0 {
                return Ok(());
            }
        }
    }

    async fn purge_database(&self, tenant: &TenantId, database: Id) -> Result<(), RagError> {
        loop {
            let purged = self.0.db.write_behind(async |tx| {
                let chunks = chunks::delete_some_of_database(tx, tenant, database).await?;
                Ok::<_, RagError>(
                    chunks + files::delete_some_of_database(tx, tenant, database).await?,
                )
            });
            if purged.await? == 0 {
                break;
            }
        }
        let forgotten = self.0.db.write_behind(async |tx| {
            if let Some(state) = indexes::find(tx, tenant, database).await? {
                self.give_up(tx, tenant, database, &state).await?;
            }
            Ok::<_, RagError>(indexes::delete(tx, tenant, database).await?)
        });
        forgotten.await?;
        self.0.news.notify_one();
        info!(database.id = %database, "nothing of a deleted database is left");
        Ok(())
    }
}
