//! What a workflow is: its entries, as its definition says them and as they are executed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::approval::OnTimeout;
use crate::limits::Limits;
use crate::outcome::RunErrorKind;
use crate::predicate::Predicate;
use crate::step::StepKind;
use crate::value::Expr;
use crate::value::Template;

/// A workflow that can be executed.
#[derive(Debug)]
pub struct Workflow {
    pub(super) steps: List,
    pub(super) output: Expr,
    pub(super) schema: Option<Validator>,
    pub(super) limits: Limits,
    pub(super) index: Index,
}

/// Where each entry is, by its id.
pub(super) type Index = HashMap<String, Address>;

/// The way to an entry: at which place in a list, in which part of that entry, at which place in its list, and so
/// on to the place of the entry itself. The part of a loop is zero; which turn it is stands in no definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub way: Vec<usize>,
    /// It is what makes up for the entry that the way leads to.
    pub compensates: bool,
}

/// A JSON Schema, compiled. What it is for is compared by nobody.
#[derive(Debug, Clone)]
pub(super) struct Validator(pub Arc<jsonschema::Validator>);

/// Entries that are executed one after the other, or as a graph.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    pub entries: Vec<Entry>,
    /// Those that nothing in the list comes after, in order.
    pub last: Vec<usize>,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub id: String,
    /// Where it stands in the definition (RFC 6901).
    pub at: String,
    /// Which of its list must be over before it begins.
    pub after: Vec<usize>,
    /// What it is given; if absent, what came before.
    pub input: Option<Expr>,
    pub timeout_ms: Option<u64>,
    pub retry: Retry,
    /// Whether the list goes on if it fails.
    pub continues: bool,
    pub compensate: Option<Box<Entry>>,
    pub action: Action,
    /// What is read around it, and within it by what it tests: places and pointers.
    pub reads: Vec<(String, String)>,
    pub inner_reads: Vec<(String, String)>,
}

/// When an entry that failed is begun again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Retry {
    /// How often.
    pub max: u32,
    /// How long after the first failure.
    pub backoff_ms: u64,
    /// How many times longer after each that follows.
    pub factor: f64,
    /// After which failures; if empty, after all that may pass by themselves.
    pub on: Vec<RunErrorKind>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max: 0, backoff_ms: 500, factor: 2.0, on: Vec::new() }
    }
}

/// What an entry does.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Agent {
        name: String,
        version: Option<i64>,
    },
    Tool {
        name: String,
        version: Option<i64>,
    },
    Workflow {
        name: String,
        version: Option<i64>,
    },
    /// A step of the program.
    Step {
        name: String,
    },
    Mapping {
        output: Expr,
    },
    Parallel {
        branches: Vec<(String, List)>,
        fail_fast: bool,
    },
    Conditional {
        cases: Vec<(Predicate, List)>,
        otherwise: List,
    },
    Foreach {
        items: Expr,
        body: List,
        concurrency: usize,
        max_items: usize,
    },
    Loop {
        test: Test,
        body: List,
        max_iterations: usize,
    },
    Sleep {
        duration: Expr,
    },
    SleepUntil {
        until: Expr,
    },
    WaitForEvent {
        event: String,
        key: Expr,
        schema: Option<Validator>,
    },
    Approval(Asking),
    Script {
        code: String,
    },
    Fail {
        message: Template,
    },
}

/// When a loop ends.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Looked at before each turn.
    While(Predicate),
    /// Looked at after each turn.
    Until(Predicate),
}

/// What a person is asked.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub message: Template,
    pub payload_schema: Option<Validator>,
    pub scope: Option<String>,
    pub timeout_ms: u64,
    pub on_timeout: OnTimeout,
}

/// What a definition refers to, and where: the member that holds the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub kind: ReferenceKind,
    pub name: String,
    pub version: Option<i64>,
    /// RFC 6901.
    pub pointer: String,
    /// How often the entry is begun again after a failure.
    pub retries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    Agent,
    Tool,
    Workflow,
    /// Of the program.
    Step,
}

