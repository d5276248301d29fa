//! Tells stores of vectors what became of documents, on every process.
//!
//! A change of a document leaves a row in its own transaction. Whoever finds the row makes the store what the rows of
//! passages are then, and strikes it out. Meanwhile a search asks the rows about that document and not the store: so
//! a store that is slow or away makes no answer wrong.

use std::sync::Arc;
use std::time::Duration;

use retrieval::ChunkId;
use retrieval::Marks;
use retrieval::Point;
use retrieval::StoreError;
use retrieval::VectorStore;
use retrieval::scope_set;
use tracing::error;
use tracing::warn;

use crate::app::Tasks;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::rag::Database;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::databases::StoreType;
use crate::rag::store::indexes;
use crate::rag::store::indexes::State;
use crate::rag::store::labels;
use crate::rag::store::outbox;
use crate::rag::store::outbox::Entry;
use crate::rag::store::outbox::Waits;
use crate::rag::store::points;
use crate::rag::stores::Gone;
use crate::rag::stores::collection;

/// How often a process looks for what is to be told.
const ROUND: Duration = Duration::from_millis(500);
/// Points that a store is told of at once.
const SLICE: i64 = 200;
/// The wait after the first failure, which doubles, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Failures after which a collection of a database that is gone is left where it is: about a day.
const GIVEN_UP: i64 = 300;

/// Why something could not be told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rag(#[from] RagError),
}

/// Keeps telling as `worker` until the server stops.
pub fn start(rag: &Rag, tasks: &Tasks, worker: Id) {
    let (rag, stopping) = (rag.clone(), tasks.stopping().clone());
    tasks.spawn(async move { stopping.run_until_cancelled(keep_telling(rag, worker)).await });
}

async fn keep_telling(rag: Rag, worker: Id) {
    loop {
        match round(&rag, worker).await {
            // There may be more.
            Ok(told) if told > 0 => continue,
            Ok(_) => {}
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "stores of vectors must wait");
            }
        }
        let _ = tokio::time::timeout(ROUND, rag.0.news.notified()).await;
    }
}

/// Tells what is due, one after the other, and says how much that was.
async fn round(rag: &Rag, worker: Id) -> Result<usize, RagError> {
    let now = rag.0.clock.now();
    let due = rag.0.db.read(async |conn| outbox::due(conn, worker, now).await).await?;
    let mut told = 0;
    for place in due {
        let claim =
            rag.0.db.write_behind(async |tx| outbox::claim(tx, &place, worker, now).await).await?;
        let Some(entry) = claim else { continue };
        told += 1;
        match tell(rag, &entry).await {
            Ok(()) => strike_out(rag, &entry, worker).await?,
            Err(Untold::Store(cause)) => put_off(rag, &entry, &cause, worker).await?,
            Err(Untold::Rag(cause)) => {
                rag.0.db.write_behind(async |tx| outbox::release(tx, &entry, worker).await).await?;
                return Err(cause);
            }
        }
    }
    Ok(told)
}

/// Makes the store what the rows say.
async fn tell(rag: &Rag, entry: &Entry) -> Result<(), Untold> {
    let Entry { tenant, database: id, document, gone, .. } = entry;
    if let Some(gone) = gone {
        let gone: Gone = serde_json::from_str(gone).map_err(RagError::from)?;
        let old = collection(tenant, *id, gone.generation, gone.dimension);
        return match rag.0.stores.open(tenant, &gone.store) {
            Some(store) => Ok(store.remove(&old).await?),
            None => Ok(()),
        };
    }
    let read = rag.0.db.read(async |conn| indexes::find(conn, tenant, *id).await);
    let Some(state) = read.await.map_err(RagError::from)? else { return Ok(()) };
    let Some(store) = rag.store(tenant, &state)? else { return Ok(()) };
    let place = collection(tenant, *id, state.generation, state.dimension);
    store.ensure(&place).await?;
    if place.dimension == 0 || document == id {
        return Ok(());
    }
    store.delete(&place, document.uuid().as_u128()).await?;
    put_all(rag, entry, &state, store.as_ref()).await
}

