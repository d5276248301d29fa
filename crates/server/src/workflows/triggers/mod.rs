//! What begins runs of a workflow beside those who execute it: members of its definition, and what is kept of them.
//!
//! The definition says what triggers there are. `workflow_triggers` is made of it ([`arm`]) and holds what must be
//! found without reading definitions: paths, names of events, and when schedules are due. What triggers do,
//! [`crate::runs`] does.

pub mod arm;
mod content;
pub mod keys;
pub mod look;
pub mod pause;
mod rules;
mod who;

use chrono::DateTime;
use chrono::Utc;
use engine::Schedule;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

pub use content::HookMethod;
pub use content::Signature;
pub use content::Trigger;
pub use content::named;
pub use rules::EVENT_KEY_BYTES;
pub use rules::broken_rules;
pub use rules::follow;
pub use rules::missing_rights;
pub use rules::taken;
pub use who::Who;

/// A trigger of the version of a workflow that is at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Armed {
    pub tenant: TenantId,
    pub workflow_id: Id,
    pub trigger: Trigger,
    pub version: i64,
    /// Whether the workflow is.
    pub is_active: bool,
    pub who: Who,
    pub paused_at: Option<At>,
    /// All occurrences until then are dealt with.
    pub handled_at: Option<At>,
    /// When it is due; `None`: it never is by itself.
    pub next_at: Option<At>,
}

/// What a trigger did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Firing {
    pub id: Id,
    /// The occurrence of the schedule that it was for; `null` if it was for none.
    #[schema(required)]
    pub at: Option<At>,
    pub fired_at: At,
    pub status: FiringStatus,
    /// The run that it has begun.
    #[schema(required)]
    pub run_id: Option<Id>,
    /// Why it has begun none.
    #[schema(required)]
    pub error: Option<FiringError>,
    /// Who asked for it, if that is known.
    #[schema(required, example = "client:shop")]
    pub by: Option<String>,
}

/// What became of an occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FiringStatus {
    /// It has begun a run.
    Started,
    /// Occurrences were missed, and are not made up for.
    Skipped,
    /// Whoever saved the workflow may not execute it now, or what came from outside was not right.
    Refused,
}

/// Why a trigger has begun no run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FiringError {
    #[schema(example = "missing_scope")]
    pub code: String,
    pub message: String,
}

/// A firing that is to be stored.
#[derive(Debug, Clone)]
pub struct NewFiring {
    pub tenant: TenantId,
    pub workflow_id: Id,
    pub trigger_id: String,
    /// What came from outside, as far as it must come once.
    pub delivery: Option<String>,
    pub firing: Firing,
}

impl FiringStatus {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

impl FiringError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

impl Armed {
    /// When it is due after `time`, if it has a schedule and nothing keeps it from that.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<At> {
        let is_at_work = self.is_active && self.paused_at.is_none();
        let schedule = self.trigger.schedule().filter(|_| is_at_work)?;
        schedule.after(time).next().map(At::new)
    }

    /// A firing at `now`, of which the rest is to be said.
    pub fn firing(&self, id: Id, now: At, status: FiringStatus) -> NewFiring {
        NewFiring {
            tenant: self.tenant.clone(),
            workflow_id: self.workflow_id,
            trigger_id: self.trigger.id().to_owned(),
            delivery: None,
            firing: Firing {
                id,
                at: None,
                fired_at: now,
                status,
                run_id: None,
                error: None,
                by: None,
            },
        }
    }
}

impl Trigger {
    /// When it fires by itself.
    pub fn schedule(&self) -> Option<Schedule> {
        match self {
            Self::Cron { cron, timezone, .. } => Schedule::parse(cron, timezone).ok(),
            _ => None,
        }
    }
}
