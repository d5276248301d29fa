//! Schemas of answers.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;

use crate::Request;

/// The instructions of `request`, and with them its output schema, for a model that is not bound to it.
pub(crate) fn instructions_with_output(request: &Request) -> Option<Cow<'_, str>> {
    let instructions = request.instructions.as_deref().filter(|text| !text.is_empty());
    let Some(schema) = &request.output_schema else { return instructions.map(Cow::Borrowed) };
    let (own, gap) = instructions.map_or(("", ""), |own| (own, "\n\n"));
    Some(Cow::Owned(format!(
        "{own}{gap}Your answer is one JSON value that this JSON Schema accepts, and nothing beside it: no \
         words before or after, no code fence.\n{schema}"
    )))
}

/// Whether a provider can keep to `schema` to the letter: it knows only objects all of whose members are
/// required and named.
///
/// Source: <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>
pub(crate) fn is_strict(schema: &Value) -> bool {
    const PLAIN: [&str; 12] = [
        "type",
        "description",
        "title",
        "enum",
        "const",
        "$ref",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
    ];
    let all = |schemas: &Map<String, Value>| schemas.values().all(is_strict);
    let Value::Object(members) = schema else { return false };
    let parts = members.iter().all(|(keyword, value)| match keyword.as_str() {
        "properties" | "$defs" => value.as_object().is_some_and(all),
        "items" => is_strict(value),
        "anyOf" => value.as_array().is_some_and(|any| any.iter().all(is_strict)),
        "required" | "additionalProperties" => true,
        plain => PLAIN.contains(&plain),
    });
    parts && (!is_object(members) || names_all_members(members))
}

/// Whether the top of a schema says that the value is an object.
pub(crate) fn is_object(members: &Map<String, Value>) -> bool {
    members.get("type").is_some_and(|kind| kind == "object")
}

fn names_all_members(members: &Map<String, Value>) -> bool {
    let required = members.get("required").and_then(Value::as_array);
    let is_required =
        |name: &String| required.is_some_and(|it| it.iter().any(|it| it.as_str() == Some(name)));
    let properties = members.get("properties").and_then(Value::as_object);
    members.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_some_and(|it| it.keys().all(is_required))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_strict;

    #[test]
    fn only_what_names_and_requires_all_its_members_is_strict() {
        let object = |more: serde_json::Value| {
            let mut schema = json!({
                "type": "object", "properties": {"a": {"type": ["string", "null"]}},
                "required": ["a"], "additionalProperties": false
            });
            schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            schema
        };
        assert!(is_strict(&object(json!({}))));
        assert!(is_strict(&json!({"type": "array", "items": object(json!({"description": "x"}))})));
        for lax in [
            json!({"required": []}),
            json!({"additionalProperties": true}),
            json!({"properties": {"a": {"type": "object"}}}),
            json!({"patternProperties": {}}),
            json!({"$defs": {"b": true}}),
        ] {
            assert!(!is_strict(&object(lax.clone())), "{lax}");
        }
    }
}
