//! Settings of documents and their search.

use crate::config::Env;
use crate::config::reader::Reader;

/// The most that a setting may let a file have: a worker has it in memory, beside what it reads from it.
pub const FILE_BYTES: usize = 256 << 20;

/// What documents and their search may take.
#[derive(Debug, Clone)]
pub struct Rag {
    /// The model of databases that name none: `provider/name`.
    pub embedding_model: String,
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Bytes of passages in memory, of all databases together.
    pub index_bytes: usize,
}

pub fn rag<E: Env>(from: &mut Reader<E>) -> Rag {
    let embedding_model = from.text("RAG_EMBEDDING_MODEL");
    let is_name = |(provider, name): (&str, &str)| !provider.is_empty() && !name.is_empty();
    if !embedding_model.split_once('/').is_some_and(is_name) {
        from.fault("RAG_EMBEDDING_MODEL", "it must be `provider/name`, or `local/hashing`");
    }
    let file_bytes = from.number("RAG_FILE_LIMIT", 1024..=FILE_BYTES);
    let megabytes: usize = from.number("RAG_INDEX_MEMORY_MB", 1..=1_000_000);
    Rag { embedding_model, file_bytes, index_bytes: megabytes << 20 }
}