/// Puts in all passages of a document, as they are now; none if it is gone.
async fn put_all(
    rag: &Rag,
    entry: &Entry,
    state: &State,
    store: &dyn VectorStore,
) -> Result<(), Untold> {
    let Entry { tenant, database, document, .. } = entry;
    let place = collection(tenant, *database, state.generation, state.dimension);
    let read =
        rag.0.db.read(async |conn| labels::find(conn, tenant, *database, *document).await).await;
    let Some((scopes, metadata)) = read.map_err(RagError::from)? else { return Ok(()) };
    let (of, mut after) = ((*document, state.generation), -1);
    let (document, scopes) = (document.uuid().as_u128(), scope_set(&scopes));
    let marks = Marks { document, scopes, metadata };
    loop {
        let slice = rag.0.db.read(async |conn| {
            points::list_of_document(conn, tenant, *database, of, after, SLICE).await
        });
        let slice = slice.await.map_err(RagError::from)?;
        let Some((last, _, _)) = slice.last() else { return Ok(()) };
        after = *last;
        let point =
            |(_, id, vector): (i64, Id, _)| Point { id: ChunkId(id.uuid().as_u128()), vector };
        let points: Vec<Point> = slice.into_iter().map(point).collect();
        store.put(&place, &marks, &points).await?;
    }
}

async fn strike_out(rag: &Rag, entry: &Entry, worker: Id) -> Result<(), RagError> {
    let Entry { tenant, database, document, .. } = entry;
    let now = rag.0.clock.now();
    let struck = rag.0.db.write_behind(async |tx| {
        if outbox::delete(tx, entry, worker).await? {
            let waits = outbox::list_documents(tx, tenant, *database, 1).await?;
            return Ok::<_, RagError>(waits.is_empty());
        }
        // It has changed meanwhile; or we were asleep, somebody else has told it, and we have told what was before.
        outbox::insert(tx, tenant, *database, *document, now).await?;
        outbox::release(tx, entry, worker).await?;
        Ok(false)
    });
    if struck.await? && entry.gone.is_none() {
        settle(rag, entry).await?;
    }
    Ok(())
}

/// Nothing more waits for the store of a database.
async fn settle(rag: &Rag, entry: &Entry) -> Result<(), RagError> {
    let Entry { tenant, database, .. } = entry;
    let read = rag.0.db.read(async |conn| indexes::find(conn, tenant, *database).await);
    let Some(state) = read.await? else { return Ok(()) };
    let Some(store) = rag.store(tenant, &state)? else { return Ok(()) };
    let place = collection(tenant, *database, state.generation, state.dimension);
    if let Err(cause) = store.settle(&place).await {
        warn!(database.id = %database, %cause, "a vector store is not as fast as it could be");
    }
    Ok(())
}

async fn put_off(rag: &Rag, entry: &Entry, cause: &StoreError, worker: Id) -> Result<(), RagError> {
    let doublings = u32::try_from(entry.failures).unwrap_or(u32::MAX).min(16);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let run_after = At::new(rag.0.clock.now().time() + wait);
    let waits = match cause {
        StoreError::Away(_) | StoreError::Lost => Waits::All,
        _ => Waits::One,
    };
    warn!(database.id = %entry.database, document.id = %entry.document, %cause,
        "a vector store could not be told of a document: it is told again");
    if entry.gone.is_some() && entry.failures >= GIVEN_UP {
        warn!(database.id = %entry.database, "what a deleted database had in a vector store is left there");
        let forgotten = rag.0.db.write_behind(async |tx| outbox::delete(tx, entry, worker).await);
        return Ok(forgotten.await.map(drop)?);
    }
    let why = cause.to_string();
    let put_off =
        rag.0.db.write_behind(async |tx| outbox::fail(tx, entry, &why, run_after, waits).await);
    Ok(put_off.await?)
}

