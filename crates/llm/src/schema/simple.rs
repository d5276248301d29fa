//! Schemas of a few keywords, as Google's and Ollama's servers understand them.

use std::fmt::Write;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Dialect;
use super::top::target;

type Members = Map<String, Value>;

/// What is nested deeper is said to be anything.
const MAX_DEPTH: usize = 24;

/// The most schemas that one may have once its references are followed.
const MAX_NODES: usize = 2_000;

/// `schema` with references followed and with nothing but types, names, choices, bounds and descriptions
/// in it.
///
/// # Errors
/// It is too large, or refers to nothing.
pub(super) fn simple(schema: &Value, dialect: Dialect) -> Result<Value, String> {
    Writer { root: schema, dialect, nodes: 0, references: Vec::new() }.write(schema, 0)
}

/// The same of a tool's arguments.
pub(super) fn arguments(schema: &Value, dialect: Dialect) -> Result<Value, String> {
    let mut written = simple(schema, dialect)?;
    if dialect == Dialect::Ollama
        && let Some(members) = written.as_object_mut()
    {
        // Templates of models go through them.
        members.entry("properties").or_insert_with(|| json!({}));
    }
    Ok(written)
}

struct Writer<'s> {
    root: &'s Value,
    dialect: Dialect,
    nodes: usize,
    /// Those that are being followed.
    references: Vec<Value>,
}

