//! `/approvals`: calls that wait for a person, on one process and on several.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agent_server::Agent;
use agent_server::App;
use agent_server::Approval;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use agent_server::db::Dialect;
use expect_test::expect;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::Frame;
use crate::harness::TestServer;
use crate::harness::in_sql;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pay {
    amount: u32,
    /// How often the answer gets lost.
    #[serde(default)]
    lost: usize,
}

/// All payments: what was paid, and for which effect.
type Paid = Arc<Mutex<Vec<(u32, String)>>>;

/// A tool that pays, and keeps a book of it.
fn pay(paid: Paid) -> Tool {
    Tool::effect("pay", "Pays.", move |call: ToolContext, Pay { amount, lost }| {
        let paid = Arc::clone(&paid);
        async move {
            let mut paid = paid.lock().unwrap();
            paid.push((amount, call.effect_id));
            if paid.len() > lost {
                return Ok(json!({ "paid": amount }));
            }
            Err(ToolFailure::unknown("the line was cut"))
        }
    })
}

struct Shop {
    server: TestServer,
    paid: Paid,
}

impl Shop {
    /// A server whose agent `support` pays with this approval.
    async fn open(dialect: Dialect, approval: Value) -> Self {
        Self::open_with(dialect, &[], approval).await
    }

    async fn open_with(dialect: Dialect, settings: &[(&str, &str)], approval: Value) -> Self {
        let paid = Paid::default();
        let book = Arc::clone(&paid);
        let code = move || -> Builder { App::builder().tool(pay(Arc::clone(&book))) };
        let server = TestServer::start_code(dialect, settings, code).await;
        let mut tool = json!({"name": "pay"});
        tool.as_object_mut().unwrap().extend(approval.as_object().unwrap().clone());
        let agent = json!({
            "name": "support", "display_name": "Support", "instructions": "Pay.",
            "model": "openai/fake", "tools": [tool],
        });
        let made = server.admin().await.post("/agents/definitions", agent).await;
        assert_eq!(made.status, 201, "{:#}", made.json());
        Self { server, paid }
    }

    /// A run that wants to pay so much, as it is when it waits, and the approval.
    async fn ask(&self, arguments: Value) -> (Value, Value) {
        self.server.model.reply(Reply::text("").call("pay", arguments));
        self.server.model.reply(Reply::text("It is done."));
        let admin = self.server.admin().await;
        let reply = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await;
        assert_eq!(reply.status, 202, "{:#}", reply.json());
        let run = reply.json();
        let id = run["waiting_for"][0]["approval_id"].as_str().unwrap();
        let approval = admin.get(&format!("/approvals/{id}")).await.json();
        (run, approval)
    }

    fn paid(&self) -> Vec<u32> {
        self.paid.lock().unwrap().iter().map(|(amount, _)| *amount).collect()
    }
}

fn decision(approval: &Value, decision: &str) -> Value {
    json!({"decision": decision, "arguments_hash": approval["arguments_hash"]})
}

async fn decide(client: &Client, approval: &Value, body: Value) -> crate::harness::Reply {
    client.post(&format!("/approvals/{}", approval["id"].as_str().unwrap()), body).await
}

async fn end(client: &Client, run: &Value) -> Value {
    client.get(&format!("/runs/{}/wait", run["id"].as_str().unwrap())).await.json()
}

/// What the model was told of its call.
fn told(run: &TestServer) -> Value {
    let body = run.model.last_request().body;
    let content = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    serde_json::from_str(content.as_str().unwrap()).unwrap()
}

