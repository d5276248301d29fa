//! Chat completions as no documentation shows them and as servers send them all the same.

use llm::Answer;
use llm::FinishReason;
use llm::MalformedArguments;
use llm::ModelError;
use llm::Part;
use llm::Private;
use llm::Timeouts;
use llm::Usage;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::FORMATS;
use crate::support::Format;
use crate::support::answer_to;
use crate::support::assistant;
use crate::support::call;
use crate::support::request;
use crate::support::sse;
use crate::support::tool_call;

/// An event stream of these chunks and the end marker.
fn stream(chunks: &[Value]) -> String {
    let chunks = chunks.iter().map(Value::to_string);
    sse(chunks.chain(["[DONE]".to_owned()]))
}

async fn openai(chunks: &[Value]) -> Result<Answer, ModelError> {
    answer_to(Format::OpenAi, Reply::sse(stream(chunks))).await.end
}

fn delta(delta: Value) -> Value {
    json!({"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn says(text: &str) -> Value {
    delta(json!({"content": text}))
}

/// One whole call in one fragment.
fn calls(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    delta(json!({"tool_calls": [{"index": index, "id": id, "function": function}]}))
}

fn ends(reason: &str) -> Value {
    json!({"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

#[tokio::test]
async fn calls_count_whatever_the_reason_to_stop() {
    for reason in [
        json!("stop"),
        json!(null),
        json!("eos"),
        json!("length"),
        json!("tool_calls"),
        json!("what?"),
    ] {
        let end = json!({"choices": [{"delta": {}, "finish_reason": reason}]});
        let answer = openai(&[says("Look:"), calls(0, "c1", "t", "{}"), end]).await.unwrap();
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls, "{reason}");
        let expected = assistant(vec![Part::text("Look:"), tool_call("c1", "t", json!({}))]);
        assert_eq!(answer.message, expected);
    }
}

#[tokio::test]
async fn reasons_without_calls_are_what_they_say() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("tool_calls", FinishReason::Other),
        ("what?", FinishReason::Other),
    ] {
        let answer = openai(&[says("Hi"), ends(reason)]).await.unwrap();
        assert_eq!(answer.finish_reason, expected, "{reason}");
    }
}

#[tokio::test]
async fn chunks_without_choices_carry_usage_or_nothing() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 2});
    for chunk in [
        json!({"choices": [], "usage": usage}),
        json!({"choices": null, "usage": usage}),
        json!({"usage": usage}),
        json!({"choices": [{"delta": null, "usage": usage}], "usage": null}),
    ] {
        let chunks = [json!({"choices": []}), says("Hi"), ends("stop"), chunk, json!({})];
        let answer = openai(&chunks).await.unwrap();
        assert_eq!(answer.message.text(), "Hi");
        assert_eq!(answer.usage, Usage { input_tokens: 7, output_tokens: 2, ..Usage::default() });
    }
}

#[tokio::test]
async fn of_usage_in_every_chunk_the_last_counts() {
    let with = |count: u64, mut chunk: Value| {
        chunk["usage"] = json!({"prompt_tokens": 7, "completion_tokens": count});
        chunk
    };
    let chunks =
        [with(1, says("a")), with(2, says("b")), with(2, ends("stop")), json!({"usage": "?"})];
    assert_eq!(openai(&chunks).await.unwrap().usage.output_tokens, 2);
}

#[tokio::test]
async fn only_the_first_of_several_answers_counts() {
    let mut second = says("second");
    second["id"] = json!("b");
    let mut beside = says("beside");
    beside["choices"][0]["index"] = json!(1);
    let answer = openai(&[beside, says("first"), ends("stop"), second]).await.unwrap();
    assert_eq!(answer.message.text(), "first");
}

#[tokio::test]
async fn an_end_marker_without_a_reason_ends_an_answer() {
    let answer = openai(&[says("Hi")]).await.unwrap();
    assert_eq!((answer.message.text().as_str(), answer.finish_reason), ("Hi", FinishReason::Other));
}

