//! What a run that begins where another of a workflow has been takes over of its log.
//!
//! As with agents, results are taken over and attempts are not. A result is what an entry gave, if all that it comes
//! after is taken over too; of an entry with others within, that is not over, what is done within. What a run has made
//! up for is no result any more. A call that may have had its effect, of which nobody knows what came, is left to whom
//! a crash would leave it to; while it is under way nobody begins there.

mod facts;
mod take;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;

use super::definition::Action;
use super::definition::Entry;
use super::definition::List;
use super::definition::Workflow;
use crate::agent::OpenEffect;
use crate::event::Event;
use facts::Facts;
use facts::has_within;

/// Where a fork begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut<'c> {
    /// Before this event.
    Seq(u64),
    /// Before this entry: it is made anew, and all that comes after it.
    Step(&'c str),
    /// Before whatever has failed.
    Failure,
}

/// Why there is no such fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForkFault {
    /// Of a [`Cut::Seq`].
    Open(OpenEffect),
    /// Of a [`Cut::Step`].
    From(EntryFault),
    /// Of what is given for the entry with this id.
    Override(String, EntryFault),
    /// Of an entry that would be taken over: the step `by` makes up for it, was called, and nobody knows what came of
    /// that.
    Undoing { entry: String, by: String },
}

/// What a fork takes over.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenOver {
    pub events: Vec<Event>,
    /// How many of them, the first, are not those of the other run itself, but of one before it.
    pub foreign: u64,
}

/// What is wrong with naming an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("the workflow has no such entry")]
    Unknown,
    #[error("the run has not begun this entry")]
    NeverRan,
    #[error("this entry is executed several times: name the `foreach` or `loop` that it is in")]
    InTurns,
    #[error("this entry is made anew: what it gives is not known before")]
    MadeAnew,
    #[error("an output has at most 1 MB")]
    TooLarge,
    #[error("`{0}` makes a call that may have its effect, and has not ended")]
    OpenEffect(String),
}

/// What is taken over of an entry.
#[derive(Debug)]
enum Verdict<'f> {
    /// All that is recorded of it and within it.
    Whole,
    /// That its call or its run is over, and so it is.
    Answered,
    /// That it has begun, and of what is within it what is said of that.
    Begun,
    /// That it was called, and may have had its effect.
    Sent,
    /// This, instead of what it gave.
    Given(Cow<'f, Value>),
}

/// The entries of a run, as far as it is looked at, and what is taken over of them.
struct Fork<'f> {
    facts: Facts<'f>,
    cut: Option<Vec<usize>>,
    overrides: BTreeMap<Vec<usize>, &'f Value>,
    verdicts: BTreeMap<Vec<usize>, Verdict<'f>>,
    /// Whether a call that is under way is in the way.
    minds_open: bool,
    /// The ids of entries whose calls are.
    open: BTreeSet<String>,
    /// Entries that something may have made up for, each with what that is.
    undoing: BTreeSet<(String, String)>,
    /// Whether the definition is not the one that the run has executed.
    is_other_version: bool,
}

impl Workflow {
    /// What a fork that executes this definition takes over of `events`, the log of a run from its beginning, which may
    /// have executed another than this `version`. It goes between the `run.started` of the new run and its
    /// `run.resumed`. `overrides` says by ids what entries give instead of what is recorded.
    pub fn fork(
        &self,
        version: i64,
        events: &[Event],
        cut: Cut<'_>,
        overrides: &Map<String, Value>,
    ) -> Result<TakenOver, Vec<ForkFault>> {
        let mut faults = Vec::new();
        let whole = events.len();
        let length = match cut {
            Cut::Seq(seq) => usize::try_from(seq.saturating_sub(1)).unwrap_or(whole).min(whole),
            Cut::Step(_) | Cut::Failure => whole,
        };
        if let Cut::Seq(seq) = cut
            && let Err(open) = facts::ensure_closed(events, seq)
        {
            faults.push(ForkFault::Open(open));
        }
        let facts = Facts::read(self, events, length);
        let step = match cut {
            Cut::Step(id) => self.step(id, &facts).map_err(|it| faults.push(ForkFault::From(it))),
            Cut::Seq(_) | Cut::Failure => Err(()),
        };
        let given = self.given(overrides, &facts, &mut faults);
        let ran = match events.first() {
            Some(Event::RunStarted(it)) => it.definition.version,
            _ => version,
        };
        let mut fork = Fork {
            facts,
            cut: step.ok(),
            overrides: given,
            verdicts: BTreeMap::new(),
            minds_open: matches!(cut, Cut::Step(_)),
            open: BTreeSet::new(),
            undoing: BTreeSet::new(),
            is_other_version: ran != version,
        };
        fork.list(&self.steps, &[]);
        let open = fork.open.iter().map(|id| ForkFault::From(EntryFault::OpenEffect(id.clone())));
        faults.extend(open);
        let undoing = std::mem::take(&mut fork.undoing).into_iter();
        faults.extend(undoing.map(|(entry, by)| ForkFault::Undoing { entry, by }));
        let anew = overrides.keys().filter(|id| fork.makes_anew(self, id));
        faults.extend(anew.map(|id| ForkFault::Override(id.clone(), EntryFault::MadeAnew)));
        if faults.is_empty() { Ok(fork.take(self, &events[..length])) } else { Err(faults) }
    }

