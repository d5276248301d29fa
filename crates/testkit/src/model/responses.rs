//! The responses API.

use serde_json::Value;
use serde_json::json;

use super::reply::Said;
use super::reply::Usage;

/// What the fake's thoughts are when nobody may read them.
const ENCRYPTED: &str = "ZmFrZSBlbmNyeXB0ZWQ=";

/// The events of a streamed answer: name and data.
pub(super) fn events(said: &Said) -> Vec<(&'static str, String)> {
    let started = json!({"id": "resp_fake", "status": "in_progress", "output": []});
    let mut events = vec![
        ("response.created", json!({"response": started})),
        ("response.in_progress", json!({"response": started})),
    ];
    for (index, (item, deltas)) in items(said).into_iter().enumerate() {
        let bare = beginning(&item);
        events.push(("response.output_item.added", json!({"output_index": index, "item": bare})));
        for (name, member, text) in deltas {
            let mut delta = json!({"output_index": index, "item_id": item["id"], "delta": text});
            delta[member] = json!(0);
            events.push((name, delta));
        }
        events.push(("response.output_item.done", json!({"output_index": index, "item": item})));
    }
    let name = match said.finish_reason {
        Some(_) => "response.incomplete",
        None => "response.completed",
    };
    events.push((name, json!({"response": body(said)})));
    let events = events.into_iter().enumerate().map(|(number, (name, mut data))| {
        data["type"] = json!(name);
        data["sequence_number"] = json!(number);
        (name, data.to_string())
    });
    events.collect()
}

/// The answer that is not streamed.
pub(super) fn body(said: &Said) -> Value {
    let output: Vec<Value> = items(said).into_iter().map(|(item, _)| item).collect();
    let incomplete = said.finish_reason.as_ref().map(|reason| json!({"reason": reason}));
    let status = if incomplete.is_some() { "incomplete" } else { "completed" };
    json!({
        "id": "resp_fake", "object": "response", "model": "fake", "status": status,
        "output": output, "incomplete_details": incomplete, "error": null,
        "usage": usage(said.usage()),
    })
}

type Deltas = Vec<(&'static str, &'static str, String)>;

/// Each item, and how it comes.
fn items(said: &Said) -> Vec<(Value, Deltas)> {
    let mut items = Vec::new();
    if !said.reasoning.is_empty() {
        let summary = [json!({"type": "summary_text", "text": said.reasoning.concat()})];
        let item = json!({"type": "reasoning", "id": "rs_fake", "summary": summary,
            "encrypted_content": ENCRYPTED});
        let name = "response.reasoning_summary_text.delta";
        let deltas = said.reasoning.iter().map(|it| (name, "summary_index", it.clone()));
        items.push((item, deltas.collect()));
    }
    if !said.text.is_empty() {
        let content =
            [json!({"type": "output_text", "text": said.text.concat(), "annotations": []})];
        let item = json!({"type": "message", "id": "msg_fake", "role": "assistant",
            "status": "completed", "content": content});
        let deltas =
            said.text.iter().map(|it| ("response.output_text.delta", "content_index", it.clone()));
        items.push((item, deltas.collect()));
    }
    for (place, call) in said.calls.iter().enumerate() {
        let item = json!({"type": "function_call", "id": format!("fc_{place}"),
            "call_id": call.id(place), "name": call.name, "arguments": call.arguments});
        let name = "response.function_call_arguments.delta";
        let deltas = call.fragments().map(|it| (name, "output_index_of_item", it));
        items.push((item, deltas.collect()));
    }
    items
}

/// An item without what its deltas bring.
fn beginning(item: &Value) -> Value {
    let mut begin = item.clone();
    for member in ["content", "summary"] {
        if begin.get(member).is_some() {
            begin[member] = json!([]);
        }
    }
    if begin.get("arguments").is_some() {
        begin["arguments"] = json!("");
    }
    begin
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}
