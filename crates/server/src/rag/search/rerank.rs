//! Looking again at what was found, by a model that reads the query and each passage together.

use std::time::Duration;

use llm::ModelError;
use retrieval::Hit;
use retrieval::best;

use super::chunk;
use crate::rag::Rag;
use crate::rag::databases::Rerank;
use crate::rag::embedders::NoEmbedder;
use crate::rag::store::chunks;

/// Passages that are looked at again, at most.
pub const MOST: usize = 100;

/// Why passages come as they were found. The words are safe for callers.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReranked {
    #[error(transparent)]
    NoModel(#[from] NoEmbedder),
    #[error(transparent)]
    Call(#[from] ModelError),
    #[error("it took longer than {0} ms")]
    Late(u32),
}

impl Rag {
    /// The passages of `rows` by how well they answer `query`, the best first.
    pub(super) async fn rerank<'a>(
        &self,
        how: &Rerank,
        query: &str,
        rows: impl Iterator<Item = &'a chunks::Found>,
    ) -> Result<Vec<Hit>, NotReranked> {
        let (reranker, model) = self.0.embedders.reranker(&how.model)?;
        let (ids, texts): (Vec<_>, Vec<_>) =
            rows.map(|row| (chunk(row.id), row.text.as_str())).unzip();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let patience = Duration::from_millis(how.timeout_ms.into());
        let asked = tokio::time::timeout(patience, reranker.rerank(model, query, &texts)).await;
        let scores = asked.map_err(|_| NotReranked::Late(how.timeout_ms))??;
        let hit = |(id, score)| Hit { id, score };
        Ok(best(ids.into_iter().zip(scores).map(hit).collect(), MOST))
    }
}
