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

    async fn images_and_files_reach_each_provider_in_its_words(server: TestServer) {
        let admin = server.admin().await;
        let file = |url: &str, media_type: &str| json!({"type": "file", "url": url, "media_type": media_type, "filename": "a.x"});
        let input = json!([
            {"type": "text", "text": "What is this?"},
            {"type": "image", "url": "data:image/png;base64,UE5H"},
            file("data:text/plain;base64,cGxhaW4=", "text/plain"),
            file("data:application/pdf;base64,UERG", "application/pdf"),
        ]);
        let mut lines = Vec::new();
        let without_pdf = json!(input.as_array().unwrap()[..3]);
        let ollama = ["ollama/qwen3"; 2].into_iter().zip([&input, &without_pdf]);
        for (at, (model, input)) in PRICED[..4].iter().map(|it| (*it, &input)).chain(ollama).enumerate() {
            let agent = json!({"name": format!("agent-{at}"), "display_name": "A", "instructions": "Be brief.", "model": model});
            assert_eq!(admin.post("/agents/definitions", agent).await.status, 201);
            let before = server.model.received();

            let reply = admin.post(&format!("/agents/agent-{at}/execute"), json!({"input": input})).await;

            lines.push(format!("{model}: {}", reply.status));
            if server.model.received() == before {
                lines.push(reply.json()["run"]["error"]["message"].as_str().unwrap().to_owned());
                continue;
            }
            let body = server.model.last_request().body;
            let messages = ["messages", "input", "contents"].iter().find_map(|it| body.get(*it)).unwrap();
            let said = messages.as_array().unwrap().iter().find(|it| it["role"] == "user").unwrap();
            let parts = said.get("content").or_else(|| said.get("parts")).unwrap();
            let parts = parts.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
            lines.extend(parts.iter().map(|part| format!("  {part}")));
        }

        expect![[r#"
            openai/gpt-5: 200
              {"text":"What is this?","type":"text"}
              {"image_url":{"url":"data:image/png;base64,UE5H"},"type":"image_url"}
              {"text":"a.x:\nplain","type":"text"}
              {"file":{"file_data":"data:application/pdf;base64,UERG","filename":"a.x"},"type":"file"}
            openai-responses/gpt-5: 200
              {"text":"What is this?","type":"input_text"}
              {"image_url":"data:image/png;base64,UE5H","type":"input_image"}
              {"text":"a.x:\nplain","type":"input_text"}
              {"file_data":"data:application/pdf;base64,UERG","filename":"a.x","type":"input_file"}
            anthropic/claude-sonnet-4-5: 200
              {"text":"What is this?","type":"text"}
              {"source":{"data":"UE5H","media_type":"image/png","type":"base64"},"type":"image"}
              {"source":{"data":"plain","media_type":"text/plain","type":"text"},"title":"a.x","type":"document"}
              {"source":{"data":"UERG","media_type":"application/pdf","type":"base64"},"title":"a.x","type":"document"}
            google/gemini-2.5-flash: 200
              {"text":"What is this?"}
              {"inlineData":{"data":"UE5H","mimeType":"image/png"}}
              {"text":"a.x:\nplain"}
              {"inlineData":{"data":"UERG","mimeType":"application/pdf"}}
            ollama/qwen3: 502
            `ollama` takes no file of type `application/pdf` in this form
            ollama/qwen3: 200
              {"content":"What is this?\n\na.x:\nplain","images":["UE5H"],"role":"user"}"#]].assert_eq(&lines.join("\n"));
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
