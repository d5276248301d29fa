//! What tests need beside the code under test: a fake model server.
#![expect(clippy::expect_used, clippy::panic, reason = "a test should fail loudly")]

pub mod model;
