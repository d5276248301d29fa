//! What a log says of each entry, by its place in the definition that goes on.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

use llm::ToolStatus;
use serde_json::Value;

use crate::agent::OpenEffect;
use crate::event::Event;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
use crate::outcome::Outcome;
use crate::outcome::RunErrorKind;
use crate::step::StepFinished;
use crate::step::StepStarted;
use crate::step::StepStatus;
use crate::tool::Effect;
use crate::workflow::definition::Entry;
use crate::workflow::definition::Workflow;
use crate::workflow::fork::EntryFault;

/// One execution of an entry, all its attempts together.
#[derive(Debug)]
pub(super) struct Fact<'e> {
    pub started: &'e StepStarted,
    /// The number of the event, and of the last with which it began again.
    pub began: usize,
    pub last_began: usize,
    /// Of the last of them, as all that follows.
    pub attempt: u32,
    pub finished: Option<(usize, &'e StepFinished)>,
    /// The event that says what its call or its run gave, and its number.
    pub answered: Option<(usize, &'e Event)>,
    /// Its call was made and may have had an effect, and what came of it is not known.
    is_sent: bool,
}

/// What became of what makes up for an entry.
enum Undoing {
    Sent,
    Unknown,
    Failed,
    Done,
}

/// The facts of a log.
#[derive(Debug, Default)]
pub(super) struct Facts<'e> {
    entries: BTreeMap<Vec<usize>, Fact<'e>>,
    /// Those that were of another type.
    others: BTreeSet<Vec<usize>>,
    /// Those that begin where it is not looked at any more.
    later: BTreeSet<Vec<usize>>,
    /// Those that something has made up for.
    made_up_for: BTreeSet<Vec<usize>>,
    /// Those for which that was called, of which nobody knows what came; by which step.
    undoing: BTreeMap<Vec<usize>, &'e str>,
    /// Which calls the runs below answer.
    children: HashMap<&'e str, &'e str>,
    /// How many turns have begun.
    turns: HashMap<Vec<usize>, usize>,
    /// Failures after which an entry was to begin again.
    repeated: HashSet<usize>,
}

impl<'e> Facts<'e> {
    /// What `events` say until number `length`. What was made up for later counts too.
    pub fn read(workflow: &Workflow, events: &'e [Event], length: usize) -> Self {
        let mut facts = Self::default();
        let mut failed: HashMap<&str, usize> = HashMap::new();
        for (number, event) in events.iter().enumerate() {
            match event {
                Event::TimerSet(timer) => {
                    facts.repeated.extend(failed.remove(timer.step.as_str()));
                }
                Event::StepFinished(it) => {
                    failed.insert(&it.step, number);
                    let place = workflow.place(&it.step).filter(|place| place.compensates);
                    if let Some(place) = place.filter(|_| it.status == StepStatus::Done) {
                        facts.made_up_for.insert(place.path);
                    }
                }
                Event::ChildStarted(it) => {
                    facts.children.insert(&it.run_id, &it.call_id);
                }
                _ => {}
            }
            facts.note_undoing(workflow, event);
            if number < length {
                facts.note(workflow, number, event);
            } else if let Event::StepStarted(it) = event {
                facts.later.extend(workflow.place(&it.step).map(|place| place.path));
            }
        }
        facts
    }

    /// Notes what became of a call or a run that makes up for an entry.
    fn note_undoing(&mut self, workflow: &Workflow, event: &'e Event) {
        use Undoing::{Done, Failed, Sent, Unknown};
        let (step, undoing) = match event {
            Event::ToolStarted(it) if it.effect != Effect::Read => (it.step.as_str(), Sent),
            Event::ToolFinished(it) => {
                let undoing = match it.status {
                    ToolStatus::Done => Done,
                    _ if is_unknown(it) => Unknown,
                    _ => Failed,
                };
                (step_of_call(&it.call_id), undoing)
            }
            Event::ChildStarted(it) => (step_of_call(&it.call_id), Sent),
            Event::ChildFinished(it) => {
                let Some(call_id) = self.children.get(it.run_id.as_str()).copied() else { return };
                let undoing = match it.status {
                    Outcome::Succeeded => Done,
                    Outcome::Failed => Failed,
                    _ => Unknown,
                };
                (step_of_call(call_id), undoing)
            }
            _ => return,
        };
        let Some(place) = workflow.place(step).filter(|place| place.compensates) else { return };
        match undoing {
            Sent => drop(self.undoing.insert(place.path, step)),
            Unknown => {}
            Failed => drop(self.undoing.remove(&place.path)),
            Done => {
                self.undoing.remove(&place.path);
                self.made_up_for.insert(place.path);
            }
        }
    }

