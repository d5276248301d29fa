//! Requests as they go out.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::Expect;
use expect_test::expect;
use llm::Message;
use llm::ModelOptions;
use llm::Part;
use llm::Private;
use llm::ReasoningEffort;
use llm::Request;
use llm::Role;
use llm::ToolChoice;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::FORMATS;
use crate::support::Format;
use crate::support::KEY;
use crate::support::assistant;
use crate::support::call;
use crate::support::request;
use crate::support::results;
use crate::support::sent;
use crate::support::tool;
use crate::support::tool_call;

/// Compares bodies, members in the order of the alphabet: one line for each member, message, tool.
pub async fn check(format: Format, request: Request, expected: Expect) {
    let body = sent(format, request).await.body;
    let members: BTreeMap<_, _> = body.as_object().unwrap().iter().collect();
    let mut text = String::new();
    for (name, value) in members {
        match value {
            Value::Array(items) => {
                writeln!(text, "{name}:").unwrap();
                for item in items {
                    writeln!(text, "  {}", sorted(item)).unwrap();
                }
            }
            value => writeln!(text, "{name}: {}", sorted(value)).unwrap(),
        }
    }
    expected.assert_eq(&text);
}

/// `value` with the same order of members, whichever a `Value` keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            members.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// What `model` of `provider` thought, with what it wants back.
fn reasoning(text: &str, provider: &str, model: &str, data: &str) -> Part {
    let private =
        Private { provider: provider.to_owned(), model: model.to_owned(), data: data.to_owned() };
    Part::Reasoning { text: text.to_owned(), private: Some(private) }
}

