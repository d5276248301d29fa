//! One entry of the trail, and the hash that ties it to the one before it.

use auth::token::Digest;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use serde_json::value::to_raw_value;
use utoipa::ToSchema;
use uuid::Builder;
use uuid::Uuid;

use super::Act;
use super::Actor;
use crate::db::At;
use crate::db::Id;

/// A member of what there was or is that is longer, in bytes of JSON, is told by its size and hash.
const LONGEST: usize = 4096;

/// What was done once, or refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: i64,
    /// Made of the hash.
    pub id: Id,
    pub at: At,
    #[schema(example = "user:0199…")]
    pub actor: String,
    /// The client by which a person did it.
    #[schema(required)]
    pub client_id: Option<String>,
    #[schema(example = "agent.update")]
    pub action: String,
    #[schema(example = "support")]
    pub target: String,
    /// The members that differ.
    #[schema(value_type = Option<Object>, required)]
    pub before: Box<RawValue>,
    #[schema(value_type = Option<Object>, required)]
    pub after: Box<RawValue>,
    #[schema(required, example = "192.0.2.7")]
    pub ip: Option<String>,
    #[schema(required)]
    pub request_id: Option<String>,
    /// SHA-256 over this entry and the hash of the one before it.
    pub hash: String,
}

/// The last entry of a trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub seq: i64,
    pub hash: String,
}

impl Entry {
    pub fn after(head: &Head, by: Actor<'_>, act: Act<'_>, at: At) -> Self {
        let mut entry = Self {
            seq: head.seq + 1,
            id: Id::new(Uuid::nil()),
            at,
            actor: by.subject.to_owned(),
            client_id: by.client_id.map(str::to_owned),
            action: act.action.to_owned(),
            target: act.target.to_owned(),
            before: brief(act.before),
            after: brief(act.after),
            ip: by.origin.address.map(|it| it.to_string()),
            request_id: by.origin.request_id.as_ref().map(|it| it.as_str().to_owned()),
            hash: String::new(),
        };
        entry.hash = entry.hash_after(&head.hash);
        entry.id = id_of(&entry.hash);
        entry
    }

    /// The hash that it must have behind an entry with the hash `previous`: over a list in JSON, which can be read in
    /// one way only.
    pub fn hash_after(&self, previous: &str) -> String {
        let told = json!([
            previous,
            self.seq,
            self.at,
            self.actor,
            self.client_id,
            self.action,
            self.target,
            self.before.get(),
            self.after.get(),
            self.ip,
            self.request_id,
        ]);
        Digest::of(&told.to_string()).to_hex()
    }
}

/// The id of an entry with this hash.
pub fn id_of(hash: &str) -> Id {
    let bytes = u128::from_str_radix(hash.get(..32).unwrap_or_default(), 16).unwrap_or_default();
    Id::new(Builder::from_custom_bytes(bytes.to_be_bytes()).into_uuid())
}

/// What is told of a value: long members by their size and hash.
fn brief(mut told: Value) -> Box<RawValue> {
    for (_, value) in told.as_object_mut().into_iter().flatten() {
        let text = value.to_string();
        if text.len() > LONGEST {
            *value = json!({"bytes": text.len(), "sha256": Digest::of(&text).to_hex()});
        }
    }
    to_raw_value(&told).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Origin;
    use crate::db::TenantId;

    #[test]
    fn a_hash_depends_on_all_of_an_entry_and_the_one_before() {
        let by = Actor {
            tenant: &TenantId::default(),
            subject: "client:a",
            client_id: None,
            origin: &Origin::default(),
        };
        let at = "2026-11-25T10:00:00Z".parse().unwrap();
        let act = |target| Act::new("agent.create", target, json!({"long": "x".repeat(5000)}));
        let first = Entry::after(&Head::default(), by, act("one"), at);
        let head = Head { seq: 1, hash: first.hash.clone() };
        let second = Entry::after(&head, by, act("one"), at);

        assert_eq!((first.seq, second.seq), (1, 2));
        assert_ne!(first.hash, second.hash);
        assert_ne!(first.hash, Entry::after(&Head::default(), by, act("two"), at).hash);
        let long = r#"{"long":{"bytes":5002,"sha256":""#;
        assert!(first.after.get().starts_with(long), "{}", first.after.get());
    }
}
