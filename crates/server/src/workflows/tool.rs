//! A workflow as a tool of models and programs: what it takes, and what a call gives it.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::tools::run_name;
use crate::workflows::Workflow;

/// Where schemas keep what they refer to.
const SHARED: [&str; 2] = ["$defs", "definitions"];

/// Keywords whose members are schemas by names.
const NAMED: [&str; 5] =
    ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// What models and programs are told of it.
pub fn as_tool(workflow: &Workflow) -> llm::Tool {
    let content = &workflow.content;
    let about = if content.description.is_empty() { "." } else { ": " };
    let (title, description) = (&content.display_name, &content.description);
    let schema = content.input_schema.as_ref().unwrap_or(&Value::Null);
    let schema = if is_wrapped(workflow) { wrapped(schema) } else { object(schema) };
    llm::Tool {
        name: run_name(&content.name),
        description: format!("Runs the workflow {title}{about}{description}"),
        input_schema: Value::Object(schema),
    }
}

/// The schema of arguments whose `input` is described by `schema`. What is there to be referred to stays at the top, and
/// other references within it follow it.
fn wrapped(schema: &Value) -> Map<String, Value> {
    let (mut schema, mut shared) = (schema.clone(), Map::new());
    if let Value::Object(members) = &mut schema
        && !members.contains_key("$id")
    {
        shared.extend(SHARED.into_iter().filter_map(|name| members.remove_entry(name)));
        shared.values_mut().for_each(move_named);
        move_references(&mut schema);
    }
    let mut arguments = object(&json!({
        "properties": {"input": schema},
        "required": ["input"],
        "additionalProperties": false,
    }));
    arguments.extend(shared);
    arguments
}

/// Moves the references within a schema that stood at the top and stands under `input` now.
fn move_references(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(move_references),
        // Those within one that has an id are relative to it.
        Value::Object(members) if !members.contains_key("$id") => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref" | "$dynamicRef", Value::String(place)) => move_reference(place),
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (name, named) if NAMED.contains(&name) => move_named(named),
                    (_, member) => move_references(member),
                }
            }
        }
        _ => {}
    }
}

/// The same in schemas that have names.
fn move_named(schemas: &mut Value) {
    schemas.as_object_mut().into_iter().flatten().for_each(|(_, it)| move_references(it));
}

fn move_reference(place: &mut String) {
    let Some(within) = place.strip_prefix('#').filter(|it| it.is_empty() || it.starts_with('/'))
    else {
        return;
    };
    if !within.split('/').nth(1).is_some_and(|first| SHARED.contains(&first)) {
        *place = format!("#/properties/input{within}");
    }
}

/// What a call with `arguments` gives it: these, or their `input` where it takes something else than an object.
pub fn given_by(workflow: &Workflow, arguments: Value) -> Value {
    match arguments {
        Value::Object(mut members) if is_wrapped(workflow) => {
            members.remove("input").unwrap_or_default()
        }
        arguments => arguments,
    }
}

/// Whether a workflow takes anything but an object, which arguments always are.
fn is_wrapped(workflow: &Workflow) -> bool {
    workflow.content.input_schema.as_ref().is_some_and(|schema| !is_of_objects(schema))
}

/// Whether this is the schema of an object: it says so, or it says nothing that is not about the members of one.
pub fn is_of_objects(schema: &Value) -> bool {
    match schema.get("type") {
        Some(it) => it == "object",
        None => schema.as_object().is_some_and(|it| it.keys().all(|it| is_of_members(it))),
    }
}

/// Whether a keyword says something of the members of an object, or nothing of values at all.
fn is_of_members(keyword: &str) -> bool {
    matches!(
        keyword,
        "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "required"
            | "minProperties"
            | "maxProperties"
            | "dependentRequired"
            | "dependentSchemas"
            | "$defs"
            | "definitions"
            | "$schema"
            | "$id"
            | "$anchor"
            | "$comment"
            | "title"
            | "description"
            | "default"
            | "examples"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
    )
}

/// A schema of an object, which says that it is one.
pub fn object(schema: &Value) -> Map<String, Value> {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| json!("object"));
    schema
}

#[cfg(test)]
mod tests {
    use engine::Effect;
    use engine::ToolSpec;

    use super::*;

    /// What `schema` says of arguments with this `input`.
    fn takes(schema: &Value, input: &Value) -> bool {
        let arguments = Value::Object(wrapped(schema));
        let tool = llm::Tool {
            name: "run_it".to_owned(),
            description: String::new(),
            input_schema: arguments,
        };
        let spec = ToolSpec::new(tool, None, Effect::Read).unwrap();
        spec.check(&json!({ "input": input })).is_ok()
    }

    #[test]
    fn references_are_found_where_the_schema_is_moved_to() {
        let text = json!({"type": "string"});
        for schema in [
            json!({"type": "array", "items": {"$ref": "#/$defs/it"}, "$defs": {"it": text}}),
            json!({"type": "array", "items": {"$ref": "#/definitions/it"}, "definitions": {"it": text}}),
            json!({"$ref": "#/definitions/list", "definitions": {"it": text, "list": {"type": "array", "items": {"$ref": "#/definitions/it"}}}}),
            json!({"type": "array", "prefixItems": [text], "items": {"$ref": "#/prefixItems/0"}}),
            json!({"type": "array", "items": {"$ref": "#/$defs/own"}, "$defs": {"own": {"$ref": "#/else"}}, "else": text}),
            json!({"$id": "https://example.com/it", "type": "array", "items": {"$ref": "#/$defs/it"}, "$defs": {"it": text}}),
            json!({"type": "array", "items": {"anyOf": [text, {"$ref": "#"}]}}),
        ] {
            assert!(takes(&schema, &json!(["a"])), "{schema}");
            assert!(!takes(&schema, &json!([1])), "{schema}");
        }
        // Neither a member of that name nor a value is a reference.
        let schema = json!({"anyOf": [{"properties": {"$ref": text}, "required": ["$ref"]}, {"const": {"$ref": "#/x"}}]});
        assert!(takes(&schema, &json!({"$ref": "#/x"})));
        assert_eq!(wrapped(&schema)["properties"]["input"], schema);
    }

    #[test]
    fn only_what_is_an_object_is_taken_for_one() {
        for schema in [
            json!({"type": "object"}),
            json!({}),
            json!({"title": "It", "properties": {"a": {}}, "required": ["a"]}),
            json!({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        ] {
            assert!(is_of_objects(&schema), "{schema}");
        }
        for schema in [
            json!({"type": ["object", "null"]}),
            json!({"anyOf": [{"type": "array"}, {"type": "string"}]}),
            json!({"enum": ["a", "b"]}),
            json!({"$ref": "#/$defs/it", "$defs": {"it": {"type": "string"}}}),
            json!({"items": {"type": "string"}}),
            json!(true),
        ] {
            assert!(!is_of_objects(&schema), "{schema}");
        }
    }
}
