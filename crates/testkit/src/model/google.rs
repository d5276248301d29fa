//! Gemini's `generateContent` and `streamGenerateContent`.

use serde_json::Value;
use serde_json::json;

use super::reply::Said;
use super::reply::Usage;

/// What the fake signs its calls with when it has thought.
const SIGNATURE: &str = "ZmFrZSBzaWduYXR1cmU=";

/// The events of a streamed answer: name (none here) and data.
pub(super) fn events(said: &Said) -> Vec<(&'static str, String)> {
    let pieces = parts(said).into_iter().map(|part| {
        let content = json!({"role": "model", "parts": [part]});
        json!({"candidates": [{"index": 0, "content": content}]})
    });
    let end = json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]},
            "finishReason": finish_reason(said)}],
        "usageMetadata": usage(said.usage()),
    });
    pieces.chain([end]).map(|data| ("", data.to_string())).collect()
}

/// The answer that is not streamed.
pub(super) fn body(said: &Said) -> Value {
    let content = json!({"role": "model", "parts": parts(said)});
    let candidate = json!({"index": 0, "content": content, "finishReason": finish_reason(said)});
    json!({"candidates": [candidate], "usageMetadata": usage(said.usage())})
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Value {
    json!({"error": {"code": status, "message": message, "status": code}})
}

/// Calls have no ids.
fn parts(said: &Said) -> Vec<Value> {
    let thoughts = said.reasoning.iter().map(|text| json!({"text": text, "thought": true}));
    let texts = said.text.iter().map(|text| json!({"text": text}));
    let mut parts: Vec<Value> = thoughts.chain(texts).collect();
    for (place, call) in said.calls.iter().enumerate() {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let mut part = json!({"functionCall": {"name": call.name, "args": args}});
        if place == 0 && !said.reasoning.is_empty() {
            part["thoughtSignature"] = json!(SIGNATURE);
        }
        parts.push(part);
    }
    parts
}

fn finish_reason(said: &Said) -> &str {
    said.finish_reason.as_deref().unwrap_or("STOP")
}

/// Gemini counts thoughts beside the answer.
fn usage(usage: Usage) -> Value {
    json!({
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
    })
}
