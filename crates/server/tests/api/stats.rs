//! `/stats`: figures of runs over time.

use std::time::Duration;

use agent_server::runs::stats::roll;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::number;

/// Executes an agent and waits for its end.
async fn execute(client: &Client, input: &str) -> Value {
    client.post("/agents/support/execute", json!({"input": input})).await.json()
}

async fn execute_of(client: &Client, agent: &str) {
    client.post(&format!("/agents/{agent}/execute"), json!({"input": "Hello"})).await;
}

/// The figures without the steps in which nothing ended.
async fn figures(client: &Client, query: &str) -> Value {
    let reply = client.get(&format!("/stats{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut figures = reply.json();
    figures["points"].as_array_mut().unwrap().retain(|point| point["runs"] != 0);
    figures
}

on_both! {
    async fn figures_say_what_ended_and_what_is_under_way(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        execute(&admin, "One").await;
        server.app.clock.advance(Duration::from_mins(5));
        execute(&admin, "Two").await;
        server.model.reply(Reply::error(400, "no"));
        execute(&admin, "Three").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("Late.").hold("Late", &gate));
        let body = json!({"input": "Four", "background": true});
        admin.post("/agents/support/execute", body).await;

        let figures = figures(&admin, "").await;

        assert_eq!(figures["total"]["runs"], 3);
        assert_eq!(figures["total"]["failed"], 1);
        assert_eq!(figures["failures"], json!([{"kind": "provider", "runs": 1}]));
        assert_eq!(figures["now"]["running"], 1);
        let points = figures["points"].as_array().unwrap().iter();
        let points: Vec<_> = points.map(|it| (&it["at"], it["runs"].as_u64().unwrap())).collect();
        assert_eq!(points, [(&json!("2026-11-25T10:00:00Z"), 1), (&json!("2026-11-25T10:05:00Z"), 2)]);
        gate.open();
    }

    async fn a_minute_is_counted_once_by_whoever_is_first_and_says_the_same_afterwards(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        for input in ["One", "Two"] {
            execute(&admin, input).await;
        }
        server.app.clock.advance(Duration::from_mins(3));
        execute(&admin, "Three").await;
        server.app.clock.advance(Duration::from_mins(2));
        let before = figures(&admin, "").await;
        let (other, _) = server.replica().await;
        other.clock.advance(Duration::from_mins(5));

        let (one, two) = tokio::join!(roll::round(&server.app.runs), roll::round(&other.runs));

        one.and(two).unwrap();
        roll::round(&server.app.runs).await.unwrap();
        assert_eq!(number(&server, "SELECT count(*) FROM run_minutes").await, 2);
        assert_eq!(figures(&admin, "").await, before);
        assert_eq!(before["total"]["runs"], 3);

        // What ended meanwhile is in them at once; and long after, all of it is read from the minutes.
        execute(&admin, "Four").await;
        assert_eq!(figures(&admin, "").await["total"]["runs"], 4);
        server.app.clock.advance(Duration::from_hours(24));
        let admin = server.admin().await;
        assert_eq!(figures(&admin, "?from=2026-11-25T10:00:00Z").await["total"]["runs"], 3);
        roll::round(&server.app.runs).await.unwrap();
        let all = figures(&admin, "?from=2026-11-25T10:00:00Z").await;
        assert_eq!((&all["total"]["runs"], &all["is_complete"]), (&json!(4), &json!(true)));
        server.app.clock.advance(Duration::from_hours(24 * 40));
        roll::round(&server.app.runs).await.unwrap();
        assert_eq!(number(&server, "SELECT count(*) FROM run_minutes").await, 0);
    }

    async fn figures_say_which_agent_and_which_client_used_what(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let lead = json!({"name": "lead", "display_name": "Lead", "instructions": "Ask.",
            "model": "openai/fake", "agents": ["support"]});
        assert_eq!(admin.post("/agents/definitions", lead).await.status, 201);
        server.model.reply(Reply::text("").call("ask_support", json!({"input": "Where is it?"})));
        execute_of(&admin, "lead").await;
        server.app.clock.advance(Duration::from_mins(5));
        let shop = server.client("agent.execute").await;
        server.model.reply(Reply::error(400, "no"));
        execute_of(&shop, "support").await;

        let before = figures(&admin, "").await;

        let shares = |figures: &Value, member: &str, name: &str| {
            let all = figures[member].as_array().unwrap().iter();
            all.map(|it| format!("{} {}/{}", it[name].as_str().unwrap(), it["failed"], it["runs"]))
                .collect::<Vec<_>>()
        };
        let mut agents = shares(&before, "definitions", "name");
        agents.sort();
        assert_eq!(agents, ["lead 0/1", "support 1/2"]);
        assert_eq!(before["definitions"][0]["kind"], "agent");
        assert_eq!(shares(&before, "clients", "client_id").len(), 2);
        let tokens = |member: &str| -> u64 {
            let all = before[member].as_array().unwrap().iter();
            all.map(|it| it["input_tokens"].as_u64().unwrap()).sum()
        };
        let total = before["total"]["input_tokens"].as_u64().unwrap();
        assert_eq!((tokens("definitions"), tokens("clients")), (total, total));

        // They are the same when their minutes were counted.
        server.app.clock.advance(Duration::from_mins(5));
        roll::round(&server.app.runs).await.unwrap();
        let after = figures(&admin, "").await;
        assert_eq!(after["definitions"], before["definitions"]);
        assert_eq!(after["clients"], before["clients"]);
    }

    async fn figures_of_an_hour_are_answered_whole(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        execute(&admin, "One").await;

        let query = "?from=2026-11-25T09:59:30Z&to=2026-11-25T10:00:30Z&step_ms=120000";
        admin.get(&format!("/stats{query}")).await.is(expect![[r#"
            200 application/json
            {
              "clients": [
                {
                  "client_id": "admin",
                  "cost_usd": 0.0,
                  "failed": 0,
                  "input_tokens": 1,
                  "output_tokens": 3,
                  "runs": 1,
                  "unpriced_runs": 1
                }
              ],
              "definitions": [
                {
                  "cost_usd": 0.0,
                  "failed": 0,
                  "input_tokens": 1,
                  "kind": "agent",
                  "name": "support",
                  "output_tokens": 3,
                  "runs": 1,
                  "unpriced_runs": 1
                }
              ],
              "failures": [],
              "from": "2026-11-25T09:59:00Z",
              "is_complete": true,
              "now": {
                "approvals_pending": 0,
                "documents_ingesting": 0,
                "queued": 0,
                "running": 0,
                "suspended": 0,
                "waiting": 0
              },
              "points": [
                {
                  "at": "2026-11-25T09:59:00Z",
                  "canceled": 0,
                  "cost_usd": 0.0,
                  "failed": 0,
                  "input_tokens": 1,
                  "output_tokens": 3,
                  "p50_ms": 1,
                  "p95_ms": 1,
                  "p99_ms": 1,
                  "runs": 1,
                  "succeeded": 1,
                  "timed_out": 0,
                  "unpriced_runs": 1
                }
              ],
              "step_ms": 120000,
              "to": "2026-11-25T10:01:00Z",
              "total": {
                "canceled": 0,
                "cost_usd": 0.0,
                "failed": 0,
                "input_tokens": 1,
                "output_tokens": 3,
                "p50_ms": 1,
                "p95_ms": 1,
                "p99_ms": 1,
                "runs": 1,
                "succeeded": 1,
                "timed_out": 0,
                "unpriced_runs": 1
              }
            }
        "#]]);
    }

    async fn figures_are_of_a_time_that_can_be_counted(server: TestServer) {
        let admin = server.admin().await;
        let refused = async |query: &str| {
            let reply = admin.get(&format!("/stats?{query}")).await;
            assert_eq!(reply.status, 422, "{query}");
            let fault = &reply.json()["errors"][0];
            format!("{}: {}", fault["pointer"].as_str().unwrap(), fault["detail"].as_str().unwrap())
        };

        expect!["?from: must be before `to`"]
            .assert_eq(&refused("from=2026-11-25T10:00:00Z&to=2026-11-25T09:00:00Z").await);
        expect!["?from: may be 35 days ago at most"].assert_eq(&refused("from=2026-01-01T00:00:00Z").await);
        expect!["?to: may not be to come"].assert_eq(&refused("to=2027-01-01T00:00:00Z").await);
        expect!["?step_ms: makes more than 500 steps"]
            .assert_eq(&refused("from=2026-11-24T10:00:00Z&step_ms=60000").await);
        expect!["?step_ms: must be a multiple of 60000"].assert_eq(&refused("step_ms=90000").await);
    }

    async fn nobody_sees_the_figures_of_another_tenant(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        execute(&admin, "One").await;
        server.app.clock.advance(Duration::from_mins(5));
        execute(&admin, "Two").await;
        roll::round(&server.app.runs).await.unwrap();

        let other = another_tenant(&server).await;

        assert_eq!(figures(&other, "").await["total"]["runs"], 0);
        assert_eq!(figures(&admin, "").await["total"]["runs"], 2);
        assert_eq!(server.client("run.*").await.get("/stats").await.status, 403);
    }
}
