//! Which documents a search may find: one language for every store.
//!
//! ```json
//! {"team": "hr", "year": {"$gte": 2024, "$lt": 2026}, "$or": [{"tags": {"$contains": "law"}}, {"draft": {"$exists": false}}]}
//! ```
//!
//! A [`Filter`] is what the text means; [`Filter::matches`] is the truth that every store has to agree with; and
//! [`Filter::normal`] is the form that a store compiles: without `$not`, `$ne` and `$nin` of unclear reach.
//!
//! # What is true
//! - A condition is about one member of the metadata, named exactly (a dot is part of the name).
//! - Values compare by type: `2024` is not `"2024"`, `true` is not `1`; `1` and `1.0` are one number.
//! - `$gt $gte $lt $lte` compare numbers with numbers and strings with strings (by code points); else they are false.
//! - On a member that is missing, every condition is false but `$ne`, `$nin` and `{"$exists": false}`. A member that
//!   is null is there: `$eq` null finds it.
//! - `$contains` finds a string in a string (by characters, case counts) and a value in a list.
//! - `$not` is the opposite of what it holds, always; so `{"$not": {"a": {"$gt": 1}}}` finds what has no `a`.

mod misfit;
mod normal;
mod parse;

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

pub use normal::Normal;
pub use normal::Test;
pub use parse::FilterError;
pub use parse::MAX_CONDITIONS;
pub use parse::MAX_DEPTH;

/// A condition on the metadata of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// True if all are; true if there are none.
    And(Vec<Filter>),
    /// True if one is; false if there are none.
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// A condition on one member.
    Member(String, Condition),
}

/// What a member has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Eq(Scalar),
    Ne(Scalar),
    In(Vec<Scalar>),
    Nin(Vec<Scalar>),
    Compare(Order, Bound),
    Exists(bool),
    Contains(Scalar),
}

/// `$gt $gte $lt $lte`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A value that is no list and no object.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
}

/// What has an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    Number(Number),
    String(String),
}

impl Filter {
    /// The filter that everything passes.
    pub fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Reads the filter that `value` says.
    pub fn parse(value: &Value) -> Result<Self, FilterError> {
        parse::filter(value)
    }

    /// Whether `metadata` passes.
    pub fn matches(&self, metadata: &Map<String, Value>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.matches(metadata)),
            Self::Or(any) => any.iter().any(|filter| filter.matches(metadata)),
            Self::Not(filter) => !filter.matches(metadata),
            Self::Member(name, condition) => condition.holds(metadata.get(name)),
        }
    }

    /// The same filter in the form that stores compile.
    pub fn normal(&self) -> Normal {
        normal::of(self)
    }
}

impl Condition {
    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Exists(exists) => value.is_some() == *exists,
            Self::Ne(scalar) => !value.is_some_and(|value| scalar.is(value)),
            Self::Nin(scalars) => {
                !value.is_some_and(|value| scalars.iter().any(|scalar| scalar.is(value)))
            }
            Self::Eq(scalar) => value.is_some_and(|value| scalar.is(value)),
            Self::In(scalars) => {
                value.is_some_and(|value| scalars.iter().any(|scalar| scalar.is(value)))
            }
            Self::Compare(order, bound) => value.is_some_and(|value| bound.compares(*order, value)),
            Self::Contains(scalar) => value.is_some_and(|value| scalar.is_in(value)),
        }
    }
}

impl Scalar {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::String(one), Value::String(other)) => one == other,
            (Self::Number(one), Value::Number(other)) => {
                compare(one, other).is_some_and(std::cmp::Ordering::is_eq)
            }
            _ => false,
        }
    }

    fn is_in(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::String(part), Value::String(whole)) => whole.contains(part.as_str()),
            (_, Value::Array(list)) => list.iter().any(|element| self.is(element)),
            _ => false,
        }
    }
}

impl Bound {
    fn compares(&self, order: Order, value: &Value) -> bool {
        let ordering = match (value, self) {
            (Value::Number(value), Self::Number(bound)) => compare(value, bound),
            (Value::String(value), Self::String(bound)) => Some(value.as_str().cmp(bound)),
            _ => None,
        };
        ordering.is_some_and(|ordering| match order {
            Order::Greater => ordering.is_gt(),
            Order::GreaterOrEqual => ordering.is_ge(),
            Order::Less => ordering.is_lt(),
            Order::LessOrEqual => ordering.is_le(),
        })
    }
}

/// Whole numbers exactly, others as IEEE doubles.
fn compare(one: &Number, other: &Number) -> Option<std::cmp::Ordering> {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return Some(one.cmp(&other));
    }
    one.as_f64()?.partial_cmp(&other.as_f64()?)
}

#[cfg(test)]
mod tests;
