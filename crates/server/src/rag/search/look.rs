//! Looking into one database: into its store, and into what of it is in memory.

use retrieval::ChunkId;
use retrieval::Counted;
use retrieval::Filter;
use retrieval::StoreError;
use retrieval::WordQuery;

use super::elsewhere::Instead;
use super::index::Keeps;
use crate::db::Id;
use crate::db::TenantId;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::store::indexes::State;
use crate::rag::store::labels::Label;

/// Which database is asked, and for what.
pub(super) struct Ask<'a> {
    pub tenant: &'a TenantId,
    pub database: Id,
    pub state: &'a State,
    pub vector: Option<Vec<f32>>,
    pub words: Option<WordQuery>,
    pub filter: &'a Filter,
    /// As many as are wanted of each leg.
    pub count: usize,
}

/// What is near, in no order, what has the words, and what should be known of it.
pub(super) struct Looked {
    pub near: Vec<ChunkId>,
    pub words: Counted,
    pub warning: Option<String>,
}

impl Rag {
    /// Looks in the store of the database, and where that cannot say what is near, in memory.
    pub(super) async fn look(
        &self,
        ask: &Ask<'_>,
        holds: impl Fn(&str) -> bool,
        may: impl Fn(&Label) -> bool,
    ) -> Result<Looked, RagError> {
        let store = self.store(ask.tenant, ask.state)?;
        let (store, vector) = match (&store, &ask.vector) {
            (Some(store), Some(vector)) => (store.as_ref(), vector),
            (Some(_), None) => return self.look_in_memory(ask, None, Keeps::Words, may).await,
            (None, vector) => {
                return self.look_in_memory(ask, vector.clone(), Keeps::All, may).await;
            }
        };
        match self.near_elsewhere(store, ask, vector, holds, &may).await {
            Ok(near) => {
                let looked = self.look_in_memory(ask, None, Keeps::Words, may).await?;
                Ok(Looked { near, ..looked })
            }
            Err(Instead::Rag(error)) => Err(error),
            Err(instead) => {
                if let Instead::Store(StoreError::Lost) = instead {
                    self.tell_anew(ask.tenant, ask.database).await?;
                }
                let vector = Some(vector.clone());
                match self.look_in_memory(ask, vector, Keeps::All, may).await {
                    Ok(looked) => Ok(Looked { warning: instead.warning(), ..looked }),
                    Err(error) => Err(instead.unless_small(error)),
                }
            }
        }
    }

    async fn look_in_memory(
        &self,
        ask: &Ask<'_>,
        vector: Option<Vec<f32>>,
        keeps: Keeps,
        may: impl Fn(&Label) -> bool,
    ) -> Result<Looked, RagError> {
        let (words, count) = (ask.words.clone(), ask.count);
        if vector.is_none() && words.is_none() {
            return Ok(Looked { near: Vec::new(), words: Counted::default(), warning: None });
        }
        let index = self.index(ask.tenant, ask.database, ask.state, keeps).await?;
        let visible = index.visible(may);
        // It takes a processor for a while, which others should not wait for.
        let legs = tokio::task::spawn_blocking(move || {
            let near = vector.map(|it| index.near(&it, count, &visible));
            let counted = words.map(|it| index.count_words(&it, &visible));
            (near.transpose(), counted.unwrap_or_default())
        });
        let (near, words) = legs.await?;
        let near = near.map_err(retrieval::FeedError::from)?.unwrap_or_default();
        let near = near.into_iter().map(|hit| hit.id).collect();
        Ok(Looked { near, words, warning: None })
    }
}