    fn note(&mut self, workflow: &Workflow, number: usize, event: &'e Event) {
        match event {
            Event::StepStarted(started) => self.begin(workflow, number, started),
            Event::StepFinished(it) => {
                if let Some(fact) = self.of(workflow, &it.step) {
                    fact.finished = Some((number, it));
                }
            }
            Event::ToolStarted(it) => {
                if let Some(fact) = self.of(workflow, &it.step) {
                    fact.is_sent = it.effect != Effect::Read;
                }
            }
            Event::ToolFinished(it) => {
                if let Some(fact) = self.of_call(workflow, &it.call_id) {
                    fact.is_sent &= is_unknown(it);
                    if it.status == ToolStatus::Done {
                        fact.answered = Some((number, event));
                    }
                }
            }
            Event::ChildFinished(it) if it.status == Outcome::Succeeded => {
                let Some(call_id) = self.children.get(it.run_id.as_str()).copied() else { return };
                let fact = self.of_call(workflow, call_id);
                // One that answers a call of a tool is followed by the end of that.
                if let Some(fact) = fact.filter(|it| it.started.kind.begins_run()) {
                    fact.answered = Some((number, event));
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, workflow: &Workflow, number: usize, started: &'e StepStarted) {
        let Some(place) = workflow.place(&started.step).filter(|it| !it.compensates) else {
            return;
        };
        let entry = workflow.entry(&place);
        if entry.is_none_or(|it| it.action.step_kind() != started.kind) {
            self.others.insert(place.path);
            return;
        }
        for end in (2..place.path.len()).step_by(2) {
            let turns = self.turns.entry(place.path[..end - 1].to_vec()).or_default();
            *turns = (*turns).max(place.path[end - 1] + 1);
        }
        let (mut started, mut began) = (started, number);
        let attempt = started.attempt;
        if let Some(before) = self.entries.get(&place.path) {
            (started, began) = (before.started, before.began);
        }
        let (finished, answered) = (None, None);
        let fact = Fact {
            started,
            began,
            last_began: number,
            attempt,
            finished,
            answered,
            is_sent: false,
        };
        self.entries.insert(place.path, fact);
    }

    fn of(&mut self, workflow: &Workflow, step: &str) -> Option<&mut Fact<'e>> {
        let place = workflow.place(step).filter(|it| !it.compensates)?;
        self.entries.get_mut(&place.path)
    }

    /// What makes the call, if it is in the attempt that the call is of.
    fn of_call(&mut self, workflow: &Workflow, call_id: &str) -> Option<&mut Fact<'e>> {
        let (step, attempt) = call_id.split_once('#').unwrap_or((call_id, "1"));
        let fact = self.of(workflow, step)?;
        (attempt.parse() == Ok(fact.attempt)).then_some(fact)
    }

    pub fn get(&self, path: &[usize]) -> Option<&Fact<'e>> {
        self.entries.get(path)
    }

    pub fn has_begun(&self, path: &[usize]) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether it has, but was of another type in the version that the run had.
    pub fn was_other(&self, path: &[usize]) -> bool {
        self.others.contains(path)
    }

    /// The place of an entry, if it has begun.
    pub fn begun(&self, path: &[usize]) -> Result<Vec<usize>, EntryFault> {
        if self.has_begun(path) {
            return Ok(path.to_vec());
        }
        Err(if self.later.contains(path) { EntryFault::MadeAnew } else { EntryFault::NeverRan })
    }

    /// Whether something has begun in a list.
    pub fn has_any(&self, path: &[usize]) -> bool {
        has_within(&self.entries, path)
    }

    /// The first that began in a list.
    pub fn first_within(&self, path: &[usize]) -> Option<Vec<usize>> {
        let within = self.entries.range(path.to_vec()..).skip_while(|(it, _)| *it == path);
        let within = within.take_while(|(it, _)| it.starts_with(path));
        let own = within.filter(|(it, _)| it.len() == path.len() + 1);
        own.min_by_key(|(_, fact)| fact.began).map(|(path, _)| path.clone())
    }

    pub fn turns(&self, path: &[usize]) -> usize {
        self.turns.get(path).copied().unwrap_or_default()
    }

    pub fn is_made_up_for(&self, path: &[usize]) -> bool {
        self.made_up_for.contains(path)
    }

