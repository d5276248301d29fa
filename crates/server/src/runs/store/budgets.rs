//! SQL of budgets and of what was used of them.

use std::collections::BTreeMap;

use llm::Usd;
use sqlx::FromRow;
use tracing::warn;

use super::row::word;
use crate::db::At;
use crate::db::Conn;
use crate::db::TenantId;
use crate::on;
use crate::runs::budgets::Budget;
use crate::runs::budgets::Owner;
use crate::runs::budgets::Settlement;
use crate::runs::budgets::Used;

#[derive(Debug, FromRow)]
struct Row {
    tenant_id: String,
    owner_kind: String,
    owner_id: String,
    max_tokens: Option<i64>,
    max_cost_usd: Option<String>,
}

#[derive(Debug, Default, FromRow)]
struct UsedRow {
    tokens: i64,
    cost: i64,
    unpriced: i64,
}

#[derive(Debug, FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    budget: Row,
    #[sqlx(flatten)]
    used: UsedRow,
}

impl UsedRow {
    /// What was used, and the known part of what that has cost.
    fn read(self) -> (Used, Usd) {
        let cost = Usd::of_trillionths(self.cost.try_into().unwrap_or(0));
        let tokens = self.tokens.try_into().unwrap_or(0);
        (Used { tokens, cost_usd: (self.unpriced == 0).then_some(cost) }, cost)
    }
}

impl Row {
    /// A limit that was written in SQL and that nobody can read allows nothing.
    fn read(self) -> Option<Budget> {
        let tenant = TenantId::try_from(self.tenant_id).ok()?;
        let owner = Owner { tenant, kind: word(&self.owner_kind).ok()?, id: self.owner_id };
        let max_cost_usd = self.max_cost_usd.map(|text| {
            text.trim().parse().unwrap_or_else(|_| {
                warn!(owner.id, "a budget's max_cost_usd is no amount: it allows nothing");
                Usd::ZERO
            })
        });
        let max_tokens = self.max_tokens.map(|max| max.try_into().unwrap_or(0));
        Some(Budget { owner, max_tokens, max_cost_usd })
    }
}

/// The budgets of all tenants.
pub async fn list_all(conn: &mut Conn<'_>) -> Result<Vec<Budget>, sqlx::Error> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, owner_kind, owner_id, max_tokens, max_cost_usd FROM budgets",
        )
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// At most `limit` budgets of a tenant with what was used of them on `day`, by the kinds and ids of their
/// owners, behind the one at `after`.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    after: &(String, String),
    day: &str,
    limit: i64,
) -> Result<Vec<(Budget, Used)>, sqlx::Error> {
    let rows: Vec<ListedRow> = on!(conn, c => sqlx::query_as(
            "SELECT budgets.tenant_id, budgets.owner_kind, budgets.owner_id, max_tokens, max_cost_usd,
             coalesce(tokens, 0) AS tokens, coalesce(cost, 0) AS cost, coalesce(unpriced, 0) AS unpriced
             FROM budgets LEFT JOIN budget_usage ON budget_usage.tenant_id = budgets.tenant_id
             AND budget_usage.owner_kind = budgets.owner_kind
             AND budget_usage.owner_id = budgets.owner_id AND budget_usage.day = $4
             WHERE budgets.tenant_id = $1 AND (budgets.owner_kind, budgets.owner_id) > ($2, $3)
             ORDER BY budgets.owner_kind, budgets.owner_id LIMIT $5",
        )
        .bind(tenant)
        .bind(&after.0)
        .bind(&after.1)
        .bind(day)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    let read = |row: ListedRow| Some((row.budget.read()?, row.used.read().0));
    Ok(rows.into_iter().filter_map(read).collect())
}

pub async fn find(conn: &mut Conn<'_>, owner: &Owner) -> Result<Option<Budget>, sqlx::Error> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, owner_kind, owner_id, max_tokens, max_cost_usd FROM budgets
             WHERE tenant_id = $1 AND owner_kind = $2 AND owner_id = $3",
        )
        .bind(&owner.tenant)
        .bind(owner.kind.as_str())
        .bind(&owner.id)
        .fetch_optional(c)
        .await)?;
    Ok(row.and_then(Row::read))
}

