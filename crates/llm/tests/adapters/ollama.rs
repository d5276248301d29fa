//! Ollama: requests as they go out, answers as they come.

use expect_test::expect;
use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::Message;
use llm::ModelError;
use llm::Part;
use llm::ReasoningEffort;
use llm::Request;
use llm::ToolChoice;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::requests::check;
use crate::requests::long_conversation;
use crate::requests::with_files;
use crate::requests::with_options;
use crate::support::Format;
use crate::support::answer_to;
use crate::support::call;
use crate::support::request;
use crate::support::sent;
use crate::support::tool;

async fn answer(lines: &[Value]) -> Result<Answer, ModelError> {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    answer_to(Format::Ollama, Reply::lines(lines.join("\n"))).await.end
}

fn says(text: &str) -> Value {
    json!({"message": {"role": "assistant", "content": text}, "done": false})
}

#[tokio::test]
async fn a_long_conversation() {
    check(Format::Ollama, long_conversation(), expect![[r#"
        messages:
          {"content":"Be brief.","role":"system"}
          {"content":"What is new?","role":"user"}
          {"content":"Let me look.","role":"assistant","tool_calls":[{"function":{"arguments":{"id":2512292042121000001},"name":"news_latest_f9d3a8ed"},"id":"c1"},{"function":{"arguments":{},"name":"time"},"id":"c2"}]}
          {"content":"{\"title\":\"Snow\"}","role":"tool","tool_call_id":"c1","tool_name":"news_latest_f9d3a8ed"}
          {"content":"{\"error\":\"no clock\"}","role":"tool","tool_call_id":"c2","tool_name":"time"}
          {"content":"","role":"assistant","thinking":"Well.","tool_calls":[{"function":{"arguments":{},"name":"time"},"id":"c3"}]}
          {"content":"10:00","role":"tool","tool_call_id":"c3","tool_name":"time"}
          {"content":"And?","role":"user"}
        model: "fake"
        stream: true
        tools:
          {"function":{"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"}},"type":"function"}
          {"function":{"description":"Does time.","name":"time","parameters":{"properties":{},"type":"object"}},"type":"function"}
    "#]]).await;
}

#[tokio::test]
async fn images_and_files() {
    let mut request = with_files();
    let is_taken = |part: &Part| match part {
        Part::Image { url } => url.starts_with("data:"),
        Part::File { url, media_type, .. } => {
            url.starts_with("data:") && media_type != "application/pdf"
        }
        _ => true,
    };
    request.messages[0].content.retain(is_taken);
    check(
        Format::Ollama,
        request,
        expect![[r#"
        messages:
          {"content":"What is this?\n\na.csv:\na,b\n1,2","images":["aW1n","anBn"],"role":"user"}
        model: "fake"
        stream: true
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_image_by_address_is_refused_before_anything_is_sent() {
    let fake = FakeModel::start().await;
    let content = vec![Part::Image { url: "https://example.com/a.png".to_owned() }];
    let message = Message { content, ..Message::user("") };
    let request = Request { messages: vec![message], ..request("") };
    let error = call(&*Format::Ollama.model(&fake), request).await.end.unwrap_err();
    assert_eq!(error.message, "`ollama` takes images only as base64 `data:` URLs, not by address");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn options() {
    let mut request = with_options();
    let own = json!({"num_ctx": 16_384, "temperature": 0.125});
    request.options.provider.insert("options".to_owned(), own);
    check(Format::Ollama, request, expect![[r#"
        messages:
          {"content":"Hello","role":"user"}
        model: "fake"
        options: {"num_ctx":16384,"num_predict":2000,"temperature":0.125,"top_p":0.5}
        seed: 7
        stream: true
        temperature: 0.5
        think: true
        tools:
          {"function":{"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"}},"type":"function"}
    "#]]).await;
}

#[tokio::test]
async fn without_a_choice_there_are_no_tools() {
    let mut request = Request { tools: vec![tool("time")], ..request("Hello") };
    request.options.tool_choice = ToolChoice::None;
    assert_eq!(sent(Format::Ollama, request).await.body.get("tools"), None);
}

#[tokio::test]
async fn efforts_are_said_as_models_understand_them() {
    for (model, effort, expected) in [
        ("qwen3:8b", ReasoningEffort::High, json!(true)),
        ("qwen3:8b", ReasoningEffort::None, json!(false)),
        ("gpt-oss:20b", ReasoningEffort::Medium, json!("medium")),
        ("gpt-oss:20b", ReasoningEffort::None, json!("low")),
    ] {
        let mut request = Request { model: model.to_owned(), ..request("Hello") };
        request.options.reasoning_effort = Some(effort);
        assert_eq!(sent(Format::Ollama, request).await.body["think"], expected);
    }
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it() {
    let error =
        json!({"error": "an error was encountered while running the model: unexpected EOF"});
    let error = answer(&[says("Half"), error]).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::BrokenOff, true));
    assert_eq!(
        error.message,
        "`ollama` broke off with an error: an error was encountered while running the model: unexpected EOF"
    );
    assert_eq!(error.partial.unwrap().text(), "Half");
}

#[tokio::test]
async fn an_answer_without_its_last_line_is_cut_off() {
    let error = answer(&[says("Hi")]).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Truncated, true));
}

#[tokio::test]
async fn reasons_are_what_they_say() {
    for (reason, expected) in [
        (json!("stop"), FinishReason::Stop),
        (json!(null), FinishReason::Stop),
        (json!("length"), FinishReason::Length),
        (json!("unload"), FinishReason::Other),
    ] {
        let end = json!({"message": {"content": ""}, "done": true, "done_reason": reason});
        assert_eq!(answer(&[says("Hi"), end]).await.unwrap().finish_reason, expected);
    }
}

#[tokio::test]
async fn garbage_is_not_of_the_protocol() {
    for line in ["<html>", "[1]", "{\"message\": 7}", "{\"done\": \"x\"}"] {
        let reply = Reply::lines(format!("{line}\n"));
        let error = answer_to(Format::Ollama, reply).await.end.unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::Protocol, false), "{line}");
    }
}

#[tokio::test]
async fn an_answer_is_bound_to_its_schema_where_no_tool_may_be_called() {
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"const": "x"}}});
    let reduced = json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}});
    let mut without = Request { output_schema: Some(schema), ..request("Hello") };
    without.options.tool_choice = ToolChoice::None;
    let mut with = Request { tools: vec![tool("time")], ..without.clone() };
    let off = with.clone();
    with.options.tool_choice = ToolChoice::Auto;
    let model = Format::Ollama.model(&FakeModel::start().await);

    for (asked, expected) in [(&without, Some(&reduced)), (&off, Some(&reduced)), (&with, None)] {
        let body = sent(Format::Ollama, asked.clone()).await.body;
        assert_eq!(body.get("format"), expected);
        // It is told in any case.
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("\"$defs\""), "{body}");
    }
    assert_eq!(model.unbound(&without), None);
    let why = "a model that is bound to a schema cannot call its tools";
    assert_eq!(model.unbound(&with).as_deref(), Some(why));
}
