//! Runs of workflows whose process dies: wherever that is, they end the same.

use std::time::Duration;

use agent_server::db::Dialect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

/// Refuses the event of a run that its metadata name as `cut`, and so all that is stored together with it: as if the
/// process had died before.
const SQLITE: &str = "CREATE TRIGGER cut BEFORE INSERT ON run_events
    WHEN NEW.seq = (SELECT json_extract(metadata, '$.cut') FROM runs WHERE id = NEW.run_id)
    BEGIN SELECT RAISE(ABORT, 'cut'); END";
const POSTGRES: &str = "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.seq = (SELECT (metadata::json->>'cut')::bigint FROM runs WHERE id = NEW.run_id) THEN
            RAISE EXCEPTION 'cut';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER cut BEFORE INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION cut()";

/// Every type of entry, in a graph, in branches and in turns.
fn everything() -> Value {
    json!([
        {"id": "fetch", "type": "tool", "tool": "look", "retry": {"max": 2, "backoff_ms": 100}},
        {"id": "code", "type": "script", "code": "return {n: input.list.length}", "depends_on": []},
        {"id": "both", "type": "parallel", "depends_on": ["fetch", "code"], "branches": {
            "work": [
                {"id": "each", "type": "foreach", "items": {"$": "/input/list"}, "concurrency": 2, "do": [
                    {"id": "send", "type": "tool", "tool": "pay", "input": {"n": {"$": "/item"}},
                     "compensate": {"id": "unsend", "type": "tool", "tool": "put"}},
                    {"id": "odd", "type": "conditional",
                     "cases": [{"when": {"op": "eq", "left": {"$": "/item"}, "right": 2},
                                "then": [{"id": "nested", "type": "workflow", "workflow": "other", "input": {"$": "/item"}}]}],
                     "otherwise": [{"id": "plain", "type": "mapping", "output": {"$": "/steps/send/output"}}]}
                ]},
                {"id": "again", "type": "loop", "max_iterations": 5, "until": {"op": "gte", "left": {"$": "/index"}, "right": 1},
                 "do": [{"id": "put", "type": "tool", "tool": "put", "input": {"n": {"$": "/index"}}},
                        {"id": "nap", "type": "sleep", "duration_ms": 50},
                        {"id": "kept", "type": "mapping", "output": {"$": "/steps/put/output"}}]}
            ],
            "talk": [
                {"id": "ask", "type": "agent", "agent": "support", "input": "Hello?"},
                {"id": "until", "type": "sleep_until", "until": "2026-11-25T10:00:01Z"},
                {"id": "come", "type": "wait_for_event", "event": "payment", "key": {"$": "/input/key"}},
                {"id": "late", "type": "wait_for_event", "event": "never", "timeout_ms": 500, "on_error": "continue"},
                {"id": "ok", "type": "approval", "message": "Go on?"},
                {"id": "told", "type": "mapping", "output": [{"$": "/steps/ask/output/text"}, {"$": "/steps/come/output"}, {"$": "/steps/late/error/message"}, {"$": "/previous"}]}
            ]
        }},
        {"id": "verdict", "type": "conditional", "depends_on": ["both"],
         "cases": [{"when": {"op": "truthy", "value": {"$": "/input/fails"}}, "then": [{"id": "wrong", "type": "fail", "message": "no"}]}]}
    ])
}

async fn make(server: &TestServer, admin: &Client) {
    let tool = |name: &str, effect: &str| {
        json!({"name": name, "description": "A tool.", "kind": "static", "effect": effect,
            "input_schema": {"type": "object"}, "config": {"result": format!("{name} is done")}})
    };
    for (name, effect) in [("look", "read"), ("pay", "effect"), ("put", "idempotent")] {
        assert_eq!(admin.post("/tools/definitions", tool(name, effect)).await.status, 201);
    }
    let other = json!({"name": "other", "steps": [{"id": "a", "type": "mapping", "output": {"other": {"$": "/input"}}}]});
    assert_eq!(admin.post("/workflows/definitions", other).await.status, 201);
    server.agent("support").await;
    server.model.answer_with(|_| Reply::text("Hello!"));
    let made = admin
        .post("/workflows/definitions", json!({"name": "everything", "steps": everything()}))
        .await;
    assert_eq!((made.status, &made.json()["problems"]), (201, &json!([])), "{}", made.text);
}

