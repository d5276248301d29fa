//! Which embedder a database means.

use std::sync::Arc;

use retrieval::Embedder;
use retrieval::Hashing;

use crate::http::Invalid;

/// What embeds without a model, and is meant if nothing else is said.
pub const HASHING: &str = "local/hashing";

/// The embedder that `model` names, or why there is none.
pub fn embedder(model: &str) -> Result<Arc<dyn Embedder>, Invalid> {
    if model == HASHING {
        return Ok(Arc::new(Hashing));
    }
    let detail = format!("this release cannot embed with `{model}`; it has `{HASHING}`");
    Err(Invalid::new("/embedding_model", "not_supported", detail))
}