#[tokio::test]
async fn a_reason_without_an_end_marker_ends_an_answer() {
    let body = stream(&[says("Hi"), ends("stop")]).replace("data: [DONE]\n\n", "");
    let patient = FakeModel::start().await;
    let timeouts =
        Timeouts { between_tokens: std::time::Duration::from_millis(100), ..Timeouts::default() };
    for reply in [
        Reply::sse(body.clone()),
        Reply::sse(body.trim_end()),
        Reply::sse(body.clone()).abort(body.len()),
        Reply::sse(body.clone()).hang(body.len()),
    ] {
        patient.reply(reply);
        let model = Format::OpenAi.model_with(&patient, timeouts);
        let answer = call(&*model, request("Hello")).await.end.unwrap();
        assert_eq!(answer.message.text(), "Hi");
    }
}

#[tokio::test]
async fn control_frames_never_reach_the_parser() {
    let body = stream(&[says("Hi"), ends("stop")]);
    let frames = ": BUSY\n\nretry: 3000\n\nid: 1\n\nevent: ping\n\ndata:\n\n:\n\n";
    let body = body.replace("data: {", &format!("{frames}data: {{"));
    for line_end in ["\n", "\r\n", "\r"] {
        let reply = Reply::sse(format!("\u{feff}{}", body.replace('\n', line_end))).dribble();
        assert_eq!(answer_to(Format::OpenAi, reply).await.end.unwrap().message.text(), "Hi");
    }
    for format in FORMATS {
        let reply =
            Reply::text("那个🌍é done").call("t", json!({"é": "🌍"})).comments().crlf().dribble();
        let answer = answer_to(format, reply).await.end.unwrap();
        let expected = [Part::text("那个🌍é done"), tool_call("call_1", "t", json!({"é": "🌍"}))];
        assert_eq!(answer.message.content, expected);
    }
}

#[tokio::test]
async fn an_answer_at_its_limit_has_only_calls_that_are_whole() {
    let chunks = [
        calls(0, "c1", "t", "{\"a\": 1}"),
        calls(1, "c2", "t", "{\"a\": 1"),
        calls(2, "c3", "t", ""),
        ends("length"),
    ];
    let answer = openai(&chunks).await.unwrap();
    assert_eq!(answer.message.content, [tool_call("c1", "t", json!({"a": 1}))]);

    let answer =
        openai(&[says("Hm"), calls(0, "c1", "t", "{\"a\""), ends("length")]).await.unwrap();
    assert_eq!(answer.message.content, [Part::text("Hm")]);
    assert_eq!(answer.finish_reason, FinishReason::Length);

    let reply = Reply::text("Hm").raw_call("c1", "t", "{\"a\": \"b").finish_reason("max_tokens");
    let answer = answer_to(Format::Anthropic, reply).await.end.unwrap();
    assert_eq!(answer.message.content, [Part::text("Hm")]);
    assert_eq!(answer.finish_reason, FinishReason::Length);
}

#[tokio::test]
async fn malformed_arguments_are_kept_apart() {
    for format in [Format::OpenAi, Format::Anthropic, Format::Responses] {
        let reply = Reply::default().raw_call("c1", "t", "{\"a\": ").raw_call("c2", "t", "[1]");
        let answer = answer_to(format, reply).await.end.unwrap();
        let malformed = |call_id: &str, text: &str, reason: &str| Part::ToolCall {
            call_id: call_id.to_owned(),
            tool: "t".to_owned(),
            arguments: json!({}),
            malformed: Some(MalformedArguments {
                text: text.to_owned(),
                reason: reason.to_owned(),
            }),
        };
        let expected = [
            malformed(
                "c1",
                "{\"a\": ",
                "the arguments are not JSON: EOF while parsing a value at line 1 column 6",
            ),
            malformed("c2", "[1]", "the arguments are not a JSON object but an array"),
        ];
        assert_eq!(answer.message.content, expected, "{format:?}");
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    }
}

