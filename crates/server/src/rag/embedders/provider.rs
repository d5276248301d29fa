//! A provider's embedding model.

use std::time::Duration;

use llm::ErrorKind;
use llm::ModelError;
use llm::embed::Embeddings;
use llm::embed::Purpose;
use retrieval::Batch;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Embedding;
use retrieval::Kind;

/// The wait before a second try where the provider names none; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A model of a provider, tried again where that is of use.
#[derive(Debug)]
pub struct ProviderModel {
    full_name: String,
    name: String,
    embeddings: Embeddings,
}

/// How much patience somebody has: tries after the first, and the longest wait before one.
#[derive(Debug, Clone, Copy)]
struct Patience {
    tries: u32,
    wait: Duration,
}

impl ProviderModel {
    /// The model `name` of a provider; `full_name` says both.
    pub fn new(full_name: &str, name: &str, embeddings: Embeddings) -> Self {
        Self { full_name: full_name.to_owned(), name: name.to_owned(), embeddings }
    }

    async fn try_embed(&self, texts: &[&str], kind: Kind) -> Result<Vec<Vec<f32>>, EmbedError> {
        let (purpose, patience) = match kind {
            // Somebody waits for what he searches.
            Kind::Query => (Purpose::Query, Patience { tries: 1, wait: Duration::from_secs(2) }),
            // Behind these is the next attempt to ingest the document.
            Kind::Document => {
                (Purpose::Document, Patience { tries: 4, wait: Duration::from_mins(1) })
            }
        };
        let mut tries = 0;
        loop {
            let error = match self.embeddings.embed(&self.name, texts, purpose).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => error,
            };
            let wait = error.retry_after.unwrap_or_else(|| FIRST_WAIT * 2_u32.pow(tries));
            if !error.retryable || tries == patience.tries || wait > patience.wait {
                return Err(EmbedError::Call { again: may_pass(&error), source: Box::new(error) });
            }
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }
}

impl Embedder for ProviderModel {
    fn model(&self) -> &str {
        &self.full_name
    }

    fn dimension(&self) -> Option<usize> {
        None
    }

    fn batch(&self) -> Batch {
        let (texts, characters) = self.embeddings.most();
        Batch { texts, characters }
    }

    fn embed<'a>(&'a self, texts: &'a [&'a str], kind: Kind) -> Embedding<'a> {
        Box::pin(self.try_embed(texts, kind))
    }
}

/// Whether it is not these texts that were refused: an account can be paid, a key be set, a model be loaded.
fn may_pass(error: &ModelError) -> bool {
    let is_refused =
        error.kind == ErrorKind::Refused && matches!(error.status, Some(400 | 413 | 422));
    !is_refused && error.kind != ErrorKind::Protocol
}
