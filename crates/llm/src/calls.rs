//! Tool calls as models write them: ids, names and the text of arguments.

use std::collections::BTreeMap;
use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value;

use crate::MalformedArguments;
use crate::Message;
use crate::Part;
use crate::clean::clean;
use crate::clean::clean_value;
use crate::clean::tolerant;
use crate::names::ToolNames;

/// A call in the provider's words, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RawCall {
    /// Empty when the provider gave none.
    pub id: String,
    pub name: String,
    pub arguments: String,
    /// JSON that the provider wants back with the call.
    pub extra: Option<String>,
}

impl RawCall {
    /// Whether nothing is missing from the arguments.
    pub fn is_whole(&self) -> bool {
        let arguments = self.arguments.trim_end();
        arguments.ends_with('}') && serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
    }
}

/// How the calls of an answer become parts of our message.
#[derive(Debug)]
pub(crate) struct Calls {
    names: ToolNames,
    ids: CallIds,
    /// [`RawCall::extra`] by the id that the call got.
    extra: BTreeMap<String, String>,
}

impl Calls {
    pub fn new(names: ToolNames, history: &[Message]) -> Self {
        Self { names, ids: CallIds::new(history), extra: BTreeMap::new() }
    }

    /// The part for `call`, which its provider ended.
    pub fn part(&mut self, call: RawCall) -> Part {
        let (arguments, malformed) = match parse_arguments(&call.arguments) {
            Ok(arguments) => (arguments, None),
            Err(reason) => {
                let malformed = MalformedArguments { text: clean(call.arguments), reason };
                (Map::new(), Some(malformed))
            }
        };
        let call_id = self.ids.claim(clean(call.id));
        if let Some(extra) = call.extra {
            self.extra.insert(call_id.clone(), extra);
        }
        Part::ToolCall {
            call_id,
            tool: self.names.ours(clean(call.name)),
            arguments: Value::Object(arguments),
            malformed,
        }
    }

    /// The part for `call`, if it came whole: its answer was cut off, so anything may be missing.
    pub fn part_of_cut_answer(&mut self, call: RawCall) -> Option<Part> {
        call.is_whole().then(|| self.part(call))
    }

    /// What goes back with the calls so far: JSON by id.
    pub fn take_extra(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.extra)
    }
}

/// Gives each call of a conversation an id of its own.
///
/// The provider's id is kept where it is new. An empty or repeated one gets a number; the same
/// conversation gets the same numbers, so a call made again has the same ids.
#[derive(Debug)]
struct CallIds {
    taken: HashSet<String>,
}

impl CallIds {
    fn new(history: &[Message]) -> Self {
        let parts = history.iter().flat_map(|message| &message.content);
        let taken = parts.filter_map(|part| match part {
            Part::ToolCall { call_id, .. } => Some(call_id.clone()),
            _ => None,
        });
        Self { taken: taken.collect() }
    }

    fn claim(&mut self, id: String) -> String {
        if !id.trim().is_empty() && self.taken.insert(id.clone()) {
            return id;
        }
        let (base, mut number) = if id.trim().is_empty() { ("call", 1) } else { (id.as_str(), 2) };
        loop {
            let numbered = format!("{base}_{number}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }
}

/// The arguments in the text of a call, or why it holds none, for the model to read.
///
/// Blank text and `null` are no arguments. An object within a JSON string is taken as the object.
fn parse_arguments(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value = tolerant(text, |text| serde_json::from_str(text))
        .map_err(|error| format!("the arguments are not JSON: {error}"))?;
    match clean_value(value) {
        Value::Object(arguments) => match inexact_integer(text) {
            Some(integer) => {
                Err(format!("the integer {integer} has more than 64 bits; send it as a string"))
            }
            None => Ok(arguments),
        },
        Value::Null => Ok(Map::new()),
        Value::String(inner) if inner.trim_start().starts_with('{') => parse_arguments(&inner),
        other => Err(format!("the arguments are not a JSON object but {}", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The first integer of a valid JSON text whose digits a [`Value`] would lose.
fn inexact_integer(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(start) =
        rest.find(|char: char| char == '"' || char == '-' || char.is_ascii_digit())
    {
        rest = &rest[start..];
        let end = if rest.starts_with('"') { string_end(rest) } else { number_end(rest) };
        let (token, after) = rest.split_at(end);
        if is_inexact_integer(token) {
            return Some(token);
        }
        rest = after;
    }
    None
}

fn is_inexact_integer(token: &str) -> bool {
    !token.contains(['"', '.', 'e', 'E'])
        && token.parse::<u64>().is_err()
        && token.parse::<i64>().is_err()
}

fn number_end(json: &str) -> usize {
    let is_number =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    json.bytes().position(|byte| !is_number(&byte)).unwrap_or(json.len())
}

/// Where the string at the start of `json` ends.
fn string_end(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::CallIds;
    use super::parse_arguments;
    use crate::Message;
    use crate::Part;
    use crate::Role;

    fn parse(text: &str) -> Result<Value, String> {
        parse_arguments(text).map(Value::Object)
    }

    #[test]
    fn no_arguments_are_an_empty_object() {
        for text in ["", " \n", "null", "{}"] {
            assert_eq!(parse(text), Ok(json!({})), "{text:?}");
        }
    }

    #[test]
    fn an_object_within_a_string_is_the_object() {
        assert_eq!(parse(r#""{\"a\": 1}""#), Ok(json!({"a": 1})));
    }

    #[test]
    fn integers_keep_their_digits_or_are_refused() {
        let text = r#"{"id": 2512292042121000001, "min": -9223372036854775808, "max": 18446744073709551615}"#;
        let arguments = parse(text).unwrap();
        assert_eq!(arguments["id"].to_string(), "2512292042121000001");
        assert_eq!(arguments["min"].to_string(), "-9223372036854775808");
        assert_eq!(arguments["max"].to_string(), "18446744073709551615");
        assert_eq!(
            parse(r#"{"a": "\"99999999999999999999", "b": 1.5e300, "c": [18446744073709551616]}"#),
            Err("the integer 18446744073709551616 has more than 64 bits; send it as a string"
                .to_owned())
        );
    }

    #[test]
    fn the_model_is_told_what_is_wrong() {
        assert_eq!(
            parse("{\"a\": "),
            Err("the arguments are not JSON: EOF while parsing a value at line 1 column 6"
                .to_owned())
        );
        assert_eq!(
            parse("[1]"),
            Err("the arguments are not a JSON object but an array".to_owned())
        );
        assert_eq!(
            parse("\"x\""),
            Err("the arguments are not a JSON object but a string".to_owned())
        );
    }

    #[test]
    fn characters_that_nobody_can_store_are_replaced() {
        assert_eq!(parse(r#"{"a": "\u0000 \ud83d"}"#), Ok(json!({"a": "\u{fffd} \u{fffd}"})));
    }

    #[test]
    fn ids_are_distinct_over_the_whole_conversation() {
        let call = Part::ToolCall {
            call_id: "a".to_owned(),
            tool: "t".to_owned(),
            arguments: json!({}),
            malformed: None,
        };
        let history = [Message { role: Role::Assistant, content: vec![call] }];
        let mut ids = CallIds::new(&history);
        let claimed = ["a", "", "b", "a", "", "b"].map(|id| ids.claim(id.to_owned()));
        assert_eq!(claimed, ["a_2", "call_1", "b", "a_3", "call_2", "b_2"]);
    }
}
