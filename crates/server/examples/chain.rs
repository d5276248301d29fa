//! A tool that adds one, for a workflow that calls it again and again: what `bench/peers` measures.
//!
//! `cargo run --example chain -- dev` starts it. The workflow is a row like any other.

use std::process::ExitCode;

use agent_server::App;
use agent_server::Tool;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Number {
    value: i64,
}

fn main() -> ExitCode {
    App::builder()
        .tool(Tool::read("increment", "Adds one.", async |_, number: Number| {
            Ok(Number { value: number.value + 1 })
        }))
        .main()
}
