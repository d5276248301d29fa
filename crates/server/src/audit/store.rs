//! SQL of the trail.

use serde_json::value::RawValue;
use serde_json::value::to_raw_value;
use sqlx::FromRow;

use super::entry::Entry;
use super::entry::Head;
use super::entry::id_of;
use crate::db::At;
use crate::db::Conn;
use crate::db::TenantId;
use crate::on;

/// What a list of entries is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    pub actor: Option<String>,
    /// The whole of it, or its beginning up to a `.`: `agent` for all that is done to agents.
    pub action: Option<String>,
    pub target: Option<String>,
    /// Not before this time.
    pub since: Option<At>,
    pub until: Option<At>,
    /// Before the entry of this number.
    pub before: Option<i64>,
}

macro_rules! entry_columns {
    () => {
        "seq, at, actor, client_id, action, target, before_json, after_json, ip, request_id, hash"
    };
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    at: At,
    actor: String,
    client_id: Option<String>,
    action: String,
    target: String,
    before_json: String,
    after_json: String,
    ip: Option<String>,
    request_id: Option<String>,
    hash: String,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        // What is no JSON was not written by us: it is shown as a text, and its hash is wrong.
        let raw = |text: String| {
            let shown = RawValue::from_string(text.clone()).or_else(|_| to_raw_value(&text));
            shown.unwrap_or_else(|_| RawValue::NULL.to_owned())
        };
        Self {
            seq: row.seq,
            id: id_of(&row.hash),
            at: row.at,
            actor: row.actor,
            client_id: row.client_id,
            action: row.action,
            target: row.target,
            before: raw(row.before_json),
            after: raw(row.after_json),
            ip: row.ip,
            request_id: row.request_id,
            hash: row.hash,
        }
    }
}

/// The last entry of a tenant, behind which nobody else adds one until the transaction is over.
pub async fn lock_head(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Head, sqlx::Error> {
    let (seq, hash) = on!(conn, c => sqlx::query_as::<_, (i64, String)>(
            "INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, '')
             ON CONFLICT (tenant_id) DO UPDATE SET seq = audit_heads.seq
             RETURNING seq, hash",
        )
        .bind(tenant)
        .fetch_one(c)
        .await)?;
    Ok(Head { seq, hash })
}

/// What the last entry of a tenant is said to be.
pub async fn find_head(conn: &mut Conn<'_>, tenant: &TenantId) -> Result<Head, sqlx::Error> {
    let query = "SELECT seq, hash FROM audit_heads WHERE tenant_id = $1";
    let found = on!(conn, c => sqlx::query_as::<_, (i64, String)>(query)
        .bind(tenant)
        .fetch_optional(c)
        .await)?;
    Ok(found.map(|(seq, hash)| Head { seq, hash }).unwrap_or_default())
}

/// The tenants that have a trail.
pub async fn list_tenants(conn: &mut Conn<'_>) -> Result<Vec<TenantId>, sqlx::Error> {
    let query = "SELECT tenant_id FROM audit_heads ORDER BY tenant_id";
    on!(conn, c => sqlx::query_scalar::<_, TenantId>(query).fetch_all(c).await)
}

/// Adds an entry behind the last one, which is locked.
pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    entry: &Entry,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(concat!(
            "INSERT INTO audit_log (tenant_id, ", entry_columns!(), ")
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        ))
        .bind(tenant)
        .bind(entry.seq)
        .bind(entry.at)
        .bind(&entry.actor)
        .bind(&entry.client_id)
        .bind(&entry.action)
        .bind(&entry.target)
        .bind(entry.before.get())
        .bind(entry.after.get())
        .bind(&entry.ip)
        .bind(&entry.request_id)
        .bind(&entry.hash)
        .execute(c)
        .await)?;
    on!(conn, c => sqlx::query("UPDATE audit_heads SET seq = $2, hash = $3 WHERE tenant_id = $1")
        .bind(tenant)
        .bind(entry.seq)
        .bind(&entry.hash)
        .execute(c)
        .await)?;
    Ok(())
}

/// Entries of a tenant, the newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(concat!(
            "SELECT ", entry_columns!(), " FROM audit_log WHERE tenant_id = ",
        ));
        query.push_bind(tenant.as_str());
        for (column, value) in [("actor", &filter.actor), ("target", &filter.target)] {
            if let Some(value) = value {
                query.push(format_args!(" AND {column} = ")).push_bind(value);
            }
        }
        if let Some(action) = &filter.action {
            // All that begins so and a dot lies below the same with the character after the dot.
            query.push(" AND (action = ").push_bind(action);
            query.push(" OR (action > ").push_bind(format!("{action}."));
            query.push(" AND action < ").push_bind(format!("{action}/")).push("))");
        }
        for (comparison, at) in [(" AND at >= ", filter.since), (" AND at < ", filter.until)] {
            if let Some(at) = at {
                query.push(comparison).push_bind(at);
            }
        }
        if let Some(before) = filter.before {
            query.push(" AND seq < ").push_bind(before);
        }
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// Entries of a tenant from the one after `seq` on, in their order.
pub async fn list_after(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    seq: i64,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(concat!(
            "SELECT ", entry_columns!(), " FROM audit_log
             WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        ))
        .bind(tenant)
        .bind(seq)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
