//! Agent Server: durable AI agents with their own OAuth 2.1 server, in one binary.
//!
//! Three bands, of which each uses only those before it: services that know no feature, the
//! features in their order, and what puts them together. `docs/ARCHITECTURE.md` shows the way.

// Band 1: services that know no feature. `app` holds the handles of all.
pub mod app;
pub mod config;
pub mod db;
pub mod definitions;
pub mod egress;
pub mod http;

// Band 2: features, each of which uses only those before it.
pub mod agents;

pub mod oauth;
pub mod runs;
pub mod tools;

// Band 3: what puts the others together.
pub mod commands;
pub mod router;
pub mod workers;
