//! The scripted model.

use futures::StreamExt;
use llm::ChatModel;
use llm::Chunk;
use llm::FinishReason;
use llm::Message;
use llm::Part;
use llm::ToolStatus;
use llm::Usage;
use llm::demo::Scripted;
use serde_json::json;

use crate::support::assistant;
use crate::support::call;
use crate::support::request;
use crate::support::results;
use crate::support::tool;
use crate::support::tool_call;

async fn says(text: &str) -> String {
    let mut request = request(text);
    request.tools = vec![tool("current_time"), tool("add")];
    call(&Scripted, request).await.end.unwrap().message.text()
}

#[tokio::test]
async fn it_repeats_what_it_was_told_and_counts_words() {
    let mut request = request("Good  morning,\nsunshine");
    request.instructions = Some("You know a secret.".to_owned());
    let outcome = call(&Scripted, request).await;
    let answer = outcome.end.unwrap();
    assert_eq!(answer.message, assistant(vec![Part::text("You said: Good  morning,\nsunshine")]));
    assert_eq!(answer.finish_reason, FinishReason::Stop);
    assert_eq!(answer.usage, Usage { input_tokens: 7, output_tokens: 5, ..Usage::default() });
}

#[tokio::test]
async fn it_streams_word_by_word() {
    let chunks: Vec<_> = Scripted.stream(request("a b ")).collect().await;
    let texts = chunks.iter().filter_map(|chunk| match chunk.as_ref().unwrap() {
        Chunk::Delta(delta) => Some(delta.text.as_str()),
        Chunk::Finished(_) => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["You", " said:", " a", " b", " "]);
}

#[tokio::test]
async fn it_calls_the_tools_that_it_is_told_to_use() {
    for (text, expected) in [
        ("use tool current_time with {}", vec![tool_call("call_1", "current_time", json!({}))]),
        ("Please use tool `current_time`.", vec![tool_call("call_1", "current_time", json!({}))]),
        (
            "use tool add with {\"a\": [1, {\"b\": \"}\"}]} and then use tool current_time with {\"zone\": \"UTC\"}.",
            vec![
                tool_call("call_1", "add", json!({"a": [1, {"b": "}"}]})),
                tool_call("call_2", "current_time", json!({"zone": "UTC"})),
            ],
        ),
    ] {
        let mut request = request(text);
        request.tools = vec![tool("current_time"), tool("add")];
        let answer = call(&Scripted, request).await.end.unwrap();
        assert_eq!(answer.message, assistant(expected), "{text}");
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    }
}

#[tokio::test]
async fn it_knows_only_the_tools_it_is_offered() {
    assert_eq!(
        says("use tool add with {} and use tool refund with {}").await,
        "I have no tool named `refund`."
    );
}

#[tokio::test]
async fn arguments_that_are_no_object_are_malformed_as_with_any_model() {
    let mut request = request("use tool add with {\"a\":");
    request.tools = vec![tool("add")];
    let answer = call(&Scripted, request).await.end.unwrap();
    let [Part::ToolCall { malformed: Some(malformed), .. }] = answer.message.content.as_slice()
    else {
        panic!("{:?}", answer.message)
    };
    assert_eq!(malformed.text, "{\"a\":");
}

#[tokio::test]
async fn it_reports_the_results_of_tools() {
    let mut request = request("use tool current_time with {}");
    request.messages.push(assistant(vec![
        tool_call("call_1", "current_time", json!({})),
        tool_call("call_2", "add", json!({})),
    ]));
    request.messages.push(results(&[
        ("call_1", "current_time", ToolStatus::Done, json!({"now": "10:00"})),
        ("call_2", "add", ToolStatus::Failed, json!({"error": "no numbers"})),
    ]));
    let answer = call(&Scripted, request).await.end.unwrap();
    assert_eq!(
        answer.message.text(),
        r#"The tool `current_time` answered {"now":"10:00"}. The tool `add` answered {"error":"no numbers"}."#
    );
}

#[tokio::test]
async fn a_second_call_in_a_conversation_gets_an_id_of_its_own() {
    let mut request = request("Hello");
    request.tools = vec![tool("add")];
    request.messages.push(assistant(vec![tool_call("call_1", "add", json!({}))]));
    request.messages.push(Message::user("use tool add with {}"));
    let answer = call(&Scripted, request).await.end.unwrap();
    assert_eq!(answer.message.content, [tool_call("call_2", "add", json!({}))]);
}

#[tokio::test]
async fn it_says_as_many_words_as_it_is_asked_for() {
    assert_eq!(says("Please say 3 words").await, "word1 word2 word3");
    assert_eq!(says("say 1 word every 1 ms").await, "word1");
    assert_eq!(says("say many words").await, "You said: say many words");
    assert_eq!(says("say 999999999 words").await.split(' ').count(), 100_000);
}

#[tokio::test]
async fn it_takes_the_time_it_is_asked_to_take() {
    let start = tokio::time::Instant::now();
    says("say 5 words every 10 ms").await;
    assert!(start.elapsed().as_millis() >= 50);
}

#[tokio::test]
async fn an_empty_conversation_has_an_answer_too() {
    let mut request = request("");
    assert_eq!(call(&Scripted, request.clone()).await.end.unwrap().message.text(), "You said: ");
    request.messages.clear();
    assert_eq!(call(&Scripted, request).await.end.unwrap().message.text(), "You said nothing.");
}
