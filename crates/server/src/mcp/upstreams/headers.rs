//! Arguments of tools that are sent as headers as well, for who stands between and reads no bodies (`x-mcp-header`).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use serde_json::Map;
use serde_json::Value;

const MARK: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";
/// Keywords with schemas by names, and those whose values are no schemas.
const MAPS: [&str; 5] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties"];
const DATA: [&str; 5] = ["default", "const", "enum", "examples", "dependentRequired"];

/// An argument that is a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The names that lead to it.
    path: Vec<String>,
    header: HeaderName,
}

/// The arguments that are headers by a schema of arguments, or why none may be called by it.
pub fn mirrored(schema: &Value) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    if let Some(schema) = schema.as_object() {
        walk(schema, Some(&mut Vec::new()), &mut found)?;
    }
    let mut names = BTreeSet::new();
    match found.iter().find(|it| !names.insert(it.header.as_str())) {
        Some(double) => Err(format!("two arguments are the header `{}`", double.header)),
        None => Ok(found),
    }
}

/// The headers of a call with these arguments. What is `null` or not there has none.
pub fn headers_of(mirrored: &[Mirrored], arguments: &Value) -> HeaderMap {
    let header = |it: &Mirrored| {
        let value = it.path.iter().try_fold(arguments, |value, name| value.get(name))?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return None,
        };
        Some((it.header.clone(), header_value(&text)?))
    };
    mirrored.iter().filter_map(header).collect()
}

/// A text in a header; what cannot stand there as it is, in base64 between signs.
pub fn header_value(text: &str) -> Option<HeaderValue> {
    let is_plain = text.bytes().all(|it| (0x20..0x7f).contains(&it))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if is_plain {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
}

/// Looks for marks in a schema. `None` for `path`: nobody gets there by names of members alone.
fn walk(
    schema: &Map<String, Value>,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<Mirrored>,
) -> Result<(), String> {
    if let Some(mark) = schema.get(MARK) {
        let path = path.as_deref().filter(|it| !it.is_empty());
        let path = path.ok_or_else(|| format!("`{MARK}` stands where no argument is"))?;
        found.push(Mirrored { path: path.clone(), header: header(mark, schema)? });
    }
    for (keyword, value) in schema {
        match keyword.as_str() {
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let Some(inner) = inner.as_object() else { continue };
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.clone());
                        walk(inner, Some(path), found)?;
                        path.pop();
                    } else {
                        walk(inner, None, found)?;
                    }
                }
            }
            keyword if DATA.contains(&keyword) => {}
            keyword if MAPS.contains(&keyword) => {
                value.as_object().into_iter().flatten().try_for_each(|it| beside(it.1, found))?;
            }
            _ => beside(value, found)?,
        }
    }
    Ok(())
}

/// The same for schemas that are no members.
fn beside(value: &Value, found: &mut Vec<Mirrored>) -> Result<(), String> {
    match value {
        Value::Object(schema) => walk(schema, None, found),
        Value::Array(items) => items.iter().try_for_each(|it| beside(it, found)),
        _ => Ok(()),
    }
}

fn header(mark: &Value, schema: &Map<String, Value>) -> Result<HeaderName, String> {
    let name = mark.as_str().filter(|it| !it.is_empty());
    let name = name.and_then(|it| HeaderName::try_from(format!("{PREFIX}{it}")).ok());
    let name = name.ok_or_else(|| format!("`{MARK}` must be a name that a header can have"))?;
    match schema.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => Ok(name),
        _ => Err(format!("`{MARK}` is for texts, whole numbers and `true` or `false`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn marked(kind: &str, mark: &str) -> Value {
        json!({"type": kind, MARK: mark})
    }

    fn object(properties: Value) -> Value {
        json!({"type": "object", "properties": properties})
    }

    #[test]
    fn arguments_are_headers_as_well() {
        let schema = object(json!({
            "region": marked("string", "Region"), "priority": marked("integer", "Priority"), "plain": {"type": "string"},
            "order": object(json!({"gift": marked("boolean", "Gift")})), "note": marked("string", "Note"),
            "none": marked("string", "None"), "name": marked("string", "Name"),
        }));
        let arguments = json!({"region": "us-west1", "priority": 42, "plain": "x", "order": {"gift": false},
            "note": " Hello, 世界\r\n", "none": null, "name": ""});

        let sent = headers_of(&mirrored(&schema).unwrap(), &arguments);

        let mut sent: Vec<_> = sent
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        sent.sort();
        assert_eq!(
            sent,
            [
                "mcp-param-gift=false",
                "mcp-param-name=",
                "mcp-param-note==?base64?IEhlbGxvLCDkuJbnlYwNCg==?=",
                "mcp-param-priority=42",
                "mcp-param-region=us-west1",
            ]
        );
    }

    #[test]
    fn a_mark_that_cannot_be_a_header_is_refused() {
        for schema in [
            object(json!({"a": marked("string", "")})),
            object(json!({"a": marked("string", "My Region")})),
            object(json!({"a": marked("string", "Region:Primary")})),
            object(json!({"a": marked("string", "Région")})),
            object(json!({"a": marked("string", "Region\t1")})),
            object(json!({"a": marked("number", "Score")})),
            object(json!({"a": marked("object", "Data")})),
            object(json!({"a": {"type": ["string", "null"], MARK: "A"}})),
            object(json!({"a": {"type": "string", MARK: 7}})),
            object(json!({"a": marked("string", "Same"), "b": marked("string", "same")})),
            object(json!({"a": {"type": "array", "items": marked("string", "Item")}})),
            json!({"type": "object", MARK: "Root"}),
            json!({"type": "object", "anyOf": [object(json!({"a": marked("string", "A")}))]}),
            json!({"type": "object", "$defs": {"a": marked("string", "A")}}),
        ] {
            assert!(mirrored(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_word_that_only_looks_like_a_mark_is_none() {
        let named = object(json!({MARK: {"type": "string"}, "a": {"default": {MARK: "A"}}}));

        assert_eq!(mirrored(&named), Ok(Vec::new()));
        assert_eq!(mirrored(&json!(true)), Ok(Vec::new()));
    }
}
