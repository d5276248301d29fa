//! Approvals that a client can be asked for while it waits for its call.

use engine::Approval;
use engine::ApprovalKind;
use engine::Decision;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::mcp::asks::NoValue;
use crate::mcp::asks::Question;
use crate::mcp::asks::accepted;
use crate::mcp::call::CallError;
use crate::oauth::caller::Principal;
use crate::runs::approvals::decide;
use crate::runs::approvals::decide::DecideError;
use crate::runs::approvals::decide::Wish;

/// What the person is asked.
pub fn question(approval: &Approval) -> Question {
    let (tool, arguments) = (&approval.tool.name, &approval.arguments);
    let mut message = match approval.kind {
        ApprovalKind::UnknownEffect => format!(
            "A call of `{tool}` was cut off, and nobody knows what it did. May it be made again with {arguments}?"
        ),
        ApprovalKind::ToolCall | ApprovalKind::Step => {
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
) -> Result<bool, CallError> {
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
    let wish = Wish {
        decision,
        arguments_hash: approval.arguments_hash.clone(),
        arguments: None,
        result: None,
        reason: reason.map(|it| it.chars().take(1000).collect()),
    };
    match decide::decide(&app.runs, caller, &approval.id, wish).await {
        // Somebody else was first, or the time was: the run goes on as well.
        Ok(_) | Err(DecideError::Decided(_) | DecideError::Expired(_)) => Ok(true),
        Err(DecideError::Runs(error)) => Err(error.into()),
        Err(refused) => Err(CallError::Refused(refused.to_string())),
    }
}
