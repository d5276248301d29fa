//! How far calls of tools have come.

use std::sync::Arc;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Progress;
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
use tokio::sync::Semaphore;

use crate::harness::Client;
use crate::harness::TestServer;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// An agent with a tool that says how far it is, and ends when it `may_end`.
fn copier(may_end: &Arc<Semaphore>) -> Builder {
    let may_end = Arc::clone(may_end);
    let copy = move |context: ToolContext, _: Nothing| {
        let may_end = Arc::clone(&may_end);
        async move {
            context.report(Progress::new(1.0).of(3.0).saying("the first file is copied"));
            may_end.acquire().await.map_err(ToolFailure::unknown)?.forget();
            Ok("copied")
        }
    };
    let agent = Agent::new("copier").instructions("Copy.").model("openai/fake").tool("copy");
    App::builder().tool(Tool::effect("copy", "Copies.", copy)).agent(agent)
}

/// Reads the events of the run at `path` until one says how far a call is.
async fn watch(client: &Client, path: &str) {
    let request = client.request("GET", &format!("{path}/events"));
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("event: tool.progress") {
        let chunk = stream.chunk().await.unwrap().unwrap();
        seen += std::str::from_utf8(&chunk).unwrap();
    }
}

on_both! {
    async fn whoever_watches_sees_how_far_a_call_is(server: TestServer) {
        let dialect = server.app.db.dialect();
        let may_end = Arc::new(Semaphore::new(0));
        let ends = Arc::clone(&may_end);
        let server = TestServer::start_code(dialect, &[], move || copier(&ends)).await;
        server.model.reply(Reply::text("I copy.").call("copy", json!({})));
        server.model.reply(Reply::text("Done."));
        let admin = server.admin().await;
        let begun = admin.post("/agents/copier/execute", json!({"input": "Go", "background": true})).await;
        let path = begun.header("location").unwrap().to_owned();

        // While the call is under way.
        watch(&admin, &path).await;
        if dialect == Dialect::Postgres {
            let (_app, elsewhere) = server.replica().await;
            watch(&elsewhere, &path).await;
        }
        may_end.add_permits(1);

        assert_eq!(admin.get(&format!("{path}/wait")).await.json()["status"], "succeeded");
        let events = admin.get(&format!("{path}/events")).await.json();
        let events = events["data"].as_array().unwrap();
        let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        expect![[r#"
            run.started
            step.started
            model.started
            model.finished
            tool.started
            tool.progress
            tool.finished
            step.finished
            step.started
            model.started
            model.finished
            step.finished
            run.finished"#]]
        .assert_eq(&names.join("\n"));
        let of_call = |event: &&Value| event["data"]["call_id"] == events[4]["data"]["call_id"];
        assert_eq!(events.iter().filter(of_call).count(), 3);
        let mut progress = events[5]["data"].clone();
        progress["call_id"].take();
        let expected = json!({
            "call_id": null, "progress": 1.0, "total": 3.0, "message": "the first file is copied",
        });
        assert_eq!(progress, expected);
    }

    async fn a_fork_takes_over_no_word_of_how_far_a_call_was(server: TestServer) {
        let may_end = Arc::new(Semaphore::new(1));
        let server = TestServer::start_code(server.app.db.dialect(), &[], move || copier(&may_end)).await;
        server.model.reply(Reply::text("I copy.").call("copy", json!({})));
        server.model.reply(Reply::text("Done."));
        server.model.reply(Reply::text("Done again."));
        let admin = server.admin().await;
        let run = admin.post("/agents/copier/execute", json!({"input": "Go"})).await.json();
        let path = format!("/runs/{}", run["id"].as_str().unwrap());
        let names = async |path: &str| {
            let events = admin.get(&format!("{path}/events")).await.json();
            events["data"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect::<Vec<_>>()
        };
        // The turn after the call begins anew.
        let second_turn = names(&path).await.iter().rposition(|it| it == "step.started").unwrap() + 1;

        let fork = admin.post(&format!("{path}/fork"), json!({"from_seq": second_turn})).await;
        assert_eq!(fork.status, 202, "{}", fork.text);
        let fork = fork.header("location").unwrap().to_owned();

        assert_eq!(admin.get(&format!("{fork}/wait")).await.json()["status"], "succeeded");
        let names = names(&fork).await;
        assert!(names.iter().any(|it| it == "tool.finished"), "{names:?}");
        assert!(names.iter().all(|it| it != "tool.progress"), "{names:?}");
    }
}
