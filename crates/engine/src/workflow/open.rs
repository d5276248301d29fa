//! What of a run is open towards the outside: runs below it, people who are asked, and what is given up.

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde_json::Value;

use super::WorkflowRun;
use super::definition::Action;
use super::definition::Workflow;
use super::place::Place;
use super::state::Node;
use super::state::Stage;
use super::state::Work;
use super::visit::Seen;
use super::visit::milliseconds;
use crate::event::Event;
use crate::outcome::RunError;

/// What the end of a run below is the end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildOf {
    /// The call with this id, which ends with it.
    Call(String),
    /// Of an entry, or of nothing any more.
    Entry,
}

impl Workflow {
    /// What is wrong with the payload of a decision on the entry `step`, in words for whoever decides.
    pub fn payload_fault(&self, step: &str, payload: &Value) -> Option<String> {
        let place = self.place(step)?;
        let Action::Approval(asking) = &self.entry(&place)?.action else { return None };
        crate::tool::faults(&asking.payload_schema.as_ref()?.0, payload).err()
    }

    /// Where the entry `step` stands in the definition (RFC 6901).
    pub fn pointer_of(&self, step: &str) -> Option<&str> {
        Some(&self.entry(&self.place(step)?)?.at)
    }
}

impl WorkflowRun {
    /// How long it has slept and waited, without the time in which runs below were at work.
    pub fn waited(&self) -> TimeDelta {
        self.state.waited
    }

    /// The runs that it began and that are not over.
    pub fn open_children(&self) -> impl Iterator<Item = &str> {
        self.state.children.keys().map(String::as_str)
    }

    /// The same, with the time by which each of them must have begun: what was left of the time of this one.
    pub fn children_due(&self) -> impl Iterator<Item = (&str, DateTime<Utc>)> {
        let began = self.state.started_at.unwrap_or_default();
        let limit = began + milliseconds(self.limits.timeout_ms);
        self.state.children.iter().map(move |(id, begun)| (id.as_str(), limit + begun.waited))
    }

    /// Those of them that nothing in this run waits for any more: they are to be canceled.
    pub fn abandoned(&self) -> &[String] {
        &self.state.abandoned
    }

    /// Whether the definition has an entry that waits for an event.
    pub fn may_wait_for_events(&self) -> bool {
        self.workflow.waits_for_events()
    }

    /// What the run `child` belongs to, if it is one that this run began and that is not over.
    pub fn child(&self, child: &str) -> Option<ChildOf> {
        let begun = self.state.children.get(child)?;
        Some(match self.open_work(&begun.place) {
            Some(Work::Call(call, _)) if call.began(child) => ChildOf::Call(call.id.clone()),
            _ => ChildOf::Entry,
        })
    }

    /// The tool of the open call `call_id`.
    pub fn tool_of(&self, call_id: &str) -> Option<&str> {
        match self.open_work(&self.place_of_call(call_id)?) {
            Some(Work::Call(call, _)) => Some(&call.tool),
            _ => None,
        }
    }

    /// Whether a person is asked to decide something.
    pub fn asks(&self) -> bool {
        !self.state.approvals.is_empty()
    }

    /// Whether it awaits a decision on `approval_id`.
    pub fn awaits(&self, approval_id: &str) -> bool {
        self.state.approvals.contains_key(approval_id)
    }

    /// The approvals that it awaits and whose time is up at `now`.
    pub fn expired(&self, now: DateTime<Utc>) -> Vec<String> {
        let approvals = self.state.approvals.iter();
        let is_expired = |place: &Place| self.expiry(place).is_some_and(|at| at <= now);
        approvals.filter(|(_, place)| is_expired(place)).map(|(id, _)| id.clone()).collect()
    }

    /// The approval that nobody needs to decide any more once `event` is recorded: its entry is over with it.
    pub fn withdrawn_by(&self, event: &Event) -> Option<&str> {
        let Event::StepFinished(finished) = event else { return None };
        if self.state.approvals.is_empty() {
            return None;
        }
        let over = self.workflow.place(&finished.step)?;
        let mut approvals = self.state.approvals.iter();
        approvals.find(|(_, place)| **place == over).map(|(id, _)| id.as_str())
    }

    /// The end of an entry whose run could not be begun.
    pub fn cannot_begin(&self, call_id: &str, why: RunError, now: DateTime<Utc>) -> Option<Event> {
        let place = self.place_of_call(call_id)?;
        let (entry, node) = (self.workflow.entry(&place)?, self.node(&place)?);
        Some(self.fail(Seen { entry, node, place: &place, now }, why))
    }

    /// The end of the first that is open, of a run that is over because of `why`.
    pub fn unfinished(&self, why: &RunError, now: DateTime<Utc>) -> Option<Event> {
        let (list, root) = (&self.workflow.steps, &self.state.root);
        let undone = || {
            let open = |node: &Node| matches!(node.stage, Stage::Open(_));
            let undo = self.state.undo.iter().find(|it| open(&it.node))?;
            let entry = self.workflow.entry(&undo.place)?;
            let seen = Seen { entry, node: &undo.node, place: &undo.place, now };
            Some(self.close_entry(seen, why))
        };
        self.close(list, root, &[], why, now).or_else(undone)
    }

    /// When an approval that an entry waits for expires.
    fn expiry(&self, place: &Place) -> Option<DateTime<Utc>> {
        match (self.open_work(place)?, &self.workflow.entry(place)?.action) {
            (Work::Call(call, _), _) => call.expiry().map(|(_, at)| at),
            (Work::Approval { .. }, Action::Approval(asking)) => {
                Some(self.node(place)?.began_at? + milliseconds(asking.timeout_ms))
            }
            _ => None,
        }
    }

    fn place_of_call(&self, call_id: &str) -> Option<Place> {
        self.workflow.place(call_id.split('#').next()?)
    }

    fn node(&self, place: &Place) -> Option<&Node> {
        if place.compensates {
            return self.state.undo.iter().find(|it| it.place == *place).map(|it| &it.node);
        }
        self.state.turn(&place.path)?.nodes.get(*place.path.last()?)
    }

    fn open_work(&self, place: &Place) -> Option<&Work> {
        match &self.node(place)?.stage {
            Stage::Open(work) => Some(work),
            _ => None,
        }
    }
}
