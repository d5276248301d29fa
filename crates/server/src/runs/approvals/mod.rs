//! Approvals: what people are asked to decide, and who was first to decide it.
//!
//! The row in `approvals` decides who was first. What follows from the decision is recorded by the
//! owner of the run, who finds it as a signal.

pub mod decide;
pub mod routes;
mod shown;

use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalKind;
use engine::ApprovalStatus;
use engine::Decision;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::service::Runs;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;
use crate::runs::store::approvals;
use crate::runs::store::approvals::Decided;
use crate::runs::store::signals;
use crate::runs::take_up;

/// What whoever decides must hold, beside what the approval names.
const DECIDES: &str = "approval.decide";
/// So many are found at once.
const AT_ONCE: i64 = 20;

/// Lets runs of `subject` go on that wait for his consent to `upstream`, which is there now: for at most 20 of them.
/// The signals are for [`go_on`] when the transaction is committed; without it they are found a moment later.
pub async fn consented(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    subject: &str,
    upstream: &str,
    now: At,
) -> Result<Vec<Signal>, RunsError> {
    let (by, status) = (subject, ApprovalStatus::Approved);
    let decided = Decided { status, arguments: None, by, reason: None, now };
    let mut signals = Vec::new();
    for asked in approvals::list_consents(conn, tenant, subject, upstream, AT_ONCE).await? {
        let (Ok(id), Ok(run_id)) = (asked.id.parse(), asked.run_id.parse()) else { continue };
        if !approvals::decide(conn, tenant, id, &decided).await? {
            continue;
        }
        let order = Order::Consent(Box::new(ApprovalDecided {
            approval_id: asked.id,
            decision: Decision::Approve,
            arguments: None,
            result: None,
            payload: None,
            reason: None,
            by: Some(subject.to_owned()),
        }));
        let signal = Signal { tenant: tenant.clone(), run_id, id, order, created_at: now };
        signals::insert(conn, &signal).await?;
        signals.push(signal);
    }
    Ok(signals)
}

/// Lets the runs of these signals go on at once.
pub async fn go_on(runs: &Runs, signals: Vec<Signal>) {
    for signal in signals {
        take_up::bring(runs, signal).await;
    }
}

/// What the run `id` and those below it wait for now, of that what `caller` may decide and what he has to consent to.
pub async fn open(runs: &Runs, caller: &Principal, id: Id) -> Result<Vec<Approval>, RunsError> {
    let tenant = &caller.tenant;
    let listed = runs.db.read(async |conn| approvals::list_below(conn, tenant, id, AT_ONCE).await);
    let (mut open, now) = (listed.await?, runs.clock.now().time());
    let is_for_him = |it: &Approval| match it.kind {
        ApprovalKind::Consent => it.requested_by == caller.subject.as_str(),
        _ => caller.holds(DECIDES) && caller.holds(&it.required_scope),
    };
    open.retain(|it| it.expires_at > now && is_for_him(it));
    Ok(open)
}

/// Whether nobody has decided yet on the approval `id`.
pub async fn is_pending(runs: &Runs, tenant: &TenantId, id: &str) -> Result<bool, RunsError> {
    let Ok(id) = id.parse::<Id>() else { return Ok(false) };
    let found = runs.db.read(async |conn| approvals::find(conn, tenant, id).await).await?;
    Ok(found.is_some_and(|it| it.status == ApprovalStatus::Pending))
}
