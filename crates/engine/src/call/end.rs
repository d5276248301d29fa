//! How a call ends that is not made, or whose answer nobody has.

use llm::Part;
use llm::ToolStatus;
use serde_json::Value;

use super::Call;
use crate::approval::Decision;
use crate::event::ApprovalDecided;
use crate::event::ToolError;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::tool::Effect;

impl Call {
    pub(super) fn rejected(&self, decided: &ApprovalDecided) -> ToolFinished {
        let because = match (&decided.reason, decided.decision) {
            (Some(reason), _) => format!(": {reason}"),
            (None, Decision::Expire) => ": nobody has decided in time".to_owned(),
            (None, _) => String::new(),
        };
        let (status, message) = if self.lost.is_some() {
            let message = "nobody knows whether the call had its effect, and it is not repeated";
            (ToolStatus::Unknown, format!("{message}{because}"))
        } else if self.consent.is_some() {
            (ToolStatus::Rejected, format!("the person has not consented{because}"))
        } else {
            (ToolStatus::Rejected, format!("the call was not approved{because}"))
        };
        let error = ToolError::new(ToolErrorKind::Rejected, message);
        self.ended(status, Value::Null, Some(error))
    }

    /// The end of a call whose result nobody will bring: unknown if it may have had an effect.
    pub fn finished_without_result(&self, error: ToolError) -> ToolFinished {
        let is_unknown = (self.is_open || self.lost.is_some()) && self.effect != Effect::Read;
        let status = if is_unknown { ToolStatus::Unknown } else { ToolStatus::Failed };
        self.ended(status, Value::Null, Some(error))
    }

    pub(super) fn ended(
        &self,
        status: ToolStatus,
        result: Value,
        error: Option<ToolError>,
    ) -> ToolFinished {
        ToolFinished { call_id: self.id.clone(), status, result, error, duration_ms: 0 }
    }

    /// What the model is told. Only in logs of earlier engines does a call have no other end than that it is
    /// lost, or none at all.
    pub fn into_result(self) -> Part {
        let message = "the run was over before the call was".to_owned();
        let ended = self.finished_without_result(ToolError::new(ToolErrorKind::Canceled, message));
        let lost = self.lost.map(|told| (ToolStatus::Unknown, told));
        let (status, result) = self.result.or(lost).unwrap_or_else(|| (ended.status, ended.told()));
        Part::ToolResult { call_id: self.id, tool: self.tool, status, result }
    }
}