#[tokio::test]
async fn ids_are_distinct_and_never_empty() {
    let chunks = [
        calls(0, "", "t", "{\"n\": 1}"),
        calls(0, "", "t", "{\"n\": 2}"),
        calls(1, "x", "t", "{\"n\": 3}"),
        calls(2, "x", "t", "{\"n\": 4}"),
        calls(3, "old", "t", "{\"n\": 5}"),
    ];
    let fake = FakeModel::start().await;
    let model = Format::OpenAi.model(&fake);
    let mut request = request("Hello");
    request.messages.push(assistant(vec![
        tool_call("old", "t", json!({})),
        tool_call("call_1", "t", json!({})),
    ]));
    for _ in 0..2 {
        fake.reply(Reply::sse(stream(&chunks)));
        let answer = call(&*model, request.clone()).await.end.unwrap();
        let expected = [("call_2", 1), ("call_3", 2), ("x", 3), ("x_2", 4), ("old_2", 5)];
        let expected = expected.map(|(id, n)| tool_call(id, "t", json!({"n": n})));
        assert_eq!(answer.message.content, expected);
    }
}

#[tokio::test]
async fn characters_that_nobody_can_store_are_replaced() {
    let body = [
        r#"{"choices":[{"delta":{"content":"a\ud83d"}}]}"#,
        r#"{"choices":[{"delta":{"content":"\u0000b"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c\u0000","function":{"name":"t","arguments":"{\"a\": \"\\ud83d"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\ude00 \\u0000 \\ud83d\"}"}}]}}]}"#,
        "[DONE]",
    ];
    let body = sse(body.into_iter().map(str::to_owned));
    let answer = answer_to(Format::OpenAi, Reply::sse(body)).await.end.unwrap();
    let expected = [
        Part::text("a\u{fffd}\u{fffd}b"),
        tool_call("c\u{fffd}", "t", json!({"a": "😀 \u{fffd} \u{fffd}"})),
    ];
    assert_eq!(answer.message.content, expected);
}

#[tokio::test]
async fn thoughts_come_under_several_names() {
    for (deltas, kept) in [
        (vec![json!({"reasoning_content": "Hm"})], r#"{"reasoning_content":"Hm"}"#),
        (vec![json!({"reasoning": "H"}), json!({"reasoning": "m"})], r#"{"reasoning":"Hm"}"#),
        (
            vec![json!({"reasoning": "Hm", "reasoning_content": "Hm"})],
            r#"{"reasoning_content":"Hm"}"#,
        ),
        (
            vec![
                json!({"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}),
            ],
            r#"{"reasoning":"Hm","reasoning_details":[{"index":0,"text":"Hm","type":"reasoning.text"}]}"#,
        ),
    ] {
        let mut chunks: Vec<Value> = deltas.into_iter().map(delta).collect();
        chunks.extend([says("Ok"), ends("stop")]);
        let answer = openai(&chunks).await.unwrap();
        let private = Some(Private {
            provider: "openai".to_owned(),
            model: "fake".to_owned(),
            data: kept.to_owned(),
        });
        let expected = [Part::Reasoning { text: "Hm".to_owned(), private }, Part::text("Ok")];
        assert_eq!(answer.message.content, expected);
    }
}

#[tokio::test]
async fn content_may_be_a_list_of_parts() {
    let thinking = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]);
    let chunks = [
        delta(json!({"content": thinking})),
        delta(json!({"content": [{"type": "text", "text": "O"}, {"type": "text", "text": "k"}]})),
        says("."),
        delta(json!({"content": {"unknown": true}, "refusal": null})),
        ends("stop"),
    ];
    let answer = openai(&chunks).await.unwrap();
    let thought = Part::Reasoning { text: "Hm".to_owned(), private: None };
    assert_eq!(answer.message.content, [thought, Part::text("Ok.")]);
}

#[tokio::test]
async fn a_refusal_is_said() {
    let answer =
        openai(&[delta(json!({"content": null, "refusal": "I cannot."})), ends("stop")]).await;
    assert_eq!(answer.unwrap().message.text(), "I cannot.");
}

#[tokio::test]
async fn signatures_of_calls_are_kept() {
    let call = json!({"index": 0, "id": "c1", "function": {"name": "t", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}});
    let answer = openai(&[delta(json!({"tool_calls": [call]})), ends("tool_calls")]).await.unwrap();
    let data = r#"{"extra_content":{"c1":{"google":{"thought_signature":"c2ln"}}}}"#.to_owned();
    let private = Some(Private { provider: "openai".to_owned(), model: "fake".to_owned(), data });
    let expected =
        [tool_call("c1", "t", json!({})), Part::Reasoning { text: String::new(), private }];
    assert_eq!(answer.message.content, expected);
}