impl Writer<'_> {
    fn write(&mut self, schema: &Value, depth: usize) -> Result<Value, String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("its schema has more than {MAX_NODES} parts"));
        }
        let Value::Object(members) = schema else { return Ok(self.anything()) };
        if depth > MAX_DEPTH {
            return Ok(self.anything());
        }
        if let Some(reference) = members.get("$ref") {
            return self.follow(members, reference, depth);
        }
        let members = self.with_all_of(members)?;
        match kinds(&members).as_slice() {
            [kind] => self.of_kind(kind, &members, depth),
            [] => match ["anyOf", "oneOf"].iter().find_map(|it| members.get(*it)?.as_array()) {
                Some(branches) => self.any_of(branches, &members, depth),
                None => Ok(self.anything()),
            },
            [kind, "null"] | ["null", kind] => {
                let schema = self.of_kind(kind, &members, depth)?;
                Ok(self.or_null(schema))
            }
            kinds => {
                let branches = kinds.iter().map(|kind| {
                    let mut branch = members.clone();
                    branch.insert("type".to_owned(), json!(kind));
                    Value::Object(branch)
                });
                self.any_of(&branches.collect::<Vec<_>>(), &members, depth)
            }
        }
    }

    /// Writes what `reference` points to in its place, but not within itself.
    fn follow(
        &mut self,
        members: &Members,
        reference: &Value,
        depth: usize,
    ) -> Result<Value, String> {
        if self.references.contains(reference) {
            return Ok(self.anything());
        }
        let root = self.root;
        let mut referred = target(root, reference)?.as_object().cloned().unwrap_or_default();
        let own = members.iter().filter(|(keyword, _)| *keyword != "$ref");
        referred.extend(own.map(|(keyword, value)| (keyword.clone(), value.clone())));
        self.references.push(reference.clone());
        let written = self.write(&Value::Object(referred), depth);
        self.references.pop();
        written
    }

    /// `members` with what their `allOf` demands beside.
    fn with_all_of(&self, members: &Members) -> Result<Members, String> {
        let mut all = members.clone();
        let Some(Value::Array(branches)) = all.remove("allOf") else { return Ok(all) };
        for branch in &branches {
            let branch = match branch.get("$ref") {
                Some(reference) if !self.references.contains(reference) => {
                    target(self.root, reference)?
                }
                _ => branch,
            };
            for (keyword, value) in branch.as_object().into_iter().flatten() {
                match (all.get_mut(keyword), value) {
                    (Some(Value::Object(own)), Value::Object(more)) if keyword == "properties" => {
                        own.extend(more.clone());
                    }
                    (Some(Value::Array(own)), Value::Array(more)) if keyword == "required" => {
                        own.extend(more.clone());
                    }
                    (None, value) => drop(all.insert(keyword.clone(), value.clone())),
                    _ => {}
                }
            }
        }
        Ok(all)
    }

    fn any_of(
        &mut self,
        branches: &[Value],
        members: &Members,
        depth: usize,
    ) -> Result<Value, String> {
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
        let described = members.get("description");
        let mut written = Vec::new();
        for branch in branches.iter().filter(|branch| !is_null(branch)) {
            let mut branch = self.write(branch, depth + 1)?;
            if let (Some(members), Some(text)) = (branch.as_object_mut(), described)
                && !members.contains_key("anyOf")
            {
                members.entry("description").or_insert_with(|| text.clone());
            }
            written.push(branch);
        }
        let may_be_null = branches.iter().any(|branch| is_null(&branch));
        let written = match written.len() {
            0 => self.anything(),
            1 => written.remove(0),
            _ => json!({"anyOf": written}),
        };
        Ok(if may_be_null { self.or_null(written) } else { written })
    }

    fn of_kind(&mut self, kind: &str, members: &Members, depth: usize) -> Result<Value, String> {
        let mut out = Members::new();
        out.insert("type".to_owned(), json!(self.name(kind)));
        let mut description = text(members, "description").unwrap_or_default().to_owned();
        match kind {
            "object" => self.properties(members, &mut out, depth)?,
            "array" => {
                let any = json!({});
                let items = members.get("items").filter(|it| it.is_object()).unwrap_or(&any);
                out.insert("items".to_owned(), self.write(items, depth + 1)?);
                copy(members, &mut out, &["minItems", "maxItems"]);
            }
            "string" => {
                choices(members, &mut out);
                for keyword in ["format", "pattern"] {
                    match text(members, keyword) {
                        Some(date @ "date-time") => drop(out.insert("format".into(), json!(date))),
                        Some(other) => note(&mut description, keyword, other),
                        None => {}
                    }
                }
            }
            _ => {
                copy(members, &mut out, &["minimum", "maximum"]);
                for keyword in ["enum", "const"] {
                    if let Some(values) = members.get(keyword) {
                        note(&mut description, keyword, &values.to_string());
                    }
                }
            }
        }
        if !description.is_empty() {
            out.insert("description".to_owned(), json!(description));
        }
        let is_choice_of_null = members.get("enum").and_then(Value::as_array);
        let is_choice_of_null = is_choice_of_null.is_some_and(|it| it.contains(&Value::Null));
        let out = Value::Object(out);
        Ok(if is_choice_of_null { self.or_null(out) } else { out })
    }

    fn properties(
        &mut self,
        members: &Members,
        out: &mut Members,
        depth: usize,
    ) -> Result<(), String> {
        let Some(Value::Object(properties)) = members.get("properties") else { return Ok(()) };
        if properties.is_empty() {
            return Ok(());
        }
        let mut written = Members::new();
        for (name, schema) in properties {
            written.insert(name.clone(), self.write(schema, depth + 1)?);
        }
        let mut required: Vec<&str> = Vec::new();
        for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str()
                && written.contains_key(name)
                && !required.contains(&name)
            {
                required.push(name);
            }
        }
        if !required.is_empty() {
            out.insert("required".to_owned(), json!(required));
        }
        out.insert("properties".to_owned(), Value::Object(written));
        Ok(())
    }

    fn name(&self, kind: &str) -> String {
        match self.dialect {
            Dialect::Google => kind.to_uppercase(),
            _ => kind.to_owned(),
        }
    }

    /// A schema for every value.
    fn anything(&self) -> Value {
        if self.dialect != Dialect::Google {
            return json!({});
        }
        let kinds = ["STRING", "NUMBER", "BOOLEAN", "OBJECT"].map(|kind| json!({"type": kind}));
        let list = json!({"type": "ARRAY", "items": {"type": "STRING"}});
        let kinds: Vec<_> = kinds.into_iter().chain([list]).collect();
        json!({"anyOf": kinds})
    }

    fn or_null(&self, mut schema: Value) -> Value {
        let Some(members) = schema.as_object_mut() else { return schema };
        match (self.dialect, members.get_mut("type")) {
            (Dialect::Google, Some(_)) => drop(members.insert("nullable".into(), json!(true))),
            (_, Some(kind)) => *kind = json!([kind.take(), "null"]),
            _ => {}
        }
        schema
    }
}

/// The types that a value may have; none if its schema does not tell.
fn kinds(members: &Members) -> Vec<&str> {
    match members.get("type") {
        Some(Value::String(kind)) => return vec![kind],
        Some(Value::Array(kinds)) => return kinds.iter().filter_map(Value::as_str).collect(),
        _ => {}
    }
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| members.contains_key(*keyword));
    let choices = members.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let choices =
        choices.or_else(|| members.get("const").map(std::slice::from_ref)).unwrap_or_default();
    if has(&["properties", "additionalProperties"]) {
        vec!["object"]
    } else if has(&["items", "prefixItems"]) {
        vec!["array"]
    } else if has(&["pattern", "minLength", "maxLength"])
        || (!choices.is_empty() && choices.iter().all(Value::is_string))
    {
        vec!["string"]
    } else if has(&["minimum", "maximum", "multipleOf"]) {
        vec!["number"]
    } else {
        Vec::new()
    }
}

