//! SQL of the triggers that are at work.

use auth::scope::Scopes;
use sqlx::FromRow;
use tracing::debug;

use super::firings::Of;
use super::schedules::Place;
use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::HookMethod;
use crate::workflows::triggers::Who;

/// A workflow whose triggers may be others than are known.
#[derive(Debug, FromRow)]
pub struct Change {
    pub id: i64,
    pub tenant_id: String,
    pub workflow_id: Id,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Work {
    /// Definitions have changed.
    pub has_changes: bool,
    /// Schedules are due.
    pub is_due: bool,
    /// Schedules have dealt with what is to come: a clock was wrong.
    pub is_ahead: bool,
}

/// A row of `workflow_triggers`.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    tenant_id: String,
    workflow_id: Id,
    trigger_id: String,
    spec: String,
    version: i64,
    is_active: bool,
    subject: String,
    client_id: String,
    scopes: Option<String>,
    paused_at: Option<At>,
    handled_at: Option<At>,
    next_at: Option<At>,
}

/// Selects rows of `workflow_triggers`.
macro_rules! select {
    ($end:literal) => {
        concat!(
            "SELECT t.tenant_id, t.workflow_id, t.trigger_id, t.spec, t.version, t.is_active, t.subject, t.client_id, \
             t.scopes, t.paused_at, t.handled_at, t.next_at FROM workflow_triggers t ",
            $end
        )
    };
}

pub(super) use select;

/// What there is to do at `now`, of schedules that may have dealt with what is to come until `ahead`.
pub async fn work(conn: &mut Conn<'_>, now: At, ahead: At) -> Result<Work, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Work>(
            "SELECT EXISTS (SELECT 1 FROM workflow_trigger_changes) AS has_changes,
                 EXISTS (SELECT 1 FROM workflow_triggers WHERE next_at IS NOT NULL AND next_at <= $1) AS is_due,
                 EXISTS (SELECT 1 FROM workflow_triggers WHERE next_at IS NOT NULL AND handled_at > $2) AS is_ahead",
        )
        .bind(now)
        .bind(ahead)
        .fetch_one(c)
        .await)
}

/// Workflows whose triggers may be others than are known, those that changed first.
pub async fn changes(conn: &mut Conn<'_>) -> Result<Vec<Change>, sqlx::Error> {
    on!(conn, c => sqlx::query_as::<_, Change>(
            "SELECT id, tenant_id, workflow_id FROM workflow_trigger_changes ORDER BY id LIMIT 100",
        )
        .fetch_all(c)
        .await)
}

/// Notes that the triggers of a workflow are as its definition says.
pub async fn delete_changes(conn: &mut Conn<'_>, change: &Change) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM workflow_trigger_changes WHERE id = $1 OR tenant_id = $2 AND workflow_id = $3",
        )
        .bind(change.id)
        .bind(&change.tenant_id)
        .bind(change.workflow_id)
        .execute(c)
        .await)?;
    Ok(())
}

/// The triggers of a workflow.
pub async fn list(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    workflow: Id,
) -> Result<Vec<Armed>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!("WHERE t.tenant_id = $1 AND t.workflow_id = $2 ORDER BY t.trigger_id"),
        )
        .bind(tenant)
        .bind(workflow)
        .fetch_all(c)
        .await)?;
    Ok(read(rows))
}

/// Keeps everybody else from changing the triggers of a workflow until the transaction ends.
pub async fn lock(conn: &mut Conn<'_>, tenant: &TenantId, workflow: Id) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query(
            "SELECT 1 FROM workflow_triggers WHERE tenant_id = $1 AND workflow_id = $2
             ORDER BY trigger_id FOR UPDATE",
        )
        .bind(tenant)
        .bind(workflow)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn find(conn: &mut Conn<'_>, of: Of<'_>) -> Result<Option<Armed>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            select!("WHERE t.tenant_id = $1 AND t.workflow_id = $2 AND t.trigger_id = $3"),
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .fetch_optional(c)
        .await)?;
    Ok(read(row).pop())
}

/// The trigger that has a path and a method; of several, that of the workflow that was there first.
pub async fn find_hook(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    path: &str,
    method: HookMethod,
) -> Result<Option<Armed>, sqlx::Error> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "JOIN workflow_definitions d ON d.id = t.workflow_id AND d.tenant_id = t.tenant_id
                 WHERE t.tenant_id = $1 AND t.path IS NOT NULL AND t.path = $2 AND t.method = $3 AND t.is_active
                 ORDER BY d.created_at, d.id LIMIT 1"
            ),
        )
        .bind(tenant)
        .bind(path)
        .bind(method.as_str())
        .fetch_optional(c)
        .await)?;
    Ok(read(row).pop())
}