/// A conversation with everything in it: two tool turns, another provider's private parts.
pub fn long_conversation() -> Request {
    let thinking = r#"{"type":"thinking","thinking":"Hm.","signature":"c2ln"}"#;
    let redacted = r#"{"type": "redacted_thinking",  "data": "ZGF0YQ=="}"#;
    let reasoned = r#"{"extra_content":{"c3":{"google":{"thought_signature":"c2ln"}}},"reasoning_content":"So."}"#;
    let third = [
        reasoning("So.", "openai", "fake", reasoned),
        reasoning(
            "Well.",
            "openai-responses",
            "fake",
            r#"{"type":"reasoning",  "encrypted_content":"ZW5j"}"#,
        ),
        reasoning(
            "Well.",
            "google",
            "fake",
            r#"{"calls":{"c3":{"id":"fc-1","thoughtSignature":"c2ln/+"}}}"#,
        ),
        reasoning("Well.", "ollama", "fake", r#"{"thinking":"Well."}"#),
        // Another account, and another family of models.
        reasoning("Well.", "work", "fake", r#"{"thinking":"No."}"#),
        reasoning("Well.", "ollama", "fake-3", r#"{"thinking":"Never."}"#),
        tool_call("c3", "time", json!({})),
    ];
    Request {
        instructions: Some("Be brief.".to_owned()),
        messages: vec![
            Message::user("What is new?"),
            assistant(vec![
                reasoning("Hm.", "anthropic", "", thinking),
                reasoning("", "anthropic", "", redacted),
                Part::text("Let me look."),
                tool_call("c1", "news.latest", json!({"id": 2_512_292_042_121_000_001_u64})),
                tool_call("c2", "time", json!({})),
            ]),
            results(&[
                ("c2", "time", ToolStatus::Failed, json!("no clock")),
                ("c1", "news.latest", ToolStatus::Done, json!({"title": "Snow"})),
            ]),
            assistant(third.to_vec()),
            results(&[("c3", "time", ToolStatus::Done, json!("10:00"))]),
            Message::user("And?"),
        ],
        tools: vec![tool("news.latest"), tool("time")],
        ..request("")
    }
}

#[tokio::test]
async fn a_plain_question() {
    for format in FORMATS {
        let received = sent(format, request("Hello")).await;
        assert_eq!(received.header("content-type"), Some("application/json"));
        let accepted =
            if format == Format::Ollama { "application/x-ndjson" } else { "text/event-stream" };
        assert_eq!(received.header("accept"), Some(accepted));
        match format {
            Format::OpenAi => {
                assert_eq!(received.path, "/v1/chat/completions");
                let key = format!("Bearer {KEY}");
                assert_eq!(received.header("authorization"), Some(key.as_str()));
            }
            Format::Anthropic => {
                assert_eq!(received.path, "/v1/messages");
                assert_eq!(received.header("x-api-key"), Some(KEY));
                assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
            }
            Format::Responses => {
                assert_eq!(received.path, "/v1/responses");
                let key = format!("Bearer {KEY}");
                assert_eq!(received.header("authorization"), Some(key.as_str()));
            }
            Format::Google => {
                assert_eq!(received.path, "/v1beta/models/fake:streamGenerateContent");
                assert_eq!(received.header("x-goog-api-key"), Some(KEY));
            }
            Format::Ollama => {
                assert_eq!(received.path, "/api/chat");
                let key = format!("Bearer {KEY}");
                assert_eq!(received.header("authorization"), Some(key.as_str()));
            }
        }
    }
    check(
        Format::OpenAi,
        request("Hello"),
        expect![[r#"
        messages:
          {"content":"Hello","role":"user"}
        model: "fake"
        stream: true
        stream_options: {"include_usage":true}
    "#]],
    )
    .await;
    check(
        Format::Anthropic,
        request("Hello"),
        expect![[r#"
        max_tokens: 32000
        messages:
          {"content":[{"text":"Hello","type":"text"}],"role":"user"}
        model: "fake"
        stream: true
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_long_conversation_in_openais_words() {
    check(Format::OpenAi, long_conversation(), expect![[r#"
        messages:
          {"content":"Be brief.","role":"system"}
          {"content":"What is new?","role":"user"}
          {"content":"Let me look.","role":"assistant","tool_calls":[{"function":{"arguments":"{\"id\":2512292042121000001}","name":"news_latest_f9d3a8ed"},"id":"c1","type":"function"},{"function":{"arguments":"{}","name":"time"},"id":"c2","type":"function"}]}
          {"content":"{\"title\":\"Snow\"}","role":"tool","tool_call_id":"c1"}
          {"content":"{\"error\":\"no clock\"}","role":"tool","tool_call_id":"c2"}
          {"content":null,"reasoning_content":"So.","role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"c2ln"}},"function":{"arguments":"{}","name":"time"},"id":"c3","type":"function"}]}
          {"content":"10:00","role":"tool","tool_call_id":"c3"}
          {"content":"And?","role":"user"}
        model: "fake"
        stream: true
        stream_options: {"include_usage":true}
        tools:
          {"function":{"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"}},"type":"function"}
          {"function":{"description":"Does time.","name":"time","parameters":{"properties":{},"type":"object"}},"type":"function"}
    "#]]).await;
}

#[tokio::test]
async fn a_long_conversation_in_anthropics_words() {
    check(Format::Anthropic, long_conversation(), expect![[r#"
        max_tokens: 32000
        messages:
          {"content":[{"text":"What is new?","type":"text"}],"role":"user"}
          {"content":[{"signature":"c2ln","thinking":"Hm.","type":"thinking"},{"data":"ZGF0YQ==","type":"redacted_thinking"},{"text":"Let me look.","type":"text"},{"id":"c1","input":{"id":2512292042121000001},"name":"news_latest_f9d3a8ed","type":"tool_use"},{"id":"c2","input":{},"name":"time","type":"tool_use"}],"role":"assistant"}
          {"content":[{"content":"{\"title\":\"Snow\"}","tool_use_id":"c1","type":"tool_result"},{"content":"{\"error\":\"no clock\"}","is_error":true,"tool_use_id":"c2","type":"tool_result"}],"role":"user"}
          {"content":[{"id":"c3","input":{},"name":"time","type":"tool_use"}],"role":"assistant"}
          {"content":[{"content":"10:00","tool_use_id":"c3","type":"tool_result"},{"cache_control":{"type":"ephemeral"},"text":"And?","type":"text"}],"role":"user"}
        model: "fake"
        stream: true
        system:
          {"cache_control":{"type":"ephemeral"},"text":"Be brief.","type":"text"}
        tools:
          {"description":"Does news.latest.","input_schema":{"properties":{},"type":"object"},"name":"news_latest_f9d3a8ed"}
          {"cache_control":{"type":"ephemeral"},"description":"Does time.","input_schema":{"properties":{},"type":"object"},"name":"time"}
    "#]]).await;
}

#[tokio::test]
async fn private_parts_go_back_byte_for_byte() {
    let mut request = long_conversation();
    for provider in [json!({}), json!({"metadata": {"b": 1, "a": 2}})] {
        request.options.provider = provider.as_object().cloned().unwrap();
        let raw = sent(Format::Anthropic, request.clone()).await.raw;
        let raw = String::from_utf8(raw.to_vec()).unwrap();
        assert!(raw.contains(r#"{"type": "redacted_thinking",  "data": "ZGF0YQ=="}"#), "{raw}");
        assert!(
            raw.contains(r#"{"type":"thinking","thinking":"Hm.","signature":"c2ln"}"#),
            "{raw}"
        );
    }
}

#[tokio::test]
async fn what_a_model_thought_comes_back_to_it() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        fake.reply(Reply::text("Look:").reasoning("I wonder …").call("time", json!({})));
        let model = format.model(&fake);
        let mut request = request("Hello");
        request.tools = vec![tool("time")];
        let answer = call(&*model, request.clone()).await.end.unwrap();
        request.messages.push(answer.message);
        request.messages.push(results(&[("call_1", "time", ToolStatus::Done, json!("10:00"))]));
        call(&*model, request).await.end.unwrap();

        let body = fake.last_request().body;
        let message = &body["messages"][1];
        match format {
            Format::OpenAi => assert_eq!(message["reasoning_content"], "I wonder …"),
            Format::Anthropic => assert_eq!(
                message["content"][0],
                json!({"type": "thinking", "thinking": "I wonder …", "signature": "ZmFrZSBzaWduYXR1cmU="})
            ),
            Format::Responses => assert_eq!(
                body["input"][1],
                json!({"type": "reasoning", "id": "rs_fake", "encrypted_content": "ZmFrZSBlbmNyeXB0ZWQ=",
                    "summary": [{"type": "summary_text", "text": "I wonder …"}]})
            ),
            Format::Google => assert_eq!(
                body["contents"][1]["parts"][1],
                json!({"functionCall": {"name": "time", "args": {}}, "thoughtSignature": "ZmFrZSBzaWduYXR1cmU="})
            ),
            Format::Ollama => assert_eq!(message["thinking"], "I wonder …"),
        }
    }
}

#[tokio::test]
async fn images_and_files_in_openais_words() {
    check(Format::OpenAi, with_files(), expect![[r#"
        messages:
          {"content":[{"text":"What is this?","type":"text"},{"image_url":{"url":"https://example.com/b.png"},"type":"image_url"},{"image_url":{"url":"https://example.com/a.png"},"type":"image_url"},{"image_url":{"url":"data:image/png;base64,aW1n"},"type":"image_url"},{"file":{"file_data":"data:application/pdf;base64,cGRm","filename":"a.pdf"},"type":"file"},{"text":"a.csv:\na,b\n1,2","type":"text"},{"image_url":{"url":"data:image/jpeg;base64,anBn"},"type":"image_url"}],"role":"user"}
        model: "fake"
        stream: true
        stream_options: {"include_usage":true}
    "#]]).await;
}

#[tokio::test]
async fn images_and_files_in_anthropics_words() {
    check(Format::Anthropic, with_files(), expect![[r#"
        max_tokens: 32000
        messages:
          {"content":[{"text":"What is this?","type":"text"},{"source":{"type":"url","url":"https://example.com/b.png"},"type":"image"},{"source":{"type":"url","url":"https://example.com/a.png"},"type":"image"},{"source":{"data":"aW1n","media_type":"image/png","type":"base64"},"type":"image"},{"source":{"data":"cGRm","media_type":"application/pdf","type":"base64"},"title":"a.pdf","type":"document"},{"source":{"data":"a,b\n1,2","media_type":"text/plain","type":"text"},"title":"a.csv","type":"document"},{"source":{"data":"anBn","media_type":"image/jpeg","type":"base64"},"type":"image"}],"role":"user"}
        model: "fake"
        stream: true
    "#]]).await;
}

pub fn with_files() -> Request {
    let file = |media_type: &str, content: &str, filename: Option<&str>| Part::File {
        url: format!("data:{media_type};base64,{content}"),
        media_type: media_type.to_owned(),
        filename: filename.map(str::to_owned),
    };
    let by_address = Part::File {
        url: "https://example.com/b.png".to_owned(),
        media_type: "image/png".to_owned(),
        filename: None,
    };
    let content = vec![
        Part::text("What is this?"),
        by_address,
        Part::Image { url: "https://example.com/a.png".to_owned() },
        Part::Image { url: "data:image/png;base64,aW1n".to_owned() },
        file("application/pdf", "cGRm", Some("a.pdf")),
        file("text/csv", "YSxiCjEsMg==", Some("a.csv")),
        file("image/jpeg", "anBn", None),
    ];
    Request { messages: vec![Message { role: Role::User, content }], ..request("") }
}

#[tokio::test]
async fn a_file_that_a_provider_cannot_take_is_refused_before_anything_is_sent() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        let content = vec![Part::File {
            url: "https://example.com/a.zip".to_owned(),
            media_type: "application/zip".to_owned(),
            filename: None,
        }];
        let request =
            Request { messages: vec![Message { role: Role::User, content }], ..request("") };
        let error = call(&*format.model(&fake), request).await.end.unwrap_err();
        assert!(!error.retryable);
        assert!(
            error.message.contains("takes no file of type `application/zip`"),
            "{}",
            error.message
        );
        assert!(fake.requests().is_empty());
    }
}

#[tokio::test]
async fn options_in_openais_words() {
    check(Format::OpenAi, with_options(), expect![[r#"
        max_tokens: 2000
        messages:
          {"content":"Hello","role":"user"}
        model: "fake"
        parallel_tool_calls: false
        reasoning_effort: "low"
        seed: 7
        stream: true
        stream_options: {"include_usage":true}
        temperature: 0.5
        tool_choice: {"function":{"name":"news_latest_f9d3a8ed"},"type":"function"}
        tools:
          {"function":{"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"}},"type":"function"}
        top_p: 0.5
    "#]]).await;
}

#[tokio::test]
async fn options_in_anthropics_words() {
    check(Format::Anthropic, with_options(), expect![[r#"
        max_tokens: 2000
        messages:
          {"content":[{"cache_control":{"type":"ephemeral"},"text":"Hello","type":"text"}],"role":"user"}
        model: "fake"
        seed: 7
        stream: true
        temperature: 0.5
        tool_choice: {"disable_parallel_tool_use":true,"name":"news_latest_f9d3a8ed","type":"tool"}
        tools:
          {"cache_control":{"type":"ephemeral"},"description":"Does news.latest.","input_schema":{"properties":{},"type":"object"},"name":"news_latest_f9d3a8ed"}
        top_p: 0.5
    "#]]).await;
}

#[tokio::test]
async fn anthropics_models_think_without_rules_for_drawing() {
    let mut request = with_options();
    request.options.tool_choice = ToolChoice::Auto;
    request.options.provider.clear();

    let body = sent(Format::Anthropic, request).await.body;

    assert!(body.get("thinking").is_some(), "{body}");
    assert_eq!((body.get("temperature"), body.get("top_p")), (None, None));
}

/// All options; the provider's own win, but a stream it stays.
pub fn with_options() -> Request {
    let provider = json!({"seed": 7, "temperature": 0.5, "stream": false});
    let options = ModelOptions {
        temperature: Some(0.25),
        top_p: Some(0.5),
        max_output_tokens: Some(2000),
        reasoning_effort: Some(ReasoningEffort::Low),
        tool_choice: ToolChoice::Named { name: "news.latest".to_owned() },
        parallel_tool_calls: false,
        provider: provider.as_object().cloned().unwrap(),
    };
    Request { tools: vec![tool("news.latest")], options, ..request("Hello") }
}

#[tokio::test]
async fn tool_choices() {
    for (choice, openai, anthropic) in [
        (ToolChoice::Auto, json!(null), json!(null)),
        (ToolChoice::Required, json!("required"), json!({"type": "any"})),
        (ToolChoice::None, json!("none"), json!({"type": "none"})),
    ] {
        let mut request = request("Hello");
        request.options.tool_choice = choice;
        for (format, expected) in [(Format::OpenAi, openai), (Format::Anthropic, anthropic)] {
            let without_tools = sent(format, request.clone()).await.body;
            assert_eq!(without_tools.get("tool_choice"), None);
            let request = Request { tools: vec![tool("time")], ..request.clone() };
            assert_eq!(sent(format, request).await.body["tool_choice"], expected);
        }
    }
}
