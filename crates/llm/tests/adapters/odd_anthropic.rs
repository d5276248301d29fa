//! Messages of Anthropic's form as imitations of it send them.

use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::ModelError;
use llm::Part;
use llm::Usage;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use crate::support::Format;
use crate::support::answer_to;
use crate::support::sse;
use crate::support::tool_call;

async fn anthropic(events: &[Value]) -> Result<Answer, ModelError> {
    let events = sse(events.iter().map(Value::to_string));
    answer_to(Format::Anthropic, Reply::sse(events)).await.end
}

fn block_start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn block_delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn message_end(reason: &str) -> [Value; 2] {
    let delta = json!({"stop_reason": reason});
    [
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ]
}

#[tokio::test]
async fn an_imitation_of_anthropic_is_understood() {
    let mut events = vec![
        // No ids, no pings, no ends of blocks; unknown events and blocks.
        json!({"type": "message_start", "message": {}}),
        json!({"type": "vendor_event", "x": 1}),
        block_start(0, json!({"type": "text", "text": "Hi"})),
        block_start(
            1,
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        ),
        block_delta(1, json!({"type": "input_json_delta", "partial_json": "{}"})),
        block_start(2, json!({"type": "text", "text": ""})),
        block_delta(2, json!({"type": "text_delta", "text": " there"})),
        block_delta(
            2,
            json!({"type": "citations_delta", "citation": {"url": "https://example.com"}}),
        ),
        block_start(3, json!({"type": "text", "text": ""})),
        block_start(4, json!({"type": "tool_use", "id": "", "name": "t", "input": {"a": 1}})),
    ];
    events.extend(message_end("end_turn"));
    let answer = anthropic(&events).await.unwrap();
    let cited = Part::Text {
        text: " there".to_owned(),
        citations: vec![json!({"url": "https://example.com"})],
    };
    assert_eq!(
        answer.message.content,
        [Part::text("Hi"), cited, tool_call("call_1", "t", json!({"a": 1}))]
    );
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn text_without_the_start_of_its_block_is_text() {
    let mut events = vec![block_delta(0, json!({"type": "text_delta", "text": "Hi"}))];
    events.extend(message_end("max_tokens"));
    let answer = anthropic(&events).await.unwrap();
    assert_eq!(
        (answer.message.text().as_str(), answer.finish_reason),
        ("Hi", FinishReason::Length)
    );
}

#[tokio::test]
async fn input_that_is_counted_late_counts() {
    let usage = json!({"input_tokens": 0, "output_tokens": 0});
    let late = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": null, "output_tokens": 4});
    let events = [
        json!({"type": "message_start", "message": {"usage": usage}}),
        block_start(0, json!({"type": "text", "text": "Hi"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": late}),
        json!({"type": "message_stop"}),
    ];
    let usage = anthropic(&events).await.unwrap().usage;
    assert_eq!(
        usage,
        Usage { input_tokens: 100, cached_tokens: 90, output_tokens: 4, ..Usage::default() }
    );
}

#[tokio::test]
async fn reasons_of_anthropic_are_what_they_say() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
        ("tool_use", FinishReason::Other),
    ] {
        let answer = answer_to(Format::Anthropic, Reply::text("Hi").finish_reason(reason)).await;
        assert_eq!(answer.end.unwrap().finish_reason, expected, "{reason}");
    }
}

#[tokio::test]
async fn without_its_last_event_an_answer_of_anthropic_is_cut_off() {
    let events = [
        json!({"type": "message_start", "message": {}}),
        block_start(0, json!({"type": "text", "text": "Hi"})),
    ];
    let [delta, _] = message_end("end_turn");
    let error = anthropic(&[&events[..], &[delta]].concat()).await.unwrap_err();
    assert_eq!((error.kind, error.partial.unwrap().text().as_str()), (ErrorKind::Truncated, "Hi"));
}

#[tokio::test]
async fn two_answers_in_one_body_are_none() {
    let start = json!({"type": "message_start", "message": {"usage": {}}});
    let error = anthropic(&[start.clone(), start]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
}
