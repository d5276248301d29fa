//! The adapters against a fake server: requests as they go out, answers whole and broken.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test should fail loudly")]

mod answers;
mod demo;
mod errors;
mod requests;
mod support;
mod timeouts;
