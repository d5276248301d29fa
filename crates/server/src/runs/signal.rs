//! What others leave for the owner of a run: only he writes its log.
//!
//! A signal is a row of `run_signals` until its owner records what follows from it; that takes the
//! row away in the same transaction. Telling him in memory is only faster.

use engine::ApprovalDecided;
use engine::ResumeReason;
use engine::Usage;
use serde::Deserialize;
use serde::Serialize;

use super::happen::Given;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// Something that the owner of a run must record.
#[derive(Debug, Clone)]
pub struct Signal {
    pub tenant: TenantId,
    pub run_id: Id,
    /// One of a kind: the second order to end a run, say, is none.
    pub id: Id,
    pub order: Order,
    pub created_at: At,
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The run is to end.
    Cancel(Cancel),
    /// Somebody decided on one of its approvals.
    Decision(Box<ApprovalDecided>),
    /// The person for whom it works has consented to what one of its calls takes.
    Consent(Box<ApprovalDecided>),
    /// Something happened outside that the run waits for.
    Event(Box<Given>),
    /// A run that it began is over, and has used this, with all below it.
    ChildEnded {
        run_id: Id,
        usage: Usage,
        /// As in [`engine::ChildFinished`]; a process of an earlier release does not say it.
        #[serde(default)]
        worked_ms: Option<u64>,
    },
}

/// An order to end a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    pub by: String,
    pub reason: Option<String>,
}

/// The signals that an entry of the journal answers.
#[derive(Debug, Clone)]
pub struct Taken {
    pub tenant: TenantId,
    pub run_id: Id,
    pub id: Id,
}

impl Signal {
    /// The first order to end a run counts.
    pub fn cancel(tenant: TenantId, run_id: Id, cancel: Cancel, created_at: At) -> Self {
        Self { tenant, run_id, id: run_id, order: Order::Cancel(cancel), created_at }
    }
}

impl Order {
    /// Why a run that waits goes on with it.
    pub fn reason(&self) -> ResumeReason {
        match self {
            Self::Cancel(_) => ResumeReason::Cancel,
            Self::Decision(_) => ResumeReason::Decision,
            Self::Consent(_) => ResumeReason::Consent,
            Self::Event(_) => ResumeReason::Event,
            Self::ChildEnded { .. } => ResumeReason::Child,
        }
    }

    /// The name of its kind in the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cancel(_) => "cancel",
            Self::Decision(_) => "decision",
            Self::Consent(_) => "consent",
            Self::Event(_) => "event",
            Self::ChildEnded { .. } => "child",
        }
    }
}
