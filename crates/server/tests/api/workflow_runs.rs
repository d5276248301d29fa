//! `POST /workflows/{id}/execute`: runs of workflows, which sleep, wait for people and go on after any crash.

use std::sync::Arc;
use std::time::Duration;

use agent_server::App;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use agent_server::db::Dialect;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

const DEFINITIONS: &str = "/workflows/definitions";

pub async fn create(client: &Client, workflow: Value) -> Value {
    let reply = client.post(DEFINITIONS, workflow).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let workflow = reply.json();
    assert_eq!(workflow["problems"], json!([]), "{workflow:#}");
    workflow
}

/// A workflow of these steps.
pub async fn of(client: &Client, name: &str, steps: Value) -> Value {
    create(client, json!({"name": name, "steps": steps})).await
}

/// Begins a run in the background, and says where it is.
pub async fn begin(client: &Client, name: &str, input: Value) -> String {
    let body = json!({"input": input, "background": true});
    let reply = client.post(&format!("/workflows/{name}/execute"), body).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.header("location").unwrap().to_owned()
}

/// The run, as soon as it is so.
pub async fn once(client: &Client, path: &str, status: &str) -> Value {
    loop {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let run = reply.json();
        if run["status"] == status {
            return run;
        }
        assert_eq!(run["finished_at"], Value::Null, "not {status}: {run:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The run at its end.
pub async fn end(client: &Client, path: &str) -> Value {
    loop {
        let reply = client.get(&format!("{path}/wait?timeout_ms=10000")).await;
        assert!(reply.status < 300, "{}", reply.text);
        let run = reply.json();
        assert_ne!(run["status"], "suspended", "{run:#}");
        if run["finished_at"] != Value::Null {
            return run;
        }
    }
}

pub async fn events(client: &Client, path: &str) -> Vec<Value> {
    client.get(&format!("{path}/events?limit=200")).await.json()["data"].as_array().unwrap().clone()
}

/// The types of the events, each with the step that it is of.
pub async fn log(client: &Client, path: &str) -> String {
    let line = |event: Value| {
        let data = &event["data"];
        let of = [&data["step"], &data["call_id"], &data["timer_id"], &data["reason"]];
        let of = of.iter().find_map(|it| it.as_str()).unwrap_or_default();
        format!("{} {of}", event["type"].as_str().unwrap()).trim().to_owned()
    };
    events(client, path).await.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn tool(client: &Client, tool: Value) {
    let reply = client.post("/tools/definitions", tool).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}

/// A tool that gives `total`, and an agent.
async fn make_shop(client: &Client) {
    tool(client, json!({"name": "get_order", "description": "Finds an order.", "kind": "static",
        "input_schema": {"type": "object", "required": ["id"]}, "config": {"result": {"total": 40}}})).await;
    let agent = json!({"name": "support", "display_name": "Support", "instructions": "", "model": "openai/fake"});
    assert_eq!(client.post("/agents/definitions", agent).await.status, 201);
}

fn refund() -> Value {
    json!({
        "name": "refund",
        "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
        "steps": [
            {"id": "fetch", "type": "tool", "tool": "get_order", "input": {"id": {"$": "/input/order_id"}}},
            {"id": "route", "type": "conditional",
             "cases": [{"when": {"op": "gt", "left": {"$": "/steps/fetch/output/total"}, "right": 100},
                        "then": [{"id": "ok", "type": "approval", "message": "Refund {{ steps.fetch.output.total }}?"}]}]},
            {"id": "answer", "type": "agent", "agent": "support", "input": {"$template": "Explain the refund of {{ steps.fetch.output.total }} to {{ context.who }}."}}
        ],
        "output": {"said": {"$": "/steps/answer/output/text"}, "total": {"$": "/steps/fetch/output/total"}}
    })
}

on_both! {
    async fn a_workflow_is_executed_as_a_run(server: TestServer) {
        let admin = server.admin().await;
        make_shop(&admin).await;
        create(&admin, refund()).await;
        server.model.reply(Reply::text("It is on its way."));
        let body = json!({"input": {"order_id": "A-17"}, "context": {"who": "Ann"}, "user": "ann", "metadata": {"n": 1}});

        let reply = admin.post("/workflows/Refund/execute", body).await;

        reply.is(expect![[r#"
            200 application/json
            {
              "attempt": 2,
              "client_id": "admin",
              "created_at": "2026-11-25T10:00:00Z",
              "definition": {
                "id": "01900000-0000-7000-8000-000000000005",
                "name": "refund",
                "version": 1
              },
              "error": null,
              "finished_at": "2026-11-25T10:00:00Z",
              "forked_from": null,
              "id": "01900000-0000-7000-8000-000000000006",
              "input": {
                "order_id": "A-17"
              },
              "kind": "workflow",
              "last_seq": 14,
              "limits": {
                "max_cost_usd": null,
                "max_parallel_tool_calls": 8,
                "max_steps": 10000,
                "max_tokens": null,
                "timeout_ms": 3600000
              },
              "metadata": {
                "n": 1
              },
              "output": {
                "said": "It is on its way.",
                "total": 40
              },
              "parent_run_id": null,
              "started_at": "2026-11-25T10:00:00Z",
              "status": "succeeded",
              "steps": 3,
              "subject": "client:admin",
              "thread_id": null,
              "trigger": "api",
              "usage": {
                "cache_write_tokens": 0,
                "cached_tokens": 0,
                "cost_usd": 0.0,
                "input_tokens": 0,
                "output_tokens": 0,
                "reasoning_tokens": 0
              },
              "user": "ann",
              "waiting_for": []
            }
        "#]]);
        let path = reply.header("location").unwrap();
        expect![[r#"
            run.started
            step.started fetch
            tool.started fetch
            tool.finished fetch
            step.finished fetch
            step.started route
            step.finished route
            step.started answer
            child.started answer
            run.waiting
            run.resumed child
            child.finished
            step.finished answer
            run.finished"#]].assert_eq(&log(&admin, path).await);
        let asked = server.model.last_request().body;
        assert_eq!(asked["messages"][0]["content"], "Explain the refund of 40 to Ann.");
        let children = admin.get(&format!("/runs?parent_run_id={}", reply.json()["id"].as_str().unwrap())).await.json();
        assert_eq!((&children["data"][0]["kind"], &children["data"][0]["user"]), (&json!("agent"), &json!("ann")));
        let tree = admin.get(&format!("{path}/tree")).await.json();
        let line = |it: &Value| format!("{} {} {}", it["kind"].as_str().unwrap(), it["name"].as_str().unwrap(), it["status"].as_str().unwrap());
        let spans: Vec<_> = tree["spans"].as_array().unwrap().iter().map(line).collect();
        expect![[r#"
            run refund succeeded
            step fetch done
            tool get_order done
            step route done
            step answer done
            run support succeeded
            step 1 done
            model openai/fake done"#]].assert_eq(&spans.join("\n"));
        assert_eq!(number(&server, "SELECT count(*) FROM runs WHERE engine = CASE kind WHEN 'workflow' THEN 8 ELSE 7 END").await, 2);
    }

    async fn a_workflow_is_executed_in_every_way_that_an_agent_is(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "twice", json!([{"id": "a", "type": "mapping", "output": [{"$": "/input"}, {"$": "/input"}]}])).await;
        let twice = "/workflows/twice/execute";

        let frames = admin.frames(admin.request("POST", twice).json(&json!({"input": 1, "stream": true}))).await;
        let names: Vec<_> = frames.iter().map(|it| it.event.as_str()).collect();
        assert_eq!(names, ["run.started", "step.started", "step.finished", "run.finished"]);
        let keyed = || admin.request("POST", twice).header("idempotency-key", "k").json(&json!({"input": 2}));
        let (first, again) = (admin.send(keyed()).await, admin.send(keyed()).await);
        assert_eq!((first.json()["output"].clone(), first.json()["id"].clone()), (json!([2, 2]), again.json()["id"].clone()));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let path = begin(&admin, "twice", json!("x")).await;
        assert_eq!(end(&admin, &path).await["output"], json!(["x", "x"]));
        assert_eq!(admin.post(twice, json!({})).await.json()["output"], json!([{}, {}]));
        admin.put("/workflows/definitions/twice", json!({"steps": [{"id": "a", "type": "mapping", "output": "new"}]})).await;
        assert_eq!(admin.post(twice, json!({"version": 1, "input": 0})).await.json()["output"], json!([0, 0]));
        assert_eq!(admin.post(twice, json!({"input": 0})).await.json()["output"], "new");
        admin.post("/workflows/definitions/twice/deactivate", json!({})).await;
        assert_eq!(admin.post(twice, json!({})).await.json()["type"], "/problems/workflow-not-found");
    }

    async fn a_wrong_request_makes_no_run_of_a_workflow(server: TestServer) {
        let admin = server.admin().await;
        make_shop(&admin).await;
        create(&admin, refund()).await;
        let wrong = json!({"input": {"order_id": 7}, "limits": {"max_parallel": 9, "max_steps": 5}, "stream": true, "background": true});

        let reply = admin.post("/workflows/refund/execute", wrong).await;

        let line = |it: &Value| format!("{} {}: {}", it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap(), it["detail"].as_str().unwrap());
        let faults: Vec<_> = reply.json()["errors"].as_array().unwrap().iter().map(line).collect();
        expect![[r#"
            /stream conflict: `stream` and `background` exclude each other
            /input/order_id wrong_type: must be a string, not a number
            /limits/max_parallel out_of_range: the workflow allows at most 8"#]].assert_eq(&faults.join("\n"));
        let reader = server.client("workflow.read").await;
        assert_eq!(reader.post("/workflows/refund/execute", json!({"input": {"order_id": "a"}})).await.status, 403);
        assert_eq!(admin.get("/runs").await.json()["data"], json!([]));
    }

    async fn a_run_sleeps_without_a_process_and_wakes_on_time(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "nap", json!([
            {"id": "hour", "type": "sleep", "duration_ms": 3_600_000},
            {"id": "day", "type": "sleep_until", "until": "2026-11-26T00:00:00Z"}
        ])).await;
        let path = begin(&admin, "nap", json!({})).await;
        let run = once(&admin, &path, "waiting").await;
        assert_eq!(run["waiting_for"], json!([{"kind": "timer", "until": "2026-11-25T11:00:00Z"}]));
        assert!(server.app.runs.live(run["id"].as_str().unwrap().parse().unwrap()).is_none());

        server.app.clock.advance(Duration::from_hours(1));
        let admin = server.admin().await;
        let run = loop {
            let run = once(&admin, &path, "waiting").await;
            if run["waiting_for"][0]["until"] != "2026-11-25T11:00:00Z" { break run; }
        };
        assert_eq!(run["waiting_for"], json!([{"kind": "timer", "until": "2026-11-26T00:00:00Z"}]));
        server.app.clock.advance(Duration::from_hours(13));
        let admin = server.admin().await;
        assert_eq!(end(&admin, &path).await["status"], "succeeded");
        expect![[r#"
            run.started
            step.started hour
            timer.set hour
            run.waiting
            run.resumed timer
            timer.fired hour
            step.finished hour
            step.started day
            timer.set day
            run.waiting
            run.resumed timer
            timer.fired day
            step.finished day
            run.finished"#]].assert_eq(&log(&admin, &path).await);
    }

    async fn a_person_decides_with_a_payload(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "ask", json!([{"id": "ok", "type": "approval", "message": "Refund {{ input.total }}?", "input": {"total": {"$": "/input/total"}},
            "scope": "workflow.write", "payload_schema": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}}])).await;
        let reply = admin.post("/workflows/ask/execute", json!({"input": {"total": 140}})).await;
        assert_eq!((reply.status, reply.json()["status"].clone()), (202, json!("suspended")));
        let path = reply.header("location").unwrap();
        let approval = admin.get("/approvals").await.json()["data"][0].clone();
        expect![[r#"
            {
              "arguments": {
                "total": 140
              },
              "arguments_hash": "sha256:643dcf4f9a435bb857f70e21a8e7f151c61909b92eaba41bffc4a51aa663ac56",
              "call_id": "ok",
              "created_at": "2026-11-25T10:00:00Z",
              "decided_at": null,
              "decided_by": null,
              "expires_at": "2026-11-26T10:00:00Z",
              "id": "01900000-0000-7000-8000-000000000005",
              "kind": "step",
              "message": "Refund 140?",
              "on_timeout": "reject",
              "payload_schema": {
                "properties": {
                  "amount": {
                    "type": "number"
                  }
                },
                "required": [
                  "amount"
                ],
                "type": "object"
              },
              "reason": null,
              "requested_by": "client:admin",
              "required_scope": "workflow.write",
              "run_id": "01900000-0000-7000-8000-000000000004",
              "status": "pending",
              "step": "ok",
              "tool": {
                "name": "ok",
                "version": null
              }
            }"#]].assert_eq(&serde_json::to_string_pretty(&approval).unwrap());
        let place = format!("/approvals/{}", approval["id"].as_str().unwrap());
        assert_eq!(admin.get(&place).await.json(), approval);
        // Of the rows of runs nothing is read that need not be.
        in_sql(&server, "UPDATE runs SET metadata = '[]'").await;
        assert_eq!(admin.get("/approvals").await.json()["data"], json!([approval]));
        in_sql(&server, "UPDATE runs SET metadata = '{}'").await;
        let decide = async |more: Value| {
            let mut body = json!({"decision": "approve", "arguments_hash": approval["arguments_hash"]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            admin.post(&place, body).await
        };

        let wrong = decide(json!({})).await.json()["errors"].clone();
        assert_eq!((&wrong[0]["pointer"], &wrong[0]["code"]), (&json!("/payload"), &json!("bad_payload")));
        let wrong = decide(json!({"payload": {"amount": "x"}})).await.json()["errors"].clone();
        expect![[r#"[{"code":"bad_payload","detail":"\"x\" is not of type \"number\" (at `/amount`)","pointer":"/payload"}]"#]].assert_eq(&wrong.to_string());
        let wrong = decide(json!({"payload": {"amount": 1}, "arguments": {}})).await.json()["errors"].clone();
        assert_eq!((&wrong[0]["pointer"], &wrong[0]["code"]), (&json!("/arguments"), &json!("not_supported")));
        assert_eq!(decide(json!({"payload": {"amount": 100}})).await.json()["status"], "approved");
        assert_eq!(admin.get(&place).await.json().get("payload_schema"), Some(&Value::Null));

        let run = end(&admin, path).await;
        assert_eq!(run["output"], json!({"decision": "approve", "payload": {"amount": 100}, "by": "client:admin"}));
    }

    async fn nobody_decides_and_the_entry_or_its_policy_does(server: TestServer) {
        let admin = server.admin().await;
        let ask = |more: Value| {
            let mut entry = json!({"id": "ok", "type": "approval", "message": "Go on?"});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!([entry])
        };
        of(&admin, "patient", ask(json!({"timeout_ms": 60_000, "on_timeout": "approve"}))).await;
        of(&admin, "around", json!([{"id": "both", "type": "parallel", "timeout_ms": 60_000, "on_error": "continue", "branches": {"a": ask(json!({}))}}])).await;
        let (patient, around) = (begin(&admin, "patient", json!({})).await, begin(&admin, "around", json!({})).await);
        once(&admin, &patient, "suspended").await;
        once(&admin, &around, "suspended").await;

        server.app.clock.advance(Duration::from_mins(1));

        let run = once(&admin, &patient, "succeeded").await;
        assert_eq!(run["output"], json!({"decision": "approve", "payload": null, "by": null}));
        once(&admin, &around, "succeeded").await;
        let of = |path: &str| format!("/approvals?run_id={}", path.trim_start_matches("/runs/"));
        assert_eq!(admin.get(&of(&patient)).await.json()["data"][0]["status"], "expired");
        assert_eq!(admin.get(&of(&around)).await.json()["data"][0]["status"], "canceled");
    }

    async fn workflows_run_others_and_end_them_with_themselves(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, json!({"name": "inner", "input_schema": {"type": "object", "required": ["n"]}, "steps": [
            {"id": "nap", "type": "sleep", "duration_ms": {"$": "/input/n"}}, {"id": "out", "type": "mapping", "output": {"$": "/input"}}]})).await;
        of(&admin, "outer", json!([{"id": "each", "type": "foreach", "items": {"$": "/input"}, "concurrency": 2, "do": [
            {"id": "run", "type": "workflow", "workflow": "inner", "input": {"n": {"$": "/item"}}, "timeout_ms": 5_000}]}])).await;

        let path = begin(&admin, "outer", json!([0, 0, 0])).await;
        assert_eq!(end(&admin, &path).await["output"], json!([{"n": 0}, {"n": 0}, {"n": 0}]));

        // The second is given up after five seconds, the first with it.
        let path = begin(&admin, "outer", json!([3_600_000, 7_200_000])).await;
        let children = async || admin.get(&format!("/runs?parent_run_id={}", path.trim_start_matches("/runs/"))).await.json()["data"].as_array().unwrap().clone();
        let all = async |status: &str| loop {
            let children = children().await;
            if children.len() == 2 && children.iter().all(|it| it["status"] == status) { break; }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        all("waiting").await;
        once(&admin, &path, "waiting").await;
        server.app.clock.advance(Duration::from_secs(5));
        let run = once(&admin, &path, "failed").await;
        assert_eq!(run["error"]["message"], "`run` was not done in 5000 ms");
        all("canceled").await;

        // A cancel goes down.
        let path = begin(&admin, "outer", json!([3_600_000])).await;
        let child = loop {
            let run = once(&admin, &path, "waiting").await;
            if let Some(child) = run["waiting_for"][0]["run_id"].as_str() { break format!("/runs/{child}"); }
        };
        once(&admin, &child, "waiting").await;
        admin.post(&format!("{path}/cancel"), json!({})).await;
        once(&admin, &path, "canceled").await;
        once(&admin, &child, "canceled").await;

        // What it does not take is told.
        of(&admin, "wrong", json!([{"id": "run", "type": "workflow", "workflow": "inner", "input": {}, "on_error": "continue"},
            {"id": "why", "type": "mapping", "output": {"$": "/steps/run/error"}}])).await;
        let run = admin.post("/workflows/wrong/execute", json!({})).await.json();
        expect![[r#"{"kind":"definition","message":"`inner` does not take this input: is required (at `/n`)","provider_status":null,"retryable":false}"#]].assert_eq(&run["output"].to_string());
    }

    async fn a_script_computes_and_is_read_when_it_is_saved(server: TestServer) {
        let admin = server.admin().await;
        let script = |code: &str| json!([{"id": "both", "type": "parallel", "branches": {"a": [{"id": "sum", "type": "script", "code": code, "input": {"list": {"$": "/input"}}}]}}]);

        let refused = admin.post(DEFINITIONS, json!({"name": "sum", "steps": script("return (")})).await;
        of(&admin, "sum", script("let sum = 0; for (const it of input.list) sum += it; return {sum}")).await;

        let fault = &refused.json()["errors"][0];
        assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/steps/0/branches/a/0/code"), &json!("bad_script")), "{}", refused.text);
        let run = admin.post("/workflows/sum/execute", json!({"input": [1, 2, 3]})).await.json();
        assert_eq!(run["output"], json!({"a": {"sum": 6}}), "{run:#}");
        let run = admin.post("/workflows/sum/execute", json!({"input": null})).await.json();
        assert_eq!((&run["run"]["error"]["kind"], &run["status"]), (&json!("tool"), &json!(502)), "{run:#}");
    }

    async fn a_workflow_does_what_its_caller_may_and_nothing_beyond(server: TestServer) {
        let admin = server.admin().await;
        make_shop(&admin).await;
        create(&admin, refund()).await;
        tool(&admin, json!({"name": "pay", "description": "Pays.", "kind": "static", "effect": "effect", "input_schema": {"type": "object"}, "scopes": ["secret.write"], "config": {"result": 1}})).await;
        of(&admin, "pays", json!([{"id": "pay", "type": "tool", "tool": "pay"}])).await;
        let caller = server.client("workflow.execute").await;

        let pays = caller.post("/workflows/pays/execute", json!({})).await.json();
        let asks = caller.post("/workflows/refund/execute", json!({"input": {"order_id": "a"}})).await.json();

        let said = [&pays["run"]["error"]["message"], &asks["run"]["error"]["message"]];
        expect![[r#"["the caller may not use `pay`","the caller may not execute `support` any more"]"#]].assert_eq(&json!(said).to_string());
        assert_eq!(admin.post("/workflows/pays/execute", json!({})).await.json()["output"], 1);
    }

    async fn a_call_of_a_workflow_waits_for_its_approval(server: TestServer) {
        let admin = server.admin().await;
        tool(&admin, json!({"name": "pay", "description": "Pays.", "kind": "static", "effect": "effect", "approval": "always",
            "input_schema": {"type": "object", "properties": {"amount": {"type": "number"}}}, "config": {"result": "paid"}})).await;
        of(&admin, "pays", json!([{"id": "pay", "type": "tool", "tool": "pay", "input": {"amount": 40}}])).await;
        let reply = admin.post("/workflows/pays/execute", json!({})).await;
        assert_eq!(reply.json()["status"], "suspended");
        let approval = admin.get("/approvals").await.json()["data"][0].clone();
        assert_eq!((&approval["kind"], &approval["step"], &approval["tool"]["name"]), (&json!("tool_call"), &json!("pay"), &json!("pay")));
        let wish = json!({"decision": "approve", "arguments_hash": approval["arguments_hash"], "arguments": {"amount": 30}});
        assert_eq!(admin.post(&format!("/approvals/{}", approval["id"].as_str().unwrap()), wish).await.status, 200);

        let path = reply.header("location").unwrap();
        assert_eq!(end(&admin, path).await["output"], "paid");
        let started = events(&admin, path).await.into_iter().find(|it| it["type"] == "tool.started").unwrap();
        assert_eq!(started["data"]["arguments"], json!({"amount": 30}));
    }

    async fn an_event_wakes_all_who_wait_for_it_and_an_early_one_is_kept(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "wait", json!([{"id": "come", "type": "wait_for_event", "event": "paid", "key": {"$": "/input"}, "schema": {"type": "integer"}}])).await;
        let bring = async |event: Value| {
            let reply = admin.post("/workflows/events", event).await;
            assert_eq!(reply.status, 202, "{}", reply.text);
            reply.json()["delivered"].clone()
        };

        // Those that come early are kept, one for each who waits, the oldest first.
        assert_eq!(bring(json!({"name": "paid", "key": "A", "payload": 1})).await, 0);
        assert_eq!(bring(json!({"name": "paid", "key": "A", "payload": 2})).await, 0);
        for payload in [1, 2] {
            let path = begin(&admin, "wait", json!("A")).await;
            assert_eq!(end(&admin, &path).await["output"], payload);
        }

        // One that comes goes to all who wait for it, and to nobody else.
        let mut waiting = Vec::new();
        for key in ["A", "A", "B"] {
            let path = begin(&admin, "wait", json!(key)).await;
            assert_eq!(once(&admin, &path, "waiting").await["waiting_for"], json!([{"kind": "event", "name": "paid", "key": key}]));
            waiting.push(path);
        }
        assert_eq!(bring(json!({"name": "paid", "key": "A", "payload": 3})).await, 2);
        assert_eq!(bring(json!({"name": "other", "key": "B", "payload": 3})).await, 0);
        for path in &waiting[..2] {
            assert_eq!(end(&admin, path).await["output"], 3);
        }
        expect![[r#"
            run.started
            step.started come
            run.waiting
            run.resumed event
            event.received come
            step.finished come
            run.finished"#]].assert_eq(&log(&admin, &waiting[0]).await);
        assert_eq!(bring(json!({"name": "paid", "key": "B", "payload": "x"})).await, 1);
        let run = once(&admin, &waiting[2], "failed").await;
        expect![[r#"the event `paid` is not what is waited for: "x" is not of type "integer" (at ``)"#]].assert_eq(run["error"]["message"].as_str().unwrap());

        // What nobody has waited for in its time is gone; a run that was canceled waits no more.
        bring(json!({"name": "paid", "key": "C", "payload": 4, "ttl_ms": 1000})).await;
        server.app.clock.advance(Duration::from_secs(1));
        let path = begin(&admin, "wait", json!("C")).await;
        once(&admin, &path, "waiting").await;
        admin.post(&format!("{path}/cancel"), json!({})).await;
        once(&admin, &path, "canceled").await;
        let keyed = || admin.request("POST", "/workflows/events").header("idempotency-key", "k").json(&json!({"name": "paid", "key": "C"}));
        for _ in 0..2 {
            assert_eq!(admin.send(keyed()).await.json()["delivered"], 0);
        }
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_events WHERE key = 'C' AND payload = 'null'").await, 1);
        let wrong = admin.post("/workflows/events", json!({"name": "", "key": "k".repeat(1001)})).await.json();
        let pointers: Vec<_> = wrong["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/name"], "{wrong}");
        assert_eq!(server.client("workflow.read").await.post("/workflows/events", json!({"name": "paid"})).await.status, 403);
    }

    async fn a_document_is_analysed_section_by_section(server: TestServer) {
        let admin = server.admin().await;
        tool(&admin, json!({"name": "sections", "description": "Cuts a document into its sections.", "kind": "javascript", "effect": "read",
            "input_schema": {"type": "object", "required": ["text"]},
            "execute_code": "return input.text.split(/^# /m).filter(it => it.trim()).map(it => { const [title, ...rest] = it.split('\\n'); return {title, text: rest.join(' ').trim()} })"})).await;
        let analyst = json!({"name": "analyst", "display_name": "Analyst", "instructions": "Analyse a section.", "model": "demo/scripted"});
        assert_eq!(admin.post("/agents/definitions", analyst).await.status, 201);
        create(&admin, json!({
            "name": "document_analysis",
            "input_schema": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
            "output_schema": {"type": "object", "required": ["score", "verdict", "sections"]},
            "steps": [
                {"id": "ingest", "type": "tool", "tool": "sections", "input": {"text": {"$": "/input/text"}}},
                {"id": "analyse", "type": "foreach", "items": {"$": "/steps/ingest/output"}, "concurrency": 4, "do": [
                    {"id": "ask", "type": "agent", "agent": "analyst", "input": {"$template": "{{ item.title }}: {{ item.text }}"}, "retry": {"max": 1}},
                    {"id": "note", "type": "mapping", "output": {"title": {"$": "/item/title"}, "said": {"$": "/steps/ask/output/text"}}}]},
                {"id": "score", "type": "script", "code": "return Math.round(input.filter(it => it.text.length > 10).length * 100 / input.length)", "input": {"$": "/steps/ingest/output"}},
                {"id": "judge", "type": "conditional",
                 "cases": [{"when": {"op": "gte", "left": {"$": "/steps/score/output"}, "right": 80}, "then": [{"id": "good", "type": "mapping", "output": "good"}]}],
                 "otherwise": [{"id": "look", "type": "approval", "message": "Only {{ steps.score.output }} of 100. Take it?"},
                               {"id": "poor", "type": "mapping", "output": {"$": "/previous/decision"}}]}
            ],
            "output": {"score": {"$": "/steps/score/output"}, "verdict": {"$": "/steps/judge/output"}, "sections": {"$": "/steps/analyse/output"}}
        })).await;

        let whole = json!({"input": {"text": "# Scope\nWhat is to be built, and for whom.\n# Price\nTen thousand, paid at once."}});
        let run = admin.post("/workflows/document_analysis/execute", whole).await.json();
        let poor = admin.post("/workflows/document_analysis/execute", json!({"input": {"text": "# Scope\nA lot of things.\n# Price\n?"}})).await;

        expect![[r#"{"score":100,"sections":[{"said":"You said: Scope: What is to be built, and for whom.","title":"Scope"},{"said":"You said: Price: Ten thousand, paid at once.","title":"Price"}],"verdict":"good"}"#]].assert_eq(&run["output"].to_string());
        assert_eq!(poor.json()["status"], "suspended", "{}", poor.text);
        let asked = admin.get("/approvals?status=pending").await.json()["data"][0].clone();
        assert_eq!(asked["message"], "Only 50 of 100. Take it?");
        let wish = json!({"decision": "reject", "arguments_hash": asked["arguments_hash"]});
        admin.post(&format!("/approvals/{}", asked["id"].as_str().unwrap()), wish).await;
        assert_eq!(end(&admin, poor.header("location").unwrap()).await["output"]["verdict"], "reject");
    }

    async fn what_is_under_way_keeps_no_other_branch_waiting(server: TestServer) {
        let slow = Slow::open(server.app.db.dialect()).await;
        let admin = slow.server.admin().await;
        of(&admin, "inner", json!([{"id": "out", "type": "mapping", "output": 1}])).await;
        of(&admin, "both", json!([{"id": "both", "type": "parallel", "branches": {
            "a": [{"id": "slow", "type": "tool", "tool": "slow"}],
            "b": [{"id": "run", "type": "workflow", "workflow": "inner"}, {"id": "ok", "type": "approval", "message": "Go on?"}]}}])).await;
        let path = begin(&admin, "both", json!({})).await;
        slow.came.notified().await;

        let asked = &admin.stored(&path, "approval.requested", 1).await;
        let asked = asked.iter().find(|it| it["type"] == "approval.requested").unwrap()["data"].clone();
        let wish = json!({"decision": "reject", "arguments_hash": asked["arguments_hash"]});
        admin.post(&format!("/approvals/{}", asked["id"].as_str().unwrap()), wish).await;
        admin.stored(&path, "approval.decided", 1).await;
        slow.answers.add_permits(1);

        let run = end(&admin, &path).await;
        assert_eq!(run["output"]["a"], "slow is done");
        assert_eq!(run["output"]["b"]["decision"], "reject");
        assert_eq!(run["attempt"], 1, "nobody let go of it meanwhile");
    }

    async fn a_call_that_takes_too_long_is_given_up(server: TestServer) {
        let slow = Slow::open(server.app.db.dialect()).await;
        let admin = slow.server.admin().await;
        of(&admin, "late", json!([{"id": "slow", "type": "tool", "tool": "slow", "timeout_ms": 300, "on_error": "continue"},
            {"id": "why", "type": "mapping", "output": {"$": "/steps/slow/error/message"}}])).await;

        let reply = admin.post("/workflows/late/execute", json!({})).await;

        assert_eq!(reply.json()["output"], "`slow` was not done in 300 ms", "{}", reply.text);
        let events = events(&admin, reply.header("location").unwrap()).await;
        let ended: Vec<_> = events.iter().filter(|it| it["type"] == "tool.finished").collect();
        // It may have had its effect.
        assert_eq!((ended.len(), &ended[0]["data"]["status"]), (1, &json!("unknown")));
    }

    async fn a_call_of_a_workflow_is_waited_for_before_its_run_is_handed_over(server: TestServer) {
        let slow = Slow::open(server.app.db.dialect()).await;
        let admin = slow.server.admin().await;
        of(&admin, "one", json!([{"id": "slow", "type": "tool", "tool": "slow"}])).await;
        let path = begin(&admin, "one", json!({})).await;
        slow.came.notified().await;

        slow.server.app.runs.hand_over().cancel();
        tokio::task::yield_now().await;
        slow.answers.add_permits(1);

        let events = admin.stored(&path, "tool.finished", 1).await;
        let ended = events.iter().find(|it| it["type"] == "tool.finished").unwrap();
        assert_eq!(ended["data"]["status"], "done");
    }

    async fn a_canceled_workflow_ends_what_is_under_way(server: TestServer) {
        let slow = Slow::open(server.app.db.dialect()).await;
        let admin = slow.server.admin().await;
        of(&admin, "one", json!([{"id": "slow", "type": "tool", "tool": "slow"}])).await;
        let path = begin(&admin, "one", json!({})).await;
        slow.came.notified().await;

        admin.post(&format!("{path}/cancel"), json!({"reason": "enough"})).await;

        once(&admin, &path, "canceled").await;
        expect![[r#"
            run.started
            step.started slow
            tool.started slow
            run.cancel_requested enough
            tool.finished slow
            step.finished slow
            run.finished"#]].assert_eq(&log(&admin, &path).await);
    }

    async fn a_run_goes_on_elsewhere_with_the_version_that_it_began_with(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "nap", json!([{"id": "hour", "type": "sleep", "duration_ms": 3_600_000}, {"id": "out", "type": "mapping", "output": "old"}])).await;
        let path = begin(&admin, "nap", json!({})).await;
        let run = once(&admin, &path, "waiting").await;
        assert_eq!(admin.delete("/workflows/definitions/nap").await.status, 204);
        // Another process than that which began it, if there can be one.
        let id = run["id"].as_str().unwrap();
        in_sql(&server, &format!("UPDATE runs SET run_after = created_at WHERE id = '{id}'")).await;
        once(&admin, &path, "waiting").await;

        server.app.clock.advance(Duration::from_hours(1));

        assert_eq!(end(&server.admin().await, &path).await["output"], "old");
    }
}

/// A server whose tool `slow` answers when it may.
pub struct Slow {
    pub server: TestServer,
    pub answers: Arc<Semaphore>,
    pub came: Arc<Notify>,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

impl Slow {
    pub async fn open(dialect: Dialect) -> Self {
        let (answers, came) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        let (gate, bell) = (Arc::clone(&answers), Arc::clone(&came));
        let code = move || {
            let (gate, bell) = (Arc::clone(&gate), Arc::clone(&bell));
            let slow = move |_: ToolContext, Nothing {}: Nothing| {
                let (gate, bell) = (Arc::clone(&gate), Arc::clone(&bell));
                async move {
                    bell.notify_one();
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, ToolFailure>("slow is done")
                }
            };
            App::builder().tool(Tool::effect("slow", "Is slow.", slow))
        };
        Self { server: TestServer::start_code(dialect, &[], code).await, answers, came }
    }
}
