//! The top of a tool's schema, which every provider wants to be a plain object.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

type Members = Map<String, Value>;

/// What no provider takes at the top, beside the branches that are merged.
const REFUSED: [&str; 5] = ["not", "enum", "if", "then", "else"];

/// So many references may lead from one to the next.
const MAX_HOPS: usize = 8;

/// `schema` with an object of `properties` at its top, without branches and references there.
///
/// # Errors
/// It wants something else than an object.
pub(super) fn object(schema: &Value) -> Result<Cow<'_, Value>, String> {
    let members = match schema {
        Value::Object(members) => members,
        Value::Bool(true) => return Ok(Cow::Owned(json!({"type": "object", "properties": {}}))),
        _ => return Err("its schema is none".to_owned()),
    };
    if is_plain(members) {
        return Ok(Cow::Borrowed(schema));
    }
    let mut top = referred(members, schema)?;
    check_type(&top)?;
    for keyword in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = top.remove(keyword) {
            merge(&mut top, &branches, schema, keyword)?;
        }
    }
    for keyword in REFUSED {
        top.remove(keyword);
    }
    top.insert("type".to_owned(), json!("object"));
    if !top.get("properties").is_some_and(Value::is_object) {
        top.insert("properties".to_owned(), json!({}));
    }
    Ok(Cow::Owned(Value::Object(top)))
}

fn is_plain(members: &Members) -> bool {
    let has = |keyword: &&str| members.contains_key(*keyword);
    members.get("type").is_some_and(|kind| kind == "object")
        && members.get("properties").is_some_and(Value::is_object)
        && !["$ref", "allOf", "anyOf", "oneOf"].iter().chain(&REFUSED).any(has)
}

fn check_type(members: &Members) -> Result<(), String> {
    let is_object = match members.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => true,
    };
    if is_object {
        return Ok(());
    }
    Err("arguments are an object, and its schema wants none".to_owned())
}

/// `members`, and what their `$ref` points to.
fn referred(members: &Members, root: &Value) -> Result<Members, String> {
    let mut members = members.clone();
    for _ in 0..MAX_HOPS {
        let Some(reference) = members.remove("$ref") else { return Ok(members) };
        let target = target(root, &reference)?;
        for (keyword, value) in target.as_object().into_iter().flatten() {
            members.entry(keyword).or_insert_with(|| value.clone());
        }
    }
    Err("its references lead to each other".to_owned())
}

/// What `reference` points to within `root`.
pub(super) fn target<'r>(root: &'r Value, reference: &Value) -> Result<&'r Value, String> {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    let pointer = pointer.map(|pointer| pointer.replace("%24", "$"));
    pointer
        .and_then(|pointer| root.pointer(&pointer))
        .ok_or_else(|| format!("its schema refers to {reference}, which it does not have"))
}

/// Takes the properties of `branches` into `top`. Those that all branches require are required, and
/// of `allOf` those that any does.
fn merge(top: &mut Members, branches: &[Value], root: &Value, how: &str) -> Result<(), String> {
    let mut required: Option<Vec<Value>> = None;
    for branch in branches.iter().filter_map(Value::as_object) {
        let branch = referred(branch, root)?;
        check_type(&branch)?;
        add_properties(top, &branch, if how == "allOf" { "allOf" } else { "anyOf" });
        let own = branch.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        required = Some(match required {
            None => own,
            Some(all) if how == "allOf" => [all, own].concat(),
            Some(all) => all.into_iter().filter(|name| own.contains(name)).collect(),
        });
    }
    let all = top.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        for name in required.unwrap_or_default() {
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    if top.get("required").is_some_and(|all| all.as_array().is_some_and(Vec::is_empty)) {
        top.remove("required");
    }
    Ok(())
}

fn add_properties(top: &mut Members, branch: &Members, how: &str) {
    let own = top.entry("properties").or_insert_with(|| json!({}));
    let (Value::Object(own), Some(Value::Object(more))) = (own, branch.get("properties")) else {
        return;
    };
    for (name, schema) in more {
        match own.get_mut(name) {
            None => drop(own.insert(name.clone(), schema.clone())),
            Some(known) if known == schema => {}
            Some(known) => *known = json!({how: [known.take(), schema]}),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::object;

    #[test]
    fn the_top_becomes_an_object_with_properties() {
        for schema in
            [json!(true), json!({}), json!({"type": "object"}), json!({"properties": null})]
        {
            let expected = json!({"type": "object", "properties": {}});
            assert_eq!(*object(&schema).unwrap(), expected, "{schema}");
        }
        let schema = json!({"type": ["object", "null"], "required": ["a"]});
        let expected = json!({"type": "object", "properties": {}, "required": ["a"]});
        assert_eq!(*object(&schema).unwrap(), expected);
    }

    #[test]
    fn a_reference_at_the_top_is_followed() {
        let schema = json!({"$ref": "#/$defs/Order", "$defs": {"Order": {"type": "object", "properties": {"id": {}}}}});
        let top = object(&schema).unwrap();
        assert_eq!(top["properties"], json!({"id": {}}));
        assert_eq!(top.get("$ref"), None);
    }

    #[test]
    fn branches_at_the_top_become_one_object() {
        let branches = json!([
            {"properties": {"a": {"type": "string"}, "c": {}}, "required": ["a", "c"]},
            {"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]},
        ]);
        let expected = json!({
            "type": "object",
            "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "b": {}, "c": {}},
            "required": ["a"],
        });
        assert_eq!(*object(&json!({"oneOf": branches})).unwrap(), expected);
        let all = object(&json!({"allOf": branches})).unwrap().into_owned();
        assert_eq!(all["required"], json!(["a", "c"]));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for schema in [
            json!({"type": "array"}),
            json!({"type": ["string", "null"]}),
            json!({"anyOf": [{"type": "object"}, {"type": "string"}]}),
            json!(false),
            json!({"$ref": "#/$defs/none"}),
            json!({"$ref": "https://example.com/a.json"}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        ] {
            assert!(object(&schema).is_err(), "{schema}");
        }
    }
}
