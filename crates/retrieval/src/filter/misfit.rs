//! Why a filter finds nothing, where that can be seen from the types of what it compares.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;

use super::Bound;
use super::Condition;
use super::Filter;
use super::Scalar;

impl Filter {
    /// What a condition demands of a member that none of `documents` has, or that none has with a value of that type,
    /// in words. Conditions that such a member passes are left out.
    pub fn misfits<'d>(
        &self,
        documents: impl IntoIterator<Item = &'d Map<String, Value>>,
    ) -> Vec<String> {
        let mut wanted = BTreeMap::new();
        self.wanted(&mut wanted);
        let mut there: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for document in documents {
            for member in wanted.keys() {
                there.entry(*member).or_default().extend(document.get(*member).map(kind));
            }
        }
        let misfit = |(member, kinds): (&str, BTreeSet<&str>)| {
            let there = there.get(member)?;
            if there.is_empty() {
                return Some(format!("no document has `{member}`"));
            }
            let compared = list(&kinds);
            there.is_disjoint(&kinds).then(|| {
                format!(
                    "`{member}` is {} and is compared with {compared}, which is never equal",
                    list(there)
                )
            })
        };
        wanted.into_iter().filter_map(misfit).collect()
    }

    /// The types that members must have to pass.
    fn wanted<'f>(&'f self, wanted: &mut BTreeMap<&'f str, BTreeSet<&'static str>>) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.wanted(wanted);
                }
            }
            Self::Not(_) => {}
            Self::Member(member, condition) => {
                let kinds: Vec<&str> = match condition {
                    Condition::Eq(scalar) => vec![scalar.kind()],
                    Condition::In(scalars) => scalars.iter().map(Scalar::kind).collect(),
                    Condition::Compare(_, Bound::Number(_)) => vec![NUMBER],
                    Condition::Compare(_, Bound::String(_)) => vec![STRING],
                    Condition::Contains(Scalar::String(_)) => vec![STRING, LIST],
                    Condition::Contains(_) => vec![LIST],
                    Condition::Ne(_) | Condition::Nin(_) | Condition::Exists(_) => return,
                };
                // Who asks for null may well know that nothing has it.
                if !kinds.contains(&NULL) {
                    wanted.entry(member).or_default().extend(kinds);
                }
            }
        }
    }
}

const NULL: &str = "null";
const BOOL: &str = "true or false";
const NUMBER: &str = "a number";
const STRING: &str = "a string";
const LIST: &str = "a list";
const OBJECT: &str = "an object";

impl Scalar {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => NULL,
            Self::Bool(_) => BOOL,
            Self::Number(_) => NUMBER,
            Self::String(_) => STRING,
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOL,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => LIST,
        Value::Object(_) => OBJECT,
    }
}

fn list(kinds: &BTreeSet<&str>) -> String {
    kinds.iter().copied().collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn misfits(filter: &Value) -> Vec<String> {
        let documents = [
            json!({"year": 2024, "team": "hr", "tags": ["a"], "mixed": 1}),
            json!({"year": 2025, "team": null, "mixed": "1"}),
        ];
        let documents = documents.iter().map(|it| it.as_object().unwrap());
        Filter::parse(filter).unwrap().misfits(documents)
    }

    #[test]
    fn a_value_of_another_type_is_said() {
        let year = "`year` is a number and is compared with a string, which is never equal";
        for filter in [
            json!({"year": "2024"}),
            json!({"year": {"$in": ["2024", "2025"]}}),
            json!({"$or": [{"year": {"$gte": "2024"}}, {"team": "hr"}]}),
        ] {
            assert_eq!(misfits(&filter), [year], "{filter}");
        }
        let tags = "`tags` is a list and is compared with a string, which is never equal";
        assert_eq!(misfits(&json!({"tags": "a"})), [tags]);
        let team = "`team` is a string or null and is compared with a number, which is never equal";
        assert_eq!(misfits(&json!({"team": 1, "yaer": 1})), [team, "no document has `yaer`"]);
    }

    #[test]
    fn what_may_pass_is_no_misfit() {
        for filter in [
            json!({}),
            json!({"year": 1999}),
            json!({"mixed": "2"}),
            json!({"tags": {"$contains": "z"}}),
            json!({"team": null}),
            json!({"year": null}),
            json!({"year": {"$in": [null, "2024"]}}),
            json!({"year": {"$ne": "2024"}}),
            json!({"$not": {"year": "2024"}}),
            json!({"nothing": {"$exists": true}}),
        ] {
            assert_eq!(misfits(&filter), Vec::<String>::new(), "{filter}");
        }
        assert_eq!(Filter::parse(&json!({"a": 1})).unwrap().misfits([]), Vec::<String>::new());
    }
}
