//! What a run that begins where another has been takes over of its log.
//!
//! Results are taken over, attempts are not: a step without an answer of the model is begun anew, and so
//! is a call without a result, with all that was asked and decided about it. What a call that may have
//! had its effect is to become is never guessed: a fork is not cut there, a retry leaves it to whom a
//! crash would leave it to.

use std::collections::HashMap;

use super::state::unfinished;
use crate::call::Call;
use crate::event::Event;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::progress::RequestFinished;
use crate::progress::RequestStarted;

/// A fork cannot begin between the beginning and the end of a call that may have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a call that may have had its effect is open there")]
pub struct OpenEffect {
    /// The nearest `from_seq` before that is allowed: the call is made anew.
    pub before: u64,
    /// The nearest one after, if the call has ended: its result is taken over.
    pub after: Option<u64>,
}

/// What a fork takes over of `events`, the log of a run from its beginning: what is recorded before event
/// `from_seq`. It goes between the `run.started` of the new run and its `run.resumed`.
pub fn fork(events: &[Event], from_seq: u64) -> Result<Vec<Event>, OpenEffect> {
    let past = |from_seq: u64| {
        let length = usize::try_from(from_seq.saturating_sub(1)).unwrap_or(usize::MAX);
        Past::read(&events[..length.min(events.len())], Canceled::IsResult)
    };
    let cut = past(from_seq);
    if !cut.calls.iter().any(Call::is_unresolved) {
        return Ok(cut.taken_over());
    }
    let is_allowed = |seq: &u64| !past(*seq).calls.iter().any(Call::is_unresolved);
    Err(OpenEffect {
        before: (1..from_seq).rev().find(is_allowed).unwrap_or(1),
        after: (from_seq + 1..=events.len() as u64 + 1).find(is_allowed),
    })
}

/// What a retry takes over of `events`, the log of a run that failed: all results before the failure.
pub fn retry(events: &[Event]) -> Vec<Event> {
    Past::read(events, Canceled::IsNone).taken_over()
}

/// What it means that a call was ended because its run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Canceled {
    IsResult,
    IsNone,
}

/// A log as far as it is looked at.
struct Past<'e> {
    /// All that is taken over as it is, and then the step that is not done.
    events: &'e [Event],
    /// Where that step begins; the end if there is none.
    step: usize,
    /// Its calls.
    calls: Vec<Call>,
    canceled: Canceled,
    approvals: HashMap<&'e str, &'e str>,
    children: HashMap<&'e str, &'e str>,
}

impl<'e> Past<'e> {
    fn read(events: &'e [Event], canceled: Canceled) -> Self {
        let step = open_step(events);
        let answer = events[step..].iter().rev().find_map(|event| match event {
            Event::ModelFinished(answer) => Some(answer),
            _ => None,
        });
        let calls: Vec<Call> =
            answer.iter().flat_map(|it| &it.message.content).filter_map(Call::of).collect();
        let is_failed =
            calls.is_empty() && answer.is_none_or(|it| unfinished(it.finish_reason).is_some());
        // What gave no answer is no result.
        let events = if is_failed { &events[..step] } else { events };
        let (approvals, children) = (HashMap::new(), HashMap::new());
        let mut past = Self { events, step, calls, canceled, approvals, children };
        events[step.min(events.len())..].iter().for_each(|event| past.follow(event));
        past
    }

    /// Follows what becomes of the calls.
    fn follow(&mut self, event: &'e Event) {
        match event {
            Event::ApprovalRequested(it) => {
                self.approvals.insert(&it.id, &it.call_id);
            }
            Event::ChildStarted(it) => {
                self.children.insert(&it.run_id, &it.call_id);
                self.on_call(&it.call_id, |call| call.child(it));
            }
            Event::ChildFinished(it) => {
                if let Some(call_id) = self.children.get(it.run_id.as_str()) {
                    self.on_call(call_id, Call::end_child);
                }
            }
            Event::ToolStarted(it) => self.on_call(&it.call_id, |call| call.start(it)),
            Event::ToolFinished(it) => {
                let is_result = self.canceled == Canceled::IsResult || !is_canceled(it);
                self.on_call(&it.call_id, |call| {
                    if is_result || call.has_ended_child() {
                        call.finish(it);
                    }
                });
            }
            _ => {}
        }
    }

    fn on_call(&mut self, id: &str, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            change(call);
        }
    }

    fn taken_over(&self) -> Vec<Event> {
        let (done, open) = self.events.split_at(self.step.min(self.events.len()));
        let done = done.iter().filter(|event| !is_of_the_run(event));
        done.chain(open.iter().filter(|event| self.is_taken_over(event))).cloned().collect()
    }

    /// Whether an event of the step that is not done goes with it.
    fn is_taken_over(&self, event: &Event) -> bool {
        let is_done = |id: &str| self.calls.iter().any(|call| call.id == id && call.is_done());
        let is_unresolved =
            |id: &str| self.calls.iter().any(|call| call.id == id && call.is_unresolved());
        match event {
            Event::ToolStarted(it) => is_done(&it.call_id) || is_unresolved(&it.call_id),
            Event::ToolFinished(it) => {
                is_done(&it.call_id) || is_unresolved(&it.call_id) && it.is_lost()
            }
            Event::RequestStarted(RequestStarted { call_id, .. })
            | Event::RequestFinished(RequestFinished { call_id, .. }) => {
                is_done(call_id) || is_unresolved(call_id)
            }
            Event::RetrievalFinished(it) => is_done(&it.call_id),
            // Nobody agrees to more than he was asked: a call that is made anew is asked for anew.
            Event::ApprovalRequested(it) => is_done(&it.call_id),
            Event::ApprovalDecided(it) => {
                self.approvals.get(it.approval_id.as_str()).is_some_and(|id| is_done(id))
            }
            Event::ChildStarted(it) => is_done(&it.call_id),
            Event::ChildFinished(it) => {
                self.children.get(it.run_id.as_str()).is_some_and(|id| is_done(id))
            }
            Event::StepFinished(_) => false,
            event => !is_of_the_run(event),
        }
    }
}

/// Where the step begins that is not done; the end if there is none. One that failed is not done.
fn open_step(events: &[Event]) -> usize {
    let is_done = |event: &Event| match event {
        Event::StepFinished(it) => it.error.is_none(),
        _ => false,
    };
    let done = events.iter().rposition(is_done).map_or(0, |done| done + 1);
    let begun = events[done..].iter().position(|it| matches!(it, Event::StepStarted(_)));
    begun.map_or(events.len(), |begun| done + begun)
}

/// What tells of the run itself and not of its results: each run has its own.
fn is_of_the_run(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted(_)
            | Event::RunWaiting(_)
            | Event::RunResumed(_)
            | Event::CancelRequested(_)
            | Event::LimitReached(_)
            | Event::MemoryWritten(_)
            | Event::ToolProgress(_)
            | Event::LogLine(_)
            | Event::RunFinished(_)
    )
}

fn is_canceled(finished: &ToolFinished) -> bool {
    finished.error.as_ref().is_some_and(|error| error.kind == ToolErrorKind::Canceled)
}
