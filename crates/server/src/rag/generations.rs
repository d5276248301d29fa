//! From one generation of a database's passages to the next.
//!
//! Whatever changes the recipe, all documents are made by it aside, in a generation of their own, and what is there
//! is searched until each of them is in it or has failed for it. Then one transaction says which is searched, and
//! what it replaces goes away. Where no document is in the next generation at all, it does not take over.

use std::time::Duration;

use tracing::info;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Kind;
use crate::definitions::store as definitions;
use crate::rag::Database;
use crate::rag::DatabaseRows;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::search::ensure_usable;
use crate::rag::store::generations;
use crate::rag::store::generations::Progress;
use crate::rag::store::indexes;
use crate::rag::store::indexes::Generation;
use crate::rag::store::jobs;

/// How long a generation is left that is searched no more: for searches that are under way.
const GRACE: Duration = Duration::from_mins(1);
/// Passages that are deleted in one transaction, and transactions until others have their turn.
const AT_ONCE: i64 = 100;
const IN_A_ROW: u32 = 20;

impl Rag {
    /// Makes the documents of databases anew whose recipe is another since, whoever said so; `seen` is the last
    /// number of changes of definitions.
    pub(in crate::rag) async fn follow_definitions(
        &self,
        seen: &mut Option<i64>,
    ) -> Result<(), RagError> {
        let read = self
            .0
            .db
            .read(async |conn| definitions::find_revision(conn, DatabaseRows::WATCHED).await);
        let revision = read.await?;
        if *seen == Some(revision) {
            return Ok(());
        }
        let tenants = self.0.db.read(async |conn| indexes::list_tenants(conn).await).await?;
        for tenant in tenants {
            let databases = self.databases().snapshot(&tenant).await?;
            for database in databases.all() {
                self.follow_definition(&tenant, database).await?;
                self.follow_store(&tenant, database).await?;
            }
        }
        *seen = Some(revision);
        Ok(())
    }

    /// The same of one database.
    pub(in crate::rag) async fn follow_definition(
        &self,
        tenant: &TenantId,
        database: &Database,
    ) -> Result<(), RagError> {
        let (recipe, now) = (database.content.recipe().text()?, self.0.clock.now());
        let state = self.0.db.read(async |conn| indexes::find(conn, tenant, database.id).await);
        let is_other = state.await?.is_some_and(|state| state.planned() != recipe);
        if !is_other || !database.problems.is_empty() {
            return Ok(());
        }
        let written = self.0.db.write(async |tx| {
            indexes::bump(tx, tenant, database.id).await?;
            if generations::plan(tx, tenant, database.id, &recipe, now).await? {
                jobs::requeue_all(tx, tenant, database.id, now).await?;
            }
            Ok::<_, RagError>(())
        });
        written.await?;
        self.wake();
        Ok(())
    }

    /// Makes all documents of a database anew, with new vectors, unless that is under way.
    pub async fn reindex(&self, tenant: &TenantId, database: &Database) -> Result<(), RagError> {
        ensure_usable(database)?;
        let (recipe, now) = (database.content.recipe().text()?, self.0.clock.now());
        let written = self.0.db.write(async |tx| {
            indexes::ensure(tx, tenant, database).await?;
            indexes::bump(tx, tenant, database.id).await?;
            let state = indexes::find(tx, tenant, database.id).await?;
            if let Some(state) = state.filter(|state| state.planned() == recipe)
                && let Some(next) = state.next_number()
                && generations::find_progress(tx, tenant, database.id, next).await?.waiting > 0
            {
                return Ok(());
            }
            generations::plan_anew(tx, tenant, database.id, &recipe, now).await?;
            Ok::<_, RagError>(jobs::requeue_all(tx, tenant, database.id, now).await?)
        });
        written.await?;
        info!(database.id = %database.id, "all passages of a database are made anew");
        self.wake();
        Ok(())
    }

    /// Has the next generation searched of each database where it is whole, and takes away what is left of others.
    pub(in crate::rag) async fn look_at_generations(&self) -> Result<(), RagError> {
        let now = self.0.clock.now();
        let due = self.0.db.read(async |conn| generations::list_due(conn, now).await).await?;
        for (tenant, database) in due {
            let found = self.0.db.read(async |conn| indexes::find(conn, &tenant, database).await);
            let Some(state) = found.await? else { continue };
            match state.next()? {
                Some(next) => self.swap_if_whole(&tenant, database, &next).await?,
                None => self.purge_left(&tenant, database, state.last_generation).await?,
            }
        }
        Ok(())
    }

    async fn swap_if_whole(
        &self,
        tenant: &TenantId,
        database: Id,
        next: &Generation,
    ) -> Result<(), RagError> {
        let look = self.0.db.read(async |conn| {
            generations::find_progress(conn, tenant, database, next.number).await
        });
        if !look.await?.is_whole() {
            return Ok(());
        }
        let look_at = At::new(self.0.clock.now().time() + GRACE);
        let written = self.0.db.write_behind(async |tx| {
            // Whoever adds a document waits for this, or this sees it.
            indexes::bump(tx, tenant, database).await?;
            let progress = generations::find_progress(tx, tenant, database, next.number).await?;
            if progress.is_whole()
                && let Some(state) = indexes::find(tx, tenant, database).await?
            {
                self.give_up(tx, tenant, database, &state).await?;
                generations::swap(tx, tenant, database, next, look_at).await?;
                self.tell_all(tx, tenant, database).await?;
            }
            Ok::<_, RagError>(progress)
        });
        let Progress { documents, whole, .. } = written.await?;
        info!(database.id = %database, generation = next.number, documents, whole,
            "a new generation of passages is searched");
        self.0.news.notify_one();
        Ok(())
    }

    async fn purge_left(&self, tenant: &TenantId, database: Id, last: i64) -> Result<(), RagError> {
        for _ in 0..IN_A_ROW {
            let purged = self.0.db.write_behind(async |tx| {
                generations::delete_some_left(tx, tenant, database, AT_ONCE).await
            });
            if purged.await? == 0 {
                let settled = self
                    .0
                    .db
                    .write_behind(async |tx| generations::settle(tx, tenant, database, last).await);
                return Ok(settled.await?);
            }
        }
        self.wake();
        Ok(())
    }
}

impl Progress {
    /// Whether there is nothing to wait for, and something to be found.
    fn is_whole(self) -> bool {
        self.waiting == 0 && (self.whole > 0 || self.documents == 0)
    }
}
