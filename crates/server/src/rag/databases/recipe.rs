//! How passages and vectors are made of the documents of a database, and where the vectors are.

use retrieval::Chunker;
use serde::Deserialize;
use serde::Serialize;

use super::ChunkUnit;
use super::ChunkerName;
use super::DatabaseContent;
use crate::rag::reading::Cutting;
use crate::rag::stores::Named;

/// Two databases with the same recipe make the same passages and vectors of each file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct Recipe {
    pub embedding_model: String,
    pub chunker: ChunkerName,
    pub unit: ChunkUnit,
    pub size: u32,
    pub overlap: u32,
}

/// A recipe as rows have it.
type Parts = (String, ChunkerName, ChunkUnit, u32, u32);

impl DatabaseContent {
    pub fn recipe(&self) -> Recipe {
        Recipe {
            embedding_model: self.embedding_model.clone(),
            chunker: self.chunker,
            unit: self.chunk_unit,
            size: self.chunk_size,
            overlap: self.chunk_overlap,
        }
    }

    /// The store that its vectors are to be in.
    pub fn store(&self) -> Named {
        Named(self.vector_store_type, self.vector_store_config.clone())
    }

    /// The same as one text, to be kept and compared.
    pub fn store_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.store())
    }
}

impl Recipe {
    pub fn cutting(&self) -> Cutting {
        let chunker = match self.chunker {
            ChunkerName::Recursive => Chunker::Recursive,
            ChunkerName::Markdown => Chunker::Markdown,
            ChunkerName::Rows => Chunker::Rows,
        };
        let (size, overlap) = (self.size as usize, self.overlap as usize);
        Cutting { chunker, unit: self.unit, size, overlap }
    }

    /// The text that rows have, and by which recipes are compared there.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl From<Parts> for Recipe {
    fn from((embedding_model, chunker, unit, size, overlap): Parts) -> Self {
        Self { embedding_model, chunker, unit, size, overlap }
    }
}

impl From<Recipe> for Parts {
    fn from(it: Recipe) -> Self {
        (it.embedding_model, it.chunker, it.unit, it.size, it.overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_in_a_row_stays_what_it_was() {
        let recipe = DatabaseContent::default().recipe();

        let text = recipe.text().unwrap();

        assert_eq!(text, r#"["local/hashing","recursive","characters",1000,200]"#);
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
}
