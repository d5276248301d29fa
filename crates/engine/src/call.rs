//! One call of a tool, that a model made or a workflow: what its events say of it, and what comes next for it.

mod end;
mod pending;

use std::time::Duration;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use llm::Part;
use llm::ToolStatus;
use pending::Pending;
use serde_json::Value;

use crate::agent::AgentSpec;
use crate::agent::ApprovalDue;
use crate::agent::Callee;
use crate::agent::ChildDue;
use crate::agent::OfferedTool;
use crate::agent::ToolCall;
use crate::approval::Approval;
use crate::approval::ApprovalKind;
use crate::approval::ApprovalPolicy;
use crate::approval::ApprovalTool;
use crate::approval::Consent;
use crate::approval::Decision;
use crate::approval::OnTimeout;
use crate::child::ChildStarted;
use crate::event::ApprovalDecided;
use crate::event::RunKind;
use crate::event::ToolError;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::event::ToolStarted;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::tool::Effect;
use crate::tool::arguments_hash;
use crate::tool::effect_id;
use crate::waiting::WaitingFor;

/// An answer makes at most so many calls; what it has beyond them is not made.
pub(crate) const CALLS: usize = 64;

/// A call that may be repeated is made so often when its answer gets lost.
const ATTEMPTS: u32 = 3;

/// A call of the last assistant message, or of an entry of a workflow.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub id: String,
    pub tool: String,
    arguments: Value,
    /// Its answer made more calls than there may be, and this is one of those beyond.
    pub is_beyond: bool,
    /// Why the model's arguments are none.
    malformed: Option<String>,
    /// How often it was begun.
    attempts: u32,
    /// Begun, and its end is not recorded.
    is_open: bool,
    effect: Effect,
    /// Of its attempts; a fork may have taken it over from another run.
    effect_id: Option<String>,
    /// It was sent, and its answer is lost: this is what is known of it.
    lost: Option<Value>,
    /// It was not sent: this must be consented to first.
    consent: Option<Box<Consent>>,
    pending: Option<Pending>,
    approved: Option<Approved>,
    /// The end that a decision brought, not recorded yet.
    verdict: Option<ToolFinished>,
    /// The run that it began.
    child: Option<String>,
    child_ended: bool,
    /// When it began that, and how long the run had waited until then.
    pub child_begun: (DateTime<Utc>, TimeDelta),
    /// Where stands what it found in documents, itself or by the run that it began.
    pub citations: Vec<Value>,
    /// Why it gave no result.
    failure: Option<ToolErrorKind>,
    result: Option<(ToolStatus, Value)>,
}

/// What somebody agreed to: nothing else may be called.
#[derive(Debug, Clone)]
struct Approved {
    version: Option<i64>,
}

/// What comes next for a call.
pub(crate) enum Next {
    Record(ToolFinished),
    Ask(ApprovalDue),
    Child(ChildDue),
    Call(ToolCall),
    Wait(WaitingFor),
}

impl Call {
    pub fn of(part: &Part) -> Option<Self> {
        let Part::ToolCall { call_id, tool, arguments, malformed } = part else { return None };
        let malformed = malformed.as_ref().map(|malformed| malformed.reason.clone());
        Some(Self { malformed, ..Self::new(call_id.clone(), tool.clone(), arguments.clone()) })
    }

    /// A call of which nothing is done yet.
    pub fn new(id: String, tool: String, arguments: Value) -> Self {
        Self {
            id,
            tool,
            arguments,
            is_beyond: false,
            malformed: None,
            attempts: 0,
            is_open: false,
            effect: Effect::Read,
            effect_id: None,
            lost: None,
            consent: None,
            pending: None,
            approved: None,
            verdict: None,
            child: None,
            child_ended: false,
            child_begun: (DateTime::UNIX_EPOCH, TimeDelta::zero()),
            citations: Vec::new(),
            failure: None,
            result: None,
        }
    }

    /// Whether it is begun and its end is not recorded.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether it was made, and making it again would have its effect again.
    pub fn has_effects(&self) -> bool {
        self.effect == Effect::Effect
    }

    /// Whether anything of it is recorded that its end must follow.
    pub fn is_begun(&self) -> bool {
        self.attempts > 0
    }

    /// How it ended, and what the model was told, once it is done.
    pub fn result(&self) -> Option<&(ToolStatus, Value)> {
        self.result.as_ref()
    }

    pub fn is_done(&self) -> bool {
        self.result.is_some()
    }

