//! What a definition says, as JSON.

use std::fmt::Write;

use aws_lc_rs::digest;
use serde_json::Map;
use serde_json::Value;

/// The members that make up the content of a definition.
///
/// A member that is not there has its default. Two documents say the same exactly when their
/// canonical texts are equal, if both were normalised; so a member that a later release adds changes
/// the hash of no document that does not use it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document(Map<String, Value>);

impl Document {
    /// The given members; a `null` is a member that is not there.
    pub fn new(mut members: Map<String, Value>) -> Self {
        members.retain(|_, value| !value.is_null());
        Self(members)
    }

    /// Reads the text that [`Document::text`] made.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self::new)
    }

    pub fn get(&self, member: &str) -> Option<&Value> {
        self.0.get(member)
    }

    /// Puts `value` in the place of what `member` was; `null` takes the member away.
    pub fn set(&mut self, member: impl Into<String>, value: Value) {
        let member = member.into();
        if value.is_null() {
            self.0.remove(&member);
        } else {
            self.0.insert(member, value);
        }
    }

    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The one way to write it: members in the order of their names, no spaces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        write_object(&self.0, &mut text);
        text
    }

    /// `sha256:…` of the canonical text.
    pub fn hash(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.text().as_bytes());
        digest.as_ref().iter().fold(String::from("sha256:"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => write_object(members, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

fn write_object(members: &Map<String, Value>, text: &mut String) {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    text.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = write!(text, "{}:", Value::from(name.as_str()));
        write_canonical(value, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_does_not_depend_on_the_order_of_members() {
        let one = document(r#"{"b": {"d": [1, 2.5], "c": "é\n"}, "a": 1}"#);
        let other = document(r#"{"a": 1, "b": {"c": "é\n", "d": [1, 2.5]}}"#);

        assert_eq!(one.text(), r#"{"a":1,"b":{"c":"é\n","d":[1,2.5]}}"#);
        assert_eq!(one.hash(), other.hash());
    }

    #[test]
    fn another_content_has_another_hash() {
        assert_ne!(document(r#"{"a": 1}"#).hash(), document(r#"{"a": 2}"#).hash());
    }

    #[test]
    fn the_hash_is_that_of_the_text() {
        assert_eq!(
            document("{}").hash(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn null_takes_a_member_away() {
        let mut changed = document(r#"{"a": 1, "b": null}"#);
        assert_eq!(changed, document(r#"{"a": 1}"#));

        changed.set("a", Value::Null);
        changed.set("c", json!([]));

        assert_eq!(changed, document(r#"{"c": []}"#));
    }

    fn document(text: &str) -> Document {
        Document::parse(text).unwrap()
    }
}
