//! Which secrets a definition names.

use serde_json::Value;

use crate::egress::Text;
use crate::http::pointer_to;

/// A place of a definition that names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where, from the value that was searched.
    pub pointer: String,
    pub name: String,
}

/// All secrets that the configuration of a tool names: `{{secrets.NAME}}` in any text, `secret` of its
/// `auth`, and the list `secrets`.
pub fn references(config: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    search(config, "", &mut found);
    if let Some(name) = config.pointer("/auth/secret").and_then(Value::as_str) {
        found.push(Reference { pointer: "/auth/secret".to_owned(), name: name.to_owned() });
    }
    let listed = config.get("secrets").and_then(Value::as_array).into_iter().flatten();
    for (index, name) in listed.enumerate() {
        if let Some(name) = name.as_str() {
            found.push(Reference { pointer: format!("/secrets/{index}"), name: name.to_owned() });
        }
    }
    found
}

fn search(value: &Value, at: &str, found: &mut Vec<Reference>) {
    match value {
        Value::String(text) => {
            let text = Text::scan(text);
            let names = text.secrets();
            found.extend(
                names.map(|name| Reference { pointer: at.to_owned(), name: name.to_owned() }),
            );
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| search(item, &format!("{at}/{index}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| search(member, &pointer_to(at, name), found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_are_named() {
        let config = json!({
            "url": "https://example.com/{{ secrets.a }}?x={{secrets.b}}",
            "body": {"list": [{"c/d": "x {{secrets.c}}"}], "secret": "no reference"},
            "auth": {"type": "bearer", "secret": "d"},
            "secrets": ["e"],
        });

        let found = references(&config);
        let found: Vec<_> =
            found.iter().map(|it| (it.pointer.as_str(), it.name.as_str())).collect();

        let mut expected = vec![
            ("/body/list/0/c~1d", "c"),
            ("/url", "a"),
            ("/url", "b"),
            ("/auth/secret", "d"),
            ("/secrets/0", "e"),
        ];
        expected.sort_unstable();
        let mut found = found;
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
