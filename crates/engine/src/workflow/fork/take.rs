//! The events that a fork takes over, as they were judged.

use std::collections::HashMap;
use std::collections::HashSet;

use serde_json::Value;

use super::Fork;
use super::TakenOver;
use super::Verdict;
use super::facts::Fact;
use super::facts::gave;
use super::facts::step_of_call;
use crate::event::Event;
use crate::step::StepFinished;
use crate::step::StepStarted;
use crate::step::StepStatus;
use crate::workflow::definition::Workflow;

impl Fork<'_> {
    /// What is taken over of `events`, in their order.
    pub fn take(&self, workflow: &Workflow, events: &[Event]) -> TakenOver {
        let places = Places::of(events);
        let own = first_of_its_own(events);
        let (mut taken, mut foreign) = (Vec::new(), 0);
        for (number, event) in events.iter().enumerate() {
            if number == own {
                foreign = taken.len();
            }
            let place = places.step_of(event).and_then(|step| workflow.place(step));
            let Some(place) = place.filter(|place| !place.compensates) else { continue };
            let (Some(verdict), Some(fact)) =
                (self.verdict(&place.path), self.facts.get(&place.path))
            else {
                continue;
            };
            let is_last = number >= fact.last_began && places.is_closed(event);
            let is_end = matches!(event, Event::StepFinished(_));
            match verdict {
                Verdict::Whole if is_last => taken.push(event.clone()),
                Verdict::Answered if is_last && !is_end => {
                    taken.push(event.clone());
                    if fact.answered.is_some_and(|(it, _)| it == number) {
                        taken.push(done(fact, fact.attempt, &gave(event)));
                    }
                }
                Verdict::Begun | Verdict::Given(_) if fact.began == number => {
                    taken.push(begun(fact));
                }
                Verdict::Sent if number >= fact.last_began && tells_of_call(event) => {
                    taken.push(event.clone());
                }
                Verdict::Given(value) if fact.finished.is_some_and(|(it, _)| it == number) => {
                    taken.push(done(fact, 1, value));
                }
                _ => {}
            }
        }
        // Those that have not ended: what is within others before them.
        let mut open: Vec<_> = self.verdicts.iter().collect();
        open.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        for (path, verdict) in open {
            let fact = self.facts.get(path).filter(|fact| fact.finished.is_none());
            if let (Verdict::Given(value), Some(fact)) = (verdict, fact) {
                taken.push(done(fact, 1, value));
            }
        }
        if own >= events.len() {
            foreign = taken.len();
        }
        TakenOver { events: taken, foreign: foreign as u64 }
    }

    /// What is said of the entry at `path`, or of all that it is in.
    fn verdict(&self, path: &[usize]) -> Option<&Verdict<'_>> {
        let own = self.verdicts.get(path);
        own.or_else(|| {
            let around =
                (1..path.len()).step_by(2).filter_map(|end| self.verdicts.get(&path[..end]));
            around.into_iter().find(|it| matches!(it, Verdict::Whole))
        })
    }
}

/// Which entries the runs and the approvals of a log belong to.
struct Places<'e> {
    children: HashMap<&'e str, &'e str>,
    approvals: HashMap<&'e str, &'e str>,
    /// The runs that are over, and the approvals that were decided.
    closed: HashSet<&'e str>,
}

impl<'e> Places<'e> {
    fn of(events: &'e [Event]) -> Self {
        let (children, approvals) = (HashMap::new(), HashMap::new());
        let mut places = Self { children, approvals, closed: HashSet::new() };
        for event in events {
            match event {
                Event::ChildStarted(it) => {
                    places.children.insert(&it.run_id, step_of_call(&it.call_id));
                }
                Event::ChildFinished(it) => {
                    places.closed.insert(&it.run_id);
                }
                Event::ApprovalRequested(it) => {
                    places.approvals.insert(&it.id, step_of_call(&it.call_id));
                }
                Event::ApprovalDecided(it) => {
                    places.closed.insert(&it.approval_id);
                }
                _ => {}
            }
        }
        places
    }

    fn step_of<'a>(&'a self, event: &'a Event) -> Option<&'a str> {
        Some(match event {
            Event::StepStarted(it) => &it.step,
            Event::StepFinished(it) => &it.step,
            Event::ToolStarted(it) => &it.step,
            Event::TimerSet(it) => &it.step,
            Event::EventReceived(it) => &it.step,
            Event::ToolFinished(it) => step_of_call(&it.call_id),
            Event::RequestStarted(it) => step_of_call(&it.call_id),
            Event::RequestFinished(it) => step_of_call(&it.call_id),
            Event::RetrievalFinished(it) => step_of_call(&it.call_id),
            Event::TimerFired(it) => step_of_call(&it.timer_id),
            Event::ChildStarted(it) => self.children.get(it.run_id.as_str())?,
            Event::ChildFinished(it) => self.children.get(it.run_id.as_str())?,
            Event::ApprovalRequested(it) => self.approvals.get(it.id.as_str())?,
            Event::ApprovalDecided(it) => self.approvals.get(it.approval_id.as_str())?,
            // What tells of the run itself each run has of its own.
            _ => return None,
        })
    }

    /// Whether nothing is open with an event: a run or an approval that was given up is the other run's.
    fn is_closed(&self, event: &Event) -> bool {
        match event {
            Event::ChildStarted(it) => self.closed.contains(it.run_id.as_str()),
            Event::ApprovalRequested(it) => self.closed.contains(it.id.as_str()),
            _ => true,
        }
    }
}

fn begun(fact: &Fact<'_>) -> Event {
    StepStarted { attempt: 1, ..fact.started.clone() }.into()
}

/// The number of the first event of a log that is not taken over from a run that makes up for it itself.
fn first_of_its_own(events: &[Event]) -> usize {
    let Some(Event::RunStarted(started)) = events.first() else { return 0 };
    if started.forked_from.is_none() {
        return 0;
    }
    if started.is_retry {
        return 1 + usize::try_from(started.foreign).unwrap_or(usize::MAX - 1);
    }
    let resumed = events.iter().position(|event| matches!(event, Event::RunResumed(_)));
    resumed.unwrap_or(events.len())
}

fn done(fact: &Fact<'_>, attempt: u32, output: &Value) -> Event {
    StepFinished {
        step: fact.started.step.clone(),
        status: StepStatus::Done,
        output: Some(output.clone()),
        error: None,
        attempt,
        duration_ms: 0,
    }
    .into()
}

/// Whether an event of an entry says that its call was made, and nothing of how that ended.
fn tells_of_call(event: &Event) -> bool {
    match event {
        Event::StepStarted(_)
        | Event::ToolStarted(_)
        | Event::RequestStarted(_)
        | Event::RequestFinished(_) => true,
        Event::ToolFinished(it) => it.is_lost(),
        _ => false,
    }
}
