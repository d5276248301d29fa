//! JSON objects from strangers: no duplicate members, no arrays in place of objects.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde::de::Error;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Value;

/// The members of an object in their order, each name once.
pub(crate) struct Members(pub Vec<(String, Value)>);

/// Reads an object into a struct.
///
/// What serde derives for a struct would take an array of its values too.
pub(crate) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("not an object"));
    }
    serde_json::from_slice(bytes)
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("a member comes twice"));
            }
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// The most members, or parameters of a form, that a request may have.
pub(crate) const MAX_MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_come_once() {
        let Members(members) = serde_json::from_str(r#"{"b": 1, "a": {"c": 1}}"#).unwrap();

        assert_eq!(members[0].0, "b");
        assert_eq!(members[1].0, "a");
        for text in [r#"{"a": 1, "\u0061": 2}"#, "[]", "null", "{", r#"{"a": "\ud800"}"#] {
            assert!(serde_json::from_str::<Members>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize)]
        struct One {
            a: u8,
        }

        assert_eq!(object::<One>(br#" {"a": 1}"#).unwrap().a, 1);
        assert!(object::<One>(b"[1]").is_err());
        assert!(object::<One>(br#"{"a": 1, "a": 1}"#).is_err());
    }
}
