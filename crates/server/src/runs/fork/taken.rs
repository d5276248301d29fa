//! What a fork takes over of a log, and in which words it is told that it cannot.

use engine::Cut;
use engine::EntryFault;
use engine::Event;
use engine::ForkFault;
use engine::OpenEffect;
use engine::TakenOver;
use serde_json::Map;
use serde_json::Value;

use super::Target;
use super::asked::Place;
use super::asked::Wish;
use crate::http::Invalid;
use crate::workflows::Workflow;

/// What is taken over of the log of a run.
pub(super) fn fork(
    target: &Target,
    events: &[Event],
    wish: &Wish,
) -> Result<TakenOver, Vec<Invalid>> {
    match (target, &wish.place) {
        (Target::Agent(_), Place::Seq(seq)) => {
            let taken_over = engine::fork(events, *seq);
            taken_over.map(all).map_err(|open| vec![open_effect(open)])
        }
        (Target::Agent(_), Place::Step(_)) => Ok(all(Vec::new())),
        (Target::Workflow(it), Place::Seq(seq)) => {
            of_workflow(it, events, Cut::Seq(*seq), &wish.overrides)
        }
        (Target::Workflow(it), Place::Step(step)) => {
            of_workflow(it, events, Cut::Step(step), &wish.overrides)
        }
    }
}

/// The same of one that failed: all results.
pub(super) fn retry(target: &Target, events: &[Event]) -> Result<TakenOver, Vec<Invalid>> {
    match target {
        Target::Agent(_) => Ok(all(engine::retry(events))),
        Target::Workflow(it) => of_workflow(it, events, Cut::Failure, &Map::new()),
    }
}

fn of_workflow(
    workflow: &Workflow,
    events: &[Event],
    cut: Cut<'_>,
    overrides: &Map<String, Value>,
) -> Result<TakenOver, Vec<Invalid>> {
    // One that is not valid is refused before it comes here.
    let Some(ready) = &workflow.ready.workflow else { return Err(Vec::new()) };
    let taken_over = ready.fork(workflow.version, events, cut, overrides);
    taken_over.map_err(|faults| faults.into_iter().map(|fault| invalid(fault, cut)).collect())
}

/// Agents make up for nothing.
fn all(events: Vec<Event>) -> TakenOver {
    TakenOver { events, foreign: 0 }
}

fn invalid(fault: ForkFault, cut: Cut<'_>) -> Invalid {
    match fault {
        ForkFault::Open(open) => open_effect(open),
        ForkFault::From(fault) => entry("/from_step".to_owned(), &fault),
        ForkFault::Override(id, fault) => {
            entry(format!("/overrides/{}", id.replace('~', "~0").replace('/', "~1")), &fault)
        }
        ForkFault::Undoing { entry, by } => {
            let pointer = match cut {
                Cut::Seq(_) => "/from_seq",
                Cut::Step(_) => "/from_step",
                Cut::Failure => "",
            };
            let detail = format!(
                "`{by}` was called to make up for `{entry}`, and what came of it is not known: a fork that begins at `{entry}` or before makes it anew, and one with an output for it takes that"
            );
            Invalid::new(pointer, "open_effect", detail)
        }
    }
}

fn entry(pointer: String, fault: &EntryFault) -> Invalid {
    let code = match fault {
        EntryFault::Unknown => "unknown_entry",
        EntryFault::NeverRan => "never_ran",
        EntryFault::InTurns => "not_supported",
        EntryFault::MadeAnew => "conflict",
        EntryFault::TooLarge => "too_long",
        EntryFault::OpenEffect(_) => "open_effect",
    };
    Invalid::new(pointer, code, fault)
}

fn open_effect(open: OpenEffect) -> Invalid {
    let before = format!("{} makes the call anew", open.before);
    let detail = match open.after {
        Some(after) => format!("{open}: {before}, {after} takes over what came of it"),
        None => format!("{open}: {before}"),
    };
    Invalid::new("/from_seq", "open_effect", detail)
}
