//! When a person must agree to a call of a tool.

use engine::ApprovalRule;
use engine::Predicate;
use engine::PredicateFault;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use crate::http::Invalid;

/// When a person must agree to a call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApprovalRule)]
pub enum Approval {
    #[default]
    Never,
    Always,
    /// When this predicate over `/arguments` holds.
    #[schema(value_type = Object)]
    When(Value),
}

impl Approval {
    /// Demanded whenever one of the two demands it.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Always, _) | (_, Self::Always) => Self::Always,
            (Self::Never, only) | (only, Self::Never) => only.clone(),
            (Self::When(one), Self::When(other)) => {
                Self::When(json!({"op": "or", "args": [one, other]}))
            }
        }
    }

    /// As the engine asks it, or what is wrong with the predicate.
    pub fn rule(&self) -> Result<ApprovalRule, PredicateFault> {
        Ok(match self {
            Self::Never => ApprovalRule::Never,
            Self::Always => ApprovalRule::Always,
            Self::When(predicate) => {
                ApprovalRule::When(Predicate::parse(predicate, &["/arguments"])?)
            }
        })
    }

    /// What is wrong with the predicate; the approval stands at `place`.
    pub fn check(&self, place: &str) -> Vec<Invalid> {
        let fault = self.rule().err().map(|fault| {
            Invalid::new(format!("{place}/when{}", fault.pointer), "bad_predicate", fault.message)
        });
        fault.into_iter().collect()
    }
}
