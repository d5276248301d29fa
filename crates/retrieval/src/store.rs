//! Stores of vectors beside the rows of passages: what each promises.
//!
//! Rows are the truth, and a store is made from them again whenever it is lost. It is asked for what is near, and
//! what it says is compared with the rows: it decides about speed and about how much memory there has to be, never
//! about who sees what.

pub mod chroma;
mod flat;
pub mod qdrant;

use std::fmt::Debug;
use std::pin::Pin;

use serde_json::Map;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

use crate::filter::Normal;
use crate::search::ChunkId;

/// Where the vectors of one generation of one database are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    pub tenant: String,
    /// The number of its UUID.
    pub database: u128,
    pub generation: i64,
    /// How many numbers a vector has.
    pub dimension: usize,
}

/// What all points of a document have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    /// The number of its UUID.
    pub document: u128,
    /// As [`scope_set`] writes them.
    pub scopes: String,
    pub metadata: Map<String, Value>,
}

/// A passage in a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub id: ChunkId,
    pub vector: Vec<f32>,
}

/// What is looked for in a store.
#[derive(Debug, Clone)]
pub struct Near {
    pub vector: Vec<f32>,
    pub count: usize,
    /// Points with one of these sets of scopes and with no other.
    pub scopes: Vec<String>,
    pub filter: Normal,
}

/// Why a store did not do what it was told. The texts may be shown to who defined the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not there, or is not set up: nothing else will go better now.
    #[error("the vector store is not usable: {0}")]
    Away(String),
    /// It answered, and refused this one thing.
    #[error("the vector store refused: {0}")]
    Refused(String),
    #[error("a vector has {got} numbers, and the collection is for {expected}")]
    Dimension { expected: usize, got: usize },
    /// It is there, and has no such collection any more: whoever emptied it has to have it filled again.
    #[error("the vector store has lost what it was told")]
    Lost,
}

/// What a store is doing.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps vectors and finds what is near.
///
/// Everything may be done twice: what is put replaces what has its id, and what is not there is deleted already.
pub trait VectorStore: Debug + Send + Sync + 'static {
    /// Whether [`VectorStore::near`] can say what `filter` means: it finds all that passes, and hardly anything else.
    fn can(&self, filter: &Normal) -> bool;

    /// Makes a collection, if it is not there. Of one without a dimension yet, it says whether it could be made.
    fn ensure<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()>;

    /// Puts in some points of a document. The collection is there.
    fn put<'a>(
        &'a self,
        collection: &'a Collection,
        marks: &'a Marks,
        points: &'a [Point],
    ) -> Doing<'a, ()>;

    /// Deletes all points of a document. The collection is there.
    fn delete<'a>(&'a self, collection: &'a Collection, document: u128) -> Doing<'a, ()>;

    /// The points that are nearest by the cosine, the best first; fewer than `count` only if there are no more.
    fn near<'a>(&'a self, collection: &'a Collection, near: &'a Near) -> Doing<'a, Vec<ChunkId>>;

    /// Deletes a collection with all that is in it, if it is there.
    fn remove<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()>;

    /// Makes a collection fast that nothing waits to be put into.
    fn settle<'a>(&'a self, collection: &'a Collection) -> Doing<'a, ()> {
        let _ = collection;
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Collection {
    /// Letters, digits and `_`, at most 63: the same for the same, and no other's.
    pub fn name(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.tenant.len() as u64).to_le_bytes());
        hash.update(&self.tenant);
        hash.update(self.database.to_le_bytes());
        let digest = hash.finalize();
        let half = digest[..16].iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        format!("c{half:032x}_{}", self.generation)
    }

    /// Says whether `vector` is one of this collection.
    pub fn check(&self, vector: &[f32]) -> Result<(), StoreError> {
        let (expected, got) = (self.dimension, vector.len());
        if expected == got { Ok(()) } else { Err(StoreError::Dimension { expected, got }) }
    }
}

/// The scopes of a document as one text: whoever has to compare them compares this.
pub fn scope_set(scopes: &[String]) -> String {
    let mut scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    // One that is empty is one all the same.
    scopes.iter().flat_map(|scope| [*scope, " "]).collect()
}

/// A UUID as it is written, of its number.
pub(crate) fn uuid_text(number: u128) -> String {
    let digits = format!("{number:032x}");
    let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
    format!("{a}-{b}-{c}-{}-{}", &digits[16..20], &digits[20..])
}

/// The number of a UUID.
pub(crate) fn uuid_number(text: &str) -> Option<u128> {
    let digits: String = text.chars().filter(|it| *it != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection(tenant: &str, database: u128, generation: i64) -> Collection {
        Collection { tenant: tenant.to_owned(), database, generation, dimension: 3 }
    }

    #[test]
    fn each_generation_of_each_database_has_a_name_of_its_own() {
        let own = collection("default", 7, 1);

        assert_eq!(own.name(), collection("default", 7, 1).name());
        for other in
            [collection("default", 7, 2), collection("default", 8, 1), collection("other", 7, 1)]
        {
            assert_ne!(own.name(), other.name());
        }
        let longest = collection("default", 7, i64::MAX).name();
        assert!(longest.len() <= 63, "{longest}");
        assert!(longest.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'));
    }

    #[test]
    fn a_vector_of_another_length_is_refused() {
        let refused = collection("default", 7, 1).check(&[1.0, 2.0]);

        assert_eq!(refused, Err(StoreError::Dimension { expected: 3, got: 2 }));
    }

    #[test]
    fn a_set_of_scopes_has_no_order() {
        let set = |scopes: &[&str]| {
            scope_set(&scopes.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
        };

        assert_eq!(set(&["b.read", "a.read", "b.read"]), set(&["a.read", "b.read"]));
        assert_eq!(set(&[]), "");
        assert_ne!(set(&[""]), set(&[]));
        assert_ne!(set(&["a.read"]), set(&["a.read", "b.read"]));
    }
}
