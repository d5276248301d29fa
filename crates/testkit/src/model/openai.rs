//! Chat completions.

use serde_json::Value;
use serde_json::json;

use super::reply::Said;
use super::reply::Usage;

const DONE: &str = "[DONE]";

/// The events of a streamed answer: name (none here) and data.
pub(super) fn events(said: &Said) -> Vec<(&'static str, String)> {
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), &Value::Null)];
    for text in &said.reasoning {
        events.push(chunk(json!({"reasoning_content": text}), &Value::Null));
    }
    for text in &said.text {
        events.push(chunk(json!({"content": text}), &Value::Null));
    }
    for (index, call) in said.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let start =
            json!({"index": index, "id": call.id(index), "type": "function", "function": function});
        events.push(chunk(json!({"tool_calls": [start]}), &Value::Null));
        for piece in call.fragments() {
            let fragment = json!({"index": index, "function": {"arguments": piece}});
            events.push(chunk(json!({"tool_calls": [fragment]}), &Value::Null));
        }
    }
    events.push(chunk(json!({}), &json!(finish_reason(said))));
    events.push(whole(json!({"choices": [], "usage": usage(said.usage())})));
    events.into_iter().map(|data| ("", data.to_string())).chain([("", DONE.to_owned())]).collect()
}

/// The answer that is not streamed.
pub(super) fn body(said: &Said) -> Value {
    let calls = said.calls.iter().enumerate().map(|(index, call)| {
        let function = json!({"name": call.name, "arguments": call.arguments});
        json!({"id": call.id(index), "type": "function", "function": function})
    });
    let mut message = json!({"role": "assistant", "content": said.text.concat()});
    if !said.calls.is_empty() {
        message["tool_calls"] = calls.collect();
    }
    json!({
        "id": "chatcmpl-fake", "object": "chat.completion", "created": 0, "model": "fake",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(said)}],
        "usage": usage(said.usage()),
    })
}

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": code, "param": null, "code": code}})
}

fn chunk(delta: Value, finish_reason: &Value) -> Value {
    whole(json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}))
}

fn whole(mut chunk: Value) -> Value {
    chunk["id"] = json!("chatcmpl-fake");
    chunk["object"] = json!("chat.completion.chunk");
    chunk["created"] = json!(0);
    chunk["model"] = json!("fake");
    chunk
}

fn finish_reason(said: &Said) -> &str {
    let usual = if said.calls.is_empty() { "stop" } else { "tool_calls" };
    said.finish_reason.as_deref().unwrap_or(usual)
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}
