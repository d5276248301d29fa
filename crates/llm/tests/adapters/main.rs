//! The adapters against a fake server: requests as they go out, answers whole and broken.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test should fail loudly")]

mod answers;
mod cuts;
mod demo;
mod dialects;
mod embed;
mod errors;
mod google;
mod odd_anthropic;
mod odd_openai;
mod ollama;
mod requests;
mod rerank;
mod responses;
mod support;
mod timeouts;