    pub fn is_made_up_for_within(&self, path: &[usize]) -> bool {
        is_next_within(self.made_up_for.range(path.to_vec()..), path)
    }

    /// The step that makes up for an entry, if that was called and nobody knows what came of it.
    pub fn undoing(&self, path: &[usize]) -> Option<&'e str> {
        self.undoing.get(path).copied()
    }

    pub fn is_undoing_within(&self, path: &[usize]) -> bool {
        has_within(&self.undoing, path)
    }

    /// What an entry gave, as far as that is recorded.
    pub fn output(&self, path: &[usize]) -> Value {
        let Some(fact) = self.get(path) else { return Value::Null };
        let output = fact.finished.and_then(|(_, it)| it.output.clone());
        output.or_else(|| fact.answered.map(|(_, event)| gave(event))).unwrap_or_default()
    }

    /// Whether what its call or its run gave is recorded.
    pub fn is_answered(&self, path: &[usize]) -> bool {
        self.get(path).is_some_and(|it| it.answered.is_some())
    }

    /// Whether an entry is recorded as done.
    pub fn is_done(&self, path: &[usize]) -> bool {
        let finished = self.get(path).and_then(|it| it.finished);
        finished.is_some_and(|(_, it)| it.status == StepStatus::Done)
    }

    /// Whether what is recorded of an entry is what its list went on with. What was given up is not.
    pub fn is_result(&self, entry: &Entry, path: &[usize]) -> bool {
        let Some((number, finished)) = self.get(path).and_then(|it| it.finished) else {
            return false;
        };
        match &finished.error {
            Some(error) if finished.status == StepStatus::Failed => {
                let is_last = !self.repeated.contains(&number);
                entry.continues && is_last && error.kind != RunErrorKind::Canceled
            }
            _ => finished.status == StepStatus::Done,
        }
    }

    /// Whether its call may have had an effect, and nobody knows what came of it.
    pub fn is_sent(&self, path: &[usize]) -> bool {
        self.get(path).is_some_and(|it| it.is_sent)
    }

    /// Whether its end is not recorded.
    pub fn is_open(&self, path: &[usize]) -> bool {
        self.get(path).is_some_and(|it| it.finished.is_none())
    }
}

/// Whether there is something below `path`.
pub(super) fn has_within<V>(map: &BTreeMap<Vec<usize>, V>, path: &[usize]) -> bool {
    is_next_within(map.range(path.to_vec()..).map(|(it, _)| it), path)
}

/// The same of places in their order, the first of which is `path` or comes after it.
fn is_next_within<'p>(next: impl Iterator<Item = &'p Vec<usize>>, path: &[usize]) -> bool {
    next.take(2).any(|it| it.len() > path.len() && it.starts_with(path))
}

/// The entry that makes a call or sets a timer.
pub(super) fn step_of_call(id: &str) -> &str {
    id.split('#').next().unwrap_or(id)
}

/// What came of a call or a run, by the event that says so.
pub(super) fn gave(event: &Event) -> Value {
    match event {
        Event::ToolFinished(it) => it.told(),
        Event::ChildFinished(it) => serde_json::to_value(&it.output).unwrap_or_default(),
        _ => Value::Null,
    }
}

/// Whether the end of a call does not say what came of it.
fn is_unknown(finished: &ToolFinished) -> bool {
    let is_canceled = finished.error.as_ref().is_some_and(|it| it.kind == ToolErrorKind::Canceled);
    is_canceled || finished.is_lost()
}

/// Refuses a place at which a call that may have its effect is under way.
pub(super) fn ensure_closed(events: &[Event], seq: u64) -> Result<(), OpenEffect> {
    let mut sent: HashSet<&str> = HashSet::new();
    // Of each number that a fork may begin with.
    let mut allowed = vec![true];
    for event in events {
        match event {
            Event::ToolStarted(it) if it.effect != Effect::Read => drop(sent.insert(&it.step)),
            Event::ToolFinished(it) if !it.is_lost() => {
                sent.remove(step_of_call(&it.call_id));
            }
            Event::StepFinished(it) => drop(sent.remove(it.step.as_str())),
            _ => {}
        }
        allowed.push(sent.is_empty());
    }
    let at = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX).min(events.len());
    if allowed[at] {
        return Ok(());
    }
    let number = |at: usize| at as u64 + 1;
    let before = allowed[..at].iter().rposition(|it| *it).unwrap_or_default();
    let after = allowed[at..].iter().position(|it| *it).map(|it| number(at + it));
    Err(OpenEffect { before: number(before), after })
}
