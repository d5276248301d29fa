//! SQL of the triggers that are at work.

use auth::scope::Scopes;
use sqlx::FromRow;
use tracing::error;

use super::firings::Of;
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

/// Where a list of schedules goes on: behind this one.
#[derive(Debug, Clone)]
pub struct Place {
    pub time: At,
    pub workflow_id: Id,
    pub trigger_id: String,
}

#[derive(Debug, FromRow)]
struct Row {
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

macro_rules! select {
    ($end:literal) => {
        concat!(
            "SELECT t.tenant_id, t.workflow_id, t.trigger_id, t.spec, t.version, t.is_active, t.subject, t.client_id, \
             t.scopes, t.paused_at, t.handled_at, t.next_at FROM workflow_triggers t ",
            $end
        )
    };
}

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

/// Takes away an event that was kept because nobody waited for it.
pub async fn delete_kept_event(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<(), sqlx::Error> {
    on!(conn, c => sqlx::query("DELETE FROM workflow_events WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(c)
        .await)?;
    Ok(())
}

/// Schedules that are due at `now`, the most overdue first, behind a place.
pub async fn list_due(
    conn: &mut Conn<'_>,
    now: At,
    after: Option<&Place>,
) -> Result<Vec<Armed>, sqlx::Error> {
    let (time, workflow, trigger) = parts(after);
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "WHERE t.next_at IS NOT NULL AND t.next_at <= $1
                     AND ($2 IS NULL OR (t.next_at, t.workflow_id, t.trigger_id) > ($2, $3, $4))
                 ORDER BY t.next_at, t.workflow_id, t.trigger_id LIMIT 100"
            ),
        )
        .bind(now)
        .bind(time)
        .bind(workflow)
        .bind(trigger)
        .fetch_all(c)
        .await)?;
    Ok(read(rows))
}

/// Some schedules that have dealt with what is to come after `time`.
pub async fn list_ahead(conn: &mut Conn<'_>, time: At) -> Result<Vec<Armed>, sqlx::Error> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!("WHERE t.next_at IS NOT NULL AND t.handled_at > $1 ORDER BY t.handled_at LIMIT 100"),
        )
        .bind(time)
        .fetch_all(c)
        .await)?;
    Ok(read(rows))
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

/// Moves a schedule on from what `armed` says to `handled`, and says whether it did: of several who know the same one
/// does, and nobody whose knowledge is old. Whoever comes second waits for the end of the first one's transaction.
pub async fn advance(
    conn: &mut Conn<'_>,
    armed: &Armed,
    handled: At,
    next: Option<At>,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE workflow_triggers SET handled_at = $5, next_at = $6
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND handled_at = $4 AND version = $7
                 AND is_active AND paused_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM workflow_trigger_changes c
                     WHERE c.tenant_id = workflow_triggers.tenant_id AND c.workflow_id = workflow_triggers.workflow_id)",
        )
        .bind(&armed.tenant)
        .bind(armed.workflow_id)
        .bind(armed.trigger.id())
        .bind(armed.handled_at)
        .bind(handled)
        .bind(next)
        .bind(armed.version)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

fn parts(place: Option<&Place>) -> (Option<At>, Option<Id>, Option<&str>) {
    let Some(Place { time, workflow_id, trigger_id }) = place else { return (None, None, None) };
    (Some(*time), Some(*workflow_id), Some(trigger_id))
}

/// What of the rows this release can read; the log tells of others.
fn read(rows: impl IntoIterator<Item = Row>) -> Vec<Armed> {
    let armed = rows.into_iter().filter_map(|row| {
        let (workflow, trigger) = (row.workflow_id, row.trigger_id.clone());
        let armed = row.armed();
        if armed.is_none() {
            error!(workflow.id = %workflow, trigger.id = trigger, "a trigger cannot be read");
        }
        armed
    });
    armed.collect()
}

impl Row {
    fn armed(self) -> Option<Armed> {
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
