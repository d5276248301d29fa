//! Makes `workflow_triggers` what the definitions say.
//!
//! Whoever writes a definition that has triggers, or had some, leaves a row in `workflow_trigger_changes`: the database
//! sees to that in the writer's own transaction. Whoever needs to know of triggers first looks whether there is such a
//! row ([`catch_up`]), and once more in the transaction in which he acts, so nobody acts by what is over, and nothing
//! must be read when a process starts.

use tracing::warn;

use super::Armed;
use super::Trigger;
use super::Who;
use crate::app::Clock;
use crate::db::At;
use crate::db::Conn;
use crate::db::Db;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::workflows::Workflow;
use crate::workflows::Workflows;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers as store;
use crate::workflows::store::triggers::Change;

/// Deals with all changes of definitions that were committed before the call.
pub async fn catch_up(
    db: &Db,
    workflows: &Workflows,
    clock: &Clock,
) -> Result<(), DefinitionError> {
    loop {
        let changes = db.read(async |conn| store::changes(conn).await).await?;
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            let now = clock.now();
            let done = db.write(async |tx| arm(tx, workflows, &change, now).await).await;
            match done {
                Err(DefinitionError::Database(
                    fault @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)),
                )) => {
                    warn!(workflow.id = %change.workflow_id, error = &fault as &dyn std::error::Error, "triggers of a row that cannot be read are left as they are");
                    db.write(async |tx| store::delete_changes(tx, &change).await).await?;
                }
                done => done?,
            }
        }
    }
}

/// Writes the triggers of one workflow.
async fn arm(
    tx: &mut Conn<'_>,
    workflows: &Workflows,
    change: &Change,
    now: At,
) -> Result<(), DefinitionError> {
    let Ok(tenant) = TenantId::try_from(change.tenant_id.clone()) else {
        return Ok(store::delete_changes(tx, change).await?);
    };
    // Until the end of the transaction nobody changes the definition; what anybody has noted until now is done here.
    let held = workflows.hold(tx, &tenant, change.workflow_id).await?;
    store::delete_changes(tx, change).await?;
    store::lock(tx, &tenant, change.workflow_id).await?;
    let known = store::list(tx, &tenant, change.workflow_id).await?;
    let wanted = match &held {
        None => Vec::new(),
        Some((workflow, _)) if is_unreadable(workflow) => {
            known.iter().cloned().map(at_rest).collect()
        }
        Some((workflow, version)) => {
            let who = Who::wrote(version.as_ref(), workflow.created_by.as_deref());
            let wanted = workflow.content.triggers.iter().map(|trigger| {
                let was = known.iter().find(|it| is_same(&it.trigger, trigger));
                armed(&tenant, workflow, (trigger, &who), was, now)
            });
            wanted.collect::<Vec<_>>()
        }
    };
    for armed in wanted.iter().filter(|it| !known.contains(it)) {
        store::upsert(tx, armed).await?;
    }
    for gone in &known {
        let trigger = gone.trigger.id();
        if wanted.iter().all(|it| it.trigger.id() != trigger) {
            let of = Of { tenant: &tenant, workflow: change.workflow_id, trigger };
            store::delete(tx, of).await?;
        }
    }
    Ok(())
}

/// Whether it cannot be known what triggers there are, as may be so of rows that were written in SQL.
fn is_unreadable(workflow: &Workflow) -> bool {
    workflow.problems.iter().any(|it| it.pointer.starts_with("/triggers"))
}

fn at_rest(armed: Armed) -> Armed {
    Armed { is_active: false, next_at: None, ..armed }
}

/// A trigger as it is from `now` on, that `was` something before: what was paused stays so, and a schedule that is still
/// the same goes on where it was. Any other begins now.
fn armed(
    tenant: &TenantId,
    workflow: &Workflow,
    (trigger, who): (&Trigger, &Who),
    was: Option<&Armed>,
    now: At,
) -> Armed {
    let goes_on = was.filter(|it| {
        it.is_active && it.paused_at.is_none() && it.trigger.schedule() == trigger.schedule()
    });
    let mut armed = Armed {
        tenant: tenant.clone(),
        workflow_id: workflow.id,
        trigger: trigger.clone(),
        version: workflow.version,
        is_active: workflow.is_active,
        who: who.clone(),
        paused_at: was.and_then(|it| it.paused_at),
        handled_at: Some(goes_on.and_then(|it| it.handled_at).unwrap_or(now)),
        next_at: None,
    };
    if trigger.schedule().is_none() {
        armed.handled_at = None;
    }
    armed.next_at = armed.handled_at.and_then(|handled| armed.next_after(handled.time()));
    armed
}

/// Whether two triggers are one that may have changed.
fn is_same(one: &Trigger, other: &Trigger) -> bool {
    one.id() == other.id() && one.kind() == other.kind()
}
