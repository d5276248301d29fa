//! Predicates as data: `{"op": "gt", "left": {"$": "/arguments/amount"}, "right": 100}`.
//!
//! A predicate is checked once, when its definition is saved, and never fails afterwards: what cannot
//! be decided, because an operand is missing or two are of unequal types, is [`None`].

use std::cmp::Ordering;

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

use crate::value::DEPTH;
use crate::value::Read;

/// A condition over the values of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    Compare(Comparison, Operand, Operand),
    /// The value is there, and not `null`.
    Exists(Operand),
    /// The value is there, and not `null`, `false`, `0`, `""`, `[]` or `{}`.
    Truthy(Operand),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    /// `left` is an item of the list `right`.
    In,
    /// The list `left` has the item `right`, or the text `left` has it within.
    Contains,
}

/// What a predicate compares.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Literal(Value),
    /// `{"$": pointer}`: what the RFC 6901 pointer leads to, if it leads anywhere.
    Read(String),
    /// `{"$first": […]}`: the first that is there.
    First(Vec<Operand>),
}

/// What is wrong with a predicate, and where in it (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredicateFault {
    pub pointer: String,
    pub message: String,
}

impl Predicate {
    /// Reads a predicate whose operands may only read below one of `roots`, such as `/arguments`.
    pub fn parse(value: &Value, roots: &[&str]) -> Result<Self, PredicateFault> {
        parse(value, roots, "", DEPTH)
    }

    /// Whether it holds of `values`, an object of all roots; `None` if that cannot be decided.
    pub fn decide(&self, values: &Value) -> Option<bool> {
        self.decide_by(&|pointer| values.pointer(pointer), None)
    }

    /// Whether it holds of what `read` finds. A comparison that cannot be decided does not hold.
    pub(crate) fn holds<'v>(&'v self, read: &Read<'_, 'v>) -> bool {
        self.decide_by(read, Some(false)) == Some(true)
    }

    /// Whether it holds whatever a run knows; `None` if that depends.
    pub(crate) fn constant(&self) -> Option<bool> {
        let is_read = std::cell::Cell::new(false);
        let read = |_: &str| {
            is_read.set(true);
            None
        };
        let holds = self.holds(&read);
        (!is_read.get()).then_some(holds)
    }

    /// `undecided` is what a comparison comes to that cannot be decided.
    fn decide_by<'v>(&'v self, read: &Read<'_, 'v>, undecided: Option<bool>) -> Option<bool> {
        match self {
            Self::Compare(comparison, left, right) => {
                let both = left.resolve(read).zip(right.resolve(read));
                both.and_then(|(left, right)| comparison.decide(left, right)).or(undecided)
            }
            Self::Exists(operand) => {
                Some(operand.resolve(read).is_some_and(|value| !value.is_null()))
            }
            Self::Truthy(operand) => Some(operand.resolve(read).is_some_and(is_truthy)),
            Self::And(all) => decide_together(all, read, undecided, false),
            Self::Or(all) => decide_together(all, read, undecided, true),
            Self::Not(one) => one.decide_by(read, undecided).map(|holds| !holds),
        }
    }
}

/// Of `and` a `false` decides, of `or` a `true`; else whatever is undecided leaves all undecided.
fn decide_together<'v>(
    all: &'v [Predicate],
    read: &Read<'_, 'v>,
    undecided: Option<bool>,
    decisive: bool,
) -> Option<bool> {
    let mut decided = Some(!decisive);
    for one in all {
        match one.decide_by(read, undecided) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => decided = None,
        }
    }
    decided
}

impl Comparison {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "in" => Self::In,
            "contains" => Self::Contains,
            _ => return None,
        })
    }

    fn decide(self, left: &Value, right: &Value) -> Option<bool> {
        match self {
            Self::Eq => equal(left, right),
            Self::Ne => equal(left, right).map(|equal| !equal),
            Self::Lt => order(left, right).map(Ordering::is_lt),
            Self::Lte => order(left, right).map(Ordering::is_le),
            Self::Gt => order(left, right).map(Ordering::is_gt),
            Self::Gte => order(left, right).map(Ordering::is_ge),
            Self::In => has_item(right, left),
            Self::Contains => match (left, right) {
                (Value::String(text), Value::String(part)) => Some(text.contains(part)),
                _ => has_item(left, right),
            },
        }
    }
}

