//! The audit trail: who administered what, and who was refused.
//!
//! An entry is written in the transaction of the act that it tells of: there is none without the other. Each entry of a
//! tenant has a number and a hash over itself and the entry before it, so that one which was changed, added or taken
//! away in the database is found by [`verify()`].

mod entry;
mod refusals;
mod store;
mod verify;

use std::net::IpAddr;

use serde_json::Map;
use serde_json::Value;

use crate::db::At;
use crate::db::Conn;
use crate::db::TenantId;
use crate::http::RequestId;

pub use entry::Entry;
pub use refusals::Refusal;
pub use refusals::Refusals;
pub use store::Filter;
pub use store::list;
pub use verify::Broken;
pub use verify::Verified;
pub use verify::tenants;
pub use verify::verify;

/// From where something is done.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Of the caller, as far as proxies are believed.
    pub address: Option<IpAddr>,
    pub request_id: Option<RequestId>,
}

/// Who does something, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    pub tenant: &'a TenantId,
    /// `client:<client_id>`, `user:<id>`, or `system:<command>`.
    pub subject: &'a str,
    /// The client by which a person does it.
    pub client_id: Option<&'a str>,
    pub origin: &'a Origin,
}

/// What is done.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    /// The kind of thing and what becomes of it, such as `agent.update`.
    pub action: &'a str,
    /// Its name or id.
    pub target: &'a str,
    /// The members that differ, without any secret; `null` where there was or is nothing.
    pub before: Value,
    pub after: Value,
}

impl<'a> Act<'a> {
    /// What becomes of the members of something that was not there `before`, or is gone `after`; else those that differ
    /// are told.
    pub fn between(
        action: &'a str,
        target: &'a str,
        before: Option<Map<String, Value>>,
        after: Option<Map<String, Value>>,
    ) -> Self {
        let (before, after) = match (before, after) {
            (Some(before), Some(after)) => differing(before, after),
            (before, after) => (before, after),
        };
        let told = |members: Option<Map<_, _>>| members.map_or(Value::Null, Value::Object);
        Self { action, target, before: told(before), after: told(after) }
    }

    /// Something new, or something that happened.
    pub fn new(action: &'a str, target: &'a str, after: Value) -> Self {
        Self { action, target, before: Value::Null, after }
    }
}

type Members = Option<Map<String, Value>>;

/// The members that are not the same in both.
fn differing(before: Map<String, Value>, mut after: Map<String, Value>) -> (Members, Members) {
    let mut differs = Map::new();
    for (name, value) in before {
        if after.get(&name) == Some(&value) {
            after.remove(&name);
        } else {
            differs.insert(name, value);
        }
    }
    (Some(differs), Some(after))
}

/// Adds an entry to the trail, as the last statement of the transaction in which the act is done: whoever else adds one
/// waits until it is over.
pub async fn record(
    tx: &mut Conn<'_>,
    by: Actor<'_>,
    act: Act<'_>,
    at: At,
) -> Result<(), sqlx::Error> {
    let head = store::lock_head(tx, by.tenant).await?;
    let entry = Entry::after(&head, by, act, at);
    store::insert(tx, by.tenant, &entry).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let before = object(json!({"a": 1, "b": [2], "c": 3}));
        let after = object(json!({"a": 1, "b": [2, 3], "d": null}));

        let act = Act::between("agent.update", "x", Some(before), Some(after));

        assert_eq!(
            (act.before, act.after),
            (json!({"b": [2], "c": 3}), json!({"b": [2, 3], "d": null}))
        );
    }
}
