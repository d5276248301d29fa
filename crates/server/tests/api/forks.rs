//! `POST /runs/{id}/fork` and `/retry`: runs that begin where others have been.

use std::sync::Arc;
use std::sync::Mutex;

use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::db::Dialect;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pay {
    amount: u32,
    /// So many characters of the receipt.
    #[serde(default)]
    receipt: usize,
}

/// The effect of each payment.
type Paid = Arc<Mutex<Vec<String>>>;

fn pay(paid: Paid) -> Tool {
    Tool::effect("pay", "Pays.", move |call: ToolContext, Pay { amount, receipt }| {
        let paid = Arc::clone(&paid);
        async move {
            paid.lock().unwrap().push(call.effect_id);
            Ok(json!({ "paid": amount, "receipt": "r".repeat(receipt) }))
        }
    })
}

struct Shop {
    server: TestServer,
    paid: Paid,
    admin: Client,
}

impl Shop {
    async fn open(dialect: Dialect) -> Self {
        let paid = Paid::default();
        let book = Arc::clone(&paid);
        let code = move || -> Builder { App::builder().tool(pay(Arc::clone(&book))) };
        let server = TestServer::start_code(dialect, &[], code).await;
        let admin = server.admin().await;
        let agent = json!({
            "name": "support", "display_name": "Support", "instructions": "Pay.",
            "model": "openai/fake", "tools": ["pay"],
        });
        let made = admin.post("/agents/definitions", agent).await;
        assert_eq!(made.status, 201, "{:#}", made.json());
        Self { server, paid, admin }
    }

    /// A run that has paid, and said this.
    async fn pay(&self, arguments: Value, answer: Reply) -> Value {
        self.server.model.reply(Reply::text("").call("pay", arguments));
        self.server.model.reply(answer);
        let body = json!({"input": "Pay!", "background": true, "metadata": {"order": 7}});
        let run = self.admin.post("/agents/support/execute", body).await.json();
        self.end(&run).await
    }

    async fn end(&self, run: &Value) -> Value {
        self.admin.get(&format!("{}/wait", path(run))).await.json()
    }

    /// The run that comes of a request which is accepted, when it is over.
    async fn accepted(&self, place: &str, body: Value) -> Value {
        let reply = self.admin.post(place, body).await;
        assert_eq!(reply.status, 202, "{:#}", reply.json());
        let run = reply.json();
        assert_eq!(reply.header("location"), Some(path(&run).as_str()));
        assert_eq!(run["status"], "queued");
        self.end(&run).await
    }

    async fn events(&self, run: &Value) -> Vec<Value> {
        let events = self.admin.get(&format!("{}/events?limit=200", path(run))).await.json();
        events["data"].as_array().unwrap().clone()
    }

    /// The number of the `nth` event of this name.
    async fn seq(&self, run: &Value, name: &str, nth: usize) -> u64 {
        let events = self.events(run).await;
        let event = events.iter().filter(|it| it["type"] == name).nth(nth).unwrap();
        event["seq"].as_u64().unwrap()
    }

    fn paid(&self) -> usize {
        self.paid.lock().unwrap().len()
    }
}

fn path(run: &Value) -> String {
    format!("/runs/{}", run["id"].as_str().unwrap())
}

fn fork(run: &Value) -> String {
    format!("{}/fork", path(run))
}

fn names(events: &[Value]) -> String {
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    names.join("\n")
}

