//! A conversation as providers insist on having it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use serde_json::json;

use crate::Message;
use crate::Part;
use crate::Role;
use crate::ToolStatus;

/// What one side said, with the results of the calls it made.
#[derive(Debug, PartialEq)]
pub(crate) enum Turn<'a> {
    /// Never empty; what was said in several messages in a row is one turn.
    User(Vec<&'a Part>),
    Assistant {
        content: &'a [Part],
        /// Exactly one for each call in `content`, in the order of the calls.
        results: Vec<CallResult<'a>>,
    },
}

/// The result of a call, in a form that every provider takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CallResult<'a> {
    pub call_id: &'a str,
    pub tool: &'a str,
    /// Of a call that failed, an object with `error`: not every provider has a flag for it.
    pub value: Cow<'a, Value>,
    pub failed: bool,
}

/// The turns of `messages`.
///
/// A call without a result, which every provider refuses, gets one that says so; a result
/// without a call, or a second one, is left out.
pub(crate) fn turns(messages: &[Message]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::User => push_user(&mut turns, &message.content),
            Role::Assistant => {
                let results = results(&message.content, &messages[at + 1..]);
                turns.push(Turn::Assistant { content: &message.content, results });
            }
            Role::Tool => {}
        }
    }
    turns
}

fn push_user<'a>(turns: &mut Vec<Turn<'a>>, content: &'a [Part]) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(Turn::User(parts)) => parts.extend(content),
        _ => turns.push(Turn::User(content.iter().collect())),
    }
}

/// The results of the calls in `content` from the messages up to the assistant's next one.
fn results<'a>(content: &'a [Part], later: &'a [Message]) -> Vec<CallResult<'a>> {
    let until_next = later.iter().take_while(|message| message.role != Role::Assistant);
    let parts = until_next
        .filter(|message| message.role == Role::Tool)
        .flat_map(|message| &message.content);
    let mut given = HashMap::new();
    for part in parts {
        if let Part::ToolResult { call_id, status, result, .. } = part {
            given.entry(call_id.as_str()).or_insert((*status, result));
        }
    }
    let calls = content.iter().filter_map(|part| match part {
        Part::ToolCall { call_id, tool, .. } => Some((call_id.as_str(), tool.as_str())),
        _ => None,
    });
    calls
        .map(|(call_id, tool)| CallResult::new(call_id, tool, given.get(call_id).copied()))
        .collect()
}

impl<'a> CallResult<'a> {
    fn new(call_id: &'a str, tool: &'a str, given: Option<(ToolStatus, &'a Value)>) -> Self {
        let (value, failed) = match given {
            Some((ToolStatus::Done, result)) => (Cow::Borrowed(result), false),
            Some((_, result)) => (error(result), true),
            None => {
                let nothing = "the call was broken off; nobody knows whether it had an effect";
                (Cow::Owned(json!({"error": nothing})), true)
            }
        };
        Self { call_id, tool, value, failed }
    }

    /// A string as it is, anything else as JSON.
    pub fn text(&self) -> String {
        match &*self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn error(result: &Value) -> Cow<'_, Value> {
    if result.get("error").is_some() {
        Cow::Borrowed(result)
    } else {
        Cow::Owned(json!({"error": result}))
    }
}
