//! What speaks MCP.

mod changes;
mod consents;
mod dialogue;
mod door;
mod faces;
mod lines;
mod programs;
mod server;
mod sessions;
mod speak;
mod tools;
mod upstreams;
