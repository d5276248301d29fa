//! Steps of a workflow in Rust: what an order costs, charging it once, and telling the customer.
//!
//! `cargo run --example checkout -- dev` starts it. A workflow that calls them is a definition like any other:
//!
//! ```sh
//! curl -s http://localhost:3000/workflows/definitions -H "$auth" -H "$json" -d '{"name": "checkout", "steps": [
//!   {"id": "price", "type": "step", "step": "price"},
//!   {"id": "charge", "type": "step", "step": "charge", "timeout_ms": 10000},
//!   {"id": "tell", "type": "step", "step": "tell", "retry": {"max": 3}}]}'
//! curl -s http://localhost:3000/workflows/checkout/execute -H "$auth" -H "$json" \
//!   -d '{"input": {"items": [{"name": "tea", "cents": 450, "count": 2}]}}'
//! ```

use std::process::ExitCode;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::Progress;
use agent_server::Step;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    name: String,
    cents: u32,
    count: u32,
}

/// What an order costs.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Price {
    cents: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Receipt {
    cents: u32,
    /// What the bank knows the payment by.
    reference: String,
}

async fn price(call: ToolContext, order: Order) -> Result<Price, ToolFailure> {
    let mut cents = 0_u32;
    for (number, item) in (0_u32..).zip(&order.items) {
        call.report(Progress::new(number.into()).saying(format!("adds {}", item.name)));
        let more = item.cents.checked_mul(item.count).and_then(|more| cents.checked_add(more));
        cents = more.ok_or_else(|| ToolFailure::failed("nobody can pay that"))?;
    }
    Ok(Price { cents })
}

/// The `effect_id` is the same however often this call is made, and that of no other: the bank knows it again.
async fn charge(call: ToolContext, Price { cents }: Price) -> Result<Receipt, ToolFailure> {
    if cents == 0 {
        // Nothing was sent; had an answer been lost, it would be `ToolFailure::unknown`.
        return Err(ToolFailure::failed("there is nothing to pay"));
    }
    Ok(Receipt { cents, reference: call.effect_id })
}

/// What goes in and out may be any JSON, such as a text.
async fn tell(call: ToolContext, receipt: Receipt) -> Result<String, ToolFailure> {
    Ok(format!("{} has paid {}.{:02}", call.subject, receipt.cents / 100, receipt.cents % 100))
}

pub fn server() -> Builder {
    App::builder()
        .step(Step::read("price", "What an order costs.", price))
        .step(
            Step::effect("charge", "Charges the customer.", charge)
                .timeout(Duration::from_secs(10))
                .scope("workflow.execute"),
        )
        .step(
            Step::idempotent("tell", "Tells the customer.", tell)
                .retry(2, Duration::from_millis(200)),
        )
}

fn main() -> ExitCode {
    server().main()
}