    /// Whether nothing could be called: there is no such tool, or it takes other arguments.
    pub fn is_wrong(&self) -> bool {
        matches!(self.failure, Some(ToolErrorKind::InvalidArguments | ToolErrorKind::UnknownTool))
    }

    /// Whether it may have had its effect, and no result says so.
    pub fn is_unresolved(&self) -> bool {
        let is_sent = self.attempts > 0 && self.consent.is_none();
        is_sent && self.effect != Effect::Read && !self.is_done()
    }

    /// Whether a run of its own is to answer it.
    pub fn begins_run(&self, spec: &AgentSpec) -> bool {
        let is_called = |it: &&OfferedTool| it.spec.tool.name == self.tool;
        spec.tools.iter().find(is_called).is_some_and(|it| it.callee != Callee::Tool)
    }

    /// Whether it began the run `child`.
    pub fn began(&self, child: &str) -> bool {
        self.child.as_deref() == Some(child)
    }

    /// The run that it began and whose end is not recorded.
    pub fn open_child(&self) -> Option<&str> {
        self.child.as_deref().filter(|_| !self.child_ended)
    }

    /// Whether it began a run that is over.
    pub fn has_ended_child(&self) -> bool {
        self.child_ended
    }

    pub fn end_child(&mut self) {
        self.child_ended = true;
    }

    /// Whether a person is asked to decide on it.
    pub fn asks(&self) -> bool {
        self.pending.is_some()
    }

    /// The approval that it waits for, and when that expires.
    pub fn expiry(&self) -> Option<(&str, DateTime<Utc>)> {
        self.pending.as_ref().map(|pending| (pending.id.as_str(), pending.expires_at))
    }

