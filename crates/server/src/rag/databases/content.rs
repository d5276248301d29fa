//! What a database is: the members of its definition that make up a version.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::definitions::Content;
use crate::rag::embedders::HASHING;

/// The content of a definition of a database. Each content that it ever had is a version.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatabaseContent {
    /// A letter, then letters, digits, `_` and `-`.
    #[schema(max_length = 56, example = "handbook")]
    pub name: String,
    /// The name for people; the name if absent.
    #[schema(max_length = 200, example = "Handbook")]
    pub display_name: String,
    /// What is in it.
    #[schema(max_length = 4000)]
    pub description: String,
    /// Where vectors are. This release has `embedded`.
    pub vector_store_type: StoreType,
    /// How that is reached; `{}` for `embedded`.
    #[schema(value_type = Object)]
    pub vector_store_config: Map<String, Value>,
    /// `provider/name`; `local/folder`, a model that runs here; or `local/hashing`, which needs no model: texts with
    /// common words are near to each other.
    #[schema(max_length = 200, example = "openai/text-embedding-3-small")]
    pub embedding_model: String,
    /// How much a passage holds at most.
    #[schema(minimum = 1, maximum = 20_000, example = 1000)]
    pub chunk_size: u32,
    /// How much of the passage before each repeats; less than `chunk_size`.
    #[schema(maximum = 19_999, example = 200)]
    pub chunk_overlap: u32,
    pub chunker: ChunkerName,
    /// What the two sizes count.
    pub chunk_unit: ChunkUnit,
    /// What a search does that does not say.
    pub search: SearchDefaults,
    /// What a caller must hold, all of it, to search it, also through an agent.
    #[schema(max_items = 100, example = json!(["rag.search"]))]
    pub scopes: Vec<String>,
    /// Yours; at most 16 kB and 8 levels deep.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VectorStoreType)]
pub enum StoreType {
    /// In the server's own database, searched in memory.
    #[default]
    Embedded,
    Pgvector,
    Qdrant,
    Chroma,
}

/// How a text is cut into passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Chunker)]
pub enum ChunkerName {
    /// At paragraphs, else lines, sentences, words.
    #[default]
    Recursive,
    /// The same, and never across a heading.
    Markdown,
    /// Whole rows and list elements as long as they fit.
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkUnit {
    /// Code points.
    #[default]
    Characters,
    /// Those of a model that runs here. Of others about those, rather fewer in a passage than more: four letters of
    /// English, two of another alphabet, two digits, or one other sign.
    Tokens,
}

/// How passages are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SearchMode)]
pub enum Mode {
    /// By what they mean, as far as the embedding model knows.
    Vector,
    /// By their words.
    Keyword,
    /// By both.
    #[default]
    Hybrid,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SearchDefaults {
    pub mode: Mode,
    #[schema(minimum = 1, maximum = 100)]
    pub top_k: u32,
    /// Passages with a lower `score` are left out.
    #[schema(required = false)]
    pub min_score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub rerank: Option<Rerank>,
}

/// A model that reads the query and each passage together, and says how well one answers the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rerank {
    /// `provider/name`, of Cohere or of a server that has `/rerank` beside what it has of OpenAI's API.
    #[schema(min_length = 1, max_length = 200, example = "cohere/rerank-v3.5")]
    pub model: String,
    /// After so long the answer comes without it.
    #[serde(default = "usual_timeout")]
    #[schema(required = false, minimum = 50, maximum = 30_000, default = 2000)]
    pub timeout_ms: u32,
}

fn usual_timeout() -> u32 {
    2000
}

impl Default for SearchDefaults {
    fn default() -> Self {
        Self { mode: Mode::default(), top_k: 5, min_score: None, rerank: None }
    }
}

impl Default for DatabaseContent {
    fn default() -> Self {
        Self {
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            vector_store_type: StoreType::default(),
            vector_store_config: Map::new(),
            embedding_model: HASHING.to_owned(),
            chunk_size: 1000,
            chunk_overlap: 200,
            chunker: ChunkerName::default(),
            chunk_unit: ChunkUnit::default(),
            search: SearchDefaults::default(),
            scopes: Vec::new(),
            metadata: Map::new(),
        }
    }
}

impl Content for DatabaseContent {
    fn name(&self) -> &str {
        &self.name
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
