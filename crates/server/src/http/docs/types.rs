//! JSON Schemas in words, and examples of what fits them.

use serde_json::Map;
use serde_json::Value;

use crate::http::docs::markdown::escape;

/// Deeper than this an example is of no use.
const EXAMPLE_DEPTH: usize = 6;

/// What a schema allows, as HTML with links to the schemas that it names: `list of Agent or null`.
pub fn words(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema.get(key).and_then(Value::as_array) {
            return or(variants.iter().map(words));
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return or(values
            .iter()
            .map(|value| format!("<code>{}</code>", escape(&value.to_string()))));
    }
    match schema.get("type") {
        Some(Value::Array(kinds)) => {
            or(kinds.iter().filter_map(Value::as_str).map(|kind| kind_words(kind, schema)))
        }
        Some(Value::String(kind)) => kind_words(kind, schema),
        _ => "any value".into(),
    }
}

fn kind_words(kind: &str, schema: &Value) -> String {
    match kind {
        "array" => format!("list of {}", words(schema.get("items").unwrap_or(&Value::Null))),
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("object of {}", words(values)),
            _ => "object".into(),
        },
        "integer" => "whole number".into(),
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "time".into(),
            Some(format) => format!("string ({})", escape(format)),
            None => "string".into(),
        },
        other => escape(other),
    }
}

fn or(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort_by_key(|word| word == "null");
    words.dedup();
    words.join(" or ")
}

/// The name of the schema that is referred to.
pub fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// A value that fits: the example that the schema gives, or one made of what it requires.
pub fn example(schema: &Value, schemas: &Map<String, Value>) -> Value {
    make(schema, schemas, EXAMPLE_DEPTH)
}

fn make(schema: &Value, schemas: &Map<String, Value>, depth: usize) -> Value {
    let given = schema.get("example").or_else(|| schema.get("examples")?.get(0));
    if let Some(given) = given.or_else(|| schema.get("default")) {
        return given.clone();
    }
    if depth == 0 {
        return Value::Null;
    }
    if let Some(name) = reference(schema) {
        return schemas.get(name).map_or(Value::Null, |schema| make(schema, schemas, depth - 1));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let variants = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        let is_null = |variant: &&Value| variant.get("type").is_some_and(|kind| kind == "null");
        if let Some(variant) = variants.into_iter().find(|variant| !is_null(variant)) {
            return make(variant, schemas, depth - 1);
        }
    }
    if let Some(value) = schema.get("enum").and_then(|values| values.get(0)) {
        return value.clone();
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
        other => other,
    };
    match kind.and_then(Value::as_str) {
        Some("object") => object(schema, schemas, depth),
        Some("array") => {
            let item = schema.get("items").map(|items| make(items, schemas, depth - 1));
            Value::Array(item.into_iter().collect())
        }
        Some("string") => Value::from(match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-11-25T10:00:00Z",
            Some("uuid") => "0199b5a0-0000-7000-8000-000000000001",
            _ => "…",
        }),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => Value::Bool(true),
        _ => Value::Null,
    }
}

/// Required members only: what may be left out is left out.
fn object(schema: &Value, schemas: &Map<String, Value>, depth: usize) -> Value {
    let members = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let required = required.filter_map(Value::as_str);
    Value::Object(
        required
            .filter_map(|name| Some((name, members?.get(name)?)))
            .map(|(name, member)| (name.to_owned(), make(member, schemas, depth - 1)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_said_in_words() {
        check(json!({"type": ["string", "null"]}), "string or null");
        check(
            json!({"type": "array", "items": {"$ref": "#/components/schemas/Agent"}}),
            r##"list of <a href="#schema-Agent">Agent</a>"##,
        );
        check(
            json!({"oneOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]}),
            "time or null",
        );
        check(
            json!({"type": "string", "enum": ["a", "b"]}),
            "<code>&quot;a&quot;</code> or <code>&quot;b&quot;</code>",
        );
        check(
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            "object of whole number",
        );
        check(json!({}), "any value");
    }

    #[test]
    fn an_example_has_what_is_required() {
        let schemas = json!({"Name": {"type": "string", "example": "support"}});
        let schema = json!({
            "type": "object",
            "required": ["name", "at", "kind", "tools"],
            "properties": {
                "name": {"$ref": "#/components/schemas/Name"},
                "at": {"type": "string", "format": "date-time"},
                "kind": {"oneOf": [{"type": "null"}, {"type": "string", "enum": ["a", "b"]}]},
                "tools": {"type": "array", "items": {"type": "boolean"}},
                "note": {"type": "string"},
            },
        });

        let example = example(&schema, schemas.as_object().unwrap());

        assert_eq!(
            example,
            json!({"name": "support", "at": "2026-11-25T10:00:00Z", "kind": "a", "tools": [true]})
        );
    }

    #[test]
    fn a_schema_that_holds_itself_has_an_end() {
        let schemas = json!({"A": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/components/schemas/A"}}}});

        let example =
            example(&json!({"$ref": "#/components/schemas/A"}), schemas.as_object().unwrap());

        assert!(example["a"]["a"]["a"].is_null());
    }

    #[track_caller]
    fn check(schema: Value, expected: &str) {
        assert_eq!(words(&schema), expected);
    }
}
