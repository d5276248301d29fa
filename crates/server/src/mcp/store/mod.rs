//! SQL of what speaks MCP.

pub mod inbox;
pub mod servers;
pub mod sessions;
pub mod upstreams;
pub mod subscriptions;
