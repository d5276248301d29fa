//! The schemas of a document, as JSON Schema 2020-12 without references.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::document::Document;

/// As deep schemas may be: a definition takes 32 levels of JSON, of which each of these is two.
const DEPTH: usize = 12;
/// As many values the schema of one tool may have; deeper ones are left open then.
const VALUES: usize = 1_000;

/// Members that hold one schema.
const ONE: [&str; 9] = [
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedProperties",
];
/// Members that hold a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Members that hold schemas by names of the user's.
const NAMED: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
/// Members that hold anything, and are no schemas whatever they look like.
const VERBATIM: [&str; 22] = [
    "const",
    "default",
    "dependentRequired",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// Follows references while it copies.
pub struct Copier<'c, 'd> {
    document: &'c Document<'d>,
    /// The references that are being followed.
    open: Vec<String>,
    left: usize,
}

impl<'c, 'd> Copier<'c, 'd> {
    pub fn new(document: &'c Document<'d>) -> Self {
        Self { document, open: Vec::new(), left: VALUES }
    }

    /// What is sent must be: `schema` without references and without what only answers have. A schema
    /// that contains itself is left open where it does.
    pub fn copy(&mut self, schema: &'d Value, depth: usize) -> Result<Value, String> {
        let Value::Object(members) = schema else { return Ok(schema.clone()) };
        if depth > DEPTH || self.left == 0 {
            return Ok(json!({}));
        }
        self.left -= 1;
        self.document.take_value()?;
        if let Some(Value::String(reference)) = members.get("$ref") {
            if self.open.contains(reference) {
                return Ok(json!({}));
            }
            let target = self.document.target(reference)?;
            self.open.push(reference.clone());
            let copied = self.copy(target, depth);
            self.open.pop();
            return Ok(with_description(copied?, members));
        }
        let mut copied = Map::new();
        for (name, value) in members {
            let value = match (name.as_str(), value) {
                (one, _) if ONE.contains(&one) => self.copy(value, depth + 1)?,
                (list, Value::Array(items)) if LIST.contains(&list) => {
                    let items = items.iter().map(|item| self.copy(item, depth + 1));
                    Value::Array(items.collect::<Result<_, _>>()?)
                }
                (named, Value::Object(schemas)) if NAMED.contains(&named) => {
                    self.named(schemas, depth)?
                }
                (verbatim, _) if VERBATIM.contains(&verbatim) => value.clone(),
                _ => continue,
            };
            copied.insert(name.clone(), value);
        }
        let read_only = read_only(self.document, members);
        if let Some(Value::Array(required)) = copied.get_mut("required") {
            required.retain(|name| !read_only.iter().any(|it| name == it));
        }
        if self.document.is_3_0 {
            modernise(&mut copied, members);
        }
        Ok(Value::Object(copied))
    }

    fn named(&mut self, schemas: &'d Map<String, Value>, depth: usize) -> Result<Value, String> {
        let mut copied = Map::new();
        for (name, schema) in schemas {
            if !is_read_only(self.document, schema) {
                copied.insert(name.clone(), self.copy(schema, depth + 1)?);
            }
        }
        Ok(Value::Object(copied))
    }
}

/// The names of members that only answers have.
fn read_only<'d>(document: &Document<'d>, schema: &'d Map<String, Value>) -> Vec<&'d str> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let read_only = properties.filter(|(_, schema)| is_read_only(document, schema));
    read_only.map(|(name, _)| name.as_str()).collect()
}

fn is_read_only<'d>(document: &Document<'d>, schema: &'d Value) -> bool {
    let is_so = |schema: &Value| schema.get("readOnly") == Some(&Value::Bool(true));
    is_so(schema) || document.resolve(schema).is_ok_and(is_so)
}

/// What stands beside a reference says it better.
fn with_description(mut schema: Value, beside: &Map<String, Value>) -> Value {
    if let (Some(own), Value::Object(members)) = (beside.get("description"), &mut schema) {
        members.insert("description".to_owned(), own.clone());
    }
    schema
}

/// From the words of OpenAPI 3.0 to those of JSON Schema.
fn modernise(schema: &mut Map<String, Value>, old: &Map<String, Value>) {
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => {
                let limit = schema.remove(bound);
                schema.remove(exclusive);
                schema.extend(limit.map(|limit| (exclusive.to_owned(), limit)));
            }
            Some(Value::Bool(false)) => {
                schema.remove(exclusive);
            }
            _ => {}
        }
    }
    if old.get("nullable") != Some(&Value::Bool(true)) {
        return;
    }
    if let Some(Value::String(kind)) = schema.get("type") {
        let kinds = json!([kind, "null"]);
        schema.insert("type".to_owned(), kinds);
        if let Some(Value::Array(values)) = schema.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    } else if !schema.is_empty() {
        let whole = std::mem::take(schema);
        schema.insert("anyOf".to_owned(), json!([whole, {"type": "null"}]));
    }
}

/// Takes all patterns out, which JavaScript may understand otherwise than we do.
pub fn without_patterns(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("pattern").is_some_and(Value::is_string) {
                members.remove("pattern");
            }
            members.remove("patternProperties");
            members.values_mut().for_each(without_patterns);
        }
        Value::Array(items) => items.iter_mut().for_each(without_patterns),
        _ => {}
    }
}
