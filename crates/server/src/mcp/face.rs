//! What a tool says of itself in `metadata.mcp`: whether MCP shows it as something else than a tool.

use engine::Effect;
use percent_encoding::percent_decode_str;
use serde_json::Map;
use serde_json::Value;

use crate::tools::ToolContent;

/// As what a tool is shown, and what its results are.
#[derive(Debug, PartialEq, Eq)]
pub struct Face {
    pub role: Role,
    /// The result is `{"content": […]}`, in the words of the protocol: images, sound, links.
    pub has_content: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Role {
    Tool,
    /// Its result is what a person sends to a model.
    Prompt,
    /// Its result is what is at a URI, or at each URI of a template, whose variables are its arguments.
    Resource {
        uri: String,
        mime_type: Option<String>,
    },
}

impl Face {
    /// What is not understood says nothing: it is a tool then.
    pub fn of(tool: &ToolContent) -> Self {
        let said = &tool.metadata.get("mcp").unwrap_or(&Value::Null);
        let text = |member: &str| said[member].as_str().map(str::to_owned);
        // What has effects is called as what it is.
        let shown = said["as"].as_str().filter(|_| tool.effect == Effect::Read);
        let role = match (shown, text("uri")) {
            (Some("prompt"), _) => Role::Prompt,
            (Some("resource"), Some(uri)) => Role::Resource { uri, mime_type: text("mime_type") },
            _ => Role::Tool,
        };
        Self { role, has_content: said["result"] == "content" }
    }
}

/// Whether `uri` has variables.
pub fn is_template(uri: &str) -> bool {
    uri.contains('{')
}

/// The variables of `template` in `uri`, if it is one of them. A variable is a part of the path.
pub fn variables(template: &str, uri: &str) -> Option<Map<String, Value>> {
    let (mut template, mut uri, mut found) = (template, uri, Map::new());
    while let Some((before, rest)) = template.split_once('{') {
        let (name, behind) = rest.split_once('}')?;
        uri = uri.strip_prefix(before)?;
        let end = uri.find('/').unwrap_or(uri.len());
        let next = behind.split('{').next().unwrap_or_default();
        let end = if next.is_empty() { end } else { uri[..end].find(next).unwrap_or(end) };
        let value = percent_decode_str(&uri[..end]).decode_utf8().ok()?;
        if value.is_empty() {
            return None;
        }
        found.insert(name.to_owned(), Value::String(value.into_owned()));
        (template, uri) = (behind, &uri[end..]);
    }
    (template == uri).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_stand_where_the_template_has_them() {
        let found = |template, uri| variables(template, uri).map(Value::Object);

        assert_eq!(found("a://x", "a://x"), Some(json!({})));
        assert_eq!(found("t://{id}/data", "t://123/data"), Some(json!({"id": "123"})));
        assert_eq!(found("t://{a}/{b}", "t://x%20y/%C3%BC"), Some(json!({"a": "x y", "b": "ü"})));
        assert_eq!(found("t://{a}.{b}", "t://x.y"), Some(json!({"a": "x", "b": "y"})));
        for (template, uri) in [
            ("t://{id}/data", "t:///data"),
            ("t://{id}/data", "t://1/2/data"),
            ("t://{id}/data", "t://1/data/"),
            ("t://{id", "t://1"),
            ("t://{id}", "u://1"),
            ("t://{id}", "t://%FF"),
            ("a://x", "a://xy"),
        ] {
            assert_eq!(found(template, uri), None, "{template} {uri}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_tool() {
        let face_of = |effect, mcp: Value| {
            let metadata = Map::from_iter([("mcp".to_owned(), mcp)]);
            Face::of(&ToolContent { effect, metadata, ..ToolContent::default() })
        };
        let face = |mcp| face_of(Effect::Read, mcp);

        let tool = Face { role: Role::Tool, has_content: false };
        for said in
            [json!(null), json!(7), json!({"as": "resource"}), json!({"as": "x", "result": 1})]
        {
            assert_eq!(face(said), tool);
        }
        assert_eq!(face(json!({"as": "prompt", "result": "content"})).role, Role::Prompt);
        assert_eq!(face_of(Effect::Effect, json!({"as": "prompt"})).role, Role::Tool);
        let resource = face(json!({"as": "resource", "uri": "a://b"}));
        assert_eq!(resource.role, Role::Resource { uri: "a://b".to_owned(), mime_type: None });
    }
}
