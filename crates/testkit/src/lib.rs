//! What tests need beside the code under test: a fake model server, a database for each.
#![expect(clippy::expect_used, clippy::panic, reason = "a test should fail loudly")]

pub mod database;
pub mod mcp;
pub mod model;
pub mod receiver;
