//! `POST /runs/{id}/fork` and `/retry` of runs of workflows.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_server::App;
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
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::workflow_runs::begin;
use crate::workflow_runs::create;
use crate::workflow_runs::end;
use crate::workflow_runs::events;
use crate::workflow_runs::log;
use crate::workflow_runs::of;
use crate::workflow_runs::once;

#[derive(Deserialize, JsonSchema)]
struct Pay {
    amount: i64,
}

/// A server whose tool `pay` has an effect, and fails as long as its far side does.
struct Shop {
    server: TestServer,
    admin: Client,
    paid: Arc<Mutex<Vec<i64>>>,
    fails: Arc<AtomicBool>,
}

impl Shop {
    async fn open(dialect: Dialect) -> Self {
        let (paid, fails) = (Arc::<Mutex<Vec<i64>>>::default(), Arc::<AtomicBool>::default());
        let (book, far_side) = (Arc::clone(&paid), Arc::clone(&fails));
        let code = move || -> Builder {
            let (book, far_side) = (Arc::clone(&book), Arc::clone(&far_side));
            let pay = move |_: ToolContext, Pay { amount }: Pay| {
                let (book, far_side) = (Arc::clone(&book), Arc::clone(&far_side));
                async move {
                    if amount > 1 && far_side.load(Ordering::Relaxed) {
                        return Err(ToolFailure::failed("the bank is closed"));
                    }
                    book.lock().unwrap().push(amount);
                    Ok(json!({"paid": amount}))
                }
            };
            App::builder().tool(Tool::effect("pay", "Pays.", pay))
        };
        let server = TestServer::start_code(dialect, &[], code).await;
        let admin = server.admin().await;
        Self { server, admin, paid, fails }
    }

    /// What was paid since the last look.
    fn paid(&self) -> Vec<i64> {
        std::mem::take(&mut *self.paid.lock().unwrap())
    }

    /// Begins a fork or a retry, and says where it is.
    async fn accepted(&self, place: &str, body: Value) -> String {
        let reply = self.admin.post(place, body).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.header("location").unwrap().to_owned()
    }

    async fn fork(&self, path: &str, body: Value) -> String {
        self.accepted(&format!("{path}/fork"), body).await
    }
}

fn pays() -> Value {
    json!([
        {"id": "one", "type": "tool", "tool": "pay", "input": {"amount": 1}},
        {"id": "two", "type": "tool", "tool": "pay", "input": {"amount": 2}},
        {"id": "sum", "type": "mapping", "output": [{"$": "/steps/one/output/paid"}, {"$": "/steps/two/output/paid"}, {"$": "/input"}]}
    ])
}

/// The pointers and codes of what is refused.
async fn refused(client: &Client, place: &str, body: Value) -> String {
    let reply = client.post(place, body).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    let errors = reply.json()["errors"].clone();
    let line = |it: &Value| {
        format!("{} {}", it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap())
    };
    errors.as_array().unwrap().iter().map(line).collect::<Vec<_>>().join("\n")
}

