//! A tool that pays money back, once; an agent that uses it; and a model of one's own.
//!
//! `cargo run --example refunds -- dev` starts it. Ask the agent `cashier`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use agent_server::llm::demo::Scripted;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::Mutex;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refund {
    /// The order to be paid back.
    order: String,
    /// In cents.
    amount: u32,
}

#[derive(Serialize)]
struct Receipt {
    order: String,
    paid: u32,
    reference: String,
}

/// The bank, which stands for whatever is on the other side of a network.
#[derive(Default)]
struct Bank(Mutex<BTreeMap<String, u32>>);

impl Bank {
    /// Pays, and says no to more than 100.00.
    async fn pay(&self, reference: &str, amount: u32) -> Result<(), ToolFailure> {
        if amount > 10_000 {
            // The far side said no: nothing was paid, and the model may try something else.
            return Err(ToolFailure::failed("the bank pays at most 100.00"));
        }
        // Had the answer been lost, it would be `ToolFailure::unknown`: never a second payment.
        self.0.lock().await.insert(reference.to_owned(), amount);
        Ok(())
    }
}

async fn refund(
    bank: Arc<Bank>,
    call: ToolContext,
    refund: Refund,
) -> Result<Receipt, ToolFailure> {
    bank.pay(&call.effect_id, refund.amount).await?;
    Ok(Receipt { order: refund.order, paid: refund.amount, reference: call.effect_id })
}

pub fn server() -> Builder {
    let bank = Arc::new(Bank::default());
    let pay_back = move |call, input| refund(Arc::clone(&bank), call, input);
    App::builder()
        .model("house", Scripted)
        .tool(
            Tool::effect("refund", "Pays an order back.", pay_back)
                .timeout(Duration::from_secs(10))
                .scope("tool.execute"),
        )
        .agent(
            Agent::new("cashier")
                .display_name("Cashier")
                .instructions("Pay back what customers are owed, and nothing else.")
                .model("house/clerk")
                .tool("refund")
                .tool("current_time")
                .scope("agent.execute"),
        )
}

fn main() -> ExitCode {
    server().main()
}
