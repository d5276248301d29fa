//! What whoever decides is shown of an approval, beside what was recorded of it.

use std::collections::HashMap;

use engine::Approval;
use engine::ApprovalKind;
use engine::ApprovalStatus;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::runs::RunsError;
use crate::runs::service::Runs;
use crate::runs::store::tree;
use crate::workflows::Workflow;

/// An approval, as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownApproval {
    #[serde(flatten)]
    pub approval: Approval,
    /// Of a step of a workflow that waits for a decision: JSON Schema of its `payload`, if it wants one.
    #[schema(value_type = Option<Object>)]
    pub payload_schema: Option<Value>,
}

/// The definition that a run is pinned to.
type Pinned = (Id, i64);

/// The approvals with what else is shown of them: one query, and one for each version of a workflow that asks.
pub async fn shown(
    runs: &Runs,
    tenant: &TenantId,
    approvals: Vec<Approval>,
) -> Result<Vec<ShownApproval>, RunsError> {
    let asks =
        |it: &&Approval| it.kind == ApprovalKind::Step && it.status == ApprovalStatus::Pending;
    let mut ids: Vec<Id> =
        approvals.iter().filter(asks).filter_map(|it| it.run_id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let pinned = pinned(runs, tenant, &ids).await?;
    let mut versions: HashMap<Pinned, Option<_>> = HashMap::new();
    let mut all = Vec::with_capacity(approvals.len());
    for approval in approvals {
        let pin = Some(&approval).filter(asks).and_then(|it| pinned.get(&it.run_id)).copied();
        if let Some((id, version)) = pin
            && !versions.contains_key(&(id, version))
        {
            let found = match runs.workflows.version(tenant, id, version).await {
                // Its run says so when it goes on.
                Err(DefinitionError::Unreadable { .. }) => None,
                found => found?,
            };
            versions.insert((id, version), found);
        }
        let workflow = pin.and_then(|it| versions.get(&it)?.as_deref());
        let payload_schema = workflow.and_then(|it| payload_schema(it, &approval.step));
        all.push(ShownApproval { approval, payload_schema });
    }
    Ok(all)
}

/// By the ids of runs.
async fn pinned(
    runs: &Runs,
    tenant: &TenantId,
    ids: &[Id],
) -> Result<HashMap<String, Pinned>, RunsError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = runs.db.read(async |conn| tree::pinned(conn, tenant, ids).await).await?;
    Ok(found.into_iter().map(|(id, of, version)| (id.to_string(), (of, version))).collect())
}

fn payload_schema(workflow: &Workflow, step: &str) -> Option<Value> {
    let pointer = workflow.ready.workflow.as_ref()?.pointer_of(step)?.strip_prefix("/steps/")?;
    let (first, within) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
    let entry = workflow.content.steps.get(first.parse::<usize>().ok()?)?.pointer(within)?;
    entry.get("payload_schema").filter(|it| !it.is_null()).cloned()
}