/// Gives an owner this budget, in the place of the one he may have.
pub async fn upsert(conn: &mut Conn<'_>, budget: &Budget, now: At) -> Result<(), sqlx::Error> {
    let Budget { owner, max_tokens, max_cost_usd } = budget;
    on!(conn, c => sqlx::query(
            "INSERT INTO budgets
             (tenant_id, owner_kind, owner_id, max_tokens, max_cost_usd, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)
             ON CONFLICT (tenant_id, owner_kind, owner_id) DO UPDATE SET
             max_tokens = excluded.max_tokens, max_cost_usd = excluded.max_cost_usd,
             updated_at = excluded.updated_at",
        )
        .bind(&owner.tenant)
        .bind(owner.kind.as_str())
        .bind(&owner.id)
        .bind(max_tokens.map(count))
        .bind(max_cost_usd.map(|it| it.to_string()))
        .bind(now)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes an owner's budget away, and says whether he had one.
pub async fn delete(conn: &mut Conn<'_>, owner: &Owner) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM budgets WHERE tenant_id = $1 AND owner_kind = $2 AND owner_id = $3",
        )
        .bind(&owner.tenant)
        .bind(owner.kind.as_str())
        .bind(&owner.id)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// What an owner has used in a day, and the known part of what that has cost.
pub async fn used(
    conn: &mut Conn<'_>,
    owner: &Owner,
    day: &str,
) -> Result<(Used, Usd), sqlx::Error> {
    let row: Option<UsedRow> = on!(conn, c => sqlx::query_as(
            "SELECT tokens, cost, unpriced FROM budget_usage
             WHERE tenant_id = $1 AND owner_kind = $2 AND owner_id = $3 AND day = $4",
        )
        .bind(&owner.tenant)
        .bind(owner.kind.as_str())
        .bind(&owner.id)
        .bind(day)
        .fetch_optional(c)
        .await)?;
    Ok(row.unwrap_or_default().read())
}

/// Adds to what an owner has used in a day, if his budget has so much left, and says whether it had. It is
/// one statement, so that no number of processes at once can draw too much.
pub async fn draw(
    conn: &mut Conn<'_>,
    budget: &Budget,
    day: &str,
    tokens: u64,
    cost: Option<Usd>,
) -> Result<bool, sqlx::Error> {
    let Budget { owner, max_tokens, max_cost_usd } = budget;
    let (tokens, money) = (count(tokens), count(cost.unwrap_or_default().trillionths()));
    let max_tokens = max_tokens.map_or(i64::MAX, count);
    let max_money = max_cost_usd.map_or(i64::MAX, |max| count(max.trillionths()));
    if tokens > max_tokens || money > max_money {
        return Ok(false);
    }
    let done = on!(conn, c => sqlx::query(
            "INSERT INTO budget_usage
             (tenant_id, owner_kind, owner_id, day, tokens, cost, unpriced)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, owner_kind, owner_id, day) DO UPDATE SET
             tokens = budget_usage.tokens + excluded.tokens,
             cost = budget_usage.cost + excluded.cost,
             unpriced = budget_usage.unpriced + excluded.unpriced
             WHERE budget_usage.tokens <= $8 - excluded.tokens
             AND budget_usage.cost <= $9 - excluded.cost",
        )
        .bind(&owner.tenant)
        .bind(owner.kind.as_str())
        .bind(&owner.id)
        .bind(day)
        .bind(tokens)
        .bind(money)
        .bind(i64::from(cost.is_none()))
        .bind(max_tokens)
        .bind(max_money)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Changes what owners have used. Each row is changed once, in the order in which all lock them.
pub async fn settle(
    conn: &mut Conn<'_>,
    settlements: impl IntoIterator<Item = &Settlement>,
) -> Result<(), sqlx::Error> {
    let mut sums: BTreeMap<(&Owner, &str), (i64, i64)> = BTreeMap::new();
    for Settlement { owner, day, tokens, cost } in settlements {
        let sum = sums.entry((owner, day)).or_default();
        *sum = (sum.0 + tokens, sum.1 + cost);
    }
    for ((owner, day), (tokens, cost)) in sums {
        on!(conn, c => sqlx::query(
                "UPDATE budget_usage SET tokens = tokens + $5, cost = cost + $6
                 WHERE tenant_id = $1 AND owner_kind = $2 AND owner_id = $3 AND day = $4",
            )
            .bind(&owner.tenant)
            .bind(owner.kind.as_str())
            .bind(&owner.id)
            .bind(day)
            .bind(tokens)
            .bind(cost)
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// Forgets some of what was used before `day`, and says how many rows.
pub async fn delete_old_usage(conn: &mut Conn<'_>, day: &str) -> Result<u64, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "DELETE FROM budget_usage WHERE (tenant_id, owner_kind, owner_id, day) IN
             (SELECT tenant_id, owner_kind, owner_id, day FROM budget_usage
              WHERE day < $1 ORDER BY day LIMIT 200)",
        )
        .bind(day)
        .execute(c)
        .await)?;
    Ok(done.rows_affected())
}

/// A number as SQL holds it.
fn count(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
