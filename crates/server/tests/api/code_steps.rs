//! Steps of workflows that are functions of the program.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::Progress;
use agent_server::Step;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

#[expect(dead_code, reason = "a test has a `main` of its own")]
#[path = "../../examples/checkout.rs"]
mod checkout;

const DEFINITIONS: &str = "/workflows/definitions";

async fn create(client: &Client, name: &str, steps: Value) -> Value {
    let reply = client.post(DEFINITIONS, json!({"name": name, "steps": steps})).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json()["problems"], json!([]), "{}", reply.text);
    reply.json()
}

async fn execute(client: &Client, name: &str, input: Value) -> Value {
    client.post(&format!("/workflows/{name}/execute"), json!({"input": input})).await.json()
}

/// Begins a run in the background, and says where it is.
async fn begin(client: &Client, name: &str) -> String {
    let reply =
        client.post(&format!("/workflows/{name}/execute"), json!({"background": true})).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.header("location").unwrap().to_owned()
}

async fn events(client: &Client, run: &Value) -> Vec<Value> {
    let path = format!("/runs/{}/events?limit=200", run["id"].as_str().unwrap());
    client.get(&path).await.json()["data"].as_array().unwrap().clone()
}

/// Places, codes and details.
fn faults(reply: &Value) -> String {
    let fault = |it: &Value| {
        let text = |member: &str| it[member].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("pointer"), text("code"), text("detail"))
    };
    let faults = reply["errors"].as_array().unwrap_or_else(|| panic!("{reply:#}"));
    faults.iter().map(fault).collect::<Vec<_>>().join("\n")
}

fn one(step: &str) -> Value {
    json!([{"id": "a", "type": "step", "step": step}])
}

