//! Texts to vectors, by models of providers.
//!
//! As with chats, one call is one request: who calls splits, tries again, and checks what the vectors are worth.

use serde::Deserialize;
use serde::Deserializer;

use crate::ModelError;
use crate::cohere::Cohere;
use crate::google::Google;
use crate::ollama::Ollama;
use crate::openai::OpenAi;

/// What an answer should have been.
pub(crate) const WHAT: &str = "list of vectors";

/// Who embeds: one adapter a wire format.
#[derive(Debug, Clone)]
pub enum Embeddings {
    OpenAi(OpenAi),
    Google(Google),
    Cohere(Cohere),
    Ollama(Ollama),
}

/// Some models embed a question differently from what answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Query,
    Document,
}

impl Embeddings {
    /// Asks `model` for a vector of each text, in their order. A number that the model could not say is NaN.
    pub async fn embed(
        &self,
        model: &str,
        texts: &[&str],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        match self {
            Self::OpenAi(adapter) => adapter.embed(model, texts).await,
            Self::Google(adapter) => adapter.embed(model, texts, purpose).await,
            Self::Cohere(adapter) => adapter.embed(model, texts, purpose).await,
            Self::Ollama(adapter) => adapter.embed(model, texts).await,
        }
    }

    /// How many texts one request may have, and how many code points all of them together.
    ///
    /// The first is the provider's own limit, or less where that is more than is of use. The limits of tokens are
    /// further away than these even where each character is a token.
    pub fn most(&self) -> (usize, usize) {
        match self {
            Self::OpenAi(_) => (256, 200_000), // 2,048 texts, 300,000 tokens
            Self::Google(_) => (100, 100_000), // 100 texts
            Self::Cohere(_) => (96, 100_000),  // 96 texts
            Self::Ollama(_) => (32, 50_000), // none: so many that one request does not take for ever
        }
    }
}

/// Numbers of a vector; what JSON has no number for comes as `null`.
pub(crate) fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    let numbers = Vec::<Option<f32>>::deserialize(from)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f32::NAN)).collect())
}

/// A vector by itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Vector(#[serde(deserialize_with = "numbers")] pub Vec<f32>);

impl Vector {
    pub(crate) fn all(vectors: Vec<Self>) -> Vec<Vec<f32>> {
        vectors.into_iter().map(|Self(numbers)| numbers).collect()
    }
}
