//! Understanding a document member by member, so that one bad member hides no other.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::definitions::Document;
use crate::http::Invalid;
use crate::http::json;
use crate::http::schema::Schema;

/// Reads the members of a document and gathers everything that is wrong with them.
#[derive(Debug)]
pub struct Reader {
    given: Document,
    /// Members that are not of their type at all.
    strange: BTreeSet<String>,
    faults: Vec<Invalid>,
}

impl Reader {
    /// Begins to read `given`, of which `faults` are already known, by the rules of the schema of `T`.
    pub fn new<T: ToSchema + 'static>(given: Document, faults: Vec<Invalid>) -> Self {
        let found = match Schema::of::<T>() {
            Ok(schema) => schema.check(&Value::Object(given.members().clone())),
            Err(fault) => vec![fault],
        };
        let mut reader = Self { given, strange: BTreeSet::new(), faults };
        reader.report(found);
        reader
    }

    /// The value of `member`. What breaks only a rule is taken as it is; what is not a `T` at all, and
    /// what is not there, is the default.
    pub fn take<T: DeserializeOwned + Default>(&mut self, member: &str) -> T {
        let Some(value) = self.given.get(member) else { return T::default() };
        let built =
            if self.is_of_wrong_type(member) { None } else { self.build(member, value.clone()) };
        built.unwrap_or_else(|| {
            self.strange.insert(member.to_owned());
            T::default()
        })
    }

    /// serde would take a list for an object; the schema does not.
    fn is_of_wrong_type(&self, member: &str) -> bool {
        let is_it =
            |fault: &Invalid| fault.code == "wrong_type" && member_of(&fault.pointer) == member;
        self.faults.iter().any(is_it)
    }

    fn build<T: DeserializeOwned>(&mut self, member: &str, value: Value) -> Option<T> {
        match json::build(value, Vec::new()) {
            Ok(value) => Some(value),
            Err(faults) => {
                // What the schema has found it has said better; it does not see everything.
                let found = faults.into_iter().map(|it| it.under(&format!("/{member}")));
                let is_new = |it: &Invalid| self.faults.iter().all(|known| are_apart(known, it));
                let new: Vec<_> = found.filter(is_new).collect();
                self.faults.extend(new);
                None
            }
        }
    }

    /// Adds what a rule found. A member of which a fault is already known is not judged again.
    pub fn report(&mut self, mut found: Vec<Invalid>) {
        let known: BTreeSet<_> =
            self.faults.iter().map(|fault| member_of(&fault.pointer)).collect();
        found.retain(|fault| !known.contains(member_of(&fault.pointer)));
        self.faults.extend(found);
    }

    /// Everything that is wrong, in the order of its places.
    pub fn into_faults(self) -> Vec<Invalid> {
        in_order(self.faults)
    }

    /// The document of what was understood, and all faults in the order of their places.
    ///
    /// It holds the members of `content` that differ from `default`, or have none because they are
    /// `required`; and in the place of those that were not understood what was given.
    pub fn finish<C: Serialize>(
        self,
        content: &C,
        default: &C,
        required: &[&str],
    ) -> (Document, Vec<Invalid>) {
        let Self { given, strange, faults } = self;
        let default = members_of(default);
        let mut members = members_of(content);
        let is_required = |name: &str| required.contains(&name) && given.get(name).is_some();
        members.retain(|name, value| default.get(name) != Some(value) || is_required(name));
        for name in strange {
            if let Some(value) = given.get(&name)
                && default.contains_key(&name)
            {
                members.insert(name, value.clone());
            }
        }
        (Document::new(members), in_order(faults))
    }
}

/// The members of what is an object in JSON.
pub fn members_of(content: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(content) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The member that a pointer leads to or through.
pub fn member_of(pointer: &str) -> &str {
    pointer.split('/').nth(1).unwrap_or_default()
}

/// Whether neither of two faults is where the other is, or within that.
fn are_apart(one: &Invalid, other: &Invalid) -> bool {
    let is_within = |place: &str, other: &str| {
        place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !is_within(&one.pointer, &other.pointer) && !is_within(&other.pointer, &one.pointer)
}

/// Adds what was `found` where no fault is known: what is no name, say, is not looked for.
pub fn add_new(faults: &mut Vec<Invalid>, mut found: Vec<Invalid>) {
    found.retain(|it| faults.iter().all(|known| known.pointer != it.pointer));
    faults.extend(found);
}

/// The faults in the order of their places.
pub fn in_order(mut faults: Vec<Invalid>) -> Vec<Invalid> {
    faults.sort_by(|a, b| place(a).cmp(&place(b)));
    faults
}

/// Places sort by name, and items of a list by number.
fn place(fault: &Invalid) -> Vec<(u64, &str)> {
    fault.pointer.split('/').map(|step| (step.parse().unwrap_or_default(), step)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Default, Serialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[schema(max_length = 3)]
        name: String,
        #[schema(required = false)]
        parts: Vec<u8>,
    }

    #[test]
    fn a_member_that_breaks_a_rule_keeps_its_value() {
        let mut reader = reader(json!({"name": "long name", "parts": [1]}));

        assert_eq!(reader.take::<String>("name"), "long name");
        assert_eq!(reader.take::<Vec<u8>>("parts"), [1]);
        assert_eq!(pointers(reader), ["/name"]);
    }

    #[test]
    fn a_member_of_another_type_is_the_default_and_reported_once() {
        let mut reader = reader(json!({"name": 5, "parts": [1, "x"]}));

        assert_eq!(reader.take::<String>("name"), "");
        assert!(reader.take::<Vec<u8>>("parts").is_empty());
        assert_eq!(pointers(reader), ["/name", "/parts/1"]);
    }

    #[test]
    fn what_the_schema_does_not_see_the_type_does() {
        let mut reader = reader(json!({"name": "a", "parts": [300]}));

        assert!(reader.take::<Vec<u8>>("parts").is_empty());
        assert_eq!(pointers(reader), ["/parts/0"]);
    }

    #[test]
    fn what_only_the_type_sees_is_said_beside_what_the_schema_sees() {
        let mut reader = reader(json!({"name": "a", "parts": [300, -1]}));

        assert!(reader.take::<Vec<u8>>("parts").is_empty());
        assert_eq!(pointers(reader), ["/parts/0", "/parts/1"]);
    }

    #[test]
    fn a_member_that_could_not_be_read_is_not_judged_further() {
        let given = Document::new(json!({"name": "a", "parts": "[1"}).as_object().unwrap().clone());
        let known = vec![Invalid::new("/parts", "not_json", "it ends within a list")];

        let reader = Reader::new::<Thing>(given, known);

        assert_eq!(pointers(reader), ["/parts"]);
    }

    #[test]
    fn faults_come_in_the_order_of_their_places() {
        let mut reader = reader(json!({"nmae": 1, "name": "a"}));
        reader
            .report(["/parts/10", "/parts/9", "/name"].map(|at| Invalid::new(at, "x", "y")).into());

        assert_eq!(pointers(reader), ["/name", "/nmae", "/parts/9", "/parts/10"]);
    }

    fn reader(value: Value) -> Reader {
        Reader::new::<Thing>(Document::new(value.as_object().unwrap().clone()), Vec::new())
    }

    fn pointers(reader: Reader) -> Vec<String> {
        reader
            .finish(&Thing::default(), &Thing::default(), &[])
            .1
            .into_iter()
            .map(|fault| fault.pointer)
            .collect()
    }
}
