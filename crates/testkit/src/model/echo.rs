//! What the fake says when nobody told it what to say.

use serde_json::Deserializer;
use serde_json::Value;
use serde_json::json;

use super::Received;
use super::Reply;

/// Obeys `use tool NAME with {json}`, reports results, or repeats what the user said.
pub(super) fn reply(received: &Received) -> Reply {
    let messages = received.body["messages"].as_array().cloned().unwrap_or_default();
    let last = messages.last().unwrap_or(&Value::Null);
    let results = results(&messages);
    if !results.is_empty() {
        return Reply::text(&format!("The tool answered: {}", results.join(" ")));
    }
    let said = text(&last["content"]);
    let mut calls = Reply::default();
    let mut called = false;
    for (name, arguments) in orders(&said) {
        if offers(&received.body, name) {
            calls = calls.call(name, arguments);
            called = true;
        }
    }
    if called { calls } else { Reply::text(&format!("You said: {said}")) }
}

/// The results behind the last thing that somebody said.
fn results(messages: &[Value]) -> Vec<String> {
    let mut results: Vec<String> = Vec::new();
    for message in messages.iter().rev() {
        let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_message: Vec<String> = match message["role"].as_str() {
            Some("tool") => vec![text(&message["content"])],
            _ => blocks
                .iter()
                .filter(|block| block["type"] == "tool_result")
                .map(|block| text(&block["content"]))
                .collect(),
        };
        let says_more = blocks.iter().any(|block| block["type"] == "text");
        if of_message.is_empty() || says_more {
            break;
        }
        results.splice(0..0, of_message);
    }
    results
}

/// A string, or the texts of a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn orders(said: &str) -> impl Iterator<Item = (&str, Value)> {
    said.split("use tool ").skip(1).filter_map(|order| {
        let (name, rest) = order.split_once(" with ")?;
        let arguments = Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()?;
        Some((name.trim(), arguments))
    })
}

/// Whether a request in either format has a tool of this name.
fn offers(body: &Value, name: &str) -> bool {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools.iter().any(|tool| tool["name"] == json!(name) || tool["function"]["name"] == json!(name))
}
