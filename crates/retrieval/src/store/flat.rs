//! Metadata and filters for stores that know flat metadata alone, and compare less exactly than we do.
//!
//! A member becomes several: `t:year` says of which type it is, and `n:year`, `s:team` or `b:draft` has the value, each
//! under a name of its type. So a store compares like with like, what is no number is no number of any store, and a
//! missing member is one whose type is none.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;
use serde_json::json;

use super::Marks;
use super::Near;
use super::uuid_text;
use crate::filter::Bound;
use crate::filter::Normal;
use crate::filter::Order;
use crate::filter::Scalar;
use crate::filter::Test;

/// Whole numbers up to here are the same as doubles.
const EXACT: u64 = 1 << 53;

/// A filter about flat metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Flat {
    All(Vec<Flat>),
    Any(Vec<Flat>),
    /// The member is there and is one of these.
    In(String, Vec<Value>),
    /// The member is missing, or is none of these.
    NotIn(String, Vec<Value>),
    Compare(String, Order, f64),
}

/// Under which names a point has its document and its scopes; none of metadata is such.
pub const DOCUMENT: &str = "document";
pub const SCOPES: &str = "scopes";

/// All that a store is told of a point beside its vector.
pub fn marked(marks: &Marks) -> Map<String, Value> {
    let mut all = flat(&marks.metadata);
    all.insert(DOCUMENT.to_owned(), json!(uuid_text(marks.document)));
    all.insert(SCOPES.to_owned(), json!(marks.scopes));
    all
}

/// How a store keeps numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    Exact,
    /// Two that differ a little may be one there.
    Rounded,
}

/// What passes scopes and filter of `near`, and if numbers are rounded, a little more; `None` if nothing can, or if
/// that cannot be said.
pub fn condition(near: &Near, numbers: Numbers) -> Option<Flat> {
    let scopes = near.scopes.iter().map(|it| json!(it)).collect();
    let filter = flat_filter(&near.filter)?;
    let filter = if numbers == Numbers::Exact { filter } else { filter.coarse() };
    Flat::All(vec![Flat::In(SCOPES.to_owned(), scopes), filter]).fold().ok()
}

impl Flat {
    /// What passes this also passes that, however numbers are rounded.
    fn coarse(self) -> Self {
        let each = |filters: Vec<Self>| filters.into_iter().map(Self::coarse).collect();
        match self {
            Self::All(filters) => Self::All(each(filters)),
            Self::Any(filters) => Self::Any(each(filters)),
            Self::NotIn(name, _) if name.starts_with("n:") => Self::All(Vec::new()),
            Self::Compare(name, Order::Greater, bound) => {
                Self::Compare(name, Order::GreaterOrEqual, bound)
            }
            Self::Compare(name, Order::Less, bound) => {
                Self::Compare(name, Order::LessOrEqual, bound)
            }
            other => other,
        }
    }

    /// The same without parts that are always true or always false; those are `Err`. What is joined are two or more.
    fn fold(self) -> Result<Self, bool> {
        match self {
            Self::All(all) => join(all, true).and_then(|some| one_or(some, Self::All, true)),
            Self::Any(any) => join(any, false).and_then(|some| one_or(some, Self::Any, false)),
            Self::In(_, values) if values.is_empty() => Err(false),
            Self::NotIn(_, values) if values.is_empty() => Err(true),
            other => Ok(other),
        }
    }
}

/// The parts that count, where those that are `neutral` do not, and one that is the opposite decides.
fn join(filters: Vec<Flat>, neutral: bool) -> Result<Vec<Flat>, bool> {
    let mut some = Vec::new();
    for filter in filters {
        match filter.fold() {
            Ok(filter) => some.push(filter),
            Err(value) if value == neutral => {}
            Err(value) => return Err(value),
        }
    }
    Ok(some)
}

fn one_or(mut some: Vec<Flat>, wrap: fn(Vec<Flat>) -> Flat, empty: bool) -> Result<Flat, bool> {
    match some.len() {
        0 => Err(empty),
        1 => Ok(some.remove(0)),
        _ => Ok(wrap(some)),
    }
}

/// The flat form of `metadata`.
fn flat(metadata: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in metadata {
        all.insert(format!("t:{name}"), json!(kind(value)));
        match value {
            Value::Bool(it) => all.insert(format!("b:{name}"), json!(it)),
            Value::Number(it) => all.insert(format!("n:{name}"), json!(it.as_f64())),
            Value::String(it) => all.insert(format!("s:{name}"), json!(it)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
    }
    all
}

/// What `filter` says of flat metadata; `None` if that cannot be said.
pub fn flat_filter(filter: &Normal) -> Option<Flat> {
    let each = |filters: &[Normal]| filters.iter().map(flat_filter).collect::<Option<Vec<_>>>();
    Some(match filter {
        Normal::And(all) => Flat::All(each(all)?),
        Normal::Or(any) => Flat::Any(each(any)?),
        Normal::Is { member, test: Test::Exists, holds } => {
            let (kinds, name) = (KINDS.iter().map(|it| json!(it)).collect(), format!("t:{member}"));
            if *holds { Flat::In(name, kinds) } else { Flat::NotIn(name, kinds) }
        }
        Normal::Is { member, test: Test::In(scalars), holds } => {
            let of_types = of_types(member, scalars)?.into_iter();
            if *holds {
                Flat::Any(of_types.map(|(name, values)| Flat::In(name, values)).collect())
            } else {
                Flat::All(of_types.map(|(name, values)| Flat::NotIn(name, values)).collect())
            }
        }
        Normal::Is { member, test: Test::Compare(order, Bound::Number(bound)), holds } => {
            let (name, bound) = (format!("n:{member}"), exact(bound)?);
            if *holds {
                Flat::Compare(name, *order, bound)
            } else {
                let other = Flat::NotIn(format!("t:{member}"), vec![json!("number")]);
                Flat::Any(vec![other, Flat::Compare(name, opposite(*order), bound)])
            }
        }
        Normal::Is { test: Test::Compare(_, Bound::String(_)) | Test::Contains(_), .. } => {
            return None;
        }
    })
}

const KINDS: [&str; 6] = ["null", "bool", "number", "string", "list", "object"];

fn kind(value: &Value) -> &'static str {
    let at = match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    };
    KINDS[at]
}

