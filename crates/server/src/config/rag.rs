//! Settings of documents and their search.

use crate::config::Env;
use crate::config::reader::Reader;

/// What documents and their search may take.
#[derive(Debug, Clone, Copy)]
pub struct Rag {
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Bytes of passages in memory, of all databases together.
    pub index_bytes: usize,
}

pub fn rag<E: Env>(from: &mut Reader<E>) -> Rag {
    // A file goes to its worker in one piece, which has at most 16 MB.
    let file_bytes = from.number("RAG_FILE_LIMIT", 1024..=15 * 1024 * 1024);
    let megabytes: usize = from.number("RAG_INDEX_MEMORY_MB", 1..=1_000_000);
    Rag { file_bytes, index_bytes: megabytes << 20 }
}
