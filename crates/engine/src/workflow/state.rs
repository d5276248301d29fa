//! The state of a workflow's run: nothing but what its events say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use llm::ToolStatus;
use serde_json::Map;
use serde_json::Value;

use super::definition::List;
use super::place::Place;
use crate::call::Call;
use crate::outcome::RunError;
use crate::outcome::Usage;

#[derive(Debug, Default)]
pub(super) struct State {
    pub input: Value,
    pub root: Turn,
    pub started_at: Option<DateTime<Utc>>,
    /// Set while the events are those that a fork takes over: how many of them are another run's, which alone makes
    /// up for them.
    pub taking_over: Option<u64>,
    pub run_attempt: u32,
    /// Entries begun, each attempt counted.
    pub steps: u32,
    /// Those of them that a fork took over.
    pub steps_taken_over: u32,
    pub cancel: bool,
    /// Why the run fails beside its entries: a limit.
    pub failure: Option<RunError>,
    pub ended: bool,
    /// What makes up for the entries that are done, in the order in which they were.
    pub undo: Vec<Undo>,
    /// The runs that are not over, and which entry asked for an approval.
    pub children: HashMap<String, Begun>,
    pub approvals: HashMap<String, Place>,
    /// Runs that nobody waits for any more and that are not over.
    pub abandoned: Vec<String>,
    pub usage: Usage,
    /// Since when the run is let go of, and how long it was before.
    pub waiting_since: Option<DateTime<Utc>>,
    pub waited: TimeDelta,
    /// Until when the work of runs below counts.
    worked_until: DateTime<Utc>,
}

/// A run that an entry began.
#[derive(Debug)]
pub(super) struct Begun {
    pub place: Place,
    pub at: DateTime<Utc>,
    /// How long the run had waited until then.
    pub waited: TimeDelta,
}

/// One execution of a list.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// What came before it.
    pub previous: Value,
    /// Of a turn of a loop.
    pub item: Option<Value>,
    pub index: Option<Value>,
    pub nodes: Vec<Node>,
    /// What others read of entries within entries that are over.
    pub inner: HashMap<String, Value>,
    /// Why it fails: the first of its entries that did and may not.
    pub failure: Option<RunError>,
}

/// One execution of an entry.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub attempt: u32,
    pub began_at: Option<DateTime<Utc>>,
    pub stage: Stage,
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    #[default]
    Pending,
    Open(Work),
    /// It failed and will be begun again.
    Failed {
        at: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        fired: bool,
    },
    /// What others read of it: its output or error, and its status.
    Over(Value),
}

/// How far an entry has come.
#[derive(Debug)]
pub(super) enum Work {
    /// It can only fail.
    Broken(RunError),
    /// It has all that it is for.
    Ready(Value),
    Call(Box<Call>, Flight),
    Child {
        input: Value,
        run_id: Option<String>,
        ended: Option<Result<Value, RunError>>,
    },
    Timer {
        until: DateTime<Utc>,
        set: bool,
        fired: bool,
    },
    Event {
        key: String,
        received: Option<Value>,
    },
    Approval {
        message: String,
        input: Value,
        pending: Option<String>,
        decided: Option<Result<Value, RunError>>,
    },
    Turns(Turns),
}

/// In which attempt of the run a call was begun: only who owned the run then knows of it.
pub(super) type Flight = u32;

/// The lists within an entry that are being executed.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By the part of the entry, or the number of the turn.
    pub open: BTreeMap<usize, Turn>,
    /// What there are turns for.
    pub items: Vec<Value>,
    /// How many turns have begun, and what they gave.
    pub begun: usize,
    pub results: BTreeMap<usize, Value>,
    /// What the next turn is given.
    pub previous: Value,
    pub end: Option<Result<Value, RunError>>,
    /// Why the first of the lists failed that did.
    pub failure: Option<RunError>,
}

/// What makes up for an entry that is done.
#[derive(Debug)]
pub(super) struct Undo {
    pub place: Place,
    pub input: Result<Value, RunError>,
    pub node: Node,
}

impl Work {
    /// What it gives, if nothing can change that any more.
    pub fn gave(&self) -> Option<&Value> {
        match self {
            Self::Ready(value) | Self::Child { ended: Some(Ok(value)), .. } => Some(value),
            Self::Call(call, _) => {
                let result = call.result().filter(|(status, _)| *status == ToolStatus::Done);
                result.map(|(_, told)| told)
            }
            _ => None,
        }
    }
}

