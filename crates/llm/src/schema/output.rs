//! Schemas of answers.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use super::Dialect;
use super::children;
use super::simple;
use crate::Request;

/// A schema as `OpenAI` is bound to it.
#[derive(Debug, Serialize)]
pub(crate) struct Named<'s> {
    name: &'static str,
    schema: &'s Value,
    /// Whether it keeps to it to the letter.
    pub strict: bool,
}

impl<'s> Named<'s> {
    /// # Errors
    /// Why it cannot be bound to `schema`.
    pub fn new(schema: &'s Value) -> Result<Self, String> {
        if !schema.as_object().is_some_and(is_object) {
            return Err("the schema is not that of an object".to_owned());
        }
        Ok(Self { name: "answer", schema, strict: is_strict(schema) })
    }
}

/// `schema` with the keywords that a provider of few knows, for it to be bound to. An answer may still be
/// wrong by what was left out.
///
/// # Errors
/// Why it cannot be bound to it.
pub(crate) fn reduced(schema: &Value, dialect: Dialect) -> Result<Value, String> {
    let reduced = simple::simple(schema, dialect)?;
    if reduced.as_object().is_none_or(Map::is_empty) {
        return Err("the schema says nothing that it could be bound to".to_owned());
    }
    if dialect == Dialect::Google && has_nameless_object(&reduced) {
        return Err("an object in the schema names no members".to_owned());
    }
    Ok(reduced)
}

/// `Google` refuses such.
fn has_nameless_object(schema: &Value) -> bool {
    schema.as_object().is_some_and(|members| {
        let is_object = members.get("type").is_some_and(|kind| kind == "OBJECT");
        is_object && !members.contains_key("properties")
            || children(members).any(has_nameless_object)
    })
}

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
fn is_strict(schema: &Value) -> bool {
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
fn is_object(members: &Map<String, Value>) -> bool {
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

    use super::Dialect;
    use super::is_strict;
    use super::reduced;

    #[test]
    fn what_says_too_little_binds_nobody() {
        let list = json!({"type": "array", "items": {"type": "string", "pattern": "^a"}});
        assert_eq!(
            reduced(&list, Dialect::Google).unwrap(),
            json!({"type": "ARRAY", "items": {"type": "STRING", "description": "(pattern: ^a)"}})
        );
        let object = json!({"type": "object", "properties": {"a": {"type": "object"}}});
        assert!(reduced(&object, Dialect::Ollama).is_ok());
        for (schema, dialect, why) in [
            (&object, Dialect::Google, "an object in the schema names no members"),
            (
                &json!({"properties": {"a": {}}}),
                Dialect::Google,
                "an object in the schema names no members",
            ),
            (
                &json!({"not": {}}),
                Dialect::Ollama,
                "the schema says nothing that it could be bound to",
            ),
            (
                &json!({"$ref": "#/$defs/a"}),
                Dialect::Ollama,
                "its schema refers to \"#/$defs/a\", which it does not have",
            ),
        ] {
            assert_eq!(reduced(schema, dialect), Err(why.to_owned()), "{schema}");
        }
    }

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
