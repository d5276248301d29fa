//! SQL of what people are asked to decide.

use engine::Approval;
use engine::ApprovalStatus;
use engine::ApprovalTool;
use engine::Consent;
use serde::Serialize;
use serde::de::Error as _;
use sqlx::FromRow;

use super::row::word;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::RunsError;
use crate::runs::journal::JournalError;

macro_rules! approval_columns {
    () => {
        "id, run_id, kind, step, call_id, tool_name, tool_version, arguments, arguments_hash, \
         message, status, required_scope, requested_by, expires_at, on_timeout, decided_by, \
         decided_at, reason, created_at, consent_upstream, consent_url"
    };
}

#[derive(Debug, FromRow)]
struct ApprovalRow {
    id: Id,
    run_id: Id,
    kind: String,
    step: String,
    call_id: String,
    tool_name: String,
    tool_version: Option<i64>,
    arguments: String,
    arguments_hash: String,
    message: Option<String>,
    status: String,
    required_scope: String,
    requested_by: String,
    expires_at: At,
    on_timeout: String,
    decided_by: Option<String>,
    decided_at: Option<At>,
    reason: Option<String>,
    created_at: At,
    consent_upstream: Option<String>,
    consent_url: Option<String>,
}

impl ApprovalRow {
    fn read(self) -> Result<Approval, RunsError> {
        Ok(Approval {
            id: self.id.to_string(),
            kind: word(&self.kind)?,
            run_id: self.run_id.to_string(),
            step: self.step,
            call_id: self.call_id,
            tool: ApprovalTool { name: self.tool_name, version: self.tool_version },
            arguments: serde_json::from_str(&self.arguments)?,
            arguments_hash: self.arguments_hash,
            message: self.message,
            status: word(&self.status)?,
            required_scope: self.required_scope,
            requested_by: self.requested_by,
            expires_at: self.expires_at.time(),
            on_timeout: word(&self.on_timeout)?,
            decided_by: self.decided_by,
            decided_at: self.decided_at.map(At::time),
            reason: self.reason,
            created_at: self.created_at.time(),
            consent: self
                .consent_upstream
                .zip(self.consent_url)
                .map(|(upstream, url)| Box::new(Consent { upstream, url })),
        })
    }
}

/// What a list of approvals is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    pub status: Option<ApprovalStatus>,
    pub run_id: Option<Id>,
    /// Older than this one.
    pub before: Option<Id>,
}

/// How an approval was decided.
#[derive(Debug)]
pub struct Decided<'a> {
    pub status: ApprovalStatus,
    /// Other ones than were asked for.
    pub arguments: Option<&'a serde_json::Value>,
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub now: At,
}

/// The name of one of our enums in its column.
fn name(value: impl Serialize) -> Result<String, serde_json::Error> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(name) => Ok(name),
        other => Ok(other.to_string()),
    }
}

