//! Gemini: requests as they go out, answers as they come.

use expect_test::expect;
use llm::Answer;
use llm::ErrorKind;
use llm::FinishReason;
use llm::ModelError;
use llm::Part;
use llm::ReasoningEffort;
use llm::Request;
use llm::Tool;
use llm::ToolChoice;
use llm::ToolStatus;
use llm::Usage;
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
use crate::support::assistant;
use crate::support::call;
use crate::support::request;
use crate::support::results;
use crate::support::sent;
use crate::support::sse;
use crate::support::tool;
use crate::support::tool_call;

async fn answer(chunks: &[Value]) -> Result<Answer, ModelError> {
    let chunks = sse(chunks.iter().map(Value::to_string));
    answer_to(Format::Google, Reply::sse(chunks)).await.end
}

fn says(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}]})
}

fn ends(reason: &str) -> Value {
    json!({"candidates": [{"finishReason": reason}]})
}

#[tokio::test]
async fn a_long_conversation() {
    check(Format::Google, long_conversation(), expect![[r#"
        contents:
          {"parts":[{"text":"What is new?"}],"role":"user"}
          {"parts":[{"text":"Let me look."},{"functionCall":{"args":{"id":2512292042121000001},"name":"news_latest_f9d3a8ed"}},{"functionCall":{"args":{},"name":"time"}}],"role":"model"}
          {"parts":[{"functionResponse":{"name":"news_latest_f9d3a8ed","response":{"output":{"title":"Snow"}}}},{"functionResponse":{"name":"time","response":{"error":"no clock"}}}],"role":"user"}
          {"parts":[{"functionCall":{"args":{},"id":"fc-1","name":"time"},"thoughtSignature":"c2ln/+"}],"role":"model"}
          {"parts":[{"functionResponse":{"id":"fc-1","name":"time","response":{"output":"10:00"}}}],"role":"user"}
          {"parts":[{"text":"And?"}],"role":"user"}
        systemInstruction: {"parts":[{"text":"Be brief."}]}
        tools:
          {"functionDeclarations":[{"description":"Does news.latest.","name":"news_latest_f9d3a8ed"},{"description":"Does time.","name":"time"}]}
    "#]]).await;
}

#[tokio::test]
async fn images_and_files() {
    check(Format::Google, with_files(), expect![[r#"
        contents:
          {"parts":[{"text":"What is this?"},{"fileData":{"fileUri":"https://example.com/b.png","mimeType":"image/png"}},{"fileData":{"fileUri":"https://example.com/a.png"}},{"inlineData":{"data":"aW1n","mimeType":"image/png"}},{"inlineData":{"data":"cGRm","mimeType":"application/pdf"}},{"text":"a.csv:\na,b\n1,2"},{"inlineData":{"data":"anBn","mimeType":"image/jpeg"}}],"role":"user"}
    "#]]).await;
}

#[tokio::test]
async fn options() {
    let mut request = with_options();
    let own = json!({"topK": 40, "maxOutputTokens": 100});
    request.options.provider.insert("generationConfig".to_owned(), own);
    check(Format::Google, request, expect![[r#"
        contents:
          {"parts":[{"text":"Hello"}],"role":"user"}
        generationConfig: {"maxOutputTokens":100,"temperature":0.25,"topK":40,"topP":0.5}
        seed: 7
        temperature: 0.5
        toolConfig: {"functionCallingConfig":{"allowedFunctionNames":["news_latest_f9d3a8ed"],"mode":"ANY"}}
        tools:
          {"functionDeclarations":[{"description":"Does news.latest.","name":"news_latest_f9d3a8ed"}]}
    "#]]).await;
}

#[tokio::test]
async fn tool_choices() {
    for (choice, expected) in [
        (ToolChoice::Auto, json!(null)),
        (ToolChoice::Required, json!({"functionCallingConfig": {"mode": "ANY"}})),
        (ToolChoice::None, json!({"functionCallingConfig": {"mode": "NONE"}})),
    ] {
        let mut request = Request { tools: vec![tool("time")], ..request("Hello") };
        request.options.tool_choice = choice;
        assert_eq!(sent(Format::Google, request).await.body["toolConfig"], expected);
    }
}

#[tokio::test]
async fn one_bad_schema_leaves_one_tool_out() {
    let bad = Tool { input_schema: json!({"type": "array"}), ..tool("bad") };
    let mut asked = Request { tools: vec![bad.clone(), tool("time")], ..request("Hello") };
    asked.options.tool_choice = ToolChoice::Named { name: "bad".to_owned() };
    let fake = FakeModel::start().await;
    let model = Format::Google.model(&fake);
    call(&*model, asked).await.end.unwrap();
    let body = fake.last_request().body;
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [{"name": "time", "description": "Does time."}]}])
    );
    assert_eq!(body.get("toolConfig"), None);
    assert_eq!(
        model.refusal(&bad).as_deref(),
        Some("arguments are an object, and its schema wants none")
    );
    assert_eq!(model.refusal(&tool("time")), None);
}

#[tokio::test]
async fn efforts_are_said_as_each_generation_understands_them() {
    for (model, effort, expected) in [
        (
            "gemini-2.5-pro",
            ReasoningEffort::None,
            json!({"thinkingBudget": 128, "includeThoughts": false}),
        ),
        (
            "gemini-2.5-flash",
            ReasoningEffort::High,
            json!({"thinkingBudget": 24_576, "includeThoughts": true}),
        ),
        (
            "gemini-3-pro-preview",
            ReasoningEffort::High,
            json!({"thinkingLevel": "high", "includeThoughts": true}),
        ),
        (
            "gemini-3.5-flash",
            ReasoningEffort::None,
            json!({"thinkingLevel": "minimal", "includeThoughts": false}),
        ),
        ("gemini-2.0-flash", ReasoningEffort::High, json!(null)),
        ("gemma-3", ReasoningEffort::High, json!(null)),
    ] {
        let mut request = Request { model: model.to_owned(), ..request("Hello") };
        request.options.reasoning_effort = Some(effort);
        let body = sent(Format::Google, request).await.body;
        assert_eq!(body["generationConfig"]["thinkingConfig"], expected, "{model}");
    }
}

#[tokio::test]
async fn signatures_go_back_where_they_came_from() {
    let signed_text = r#"{"text":"ld",  "thoughtSignature":"c2ln/1=="}"#;
    let signed_call = r#"{"functionCall":{"name":"time","args":{"n":2512292042121000001}},"thoughtSignature":"c2ln\/2=="}"#;
    let code = r#"{"executableCode":{"language":"PYTHON","code":"1+1"}}"#;
    let raw = |part: &str| {
        format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{part}]}}}}]}}"#)
    };
    let fake = FakeModel::start().await;
    fake.reply(Reply::sse(sse([
        says(json!([{"text": "Hello wor"}])).to_string(),
        raw(signed_text),
        raw(code),
        raw(signed_call),
        says(json!([{"functionCall": {"name": "time", "args": {}}}])).to_string(),
        ends("STOP").to_string(),
    ])));
    let model = Format::Google.model(&fake);
    let mut request = Request { tools: vec![tool("time")], ..request("Hello") };
    let answer = call(&*model, request.clone()).await.end.unwrap();
    assert_eq!(answer.message.text(), "Hello world");
    request.messages.push(answer.message);
    request.messages.push(results(&[
        ("call_1", "time", ToolStatus::Done, json!({"now": 10})),
        ("call_2", "time", ToolStatus::Failed, json!("no clock")),
    ]));
    call(&*model, request.clone()).await.end.unwrap();

    let received = fake.last_request();
    let sent = String::from_utf8(received.raw.to_vec()).unwrap();
    let expected = [
        r#"{"text":"Hello wor"}"#,
        signed_text,
        code,
        r#"{"functionCall":{"name":"time","args":{"n":2512292042121000001}},"thoughtSignature":"c2ln\/2=="}"#,
        r#"{"functionCall":{"name":"time","args":{}}}"#,
    ];
    assert!(sent.contains(&expected.join(",")), "{sent}");
    assert_eq!(
        received.body["contents"][2]["parts"],
        json!([
            {"functionResponse": {"name": "time", "response": {"output": {"now": 10}}}},
            {"functionResponse": {"name": "time", "response": {"error": "no clock"}}},
        ])
    );

    // Not to another family; and of a text that was changed the signature is void.
    request.model = "gemini-3-pro".to_owned();
    call(&*model, request.clone()).await.end.unwrap();
    let parts = &fake.last_request().body["contents"][1]["parts"];
    assert_eq!(parts[0], json!({"text": "Hello world"}));
    assert_eq!(parts[1]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(parts[2].get("thoughtSignature"), None);
    request.model = "fake".to_owned();
    request.messages[1].content[0] = Part::text("Changed");
    call(&*model, request).await.end.unwrap();
    let parts = &fake.last_request().body["contents"][1]["parts"];
    assert_eq!(parts[0], json!({"text": "Changed"}));
    assert_eq!(parts[1], json!({"executableCode": {"language": "PYTHON", "code": "1+1"}}));
}

