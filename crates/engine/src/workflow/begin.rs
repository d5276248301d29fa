//! An entry begins: what it is given is made, of what the run knows at that time.

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde_json::Value;
use serde_json::json;

use super::WorkflowRun;
use super::definition::Action;
use super::definition::Entry;
use super::definition::List;
use super::definition::Test;
use super::env::Env;
use super::env::too_large;
use super::parse::YEAR_MS;
use super::place::Place;
use super::state::Turn;
use super::state::Turns;
use super::state::Work;
use crate::call::Call;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::value::Template;

/// What scripts are called in events.
pub(super) const SCRIPT: &str = "script";

/// The longest key of an event, in bytes.
const KEY_BYTES: usize = 1000;

impl WorkflowRun {
    /// The work of the entry at `place`, begun `at` for the `attempt`th time.
    pub(super) fn begin(&self, place: &Place, attempt: u32, at: DateTime<Utc>) -> Work {
        self.try_begin(place, attempt, at).unwrap_or_else(Work::Broken)
    }

    fn try_begin(&self, place: &Place, attempt: u32, at: DateTime<Utc>) -> Result<Work, RunError> {
        let nowhere = || RunError::new(RunErrorKind::Internal, "there is no such entry");
        let (list, entry) = self.workflow.find(&place.path).ok_or_else(nowhere)?;
        if let Some(compensate) = entry.compensate.as_deref().filter(|_| place.compensates) {
            let undo = self.state.undo.iter().find(|it| it.place == *place).ok_or_else(nowhere)?;
            return Ok(self.called(compensate, place, attempt, undo.input.clone()?));
        }
        let turn = self.state.turn(&place.path).ok_or_else(nowhere)?;
        let previous = turn.gave(list, &entry.after);
        let env = self.env(&place.path, &previous);
        let input = match &entry.input {
            Some(input) => env.evaluate(input)?,
            None => previous.clone().into_owned(),
        };
        self.work(entry, place, attempt, at, &env, input)
    }

    pub(super) fn env<'e>(&'e self, path: &'e [usize], previous: &'e Value) -> Env<'e> {
        let (workflow, state, context) = (&*self.workflow, &self.state, &self.context);
        Env { workflow, state, context, path, previous, index: None }
    }

    fn work(
        &self,
        entry: &Entry,
        place: &Place,
        attempt: u32,
        at: DateTime<Utc>,
        env: &Env<'_>,
        input: Value,
    ) -> Result<Work, RunError> {
        Ok(match &entry.action {
            Action::Agent { .. }
            | Action::Tool { .. }
            | Action::Workflow { .. }
            | Action::Step { .. }
            | Action::Script { .. } => self.called(entry, place, attempt, input),
            Action::Mapping { output } => Work::Ready(env.evaluate(output)?),
            Action::Parallel { branches, .. } => {
                let turn = |(_, list): &(String, List)| Turn::new(list, input.clone());
                let open = branches.iter().map(turn).enumerate().collect();
                Work::Turns(Turns { open, ..Turns::default() })
            }
            Action::Conditional { cases, otherwise } => {
                let chosen = cases.iter().position(|(when, _)| env.holds(when));
                let part = chosen.unwrap_or(cases.len());
                let list = cases.get(part).map_or(otherwise, |(_, then)| then);
                let open = [(part, Turn::new(list, input))].into();
                Work::Turns(Turns { open, ..Turns::default() })
            }
            Action::Foreach { items, max_items, .. } => {
                let items = list_of(env.evaluate(items)?, *max_items)?;
                Work::Turns(Turns { items, ..Turns::default() })
            }
            Action::Loop { test, .. } => Work::Turns(first_turn(test, env, input)),
            Action::Sleep { duration } => {
                let until = at + duration_of(&env.evaluate(duration)?)?;
                Work::Timer { until, set: false, fired: false }
            }
            Action::SleepUntil { until } => {
                let until = time_of(&env.evaluate(until)?)?;
                Work::Timer { until, set: false, fired: false }
            }
            Action::WaitForEvent { key, .. } => {
                Work::Event { key: key_of(env.evaluate(key)?)?, received: None }
            }
            Action::Approval(asking) => {
                let message = fill(&asking.message, env)?;
                Work::Approval { message, input, pending: None, decided: None }
            }
            Action::Fail { message } => {
                Work::Broken(RunError::new(RunErrorKind::Definition, fill(message, env)?))
            }
        })
    }

    /// The work of an entry that calls something.
    fn called(&self, entry: &Entry, place: &Place, attempt: u32, input: Value) -> Work {
        let tool = match &entry.action {
            Action::Tool { name, .. } | Action::Step { name } => name,
            Action::Script { .. } => SCRIPT,
            _ => return Work::Child { input, run_id: None, ended: None },
        };
        let id = self.call_id(place, attempt);
        Work::Call(Box::new(Call::new(id, tool.to_owned(), input)), self.state.run_attempt)
    }

    /// The id of what the entry at `place` does in its `attempt`: its name, and the number if it is not the first.
    pub(super) fn call_id(&self, place: &Place, attempt: u32) -> String {
        let name = self.workflow.name(place);
        if attempt > 1 { format!("{name}#{attempt}") } else { name }
    }

    /// Whether a loop goes on after a turn that `gave` something, as turn number `next`.
    pub(super) fn goes_on(&self, test: &Test, path: &[usize], gave: &Value, next: usize) -> bool {
        let (index, next) = (json!(next.saturating_sub(1)), json!(next));
        match test {
            Test::While(predicate) => {
                Env { index: Some(&next), ..self.env(path, gave) }.holds(predicate)
            }
            Test::Until(predicate) => {
                !Env { index: Some(&index), ..self.env(path, gave) }.holds(predicate)
            }
        }
    }
}