on_both! {
    async fn a_workflow_is_forked_from_an_entry(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        of(&shop.admin, "pays", pays()).await;
        let path = begin(&shop.admin, "pays", json!("x")).await;
        assert_eq!(end(&shop.admin, &path).await["output"], json!([1, 2, "x"]));
        assert_eq!(shop.paid(), [1, 2]);

        let fork = shop.fork(&path, json!({"from_step": "two"})).await;
        let run = end(&shop.admin, &fork).await;
        assert_eq!((&run["output"], &run["kind"]), (&json!([1, 2, "x"]), &json!("workflow")));
        assert_eq!(run["forked_from"], path.trim_start_matches("/runs/"));
        assert_eq!(shop.paid(), [2]);
        expect![[r#"
            run.started
            step.started one
            tool.started one
            tool.finished one
            step.finished one
            run.resumed fork
            step.started two
            tool.started two
            tool.finished two
            step.finished two
            step.started sum
            step.finished sum
            run.finished"#]].assert_eq(&log(&shop.admin, &fork).await);

        // What is given counts, also in a fork of the fork; the other runs stay as they are.
        let again = shop.fork(&fork, json!({"from_step": "sum", "overrides": {"one": {"paid": 100}}})).await;
        assert_eq!(end(&shop.admin, &again).await["output"], json!([100, 2, "x"]));
        let again = shop.fork(&again, json!({"from_step": "two", "overrides": {"two": {"paid": 200}}})).await;
        assert_eq!(end(&shop.admin, &again).await["output"], json!([100, 200, "x"]));
        assert_eq!(shop.paid(), [0; 0]);
        assert_eq!(end(&shop.admin, &path).await["output"], json!([1, 2, "x"]));

        // By an event, and with another input where nothing is taken over.
        let events = events(&shop.admin, &path).await;
        let seq = events.iter().find(|it| it["data"]["step"] == "sum").unwrap()["seq"].clone();
        let fork = shop.fork(&path, json!({"from_seq": seq, "overrides": {"two": {"paid": 20}}})).await;
        assert_eq!(end(&shop.admin, &fork).await["output"], json!([1, 20, "x"]));
        let fork = shop.fork(&path, json!({"from_step": "one", "input": "y"})).await;
        assert_eq!(end(&shop.admin, &fork).await["output"], json!([1, 2, "y"]));
        assert_eq!(shop.paid(), [1, 2]);
    }

    async fn a_retry_of_a_workflow_makes_only_what_failed(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        of(&shop.admin, "each", json!([
            {"id": "one", "type": "tool", "tool": "pay", "input": {"amount": 1}},
            {"id": "each", "type": "foreach", "items": [1, 2, 1], "do": [{"id": "pay", "type": "tool", "tool": "pay", "input": {"amount": {"$": "/item"}}}]}
        ])).await;
        shop.fails.store(true, Ordering::Relaxed);
        let path = begin(&shop.admin, "each", json!({})).await;
        once(&shop.admin, &path, "failed").await;
        assert_eq!(shop.paid(), [1, 1]);
        let retry = format!("{path}/retry");

        // As long as nothing has changed, the retry fails as well, and may be retried.
        let second = shop.accepted(&retry, json!({})).await;
        once(&shop.admin, &second, "failed").await;
        assert_eq!(shop.paid(), [0; 0]);
        shop.fails.store(false, Ordering::Relaxed);
        let third = shop.accepted(&format!("{second}/retry"), json!({})).await;
        let run = end(&shop.admin, &third).await;
        assert_eq!(run["output"], json!([{"paid": 1}, {"paid": 2}, {"paid": 1}]));
        assert_eq!(shop.paid(), [2, 1]);
        assert_eq!(shop.admin.post(&format!("{third}/retry"), json!({})).await.status, 409);

        // The same key is the same run.
        let keyed = || shop.admin.request("POST", &retry).header("idempotency-key", "k").json(&json!({}));
        let first = shop.admin.send(keyed()).await;
        assert_eq!(first.header("location"), shop.admin.send(keyed()).await.header("location"));
        end(&shop.admin, first.header("location").unwrap()).await;
        assert_eq!(shop.paid(), [2, 1]);
    }

    async fn a_run_that_makes_up_for_what_it_did_is_retried_once(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let back = |amount: i64| json!({"id": format!("back{}", -amount), "type": "tool", "tool": "pay", "input": {"amount": amount}});
        of(&shop.admin, "holds", json!([
            {"id": "hold", "type": "tool", "tool": "pay", "input": {"amount": 1}, "compensate": back(-1)},
            {"id": "bad", "type": "tool", "tool": "pay", "input": {"amount": 2}}
        ])).await;
        shop.fails.store(true, Ordering::Relaxed);
        let path = begin(&shop.admin, "holds", json!({})).await;
        once(&shop.admin, &path, "failed").await;
        assert_eq!(shop.paid(), [1, -1]);

        // Of all who want to retry it at once one does.
        let retry = format!("{path}/retry");
        let replies = join_all((0..5).map(|_| shop.admin.post(&retry, json!({})))).await;
        let (begun, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|it| it.status == 202);
        assert_eq!((begun.len(), refused.len()), (1, 4));
        let first = begun[0].header("location").unwrap().to_owned();
        for reply in &refused {
            let problem = reply.json();
            assert_eq!((reply.status, &problem["type"]), (409, &json!("/problems/run-retried")), "{}", reply.text);
            assert_eq!(format!("/runs/{}", problem["run_id"].as_str().unwrap()), first);
        }
        once(&shop.admin, &first, "failed").await;
        assert_eq!(shop.paid(), [1, -1]);
        assert_eq!(shop.admin.post(&retry, json!({})).await.status, 409);

        // That one is retried instead, and each with a key is found by it.
        let keyed = || shop.admin.request("POST", &format!("{first}/retry")).header("idempotency-key", "k").json(&json!({}));
        let replies = join_all((0..3).map(|_| shop.admin.send(keyed()))).await;
        let second = replies[0].header("location").unwrap().to_owned();
        assert!(replies.iter().all(|it| it.header("location") == Some(&second)));
        once(&shop.admin, &second, "failed").await;
        // One that was canceled is in nobody's way.
        in_sql(&shop.server, &format!("UPDATE runs SET status = 'canceled' WHERE id = '{}'", second.trim_start_matches("/runs/"))).await;
        shop.paid();
        shop.fails.store(false, Ordering::Relaxed);
        let third = shop.accepted(&format!("{first}/retry"), json!({})).await;
        end(&shop.admin, &third).await;
        assert_eq!(shop.paid(), [1, 2]);
    }

    async fn a_retry_of_a_fork_makes_up_for_what_the_fork_did(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let hold = |id: &str, back: i64| json!({"id": id, "type": "tool", "tool": "pay", "input": {"amount": 1},
            "compensate": {"id": format!("back_{id}"), "type": "tool", "tool": "pay", "input": {"amount": back}}});
        of(&shop.admin, "holds", json!([
            hold("a", -1), hold("b", -10), {"id": "bad", "type": "tool", "tool": "pay", "input": {"amount": 2}}
        ])).await;
        let path = begin(&shop.admin, "holds", json!({})).await;
        end(&shop.admin, &path).await;
        shop.fails.store(true, Ordering::Relaxed);
        let fork = shop.fork(&path, json!({"from_step": "b"})).await;
        once(&shop.admin, &fork, "failed").await;
        assert_eq!(shop.paid(), [1, 1, 2, 1, -10]);

        let retry = shop.accepted(&format!("{fork}/retry"), json!({})).await;
        once(&shop.admin, &retry, "failed").await;

        assert_eq!(shop.paid(), [1, -10]);
        let started = events(&shop.admin, &retry).await[0]["data"].clone();
        assert_eq!((&started["is_retry"], &started["foreign"]), (&json!(true), &json!(4)), "{started:#}");
    }

    async fn what_others_did_for_a_run_is_taken_over(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let admin = &shop.admin;
        shop.server.agent("support").await;
        shop.server.model.reply(Reply::text("Hello!"));
        of(admin, "other", json!([{"id": "a", "type": "mapping", "output": {"other": {"$": "/input"}}}])).await;
        of(admin, "all", json!([
            {"id": "ask", "type": "agent", "agent": "support", "input": "Hello?"},
            {"id": "below", "type": "workflow", "workflow": "other", "input": 1},
            {"id": "nap", "type": "sleep", "duration_ms": 60_000},
            {"id": "come", "type": "wait_for_event", "event": "paid"},
            {"id": "ok", "type": "approval", "message": "Go on?"},
            {"id": "out", "type": "mapping", "output": [{"$": "/steps/ask/output/text"}, {"$": "/steps/below/output"}, {"$": "/steps/come/output"}, {"$": "/previous/decision"}]}
        ])).await;
        let path = begin(admin, "all", json!({})).await;
        while once(admin, &path, "waiting").await["waiting_for"][0]["kind"] != "timer" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shop.server.app.clock.advance(Duration::from_mins(1));
        admin.post("/workflows/events", json!({"name": "paid", "payload": 7})).await;
        let suspended = once(admin, &path, "suspended").await;

        // While a person is asked, a fork asks for itself, and each is decided alone.
        let fork = shop.fork(&path, json!({"from_step": "ok"})).await;
        let asked = once(admin, &fork, "suspended").await;
        let approvals = [&suspended, &asked].map(|it| it["waiting_for"][0]["approval_id"].as_str().unwrap().to_owned());
        assert_ne!(approvals[0], approvals[1]);
        for (approval, decision) in approvals.iter().zip(["approve", "reject"]) {
            let place = format!("/approvals/{approval}");
            let hash = admin.get(&place).await.json()["arguments_hash"].clone();
            assert_eq!(admin.post(&place, json!({"decision": decision, "arguments_hash": hash})).await.status, 200);
        }
        let output = |decision: &str| json!(["Hello!", {"other": 1}, 7, decision]);
        assert_eq!(end(admin, &path).await["output"], output("approve"));
        assert_eq!(end(admin, &fork).await["output"], output("reject"));

        // After it nobody is asked, nothing is waited for, and no run is begun.
        let before = admin.get("/runs").await.json()["data"].as_array().unwrap().len();
        let fork = shop.fork(&path, json!({"from_step": "out"})).await;
        let run = end(admin, &fork).await;
        assert_eq!(run["output"], output("approve"));
        assert_eq!(run["usage"]["input_tokens"], 0);
        assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), before + 1);
        assert_eq!(admin.get("/approvals").await.json()["data"].as_array().unwrap().len(), 2);
    }

    async fn another_version_goes_on_with_what_is_recorded(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        of(&shop.admin, "pays", pays()).await;
        let path = begin(&shop.admin, "pays", json!("x")).await;
        end(&shop.admin, &path).await;
        let mut steps = pays();
        steps[2]["output"] = json!({"sum": [{"$": "/steps/one/output/paid"}, {"$": "/steps/two/output/paid"}]});
        let changed = shop.admin.put("/workflows/definitions/pays", json!({"steps": steps})).await;
        assert_eq!(changed.json()["version"], 2, "{}", changed.text);
        shop.paid();

        let old = shop.fork(&path, json!({"from_step": "sum"})).await;
        assert_eq!(end(&shop.admin, &old).await["output"], json!([1, 2, "x"]));
        let new = shop.fork(&path, json!({"from_step": "sum", "version": 2})).await;
        let run = end(&shop.admin, &new).await;
        assert_eq!((&run["output"], &run["definition"]["version"]), (&json!({"sum": [1, 2]}), &json!(2)));
        assert_eq!(shop.paid(), [0; 0]);
    }

    async fn what_is_wrong_with_a_fork_of_a_workflow_is_said(server: TestServer) {
        let shop = Shop::open(server.app.db.dialect()).await;
        let admin = &shop.admin;
        create(admin, json!({"name": "mixed", "input_schema": {"type": "integer"}, "steps": [
            {"id": "first", "type": "mapping", "output": 1},
            {"id": "each", "type": "foreach", "items": [1], "do": [{"id": "in", "type": "mapping", "output": 1}]},
            {"id": "way", "type": "conditional", "cases": [{"when": {"op": "eq", "left": {"$": "/input"}, "right": 2}, "then": [{"id": "no", "type": "mapping", "output": 1}]}]},
            {"id": "last", "type": "mapping", "output": 1}]})).await;
        let path = begin(admin, "mixed", json!(1)).await;
        end(admin, &path).await;
        let fork = format!("{path}/fork");

        expect!["/from_step unknown_entry"].assert_eq(&refused(admin, &fork, json!({"from_step": "nowhere"})).await);
        expect!["/from_step never_ran"].assert_eq(&refused(admin, &fork, json!({"from_step": "no"})).await);
        expect!["/from_step not_supported"].assert_eq(&refused(admin, &fork, json!({"from_step": "in"})).await);
        expect![[r#"
            /overrides/in not_supported
            /overrides/no never_ran
            /overrides/no~1where unknown_entry
            /overrides/last conflict"#]].assert_eq(&refused(admin, &fork, json!({"from_step": "each", "overrides": {"in": 1, "no": 1, "no/where": 1, "last": 1, "first": 2}})).await);
        expect!["/from_seq missing_member"].assert_eq(&refused(admin, &fork, json!({})).await);
        expect!["/from_seq conflict"].assert_eq(&refused(admin, &fork, json!({"from_seq": 1, "from_step": "last"})).await);
        expect!["/from_seq out_of_range"].assert_eq(&refused(admin, &fork, json!({"from_seq": 99})).await);
        expect!["/input conflict"].assert_eq(&refused(admin, &fork, json!({"from_step": "last", "input": 2})).await);
        expect!["/input wrong_type"].assert_eq(&refused(admin, &fork, json!({"from_seq": 1, "input": "x"})).await);
        expect!["/version unknown_version"].assert_eq(&refused(admin, &fork, json!({"from_seq": 1, "version": 7})).await);

        // Runs of agents have no entries.
        shop.server.agent("support").await;
        shop.server.model.reply(Reply::text("Hello!"));
        let run = admin.post("/agents/support/execute", json!({"input": "Hello?"})).await.json();
        let of_agent = format!("/runs/{}/fork", run["id"].as_str().unwrap());
        expect!["/from_step not_supported"].assert_eq(&refused(admin, &of_agent, json!({"from_step": "last"})).await);

        // Each kind takes its own right, and the run must be there for whoever forks it.
        let sees_all = |scope: &'static str| shop.server.client(scope);
        assert_eq!(sees_all("admin.read agent.execute").await.post(&fork, json!({"from_step": "last"})).await.status, 403);
        assert_eq!(sees_all("admin.read workflow.execute").await.post(&of_agent, json!({"from_seq": 1})).await.status, 403);
        assert_eq!(sees_all("admin.read workflow.execute").await.post(&fork, json!({"from_step": "last"})).await.status, 202);
        assert_eq!(sees_all("workflow.execute").await.post(&fork, json!({"from_step": "last"})).await.status, 404);
        assert_eq!(sees_all("run.read").await.post(&fork, json!({"from_step": "last"})).await.status, 403);
    }
}
