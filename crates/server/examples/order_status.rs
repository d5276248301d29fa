//! The smallest server with a tool of its own.
//!
//! `cargo run --example order_status -- dev` starts it, and says how to ask its agents; the agent
//! `support` is this one.

use std::process::ExitCode;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// The number on the receipt.
    number: u32,
}

pub fn server() -> Builder {
    App::builder()
        .tool(Tool::read("order_status", "Says where an order is.", async |_, order: Order| {
            Ok(format!("Order {} is on its way.", order.number))
        }))
        .agent(
            Agent::new("support")
                .instructions("You help customers of a shop.")
                .model("demo/scripted")
                .tool("order_status"),
        )
}

fn main() -> ExitCode {
    server().main()
}
