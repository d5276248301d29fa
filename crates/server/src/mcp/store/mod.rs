//! SQL of what speaks MCP.

pub mod consents;
pub mod inbox;
pub mod servers;
pub mod sessions;
pub mod subscriptions;
pub mod upstreams;
