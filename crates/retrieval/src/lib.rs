//! Documents to passages and back.
//!
//! Everything here is a pure function of its arguments: no network, no database, no clock, no folder. The server
//! brings the bytes in, keeps what comes out as rows, and calls the search with what it loaded.

mod chunk;
mod embed;
mod filter;
mod format;
mod language;
mod search;
mod store;
mod text;

pub use chunk::AboutTokens;
pub use chunk::Chunk;
pub use chunk::Chunker;
pub use chunk::SizeError;
pub use chunk::Sizes;
pub use chunk::TokenCounter;
pub use chunk::Unit;
pub use chunk::chunk;
pub use embed::Batch;
pub use embed::Bert;
pub use embed::BertError;
pub use embed::BertFiles;
pub use embed::EmbedError;
pub use embed::Embedder;
pub use embed::Embedding;
pub use embed::Hashing;
pub use embed::Kind;
pub use embed::WordPieces;
pub use embed::batches;
pub use embed::cache_key;
pub use embed::embed_all;
pub use filter::*;
pub use format::Format;
pub use format::Limits;
pub use format::ParseError;
pub use format::parse;
pub use language::language;
pub use search::*;
pub use store::Collection;
pub use store::Doing;
pub use store::Marks;
pub use store::Near;
pub use store::Point;
pub use store::StoreError;
pub use store::VectorStore;
pub use store::chroma;
pub use store::qdrant;
pub use store::scope_set;
pub use text::Document;
pub use text::Heading;
pub use text::Page;
pub use text::Span;
pub use text::TextBuilder;
pub use text::Warning;
