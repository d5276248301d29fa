//! Agents that ask other agents, in runs of their own.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

async fn agent(client: &Client, name: &str, agents: &[&str]) -> Value {
    let body = json!({
        "name": name, "display_name": name, "instructions": format!("You are {name}."),
        "model": "openai/fake", "agents": agents,
    });
    let made = client.post("/agents/definitions", body).await;
    assert_eq!(made.status, 201, "{:#}", made.json());
    made.json()
}

async fn children(client: &Client, run: &Value) -> Value {
    let id = run["id"].as_str().unwrap();
    client.get(&format!("/runs?parent_run_id={id}")).await.json()["data"].clone()
}

/// What the model was told last in its request number `n`.
fn told(server: &TestServer, n: usize) -> String {
    let messages = server.model.requests()[n].body["messages"].clone();
    messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

on_both! {
    async fn an_agent_asks_another_and_waits_for_its_answer(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "How many?"})));
        server.model.reply(Reply::text("Three."));
        server.model.reply(Reply::text("He says three."));

        let reply = admin.post("/agents/boss/execute", json!({"input": "Ask!", "user": "ann"})).await;

        assert_eq!(reply.status, 200, "{:#}", reply.json());
        let run = reply.json();
        assert_eq!(run["output"]["text"], "He says three.");
        let children = children(&admin, &run).await;
        let child = &children[0];
        assert_eq!(child["definition"]["name"], "clerk");
        assert_eq!((&child["parent_run_id"], &child["trigger"]), (&run["id"], &json!("run")));
        assert_eq!((&child["subject"], &child["user"]), (&run["subject"], &json!("ann")));
        assert_eq!(children.as_array().unwrap().len(), 1);
        let asked = server.model.requests();
        let last = |n: usize| asked[n].body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        assert_eq!(last(1), "How many?");
        assert_eq!(last(2), r#"{"text":"Three."}"#);
    }

    async fn a_canceled_run_takes_its_children_with_it(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        let gate = Gate::new();
        server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "How many?"})));
        server.model.reply(Reply::tokens(["Three", " and"]).hold("Three", &gate));
        let body = json!({"input": "Ask!", "background": true});
        let run = admin.post("/agents/boss/execute", body).await.json();
        gate.wait_reached().await;

        let id = run["id"].as_str().unwrap();
        admin.post(&format!("/runs/{id}/cancel"), json!({})).await;

        server.model.wait_cancelled(1).await;
        assert_eq!(admin.get(&format!("/runs/{id}/wait")).await.json()["status"], "canceled");
        let child = children(&admin, &run).await[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(admin.get(&format!("/runs/{child}/wait")).await.json()["status"], "canceled");
    }

    async fn what_is_canceled_ends_whether_there_is_room_or_not(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "1")]).await;
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        let (asking, working) = (Gate::new(), Gate::new());
        let ask = Reply::text("So.").call("ask_clerk", json!({"input": "How many?"}));
        server.model.reply(ask.hold("So.", &asking));
        server.model.reply(Reply::text("Busy.").hold("Busy.", &working));
        let begin = async |agent: &str| {
            let go = json!({"input": "Go", "background": true});
            admin.post(&format!("/agents/{agent}/execute"), go).await.json()
        };
        let ended = async |id: &str| admin.get(&format!("/runs/{id}/wait")).await.json()["status"].clone();
        let boss = begin("boss").await;
        asking.wait_reached().await;
        let busy = begin("clerk").await;
        // The run that waits for its child leaves the one place to the other, which keeps it.
        asking.open();
        working.wait_reached().await;
        let child = children(&admin, &boss).await[0].clone();
        assert_eq!(child["status"], "queued");

        let boss = boss["id"].as_str().unwrap();
        admin.post(&format!("/runs/{boss}/cancel"), json!({})).await;

        assert_eq!(ended(boss).await, "canceled");
        assert_eq!(ended(child["id"].as_str().unwrap()).await, "canceled");
        // Nor does it need whoever left the order.
        let queued = begin("clerk").await["id"].as_str().unwrap().to_owned();
        in_sql(&server, &format!(
            r#"INSERT INTO run_signals (tenant_id, run_id, id, kind, data, created_at)
            SELECT tenant_id, id, id, 'cancel', '{{"cancel":{{"by":"client:admin","reason":null}}}}', created_at
            FROM runs WHERE id = '{queued}'"#,
        )).await;
        assert_eq!(ended(&queued).await, "canceled");
        working.open();
        assert_eq!(ended(busy["id"].as_str().unwrap()).await, "succeeded");
    }

    async fn a_child_that_fails_is_told_to_the_model(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "How many?"})));
        server.model.reply(Reply::error(400, "no such thing"));
        server.model.reply(Reply::text("He did not say."));

        let run = admin.post("/agents/boss/execute", json!({"input": "Ask!"})).await.json();

        assert_eq!(run["output"]["text"], "He did not say.");
        let messages = server.model.last_request().body["messages"].clone();
        let told = messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
        assert!(told.starts_with(r#"{"error":"the agent did not answer: "#), "{told}");
        assert_eq!(children(&admin, &run).await[0]["status"], "failed");
    }

    async fn agents_that_came_to_wait_for_each_other_are_told_so(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "a", &[]).await;
        agent(&admin, "b", &["a"]).await;
        // What cannot be saved may be there all the same.
        in_sql(&server, r#"UPDATE agent_definitions SET agents = '["b"]' WHERE name = 'a'"#).await;
        while admin.get("/agents/definitions/a").await.json()["agents"] != json!(["b"]) {}
        server.model.reply(Reply::text("").call("ask_b", json!({"input": "Well?"})));
        server.model.reply(Reply::text("").call("ask_a", json!({"input": "Well?"})));
        server.model.reply(Reply::text("He asks himself."));
        server.model.reply(Reply::text("So it is."));

        let run = admin.post("/agents/a/execute", json!({"input": "Ask!"})).await.json();

        assert_eq!(run["output"]["text"], "So it is.", "{run:#}");
        assert!(told(&server, 2).contains("waits for this answer itself"), "{}", told(&server, 2));
        assert_eq!(children(&admin, &run).await.as_array().unwrap().len(), 1);
    }

    async fn agents_ask_each_other_so_deep_and_no_deeper(server: TestServer) {
        const DEPTH: usize = 5;
        let admin = server.admin().await;
        let names: Vec<_> = (0..=DEPTH).map(|level| format!("level{level}")).collect();
        agent(&admin, &names[DEPTH], &[]).await;
        for level in (0..DEPTH).rev() {
            agent(&admin, &names[level], &[&names[level + 1]]).await;
            let ask = format!("ask_{}", names[DEPTH - level]);
            server.model.reply(Reply::text("").call(&ask, json!({"input": "Well?"})));
        }

        let run = admin.post("/agents/level0/execute", json!({"input": "Ask!"})).await.json();

        assert_eq!(run["status"], "succeeded", "{run:#}");
        assert!(told(&server, DEPTH).contains("at most 5 deep"), "{}", told(&server, DEPTH));
        let runs = admin.get("/runs").await.json();
        assert_eq!(runs["data"].as_array().unwrap().len(), DEPTH);
    }

    async fn a_child_has_what_is_left_of_the_limits_above_it(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        let ask = Reply::text("").call("ask_clerk", json!({"input": "How many?"}));
        server.model.reply(ask.usage(400, 100));
        server.model.reply(Reply::text("Three.").usage(50, 10));
        server.model.reply(Reply::text("He says three.").usage(50, 10));
        let body = json!({"input": "Ask!", "limits": {"max_tokens": 20_000, "timeout_ms": 5_000}});

        let run = admin.post("/agents/boss/execute", body).await.json();

        assert_eq!(run["status"], "succeeded", "{run:#}");
        let child = children(&admin, &run).await[0].clone();
        assert_eq!(child["limits"]["max_tokens"], 19_500);
        assert_eq!(child["limits"]["timeout_ms"], 5_000);
    }

    async fn the_work_of_children_counts_against_the_time_of_the_run(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        let body = json!({"input": "Ask!", "background": true, "limits": {"timeout_ms": 10_000}});
        let gates = [Gate::new(), Gate::new()];
        for gate in &gates {
            server.model.reply(Reply::text("").call("ask_clerk", json!({"input": "How many?"})));
            server.model.reply(Reply::tokens(["Three", " and"]).hold("Three", gate));
        }
        let run = admin.post("/agents/boss/execute", body).await.json();

        for gate in &gates {
            gate.wait_reached().await;
            server.app.clock.advance(Duration::from_secs(9));
            gate.open();
        }

        let path = format!("/runs/{}/wait", run["id"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.json()["status"], "timed_out");
        assert_eq!(children(&admin, &run).await.as_array().unwrap().len(), 2);
    }

    async fn a_run_does_not_wait_for_ever_for_one_that_stays_in_the_queue(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "1")]).await;
        let admin = server.admin().await;
        agent(&admin, "clerk", &[]).await;
        agent(&admin, "boss", &["clerk"]).await;
        let (first, second) = (Gate::new(), Gate::new());
        let asks = Reply::tokens(["Well", " then"]).hold("Well", &first);
        server.model.reply(asks.call("ask_clerk", json!({"input": "How many?"})));
        server.model.reply(Reply::tokens(["Busy", " all day"]).hold("Busy", &second));
        let begin = async |agent: &str| {
            let body = json!({"input": "Go!", "background": true});
            admin.post(&format!("/agents/{agent}/execute"), body).await.json()
        };
        let run = begin("boss").await;
        first.wait_reached().await;
        let other = begin("clerk").await;
        first.open();
        // The other one has the only place now, and the child has none.
        second.wait_reached().await;
        server.app.clock.advance(Duration::from_secs(601));
        second.open();

        let admin = server.admin().await;
        let end = async |run: &Value| {
            admin.get(&format!("/runs/{}/wait", run["id"].as_str().unwrap())).await.json()
        };
        assert_eq!(end(&run).await["status"], "timed_out");
        assert_eq!(end(&other).await["status"], "timed_out");
        let child = children(&admin, &run).await[0].clone();
        assert!(["canceled", "timed_out"].contains(&child["status"].as_str().unwrap()), "{child:#}");
        assert_eq!(server.model.requests().len(), 2);
    }

    async fn an_agent_that_would_wait_for_itself_is_not_asked(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "a", &[]).await;
        agent(&admin, "b", &["a"]).await;

        let reply = admin.put("/agents/definitions/a", json!({"agents": ["b"]})).await;

        assert_eq!(reply.status, 422, "{:#}", reply.json());
        assert_eq!(reply.json()["errors"][0]["code"], "cycle");
        assert_eq!(reply.json()["errors"][0]["pointer"], "/agents/0");
    }

    async fn nor_through_tools_that_ask_agents(server: TestServer) {
        let admin = server.admin().await;
        for name in ["a", "b", "c"] {
            agent(&admin, name, &[]).await;
        }
        let tool = |name: &str, agent: &str| json!({
            "name": name, "description": "Asks.", "kind": "agent", "config": {"agent": agent}, "input_schema": {"type": "object"},
        });
        for (name, agent) in [("ask_a", "a"), ("ask_b", "b"), ("free", "b")] {
            assert_eq!(admin.post("/tools/definitions", tool(name, agent)).await.status, 201);
        }
        let change = async |name: &str, change: Value| {
            let reply = admin.put(&format!("/agents/definitions/{name}"), change).await;
            let fault = &reply.json()["errors"][0];
            (reply.status, fault["code"].clone(), fault["pointer"].clone())
        };
        let cycle = |at: &str| (422, json!("cycle"), json!(at));

        // a → c → b, and then back to a: by a tool, by itself, by changing a tool of an agent.
        assert_eq!(change("a", json!({"tools": ["current_time", "ask_a"]})).await, cycle("/tools/1"));
        assert_eq!(change("a", json!({"agents": ["c"]})).await.0, 200);
        assert_eq!(change("c", json!({"tools": ["ASK_b"]})).await.0, 200);
        assert_eq!(change("b", json!({"tools": [{"name": "ask_a"}]})).await, cycle("/tools/0"));
        assert_eq!(change("b", json!({"agents": ["a"]})).await, cycle("/agents/0"));
        let turned = admin.put("/tools/definitions/ask_b", json!({"config": {"agent": "a"}})).await;
        assert_eq!((turned.status, &turned.json()["errors"][0]["code"]), (422, &json!("cycle")));
        assert_eq!(turned.json()["errors"][0]["pointer"], "/config/agent");
        // Nobody in the circle calls this one.
        let free = admin.put("/tools/definitions/free", json!({"config": {"agent": "a"}})).await;
        assert_eq!(free.status, 200, "{}", free.text);
        assert_eq!(change("b", json!({"tools": ["current_time"]})).await.0, 200);
    }
}
