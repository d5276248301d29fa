//! What somebody is asked to decide about a call.

use chrono::DateTime;
use chrono::Utc;

use crate::approval::Approval;
use crate::approval::ApprovalKind;
use crate::approval::Consent;
use crate::approval::OnTimeout;
use crate::waiting::WaitingFor;

/// An approval that nobody has decided yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub id: String,
    pub kind: ApprovalKind,
    pub version: Option<i64>,
    pub on_timeout: OnTimeout,
    pub expires_at: DateTime<Utc>,
    consent: Option<Box<Consent>>,
}

impl Pending {
    pub fn of(asked: &Approval) -> Self {
        Self {
            id: asked.id.clone(),
            kind: asked.kind,
            version: asked.tool.version,
            on_timeout: asked.on_timeout,
            expires_at: asked.expires_at,
            consent: asked.consent.clone(),
        }
    }

    /// What the run waits for meanwhile.
    pub fn waiting(&self) -> WaitingFor {
        let approval_id = self.id.clone();
        match self.consent.as_deref().cloned() {
            Some(Consent { upstream, url }) => WaitingFor::Consent { approval_id, upstream, url },
            None => WaitingFor::Approval { approval_id },
        }
    }
}
