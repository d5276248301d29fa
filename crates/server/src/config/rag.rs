//! Settings of documents and their search.

use std::path::PathBuf;

use crate::config::Env;
use crate::config::reader::Reader;

/// The most that a setting may let a file have: a worker has it in memory, beside what it reads from it.
pub const FILE_BYTES: usize = 256 << 20;

/// What documents and their search may take.
#[derive(Debug, Clone)]
pub struct Rag {
    /// The model of databases that name none: `provider/name`.
    pub embedding_model: String,
    /// Where folders of models are.
    pub models: PathBuf,
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
    let beside =
        |from: &mut Reader<E>| PathBuf::from(from.text("AGENT_SERVER_DATA_DIR")).join("models");
    let models = from.given("RAG_MODELS_DIR").map(PathBuf::from);
    let models = models.unwrap_or_else(|| beside(from));
    let file_bytes = from.number("RAG_FILE_LIMIT", 1024..=FILE_BYTES);
    let megabytes: usize = from.number("RAG_INDEX_MEMORY_MB", 1..=1_000_000);
    Rag { embedding_model, models, file_bytes, index_bytes: megabytes << 20 }
}
