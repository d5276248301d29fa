//! Requests as each provider insists on having them.

use llm::MalformedArguments;
use llm::Message;
use llm::Part;
use llm::ReasoningEffort;
use llm::Request;
use llm::Role;
use llm::Tool;
use llm::ToolStatus;
use llm::anthropic::Anthropic;
use llm::google::Google;
use llm::ollama::Ollama;
use llm::openai::OpenAi;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::FORMATS;
use crate::support::Format;
use crate::support::assistant;
use crate::support::call;
use crate::support::request;
use crate::support::results;
use crate::support::sent;
use crate::support::tool;
use crate::support::tool_call;

#[tokio::test]
async fn names_of_models_are_never_touched() {
    for model in ["acme-chat-high", "qwen-max", "openai::gpt-5-none", "claude-proxy-low", "a/b:c"] {
        for format in FORMATS {
            let request = Request { model: model.to_owned(), ..request("Hello") };
            let body = sent(format, request).await.body;
            if format != Format::Google {
                assert_eq!(body["model"], model);
            }
            for member in ["reasoning_effort", "thinking", "output_config"] {
                assert_eq!(body.get(member), None, "{model}");
            }
        }
    }
}

#[tokio::test]
async fn efforts_are_said_as_each_generation_of_claude_understands_them() {
    for (model, effort, thinking, output_config) in [
        (
            "claude-sonnet-4-5-20250929",
            ReasoningEffort::High,
            json!({"type": "enabled", "budget_tokens": 16_000}),
            json!(null),
        ),
        (
            "claude-opus-4-20250514",
            ReasoningEffort::Low,
            json!({"type": "enabled", "budget_tokens": 4096}),
            json!(null),
        ),
        (
            "claude-3-7-sonnet-latest",
            ReasoningEffort::Medium,
            json!({"type": "enabled", "budget_tokens": 10_000}),
            json!(null),
        ),
        (
            "claude-opus-4-6",
            ReasoningEffort::High,
            json!({"type": "adaptive", "display": "summarized"}),
            json!({"effort": "high"}),
        ),
        (
            "claude-sonnet-5",
            ReasoningEffort::Low,
            json!({"type": "adaptive", "display": "summarized"}),
            json!({"effort": "low"}),
        ),
        ("claude-opus-4-8", ReasoningEffort::None, json!({"type": "disabled"}), json!(null)),
    ] {
        let mut request = Request { model: model.to_owned(), ..request("Hello") };
        request.options.reasoning_effort = Some(effort);
        let body = sent(Format::Anthropic, request).await.body;
        assert_eq!(body["thinking"], thinking, "{model}");
        assert_eq!(body["output_config"], output_config, "{model}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_bound_to_a_schema_is_told_it() {
    for format in FORMATS {
        let mut request = request("Hello");
        request.instructions = Some("Be brief.".to_owned());
        request.output_schema = Some(json!({"type": "object", "title": "Weather"}));
        let body = sent(format, request).await.body;
        let places = [
            "/system/0/text",
            "/instructions",
            "/systemInstruction/parts/0/text",
            "/messages/0/content",
        ];
        let told = places.iter().find_map(|place| body.pointer(place)?.as_str()).unwrap();
        assert!(told.starts_with("Be brief.\n\n"), "{told}");
        assert!(told.contains("Weather"), "{told}");
        assert_eq!(body.get("response_format"), None);
    }
}

#[tokio::test]
async fn every_call_has_exactly_one_result() {
    let mut request = request("What is new?");
    request.messages.push(assistant(vec![
        Part::text("Let me look."),
        tool_call("c1", "news", json!({})),
        tool_call("c2", "time", json!({})),
    ]));
    // The run was broken off after the second call; somebody answered a call twice; a call was
    // cut out of the memory window, its result was not.
    request.messages.push(results(&[
        ("c1", "news", ToolStatus::Done, json!("first")),
        ("c1", "news", ToolStatus::Done, json!("second")),
        ("c0", "time", ToolStatus::Done, json!("orphan")),
    ]));
    let openai = sent(Format::OpenAi, request.clone()).await.body;
    let results: Vec<_> = openai["messages"].as_array().unwrap()[2..4].to_vec();
    let lost = r#"{"error":"the call was broken off; nobody knows whether it had an effect"}"#;
    assert_eq!(
        results,
        [
            json!({"role": "tool", "tool_call_id": "c1", "content": "first"}),
            json!({"role": "tool", "tool_call_id": "c2", "content": lost}),
        ]
    );
    let anthropic = sent(Format::Anthropic, request).await.body;
    assert_eq!(
        anthropic["messages"][2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "c1", "content": "first"},
            {"type": "tool_result", "tool_use_id": "c2", "content": lost, "is_error": true,
                "cache_control": {"type": "ephemeral"}},
        ])
    );
}

