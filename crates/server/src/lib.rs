//! Agent Server: durable AI agents with their own OAuth 2.1 server, in one binary.
//!
//! Three bands, of which each uses only those before it: services that know no feature, the
//! features in their order, and what puts them together. `docs/ARCHITECTURE.md` shows the way.
//!
//! A program that has tools and agents of its own begins with [`App::builder`]:
//!
//! ```no_run
//! use agent_server::{Agent, App, Tool, ToolContext, ToolFailure};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Order {
//!     /// The number on the receipt.
//!     number: u32,
//! }
//!
//! async fn status(_: ToolContext, order: Order) -> Result<String, ToolFailure> {
//!     Ok(format!("Order {} is on its way.", order.number))
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     App::builder()
//!         .tool(Tool::read("order_status", "Says where an order is.", status))
//!         .agent(Agent::new("support").instructions("You help customers.").tool("order_status"))
//!         .main()
//! }
//! ```

// Band 1: services that know no feature. `app` holds the handles of all.
pub mod app;
pub mod audit;
pub mod config;
pub mod db;
pub mod definitions;
pub mod egress;
pub mod http;
pub mod telemetry;

// Band 2: features, each of which uses only those before it.
pub mod agents;

pub mod mcp;
pub mod oauth;
pub mod rag;
pub mod runs;
pub mod secrets;
mod settings;
pub mod tools;
pub mod workflows;

// Band 3: what puts the others together.
pub mod code;
pub mod commands;
pub mod router;
mod ui;
pub mod workers;

// The face of the library: all that a program needs to define tools, agents and models.
pub use app::App;
pub use code::Agent;
pub use code::Builder;
pub use code::Step;
pub use code::Tool;
pub use llm;
pub use tools::Approval;
pub use tools::Progress;
pub use tools::ToolContext;
pub use tools::ToolFailure;