#[tokio::test]
async fn calls_without_ids_get_some() {
    let chunks = [
        says(
            json!([{"functionCall": {"name": "t", "args": {"a": 1}}}, {"functionCall": {"name": "t"}}]),
        ),
        ends("STOP"),
    ];
    let answer = answer(&chunks).await.unwrap();
    let calls =
        vec![tool_call("call_1", "t", json!({"a": 1})), tool_call("call_2", "t", json!({}))];
    assert_eq!(answer.message, assistant(calls));
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn reasons_are_what_they_say() {
    for (reason, expected) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("OTHER", FinishReason::Other),
        ("FUNCTION_CALL", FinishReason::Other),
    ] {
        let answer = answer(&[says(json!([{"text": "Hi"}])), ends(reason)]).await.unwrap();
        assert_eq!(answer.finish_reason, expected, "{reason}");
    }
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7}});
    let answer = answer(&[blocked]).await.unwrap();
    assert_eq!(answer.finish_reason, FinishReason::ContentFilter);
    assert_eq!((answer.message.content.len(), answer.usage.input_tokens), (0, 7));
}

#[tokio::test]
async fn a_call_that_the_model_failed_to_write_is_tried_again() {
    let chunk = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: print("}]});
    let error = answer(&[chunk]).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::BrokenOff, true));
    assert_eq!(
        error.message,
        "`google` broke off with an error: Malformed function call: print( (MALFORMED_FUNCTION_CALL)"
    );
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let error = answer(&[says(json!([{"text": "Half"}])), error]).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retryable, error.status),
        (ErrorKind::BrokenOff, true, Some(503))
    );
    assert_eq!(error.partial.unwrap().text(), "Half");
    let error = answer(&[says(json!([{"text": "Half"}]))]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Truncated);
}

