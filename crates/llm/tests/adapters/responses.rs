//! The responses API: requests as they go out, answers as they come.

use expect_test::expect;
use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::ModelError;
use llm::Part;
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
use crate::support::sse;
use crate::support::tool_call;

async fn answer(events: &[Value]) -> Result<Answer, ModelError> {
    let events = sse(events.iter().map(Value::to_string));
    answer_to(Format::Responses, Reply::sse(events)).await.end
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"usage": {"input_tokens": 1, "output_tokens": 1}}})
}

#[tokio::test]
async fn a_long_conversation() {
    check(Format::Responses, long_conversation(), expect![[r#"
        include:
          "reasoning.encrypted_content"
        input:
          {"content":[{"text":"What is new?","type":"input_text"}],"role":"user","type":"message"}
          {"content":"Let me look.","role":"assistant","type":"message"}
          {"arguments":"{\"id\":2512292042121000001}","call_id":"c1","name":"news_latest_f9d3a8ed","type":"function_call"}
          {"arguments":"{}","call_id":"c2","name":"time","type":"function_call"}
          {"call_id":"c1","output":"{\"title\":\"Snow\"}","type":"function_call_output"}
          {"call_id":"c2","output":"{\"error\":\"no clock\"}","type":"function_call_output"}
          {"encrypted_content":"ZW5j","type":"reasoning"}
          {"arguments":"{}","call_id":"c3","name":"time","type":"function_call"}
          {"call_id":"c3","output":"10:00","type":"function_call_output"}
          {"content":[{"text":"And?","type":"input_text"}],"role":"user","type":"message"}
        instructions: "Be brief."
        model: "fake"
        store: false
        stream: true
        tools:
          {"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"},"strict":false,"type":"function"}
          {"description":"Does time.","name":"time","parameters":{"properties":{},"type":"object"},"strict":false,"type":"function"}
    "#]]).await;
}

#[tokio::test]
async fn images_and_files() {
    check(Format::Responses, with_files(), expect![[r#"
        include:
          "reasoning.encrypted_content"
        input:
          {"content":[{"text":"What is this?","type":"input_text"},{"image_url":"https://example.com/b.png","type":"input_image"},{"image_url":"https://example.com/a.png","type":"input_image"},{"image_url":"data:image/png;base64,aW1n","type":"input_image"},{"file_data":"data:application/pdf;base64,cGRm","filename":"a.pdf","type":"input_file"},{"text":"a.csv:\na,b\n1,2","type":"input_text"},{"image_url":"data:image/jpeg;base64,anBn","type":"input_image"}],"role":"user","type":"message"}
        model: "fake"
        store: false
        stream: true
    "#]]).await;
}

#[tokio::test]
async fn options() {
    let mut request = with_options();
    request.options.provider.insert("reasoning".to_owned(), json!({"summary": "auto"}));
    check(Format::Responses, request, expect![[r#"
        include:
          "reasoning.encrypted_content"
        input:
          {"content":[{"text":"Hello","type":"input_text"}],"role":"user","type":"message"}
        max_output_tokens: 2000
        model: "fake"
        parallel_tool_calls: false
        reasoning: {"effort":"low","summary":"auto"}
        seed: 7
        store: false
        stream: true
        temperature: 0.5
        tool_choice: {"name":"news_latest_f9d3a8ed","type":"function"}
        tools:
          {"description":"Does news.latest.","name":"news_latest_f9d3a8ed","parameters":{"properties":{},"type":"object"},"strict":false,"type":"function"}
        top_p: 0.5
    "#]]).await;
}

#[tokio::test]
async fn what_was_encrypted_goes_back_byte_for_byte() {
    let raw = sent(Format::Responses, long_conversation()).await.raw;
    let raw = String::from_utf8(raw.to_vec()).unwrap();
    assert!(raw.contains(r#"{"type":"reasoning",  "encrypted_content":"ZW5j"}"#), "{raw}");
}

#[tokio::test]
async fn what_cannot_go_back_is_not_kept() {
    let thought = |encrypted: Value| {
        json!({"type": "response.output_item.done", "output_index": 0, "item":
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": encrypted}})
    };
    let said = json!({"type": "response.output_text.delta", "output_index": 1, "delta": "Hi"});
    for (encrypted, parts) in [(json!(null), 1), (json!(""), 1), (json!("ZW5j"), 2)] {
        let answer = answer(&[thought(encrypted), said.clone(), completed()]).await.unwrap();
        assert_eq!(answer.message.content.len(), parts);
    }
}

#[tokio::test]
async fn an_answer_that_comes_only_as_a_whole_is_one() {
    let output = json!([
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Look"}, {"type": "refusal", "refusal": "!"}]},
        {"type": "function_call", "id": "fc_1", "name": "time", "arguments": "{\"a\":1}"},
    ]);
    let whole = json!({"type": "response.completed", "response": {"output": output}});
    let content = answer(&[whole]).await.unwrap().message.content;
    assert_eq!(content[1..], [Part::text("Look!"), tool_call("fc_1", "time", json!({"a": 1}))]);
    assert!(matches!(&content[0], Part::Reasoning { text, private: Some(_) } if text == "Hm."));
}

#[tokio::test]
async fn what_we_have_no_form_for_goes_back_as_it_came() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": search});
    let fake = FakeModel::start().await;
    fake.reply(Reply::sse(sse([done.to_string(), completed().to_string()])));
    let model = Format::Responses.model(&fake);
    let mut request = request("Hello");
    let answer = call(&*model, request.clone()).await.end.unwrap();
    request.messages.push(answer.message);
    call(&*model, request).await.end.unwrap();
    assert_eq!(fake.last_request().body["input"][1], search);
}

#[tokio::test]
async fn reasons_are_what_they_say() {
    for (reason, expected) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("else", FinishReason::Other),
    ] {
        let reply = Reply::text("Hi").raw_call("c", "t", "{\"a\":").finish_reason(reason);
        let answer = answer_to(Format::Responses, reply).await.end.unwrap();
        assert_eq!(answer.finish_reason, expected);
        assert_eq!(answer.message.content, [Part::text("Hi")], "a call that was cut is none");
    }
}

#[tokio::test]
async fn a_failure_ends_an_answer() {
    let said = json!({"type": "response.output_text.delta", "delta": "Half"});
    for (failure, retryable, message) in [
        (
            json!({"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Oh"}}}),
            true,
            "`openai-responses` broke off with an error: Oh (server_error)",
        ),
        (
            json!({"type": "error", "code": "context_length_exceeded", "message": "Too long", "param": null}),
            false,
            "`openai-responses` broke off with an error: Too long (context_length_exceeded)",
        ),
        (
            json!({"type": "error", "error": {"type": "invalid_request_error", "code": null, "message": "No"}}),
            false,
            "`openai-responses` broke off with an error: No (invalid_request_error)",
        ),
        (
            json!({"type": "response.failed", "response": {"error": null}}),
            true,
            "`openai-responses` broke off with an error",
        ),
    ] {
        let error = answer(&[said.clone(), failure]).await.unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::BrokenOff, retryable));
        assert_eq!(error.message, message);
        assert_eq!(error.partial.unwrap().text(), "Half");
    }
}

#[tokio::test]
async fn an_answer_without_its_last_event_is_cut_off() {
    let said = json!({"type": "response.output_text.delta", "delta": "Hi"});
    let body = sse([said.to_string(), "[DONE]".to_owned()]);
    let error = answer_to(Format::Responses, Reply::sse(body)).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Truncated);
    let created = json!({"type": "response.created", "response": {}});
    let error = answer(&[created.clone(), created]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
}