/// The strings that may be chosen from; the empty one, which is refused, leaves the choice open.
fn choices(members: &Members, out: &mut Members) {
    let values = match (members.get("enum"), members.get("const")) {
        (Some(Value::Array(values)), _) => values.as_slice(),
        (_, Some(value)) => std::slice::from_ref(value),
        _ => return,
    };
    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    if !texts.is_empty() && !texts.contains(&"") {
        out.insert("enum".to_owned(), json!(texts));
    }
}

fn text<'m>(members: &'m Members, keyword: &str) -> Option<&'m str> {
    members.get(keyword)?.as_str()
}

fn copy(from: &Members, to: &mut Members, keywords: &[&str]) {
    for keyword in keywords {
        if let Some(number @ Value::Number(_)) = from.get(*keyword) {
            to.insert((*keyword).to_owned(), number.clone());
        }
    }
}

/// Says in words what has no keyword.
fn note(description: &mut String, keyword: &str, value: &str) {
    let space = if description.is_empty() { "" } else { " " };
    let _ = write!(description, "{space}({keyword}: {value})");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::super::Dialect;
    use super::super::translate;

    fn property(dialect: Dialect, schema: &Value) -> Value {
        let schema = json!({"type": "object", "properties": {"a": schema}, "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
            "unit": {"enum": ["C", "F"], "description": "Degrees."},
        }});
        translate(&schema, dialect).unwrap()["properties"]["a"].clone()
    }

    #[test]
    fn googles_words_are_few() {
        for (schema, expected) in [
            (json!({"type": "string", "minLength": 3, "x-vendor": {}}), json!({"type": "STRING"})),
            (json!({"type": ["string", "null"]}), json!({"type": "STRING", "nullable": true})),
            (
                json!({"type": "string", "format": "email", "description": "Whose."}),
                json!({"type": "STRING", "description": "Whose. (format: email)"}),
            ),
            (
                json!({"type": "string", "format": "date-time"}),
                json!({"type": "STRING", "format": "date-time"}),
            ),
            (json!({"const": "x"}), json!({"type": "STRING", "enum": ["x"]})),
            (json!({"enum": ["", "x"]}), json!({"type": "STRING"})),
            (
                json!({"type": "integer", "enum": [1, 2], "minimum": 1}),
                json!({"type": "INTEGER", "minimum": 1, "description": "(enum: [1,2])"}),
            ),
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "How many."}),
                json!({"type": "INTEGER", "nullable": true, "description": "How many."}),
            ),
            (
                json!({"type": ["string", "integer"]}),
                json!({"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
            ),
            (
                json!({"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type", "gone"], "additionalProperties": false}),
                json!({"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "required": ["type"]}),
            ),
            (json!({"type": "object"}), json!({"type": "OBJECT"})),
            (
                json!({"$ref": "#/$defs/unit"}),
                json!({"type": "STRING", "enum": ["C", "F"], "description": "Degrees."}),
            ),
            (
                json!({"allOf": [{"$ref": "#/$defs/unit"}], "description": "Ours."}),
                json!({"type": "STRING", "enum": ["C", "F"], "description": "Ours."}),
            ),
        ] {
            assert_eq!(property(Dialect::Google, &schema), expected, "{schema}");
        }
    }

    #[test]
    fn anything_is_everything() {
        for schema in [json!(true), json!({}), json!({"description": "x"})] {
            assert_eq!(property(Dialect::Ollama, &schema), json!({}));
            let kinds = &property(Dialect::Google, &schema)["anyOf"];
            assert_eq!(kinds.as_array().unwrap().len(), 5);
        }
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let written = property(Dialect::Ollama, &json!({"$ref": "#/$defs/node"}));
        assert_eq!(written, json!({"type": "object", "properties": {"next": {}}}));
    }

    #[test]
    fn a_schema_that_grows_without_end_is_refused() {
        let layers = (0..16).map(|at| {
            let next = json!({"$ref": format!("#/$defs/l{}", at + 1)});
            let two = json!({"type": "object", "properties": {"a": next, "b": next}});
            (format!("l{at}"), two)
        });
        let mut definitions: serde_json::Map<_, _> = layers.collect();
        definitions.insert("l16".to_owned(), json!({"type": "string"}));
        let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": definitions});
        let why = translate(&schema, Dialect::Google).unwrap_err();
        assert_eq!(why, "its schema has more than 2000 parts");
        assert!(translate(&schema, Dialect::OpenAi).is_ok());
    }
}