    /// The place of the entry that is made anew.
    fn step(&self, id: &str, facts: &Facts<'_>) -> Result<Vec<usize>, EntryFault> {
        let path = self.once(id)?;
        if facts.was_other(path) { Ok(path.to_vec()) } else { facts.begun(path) }
    }

    /// What is given for entries, by their places.
    fn given<'o>(
        &self,
        overrides: &'o Map<String, Value>,
        facts: &Facts<'_>,
        faults: &mut Vec<ForkFault>,
    ) -> BTreeMap<Vec<usize>, &'o Value> {
        let mut given = BTreeMap::new();
        for (id, value) in overrides {
            let mut path = self.once(id).and_then(|path| facts.begun(path));
            if value.to_string().len() > crate::value::BYTES {
                path = path.and(Err(EntryFault::TooLarge));
            }
            match path {
                Ok(path) => {
                    given.insert(path, value);
                }
                Err(fault) => faults.push(ForkFault::Override(id.clone(), fault)),
            }
        }
        given
    }

    /// The place of an entry that a run can begin once only.
    fn once(&self, id: &str) -> Result<&[usize], EntryFault> {
        let address = self.index.get(id).filter(|it| !it.compensates);
        let path = &address.ok_or(EntryFault::Unknown)?.way;
        let mut list = &self.steps;
        for step in path.chunks_exact(2) {
            let Some(entry) = list.entries.get(step[0]) else { return Err(EntryFault::Unknown) };
            if entry.has_turns() {
                return Err(EntryFault::InTurns);
            }
            list = entry.action.list(step[1]).ok_or(EntryFault::Unknown)?;
        }
        Ok(path)
    }
}

