//! Approvals: what people are asked to decide, and who was first to decide it.
//!
//! The row in `approvals` decides who was first. What follows from the decision is recorded by the
//! owner of the run, who finds it as a signal.

pub mod decide;
pub mod routes;

use engine::Approval;
use engine::ApprovalStatus;

use crate::db::Id;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::service::Runs;
use crate::runs::store::approvals;
use crate::runs::store::approvals::Filter;

/// What whoever decides must hold, beside what the approval names.
const DECIDES: &str = "approval.decide";
/// So many are found at once.
const AT_ONCE: i64 = 20;

/// What the run `id` waits for and `caller` may decide now.
pub async fn open(runs: &Runs, caller: &Principal, id: Id) -> Result<Vec<Approval>, RunsError> {
    if !caller.holds(DECIDES) {
        return Ok(Vec::new());
    }
    let filter = Filter { status: Some(ApprovalStatus::Pending), run_id: Some(id), before: None };
    let tenant = &caller.tenant;
    let listed = runs.db.read(async |conn| approvals::list(conn, tenant, &filter, AT_ONCE).await);
    let (mut open, now) = (listed.await?, runs.clock.now().time());
    open.retain(|it| it.expires_at > now && caller.holds(&it.required_scope));
    Ok(open)
}
