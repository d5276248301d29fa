//! Definitions that would wait for themselves, directly or through others: agents ask agents, call tools and run
//! workflows, and some tools and all entries of workflows do so too.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use engine::ReferenceKind;

use crate::definitions::Snapshot;
use crate::tools::ToolRows;

/// What tools must know of agents or of workflows, which come after them, by their names in lower case.
pub type KnownOthers = BTreeMap<String, Known>;

/// What tools must know of an agent or a workflow.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub scopes: Vec<String>,
    /// What it asks, calls and runs.
    pub calls: Arc<[Node]>,
    /// A number that tells the text in which that stands from others.
    pub fingerprint: u64,
}

/// Something that may wait for others, by its name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    Agent(String),
    Tool(String),
    Workflow(String),
    /// Of the program.
    Step(String),
}

impl Node {
    /// What a definition names.
    pub fn of(kind: ReferenceKind, name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match kind {
            ReferenceKind::Agent => Self::Agent(name),
            ReferenceKind::Tool => Self::Tool(name),
            ReferenceKind::Workflow => Self::Workflow(name),
            ReferenceKind::Step => Self::Step(name),
        }
    }

    pub fn agent(name: &str) -> Self {
        Self::of(ReferenceKind::Agent, name)
    }

    pub fn tool(name: &str) -> Self {
        Self::of(ReferenceKind::Tool, name)
    }

    pub fn workflow(name: &str) -> Self {
        Self::of(ReferenceKind::Workflow, name)
    }
}

impl Snapshot<ToolRows> {
    /// Whether `first` would wait for `own`: it is that, or it waits for it directly or through others.
    pub fn would_wait(&self, first: Node, own: &Node) -> bool {
        let (mut seen, mut ahead) = (HashSet::new(), vec![first]);
        while let Some(node) = ahead.pop() {
            if node == *own {
                return true;
            }
            if !seen.contains(&node) {
                ahead.extend(self.called_by(&node));
                seen.insert(node);
            }
        }
        false
    }

    fn called_by(&self, node: &Node) -> Vec<Node> {
        let called = match node {
            Node::Agent(name) => self.view.agent(name).map(|it| it.calls.to_vec()),
            Node::Workflow(name) => self.view.workflow(name).map(|it| it.calls.to_vec()),
            Node::Step(_) => None,
            Node::Tool(name) => {
                self.find_by_name(name).and_then(|it| it.ready.begins()).map(|it| vec![it])
            }
        };
        called.unwrap_or_default()
    }
}
