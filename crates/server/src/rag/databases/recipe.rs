//! How the documents of a database are cut, as far as that changes their passages.

use retrieval::Chunker;
use serde_json::json;

use super::ChunkerName;
use super::DatabaseContent;
use crate::rag::reading::Cutting;

impl DatabaseContent {
    pub fn cutting(&self) -> Cutting {
        let chunker = match self.chunker {
            ChunkerName::Recursive => Chunker::Recursive,
            ChunkerName::Markdown => Chunker::Markdown,
            ChunkerName::Rows => Chunker::Rows,
        };
        Cutting { chunker, size: self.chunk_size as usize, overlap: self.chunk_overlap as usize }
    }

    /// Two contents with the same recipe make the same passages and vectors of each file.
    pub fn recipe(&self) -> String {
        json!([
            self.embedding_model,
            self.chunker,
            self.chunk_unit,
            self.chunk_size,
            self.chunk_overlap
        ])
        .to_string()
    }
}
