//! What a run may do when its caller loses rights meanwhile.

use std::sync::Arc;
use std::sync::Mutex;

use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::db::Dialect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pay {
    amount: u32,
}

struct Shop {
    server: TestServer,
    paid: Arc<Mutex<Vec<u32>>>,
}

impl Shop {
    /// A server whose agent `support` pays, for whom may, and which `boss` asks.
    async fn open(dialect: Dialect, approval: &str) -> Self {
        let paid = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&paid);
        let code = move || -> Builder {
            let book = Arc::clone(&book);
            let pay = Tool::effect("pay", "Pays.", move |_: ToolContext, Pay { amount }| {
                book.lock().unwrap().push(amount);
                async move { Ok(json!({ "paid": amount })) }
            });
            App::builder().tool(pay.scope("tool.execute"))
        };
        let server = TestServer::start_code(dialect, &[], code).await;
        let admin = server.admin().await;
        let tools = json!([{"name": "pay", "approval": approval}]);
        for (name, more) in
            [("support", ("tools", tools)), ("boss", ("agents", json!(["support"])))]
        {
            let mut agent = json!({"name": name, "display_name": name, "instructions": "Pay.",
                "model": "openai/fake"});
            agent[more.0] = more.1;
            let made = admin.post("/agents/definitions", agent).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        Self { server, paid }
    }

    /// A run of `agent` for a new client; its first turn pays 1 or asks another, the second waits at the gate
    /// before it does `call`.
    async fn begin(&self, agent: &str, call: (&str, Value), gate: &Gate) -> Value {
        let client = self.server.client("agent.execute tool.execute").await;
        let model = &self.server.model;
        if agent == "support" {
            model.reply(Reply::text("").call("pay", json!({"amount": 1})));
        }
        model.reply(Reply::tokens(["Now", " that"]).hold("Now", gate).call(call.0, call.1));
        model.reply(Reply::text("It is not done."));
        let body = json!({"input": "Pay!", "background": true});
        let run = client.post(&format!("/agents/{agent}/execute"), body).await.json();
        gate.wait_reached().await;
        run
    }

    /// The end of a run, and what its model was told last.
    async fn end(&self, run: &Value) -> (Value, String) {
        let admin = self.server.admin().await;
        let path = format!("/runs/{}/wait", run["id"].as_str().unwrap());
        let status = admin.get(&path).await.json()["status"].clone();
        let body = self.server.model.last_request().body;
        let told = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        (status, told.as_str().unwrap().to_owned())
    }

    fn paid(&self) -> Vec<u32> {
        self.paid.lock().unwrap().clone()
    }
}

fn client_of(run: &Value) -> String {
    format!("/oauth/clients/{}", run["subject"].as_str().unwrap().strip_prefix("client:").unwrap())
}

async fn narrow(admin: &Client, run: &Value, scope: &str) {
    let changed =
        admin.send(admin.request("PATCH", &client_of(run)).json(&json!({"scope": scope}))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

on_both! {
    async fn a_right_that_was_taken_away_is_gone_at_the_next_call(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), "never").await;
        let gate = Gate::new();
        let run = shop.begin("support", ("pay", json!({"amount": 2})), &gate).await;

        narrow(&shop.server.admin().await, &run, "agent.execute").await;
        gate.open();

        let told = r#"{"error":"the caller does not hold `tool.execute` any more"}"#;
        assert_eq!(shop.end(&run).await, (json!("succeeded"), told.to_owned()));
        assert_eq!(shop.paid(), [1]);
    }

    async fn a_client_that_was_deleted_makes_no_call(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), "never").await;
        let gate = Gate::new();
        let run = shop.begin("support", ("pay", json!({"amount": 2})), &gate).await;

        assert_eq!(shop.server.admin().await.delete(&client_of(&run)).await.status, 204);
        gate.open();

        let told = r#"{"error":"the caller does not hold `tool.execute` any more"}"#;
        assert_eq!(shop.end(&run).await, (json!("succeeded"), told.to_owned()));
        assert_eq!(shop.paid(), [1]);
    }

    async fn a_client_that_may_not_execute_any_more_begins_no_run_below(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), "never").await;
        let gate = Gate::new();
        let run = shop.begin("boss", ("ask_support", json!({"input": "Pay!"})), &gate).await;

        narrow(&shop.server.admin().await, &run, "agent.read").await;
        gate.open();

        let told = r#"{"error":"the caller may not execute `support` any more"}"#;
        assert_eq!(shop.end(&run).await, (json!("succeeded"), told.to_owned()));
    }

    async fn an_approval_gives_no_right_that_was_taken_away(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), "always").await;
        let (admin, model) = (shop.server.admin().await, &shop.server.model);
        let client = shop.server.client("agent.execute tool.execute").await;
        model.reply(Reply::text("").call("pay", json!({"amount": 2})));
        model.reply(Reply::text("It is not done."));
        let run = client.post("/agents/support/execute", json!({"input": "Pay!"})).await.json();
        let approval = admin.get("/approvals").await.json()["data"][0].clone();

        narrow(&admin, &run, "agent.execute").await;
        let body = json!({"decision": "approve", "arguments_hash": approval["arguments_hash"]});
        let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
        assert_eq!(admin.post(&path, body).await.status, 200);

        let told = r#"{"error":"there is no tool `pay`"}"#;
        assert_eq!(shop.end(&run).await, (json!("succeeded"), told.to_owned()));
        assert_eq!(shop.paid(), Vec::<u32>::new());
    }
}