/// The flat names under which `scalars` may be, each with those of its type.
fn of_types(member: &str, scalars: &[Scalar]) -> Option<Vec<(String, Vec<Value>)>> {
    let mut all: Vec<(String, Vec<Value>)> = Vec::new();
    for scalar in scalars {
        let (of, value) = match scalar {
            Scalar::Null => ("t", json!("null")),
            Scalar::Bool(it) => ("b", json!(it)),
            Scalar::Number(it) => ("n", json!(exact(it)?)),
            Scalar::String(it) => ("s", json!(it)),
        };
        let name = format!("{of}:{member}");
        match all.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => all.push((name, vec![value])),
        }
    }
    Some(all)
}

/// The number, if no other is the same as a double.
fn exact(number: &Number) -> Option<f64> {
    let is_whole = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
    number.as_f64().filter(|_| is_whole.is_none_or(|it| it < EXACT))
}

fn opposite(order: Order) -> Order {
    match order {
        Order::Greater => Order::LessOrEqual,
        Order::GreaterOrEqual => Order::Less,
        Order::Less => Order::GreaterOrEqual,
        Order::LessOrEqual => Order::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    impl Flat {
        fn matches(&self, metadata: &Map<String, Value>) -> bool {
            match self {
                Self::All(all) => all.iter().all(|it| it.matches(metadata)),
                Self::Any(any) => any.iter().any(|it| it.matches(metadata)),
                Self::In(name, values) => metadata.get(name).is_some_and(|it| values.contains(it)),
                Self::NotIn(name, values) => {
                    !metadata.get(name).is_some_and(|it| values.contains(it))
                }
                Self::Compare(name, order, bound) => {
                    metadata.get(name).and_then(Value::as_f64).is_some_and(|it| match order {
                        Order::Greater => it > *bound,
                        Order::GreaterOrEqual => it >= *bound,
                        Order::Less => it < *bound,
                        Order::LessOrEqual => it <= *bound,
                    })
                }
            }
        }
    }

    #[test]
    fn a_flat_filter_means_what_the_filter_means() {
        let values = [
            json!(null),
            json!(true),
            json!(false),
            json!(1),
            json!(1.0),
            json!(1.5),
            json!(-2),
            json!("1"),
            json!("hr"),
            json!(""),
            json!([1]),
            json!(["hr"]),
            json!({"a": 1}),
            json!(9_007_199_254_740_991_i64),
        ];
        let mut all: Vec<Map<String, Value>> = vec![Map::new()];
        all.extend(values.iter().map(|it| Map::from_iter([("a".to_owned(), it.clone())])));
        let mut conditions: Vec<Value> = Vec::new();
        for value in &values[..10] {
            conditions.extend([
                json!({"a": value}),
                json!({"a": {"$ne": value}}),
                json!({"a": {"$nin": [value, 7]}}),
            ]);
        }
        for operator in ["$gt", "$gte", "$lt", "$lte"] {
            conditions.push(json!({"a": {operator: 1}}));
            conditions.push(json!({"a": {operator: 9_007_199_254_740_991_i64}}));
        }
        conditions.extend([
            json!({"a": {"$exists": true}}),
            json!({"a": {"$exists": false}}),
            json!({"a": {"$in": []}}),
        ]);
        let negated: Vec<Value> = conditions.iter().map(|it| json!({"$not": it})).collect();
        let both: Vec<Value> =
            conditions.iter().zip(&negated).map(|(a, b)| json!({"$or": [a, b]})).collect();
        for condition in conditions.iter().chain(&negated).chain(&both) {
            let filter = Filter::parse(condition).unwrap();
            let flat_filter = flat_filter(&filter.normal()).unwrap();
            for metadata in &all {
                let shown = flat(metadata);
                let expected = filter.matches(metadata);
                assert_eq!(flat_filter.matches(&shown), expected, "{condition} {metadata:?}");
                let folded = flat_filter.clone().fold();
                let folded = folded.map_or_else(|it| it, |it| it.matches(&shown));
                assert_eq!(folded, expected, "{condition} {metadata:?}");
                let coarse = flat_filter.clone().coarse();
                assert!(coarse.matches(&shown) || !expected, "{condition} {metadata:?}");
            }
        }
    }

    #[test]
    fn what_flat_metadata_cannot_say_is_not_said() {
        for condition in [
            json!({"a": {"$contains": "x"}}),
            json!({"a": {"$gt": "x"}}),
            json!({"a": 9_007_199_254_740_992_i64}),
            json!({"$or": [{"a": 1}, {"$not": {"b": {"$contains": 1}}}]}),
        ] {
            let filter = Filter::parse(&condition).unwrap();
            assert_eq!(flat_filter(&filter.normal()), None, "{condition}");
        }
    }
}