impl Turn {
    pub fn new(list: &List, previous: Value) -> Self {
        let nodes = list.entries.iter().map(|_| Node::default()).collect();
        Self { previous, nodes, ..Self::default() }
    }

    /// What the entries at `positions` gave: of one that, of several an object by their ids, of none what came
    /// before all.
    pub fn gave<'t>(&'t self, list: &List, positions: &[usize]) -> Cow<'t, Value> {
        match positions {
            [] => Cow::Borrowed(&self.previous),
            [one] => Cow::Borrowed(self.nodes[*one].output()),
            several => {
                let members = several
                    .iter()
                    .map(|it| (list.entries[*it].id.clone(), self.nodes[*it].output().clone()));
                Cow::Owned(Value::Object(members.collect::<Map<_, _>>()))
            }
        }
    }

    pub fn is_over(&self) -> bool {
        self.nodes.iter().all(Node::is_over)
    }
}

impl Node {
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    pub fn output(&self) -> &Value {
        match &self.stage {
            Stage::Over(facts) => facts.get("output").unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    pub fn facts(&self) -> Option<&Value> {
        match &self.stage {
            Stage::Over(facts) => Some(facts),
            _ => None,
        }
    }

    pub fn turns(&self) -> Option<&Turns> {
        match &self.stage {
            Stage::Open(Work::Turns(turns)) => Some(turns),
            _ => None,
        }
    }

    pub fn turns_mut(&mut self) -> Option<&mut Turns> {
        match &mut self.stage {
            Stage::Open(Work::Turns(turns)) => Some(turns),
            _ => None,
        }
    }
}

impl State {
    /// The execution of the list that the entry at `place` is in.
    pub fn turn(&self, path: &[usize]) -> Option<&Turn> {
        let mut turn = &self.root;
        for step in path.chunks_exact(2) {
            turn = turn.nodes.get(step[0])?.turns()?.open.get(&step[1])?;
        }
        Some(turn)
    }

    pub fn turn_mut(&mut self, path: &[usize]) -> Option<&mut Turn> {
        let mut turn = &mut self.root;
        for step in path.chunks_exact(2) {
            turn = turn.nodes.get_mut(step[0])?.turns_mut()?.open.get_mut(&step[1])?;
        }
        Some(turn)
    }

    /// An entry failed and may not: its list fails, and what that list is in.
    pub fn note_failure(&mut self, path: &[usize], error: RunError) {
        if let Some(turn) = self.turn_mut(path) {
            turn.failure.get_or_insert_with(|| error.clone());
        }
        let around = path.len().checked_sub(2).map(|end| Place::new(&path[..end]));
        if let Some(Work::Turns(turns)) = around.and_then(|place| self.work_mut(&place)) {
            turns.failure.get_or_insert(error);
        }
    }

    /// The run goes on from here. What it took over counts against none of its limits.
    pub fn resume(&mut self, attempt: u32, at: DateTime<Utc>) {
        self.run_attempt = attempt;
        if self.taking_over.take().is_none() {
            return;
        }
        self.started_at = Some(at);
        self.steps_taken_over = self.steps;
        self.usage = Usage::default();
        self.waited = TimeDelta::zero();
    }

    /// The time in which a run below was at work is no time of waiting. Of runs that were at work together it
    /// counts once.
    pub fn count_work_of(&mut self, begun: &Begun, worked_ms: u64, at: DateTime<Utc>) {
        let worked = TimeDelta::milliseconds(i64::try_from(worked_ms).unwrap_or(i64::MAX / 2));
        let until = begun.at + worked.min(at - begun.at);
        let new = (until - self.worked_until.max(begun.at)).min(self.waited - begun.waited);
        self.waited -= new.max(TimeDelta::zero());
        self.worked_until = self.worked_until.max(until);
    }

    pub fn node_mut(&mut self, place: &Place) -> Option<&mut Node> {
        if place.compensates {
            return self.undo.iter_mut().find(|it| it.place == *place).map(|it| &mut it.node);
        }
        let position = *place.path.last()?;
        self.turn_mut(&place.path)?.nodes.get_mut(position)
    }

    pub fn work_mut(&mut self, place: &Place) -> Option<&mut Work> {
        match &mut self.node_mut(place)?.stage {
            Stage::Open(work) => Some(work),
            _ => None,
        }
    }
}
