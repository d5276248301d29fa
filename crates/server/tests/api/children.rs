//! Agents that ask other agents, in runs of their own.

use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;

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

    async fn an_agent_that_would_wait_for_itself_is_not_asked(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "a", &[]).await;
        agent(&admin, "b", &["a"]).await;

        let reply = admin.put("/agents/definitions/a", json!({"agents": ["b"]})).await;

        assert_eq!(reply.status, 422, "{:#}", reply.json());
        assert_eq!(reply.json()["errors"][0]["code"], "cycle");
        assert_eq!(reply.json()["errors"][0]["pointer"], "/agents/0");
    }
}
