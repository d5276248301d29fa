//! Budgets: how many tokens, and how much money, the model calls of an owner may use in a day of UTC.
//!
//! The rows are in memory and followed in the database, so that a run without a budget costs nothing. What
//! a call may use is drawn from a row of the database before it is made ([`reserve`]), and what it did not
//! use is given back in the transaction of its end.

mod known;
pub mod reserve;
pub mod routes;

use chrono::Days;
use engine::LimitOwner;
use engine::LimitReached;
use llm::Usd;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

pub use known::Budgets;

use super::Record;
use crate::db::At;
use crate::db::TenantId;

/// Stands for each owner of a kind that has no budget of its own.
pub const EACH: &str = "*";

/// Whose budget it is. Rows of owners are locked in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    pub tenant: TenantId,
    pub kind: LimitOwner,
    /// Of a tenant and a client their names, of an agent its id, of an end user `subject/user`.
    pub id: String,
}

/// What an owner may use in a day. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub owner: Owner,
    pub max_tokens: Option<u64>,
    pub max_cost_usd: Option<Usd>,
}

/// What was used of a budget, with the most that calls under way may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BudgetUsed)]
pub struct Used {
    pub tokens: u64,
    /// `null`: there were calls whose price is unknown.
    #[schema(value_type = Option<f64>)]
    pub cost_usd: Option<Usd>,
}

/// What is added to the use of an owner in a day, or taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub owner: Owner,
    pub day: String,
    pub tokens: i64,
    /// In 10⁻¹² USD.
    pub cost: i64,
}

impl Budget {
    /// What is said when this limit of tokens does not leave enough.
    pub fn tokens_reached(&self, used: u64, needs: u64) -> LimitReached {
        self.reached("max_tokens", json!(self.max_tokens), json!(used), json!(needs))
    }

    /// The same of money. Amounts are `None` if they are unknown.
    pub fn cost_reached(&self, used: Option<Usd>, needs: Option<Usd>) -> LimitReached {
        self.reached("max_cost_usd", json!(self.max_cost_usd), json!(used), json!(needs))
    }

    fn reached(&self, limit: &str, value: Value, used: Value, needs: Value) -> LimitReached {
        let (limit, owner, needs) = (limit.to_owned(), self.owner.kind, Some(needs));
        LimitReached { limit, value, used, needs, owner }
    }
}

/// All whose budgets a run draws from.
fn owners(record: &Record) -> impl Iterator<Item = Owner> {
    let summary = &record.run.summary;
    let end_user = summary.user.as_ref().map(|user| end_user_id(&summary.subject, user));
    let own = |kind, id| Owner { tenant: record.tenant.clone(), kind, id };
    let always = [
        own(LimitOwner::Agent, record.definition.to_string()),
        own(LimitOwner::Client, summary.client_id.clone()),
    ];
    let end_user = end_user.map(|id| own(LimitOwner::User, id));
    let tenant = own(LimitOwner::Tenant, record.tenant.to_string());
    always.into_iter().chain(end_user).chain([tenant])
}

/// `subject/user`. A client that was registered by the original's rules has any id: a `/` in a subject is
/// written as in a URL, so that no two end users have one id.
pub fn end_user_id(subject: &str, user: &str) -> String {
    format!("{}/{user}", subject.replace('%', "%25").replace('/', "%2F"))
}

/// The day of UTC that a time is in, as `2026-11-29`.
pub fn day_of(at: At) -> String {
    at.time().format("%F").to_string()
}

/// When the day of `at` is over.
pub fn resets_at(at: At) -> At {
    let tomorrow = at.time().date_naive().checked_add_days(Days::new(1));
    tomorrow.map_or(At::NEVER, |day| At::new(day.and_time(chrono::NaiveTime::MIN).and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_end_users_have_one_id() {
        assert_eq!(end_user_id("client:shop", "ann"), "client:shop/ann");
        let ids = [
            end_user_id("client:a", "b/c"),
            end_user_id("client:a/b", "c"),
            end_user_id("client:a%2Fb", "c"),
        ];
        assert_eq!(ids, ["client:a/b/c", "client:a%2Fb/c", "client:a%252Fb/c"]);
    }
}
