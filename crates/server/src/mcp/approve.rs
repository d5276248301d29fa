//! Approvals that a client can be asked for while it waits for its call.

use std::time::Duration;

use engine::Approval;
use engine::ApprovalKind;
use engine::Consent;
use engine::Decision;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::app::App;
use crate::mcp::asks::NoValue;
use crate::mcp::asks::Question;
use crate::mcp::asks::accepted;
use crate::mcp::call::CallError;
use crate::oauth::caller::Principal;
use crate::runs::approvals::decide;
use crate::runs::approvals::decide::DecideError;
use crate::runs::approvals::decide::Wish;
use crate::runs::approvals::is_pending;

/// How often it is looked whether somebody has consented.
const LOOK: Duration = Duration::from_millis(500);

/// What the person is asked.
pub fn question(approval: &Approval) -> Question {
    if let Some(Consent { upstream, url }) = approval.consent.as_deref() {
        let message = format!("`{upstream}` is to be used in your name. You are asked on a page.");
        let params =
            json!({"mode": "url", "message": message, "url": url, "elicitationId": approval.id});
        return Question { method: "elicitation/create", params };
    }
    let (tool, arguments) = (&approval.tool.name, &approval.arguments);
    let mut message = match approval.kind {
        ApprovalKind::UnknownEffect => format!(
            "A call of `{tool}` was cut off, and nobody knows what it did. May it be made again with {arguments}?"
        ),
        ApprovalKind::ToolCall | ApprovalKind::Step | ApprovalKind::Consent => {
            format!("May `{tool}` be called with {arguments}?")
        }
    };
    if let Some(more) = &approval.message {
        message = format!("{message} {more}");
    }
    let schema = json!({
        "type": "object",
        "properties": {
            "approve": {"type": "boolean", "title": "Approve"},
            "reason": {"type": "string", "title": "Reason", "maxLength": 1000},
        },
        "required": ["approve"],
    });
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    Question { method: "elicitation/create", params }
}

/// Decides as the person has `answered`; `false`: he has left it open.
pub async fn answer(
    app: &App,
    caller: &Principal,
    approval: &Approval,
    answer: &Value,
    until: Instant,
) -> Result<bool, CallError> {
    if approval.kind == ApprovalKind::Consent {
        return wait_for_consent(app, caller, approval, answer, until).await;
    }
    let content = match accepted(answer) {
        Ok(content) => content,
        // Who closes a form has not decided anything.
        Err(NoValue::Declined) if answer["action"] == "cancel" => return Ok(false),
        Err(NoValue::Declined) => json!({"approve": false}),
        Err(NoValue::Wrong(why)) => return Err(CallError::Refused(why)),
    };
    let Some(approve) = content["approve"].as_bool() else {
        return Err(CallError::Refused("`approve` must be true or false".to_owned()));
    };
    let decision = match (approve, approval.kind) {
        (false, _) => Decision::Reject,
        (true, ApprovalKind::UnknownEffect) => Decision::Retry,
        (true, _) => Decision::Approve,
    };
    let reason = content["reason"].as_str().filter(|it| !it.is_empty());
    let reason = reason.map(|it| it.chars().take(1000).collect());
    match decide::decide(&app.runs, caller, &approval.id, wish(approval, decision, reason)).await {
        // Somebody else was first, or the time was: the run goes on as well.
        Ok(_) | Err(DecideError::Decided(_) | DecideError::Expired(_)) => Ok(true),
        Err(DecideError::Runs(error)) => Err(error.into()),
        Err(refused) => Err(CallError::Refused(refused.to_string())),
    }
}

/// Waits until he who has gone to a page has consented there, `until` at most.
async fn wait_for_consent(
    app: &App,
    caller: &Principal,
    approval: &Approval,
    answer: &Value,
    until: Instant,
) -> Result<bool, CallError> {
    if answer["action"] == "decline" {
        let rejected = wish(approval, Decision::Reject, None);
        return match decide::decide(&app.runs, caller, &approval.id, rejected).await {
            Ok(_) | Err(DecideError::Decided(_) | DecideError::Expired(_)) => Ok(true),
            Err(DecideError::Runs(error)) => Err(error.into()),
            // Who may not reject it leaves it open.
            Err(_) => Ok(false),
        };
    }
    if accepted(answer).is_err() {
        return Ok(false);
    }
    while is_pending(&app.runs, &caller.tenant, &approval.id).await? {
        if Instant::now() + LOOK > until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(true)
}

fn wish(approval: &Approval, decision: Decision, reason: Option<String>) -> Wish {
    let arguments_hash = approval.arguments_hash.clone();
    Wish { decision, arguments_hash, arguments: None, result: None, payload: None, reason }
}
