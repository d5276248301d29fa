//! What runs wait for, and how that is recorded.

use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The run stops until something comes from outside; no process has it meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunWaiting {
    pub status: WaitingStatus,
    pub waiting_for: Vec<WaitingFor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingStatus {
    /// It goes on by itself.
    Waiting,
    /// It needs somebody.
    Suspended,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WaitingFor {
    Timer {
        until: DateTime<Utc>,
    },
    Event {
        name: String,
        key: String,
    },
    Child {
        run_id: String,
    },
    Approval {
        approval_id: String,
    },
    /// The consent of the person for whom the run works.
    Consent {
        approval_id: String,
        upstream: String,
        url: String,
    },
}

impl WaitingFor {
    /// Whether somebody has to do something before the run goes on.
    pub fn needs_somebody(&self) -> bool {
        matches!(self, Self::Approval { .. } | Self::Consent { .. })
    }
}

/// An entry of a workflow waits until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSet {
    pub timer_id: String,
    pub step: String,
    pub until: DateTime<Utc>,
}

/// That time has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerFired {
    pub timer_id: String,
}

/// Something happened outside that an entry of a workflow waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventReceived {
    pub step: String,
    pub name: String,
    pub key: String,
    pub payload: Value,
}
