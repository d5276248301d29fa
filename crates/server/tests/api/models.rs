//! `/models`, and runs with each provider.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use crate::harness::TestServer;

/// A model of each provider whose price is published.
const PRICED: [&str; 5] = [
    "openai/gpt-5",
    "openai-responses/gpt-5",
    "anthropic/claude-sonnet-4-5",
    "google/gemini-2.5-flash",
    "work/gemini-2.5-flash",
];

/// Runs an agent of this `model` and gives the run.
async fn run(server: &TestServer, name: &str, model: Value) -> Value {
    let admin = server.admin().await;
    let agent = json!({
        "name": name, "display_name": name, "instructions": "Be brief.", "model": model,
        "tools": ["current_time"],
    });
    let made = admin.post("/agents/definitions", agent).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/agents/{name}/execute");
    admin.post(&path, json!({"input": "use tool current_time with {}"})).await.json()
}

async fn events(server: &TestServer, run: &Value) -> Vec<Value> {
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let events = server.admin().await.get(&path).await.json();
    events["data"].as_array().unwrap().clone()
}

on_both! {
    async fn each_provider_calls_tools_and_has_its_price(server: TestServer) {
        let url = server.model.url();
        let settings = [("AGENT_SERVER_PROVIDERS", "work=google"), ("WORK_BASE_URL", &url)];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        for (at, model) in PRICED.into_iter().chain(["ollama/qwen3"]).enumerate() {
            let run = run(&server, &format!("agent-{at}"), json!(model)).await;

            assert_eq!(run["status"], "succeeded", "{run}");
            let text = run["output"]["text"].as_str().unwrap();
            assert!(text.starts_with("The tool answered: "), "{model}: {text}");
            assert_eq!(run["usage"]["cost_usd"].is_null(), model == "ollama/qwen3", "{run}");
        }
    }

    async fn known_models_are_listed_by_the_page(server: TestServer) {
        let settings = [
            ("AGENT_SERVER_MODEL_ALIASES", "fast=openai/gpt-5-mini, smart=google/gemini-2.5-pro"),
            ("AGENT_SERVER_PRICES", "ollama/qwen3=in:0,out:0"),
        ];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let reader = server.client("agent.read").await;

        let page = reader.get("/models?limit=2").await;
        let next = page.json()["next_cursor"].as_str().unwrap().to_owned();
        let rest = reader.get(&format!("/models?limit=2&cursor={next}")).await.json();

        assert_eq!(page.status, 200);
        expect![[r#"
            [
              {
                "configured": true,
                "context_tokens": null,
                "id": "demo/scripted",
                "input": [
                  "text"
                ],
                "provider": "demo"
              },
              {
                "configured": true,
                "context_tokens": null,
                "id": "google/gemini-2.5-pro",
                "input": [
                  "text",
                  "image"
                ],
                "provider": "google"
              }
            ]"#]]
        .assert_eq(&serde_json::to_string_pretty(&page.json()["data"]).unwrap());
        let ids = rest["data"].as_array().unwrap().iter().map(|model| model["id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), ["ollama/qwen3", "openai/gpt-5-mini"]);
        assert_eq!(rest["next_cursor"], Value::Null);
        let stranger = server.client("thread.read").await.get("/models").await;
        assert_eq!(stranger.status, 403);
    }

    async fn a_model_that_keeps_us_waiting_is_left_for_the_next(server: TestServer) {
        let settings = [("MODEL_FIRST_TOKEN_TIMEOUT_MS", "300")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        server.model.reply(Reply::silence()).reply(Reply::text("Here."));

        let run = run(&server, "patient", json!(["openai/slow", "anthropic/fast"])).await;

        assert_eq!(run["output"]["text"], "Here.");
        assert_eq!(server.model.received(), 2);
        let events = events(&server, &run).await;
        let failed = events.iter().find(|event| event["type"] == "model.failed").unwrap();
        assert_eq!(failed["data"]["next_model"], "anthropic/fast");
        let said = failed["data"]["error"]["message"].as_str().unwrap();
        assert_eq!(said, "`openai` sent no first token within 0.3 s");
    }
}
