//! Language models: one trait, one file per wire format.
//!
//! A model call is a stream of [`Chunk`]s that ends with exactly one [`Answer`] or one
//! [`ModelError`]. Retries, fallbacks and records are the caller's: an adapter makes one request.

pub mod anthropic;
mod body;
mod bound;
mod calls;
mod clean;
pub mod cohere;
pub mod demo;
mod draft;
pub mod embed;
mod error;
pub mod google;
mod http;
mod known;
mod lines;
mod media;
mod message;
mod names;
pub mod ollama;
pub mod openai;
pub mod price;
mod private;
mod reader;
mod redact;
mod refusal;
#[cfg(test)]
mod replay;
pub mod rerank;
pub mod responses;
mod schema;
pub mod sse;
mod stream;
mod turns;

pub use bound::most_frame_tokens;
pub use bound::most_tokens;
pub use bound::usual_output_tokens;
pub use error::ErrorKind;
pub use error::ModelError;
use futures::stream::BoxStream;
pub use http::Account;
pub use http::Timeouts;
pub use known::is_for_chat;
pub use known::takes_images;
pub use message::*;
pub use price::Usd;

/// A provider's model, ready to be called.
///
/// The implementations are the adapters of this crate and the scripted demo model.
pub trait ChatModel: Send + Sync + 'static {
    /// Makes one call.
    ///
    /// The stream gives [`Chunk::Delta`]s and ends with one [`Chunk::Finished`] or one error.
    /// Dropping it closes the request to the provider.
    fn stream(&self, request: Request) -> BoxStream<'static, Result<Chunk, ModelError>>;

    /// Why `tool` cannot be offered to this model, in words for its author. Such a tool is left out
    /// of requests; nothing else is wrong with them.
    fn refusal(&self, tool: &Tool) -> Option<String> {
        let _ = tool;
        None
    }

    /// Why the answer to `request` is not bound to its output schema, in words for the schema's author. The
    /// model is told the schema then, and may answer something else.
    fn unbound(&self, request: &Request) -> Option<String> {
        request.output_schema.as_ref().map(|_| "this provider is only told the schema".to_owned())
    }
}
