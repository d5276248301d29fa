//! Decides, once.

use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalKind;
use engine::ApprovalStatus;
use engine::Decision;
use serde_json::Value;

use crate::db::Id;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::execution::Spec;
use crate::runs::prepare;
use crate::runs::service::Runs;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;
use crate::runs::store;
use crate::runs::store::approvals;
use crate::runs::store::approvals::Decided;
use crate::runs::store::signals;
use crate::runs::take_up;

/// What somebody wants to decide.
#[derive(Debug)]
pub struct Wish {
    pub decision: Decision,
    /// Of the arguments that he has seen.
    pub arguments_hash: String,
    pub arguments: Option<Value>,
    pub result: Option<Value>,
    /// Of a step of a workflow.
    pub payload: Option<Value>,
    pub reason: Option<String>,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no approval `{0}`")]
    NotFound(String),
    #[error("to decide this needs the scope `{0}`")]
    MissingScope(String),
    #[error("this was decided before")]
    Decided(Box<Approval>),
    #[error("the time to decide this is over")]
    Expired(Box<Approval>),
    #[error("the arguments are not those that were looked at")]
    Changed(Box<Approval>),
    #[error("the decision is not valid")]
    Invalid(Vec<Invalid>),
    #[error(transparent)]
    Runs(#[from] RunsError),
}

/// Decides on the approval `id` for `caller`, if nobody has; its run goes on at once.
pub async fn decide(
    runs: &Runs,
    caller: &Principal,
    id: &str,
    wish: Wish,
) -> Result<Approval, DecideError> {
    let not_found = || DecideError::NotFound(id.to_owned());
    let own: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let find = async || runs.db.read(async |conn| approvals::find(conn, tenant, own).await).await;
    let approval = find().await?.ok_or_else(not_found)?;
    if !caller.holds(&approval.required_scope) {
        return Err(DecideError::MissingScope(approval.required_scope));
    }
    if wish.arguments_hash != approval.arguments_hash {
        return Err(DecideError::Changed(Box::new(approval)));
    }
    let now = runs.clock.now();
    refuse_decided(&approval, now.time())?;
    check(runs, caller, &approval, &wish).await?;
    let run_id: Id = approval.run_id.parse().map_err(|_| not_found())?;
    let by = caller.subject.to_string();
    let status = match wish.decision {
        Decision::Reject | Decision::Expire => ApprovalStatus::Rejected,
        Decision::Approve | Decision::Retry | Decision::Done => ApprovalStatus::Approved,
    };
    let decided = Decided {
        status,
        arguments: wish.arguments.as_ref(),
        by: &by,
        reason: wish.reason.as_deref(),
        now,
    };
    let event = ApprovalDecided {
        approval_id: approval.id.clone(),
        decision: wish.decision,
        arguments: wish.arguments.clone(),
        result: wish.result,
        payload: wish.payload,
        reason: wish.reason.clone(),
        by: Some(by.clone()),
    };
    let order = Order::Decision(Box::new(event));
    let signal = Signal { tenant: tenant.clone(), run_id, id: own, order, created_at: now };
    let is_first = runs.db.write(async |tx| {
        let is_first = approvals::decide(tx, tenant, own, &decided).await?;
        if is_first {
            signals::insert(tx, &signal).await?;
        }
        Ok::<_, RunsError>(is_first)
    });
    let is_first = is_first.await?;
    let approval = find().await?.ok_or_else(not_found)?;
    if !is_first {
        refuse_decided(&approval, now.time())?;
        return Err(DecideError::Decided(Box::new(approval)));
    }
    take_up::bring(runs, signal).await;
    Ok(approval)
}

fn refuse_decided(
    approval: &Approval,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), DecideError> {
    let copy = || Box::new(approval.clone());
    match approval.status {
        ApprovalStatus::Pending if approval.expires_at > now => Ok(()),
        ApprovalStatus::Pending | ApprovalStatus::Expired => Err(DecideError::Expired(copy())),
        _ => Err(DecideError::Decided(copy())),
    }
}

/// What the body's schema cannot say: what may be decided, and whether the tool takes the arguments.
async fn check(
    runs: &Runs,
    caller: &Principal,
    approval: &Approval,
    wish: &Wish,
) -> Result<(), DecideError> {
    let mut wrong = Vec::new();
    let allowed: &[_] = match approval.kind {
        ApprovalKind::UnknownEffect => &[Decision::Retry, Decision::Done, Decision::Reject],
        ApprovalKind::ToolCall | ApprovalKind::Step => &[Decision::Approve, Decision::Reject],
        ApprovalKind::Consent => &[Decision::Reject],
    };
    if !allowed.contains(&wish.decision) {
        let detail = match approval.kind {
            ApprovalKind::UnknownEffect => "must be `retry`, `done` or `reject`",
            ApprovalKind::ToolCall | ApprovalKind::Step => "must be `approve` or `reject`",
            ApprovalKind::Consent => "must be `reject`: who is asked agrees at `consent.url`",
        };
        wrong.push(Invalid::new("/decision", "not_one_of", detail));
    }
    if wish.arguments.is_some() && wish.decision != Decision::Approve {
        let detail = "belongs to the decision `approve`";
        wrong.push(Invalid::new("/arguments", "conflict", detail));
    }
    if wish.result.is_some() != (wish.decision == Decision::Done) {
        let detail = "belongs to the decision `done`, which needs it";
        wrong.push(Invalid::new("/result", "conflict", detail));
    }
    let is_step = approval.kind == ApprovalKind::Step;
    if wish.payload.is_some() && !is_step {
        let detail = "belongs to a step of a workflow, and this is none";
        wrong.push(Invalid::new("/payload", "not_supported", detail));
    }
    if wish.arguments.is_some() && is_step {
        let detail = "what a step of a workflow is given stays as it is: it takes a `payload`";
        wrong.push(Invalid::new("/arguments", "not_supported", detail));
    }
    if !wrong.is_empty() {
        return Err(DecideError::Invalid(wrong));
    }
    if let Some(arguments) = &wish.arguments
        && let Err(detail) = check_arguments(runs, caller, approval, arguments).await?
    {
        wrong.push(Invalid::new("/arguments", "bad_arguments", detail));
    }
    let payload = wish.payload.as_ref().unwrap_or(&Value::Null);
    if is_step
        && (wish.decision == Decision::Approve || wish.payload.is_some())
        && let Some(detail) = payload_fault(runs, caller, approval, payload).await?
    {
        wrong.push(Invalid::new("/payload", "bad_payload", detail));
    }
    if wrong.is_empty() { Ok(()) } else { Err(DecideError::Invalid(wrong)) }
}

/// Whether the tool takes `arguments`, as the run would see it now.
async fn check_arguments(
    runs: &Runs,
    caller: &Principal,
    approval: &Approval,
    arguments: &Value,
) -> Result<Result<(), String>, RunsError> {
    let spec = match spec(runs, caller, approval).await? {
        Ok(spec) => spec,
        Err(why) => return Ok(Err(why)),
    };
    let tool = spec.tools().iter().find(|it| it.spec.tool.name == approval.tool.name);
    let Some(tool) = tool else { return Ok(Err("the tool is no longer there".to_owned())) };
    Ok(tool.spec.check(arguments))
}

/// What is wrong with the payload of a decision on a step of a workflow.
async fn payload_fault(
    runs: &Runs,
    caller: &Principal,
    approval: &Approval,
    payload: &Value,
) -> Result<Option<String>, RunsError> {
    Ok(match spec(runs, caller, approval).await? {
        Ok(Spec::Workflow(spec)) => spec.workflow.payload_fault(&approval.step, payload),
        Ok(Spec::Agent(_)) => None,
        Err(why) => Some(why),
    })
}

/// What the run that asks executes.
async fn spec(
    runs: &Runs,
    caller: &Principal,
    approval: &Approval,
) -> Result<Result<Spec, String>, RunsError> {
    let tenant = &caller.tenant;
    let missing = || RunsError::NotFound(approval.run_id.clone());
    let run_id: Id = approval.run_id.parse().map_err(|_| missing())?;
    let record = runs.db.read(async |conn| store::find(conn, tenant, run_id).await).await?;
    prepare::pinned(runs, &record.ok_or_else(missing)?).await
}