fn has_item(list: &Value, item: &Value) -> Option<bool> {
    Some(list.as_array()?.iter().any(|it| equal(it, item) == Some(true)))
}

/// Whether both are the same value; numbers by what they are worth. `None` for unequal types.
fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Some(compare(left, right)? == Ordering::Equal)
        }
        (Value::Null, Value::Null)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::String(_), Value::String(_))
        | (Value::Array(_), Value::Array(_))
        | (Value::Object(_), Value::Object(_)) => Some(left == right),
        _ => None,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Whole numbers are compared as such: a double has only 53 bits of them.
fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    let whole = |number: &Number| {
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
    }
}

impl Operand {
    fn resolve<'v>(&'v self, read: &Read<'_, 'v>) -> Option<&'v Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Read(pointer) => read(pointer),
            Self::First(operands) => operands.iter().find_map(|it| it.resolve(read)),
        }
    }
}

fn fault<T>(at: impl Into<String>, message: impl Into<String>) -> Result<T, PredicateFault> {
    Err(PredicateFault { pointer: at.into(), message: message.into() })
}

fn parse(
    value: &Value,
    roots: &[&str],
    at: &str,
    depth: usize,
) -> Result<Predicate, PredicateFault> {
    let Some(members) = value.as_object() else {
        return fault(at, "a predicate is an object with `op`");
    };
    if depth == 0 {
        return fault(at, "is nested too deeply: 16 levels at most");
    }
    let Some(op) = members.get("op").and_then(Value::as_str) else {
        return fault(at, "a predicate needs the member `op`");
    };
    let operand = |name: &str| {
        let place = format!("{at}/{name}");
        match members.get(name) {
            Some(value) => parse_operand(value, roots, &place, depth - 1),
            None => fault(at, format!("`{op}` needs the member `{name}`")),
        }
    };
    let only = |allowed: &[&str]| match unknown(members, allowed) {
        Some(name) => fault(format!("{at}/{name}"), format!("`{op}` has no such member")),
        None => Ok(()),
    };
    match op {
        "exists" | "truthy" => {
            only(&["value"])?;
            let value = operand("value")?;
            Ok(if op == "exists" { Predicate::Exists(value) } else { Predicate::Truthy(value) })
        }
        "not" => {
            only(&["arg"])?;
            let Some(arg) = members.get("arg") else {
                return fault(at, "`not` needs the member `arg`");
            };
            let inner = parse(arg, roots, &format!("{at}/arg"), depth - 1)?;
            Ok(Predicate::Not(Box::new(inner)))
        }
        "and" | "or" => {
            only(&["args"])?;
            let args = members.get("args").and_then(Value::as_array).filter(|it| !it.is_empty());
            let Some(args) = args else {
                return fault(at, format!("`{op}` needs `args`, a list of at least one predicate"));
            };
            let parsed: Result<Vec<_>, _> = (args.iter().enumerate())
                .map(|(index, it)| parse(it, roots, &format!("{at}/args/{index}"), depth - 1))
                .collect();
            Ok(if op == "and" { Predicate::And(parsed?) } else { Predicate::Or(parsed?) })
        }
        _ => match Comparison::parse(op) {
            Some(comparison) => {
                only(&["left", "right"])?;
                Ok(Predicate::Compare(comparison, operand("left")?, operand("right")?))
            }
            None => fault(
                format!("{at}/op"),
                "must be one of eq, ne, lt, lte, gt, gte, in, contains, exists, truthy, and, or, not",
            ),
        },
    }
}

fn unknown<'m>(members: &'m Map<String, Value>, allowed: &[&str]) -> Option<&'m String> {
    members.keys().find(|name| *name != "op" && !allowed.contains(&name.as_str()))
}