fn first_turn(test: &Test, env: &Env<'_>, input: Value) -> Turns {
    let index = json!(0);
    let within = Env { index: Some(&index), previous: &input, ..*env };
    let is_over = matches!(test, Test::While(predicate) if !within.holds(predicate));
    let end = is_over.then(|| Ok(input.clone()));
    Turns { previous: input, end, ..Turns::default() }
}

fn fill(template: &Template, env: &Env<'_>) -> Result<String, RunError> {
    let mut left = crate::value::BYTES;
    template.fill(&|pointer| env.read(pointer), &mut left).map_err(too_large)
}

fn broken<T>(message: impl Into<String>) -> Result<T, RunError> {
    Err(RunError::new(RunErrorKind::Definition, message))
}

fn list_of(value: Value, most: usize) -> Result<Vec<Value>, RunError> {
    match value {
        Value::Array(items) if items.len() <= most => Ok(items),
        Value::Array(items) => {
            let message = format!("`items` has {} items, and may have {most}", items.len());
            Err(RunError::new(RunErrorKind::Limit, message))
        }
        other => broken(format!("`items` is {}, not a list", kind_of(&other))),
    }
}

fn duration_of(value: &Value) -> Result<TimeDelta, RunError> {
    match value.as_u64().filter(|it| *it <= YEAR_MS).and_then(|it| i64::try_from(it).ok()) {
        Some(milliseconds) => Ok(TimeDelta::milliseconds(milliseconds)),
        None => broken(format!(
            "`duration_ms` is {}, not an integer from 0 to {YEAR_MS}",
            in_short(value)
        )),
    }
}

fn time_of(value: &Value) -> Result<DateTime<Utc>, RunError> {
    match value.as_str().and_then(|it| DateTime::parse_from_rfc3339(it).ok()) {
        Some(time) => Ok(time.to_utc()),
        None => broken(format!("`until` is {}, not a time", in_short(value))),
    }
}

fn key_of(value: Value) -> Result<String, RunError> {
    let key = match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    if key.len() > KEY_BYTES {
        return broken(format!("`key` has {} bytes, and may have {KEY_BYTES}", key.len()));
    }
    Ok(key)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn in_short(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind_of(value).to_owned(),
        scalar => scalar.to_string().chars().take(60).collect(),
    }
}