on_both! {
    async fn a_call_waits_for_its_approval(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;

        let (run, approval) = shop.ask(json!({"amount": 40})).await;

        assert_eq!((&run["status"], shop.paid()), (&json!("suspended"), vec![]));
        let mut shown = approval.clone();
        for id in ["id", "run_id"] {
            assert!(shown[id].take().is_string());
        }
        expect![[r#"
            {
              "arguments": {
                "amount": 40
              },
              "arguments_hash": "sha256:f78a55155e8c087f90016b4b8d51cb68fec992a9587a2a25b8f8307c9b01dd6f",
              "call_id": "call_1",
              "created_at": "2026-11-25T10:00:00Z",
              "decided_at": null,
              "decided_by": null,
              "expires_at": "2026-11-26T10:00:00Z",
              "id": null,
              "kind": "tool_call",
              "message": null,
              "on_timeout": "reject",
              "payload_schema": null,
              "reason": null,
              "requested_by": "client:admin",
              "required_scope": "approval.decide",
              "run_id": null,
              "status": "pending",
              "step": "1",
              "tool": {
                "name": "pay",
                "version": null
              }
            }"#]].assert_eq(&format!("{shown:#}"));
        let listed = admin.get("/approvals?status=pending").await.json();
        assert_eq!(listed["data"], json!([approval]));
        let decided = decide(&admin, &approval, decision(&approval, "approve")).await;
        assert_eq!((decided.status, &decided.json()["status"]), (200, &json!("approved")));
        let ended = end(&admin, &run).await;
        assert_eq!((&ended["status"], &ended["output"]["text"]), (&json!("succeeded"), &json!("It is done.")));
        assert_eq!((shop.paid(), told(&shop.server)), (vec![40], json!({"paid": 40})));
        assert_eq!(admin.get("/approvals?status=pending").await.json()["data"], json!([]));
    }

    async fn only_what_the_predicate_says_needs_approval(server: TestServer) {
        let large = json!({"op": "gte", "left": {"$": "/arguments/amount"}, "right": 100});
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": {"when": large}})).await;
        let admin = shop.server.admin().await;
        shop.server.model.reply(Reply::text("").call("pay", json!({"amount": 99})));
        shop.server.model.reply(Reply::text("Paid."));

        let run = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await;

        assert_eq!((run.status, shop.paid()), (200, vec![99]));
        shop.ask(json!({"amount": 100})).await;
    }

    async fn a_rejection_tells_the_model_why(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;

        let mut body = decision(&approval, "reject");
        body["reason"] = json!("not today");
        decide(&admin, &approval, body).await;

        assert_eq!(end(&admin, &run).await["status"], "succeeded");
        assert_eq!(told(&shop.server), json!({"error": "the call was not approved: not today"}));
        assert_eq!(shop.paid(), Vec::<u32>::new());
    }

    async fn an_approval_with_other_arguments_is_checked_and_recorded(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;
        let mut body = decision(&approval, "approve");

        body["arguments"] = json!({"amount": "all"});
        decide(&admin, &approval, body.clone()).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "bad_arguments",
                  "detail": "\"all\" is not of type \"integer\" (at `/amount`)",
                  "pointer": "/arguments"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        body["arguments"] = json!({"amount": 5});
        assert_eq!(decide(&admin, &approval, body).await.status, 200);

        end(&admin, &run).await;
        assert_eq!(shop.paid(), [5]);
        let events = admin.get(&format!("/runs/{}/events", run["id"].as_str().unwrap())).await.json();
        let find = |name: &str| events["data"].as_array().unwrap().iter().find(|it| it["type"] == name).unwrap()["data"].clone();
        assert_eq!(find("approval.requested")["arguments"], json!({"amount": 40}));
        assert_eq!(find("tool.started")["arguments"], json!({"amount": 5}));
        assert_ne!(find("tool.started")["arguments_hash"], approval["arguments_hash"]);
    }

    async fn of_a_hundred_decisions_one_counts(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;

        let decisions = (0..100).map(|n| {
            let word = if n % 2 == 0 { "approve" } else { "reject" };
            decide(&admin, &approval, decision(&approval, word))
        });
        let replies = join_all(decisions).await;

        let mut counts = std::collections::BTreeMap::new();
        for reply in &replies {
            let slug = reply.json()["type"].as_str().unwrap_or("approval").to_owned();
            *counts.entry((reply.status, slug)).or_insert(0) += 1;
        }
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [((200, "approval".to_owned()), 1), ((409, "/problems/approval-decided".to_owned()), 99)]
        );
        end(&admin, &run).await;
        let approved = replies.iter().any(|it| it.json()["status"] == json!("approved"));
        assert_eq!(shop.paid().len(), usize::from(approved));
    }

    async fn what_was_not_looked_at_is_not_approved(server: TestServer) {
        let terms = json!({"approval": "always", "approver_scope": "secret.write"});
        let shop = Shop::open(server.app.db.dialect(), terms).await;
        let (_, approval) = shop.ask(json!({"amount": 40})).await;
        let admin = shop.server.admin().await;

        let blind = json!({"decision": "approve", "arguments_hash": "sha256:00"});
        let reply = decide(&admin, &approval, blind).await;
        assert_eq!((reply.status, &reply.json()["type"]), (409, &json!("/problems/approval-changed")));
        let clerk = shop.server.client("approval.decide").await;
        let reply = decide(&clerk, &approval, decision(&approval, "approve")).await;
        assert_eq!((reply.status, &reply.json()["required_scope"]), (403, &json!("secret.write")));
        let reader = shop.server.client("approval.read").await;
        assert_eq!(decide(&reader, &approval, decision(&approval, "approve")).await.status, 403);
        let reply = decide(&admin, &approval, decision(&approval, "retry")).await;
        assert_eq!(reply.json()["errors"][0]["pointer"], "/decision");
        assert_eq!(shop.paid(), Vec::<u32>::new());
    }

    async fn a_decision_may_name_all_members_and_no_payload_yet(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;
        let mut body = decision(&approval, "approve");
        let rest = json!({"arguments": null, "payload": {"a": 1}, "result": null, "reason": null});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());

        let refused = decide(&admin, &approval, body.clone()).await;
        body["payload"] = Value::Null;
        let decided = decide(&admin, &approval, body).await;

        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/payload")));
        assert_eq!(decided.status, 200, "{}", decided.text);
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
    }

    async fn what_nobody_decides_in_time_may_be_made_or_end_the_run(server: TestServer) {
        for (then, status, paid) in [("approve", "succeeded", vec![40]), ("fail", "failed", vec![])] {
            let approval = json!({"approval": "always", "approval_timeout_ms": 1_000, "on_timeout": then});
            let shop = Shop::open(server.app.db.dialect(), approval).await;
            let (run, approval) = shop.ask(json!({"amount": 40})).await;

            shop.server.app.clock.advance(Duration::from_secs(2));

            let admin = shop.server.admin().await;
            while end(&admin, &run).await["status"] == "suspended" {}
            assert_eq!(end(&admin, &run).await["status"], status, "{then}");
            assert_eq!(shop.paid(), paid, "{then}");
            let id = approval["id"].as_str().unwrap();
            assert_eq!(admin.get(&format!("/approvals/{id}")).await.json()["status"], "expired");
        }
    }

    async fn what_nobody_decides_in_time_is_rejected(server: TestServer) {
        let terms = json!({"approval": "always", "approval_timeout_ms": 60_000});
        let shop = Shop::open(server.app.db.dialect(), terms).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;

        shop.server.app.clock.advance(Duration::from_secs(61));

        let late = decide(&admin, &approval, decision(&approval, "approve")).await;
        assert_eq!((late.status, &late.json()["type"]), (409, &json!("/problems/approval-expired")));
        shop.server.model.wait_received(2).await;
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
        let error = json!({"error": "the call was not approved: nobody has decided in time"});
        assert_eq!((told(&shop.server), shop.paid()), (error, vec![]));
        let id = approval["id"].as_str().unwrap();
        assert_eq!(admin.get(&format!("/approvals/{id}")).await.json()["status"], "expired");
    }

    async fn a_run_above_has_its_time_left_when_a_person_took_his(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let (admin, model) = (shop.server.admin().await, &shop.server.model);
        let boss = json!({"name": "boss", "display_name": "Boss", "instructions": "Ask.",
            "model": "openai/fake", "agents": ["support"]});
        assert_eq!(admin.post("/agents/definitions", boss).await.status, 201);
        model.reply(Reply::text("").call("ask_support", json!({"input": "Pay 40!"})));
        model.reply(Reply::text("").call("pay", json!({"amount": 40})));
        model.reply(Reply::text("Paid."));
        model.reply(Reply::text("It is done."));
        let body = json!({"input": "Pay!", "background": true});
        let run = admin.post("/agents/boss/execute", body).await.json();
        let status = async || {
            let path = format!("/runs/{}", run["id"].as_str().unwrap());
            admin.get(&path).await.json()["status"].clone()
        };
        while admin.get("/approvals").await.json()["data"] == json!([]) || status().await != "waiting" {}
        let approval = admin.get("/approvals").await.json()["data"][0].clone();

        shop.server.app.clock.advance(Duration::from_hours(1));

        let admin = shop.server.admin().await;
        assert_eq!(decide(&admin, &approval, decision(&approval, "approve")).await.status, 200);
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
        assert_eq!(shop.paid(), [40]);
    }

    async fn what_a_failed_run_has_paid_stands_in_its_thread(server: TestServer) {
        let terms = json!({"approval": {"when": {"op": "gt", "left": {"$": "/arguments/amount"}, "right": 100}},
            "approval_timeout_ms": 60_000, "on_timeout": "fail"});
        let shop = Shop::open(server.app.db.dialect(), terms).await;
        let (admin, model) = (shop.server.admin().await, &shop.server.model);
        let thread = admin.post("/threads", json!({})).await.json()["id"].clone();
        let calls = Reply::text("").call("pay", json!({"amount": 40})).call("pay", json!({"amount": 400}));
        model.reply(calls);
        let body = json!({"input": "Pay both!", "thread_id": thread});
        let run = admin.post("/agents/support/execute", body).await.json();
        shop.server.app.clock.advance(Duration::from_secs(61));
        while end(&admin, &run).await["status"] == "suspended" {}
        assert_eq!(end(&admin, &run).await["status"], "failed");

        model.reply(Reply::text("One is paid."));
        let body = json!({"input": "Did you?", "thread_id": thread});
        assert_eq!(admin.post("/agents/support/execute", body).await.status, 200);

        let body = model.last_request().body;
        let messages = body["messages"].as_array().unwrap();
        let results: Vec<_> = messages.iter().filter(|it| it["role"] == "tool").map(|it| &it["content"]).collect();
        let late = r#"{"error":"nobody has decided on the call of `pay` in time"}"#;
        assert_eq!(results, [r#"{"paid":40}"#, late]);
        assert_eq!(shop.paid(), [40]);
    }

    async fn a_run_that_waits_can_be_canceled(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40})).await;

        admin.post(&format!("/runs/{}/cancel", run["id"].as_str().unwrap()), json!({})).await;

        assert_eq!(end(&admin, &run).await["status"], "canceled");
        let late = decide(&admin, &approval, decision(&approval, "approve")).await;
        assert_eq!((late.status, &late.json()["approval"]["status"]), (409, &json!("canceled")));
        assert_eq!(shop.paid(), Vec::<u32>::new());
    }

    async fn a_signal_that_nobody_can_read_wakes_nobody(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let leave = async |run: &Value, data: &str| {
            let (id, signal) = (run["id"].as_str().unwrap(), agent_server::app::Ids::Random.next());
            in_sql(&shop.server, &format!(
                "INSERT INTO run_signals (tenant_id, run_id, id, kind, data, created_at)
                 SELECT tenant_id, id, '{signal}', 'cancel', '{data}', created_at FROM runs WHERE id = '{id}'",
            )).await;
        };
        shop.server.model.answer_with(|request| {
            let messages = request.body["messages"].as_array().unwrap();
            if messages.iter().any(|it| it["role"] == "tool") {
                return Reply::text("It is done.");
            }
            Reply::text("").call("pay", json!({"amount": 40}))
        });
        let suspended = async || {
            let run = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await;
            assert_eq!(run.status, 202, "{}", run.text);
            run.json()
        };
        let run = suspended().await;

        leave(&run, r#"{"of_another_release":{}}"#).await;

        // Who looks at what was left later has looked at this before.
        for _ in 0..3 {
            let other = suspended().await;
            leave(&other, r#"{"cancel":{"by":"client:admin","reason":null}}"#).await;
            while end(&admin, &other).await["status"] != "canceled" {}
        }
        let path = format!("/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.json(), run);
        let approval = run["waiting_for"][0]["approval_id"].as_str().unwrap();
        let approval = admin.get(&format!("/approvals/{approval}")).await.json();
        assert_eq!(decide(&admin, &approval, decision(&approval, "approve")).await.status, 200);
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
    }

    async fn somebody_decides_what_came_of_an_unknown_effect(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "never"})).await;
        let admin = shop.server.admin().await;
        let (run, approval) = shop.ask(json!({"amount": 40, "lost": 1})).await;
        assert_eq!(approval["kind"], "unknown_effect");

        let reply = decide(&admin, &approval, decision(&approval, "approve")).await;
        assert_eq!(reply.json()["errors"][0]["detail"], "must be `retry`, `done` or `reject`");
        decide(&admin, &approval, decision(&approval, "retry")).await;
        end(&admin, &run).await;

        // The second attempt has the effect id of the first: the far side can tell.
        let paid = shop.paid.lock().unwrap().clone();
        assert_eq!((paid.len(), &paid[0].1), (2, &paid[1].1));
        assert_eq!(told(&shop.server), json!({"paid": 40}));

        let (run, approval) = shop.ask(json!({"amount": 7, "lost": 100})).await;
        let mut body = decision(&approval, "done");
        body["result"] = json!({"paid": 7, "seen": "on the statement"});
        assert_eq!(decide(&admin, &approval, body).await.status, 200);
        end(&admin, &run).await;
        assert_eq!(told(&shop.server), json!({"paid": 7, "seen": "on the statement"}));
        assert_eq!(shop.paid(), [40, 40, 7]);

        let (run, approval) = shop.ask(json!({"amount": 7, "lost": 100})).await;
        let mut body = decision(&approval, "done");
        assert_eq!(decide(&admin, &approval, body.clone()).await.status, 422);
        body["result"] = json!("on the statement");
        assert_eq!(decide(&admin, &approval, body).await.status, 200);
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
    }

    async fn who_waits_for_what_was_decided_waits_until_there_is_room_for_it(server: TestServer) {
        let settings = [("RUN_CONCURRENCY", "1")];
        let shop = Shop::open_with(server.app.db.dialect(), &settings, json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        let gate = Gate::new();
        shop.server.model.reply(Reply::text("").call("pay", json!({"amount": 40})));
        shop.server.model.reply(Reply::text("Busy.").hold("Busy", &gate));
        shop.server.model.reply(Reply::text("It is done."));
        let run = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await.json();
        let approval = admin.get("/approvals?status=pending").await.json()["data"][0].take();
        let busy = admin.post("/agents/support/execute", json!({"input": "Go", "background": true})).await;
        assert_eq!(busy.json()["status"], "running");
        let at_once = format!("/runs/{}/wait?timeout_ms=0", run["id"].as_str().unwrap());
        assert_eq!(admin.get(&at_once).await.status, 200);

        decide(&admin, &approval, decision(&approval, "approve")).await;

        assert_eq!(admin.get(&at_once).await.status, 202);
        gate.open();
        assert_eq!(end(&admin, &run).await["status"], "succeeded");
        assert_eq!(end(&admin, &busy.json()).await["status"], "succeeded");
        assert_eq!(shop.paid(), [40]);
    }

    async fn a_stream_ends_when_somebody_is_needed_and_goes_on_afterwards(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect(), json!({"approval": "always"})).await;
        let admin = shop.server.admin().await;
        shop.server.model.reply(Reply::text("").call("pay", json!({"amount": 1})));
        let gate = Gate::new();
        shop.server.model.reply(Reply::tokens(["It", " is done."]).hold("It", &gate));
        let request = admin.request("POST", "/agents/support/execute");
        let frames = admin.frames(request.json(&json!({"input": "Pay!", "stream": true}))).await;
        let last = frames.last().unwrap();
        assert_eq!((last.event.as_str(), &last.data["data"]["status"]), ("run.waiting", &json!("suspended")));

        let id = last.data["data"]["waiting_for"][0]["approval_id"].as_str().unwrap();
        let approval = admin.get(&format!("/approvals/{id}")).await.json();
        decide(&admin, &approval, decision(&approval, "approve")).await;
        gate.open();
        let path = format!("/runs/{}/events?after={}", approval["run_id"].as_str().unwrap(), last.id);
        let rest = admin.frames(admin.request("GET", &path)).await;

        let names: Vec<_> = rest.iter().map(|it| it.event.as_str()).filter(|it| *it != "text.delta").collect();
        expect![[r#"
            run.resumed
            approval.decided
            tool.started
            tool.finished
            step.finished
            step.started
            model.started
            model.finished
            step.finished
            run.finished"#]].assert_eq(&names.join("\n"));
        let text: String = rest.iter().map(Frame::delta).collect();
        assert_eq!(text, "It is done.");
    }
}

/// A cashier in code who may pay small amounts by himself, and a boss who may ask him.
fn in_code() -> Builder {
    let large = json!({"op": "gte", "left": {"$": "/arguments/amount"}, "right": 100});
    let cashier = Agent::new("cashier").instructions("Pay.").model("demo/scripted");
    let boss = Agent::new("boss").instructions("Ask.").model("demo/scripted").agent("cashier");
    App::builder()
        .tool(pay(Paid::default()))
        .agent(cashier.tool_with_approval("pay", Approval::When(large)))
        .agent(boss)
}

on_both! {
    with in_code;

    async fn agents_in_code_need_approval_and_ask_each_other_too(server: TestServer) {
        let admin = server.admin().await;
        let small = r#"use tool pay with {"amount": 99}"#;
        let body = json!({"input": format!("use tool ask_cashier with {}", json!({"input": small}))});

        let run = admin.post("/agents/boss/execute", body).await;
        assert_eq!(run.status, 200, "{:#}", run.json());
        let body = json!({"input": r#"use tool pay with {"amount": 100}"#});
        let run = admin.post("/agents/cashier/execute", body).await;
        assert_eq!((run.status, &run.json()["status"]), (202, &json!("suspended")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_on_any_process_counts() {
    let shop = Shop::open(Dialect::Postgres, json!({"approval": "always"})).await;
    let (run, approval) = shop.ask(json!({"amount": 40})).await;
    let (_replica, elsewhere) = shop.server.replica().await;
    let here = shop.server.admin().await;

    let both = [&here, &elsewhere].map(|it| decide(it, &approval, decision(&approval, "approve")));
    let mut statuses: Vec<_> = join_all(both).await.iter().map(|it| it.status).collect();
    statuses.sort_unstable();

    assert_eq!(statuses, [200, 409]);
    assert_eq!(end(&here, &run).await["status"], "succeeded");
    assert_eq!(end(&elsewhere, &run).await["output"]["text"], "It is done.");
    assert_eq!(shop.paid(), [40]);
}