on_both! {
    async fn a_fork_takes_over_results_and_repeats_none(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::text("It is paid.")).await;
        let before = shop.events(&run).await;
        let from_seq = shop.seq(&run, "model.started", 1).await;

        shop.server.model.reply(Reply::text("Paid, I say."));
        let forked = shop.accepted(&fork(&run), json!({"from_seq": from_seq})).await;

        assert_eq!((&forked["status"], &forked["output"]["text"]), (&json!("succeeded"), &json!("Paid, I say.")));
        assert_eq!((&forked["forked_from"], &forked["metadata"]), (&run["id"], &json!({"order": 7})));
        assert_eq!((&forked["attempt"], &forked["steps"]), (&json!(1), &json!(2)));
        assert_eq!((shop.paid(), shop.server.model.requests().len()), (1, 3));
        let asked = shop.server.model.last_request().body["messages"].clone();
        assert_eq!(asked.as_array().unwrap().last().unwrap()["content"], r#"{"paid":40,"receipt":""}"#);
        let events = shop.events(&forked).await;
        expect![[r#"
            run.started
            step.started
            model.started
            model.finished
            tool.started
            tool.finished
            step.finished
            run.resumed
            step.started
            model.started
            model.finished
            step.finished
            run.finished"#]]
        .assert_eq(&names(&events));
        assert_eq!(events[0]["data"]["forked_from"], run["id"]);
        assert_eq!(events[7]["data"], json!({"attempt": 1, "reason": "fork"}));
        assert_eq!(events[4]["data"], before[4]["data"], "a recorded effect keeps its id");
        let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=13).collect::<Vec<_>>());
        // What the other run used is not used again.
        let answer = &events[10]["data"]["usage"];
        assert_eq!(&forked["usage"], answer);
        assert_eq!(shop.events(&run).await, before);
    }

    async fn a_fork_does_not_cut_an_effect_in_two(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::text("It is paid.")).await;
        let finished = shop.seq(&run, "tool.finished", 0).await;

        let reply = shop.admin.post(&fork(&run), json!({"from_seq": finished})).await;

        reply.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "open_effect",
                  "detail": "a call that may have had its effect is open there: 5 makes the call anew, 7 takes over what came of it",
                  "pointer": "/from_seq"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        assert_eq!(shop.paid(), 1);

        // Who wants it made anew gets another effect.
        shop.server.model.reply(Reply::text("Twice."));
        let forked = shop.accepted(&fork(&run), json!({"from_seq": finished - 1})).await;
        assert_eq!(forked["output"]["text"], "Twice.");
        let paid = shop.paid.lock().unwrap().clone();
        assert_eq!(paid.len(), 2);
        assert_ne!(paid[0], paid[1]);
    }

    async fn a_retry_makes_only_what_failed(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::error(400, "no such thing")).await;
        assert_eq!(run["status"], "failed");
        shop.server.model.reply(Reply::text("It is paid."));

        let again = shop.accepted(&format!("{}/retry", path(&run)), json!({})).await;

        assert_eq!((&again["status"], &again["output"]["text"]), (&json!("succeeded"), &json!("It is paid.")));
        assert_eq!(again["forked_from"], run["id"]);
        assert_eq!(shop.paid(), 1);
        let refused = shop.admin.post(&format!("{}/retry", path(&again)), json!({})).await;
        refused.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "the run has not failed: it is `succeeded`",
              "status": 409,
              "type": "/problems/run-not-failed"
            }
        "#]]);
    }

    async fn what_is_not_valid_forks_nothing(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::text("It is paid.")).await;
        let wrong = [
            (json!({"from_seq": 0}), "/from_seq"),
            (json!({"from_seq": run["last_seq"].as_u64().unwrap() + 2}), "/from_seq"),
            (json!({"from_seq": 3, "input": "Do not pay!"}), "/input"),
            (json!({"from_seq": 3, "overrides": {"1": "done"}}), "/overrides"),
            (json!({"from_seq": 3, "version": 2}), "/version"),
            (json!({}), "/from_seq"),
        ];

        for (body, pointer) in wrong {
            let reply = shop.admin.post(&fork(&run), body.clone()).await;
            assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}");
        }

        let runs = shop.admin.get("/runs").await.json()["data"].as_array().unwrap().len();
        assert_eq!(runs, 1);
    }

    async fn a_fork_from_the_beginning_may_ask_something_else_of_another_version(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::text("It is paid.")).await;
        shop.admin.put("/agents/definitions/support", json!({"instructions": "Be polite."})).await;
        shop.server.model.reply(Reply::text("You are welcome."));

        let body = json!({"from_seq": 1, "input": "Thanks!", "version": 2});
        let forked = shop.accepted(&fork(&run), body).await;

        assert_eq!(forked["output"]["text"], "You are welcome.");
        assert_eq!((&forked["input"], &forked["definition"]["version"]), (&json!("Thanks!"), &json!(2)));
        let asked = shop.server.model.last_request().body["messages"].clone();
        assert_eq!(asked.as_array().unwrap().len(), 2);
        assert_eq!(asked[0]["content"], "Be polite.");
    }

    async fn a_run_at_work_is_forked_as_far_as_it_is_stored(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let gate = Gate::new();
        shop.server.model.reply(Reply::text("").call("pay", json!({"amount": 40})));
        shop.server.model.reply(Reply::tokens(["It", " is"]).hold("It", &gate));
        let body = json!({"input": "Pay!", "background": true});
        let run = shop.admin.post("/agents/support/execute", body).await.json();
        gate.wait_reached().await;
        let stored = shop.admin.stored(&path(&run), "model.started", 2).await.len();
        shop.server.model.reply(Reply::text("Done."));

        let forked = shop.accepted(&fork(&run), json!({"from_seq": stored + 1})).await;

        assert_eq!((&forked["output"]["text"], shop.paid()), (&json!("Done."), 1));
        assert_eq!(shop.admin.get(&path(&run)).await.json()["status"], "running");
        gate.open();
        assert_eq!(shop.end(&run).await["output"]["text"], "It is");
    }

    async fn a_fork_outlives_the_run_that_it_is_of(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let large = json!({"amount": 40, "receipt": 100_000});
        let run = shop.pay(large, Reply::text("It is paid.")).await;
        shop.server.model.reply(Reply::text("One."));
        let from_seq = shop.seq(&run, "model.started", 1).await;
        let forked = shop.accepted(&fork(&run), json!({"from_seq": from_seq})).await;

        for table in ["run_events", "run_values"] {
            let id = run["id"].as_str().unwrap();
            in_sql(&shop.server, &format!("DELETE FROM {table} WHERE run_id = '{id}'")).await;
        }
        in_sql(&shop.server, &format!("DELETE FROM runs WHERE id = '{}'", run["id"].as_str().unwrap())).await;

        let events = shop.events(&forked).await;
        let note = events[5]["data"]["result"]["receipt"].clone();
        let url = note["url"].as_str().unwrap();
        assert!(url.starts_with(&path(&forked)), "{url}");
        let value = shop.admin.get(url).await;
        assert_eq!((value.status, value.json().as_str().unwrap().len()), (200, 100_000));
        shop.server.model.reply(Reply::text("Two."));
        let again = shop.accepted(&fork(&forked), json!({"from_seq": 8})).await;
        assert_eq!(again["output"]["text"], "Two.");
        let asked = shop.server.model.last_request().body["messages"].to_string();
        assert!(asked.len() > 100_000 && shop.paid() == 1);
    }

    async fn who_forks_must_see_the_run_and_may_execute_its_agent(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::error(400, "no such thing")).await;
        let stranger = shop.server.client("agent.execute").await;
        let reader = shop.server.client("run.read admin.read").await;
        let supervisor = shop.server.client("agent.execute admin.read").await;

        for (place, body) in [("fork", json!({"from_seq": 1})), ("retry", json!({}))] {
            let place = format!("{}/{place}", path(&run));
            assert_eq!(stranger.post(&place, body.clone()).await.status, 404);
            assert_eq!(reader.post(&place, body).await.status, 403);
        }
        shop.server.model.reply(Reply::text("Done."));
        let forked = supervisor.post(&fork(&run), json!({"from_seq": 1})).await;
        assert_eq!(forked.status, 202);
        // It is his run, with his rights.
        assert_ne!(forked.json()["subject"], run["subject"]);
        assert_eq!(forked.json()["client_id"].as_str().map(|id| format!("client:{id}")).as_deref(),
            forked.json()["subject"].as_str());
        shop.admin.post("/agents/definitions/support/deactivate", json!({})).await;
        assert_eq!(supervisor.post(&fork(&run), json!({"from_seq": 1})).await.status, 404);
    }

    async fn the_same_idempotency_key_is_the_same_fork(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::error(400, "no such thing")).await;
        shop.server.model.reply(Reply::text("Done."));
        let place = format!("{}/retry", path(&run));
        let request = || shop.admin.request("POST", &place).header("idempotency-key", "k").json(&json!({}));

        let first = shop.admin.send(request()).await;
        let second = shop.admin.send(request()).await;

        assert_eq!((first.status, second.status), (202, 202));
        assert_eq!(first.json()["id"], second.json()["id"]);
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        shop.end(&first.json()).await;
        assert_eq!(shop.server.model.requests().len(), 3);
        let other = shop.admin.request("POST", &fork(&run)).header("idempotency-key", "k");
        assert_eq!(shop.admin.send(other.json(&json!({"from_seq": 1}))).await.status, 422);
    }

    async fn a_tree_shows_a_run_and_those_below_it(server: TestServer) {
        let admin = server.admin().await;
        for (name, agents) in [("clerk", json!([])), ("boss", json!(["clerk"]))] {
            let agent = json!({
                "name": name, "display_name": name, "instructions": "Work.", "model": "openai/fake",
                "tools": ["current_time"], "agents": agents,
            });
            assert_eq!(admin.post("/agents/definitions", agent).await.status, 201);
        }
        server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "When?"})));
        server.model.reply(Reply::text("").call("current_time", json!({})));
        server.model.reply(Reply::text("Now."));
        server.model.reply(Reply::text("He says now."));
        let run = admin.post("/agents/boss/execute", json!({"input": "Ask!"})).await.json();

        let tree = admin.get(&format!("{}/tree", path(&run))).await.json();

        assert_eq!((&tree["run"], &tree["truncated"]), (&run, &json!(false)));
        expect![[r#"
            run boss succeeded below -
            step 1 done below boss
            model openai/fake done below 1
            tool ask_clerk done below 1
            step 2 done below boss
            model openai/fake done below 2
            run clerk succeeded below ask_clerk
            step 1 done below clerk
            model openai/fake done below 1
            tool current_time done below 1
            step 2 done below clerk
            model openai/fake done below 2
        "#]]
        .assert_eq(&shape(&tree));
        let spans = tree["spans"].as_array().unwrap();
        assert!(spans.iter().all(|span| span["duration_ms"].is_u64() && span["started_at"].is_string()));
        let child = admin.get(&format!("/runs/{}", spans[6]["id"].as_str().unwrap())).await.json();
        assert_eq!((&spans[0]["usage"], &spans[6]["usage"]), (&run["usage"], &child["usage"]));
        for member in ["input_tokens", "output_tokens"] {
            let sum = run["usage"][member].as_u64().unwrap() + child["usage"][member].as_u64().unwrap();
            assert_eq!(tree["usage"][member], sum, "{member}");
        }
        assert_eq!((&spans[3]["seq"], &spans[3]["usage"]), (&json!(5), &Value::Null));
    }

    async fn spans_of_a_run_at_work_are_open(server: TestServer) {
        let admin = server.admin().await;
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["It", " is"]).hold("It", &gate));
        let body = json!({"input": "Hi", "background": true});
        let run = admin.post("/agents/support/execute", body).await.json();
        gate.wait_reached().await;
        admin.stored(&path(&run), "model.started", 1).await;

        let tree = admin.get(&format!("{}/tree", path(&run))).await.json();

        expect![[r#"
            run support running below -
            step 1 running below support
            model openai/fake running below 1
        "#]]
        .assert_eq(&shape(&tree));
        let spans = tree["spans"].as_array().unwrap();
        assert!(spans.iter().all(|span| span["duration_ms"].is_null()));
        admin.post(&format!("{}/cancel", path(&run)), json!({})).await;
        admin.get(&format!("{}/wait", path(&run))).await;
        let tree = admin.get(&format!("{}/tree", path(&run))).await.json();
        expect![[r#"
            run support canceled below -
            step 1 interrupted below support
            model openai/fake failed below 1
        "#]]
        .assert_eq(&shape(&tree));
    }

    async fn the_tree_of_a_fork_counts_only_what_is_its_own(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let run = shop.pay(json!({"amount": 40}), Reply::text("It is paid.")).await;
        shop.server.model.reply(Reply::text("Paid."));
        let from_seq = shop.seq(&run, "model.started", 1).await;
        let forked = shop.accepted(&fork(&run), json!({"from_seq": from_seq})).await;

        let tree = shop.admin.get(&format!("{}/tree", path(&forked))).await.json();

        assert_eq!((&tree["usage"], &tree["spans"][0]["usage"]), (&forked["usage"], &forked["usage"]));
        assert_eq!(tree["spans"].as_array().unwrap().len(), 6);
    }
}

/// A line for each span.
fn shape(tree: &Value) -> String {
    let spans = tree["spans"].as_array().unwrap();
    let text = |span: &Value, member: &str| span[member].as_str().unwrap_or("-").to_owned();
    let lines = spans.iter().map(|span| {
        let parent = spans.iter().find(|it| it["id"] == span["parent_id"]);
        let parent = parent.map_or_else(|| "-".to_owned(), |parent| text(parent, "name"));
        let (kind, name, status) = (text(span, "kind"), text(span, "name"), text(span, "status"));
        format!("{kind} {name} {status} below {parent}\n")
    });
    lines.collect()
}
