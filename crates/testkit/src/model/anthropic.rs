//! Anthropic messages.

use serde_json::Value;
use serde_json::json;

use super::reply::Said;
use super::reply::Usage;

/// What the fake signs its thoughts with.
const SIGNATURE: &str = "ZmFrZSBzaWduYXR1cmU=";

/// The events of a streamed answer: name and data.
pub(super) fn events(said: &Said) -> Vec<(&'static str, String)> {
    let mut message = body(said);
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"]["output_tokens"] = json!(1);
    let mut events = vec![
        ("message_start", json!({"type": "message_start", "message": message})),
        ("ping", json!({"type": "ping"})),
    ];
    for (index, (start, deltas)) in blocks(said).into_iter().enumerate() {
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        events.push(("content_block_start", start));
        for delta in deltas {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            events.push(("content_block_delta", delta));
        }
        events.push(("content_block_stop", json!({"type": "content_block_stop", "index": index})));
    }
    let delta = json!({"stop_reason": stop_reason(said), "stop_sequence": null});
    let usage = json!({"output_tokens": said.usage().output});
    events
        .push(("message_delta", json!({"type": "message_delta", "delta": delta, "usage": usage})));
    events.push(("message_stop", json!({"type": "message_stop"})));
    events.into_iter().map(|(name, data)| (name, data.to_string())).collect()
}

/// The answer that is not streamed.
pub(super) fn body(said: &Said) -> Value {
    let mut content = Vec::new();
    if !said.reasoning.is_empty() {
        let thinking = said.reasoning.concat();
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}));
    }
    if !said.text.is_empty() {
        content.push(json!({"type": "text", "text": said.text.concat()}));
    }
    for (place, call) in said.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        content.push(
            json!({"type": "tool_use", "id": call.id(place), "name": call.name, "input": input}),
        );
    }
    json!({
        "id": "msg_fake", "type": "message", "role": "assistant", "model": "fake",
        "content": content, "stop_reason": stop_reason(said), "stop_sequence": null,
        "usage": usage(said.usage()),
    })
}

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": code, "message": message}})
}

/// The start and the deltas of each block.
fn blocks(said: &Said) -> Vec<(Value, Vec<Value>)> {
    let mut blocks = Vec::new();
    if !said.reasoning.is_empty() {
        let thoughts = said.reasoning.iter();
        let mut deltas: Vec<_> =
            thoughts.map(|text| json!({"type": "thinking_delta", "thinking": text})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
        blocks.push((json!({"type": "thinking", "thinking": "", "signature": ""}), deltas));
    }
    if !said.text.is_empty() {
        let deltas = said.text.iter().map(|text| json!({"type": "text_delta", "text": text}));
        blocks.push((json!({"type": "text", "text": ""}), deltas.collect()));
    }
    for (place, call) in said.calls.iter().enumerate() {
        let start =
            json!({"type": "tool_use", "id": call.id(place), "name": call.name, "input": {}});
        let deltas = call
            .fragments()
            .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
        blocks.push((start, deltas.collect()));
    }
    blocks
}

fn stop_reason(said: &Said) -> &str {
    let usual = if said.calls.is_empty() { "end_turn" } else { "tool_use" };
    said.finish_reason.as_deref().unwrap_or(usual)
}

/// Anthropic counts cached input beside the rest.
fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    })
}
