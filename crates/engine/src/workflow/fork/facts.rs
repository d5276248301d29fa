//! What a log says of each entry, by its place in the definition that goes on.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;

use crate::agent::OpenEffect;
use crate::event::Event;
use crate::event::ToolErrorKind;
use crate::event::ToolFinished;
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
    pub finished: Option<(usize, &'e StepFinished)>,
    /// Its call was made and may have had an effect, and what came of it is not known.
    is_sent: bool,
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
                _ => {}
            }
            if number < length {
                facts.note(workflow, number, event);
            } else if let Event::StepStarted(it) = event {
                facts.later.extend(workflow.place(&it.step).map(|place| place.path));
            }
        }
        facts
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
                if let Some(fact) = self.of(workflow, step_of_call(&it.call_id)) {
                    fact.is_sent &= is_unknown(it);
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
        let new =
            Fact { started, began: number, last_began: number, finished: None, is_sent: false };
        let fact = self.entries.entry(place.path).or_insert(new);
        fact.last_began = number;
        fact.finished = None;
        fact.is_sent = false;
    }

    fn of(&mut self, workflow: &Workflow, step: &str) -> Option<&mut Fact<'e>> {
        let place = workflow.place(step).filter(|it| !it.compensates)?;
        self.entries.get_mut(&place.path)
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
        any_within(self.made_up_for.range(path.to_vec()..), path)
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
    any_within(map.range(path.to_vec()..).map(|(it, _)| it), path)
}

/// Whether the first of what comes after `path` is below it.
fn any_within<'p>(after: impl Iterator<Item = &'p Vec<usize>>, path: &[usize]) -> bool {
    after.take(2).any(|it| it.len() > path.len() && it.starts_with(path))
}

/// The entry that makes a call or sets a timer.
pub(super) fn step_of_call(id: &str) -> &str {
    id.split('#').next().unwrap_or(id)
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
