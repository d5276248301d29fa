//! Schemas of tools on the wire. The author's schema stays the truth for our own checks.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::json;

/// `schema` as providers want the top of a tool's schema: an object with `properties`.
pub(crate) fn for_provider(schema: &Value) -> Cow<'_, Value> {
    let Value::Object(members) = schema else {
        return Cow::Owned(json!({"type": "object", "properties": {}}));
    };
    let is_object = members.get("type").is_some_and(|kind| kind == "object");
    if is_object && members.get("properties").is_some_and(Value::is_object) {
        return Cow::Borrowed(schema);
    }
    let mut members = members.clone();
    members.insert("type".to_owned(), json!("object"));
    if !members.get("properties").is_some_and(Value::is_object) {
        members.insert("properties".to_owned(), json!({}));
    }
    Cow::Owned(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::for_provider;

    #[test]
    fn a_usual_schema_is_left_alone() {
        let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "$schema": "x"});
        assert_eq!(*for_provider(&schema), schema);
    }

    #[test]
    fn the_top_becomes_an_object_with_properties() {
        for schema in
            [json!(true), json!({}), json!({"type": "object"}), json!({"properties": null})]
        {
            let expected = json!({"type": "object", "properties": {}});
            assert_eq!(*for_provider(&schema), expected, "{schema}");
        }
        let schema = json!({"type": ["object", "null"], "required": ["a"]});
        let expected = json!({"type": "object", "properties": {}, "required": ["a"]});
        assert_eq!(*for_provider(&schema), expected);
    }
}