impl Rag {
    /// The store that a database's vectors are in; `None` for the rows themselves.
    pub(in crate::rag) fn store(
        &self,
        tenant: &TenantId,
        state: &State,
    ) -> Result<Option<Arc<dyn VectorStore>>, RagError> {
        Ok(self.0.stores.open(tenant, &serde_json::from_str(&state.store)?))
    }

    /// Has the vectors of a database brought to the store that its definition names.
    pub(in crate::rag) async fn follow_store(
        &self,
        tenant: &TenantId,
        database: &Database,
    ) -> Result<(), RagError> {
        if !database.problems.is_empty() {
            return Ok(());
        }
        let (id, store, now) = (database.id, database.content.store_text()?, self.0.clock.now());
        let read = self.0.db.read(async |conn| indexes::find(conn, tenant, id).await).await?;
        match read {
            Some(state) if state.store == store => return Ok(()),
            None if database.content.vector_store_type == StoreType::Embedded => return Ok(()),
            _ => {}
        }
        let written = self.0.db.write(async |tx| {
            // In this order: others wait, and find what is done.
            indexes::ensure(tx, tenant, database).await?;
            indexes::bump(tx, tenant, id).await?;
            // Of no document: the collection is to be made.
            outbox::insert(tx, tenant, id, id, now).await?;
            if let Some(state) = indexes::find(tx, tenant, id).await?
                && state.store != store
            {
                self.give_up(tx, tenant, id, &state).await?;
                indexes::update_store(tx, tenant, id, &store).await?;
                self.tell_all(tx, tenant, id).await?;
            }
            Ok::<_, RagError>(())
        });
        written.await?;
        self.0.news.notify_one();
        Ok(())
    }

    /// Makes sure that the store of a database is there, and has what waits for it told.
    pub(in crate::rag) async fn ensure_store(
        &self,
        tenant: &TenantId,
        database: &Database,
    ) -> Result<(), RagError> {
        self.follow_store(tenant, database).await?;
        let (id, now) = (database.id, self.0.clock.now());
        let read = self.0.db.read(async |conn| indexes::find(conn, tenant, id).await).await?;
        let Some(state) = read else { return Ok(()) };
        let Some(store) = self.store(tenant, &state)? else { return Ok(()) };
        store.ensure(&collection(tenant, id, state.generation, state.dimension)).await?;
        self.0.db.write(async |tx| outbox::hasten(tx, tenant, id, now).await).await?;
        self.0.news.notify_one();
        Ok(())
    }

    /// Has a store filled again that has lost everything, unless that is under way.
    pub(in crate::rag) async fn tell_anew(
        &self,
        tenant: &TenantId,
        database: Id,
    ) -> Result<(), RagError> {
        let now = self.0.clock.now();
        let written = self.0.db.write(async |tx| {
            if outbox::list_documents(tx, tenant, database, 1).await?.is_empty() {
                outbox::insert_all(tx, tenant, database, now).await?;
            }
            Ok::<_, RagError>(())
        });
        written.await?;
        self.0.news.notify_one();
        Ok(())
    }

    /// Notes that the store of a database is to be told of it and of all its documents.
    pub(in crate::rag) async fn tell_all(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        database: Id,
    ) -> Result<(), RagError> {
        let now = self.0.clock.now();
        outbox::insert_all(tx, tenant, database, now).await?;
        Ok(outbox::insert(tx, tenant, database, database, now).await?)
    }

    /// Notes that the collection of a database is to go from the store that it is in.
    pub(in crate::rag) async fn give_up(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        database: Id,
        state: &State,
    ) -> Result<(), RagError> {
        outbox::delete_documents(tx, tenant, database).await?;
        if self.store(tenant, state)?.is_some() {
            let (gone, now) = (serde_json::to_string(&Gone::of(state)?)?, self.0.clock.now());
            outbox::insert_gone(tx, tenant, database, self.0.ids.next(), &gone, now).await?;
        }
        Ok(())
    }
}
