//! Approvals: a person agrees to a call before it is made, or says what came of one that was cut off.

use std::fmt;

use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::predicate::Predicate;

/// The scope of whoever may decide, if a tool's policy names no other.
pub const APPROVER: &str = "approval.decide";

/// When a person must agree to a call of a tool, and how long the call waits for him.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalPolicy {
    pub rule: ApprovalRule,
    /// What whoever decides must hold beside [`APPROVER`].
    pub scope: Option<String>,
    pub timeout_ms: u64,
    pub on_timeout: OnTimeout,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalRule {
    Never,
    Always,
    /// When the predicate over `/arguments` holds, and when it cannot be decided.
    When(Predicate),
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            rule: ApprovalRule::Never,
            scope: None,
            timeout_ms: 24 * 60 * 60 * 1000,
            on_timeout: OnTimeout::Reject,
        }
    }
}

impl ApprovalPolicy {
    /// Whether a call with these arguments needs a person.
    pub fn applies_to(&self, arguments: &Value) -> bool {
        match &self.rule {
            ApprovalRule::Never => false,
            ApprovalRule::Always => true,
            ApprovalRule::When(predicate) => {
                predicate.decide(&json!({ "arguments": arguments })) != Some(false)
            }
        }
    }
}

/// What happens when nobody has decided in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The call is not made, and the model is told so.
    #[default]
    Reject,
    /// The call is made. For an unknown effect: as `reject`.
    Approve,
    /// The run fails.
    Fail,
}

/// What a person is asked to decide, and what he decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    pub id: String,
    pub kind: ApprovalKind,
    pub run_id: String,
    /// The turn or entry of the run.
    pub step: String,
    pub call_id: String,
    pub tool: ApprovalTool,
    /// What the tool is to be called with; after a decision with other arguments, those.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// `sha256:…` of the canonical form of the arguments that were asked for.
    pub arguments_hash: String,
    pub message: Option<String>,
    pub status: ApprovalStatus,
    /// What whoever decides must hold.
    pub required_scope: String,
    /// The subject of the run.
    pub requested_by: String,
    pub expires_at: DateTime<Utc>,
    pub on_timeout: OnTimeout,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Of the kind `consent`: what the subject of the run has to consent to, and where he does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub consent: Option<Box<Consent>>,
}

/// What a person has to consent to before a call can be made in his name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// The server of others that wants to know that he does, by its name.
    #[schema(example = "github")]
    pub upstream: String,
    /// Where he does, in a browser in which he is signed in. It is the same for everybody, and opens nothing by itself.
    #[schema(example = "https://agents.example.com/mcp/consent/github")]
    pub url: String,
}

/// The tool of an approval, in the version that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalTool {
    pub name: String,
    /// `null` for a tool of the server's code.
    pub version: Option<i64>,
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, url } = self;
        write!(f, "the person must let `{upstream}` be used in his name first, at {url}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// May the call be made?
    ToolCall,
    /// An entry of a workflow.
    Step,
    /// The call was sent and its answer lost: did it have its effect?
    UnknownEffect,
    /// The call is made in the name of a person, who has not consented to that yet. Only he can, where `consent` says;
    /// whoever may decide may reject it.
    Consent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    Pending,
    Approved,
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The run ended before anybody decided.
    Canceled,
}

/// What somebody decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Reject,
    /// Of an unknown effect: it did not happen, or may happen twice; make the call again.
    Retry,
    /// Of an unknown effect: it did happen, and this is its result.
    Done,
    /// Nobody decided in time.
    Expire,
}
