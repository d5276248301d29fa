//! The form that stores compile.
//!
//! What `NOT` does to a missing member differs between SQL, Chroma and Qdrant. Here nothing is left to them: a
//! [`Normal`] has no general `NOT`, only tests that name their opposite, and a store translates `absent or …`
//! exactly as it is written.

use super::Bound;
use super::Condition;
use super::Filter;
use super::Order;
use super::Scalar;

/// A filter in negation normal form.
#[derive(Debug, Clone, PartialEq)]
pub enum Normal {
    /// True if all are; true if there are none.
    And(Vec<Normal>),
    /// True if one is; false if there are none.
    Or(Vec<Normal>),
    /// `test` of member `member`. With `holds`, the member is there and passes; without, it is missing, or is there
    /// and does not pass.
    Is { member: String, test: Test, holds: bool },
}

/// A test of a member that is there. All are false for a member that is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The member is there, also if it is null.
    Exists,
    /// Equal to one of these, by type; no `$eq` of its own, which is a list of one.
    In(Vec<Scalar>),
    Compare(Order, Bound),
    /// A string with this in it, or a list with this element.
    Contains(Scalar),
}

pub(super) fn of(filter: &Filter) -> Normal {
    normal(filter, true)
}

/// `filter`, or its opposite unless `holds`.
fn normal(filter: &Filter, holds: bool) -> Normal {
    let all = |filters: &[Filter]| filters.iter().map(|filter| normal(filter, holds)).collect();
    match (filter, holds) {
        (Filter::And(filters), true) | (Filter::Or(filters), false) => Normal::And(all(filters)),
        (Filter::And(filters), false) | (Filter::Or(filters), true) => Normal::Or(all(filters)),
        (Filter::Not(filter), _) => normal(filter, !holds),
        (Filter::Member(member, condition), _) => {
            let (test, positive) = test(condition);
            Normal::Is { member: member.clone(), test, holds: positive == holds }
        }
    }
}

/// The test of a condition, and whether it must hold.
fn test(condition: &Condition) -> (Test, bool) {
    match condition {
        Condition::Eq(scalar) => (Test::In(vec![scalar.clone()]), true),
        Condition::Ne(scalar) => (Test::In(vec![scalar.clone()]), false),
        Condition::In(scalars) => (Test::In(scalars.clone()), true),
        Condition::Nin(scalars) => (Test::In(scalars.clone()), false),
        Condition::Compare(order, bound) => (Test::Compare(*order, bound.clone()), true),
        Condition::Exists(exists) => (Test::Exists, *exists),
        Condition::Contains(scalar) => (Test::Contains(scalar.clone()), true),
    }
}
