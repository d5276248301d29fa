//! Asking a store beside the rows for what is near, and comparing its answer with them.

use std::collections::HashSet;
use std::time::Duration;

use retrieval::ChunkId;
use retrieval::Near;
use retrieval::StoreError;
use retrieval::VectorStore;
use retrieval::scope_set;

use super::chunk;
use super::id;
use super::look::Ask;
use crate::db::Id;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::labels;
use crate::rag::store::labels::Label;
use crate::rag::store::outbox;
use crate::rag::store::points;
use crate::rag::store::points::Labelled;
use crate::rag::stores::collection;

/// So many documents, with so many passages, may wait to be told to a store, and a search looks at them in the rows.
const DOCUMENTS: usize = 100;
const PASSAGES: i64 = 2_000;
/// One more than is looked at: enough to see that there are more.
const LIMIT: i64 = 101;
/// A store is asked for so many at most. Where it finds more that nobody may see, or that is gone, there may be less
/// than there is.
const MOST: usize = 10_000;
/// How long a store is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const SLOW: &str = "it did not answer in time";

/// Why a store is not asked, and the passages in memory are.
#[derive(Debug, thiserror::Error)]
pub(super) enum Instead {
    #[error("the vector store has no such filter")]
    Filter,
    #[error(
        "the vector store has not been told of more than {DOCUMENTS} documents or {PASSAGES} passages"
    )]
    Behind,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rag(#[from] RagError),
}

impl Instead {
    /// What who searches should know of it; nothing of a filter that is done in memory as exactly.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Filter => None,
            other => Some(format!("{other}: what is in memory was searched")),
        }
    }

    /// What is said when the passages in memory cannot be searched either.
    pub fn unless_small(self, error: RagError) -> RagError {
        match (self, error) {
            (Self::Filter, RagError::IndexTooLarge { needed, most }) => {
                RagError::FilterUnsupported { needed, most }
            }
            (Self::Store(cause), RagError::IndexTooLarge { .. }) => RagError::Store(cause),
            (_, error) => error,
        }
    }
}

impl From<sqlx::Error> for Instead {
    fn from(error: sqlx::Error) -> Self {
        Self::Rag(error.into())
    }
}

impl Rag {
    /// At least the nearest passages that `may` be found, in no order: those that the store finds, and those that it
    /// was not told of yet.
    pub(super) async fn near_elsewhere(
        &self,
        store: &dyn VectorStore,
        ask: &Ask<'_>,
        vector: &[f32],
        holds: impl Fn(&str) -> bool,
        may: impl Fn(&Label) -> bool,
    ) -> Result<Vec<ChunkId>, Instead> {
        let Ask { tenant, database, state, filter, .. } = *ask;
        let filter = filter.normal();
        if !store.can(&filter) {
            return Err(Instead::Filter);
        }
        let waiting = self.waiting(ask).await?;
        let scopes = self.scope_sets(tenant, database, state.revision).await?;
        let held = scopes.iter().filter(|set| set.iter().all(|scope| holds(scope)));
        let mut sets: Vec<String> = held.map(|set| scope_set(set)).collect();
        sets.sort_unstable();
        sets.dedup();
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let place = collection(tenant, database, state.generation, state.dimension);
        let mut near = Near { vector: vector.to_vec(), count: ask.count, scopes: sets, filter };
        loop {
            let asked = tokio::time::timeout(PATIENCE, store.near(&place, &near)).await;
            let points = asked.unwrap_or_else(|_| Err(StoreError::Away(SLOW.to_owned())))?;
            let ids: Vec<Id> = points.iter().map(|it| id(*it)).collect();
            let mut told = self.read_labelled(ask, Which::Passages(&ids)).await?;
            told.retain(|it| !waiting.contains(&it.document_id) && may(&it.label()));
            let is_all = points.len() < near.count || near.count >= MOST;
            if is_all || told.len() >= ask.count {
                return self.with_waiting(ask, waiting, told, may).await;
            }
            near.count = near.count.saturating_mul(4).min(MOST);
        }
    }

    /// What the store was told and has found, with what the rows have of documents that waited or that changed while
    /// it was asked.
    async fn with_waiting(
        &self,
        ask: &Ask<'_>,
        mut waiting: HashSet<Id>,
        mut found: Vec<Labelled>,
        may: impl Fn(&Label) -> bool,
    ) -> Result<Vec<ChunkId>, Instead> {
        let Ask { tenant, database, state, .. } = *ask;
        let read = self.0.db.read(async |conn| {
            labels::list_changed(conn, tenant, database, state.revision, LIMIT).await
        });
        waiting.extend(read.await?);
        if waiting.len() > DOCUMENTS {
            return Err(Instead::Behind);
        }
        found.retain(|it| !waiting.contains(&it.document_id));
        let waiting: Vec<Id> = waiting.into_iter().collect();
        let in_rows = self.read_labelled(ask, Which::Documents(&waiting)).await?;
        found.extend(in_rows.into_iter().filter(|it| may(&it.label())));
        Ok(found.iter().map(|it| chunk(it.id)).collect())
    }

    /// The documents that the store was not told of as they are now.
    async fn waiting(&self, ask: &Ask<'_>) -> Result<HashSet<Id>, Instead> {
        let Ask { tenant, database, .. } = *ask;
        let read = self.0.db.read(async |conn| {
            let waiting = outbox::list_documents(conn, tenant, database, LIMIT).await?;
            let passages = match waiting.len() {
                0 => 0,
                1..=DOCUMENTS => {
                    points::count_of_documents(conn, tenant, database, &waiting).await?
                }
                _ => i64::MAX,
            };
            Ok::<_, sqlx::Error>((waiting, passages))
        });
        let (waiting, passages) = read.await?;
        if passages > PASSAGES {
            return Err(Instead::Behind);
        }
        Ok(waiting.into_iter().collect())
    }

    async fn read_labelled(
        &self,
        ask: &Ask<'_>,
        which: Which<'_>,
    ) -> Result<Vec<Labelled>, sqlx::Error> {
        let Ask { tenant, database, state, .. } = *ask;
        let (Which::Documents(ids) | Which::Passages(ids)) = which;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.0.db.read(async |conn| match which {
            Which::Documents(ids) => {
                points::list_of_documents(conn, tenant, database, state.generation, ids).await
            }
            Which::Passages(ids) => {
                points::list_labelled(conn, tenant, database, state.generation, ids).await
            }
        });
        read.await
    }
}

#[derive(Clone, Copy)]
enum Which<'a> {
    Documents(&'a [Id]),
    Passages(&'a [Id]),
}