impl Fork<'_> {
    /// Whether something is given for the entry `id` although it is made anew.
    fn makes_anew(&self, workflow: &Workflow, id: &str) -> bool {
        let Some(address) = workflow.index.get(id) else { return false };
        let verdict = self.verdicts.get(&address.way);
        self.overrides.contains_key(&address.way) && !matches!(verdict, Some(Verdict::Given(_)))
    }

    /// Judges the entries of a list into which `path` leads, and says whether all are taken over as over.
    fn list(&mut self, list: &List, path: &[usize]) -> bool {
        let mut over = vec![None; list.entries.len()];
        let mut all = true;
        for it in 0..list.entries.len() {
            all &= self.entry(list, path, it, &mut over);
        }
        all
    }

    /// The same of one of them, after those that it comes after.
    fn entry(
        &mut self,
        list: &List,
        path: &[usize],
        position: usize,
        over: &mut [Option<bool>],
    ) -> bool {
        if let Some(known) = over[position] {
            return known;
        }
        let entry = &list.entries[position];
        let mut may_be = true;
        for before in &entry.after {
            may_be &= self.entry(list, path, *before, over);
        }
        let is_over = may_be && self.judge(entry, &[path, &[position]].concat());
        over[position] = Some(is_over);
        is_over
    }

    fn judge(&mut self, entry: &Entry, path: &[usize]) -> bool {
        if !self.facts.has_begun(path) {
            return false;
        }
        if let Some(value) = self.overrides.get(path).copied() {
            self.within(entry, path);
            self.verdicts.insert(path.to_vec(), Verdict::Given(Cow::Borrowed(value)));
            // What comes after the place of the fork is made anew, whatever that gives.
            return self.cut.as_deref() != Some(path);
        }
        if self.cut.as_deref() == Some(path) || self.facts.is_made_up_for(path) {
            return false;
        }
        if entry.action.lists().is_empty() {
            return self.judge_one(entry, path);
        }
        let is_cut_within =
            self.cut.as_deref().is_some_and(|cut| cut.len() > path.len() && cut.starts_with(path));
        let is_changed = is_cut_within
            || has_within(&self.overrides, path)
            || self.facts.is_made_up_for_within(path)
            || self.facts.is_undoing_within(path);
        let is_result = self.facts.is_result(entry, path);
        // Another version may have entries within that the run did not; in one that failed nothing need be over.
        let is_as_it_was = !self.is_other_version || !self.facts.is_done(path);
        if is_result && !is_changed && is_as_it_was {
            self.verdicts.insert(path.to_vec(), Verdict::Whole);
            return true;
        }
        let is_over = self.within(entry, path) && is_result;
        let verdict = match (is_over, is_changed) {
            (false, _) => Verdict::Begun,
            (true, false) => Verdict::Whole,
            (true, true) => Verdict::Given(Cow::Owned(self.gave(entry, path))),
        };
        self.verdicts.insert(path.to_vec(), verdict);
        is_over
    }

    /// The same of an entry that contains no others.
    fn judge_one(&mut self, entry: &Entry, path: &[usize]) -> bool {
        let verdict = if self.facts.is_result(entry, path) {
            Verdict::Whole
        } else if self.facts.is_answered(path) {
            Verdict::Answered
        } else {
            if self.facts.is_sent(path) {
                if self.minds_open && self.facts.is_open(path) {
                    self.open.insert(entry.id.clone());
                }
                self.verdicts.insert(path.to_vec(), Verdict::Sent);
            }
            return false;
        };
        let undoing = self.facts.undoing(path);
        self.undoing.extend(undoing.map(|by| (entry.id.clone(), by.to_owned())));
        self.verdicts.insert(path.to_vec(), verdict);
        true
    }

    /// What an entry gives of which all within is taken over as over, and something gives something else.
    fn gave(&self, entry: &Entry, path: &[usize]) -> Value {
        let part = |part: usize| [path, &[part]].concat();
        match &entry.action {
            Action::Parallel { branches, .. } => {
                let of = |(it, (name, list)): (usize, &(String, List))| {
                    (name.clone(), self.list_gave(list, &part(it)))
                };
                Value::Object(branches.iter().enumerate().map(of).collect())
            }
            Action::Conditional { cases, .. } => {
                let gone = (0..=cases.len()).find(|it| self.facts.has_any(&part(*it)));
                let list = gone.and_then(|it| Some((it, entry.action.list(it)?)));
                list.map(|(it, list)| self.list_gave(list, &part(it))).unwrap_or_default()
            }
            _ => self.facts.output(path),
        }
    }

    fn list_gave(&self, list: &List, path: &[usize]) -> Value {
        let of = |position: usize| {
            let path = [path, &[position]].concat();
            match self.verdicts.get(&path) {
                Some(Verdict::Given(value)) => value.clone().into_owned(),
                _ => self.facts.output(&path),
            }
        };
        if let [one] = list.last[..] {
            return of(one);
        }
        let members = list.last.iter().map(|it| (list.entries[*it].id.clone(), of(*it)));
        Value::Object(members.collect())
    }

    /// Judges what is within an entry, and says whether all that has begun is over.
    fn within(&mut self, entry: &Entry, path: &[usize]) -> bool {
        let part = |part: usize| [path, &[part]].concat();
        match &entry.action {
            Action::Foreach { body, .. } => {
                let turns = self.facts.turns(path);
                let mut all = true;
                for turn in 0..turns {
                    all &= self.list(body, &part(turn));
                }
                self.begin_turns(path, turns);
                all
            }
            // Each turn is made of the one before.
            Action::Loop { body, .. } => {
                (0..self.facts.turns(path)).all(|turn| self.list(body, &part(turn)))
            }
            Action::Parallel { branches, .. } => branches
                .iter()
                .enumerate()
                .fold(true, |all, (it, (_, list))| self.list(list, &part(it)) && all),
            Action::Conditional { cases, .. } => (0..=cases.len()).fold(true, |all, it| {
                let list = entry.action.list(it).filter(|_| self.facts.has_any(&part(it)));
                list.is_none_or(|list| self.list(list, &part(it))) && all
            }),
            _ => true,
        }
    }

    /// Turns begin one after the other, each with one of its entries: also one of which nothing else is taken over, if
    /// something is of a later one.
    fn begin_turns(&mut self, path: &[usize], turns: usize) {
        let mut is_followed = false;
        for turn in (0..turns).rev() {
            let path = [path, &[turn]].concat();
            if has_within(&self.verdicts, &path) {
                is_followed = true;
            } else if is_followed && let Some(first) = self.facts.first_within(&path) {
                self.verdicts.insert(first, Verdict::Begun);
            }
        }
    }
}
