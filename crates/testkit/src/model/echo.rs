//! What the fake says when nobody told it what to say.

use serde_json::Deserializer;
use serde_json::Value;
use serde_json::json;

use super::Received;
use super::Reply;
use super::embed;

/// Embeds; or obeys `use tool NAME with {json}`, reports results, or repeats what the user said.
pub(super) fn reply(received: &Received) -> Reply {
    if embed::is_asked(received) {
        return Reply::embedding(received, embed::DIMENSION);
    }
    let messages = messages(&received.body);
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

/// The messages of any format, as far as these rules look at them.
fn messages(body: &Value) -> Vec<Value> {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let items = list("input").into_iter().map(|item| match &item["output"] {
        Value::Null => item,
        output => json!({"role": "tool", "content": output}),
    });
    let contents = list("contents").into_iter().flat_map(|content| {
        let parts = content["parts"].as_array().cloned().unwrap_or_default();
        let of_tools = parts.iter().filter_map(|part| part.get("functionResponse"));
        let mut messages: Vec<_> = of_tools.map(result).collect();
        if messages.is_empty() {
            messages.push(json!({"role": content["role"], "content": parts}));
        }
        messages
    });
    list("messages").into_iter().chain(items).chain(contents).collect()
}

/// Gemini's form of a result.
fn result(response: &Value) -> Value {
    let response = &response["response"];
    let text = match &response["output"] {
        Value::String(text) => text.clone(),
        Value::Null => response.to_string(),
        output => output.to_string(),
    };
    json!({"role": "tool", "content": text})
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

/// Whether a request in any format has a tool of this name.
fn offers(body: &Value, name: &str) -> bool {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_named = |tool: &Value| tool["name"] == name || tool["function"]["name"] == name;
    tools.iter().any(|tool| {
        let declared = tool["functionDeclarations"].as_array();
        is_named(tool) || declared.is_some_and(|them| them.iter().any(is_named))
    })
}