    /// Whether `approval_id` is what it waits for.
    pub fn awaits(&self, approval_id: &str) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.id == approval_id)
    }

    pub fn start(&mut self, started: &ToolStarted) {
        self.attempts += 1;
        self.is_open = true;
        self.effect = started.effect;
        self.effect_id = Some(started.effect_id.clone());
        self.lost = None;
        self.consent = None;
    }

    pub fn finish(&mut self, finished: &ToolFinished) {
        self.is_open = false;
        self.verdict = None;
        self.failure = finished.error.as_ref().map(|error| error.kind);
        self.consent = finished.error.as_ref().and_then(|error| error.consent.clone());
        if self.consent.is_some() {
            return;
        }
        if finished.is_lost() && self.may_go_on_after_loss() {
            self.lost = Some(finished.told());
        } else {
            self.lost = None;
            self.result = Some((finished.status, finished.told()));
        }
    }

    /// A lost call is repeated, if that is harmless, and else a person is asked.
    fn may_go_on_after_loss(&self) -> bool {
        match self.effect {
            Effect::Read => false,
            Effect::Idempotent => self.attempts < ATTEMPTS,
            Effect::Effect => true,
        }
    }

    pub fn ask(&mut self, asked: &Approval) {
        self.pending = Some(Pending::of(asked));
    }

    pub fn child(&mut self, child: &ChildStarted) {
        self.child = Some(child.run_id.clone());
    }

    /// Applies a decision; an error is the end of the run.
    pub fn decide(&mut self, decided: &ApprovalDecided) -> Option<RunError> {
        let pending = self.pending.take()?;
        let decision = match (decided.decision, pending.on_timeout, pending.kind) {
            (Decision::Expire, OnTimeout::Fail, _) => {
                let message = format!("nobody has decided on the call of `{}` in time", self.tool);
                return Some(RunError::new(RunErrorKind::Tool, message));
            }
            (Decision::Expire, OnTimeout::Approve, ApprovalKind::ToolCall) => Decision::Approve,
            (Decision::Expire, ..) => Decision::Reject,
            (decision, ..) => decision,
        };
        match decision {
            Decision::Approve | Decision::Retry if pending.kind == ApprovalKind::UnknownEffect => {
                self.lost = None;
            }
            Decision::Approve if pending.kind == ApprovalKind::Consent => self.consent = None,
            Decision::Approve | Decision::Retry => {
                if let Some(arguments) = &decided.arguments {
                    self.arguments = arguments.clone();
                    self.malformed = None;
                }
                self.approved = Some(Approved { version: pending.version });
            }
            Decision::Done => {
                let result = decided.result.clone().unwrap_or_default();
                self.verdict = Some(self.ended(ToolStatus::Done, result, None));
            }
            Decision::Reject | Decision::Expire => self.verdict = Some(self.rejected(decided)),
        }
        None
    }

    /// What comes next for a call that is not done, in `step` of the run; `found` is the tool of its name.
    pub fn next(&self, run_id: &str, step: &str, found: Option<&OfferedTool>) -> Next {
        if let Some(verdict) = &self.verdict {
            return Next::Record(verdict.clone());
        }
        if self.is_beyond && self.attempts == 0 && self.pending.is_none() {
            let message =
                format!("an answer makes at most {CALLS} calls, and this one is not made");
            let error = ToolError::new(ToolErrorKind::Failed, message);
            return Next::Record(self.ended(ToolStatus::Failed, Value::Null, Some(error)));
        }
        if let Some(child) = &self.child {
            return Next::Wait(WaitingFor::Child { run_id: child.clone() });
        }
        if let Some(pending) = &self.pending {
            return Next::Wait(pending.waiting());
        }
        if self.is_open && self.effect != Effect::Read {
            let message = "the call was sent, but its answer was lost";
            let error = ToolError::new(ToolErrorKind::Lost, message);
            return Next::Record(self.ended(ToolStatus::Unknown, Value::Null, Some(error)));
        }
        if self.lost.is_some() && self.effect == Effect::Effect {
            return Next::Ask(self.approval(ApprovalKind::UnknownEffect, found, step));
        }
        if self.consent.is_some() {
            return Next::Ask(self.approval(ApprovalKind::Consent, found, step));
        }
        let refused = self.refusal(found);
        let Some(tool) = found.filter(|_| refused.is_none()) else {
            return Next::Call(self.due(run_id, found, refused, step));
        };
        if tool.approval.applies_to(&self.arguments) && !self.is_approved(tool) {
            return Next::Ask(self.approval(ApprovalKind::ToolCall, found, step));
        }
        let call = self.due(run_id, found, None, step);
        let (kind, name) = match &tool.callee {
            Callee::Tool => return Next::Call(call),
            Callee::Agent(name) => (RunKind::Agent, name.clone()),
            Callee::Workflow(name) => (RunKind::Workflow, name.clone()),
        };
        Next::Child(ChildDue { started: call.started, kind, name })
    }

    /// Somebody agreed to this version of the tool. An attempt that followed his agreement is not
    /// asked for again.
    fn is_approved(&self, tool: &OfferedTool) -> bool {
        self.approved.as_ref().is_some_and(|it| it.version == tool.spec.version)
    }

    /// Why the call must not be made.
    fn refusal(&self, found: Option<&OfferedTool>) -> Option<ToolError> {
        let Some(tool) = found else {
            let message = format!("there is no tool `{}`", self.tool);
            return Some(ToolError::new(ToolErrorKind::UnknownTool, message));
        };
        if let Some(message) = &tool.unavailable {
            return Some(ToolError::new(ToolErrorKind::UnknownTool, message.clone()));
        }
        let wrong = self.malformed.clone().or_else(|| tool.spec.check(&self.arguments).err());
        wrong.map(|message| ToolError::new(ToolErrorKind::InvalidArguments, message))
    }

    fn due(
        &self,
        run_id: &str,
        found: Option<&OfferedTool>,
        refused: Option<ToolError>,
        step: &str,
    ) -> ToolCall {
        let wait = match (&self.lost, self.attempts) {
            (None, _) | (_, 0) => Duration::ZERO,
            (Some(_), attempts) => Duration::from_secs(1 << (attempts - 1).min(4)),
        };
        ToolCall {
            started: ToolStarted {
                call_id: self.id.clone(),
                step: step.to_owned(),
                tool: self.tool.clone(),
                version: found.and_then(|it| it.spec.version),
                arguments: self.arguments.clone(),
                arguments_hash: arguments_hash(&self.arguments),
                effect_id: self.effect_id.clone().unwrap_or_else(|| effect_id(run_id, &self.id)),
                // A call that is refused is not made, and so has no effect.
                effect: match (found, &refused) {
                    (Some(tool), None) => tool.spec.effect,
                    _ => Effect::Read,
                },
                attempt: self.attempts + 1,
            },
            refused,
            wait,
        }
    }

    fn approval(&self, kind: ApprovalKind, found: Option<&OfferedTool>, step: &str) -> ApprovalDue {
        let version = found.and_then(|it| it.spec.version);
        ApprovalDue {
            kind,
            step: step.to_owned(),
            call_id: self.id.clone(),
            tool: ApprovalTool { name: self.tool.clone(), version },
            arguments: self.arguments.clone(),
            arguments_hash: arguments_hash(&self.arguments),
            policy: match kind {
                ApprovalKind::Consent => ApprovalPolicy::default(),
                _ => found.map(|it| it.approval.clone()).unwrap_or_default(),
            },
            consent: self.consent.clone(),
        }
    }
}
