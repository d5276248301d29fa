//! Databases of documents as definitions.

mod content;
mod normalise;
mod recipe;
mod rows;

pub use content::ChunkUnit;
pub use content::ChunkerName;
pub use content::DatabaseContent;
pub use content::Mode;
pub use content::Rerank;
pub use content::SearchDefaults;
pub use content::StoreType;
pub use normalise::DatabaseChange;
pub use normalise::NewDatabase;
pub use recipe::Recipe;
pub use rows::DatabaseRows;
