//! Runs: what was asked of an agent, what happened, and what came of it.
//!
//! One append-only log per run is the truth (`run_events`); the row in `runs` is a view of it that
//! lists can be made of, and changes in the transaction of the event that causes the change.
//! [`execute`] begins a run, [`driver`] takes its steps, [`journal`] stores its events, [`watch`]
//! reads them, here and ([`mirror`], [`relay`]) on other processes, [`recover`] goes on with the runs of
//! processes that are gone.

mod affordable;
pub mod approvals;
pub mod asked;
mod budgets;
pub mod call;
pub mod cancel;
mod child;
pub mod cursor;
mod driver;
pub mod executable;
pub mod execute;
mod execution;
mod fork;
mod frame;
pub mod happen;
mod hint;
mod journal;
mod live;
mod log;
pub mod look;
mod mirror;
mod offered;
pub mod perform;
mod permits;
mod pins;
mod prepare;
pub mod recover;
pub mod relay;
pub mod retention;
mod rights;
pub mod routes;
mod service;
pub mod signal;
pub mod stats;
mod store;
mod stream;
mod take_up;
mod text;
pub mod threads;
mod tool;
mod trace;
mod tree;
pub mod triggers;
mod values;
pub mod watch;
pub mod webhook;

use engine::DefinitionRef;
use engine::Input;
use engine::Limits;
use engine::Outcome;
use engine::Output;
use engine::RunError;
use engine::RunKind;
use engine::Usage;
use engine::WaitingFor;
use engine::WaitingStatus;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

pub use self::budgets::Budgets;
pub use self::service::Runs;
pub use self::service::Services;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::DefinitionError;

/// A run, as its caller sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Run {
    #[serde(flatten)]
    pub summary: RunSummary,
    pub input: Input,
    pub output: Option<Output>,
}

/// A run without what went in and came out, as lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunSummary {
    pub id: Id,
    pub kind: RunKind,
    /// What it executes, in the version that it is pinned to.
    pub definition: DefinitionRef,
    pub thread_id: Option<Id>,
    pub parent_run_id: Option<Id>,
    pub forked_from: Option<Id>,
    pub status: Status,
    pub waiting_for: Vec<WaitingFor>,
    pub error: Option<RunError>,
    pub usage: Usage,
    pub limits: Limits,
    /// Turns that have begun.
    pub steps: u32,
    /// How often it was taken up.
    pub attempt: u32,
    /// The number of its last event, as far as the run's row knows; 0 before the first.
    pub last_seq: u64,
    pub subject: String,
    pub client_id: String,
    /// The caller's own name for its end user.
    pub user: Option<String>,
    pub trigger: Trigger,
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    pub created_at: At,
    pub started_at: Option<At>,
    pub finished_at: Option<At>,
}

/// Where a run stands. The last four are written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No process has begun it.
    Queued,
    Running,
    /// It goes on by itself.
    Waiting,
    /// It needs somebody.
    Suspended,
    Succeeded,
    Failed,
    Canceled,
    TimedOut,
}

/// What began a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Api,
    /// What another server told a path of a workflow.
    Webhook,
    /// A schedule of a workflow.
    Cron,
    /// An event for which a workflow has a trigger.
    Event,
    /// Another run: its parent.
    Run,
}

/// A run as the server keeps it: what callers see, and what it needs to go on.
#[derive(Debug, Clone)]
pub struct Record {
    pub tenant: TenantId,
    /// The id in `run.definition`.
    pub definition: Id,
    pub run: Run,
    pub asked: asked::Asked,
    /// The rights of the caller, which the run never exceeds.
    pub scopes: auth::scope::Scopes,
    /// The engine that the run needs.
    pub engine: i32,
}

/// Why something could not be done with a run.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    #[error("there is no run `{0}`")]
    NotFound(String),
    #[error("there is no thread `{0}`")]
    ThreadNotFound(String),
    #[error("another run of the thread is at work")]
    ThreadBusy,
    #[error("a row of a run or a thread cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("an event of a run cannot be read")]
    Event(#[from] engine::ParseError),
    #[error(transparent)]
    Definitions(#[from] DefinitionError),
    #[error("what concerns a run could not be stored")]
    Journal(#[from] journal::JournalError),
    #[error("the database refused a query of runs")]
    Database(#[from] sqlx::Error),
}

impl Status {
    /// Whether the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::TimedOut)
    }

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Trigger {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::Cron => "cron",
            Self::Event => "event",
            Self::Run => "run",
        }
    }
}

impl From<WaitingStatus> for Status {
    fn from(status: WaitingStatus) -> Self {
        match status {
            WaitingStatus::Waiting => Self::Waiting,
            WaitingStatus::Suspended => Self::Suspended,
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Canceled => Self::Canceled,
            Outcome::TimedOut => Self::TimedOut,
        }
    }
}
