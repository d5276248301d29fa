//! What the fake model says to a request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The part of a chat request that decides the answer.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Vec<Tool<'a>>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The tokens, after `prefix`.
    Text {
        prefix: String,
    },
    Call {
        tool: String,
        arguments: String,
    },
}

impl Request<'_> {
    /// A user who says `use tool NAME with {json}` gets that call, if the request offers the tool;
    /// a tool's result is repeated before the tokens; all else gets the tokens.
    pub fn answer(&self) -> Answer {
        let text = |prefix| Answer::Text { prefix };
        let Some(last) = self.last() else { return text(String::new()) };
        if last.role == "tool" {
            return text(format!("The tool answered: {} . ", text_of(&last.content)));
        }
        match wanted_call(&text_of(&last.content)) {
            Some((tool, arguments)) if self.offers(&tool) => Answer::Call { tool, arguments },
            _ => text(String::new()),
        }
    }

    pub fn wants_usage(&self) -> bool {
        self.stream_options.include_usage
    }

    /// Only the last message is read: a long history costs the fake model nothing.
    fn last(&self) -> Option<Message> {
        serde_json::from_str(self.messages.last()?.get()).ok()
    }

    fn offers(&self, tool: &str) -> bool {
        self.tools.iter().any(|it| it.function.name == tool)
    }
}

/// The text of a message's content: a string, or the texts of its parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn wanted_call(text: &str) -> Option<(String, String)> {
    let (_, wish) = text.split_once("use tool ")?;
    let (tool, arguments) = wish.split_once(" with ")?;
    let arguments: Value =
        serde_json::Deserializer::from_str(arguments).into_iter().next()?.ok()?;
    Some((tool.to_owned(), arguments.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(last: &str) -> Answer {
        let tool = r#"{"type": "function", "function": {"name": "add", "parameters": {}}}"#;
        let text = format!(r#"{{"messages": [{{"role": "user"}}, {last}], "tools": [{tool}]}}"#);
        serde_json::from_str::<Request<'_>>(&text).unwrap().answer()
    }

    fn text(prefix: &str) -> Answer {
        Answer::Text { prefix: prefix.to_owned() }
    }

    #[test]
    fn a_tool_is_called_when_the_user_says_so_and_the_request_offers_it() {
        let call =
            Answer::Call { tool: "add".to_owned(), arguments: r#"{"a":{"b":[1]}}"#.to_owned() };
        assert_eq!(
            answer(r#"{"role": "user", "content": "use tool add with {\"a\": {\"b\": [1]}}"}"#),
            call
        );
        assert_eq!(answer(r#"{"role": "user", "content": "use tool other with {}"}"#), text(""));
        assert_eq!(answer(r#"{"role": "user", "content": "use tool add with nothing"}"#), text(""));
    }

    #[test]
    fn a_result_is_repeated_and_all_else_gets_the_tokens() {
        let result = r#"{"role": "tool", "tool_call_id": "x", "content": "sum=3"}"#;
        assert_eq!(answer(result), text("The tool answered: sum=3 . "));
        assert_eq!(
            answer(r#"{"role": "user", "content": [{"type": "text", "text": "hi"}]}"#),
            text("")
        );
        assert_eq!(answer(r#"{"role": "assistant", "content": null}"#), text(""));
    }
}
