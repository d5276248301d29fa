//! What an entry can read.

use serde_json::Value;

use super::definition::Workflow;
use super::state::State;
use super::state::Turn;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::predicate::Predicate;
use crate::value::Expr;
use crate::value::TooLarge;

/// What can be read in one list of a run.
pub(super) struct Env<'e> {
    pub workflow: &'e Workflow,
    pub state: &'e State,
    pub context: &'e Value,
    /// To an entry of the list.
    pub path: &'e [usize],
    pub previous: &'e Value,
    /// Of the turn that comes next, where a loop looks whether it does.
    pub index: Option<&'e Value>,
}

impl<'e> Env<'e> {
    pub fn evaluate(&self, expr: &Expr) -> Result<Value, RunError> {
        expr.evaluate(&|pointer| self.read(pointer)).map_err(too_large)
    }

    pub fn holds(&self, predicate: &Predicate) -> bool {
        predicate.holds(&|pointer| self.read(pointer))
    }

    pub fn read(&self, pointer: &str) -> Option<&'e Value> {
        let path = pointer.strip_prefix('/')?;
        let root = path.split('/').next()?;
        let rest = &path[root.len()..];
        match root {
            "input" => self.state.input.pointer(rest),
            "previous" => self.previous.pointer(rest),
            "context" => self.context.pointer(rest),
            "item" => self.around(|turn| turn.item.as_ref())?.pointer(rest),
            "index" => self.index.or_else(|| self.around(|it| it.index.as_ref()))?.pointer(rest),
            "steps" => {
                let id = rest.split('/').nth(1)?;
                self.facts(id)?.pointer(&rest[id.len() + 1..])
            }
            _ => None,
        }
    }

    /// The nearest that one of the turns around has.
    fn around(&self, get: impl Fn(&'e Turn) -> Option<&'e Value>) -> Option<&'e Value> {
        let ends = (0..=self.path.len() / 2).rev();
        ends.filter_map(|end| self.state.turn(&self.path[..end * 2])).find_map(get)
    }

    /// What is known of the entry `id`, in the same turns as this.
    fn facts(&self, id: &str) -> Option<&'e Value> {
        let mut path = self.workflow.index.get(id)?.way.clone();
        let (mut list, mut is_around) = (&self.workflow.steps, true);
        for (number, step) in path.chunks_exact_mut(2).enumerate() {
            let entry = list.entries.get(step[0])?;
            list = entry.action.list(step[1])?;
            let ours = self.path.get(number * 2..number * 2 + 2);
            is_around &= ours.is_some_and(|it| it[0] == step[0]);
            if entry.has_turns() {
                step[1] = ours.filter(|_| is_around)?[1];
            }
        }
        let mut turn = &self.state.root;
        for step in path.chunks_exact(2) {
            let within = turn.nodes.get(step[0])?.turns().and_then(|it| it.open.get(&step[1]));
            match within {
                Some(within) => turn = within,
                None => return turn.inner.get(id),
            }
        }
        turn.nodes.get(*path.last()?)?.facts()
    }
}

pub(super) fn too_large(error: TooLarge) -> RunError {
    RunError::new(RunErrorKind::Limit, error.to_string())
}
