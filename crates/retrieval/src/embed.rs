//! Texts to vectors: what every embedder promises, and the checks that no one may skip.

mod bert;
mod hashing;

use std::ops::Range;
use std::pin::Pin;

use sha2::Digest;
use sha2::Sha256;

pub use bert::Bert;
pub use bert::BertError;
pub use bert::BertFiles;
pub use bert::WordPieces;
pub use hashing::Hashing;
pub(crate) use hashing::fnv1a;

/// Some models embed a question differently from what answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Query,
    Document,
}

/// Turns texts into vectors of one dimension.
pub trait Embedder: Send + Sync + 'static {
    /// What the vectors of two embedders have in common when this is equal: provider, name and version of the
    /// model, and whatever else changes its vectors. Part of every cache key.
    fn model(&self) -> &str;

    /// How many numbers a vector has; unknown for a model that was never called.
    fn dimension(&self) -> Option<usize>;

    /// What one call takes.
    fn batch(&self) -> Batch;

    /// One vector for each text, in their order. Callers use [`embed_all`], which splits and checks.
    fn embed<'a>(&'a self, texts: &'a [&'a str], kind: Kind) -> Embedding<'a>;
}

/// The answer of an embedder, to be waited for.
pub type Embedding<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, EmbedError>> + Send + 'a>>;

/// What one call to an embedder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub texts: usize,
    /// Code points of all texts together. A text that is longer goes alone: whether it is too long is known by who
    /// counts tokens.
    pub characters: usize,
}

/// Why texts have no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("the embedding model answered {got} vectors for {asked} texts")]
    Count { asked: usize, got: usize },
    #[error("the embedding model answered {got} numbers for a text instead of {expected}")]
    Dimension { expected: usize, got: usize },
    #[error("the embedding model answered something that is no number for text {index}")]
    NotANumber { index: usize },
    #[error("the embedding model answered only zeros for text {index}")]
    Zero { index: usize },
    /// The call itself failed; `again` says whether it is worth another try.
    #[error("the embedding model could not be called")]
    Call {
        again: bool,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Embeds `texts` in as many calls as it takes, one after the other.
///
/// Every vector is checked: there are as many as texts, all of one dimension (that of the embedder, or else
/// `expected`, or else that of the first), each finite and none zero. Nothing is returned of a set that is not whole.
pub async fn embed_all(
    embedder: &dyn Embedder,
    texts: &[&str],
    kind: Kind,
    expected: Option<usize>,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let mut dimension = expected.or_else(|| embedder.dimension());
    let mut vectors = Vec::with_capacity(texts.len());
    for range in batches(texts, embedder.batch()) {
        let first = range.start;
        let texts = &texts[range];
        let answer = embedder.embed(texts, kind).await?;
        if answer.len() != texts.len() {
            return Err(EmbedError::Count { asked: texts.len(), got: answer.len() });
        }
        for (index, vector) in answer.iter().enumerate() {
            check(vector, *dimension.get_or_insert(vector.len()), first + index)?;
        }
        vectors.extend(answer);
    }
    Ok(vectors)
}

fn check(vector: &[f32], expected: usize, index: usize) -> Result<(), EmbedError> {
    if vector.len() != expected || vector.is_empty() {
        return Err(EmbedError::Dimension { expected, got: vector.len() });
    }
    if !vector.iter().all(|number| number.is_finite()) {
        return Err(EmbedError::NotANumber { index });
    }
    if vector.iter().all(|&number| number == 0.0) {
        return Err(EmbedError::Zero { index });
    }
    Ok(())
}

/// Neighbouring texts that go into one call; each text is in exactly one.
pub fn batches(texts: &[&str], batch: Batch) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut open = 0..0;
    let mut characters = 0;
    for (index, text) in texts.iter().enumerate() {
        let adds = text.chars().count();
        let full = open.len() >= batch.texts.max(1) || characters + adds > batch.characters;
        if full && !open.is_empty() {
            ranges.push(std::mem::replace(&mut open, index..index));
            characters = 0;
        }
        open.end = index + 1;
        characters += adds;
    }
    if !open.is_empty() {
        ranges.push(open);
    }
    ranges
}

/// Under which a vector is kept: SHA-256 over the model, the kind and the text, in lower-case hex.
///
/// Each part is preceded by its length, so that no two different triples are the same bytes.
pub fn cache_key(model: &str, kind: Kind, text: &str) -> String {
    let kind = match kind {
        Kind::Query => "query",
        Kind::Document => "document",
    };
    let mut hash = Sha256::new();
    for part in [model, kind, text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut key = String::with_capacity(64);
    for byte in hash.finalize() {
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
        key.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    key
}

#[cfg(test)]
mod tests;