fn parse_operand(
    value: &Value,
    roots: &[&str],
    at: &str,
    depth: usize,
) -> Result<Operand, PredicateFault> {
    let special = value.as_object().filter(|it| it.len() == 1).and_then(|it| it.iter().next());
    let Some((name, inner)) = special.filter(|(name, _)| name.starts_with('$')) else {
        return Ok(Operand::Literal(value.clone()));
    };
    if depth == 0 {
        return fault(at, "is nested too deeply: 16 levels at most");
    }
    match (name.as_str(), inner) {
        ("$", Value::String(pointer)) => {
            let below = |root: &&str| {
                pointer.strip_prefix(*root).is_some_and(|it| it.is_empty() || it.starts_with('/'))
            };
            if roots.iter().any(below) {
                return Ok(Operand::Read(pointer.clone()));
            }
            fault(format!("{at}/$"), format!("must begin with {}", roots.join(" or ")))
        }
        ("$literal", value) => Ok(Operand::Literal(value.clone())),
        ("$first", Value::Array(operands)) => {
            let parsed: Result<Vec<_>, _> = (operands.iter().enumerate())
                .map(|(index, it)| {
                    parse_operand(it, roots, &format!("{at}/$first/{index}"), depth - 1)
                })
                .collect();
            Ok(Operand::First(parsed?))
        }
        _ => fault(
            at,
            "must be plain JSON, {\"$\": pointer}, {\"$first\": […]} or {\"$literal\": any}",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decide(predicate: Value) -> Option<bool> {
        let values = json!({"arguments": {
            "amount": 40, "whole": 40.0, "big": 9_007_199_254_740_993_u64, "name": "Ada",
            "tags": ["a", "b"], "none": null, "empty": [],
        }});
        Predicate::parse(&predicate, &["/arguments"]).unwrap().decide(&values)
    }

    fn compare(op: &str, left: &str, right: Value) -> Option<bool> {
        decide(json!({"op": op, "left": {"$": format!("/arguments/{left}")}, "right": right}))
    }

    #[test]
    fn comparisons_look_at_values() {
        assert_eq!(compare("eq", "amount", json!(40.0)), Some(true));
        assert_eq!(compare("ne", "amount", json!(41)), Some(true));
        assert_eq!(compare("gt", "amount", json!(40)), Some(false));
        assert_eq!(compare("gte", "whole", json!(40)), Some(true));
        assert_eq!(compare("lt", "name", json!("Bob")), Some(true));
        assert_eq!(compare("in", "name", json!(["Bob", "Ada"])), Some(true));
        assert_eq!(compare("contains", "tags", json!("b")), Some(true));
        assert_eq!(compare("contains", "name", json!("da")), Some(true));
        assert_eq!(compare("eq", "big", json!(9_007_199_254_740_992_u64)), Some(false));
    }

    #[test]
    fn what_is_missing_or_of_another_type_decides_nothing() {
        assert_eq!(compare("gt", "amount", json!("30")), None);
        assert_eq!(compare("ne", "missing", json!(1)), None);
        assert_eq!(compare("in", "name", json!("Ada")), None);
        let undecided = json!({"op": "eq", "left": {"$": "/arguments/missing"}, "right": 1});
        let yes = json!({"op": "truthy", "value": true});
        assert_eq!(decide(json!({"op": "not", "arg": undecided})), None);
        assert_eq!(decide(json!({"op": "and", "args": [yes, undecided]})), None);
        assert_eq!(decide(json!({"op": "or", "args": [undecided, yes]})), Some(true));
    }

    #[test]
    fn what_is_there_can_be_asked() {
        let at = |op: &str, name: &str| {
            decide(json!({"op": op, "value": {"$": format!("/arguments/{name}")}}))
        };
        assert_eq!((at("exists", "empty"), at("truthy", "empty")), (Some(true), Some(false)));
        assert_eq!((at("exists", "none"), at("exists", "missing")), (Some(false), Some(false)));
        let first = json!({"$first": [{"$": "/arguments/missing"}, {"$literal": {"$": "x"}}]});
        assert_eq!(
            decide(json!({"op": "eq", "left": first, "right": {"$literal": {"$": "x"}}})),
            Some(true)
        );
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let at = |predicate: Value| {
            Predicate::parse(&predicate, &["/arguments"]).map_err(|fault| fault.pointer)
        };
        assert_eq!(at(json!(true)), Err(String::new()));
        assert_eq!(at(json!({"op": "is", "left": 1, "right": 1})), Err("/op".to_owned()));
        assert_eq!(at(json!({"op": "eq", "left": 1})), Err(String::new()));
        assert_eq!(
            at(json!({"op": "or", "args": [{"op": "exists", "value": {"$": "/argument"}}]})),
            Err("/args/0/value/$".to_owned())
        );
        assert_eq!(at(json!({"op": "not", "args": []})), Err("/args".to_owned()));
        let deep = (0..20)
            .fold(json!({"op": "truthy", "value": 1}), |it, _| json!({"op": "not", "arg": it}));
        assert!(at(deep).unwrap_err().starts_with("/arg/arg"));
    }
}