/// Begins a run that is cut before event number `cut`, if it gets so far.
async fn begin(admin: &Client, fails: bool, cut: usize) -> Option<String> {
    let key = format!("{fails} {cut}");
    let body = json!({"input": {"list": [1, 2, 3], "fails": fails, "key": key}, "background": true, "metadata": {"cut": cut}});
    let reply = admin.post("/workflows/everything/execute", body).await;
    // What is cut before it is stored has not begun.
    (reply.status == 202).then(|| reply.header("location").unwrap().to_owned())
}

/// What others do for a run: people decide, events come, and another process goes on when one has died. The run, if it
/// is over.
async fn tend(server: &TestServer, admin: &Client, path: &str, seen: &mut u64) -> Option<Value> {
    let run = admin.get(path).await.json();
    if run["finished_at"] != Value::Null {
        return Some(run);
    }
    let id = run["id"].as_str().unwrap();
    let last_seq = run["last_seq"].as_u64().unwrap();
    let is_left = server.app.runs.live(id.parse().unwrap()).is_none() && run["status"] == "running";
    if is_left && *seen == last_seq {
        in_sql(server, &format!("UPDATE runs SET worker_id = NULL, metadata = '{{}}' WHERE id = '{id}' AND status = 'running'")).await;
    }
    *seen = if is_left { last_seq } else { 0 };
    for waiting in run["waiting_for"].as_array().unwrap() {
        match waiting["kind"].as_str().unwrap() {
            "event" if waiting["name"] == "payment" => {
                admin
                    .post(
                        "/workflows/events",
                        json!({"name": "payment", "key": waiting["key"], "payload": "paid"}),
                    )
                    .await;
            }
            "approval" => {
                let place = format!("/approvals/{}", waiting["approval_id"].as_str().unwrap());
                let asked = admin.get(&place).await.json();
                let mut wish =
                    json!({"decision": "approve", "arguments_hash": asked["arguments_hash"]});
                if asked["kind"] == "unknown_effect" {
                    wish["decision"] = json!("done");
                    wish["result"] = json!("pay is done");
                }
                admin.post(&place, wish).await;
            }
            _ => {}
        }
    }
    None
}

/// The run at its end.
async fn end(server: &TestServer, admin: &Client, path: &str) -> Value {
    let mut seen = 0;
    loop {
        if let Some(run) = tend(server, admin, path, &mut seen).await {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.app.clock.advance(Duration::from_millis(200));
    }
}

on_both! {
    async fn a_run_of_every_type_of_entry_ends_the_same_wherever_its_process_dies(server: TestServer) {
        let admin = server.admin().await;
        make(&server, &admin).await;
        let trigger = match server.app.db.dialect() {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
        };
        in_sql(&server, trigger).await;
        let mut open = Vec::new();
        for fails in [false, true] {
            let path = begin(&admin, fails, 1_000_000).await.unwrap();
            let whole = end(&server, &admin, &path).await;
            let expected = if fails { "failed" } else { "succeeded" };
            assert_eq!(whole["status"], expected, "{whole:#}");
            let last = usize::try_from(whole["last_seq"].as_u64().unwrap()).unwrap();
            // Both begin the same; of the one that fails, the end is what is new.
            let first = if fails { last - 15 } else { 1 };
            for cut in first..=last {
                if let Some(path) = begin(&admin, fails, cut).await {
                    open.push((cut, path, whole.clone(), 0));
                }
            }
        }
        let mut cuts = 0;

        while !open.is_empty() {
            let mut left = Vec::new();
            for (cut, path, whole, mut seen) in open {
                let Some(run) = tend(&server, &admin, &path, &mut seen).await else {
                    left.push((cut, path, whole, seen));
                    continue;
                };
                for member in ["status", "output", "error"] {
                    assert_eq!(run[member], whole[member], "cut before event {cut}: {run:#}");
                }
                // How often a run waits depends on what comes first, and with it how many events there are.
                let was_cut = run["metadata"] == json!({});
                assert!(was_cut || run["last_seq"].as_u64().unwrap() < cut as u64, "not cut before event {cut}: {run:#}");
                cuts += usize::from(was_cut);
                let events = admin.get(&format!("{path}/events?limit=200")).await.json()["data"].as_array().unwrap().clone();
                let mut effects: Vec<_> = events.iter().filter(|it| it["type"] == "tool.started" && it["data"]["effect"] == "effect")
                    .map(|it| it["data"]["effect_id"].as_str().unwrap()).collect();
                let all = effects.len();
                effects.sort_unstable();
                effects.dedup();
                assert_eq!((all, effects.len()), (3, 3), "made twice, cut before event {cut}");
            }
            open = left;
            tokio::time::sleep(Duration::from_millis(100)).await;
            server.app.clock.advance(Duration::from_millis(200));
        }
        assert!(cuts > 60, "{cuts}");
    }
}