on_both! {
    with checkout::server;

    async fn the_steps_of_the_example_are_called_by_a_workflow(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "checkout", json!([
            {"id": "price", "type": "step", "step": "price"},
            {"id": "charge", "type": "step", "step": "Charge", "timeout_ms": 10_000},
            {"id": "tell", "type": "step", "step": "tell", "retry": {"max": 3}}])).await;

        let order = json!({"items": [{"name": "tea", "cents": 450, "count": 2}, {"name": "cup", "cents": 5, "count": 1}]});
        let run = execute(&admin, "checkout", order).await;

        assert_eq!(run["output"], "client:admin has paid 9.05", "{run:#}");
        let log = events(&admin, &run).await;
        let of = |name: &str| log.iter().filter(|it| it["type"] == name).map(|it| it["data"].clone()).collect::<Vec<_>>();
        let kinds: Vec<_> = of("step.started").iter().map(|it| (it["kind"].clone(), it["name"].clone())).collect();
        assert_eq!(kinds, [(json!("step"), json!("price")), (json!("step"), json!("Charge")), (json!("step"), json!("tell"))]);
        let calls: Vec<_> = of("tool.started").iter().map(|it| format!("{} {} {}", it["call_id"], it["tool"], it["effect"])).collect();
        assert_eq!(calls, [r#""price" "price" "read""#, r#""charge" "Charge" "effect""#, r#""tell" "tell" "idempotent""#]);
        let charged = &of("tool.finished")[1]["result"];
        assert_eq!((&charged["cents"], &charged["reference"]), (&json!(905), &of("tool.started")[1]["effect_id"]));
        // No model may call them, nor anybody alone.
        assert_eq!(admin.get("/tools/definitions/charge").await.status, 404);
        assert_eq!(admin.post("/tools/charge/execute", json!({})).await.status, 404);

        // What a step says is wrong, and what its schema does.
        let free = execute(&admin, "checkout", json!({"items": []})).await;
        assert_eq!(free["run"]["error"]["message"], "there is nothing to pay");
        let wrong = execute(&admin, "checkout", json!({"items": [{"name": "tea"}]})).await;
        assert_eq!(wrong["run"]["error"]["message"], r#""cents" is a required property (at `/items/0`); "count" is a required property (at `/items/0`)"#);
    }

    async fn the_steps_of_the_program_are_listed_for_who_writes_workflows(server: TestServer) {
        let reply = server.admin().await.get("/workflows/code/steps").await;

        assert_eq!(reply.status, 200, "{}", reply.text);
        let list = reply.json()["data"].as_array().unwrap().clone();
        let names: Vec<_> = list.iter().map(|it| (&it["name"], &it["effect"])).collect();
        assert_eq!(names, [(&json!("charge"), &json!("effect")), (&json!("price"), &json!("read")), (&json!("tell"), &json!("idempotent"))]);
        assert_eq!(list[1]["input_schema"]["required"], json!(["items"]));
        assert!(list[1]["output_schema"]["properties"].is_object(), "{}", list[1]);
        let runner = server.client("workflow.read workflow.execute").await;
        assert_eq!(runner.get("/workflows/code/steps").await.status, 403);
    }

    async fn a_step_that_there_is_not_is_refused_with_its_place(server: TestServer) {
        let admin = server.admin().await;
        let steps = json!([
            {"id": "a", "type": "step", "step": "prise"},
            {"id": "b", "type": "foreach", "items": [1], "do": [{"id": "c", "type": "step", "step": "charge", "retry": {"max": 1}}]},
            {"id": "d", "type": "tool", "tool": "price"},
        ]);

        let refused = admin.post(DEFINITIONS, json!({"name": "w", "steps": steps})).await;
        let shape = admin.post(DEFINITIONS, json!({"name": "w", "steps": [{"id": "a", "type": "step", "version": 1}]})).await;

        expect![[r#"
            /steps/0/step unknown_code_step: the program has no step `prise`; it has `charge`, `price`, `tell`
            /steps/1/do/0/retry/max out_of_range: must be 0: a call that has effects is never made again
            /steps/2/tool unknown_tool: no tool is named `price`"#]].assert_eq(&faults(&refused.json()));
        expect![[r#"
            /steps/0/step missing_member: is required
            /steps/0/version unknown_member: there is no such member here; there are id, type, step, input, timeout_ms, retry, on_error, compensate, depends_on"#]].assert_eq(&faults(&shape.json()));
    }

    async fn another_release_without_the_step_says_so(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "checkout", json!([{"id": "price", "type": "step", "step": "price", "on_error": "continue"},
            {"id": "why", "type": "mapping", "output": {"$": "/steps/price/error/message"}}])).await;
        let (_app, other) = server.replica_of(App::builder()).await;

        let problems = other.get(&format!("{DEFINITIONS}/checkout")).await.json()["problems"].clone();

        expect![[r#"[{"code":"unknown_code_step","detail":"the program has no step `price`, nor any other","pointer":"/steps/0/step"}]"#]].assert_eq(&problems.to_string());
        let reply = other.post("/workflows/checkout/execute", json!({})).await;
        assert_eq!((reply.status, &reply.json()["type"]), (422, &json!("/problems/workflow-invalid")));
        let run = execute(&admin, "checkout", json!({"items": []})).await;
        assert_eq!(run["status"], "succeeded", "{run:#}");
    }
}

#[derive(Deserialize, JsonSchema)]
struct How {
    how: String,
}

#[derive(Serialize, JsonSchema)]
struct Ended {
    ended: String,
}

/// How often each entry made its call.
type Made = Arc<Mutex<HashMap<String, u32>>>;

/// Steps that end as they are told to, and count their calls.
fn endings(made: &Made) -> Builder {
    let function = || {
        let made = Arc::clone(made);
        move |call: ToolContext, How { how }: How| {
            let made = Arc::clone(&made);
            async move {
                let count = {
                    let mut made = made.lock().unwrap();
                    let entry = call.call_id.split('#').next().unwrap().to_owned();
                    let count = made.entry(entry).or_default();
                    *count += 1;
                    *count
                };
                match how.as_str() {
                    "refused" => Err(ToolFailure::failed("the far side said no")),
                    "second" if count == 1 => Err(ToolFailure::failed("not the first time")),
                    "lost" => Err(ToolFailure::unknown("the line was cut")),
                    "panic" => panic!("a mistake in a step"),
                    "slow" => pending().await,
                    _ => Ok(Ended { ended: how }),
                }
            }
        }
    };
    let (patience, pause) = (Duration::from_millis(30), Duration::from_millis(1));
    App::builder()
        .step(Step::read("look", "Looks.", function()).timeout(patience))
        .step(Step::read("again", "Looks again.", function()).retry(1, pause))
        .step(Step::idempotent("put", "Puts.", function()).timeout(patience))
        .step(Step::effect("pay", "Pays.", function()).timeout(patience).scope("secret.write"))
}

on_both! {
    async fn a_step_ends_as_its_class_says(server: TestServer) {
        let made = Made::default();
        let code = Arc::clone(&made);
        let server = TestServer::start_code(server.app.db.dialect(), &[], move || endings(&code)).await;
        let admin = server.admin().await;
        for step in ["look", "again", "put", "pay"] {
            create(&admin, step, one(step)).await;
        }
        create(&admin, "patient", json!([{"id": "a", "type": "step", "step": "look", "retry": {"max": 2, "backoff_ms": 0}}])).await;

        let mut ends = Vec::new();
        for (name, how) in [("look", "well"), ("look", "refused"), ("look", "panic"), ("look", "slow"), ("again", "second"), ("patient", "second"), ("pay", "refused")] {
            made.lock().unwrap().clear();
            let run = execute(&admin, name, json!({"how": how})).await;
            let end = if run["status"] == "succeeded" { run["output"].to_string() } else { run["run"]["error"]["message"].to_string() };
            let calls: u32 = made.lock().unwrap().values().sum();
            ends.push(format!("{name} {how}: {end}, {calls} calls"));
        }
        expect![[r#"
            look well: {"ended":"well"}, 1 calls
            look refused: "the far side said no", 1 calls
            look panic: "the tool broke down", 1 calls
            look slow: "the tool did not answer within 30 ms", 1 calls
            again second: {"ended":"second"}, 2 calls
            patient second: {"ended":"second"}, 2 calls
            pay refused: "the far side said no", 1 calls"#]].assert_eq(&ends.join("\n"));

        // Of what may have had an effect a person says what came of it.
        made.lock().unwrap().clear();
        let reply = admin.post("/workflows/pay/execute", json!({"input": {"how": "lost"}})).await;
        assert_eq!((reply.status, &reply.json()["status"]), (202, &json!("suspended")), "{}", reply.text);
        let asked = admin.get("/approvals?status=pending").await.json()["data"][0].clone();
        assert_eq!((&asked["kind"], &asked["tool"]["name"]), (&json!("unknown_effect"), &json!("pay")));
        let wish = json!({"decision": "done", "arguments_hash": asked["arguments_hash"], "result": {"ended": "by hand"}});
        admin.post(&format!("/approvals/{}", asked["id"].as_str().unwrap()), wish).await;
        let run = admin.get(&format!("{}/wait", reply.header("location").unwrap())).await.json();
        assert_eq!((&run["output"], made.lock().unwrap().values().sum::<u32>()), (&json!({"ended": "by hand"}), 1), "{run:#}");
    }

    async fn a_step_is_for_who_holds_its_scopes(server: TestServer) {
        let server = TestServer::start_code(server.app.db.dialect(), &[], || endings(&Made::default())).await;
        let admin = server.admin().await;
        create(&admin, "pay", one("pay")).await;

        let caller = server.client("workflow.execute").await;
        let run = execute(&caller, "pay", json!({"how": "well"})).await;
        let author = server.client("workflow.write").await;
        let refused = author.post(DEFINITIONS, json!({"name": "other", "steps": one("pay")})).await;

        assert_eq!(run["run"]["error"]["message"], "the caller may not use the step `pay`");
        expect!["/steps/0/step missing_scope: its use needs the scope `secret.write`, which you do not hold"].assert_eq(&faults(&refused.json()));
    }

    async fn a_step_makes_up_for_another_and_hears_that_nobody_waits(server: TestServer) {
        let (came, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let signs = (Arc::clone(&came), Arc::clone(&told));
        let code = move || {
            let signs = signs.clone();
            let wait = move |call: ToolContext, _: Value| {
                let (came, told) = signs.clone();
                async move {
                    let abandoned = call.abandoned.clone();
                    #[expect(clippy::disallowed_methods, reason = "it outlives its call")]
                    tokio::spawn(async move {
                        abandoned.cancelled().await;
                        told.notify_one();
                    });
                    call.report(Progress::new(1.0).of(3.0).saying("a third is done"));
                    came.notify_one();
                    pending::<Result<(), ToolFailure>>().await
                }
            };
            let made = Arc::new(Mutex::new(Vec::new()));
            let undo = move |_: ToolContext, what: String| {
                made.lock().unwrap().push(what.clone());
                async move { Ok::<_, ToolFailure>(what) }
            };
            App::builder()
                .step(Step::read("wait", "Waits.", wait))
                .step(Step::effect("undo", "Undoes.", undo.clone()))
                .step(Step::effect("do", "Does.", undo))
        };
        let server = TestServer::start_code(server.app.db.dialect(), &[], code).await;
        let admin = server.admin().await;
        create(&admin, "both", json!([
            {"id": "do", "type": "step", "step": "do", "input": "a", "compensate": {"id": "undo", "type": "step", "step": "undo", "input": {"$template": "not {{ steps.do.output }}"}}},
            {"id": "no", "type": "fail", "message": "no"}])).await;
        create(&admin, "wait", one("wait")).await;

        let run = execute(&admin, "both", json!({})).await["run"].clone();
        let path = begin(&admin, "wait").await;
        came.notified().await;
        let said = admin.stored(&path, "tool.progress", 1).await.pop().unwrap();
        assert_eq!((&said["data"]["call_id"], &said["data"]["message"]), (&json!("a"), &json!("a third is done")));
        admin.post(&format!("{path}/cancel"), json!({})).await;
        told.notified().await;

        let log = events(&admin, &run).await;
        let done: Vec<_> = log.iter().filter(|it| it["type"] == "tool.finished").map(|it| it["data"]["result"].clone()).collect();
        assert_eq!(done, [json!("a"), json!("not a")], "{run:#}");
        assert_eq!(admin.get(&format!("{path}/wait")).await.json()["status"], "canceled");
    }

    async fn what_a_step_gave_is_never_asked_for_again(server: TestServer) {
        let made = Made::default();
        let code = Arc::clone(&made);
        let server = TestServer::start_code(server.app.db.dialect(), &[], move || endings(&code)).await;
        let admin = server.admin().await;
        let how = |how: &str| json!({"how": how});
        create(&admin, "all", json!([
            {"id": "look", "type": "step", "step": "look", "input": how("looked")},
            {"id": "put", "type": "step", "step": "put", "input": how("put")},
            {"id": "pay", "type": "step", "step": "pay", "input": how("paid")},
            {"id": "all", "type": "mapping", "output": [{"$": "/steps/look/output"}, {"$": "/steps/put/output"}, {"$": "/steps/pay/output"}]}])).await;
        let whole = execute(&admin, "all", json!({})).await;
        assert_eq!(whole["output"], json!([{"ended": "looked"}, {"ended": "put"}, {"ended": "paid"}]), "{whole:#}");
        let log = events(&admin, &whole).await;
        let id = whole["id"].as_str().unwrap();
        in_sql(&server, &format!("CREATE TABLE kept AS SELECT * FROM run_events WHERE run_id = '{id}'")).await;

        for cut in 1..log.len() {
            made.lock().unwrap().clear();
            // As it is when the process died that had just stored this event.
            in_sql(&server, &format!(
                "BEGIN;
                 DELETE FROM approvals WHERE run_id = '{id}';
                 DELETE FROM run_events WHERE run_id = '{id}';
                 INSERT INTO run_events SELECT * FROM kept WHERE seq <= {cut};
                 UPDATE runs SET status = 'running', worker_id = NULL, output = NULL, error = NULL,
                 finished_at = NULL, last_seq = {cut} WHERE id = '{id}';
                 COMMIT",
            )).await;
            let ended = end(&admin, &format!("/runs/{id}")).await;

            let place = format!("cut after event {cut}, {}: {ended:#}", log[cut - 1]["type"]);
            for member in ["status", "output", "error", "steps"] {
                assert_eq!(ended[member], whole[member], "{place}");
            }
            assert_eq!(events(&admin, &whole).await[..cut], log[..cut], "{place}");
            let is_recorded = |call: &&str| {
                let is_it = |it: &Value| it["type"] == "tool.finished" && it["data"]["call_id"] == *call;
                log[..cut].iter().any(is_it)
            };
            let mut made: Vec<_> = made.lock().unwrap().clone().into_iter().collect();
            made.sort();
            let expected: Vec<_> = ["look", "pay", "put"].into_iter().filter(|call| !is_recorded(call)).map(|it| (it.to_owned(), 1)).collect();
            assert_eq!(made, expected, "{place}");
        }
    }
}

/// The end of a run. If somebody must say what came of a lost effect, he wants it made again.
async fn end(client: &Client, path: &str) -> Value {
    loop {
        let run = client.get(&format!("{path}/wait")).await.json();
        match run["status"].as_str().unwrap() {
            "suspended" => {
                let id = run["waiting_for"][0]["approval_id"].as_str().unwrap();
                let approval = client.get(&format!("/approvals/{id}")).await.json();
                let hash = &approval["arguments_hash"];
                let retry = json!({"decision": "retry", "arguments_hash": hash});
                client.post(&format!("/approvals/{id}"), retry).await;
            }
            "succeeded" | "failed" | "canceled" | "timed_out" => return run,
            _ => {}
        }
    }
}
