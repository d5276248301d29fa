//! Whole answers.

use llm::FinishReason;
use llm::Part;
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
use crate::support::client;
use crate::support::request;
use crate::support::tool;
use crate::support::tool_call;

#[tokio::test]
async fn text_is_streamed_and_whole_at_the_end() {
    for format in FORMATS {
        let reply = Reply::text("那个 🌍 é is here.").usage(12, 5).usage_details(8, 0);
        let outcome = answer_to(format, reply).await;
        let answer = outcome.end.unwrap();

        assert_eq!(answer.message, assistant(vec![Part::text("那个 🌍 é is here.")]), "{format:?}");
        assert_eq!(answer.finish_reason, FinishReason::Stop);
        // Ollama does not tell.
        let cached_tokens = if format == Format::Ollama { 0 } else { 8 };
        let usage = Usage { input_tokens: 12, cached_tokens, output_tokens: 5, ..Usage::default() };
        assert_eq!(answer.usage, usage);
    }
}

#[tokio::test]
async fn parallel_calls_come_in_their_order() {
    for format in FORMATS {
        let reply = Reply::text("Let me look.")
            .call("weather", json!({"city": "Bern", "id": 2_512_292_042_121_000_001_u64}))
            .call("time", json!({}));
        let answer = answer_to(format, reply).await.end.unwrap();

        let expected = assistant(vec![
            Part::text("Let me look."),
            tool_call(
                "call_1",
                "weather",
                json!({"city": "Bern", "id": 2_512_292_042_121_000_001_u64}),
            ),
            tool_call("call_2", "time", json!({})),
        ]);
        assert_eq!(answer.message, expected, "{format:?}");
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    }
}

#[tokio::test]
async fn the_fake_calls_a_tool_when_told_to() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        let mut request = request("use tool add.up with {\"a\": [1, 2]}");
        request.tools = vec![tool("add")];
        let plain = call(&*format.model(&fake), request.clone()).await.end.unwrap();
        assert_eq!(plain.message.text(), "You said: use tool add.up with {\"a\": [1, 2]}");

        request.messages = vec![llm::Message::user("use tool add with {\"a\": [1, 2]}")];
        let called = call(&*format.model(&fake), request).await.end.unwrap();
        assert_eq!(
            called.message,
            assistant(vec![tool_call("call_1", "add", json!({"a": [1, 2]}))])
        );
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_streamed_answer() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        let model = format.model(&fake);
        for _ in 0..5 {
            call(&*model, request("Hello")).await.end.unwrap();
        }
        assert_eq!(fake.cancelled(), 0, "{format:?}");
        // One, if the machine is not so busy that the end of a body comes late.
        assert!(fake.connections() < 5, "{format:?}");
    }
}

#[tokio::test]
async fn the_fake_answers_without_a_stream_too() {
    let fake = FakeModel::start().await;
    let body =
        json!({"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}).to_string();
    for (path, text) in
        [("v1/chat/completions", "/choices/0/message/content"), ("v1/messages", "/content/0/text")]
    {
        let request = client().post(format!("{}/{path}", fake.url())).body(body.clone());
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer.pointer(text), Some(&json!("You said: Hello")), "{answer}");
    }
}