#[tokio::test]
async fn malformed_arguments_go_back_as_none() {
    let malformed = Some(MalformedArguments { text: "{\"a\":".to_owned(), reason: "x".to_owned() });
    let broken = Part::ToolCall {
        call_id: "c1".to_owned(),
        tool: "time".to_owned(),
        arguments: json!({}),
        malformed,
    };
    let mut request = request("Hello");
    request.messages.push(assistant(vec![broken]));
    request.messages.push(results(&[("c1", "time", ToolStatus::Failed, json!({"error": "x"}))]));
    let body = sent(Format::OpenAi, request.clone()).await.body;
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(body["messages"][2]["content"], r#"{"error":"x"}"#);
    let body = sent(Format::Anthropic, request).await.body;
    assert_eq!(body["messages"][1]["content"][0]["input"], json!({}));
}

#[tokio::test]
async fn empty_parts_that_a_provider_would_refuse_are_left_out() {
    let mut request = request("Hello");
    request.messages.push(assistant(vec![Part::text("")]));
    request
        .messages
        .push(Message { role: Role::User, content: vec![Part::text(" "), Part::text("Go on")] });
    let body = sent(Format::Anthropic, request.clone()).await.body;
    let said = json!([{"type": "text", "text": "Hello"}, {"type": "text", "text": "Go on"}]);
    assert_eq!(body["messages"], json!([{"role": "user", "content": said}]));
    let body = sent(Format::OpenAi, request).await.body;
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": ""}));
}

#[tokio::test]
async fn schemas_get_what_providers_insist_on_and_keep_the_rest() {
    let schema = json!({"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"type": ["string", "null"], "exclusiveMinimum": 0}}, "additionalProperties": false});
    for (schema, expected) in [
        (json!({"type": "object"}), json!({"type": "object", "properties": {}})),
        (json!({}), json!({"type": "object", "properties": {}})),
        (schema.clone(), schema),
    ] {
        let tool = Tool { input_schema: schema, ..tool("time") };
        let request = Request { tools: vec![tool], ..request("Hello") };
        let body = sent(Format::OpenAi, request.clone()).await.body;
        assert_eq!(body["tools"][0]["function"]["parameters"], expected);
        let body = sent(Format::Anthropic, request).await.body;
        assert_eq!(body["tools"][0]["input_schema"], expected);
    }
}

#[tokio::test]
async fn names_of_tools_are_mapped_there_and_back() {
    let long = "x".repeat(70);
    for format in FORMATS {
        for name in ["a.b/c d", long.as_str(), "größe", "3d", "-x"] {
            let fake = FakeModel::start().await;
            fake.answer_with(|received| {
                let tool = &received.body["tools"][0];
                let places = ["/name", "/function/name", "/functionDeclarations/0/name"];
                let mut names = places.iter().filter_map(|place| tool.pointer(place)?.as_str());
                let name = names.next().unwrap();
                Reply::default().call(name, json!({"said": name}))
            });
            let request = Request { tools: vec![tool(name)], ..request("Hello") };
            let answer = call(&*format.model(&fake), request).await.end.unwrap();
            let [Part::ToolCall { tool, arguments, .. }] = answer.message.content.as_slice() else {
                panic!("{:?}", answer.message)
            };
            assert_eq!(tool, name);
            let said = arguments["said"].as_str().unwrap();
            assert!(
                said.len() <= 64
                    && said
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
                    && !said.starts_with(|char: char| char.is_ascii_digit() || char == '-')
            );
        }
    }
}

#[tokio::test]
async fn base_urls_keep_their_path_and_query() {
    let fake = FakeModel::start().await;
    for (base, path) in [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("/openai/v1/?api-version=1", "/openai/v1/chat/completions"),
    ] {
        let model = OpenAi::new(Format::OpenAi.account(&format!("{}{base}", fake.url())));
        call(&model, request("Hello")).await.end.unwrap();
        assert_eq!(fake.last_request().path, path);
        assert_eq!(fake.last_request().header("authorization"), None);
    }
    for base in ["", "/", "/v1", "/v1/"] {
        let model = Anthropic::new(Format::Anthropic.account(&format!("{}{base}", fake.url())));
        call(&model, request("Hello")).await.end.unwrap();
        assert_eq!(fake.last_request().path, "/v1/messages");
        assert_eq!(fake.last_request().header("x-api-key"), None);
    }
    for (base, model, path) in [
        ("", "gemini-3", "/v1beta/models/gemini-3:streamGenerateContent"),
        ("/v1/", "gemini-3", "/v1/models/gemini-3:streamGenerateContent"),
        ("/gemini", "tunedModels/mine", "/gemini/v1beta/tunedModels/mine:streamGenerateContent"),
        ("", "a b?c#d", "/v1beta/models/a%20b%3Fc%23d:streamGenerateContent"),
    ] {
        let google = Google::new(Format::Google.account(&format!("{}{base}", fake.url())));
        let request = Request { model: model.to_owned(), ..request("Hello") };
        call(&google, request).await.end.unwrap();
        assert_eq!(fake.last_request().path, path);
        assert_eq!(fake.last_request().header("x-goog-api-key"), None);
    }
    for base in ["", "/", "/v1", "/api/"] {
        let model = Ollama::new(Format::Ollama.account(&format!("{}{base}", fake.url())));
        call(&model, request("Hello")).await.end.unwrap();
        assert_eq!(fake.last_request().path, "/api/chat");
        assert_eq!(fake.last_request().header("authorization"), None);
    }
}

#[tokio::test]
async fn what_the_next_request_begins_with_is_marked_for_the_cache() {
    let marks = |body: &Value| body.to_string().matches("cache_control").count();
    let mut request = request("Hello");
    assert_eq!(marks(&sent(Format::Anthropic, request.clone()).await.body), 0, "nobody comes back");

    request.instructions = Some("Be brief.".to_owned());
    request.tools = vec![tool("time"), tool("news")];
    request.messages.push(assistant(vec![tool_call("c1", "time", json!({}))]));
    request.messages.push(results(&[("c1", "time", ToolStatus::Done, json!("10:00"))]));
    let body = sent(Format::Anthropic, request.clone()).await.body;
    let mark = json!({"type": "ephemeral"});
    for place in ["/tools/1", "/system/0", "/messages/2/content/0"] {
        let marked = body.pointer(&format!("{place}/cache_control"));
        assert_eq!(marked, Some(&mark), "{place}");
    }
    assert_eq!(marks(&body), 3);

    request.options.provider.insert("cache_control".to_owned(), mark);
    assert_eq!(marks(&sent(Format::Anthropic, request).await.body), 1, "only what was asked for");
}

#[tokio::test]
async fn tools_keep_their_order() {
    let names = ["zeta", "alpha", "mu"];
    for format in FORMATS {
        let request = Request { tools: names.map(tool).into(), ..request("Hello") };
        let body = String::from_utf8(sent(format, request).await.raw.to_vec()).unwrap();
        let places = names.map(|name| body.find(&format!("\"{name}\"")).unwrap());
        assert!(places.is_sorted(), "{format:?}: {body}");
    }
}
