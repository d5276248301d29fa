//! Ollama's `/api/chat`.

use serde_json::Value;
use serde_json::json;

use super::reply::Said;

/// The lines of a streamed answer: name (none here) and data.
pub(super) fn events(said: &Said) -> Vec<(&'static str, String)> {
    let thoughts = said.reasoning.iter().map(|text| json!({"content": "", "thinking": text}));
    let texts = said.text.iter().map(|text| json!({"content": text}));
    let calls = calls(said).into_iter().map(|call| json!({"content": "", "tool_calls": [call]}));
    let pieces = thoughts.chain(texts).chain(calls).map(|mut message| {
        message["role"] = json!("assistant");
        json!({"model": "fake", "message": message, "done": false})
    });
    let mut end = body(said);
    end["message"] = json!({"role": "assistant", "content": ""});
    pieces.chain([end]).map(|data| ("", data.to_string())).collect()
}

/// The answer that is not streamed.
pub(super) fn body(said: &Said) -> Value {
    let mut message = json!({"role": "assistant", "content": said.text.concat()});
    if !said.calls.is_empty() {
        message["tool_calls"] = Value::Array(calls(said));
    }
    let usage = said.usage();
    json!({
        "model": "fake", "message": message, "done": true,
        "done_reason": said.finish_reason.as_deref().unwrap_or("stop"),
        "prompt_eval_count": usage.input, "eval_count": usage.output,
    })
}

pub(super) fn error(message: &str) -> Value {
    json!({"error": message})
}

/// Calls have no ids.
fn calls(said: &Said) -> Vec<Value> {
    let calls = said.calls.iter().map(|call| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        json!({"function": {"name": call.name, "arguments": arguments}})
    });
    calls.collect()
}
