//! How well texts answer a query, by models of providers that read both together.
//!
//! One call is one request, as with all others. Who calls decides how long it may take.

use serde::Deserialize;

use crate::Account;
use crate::ModelError;
use crate::cohere::Cohere;
use crate::openai::OpenAi;

/// What an answer should have been.
pub(crate) const WHAT: &str = "list of scores";

/// Who reranks: one adapter a wire format.
#[derive(Debug, Clone)]
pub enum Reranker {
    /// `/v2/rerank`, as Cohere and vLLM have it.
    Cohere(Cohere),
    /// `/rerank` below the address of an API like `OpenAI`'s: Jina, Voyage, vLLM, llama.cpp.
    OpenAi(OpenAi),
}

impl Reranker {
    /// Asks `model` how well each text answers `query`, in their order; greater is better.
    pub async fn rerank(
        &self,
        model: &str,
        query: &str,
        texts: &[&str],
    ) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Cohere(adapter) => adapter.rerank(model, query, texts).await,
            Self::OpenAi(adapter) => adapter.rerank(model, query, texts).await,
        }
    }
}

/// The scores of all texts. Most call them `results`, Voyage `data`.
#[derive(Debug, Deserialize)]
pub(crate) struct Scores {
    #[serde(alias = "data")]
    results: Vec<Score>,
}

/// That of the text at `index`.
#[derive(Debug, Deserialize)]
struct Score {
    index: usize,
    relevance_score: f32,
}

impl Scores {
    /// The scores of `count` texts in their order, if each has one.
    pub(crate) fn of(self, count: usize, account: &Account) -> Result<Vec<f32>, ModelError> {
        let mut scores = vec![None; count];
        for Score { index, relevance_score } in self.results {
            match scores.get_mut(index) {
                Some(score @ None) if relevance_score.is_finite() => *score = Some(relevance_score),
                _ => return Err(account.is_not("score for each text")),
            }
        }
        let all: Option<Vec<f32>> = scores.into_iter().collect();
        all.ok_or_else(|| account.is_not("score for each text"))
    }
}
