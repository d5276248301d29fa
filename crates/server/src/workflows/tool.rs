//! A workflow as a tool of models and programs: what it takes, and what a call gives it.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::tools::run_name;
use crate::workflows::Workflow;

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

/// The schema of arguments whose `input` is described by `schema`. What that refers to within itself stays at the top.
fn wrapped(schema: &Value) -> Map<String, Value> {
    let mut schema = schema.clone();
    let own = schema.as_object_mut().and_then(|it| it.remove("$defs"));
    let mut arguments = object(&json!({
        "properties": {"input": schema},
        "required": ["input"],
        "additionalProperties": false,
    }));
    arguments.extend(own.map(|own| ("$defs".to_owned(), own)));
    arguments
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

/// Whether this is the schema of an object.
pub fn is_of_objects(schema: &Value) -> bool {
    schema.get("type").is_none_or(|it| it == "object")
}

/// A schema of an object, which says that it is one.
pub fn object(schema: &Value) -> Map<String, Value> {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| json!("object"));
    schema
}