impl Workflow {
    /// The agents, tools, workflows and steps of the program that it names, in the order of its entries.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        self.steps.each(&mut |entry| found.extend(entry.reference()));
        found
    }

    /// Whether an entry waits for an event.
    pub fn waits_for_events(&self) -> bool {
        let mut waits = false;
        self.steps.each(&mut |entry| waits |= matches!(entry.action, Action::WaitForEvent { .. }));
        waits
    }

    /// Whether something makes up for an entry when a run fails.
    pub fn makes_up(&self) -> bool {
        self.index.values().any(|it| it.compensates)
    }

    /// Its scripts, each with the pointer to it.
    pub fn scripts(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.steps.each(&mut |entry| {
            if let Action::Script { code } = &entry.action {
                found.push((format!("{}/code", entry.at), code.clone()));
            }
        });
        found
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many entries it has.
    pub fn entries(&self) -> usize {
        self.index.len()
    }
}

impl List {
    /// Calls `visit` with each entry, those within and those that make up for others too.
    pub fn each<'l>(&'l self, visit: &mut impl FnMut(&'l Entry)) {
        for entry in &self.entries {
            visit(entry);
            if let Some(compensate) = &entry.compensate {
                visit(compensate);
            }
            for list in entry.action.lists() {
                list.each(visit);
            }
        }
    }
}

impl Entry {
    fn reference(&self) -> Option<Reference> {
        let (kind, name, version) = match &self.action {
            Action::Agent { name, version } => (ReferenceKind::Agent, name, version),
            Action::Tool { name, version } => (ReferenceKind::Tool, name, version),
            Action::Workflow { name, version } => (ReferenceKind::Workflow, name, version),
            Action::Step { name } => (ReferenceKind::Step, name, &None),
            _ => return None,
        };
        Some(Reference {
            kind,
            name: name.clone(),
            version: *version,
            pointer: format!("{}/{}", self.at, self.action.kind()),
            retries: self.retry.max,
        })
    }

    /// Whether it has turns, each with entries of its own.
    pub fn has_turns(&self) -> bool {
        matches!(self.action, Action::Foreach { .. } | Action::Loop { .. })
    }
}

impl Action {
    /// The `type` of the entry.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Agent { .. } => "agent",
            Self::Tool { .. } => "tool",
            Self::Workflow { .. } => "workflow",
            Self::Step { .. } => "step",
            Self::Mapping { .. } => "mapping",
            Self::Parallel { .. } => "parallel",
            Self::Conditional { .. } => "conditional",
            Self::Foreach { .. } => "foreach",
            Self::Loop { .. } => "loop",
            Self::Sleep { .. } => "sleep",
            Self::SleepUntil { .. } => "sleep_until",
            Self::WaitForEvent { .. } => "wait_for_event",
            Self::Approval(_) => "approval",
            Self::Script { .. } => "script",
            Self::Fail { .. } => "fail",
        }
    }

    pub fn step_kind(&self) -> StepKind {
        match self {
            Self::Agent { .. } => StepKind::Agent,
            Self::Tool { .. } => StepKind::Tool,
            Self::Workflow { .. } => StepKind::Workflow,
            Self::Step { .. } => StepKind::Step,
            Self::Mapping { .. } => StepKind::Mapping,
            Self::Parallel { .. } => StepKind::Parallel,
            Self::Conditional { .. } => StepKind::Conditional,
            Self::Foreach { .. } => StepKind::Foreach,
            Self::Loop { .. } => StepKind::Loop,
            Self::Sleep { .. } => StepKind::Sleep,
            Self::SleepUntil { .. } => StepKind::SleepUntil,
            Self::WaitForEvent { .. } => StepKind::WaitForEvent,
            Self::Approval(_) => StepKind::Approval,
            Self::Script { .. } => StepKind::Script,
            Self::Fail { .. } => StepKind::Fail,
        }
    }

    /// The lists within, in the order of their parts.
    pub fn lists(&self) -> Vec<&List> {
        match self {
            Self::Parallel { branches, .. } => branches.iter().map(|(_, list)| list).collect(),
            Self::Conditional { cases, otherwise } => {
                cases.iter().map(|(_, list)| list).chain([otherwise]).collect()
            }
            Self::Foreach { body, .. } | Self::Loop { body, .. } => vec![body],
            _ => Vec::new(),
        }
    }

    /// The list of part number `part`; all turns of a loop have the same.
    pub fn list(&self, part: usize) -> Option<&List> {
        match self {
            Self::Parallel { branches, .. } => branches.get(part).map(|(_, list)| list),
            Self::Conditional { cases, otherwise } => {
                Some(cases.get(part).map_or(otherwise, |(_, list)| list))
            }
            Self::Foreach { body, .. } | Self::Loop { body, .. } => Some(body),
            _ => None,
        }
    }
}
