//! From passages to rows with their vectors.

use std::collections::HashMap;

use aws_lc_rs::digest;
use retrieval::Code;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Hashing;
use retrieval::Kind;
use retrieval::Words;
use retrieval::cache_key;
use retrieval::embed_all;
use uuid::Builder;

use super::job::Failure;
use super::job::Target;
use crate::db::Id;
use crate::rag::Rag;
use crate::rag::embedders::reason;
use crate::rag::store::chunks;
use crate::rag::store::chunks::Place;
use crate::rag::store::jobs::Job;

/// Embeds passages, as far as no passage of the tenant has the same text with its vector already.
pub async fn embed(
    rag: &Rag,
    job: &Job,
    target: &Target,
    embedder: &dyn Embedder,
    slice: &[(Place, String)],
) -> Result<Vec<chunks::New>, Failure> {
    let keys: Vec<_> = slice.iter().map(|(_, text)| key(embedder.model(), text)).collect();
    let wanted: Vec<Id> = keys.iter().copied().flatten().filter(|_| target.takes_known).collect();
    let mut known: HashMap<Id, Vec<f32>> = HashMap::new();
    if !wanted.is_empty() {
        let (db, tenant) = (&rag.0.db, &job.tenant);
        let found = db.read(async |conn| chunks::list_vectors_by_key(conn, tenant, &wanted).await);
        known.extend(found.await?);
    }
    let mut expected = target.generation.dimension;
    known.retain(|_, vector| *expected.get_or_insert(vector.len()) == vector.len());
    let is_new = |key: &Option<Id>| key.is_none_or(|key| !known.contains_key(&key));
    let new = keys.iter().zip(slice).filter(|(key, _)| is_new(key));
    let texts: Vec<&str> = new.map(|(_, (_, text))| text.as_str()).collect();
    let vectors = embed_all(embedder, &texts, Kind::Document, expected).await.map_err(failure)?;
    let mut vectors = vectors.into_iter();
    let row = |(vector_key, (place, text)): (&Option<Id>, &(Place, String))| {
        let vector = vector_key.and_then(|key| known.get(&key).cloned());
        let vector = vector.or_else(|| vectors.next()).unwrap_or_default();
        let code = Code::of(&vector).map_err(|error| Failure::Final(error.to_string()))?;
        let words = Words::of(text).to_bytes();
        let (place, text) = (place.clone(), text.clone());
        Ok(chunks::New { place, vector_key: *vector_key, text, words, code, vector })
    };
    keys.iter().zip(slice).map(row).collect()
}

fn failure(error: EmbedError) -> Failure {
    match error {
        EmbedError::Call { again: true, .. } => Failure::Again(reason(&error)),
        _ => Failure::Final(reason(&error)),
    }
}

/// By what the vector of a text is found again; `None` where it is made faster than found.
fn key(model: &str, text: &str) -> Option<Id> {
    (model != Hashing.model()).then(|| id(&cache_key(model, Kind::Document, text)))
}

/// The first 16 bytes of SHA-256 over `whole`, with the marks of a UUID of version 8 (RFC 9562, section 5.8).
pub fn id(whole: &str) -> Id {
    let digest = digest::digest(&digest::SHA256, whole.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Id::new(Builder::from_custom_bytes(bytes).into_uuid())
}
