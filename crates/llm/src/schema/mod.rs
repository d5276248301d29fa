//! Schemas on the wire, of tools and of answers. The author's schema stays the truth for our own checks.
//!
//! What a provider cannot take is written in a way that it can, as long as every value that is right
//! by the author's schema is right by ours too. Where there is no such way, the tool is left out,
//! and only that tool.

mod output;
mod simple;
mod top;

pub(crate) use output::Named;
pub(crate) use output::instructions_with_output;
pub(crate) use output::reduced;

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;

use crate::Request;
use crate::Tool;
use crate::ToolChoice;

/// What a provider takes as the schema of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// JSON Schema; an array says what its items are.
    OpenAi,
    /// JSON Schema; names of properties are of letters, digits and `_.-`.
    Anthropic,
    /// A few keywords, no references, types in capitals.
    Google,
    /// The same keywords; others are not looked at.
    Ollama,
}

/// The longest name of a property that `Anthropic` takes.
const MAX_PROPERTY: usize = 64;

/// Keywords with a schema, …
const ONE: [&str; 9] = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
];

/// … with a list of them, …
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];

/// … and with one for each name.
const MAPS: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// `request` with the schemas of its tools as `dialect` has them, without the tools that cannot be
/// offered in it. A choice of a tool that is not offered is none.
pub(crate) fn translated(mut request: Request, dialect: Dialect) -> Request {
    request.tools.retain_mut(|tool| match translate(&tool.input_schema, dialect) {
        Ok(Cow::Borrowed(_)) => true,
        Ok(Cow::Owned(schema)) => {
            tool.input_schema = schema;
            true
        }
        Err(_) => false,
    });
    if let ToolChoice::Named { name } = &request.options.tool_choice
        && !request.tools.iter().any(|tool| tool.name == *name)
    {
        request.options.tool_choice = ToolChoice::Auto;
    }
    request
}

/// Why `tool` cannot be offered in `dialect`, if it cannot.
pub(crate) fn refusal(tool: &Tool, dialect: Dialect) -> Option<String> {
    translate(&tool.input_schema, dialect).err()
}

/// `schema` in `dialect`.
///
/// # Errors
/// Why there is no way to say it.
pub(crate) fn translate(schema: &Value, dialect: Dialect) -> Result<Cow<'_, Value>, String> {
    let schema = top::object(schema)?;
    match dialect {
        Dialect::OpenAi if lacks_items(&schema) => {
            let mut schema = schema.into_owned();
            add_items(&mut schema);
            Ok(Cow::Owned(schema))
        }
        Dialect::OpenAi => Ok(schema),
        Dialect::Anthropic => match bad_property(&schema) {
            Some(name) => Err(format!(
                "the name of its property `{name}` is not 1 to {MAX_PROPERTY} letters, digits, `_`, `.` and `-`"
            )),
            None => Ok(schema),
        },
        Dialect::Google | Dialect::Ollama => simple::arguments(&schema, dialect).map(Cow::Owned),
    }
}

/// The schemas right within `members`. Data like `default` and `enum` is none.
fn children(members: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let of = |keyword: &str| members.get(keyword);
    let lists = LISTS.iter().filter_map(move |keyword| of(keyword)?.as_array()).flatten();
    let maps = MAPS.iter().filter_map(move |keyword| of(keyword)?.as_object());
    ONE.iter().filter_map(move |keyword| of(keyword)).chain(lists).chain(maps.flat_map(Map::values))
}

fn is_array_without_items(members: &Map<String, Value>) -> bool {
    let is_array = match members.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
        _ => false,
    };
    is_array && !members.contains_key("items")
}

fn lacks_items(schema: &Value) -> bool {
    schema.as_object().is_some_and(|members| {
        is_array_without_items(members) || children(members).any(lacks_items)
    })
}

fn add_items(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if is_array_without_items(members) {
        members.insert("items".to_owned(), Value::Object(Map::new()));
    }
    for (keyword, value) in members.iter_mut() {
        let keyword = keyword.as_str();
        match value {
            value if ONE.contains(&keyword) => add_items(value),
            Value::Array(items) if LISTS.contains(&keyword) => {
                items.iter_mut().for_each(add_items);
            }
            Value::Object(map) if MAPS.contains(&keyword) => map.values_mut().for_each(add_items),
            _ => {}
        }
    }
}

/// The first name of a property that `Anthropic` refuses.
fn bad_property(schema: &Value) -> Option<&str> {
    let members = schema.as_object()?;
    let is_bad = |name: &&String| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        name.is_empty() || name.len() > MAX_PROPERTY || !name.bytes().all(is_known)
    };
    let own = members.get("properties").and_then(Value::as_object);
    let own = own.and_then(|properties| properties.keys().find(is_bad));
    own.map(String::as_str).or_else(|| children(members).find_map(bad_property))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Dialect;
    use super::translate;

    #[test]
    fn a_usual_schema_is_left_alone() {
        let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "$schema": "x"});
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            assert_eq!(*translate(&schema, dialect).unwrap(), schema);
        }
    }

    #[test]
    fn arrays_say_what_their_items_are() {
        let data = json!({"default": {"type": "array"}, "enum": [{"type": "array"}]});
        let schema = json!({"type": "object", "properties": {
            "type": {"type": "array"},
            "b": {"anyOf": [{"type": ["array", "null"]}, {"type": "array", "items": {"type": "string"}}]},
            "data": data,
        }});
        let expected = json!({"type": "object", "properties": {
            "type": {"type": "array", "items": {}},
            "b": {"anyOf": [{"type": ["array", "null"], "items": {}}, {"type": "array", "items": {"type": "string"}}]},
            "data": data,
        }});
        assert_eq!(*translate(&schema, Dialect::OpenAi).unwrap(), expected);
        assert_eq!(*translate(&schema, Dialect::Anthropic).unwrap(), schema);
    }

    #[test]
    fn a_property_that_anthropic_cannot_name_keeps_its_tool_away_from_it_alone() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"größe": {}}}}});
        assert!(translate(&schema, Dialect::OpenAi).is_ok());
        let why = translate(&schema, Dialect::Anthropic).unwrap_err();
        assert_eq!(
            why,
            "the name of its property `größe` is not 1 to 64 letters, digits, `_`, `.` and `-`"
        );
    }
}