pub async fn insert(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    approval: &Approval,
) -> Result<(), JournalError> {
    let id = |text: &str| text.parse::<Id>().map_err(serde_json::Error::custom);
    let (own, run_id) = (id(&approval.id)?, id(&approval.run_id)?);
    let (kind, status) = (name(approval.kind)?, name(approval.status)?);
    let (arguments, on_timeout) = (approval.arguments.to_string(), name(approval.on_timeout)?);
    let consent = approval.consent.as_ref();
    on!(conn, c => sqlx::query(
            "INSERT INTO approvals (tenant_id, id, run_id, kind, step, call_id, tool_name,
             tool_version, arguments, arguments_hash, message, status, required_scope, requested_by,
             expires_at, on_timeout, created_at, consent_upstream, consent_url)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        )
        .bind(tenant.as_str())
        .bind(own)
        .bind(run_id)
        .bind(kind)
        .bind(&approval.step)
        .bind(&approval.call_id)
        .bind(&approval.tool.name)
        .bind(approval.tool.version)
        .bind(arguments)
        .bind(&approval.arguments_hash)
        .bind(&approval.message)
        .bind(status)
        .bind(&approval.required_scope)
        .bind(&approval.requested_by)
        .bind(At::new(approval.expires_at))
        .bind(on_timeout)
        .bind(At::new(approval.created_at))
        .bind(consent.map(|it| &it.upstream))
        .bind(consent.map(|it| &it.url))
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn find(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Approval>, RunsError> {
    let row: Option<ApprovalRow> = on!(conn, c => sqlx::query_as(concat!(
            "SELECT ", approval_columns!(), " FROM approvals WHERE tenant_id = $1 AND id = $2",
        ))
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(ApprovalRow::read).transpose()
}

/// At most `limit` approvals, the newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<Approval>, RunsError> {
    let status = filter.status.map(name).transpose()?;
    let rows: Vec<ApprovalRow> = on!(conn, c => {
        let mut query = sqlx::QueryBuilder::new(concat!(
            "SELECT ", approval_columns!(), " FROM approvals WHERE tenant_id = ",
        ));
        query.push_bind(tenant.as_str());
        if let Some(status) = &status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(run_id) = filter.run_id {
            query.push(" AND run_id = ").push_bind(run_id);
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(ApprovalRow::read).collect()
}

/// What the run and those below it that are not over wait for, the oldest first.
pub async fn list_below(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    run_id: Id,
    limit: i64,
) -> Result<Vec<Approval>, RunsError> {
    let rows: Vec<ApprovalRow> = on!(conn, c => sqlx::query_as(concat!(
            "WITH RECURSIVE below (id) AS (
                 SELECT id FROM runs WHERE tenant_id = $1 AND id = $2
                 UNION SELECT runs.id FROM runs JOIN below ON runs.parent_run_id = below.id
                 WHERE runs.tenant_id = $1 AND runs.finished_at IS NULL)
             SELECT ", approval_columns!(), " FROM approvals
             WHERE tenant_id = $1 AND status = 'pending' AND run_id IN (SELECT id FROM below)
             ORDER BY id LIMIT $3",
        ))
        .bind(tenant.as_str())
        .bind(run_id)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(ApprovalRow::read).collect()
}

/// What runs of `subject` wait for his consent to, the oldest first.
pub async fn list_consents(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    subject: &str,
    upstream: &str,
    limit: i64,
) -> Result<Vec<Approval>, RunsError> {
    let rows: Vec<ApprovalRow> = on!(conn, c => sqlx::query_as(concat!(
            "SELECT ", approval_columns!(), " FROM approvals
             WHERE tenant_id = $1 AND requested_by = $2 AND consent_upstream = $3
             AND kind = 'consent' AND status = 'pending' ORDER BY id LIMIT $4",
        ))
        .bind(tenant.as_str())
        .bind(subject)
        .bind(upstream)
        .bind(limit)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(ApprovalRow::read).collect()
}

/// Decides, unless somebody did before or the time is up; says whether it did.
pub async fn decide(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    decided: &Decided<'_>,
) -> Result<bool, RunsError> {
    let (status, arguments) = (name(decided.status)?, decided.arguments.map(ToString::to_string));
    let done = on!(conn, c => sqlx::query(
            "UPDATE approvals SET status = $3, decided_by = $4, decided_at = $5, reason = $6,
             arguments = coalesce($7, arguments)
             WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND expires_at > $5",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(status)
        .bind(decided.by)
        .bind(decided.now)
        .bind(decided.reason)
        .bind(arguments)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Ends the time of an approval, unless somebody decided; says whether it did.
pub async fn expire(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    now: At,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE approvals SET status = 'expired', decided_at = $3
             WHERE tenant_id = $1 AND id = $2 AND status IN ('pending', 'expired')",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(now)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

/// Nobody needs to decide this any more.
pub async fn withdraw(conn: &mut Conn<'_>, tenant: &TenantId, id: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE approvals SET status = 'canceled'
             WHERE tenant_id = $1 AND id = $2 AND status = 'pending'",
        )
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

/// Nobody needs to decide anything of a run that is over.
pub async fn close(conn: &mut Conn<'_>, tenant: &TenantId, run_id: Id) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "UPDATE approvals SET status = 'canceled'
             WHERE tenant_id = $1 AND run_id = $2 AND status = 'pending'",
        )
        .bind(tenant.as_str())
        .bind(run_id)
        .execute(c)
        .await)?;
    Ok(())
}