#[tokio::test]
async fn thoughts_are_output_wherever_they_are_counted() {
    for (total, output) in [(json!(25), 15), (json!(20), 10), (json!(null), 15)] {
        let usage = json!({"promptTokenCount": 8, "toolUsePromptTokenCount": 2, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": total});
        let counted = json!({"usageMetadata": usage});
        let answer = answer(&[says(json!([{"text": "Hi"}])), ends("STOP"), counted]).await.unwrap();
        let expected = Usage {
            input_tokens: 10,
            cached_tokens: 4,
            cache_write_tokens: 0,
            output_tokens: output,
            reasoning_tokens: 5,
        };
        assert_eq!(answer.usage, expected, "{total}");
    }
}

#[tokio::test]
async fn an_answer_is_bound_to_its_schema_where_the_model_can_be() {
    let schema = json!({"type": "object", "properties": {"days": {"type": ["integer", "null"], "minimum": 1}},
        "required": ["days"], "additionalProperties": false});
    let reduced = json!({"type": "OBJECT", "required": ["days"],
        "properties": {"days": {"type": "INTEGER", "minimum": 1, "nullable": true}}});
    let beside = "models before Gemini 3 take no schema beside tools";
    for (model, tools, schema, expected) in [
        ("gemini-2.5-flash", vec![], schema.clone(), Ok(&reduced)),
        ("gemini-3-pro-preview", vec![tool("time")], schema.clone(), Ok(&reduced)),
        ("gemini-2.5-flash", vec![tool("time")], schema.clone(), Err(beside)),
        ("gemma-3", vec![], schema, Err("this model may know no schemas of answers")),
        (
            "gemini-3-pro",
            vec![],
            json!({"type": "object"}),
            Err("an object in the schema names no members"),
        ),
    ] {
        let asked = Request {
            model: model.to_owned(),
            instructions: Some("Be brief.".to_owned()),
            output_schema: Some(schema),
            tools,
            ..request("Hello")
        };
        let fake = FakeModel::start().await;
        let google = Format::Google.model(&fake);
        call(&*google, asked.clone()).await.end.unwrap();

        let body = fake.last_request().body;
        let config = &body["generationConfig"];
        let told = body["systemInstruction"]["parts"][0]["text"].as_str().unwrap();
        assert_eq!(google.unbound(&asked).as_deref(), expected.err(), "{model}");
        assert_eq!(config.get("responseSchema"), expected.ok(), "{model}");
        assert_eq!(config.get("responseMimeType").is_some(), expected.is_ok(), "{model}");
        assert_eq!(told == "Be brief.", expected.is_ok(), "{model}: {told}");
    }
}
