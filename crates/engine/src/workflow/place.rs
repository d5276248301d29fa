//! Where in a run an entry is: the way to it, with the numbers of the turns.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

use super::definition::Entry;
use super::definition::List;
use super::definition::Workflow;
use super::state::Stage;
use super::state::Turns;

/// One of the executions that an entry may have in a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// As of an [`Address`](super::definition::Address), but with the numbers of turns.
    pub path: Vec<usize>,
    /// What makes up for the entry that the path leads to.
    pub compensates: bool,
}

impl Place {
    pub fn new(path: &[usize]) -> Self {
        Self { path: path.to_vec(), compensates: false }
    }

    pub fn compensation(&self) -> Self {
        Self { path: self.path.clone(), compensates: true }
    }
}

impl Workflow {
    /// The list that the path leads into, and the entry at its end.
    pub(super) fn find(&self, path: &[usize]) -> Option<(&List, &Entry)> {
        let mut list = &self.steps;
        for step in path.chunks_exact(2) {
            list = list.entries.get(step[0])?.action.list(step[1])?;
        }
        Some((list, list.entries.get(*path.last()?)?))
    }

    /// The entry of a place.
    pub(super) fn entry(&self, place: &Place) -> Option<&Entry> {
        let (_, entry) = self.find(&place.path)?;
        if place.compensates { entry.compensate.as_deref() } else { Some(entry) }
    }

    /// The name of a place in events, such as `each[3].send`.
    pub(super) fn name(&self, place: &Place) -> String {
        let (mut name, mut list) = (String::new(), &self.steps);
        for step in place.path.chunks_exact(2) {
            let Some(entry) = list.entries.get(step[0]) else { return name };
            if entry.has_turns() {
                let _ = write!(name, "{}[{}].", entry.id, step[1]);
            }
            let Some(inner) = entry.action.list(step[1]) else { return name };
            list = inner;
        }
        name + self.entry(place).map_or("", |entry| &entry.id)
    }

    /// The place of that name.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        let mut turns = name.split('.').collect::<Vec<_>>();
        let address = self.index.get(turns.pop()?)?;
        let (mut path, mut list) = (address.way.clone(), &self.steps);
        let mut numbers = turns.into_iter();
        for step in path.chunks_exact_mut(2) {
            let entry = list.entries.get(step[0])?;
            list = entry.action.list(step[1])?;
            if entry.has_turns() {
                let (id, number) = numbers.next()?.strip_suffix(']')?.split_once('[')?;
                step[1] = number.parse().ok().filter(|_| id == entry.id)?;
            }
        }
        // Of an entry that was in turns once, and is in none now.
        if numbers.next().is_some() {
            return None;
        }
        Some(Place { path, compensates: address.compensates })
    }

    /// Keeps in `inner` what others read of the entries within the one that the path leads to, now that it is over:
    /// of turns that is nothing.
    pub(super) fn keep(&self, path: &[usize], turns: Turns, inner: &mut HashMap<String, Value>) {
        let Some((_, entry)) = self.find(path) else { return };
        if entry.has_turns() {
            return;
        }
        for (part, turn) in turns.open {
            let Some(list) = entry.action.list(part) else { continue };
            inner.extend(turn.inner);
            for (entry, node) in list.entries.iter().zip(turn.nodes) {
                if let Stage::Over(facts) = node.stage {
                    inner.insert(entry.id.clone(), facts);
                }
            }
        }
    }
}