/// The triggers at work for events of this name, whatever their keys.
pub async fn list_for_event(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    name: &str,
) -> Result<Vec<Armed>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "WHERE t.tenant_id = $1 AND t.event IS NOT NULL AND t.event = $2 AND t.is_active
                     AND t.paused_at IS NULL
                 ORDER BY t.workflow_id, t.trigger_id"
            ),
        )
        .bind(tenant)
        .bind(name)
        .fetch_all(c)
        .await)?;
    Ok(read(rows))
}

/// Whether a trigger is what `armed` says, and nothing about its workflow has changed with which nobody has dealt yet. Until
/// the transaction ends nobody changes the trigger.
pub async fn is_current(conn: &mut Conn<'_>, armed: &Armed) -> Result<bool, sqlx::Error> {
    let (tenant, workflow, trigger) = (&armed.tenant, armed.workflow_id, armed.trigger.id());
    share(conn, Of { tenant, workflow, trigger }).await?;
    let row = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "WHERE t.tenant_id = $1 AND t.workflow_id = $2 AND t.trigger_id = $3
                     AND NOT EXISTS (SELECT 1 FROM workflow_trigger_changes c
                         WHERE c.tenant_id = t.tenant_id AND c.workflow_id = t.workflow_id)"
            ),
        )
        .bind(tenant)
        .bind(workflow)
        .bind(trigger)
        .fetch_optional(c)
        .await)?;
    Ok(read(row).pop().as_ref() == Some(armed))
}

/// Keeps everybody from changing a trigger until the transaction ends; others may do the same.
async fn share(conn: &mut Conn<'_>, of: Of<'_>) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(()); // There is one writer at a time.
    }
    on!(conn, c => sqlx::query(
            "SELECT 1 FROM workflow_triggers WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 FOR SHARE",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .execute(c)
        .await)?;
    Ok(())
}

/// Writes all of a trigger.
pub async fn upsert(conn: &mut Conn<'_>, armed: &Armed) -> Result<(), sqlx::Error> {
    let trigger = &armed.trigger;
    let spec = serde_json::to_string(trigger).map_err(|fault| sqlx::Error::Encode(fault.into()))?;
    let route = trigger.route();
    on!(conn, c => sqlx::query(
            "INSERT INTO workflow_triggers (tenant_id, workflow_id, trigger_id, spec, version, is_active, subject,
                 client_id, scopes, method, path, event, paused_at, handled_at, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (tenant_id, workflow_id, trigger_id) DO UPDATE SET spec = $4, version = $5, is_active = $6,
                 subject = $7, client_id = $8, scopes = $9, method = $10, path = $11, event = $12, paused_at = $13,
                 handled_at = $14, next_at = $15",
        )
        .bind(&armed.tenant)
        .bind(armed.workflow_id)
        .bind(trigger.id())
        .bind(&spec)
        .bind(armed.version)
        .bind(armed.is_active)
        .bind(&armed.who.subject)
        .bind(&armed.who.client_id)
        .bind(armed.who.scopes.as_ref().map(Scopes::to_string))
        .bind(route.map(|(_, method)| method.as_str()))
        .bind(route.map(|(path, _)| path))
        .bind(trigger.event())
        .bind(armed.paused_at)
        .bind(armed.handled_at)
        .bind(armed.next_at)
        .execute(c)
        .await)?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, of: Of<'_>) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query(
            "DELETE FROM workflow_triggers WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3",
        )
        .bind(of.tenant)
        .bind(of.workflow)
        .bind(of.trigger)
        .execute(c)
        .await)?;
    Ok(())
}

/// What of the rows this release can read.
fn read(rows: impl IntoIterator<Item = Row>) -> Vec<Armed> {
    let armed = rows.into_iter().filter_map(|row| {
        let (workflow, trigger) = (row.workflow_id, row.trigger_id.clone());
        let armed = row.armed();
        if armed.is_none() {
            debug!(workflow.id = %workflow, trigger.id = trigger, "a trigger cannot be read");
        }
        armed
    });
    armed.collect()
}

impl Row {
    /// Its place among schedules.
    pub(super) fn place(&self) -> Place {
        let (workflow_id, trigger_id) = (self.workflow_id, self.trigger_id.clone());
        Place { time: self.next_at.unwrap_or(At::NEVER), workflow_id, trigger_id }
    }

    /// The trigger, if this release can read it.
    pub(super) fn armed(self) -> Option<Armed> {
        let scopes = self.scopes.map(|it| it.parse()).transpose().ok()?;
        let who = Who { subject: self.subject, client_id: self.client_id, scopes };
        Some(Armed {
            tenant: TenantId::try_from(self.tenant_id).ok()?,
            workflow_id: self.workflow_id,
            trigger: serde_json::from_str(&self.spec).ok()?,
            version: self.version,
            is_active: self.is_active,
            who,
            paused_at: self.paused_at,
            handled_at: self.handled_at,
            next_at: self.next_at,
        })
    }
}
