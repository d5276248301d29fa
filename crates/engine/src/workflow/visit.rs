//! Looking at all that is open in a run for what is to be done.

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde_json::Map;
use serde_json::Value;

use super::WorkflowRun;
use super::apply::next_turn;
use super::definition::Action;
use super::definition::Entry;
use super::definition::List;
use super::definition::Retry;
use super::place::Place;
use super::state::Node;
use super::state::Stage;
use super::state::Turn;
use super::state::Turns;
use super::state::Work;
use super::step::EntryCall;
use super::step::EntryChild;
use super::step::StepAsk;
use crate::event::Event;
use crate::event::RunKind;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::step::StepStarted;
use crate::waiting::TimerFired;
use crate::waiting::TimerSet;
use crate::waiting::WaitingFor;

mod call;
mod end;

/// All that is to be done.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// To be recorded before all else.
    pub record: Option<Event>,
    pub calls: Vec<EntryCall>,
    pub asks: Vec<StepAsk>,
    pub children: Vec<EntryChild>,
    pub waits: Vec<WaitingFor>,
    /// The steps that wait for an event, with its name and its key.
    pub events: Vec<(String, String, String)>,
    /// Calls under way.
    pub in_flight: usize,
    /// When something is to be done although nothing comes.
    pub time: Option<DateTime<Utc>>,
}

/// How far a list has come.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    Running,
    Over,
    Failed(RunError),
}

impl Due {
    fn at(&mut self, time: DateTime<Utc>) {
        self.time = Some(self.time.map_or(time, |it| it.min(time)));
    }
}

/// What a look needs to know of an entry.
#[derive(Clone, Copy)]
pub(super) struct Seen<'s> {
    pub entry: &'s Entry,
    pub node: &'s Node,
    pub place: &'s Place,
    pub now: DateTime<Utc>,
}

impl WorkflowRun {
    /// Looks at an execution of `list`; `path` leads into it.
    pub(super) fn look(
        &self,
        list: &List,
        turn: &Turn,
        path: &[usize],
        now: DateTime<Utc>,
        due: &mut Due,
    ) -> Progress {
        if let Some(error) = &turn.failure {
            due.record = self.close(list, turn, path, error, now);
            let is_closed = due.record.is_none();
            return if is_closed { Progress::Failed(error.clone()) } else { Progress::Running };
        }
        for (position, (entry, node)) in list.entries.iter().zip(&turn.nodes).enumerate() {
            if node.is_over() {
                continue;
            }
            let may_begin = || entry.after.iter().all(|it| turn.nodes[*it].is_over());
            if matches!(node.stage, Stage::Pending) && !may_begin() {
                continue;
            }
            let place = Place::new(&[path, &[position]].concat());
            self.visit(Seen { entry, node, place: &place, now }, due);
            if due.record.is_some() {
                return Progress::Running;
            }
        }
        if turn.is_over() { Progress::Over } else { Progress::Running }
    }

    /// Looks at an entry that is not over.
    pub(super) fn visit(&self, seen: Seen<'_>, due: &mut Due) {
        match &seen.node.stage {
            Stage::Pending => due.record = Some(self.start(seen, 1)),
            Stage::Failed { at, until, fired } => self.again(seen, *at, *until, *fired, due),
            Stage::Open(work) => {
                let began = seen.node.began_at.unwrap_or(seen.now);
                if let Some(timeout) = seen.entry.timeout_ms {
                    let end = began + milliseconds(timeout);
                    if seen.now >= end && work.gave().is_none() {
                        let message = format!("`{}` was not done in {timeout} ms", seen.entry.id);
                        let error = RunError::new(RunErrorKind::Timeout, message);
                        due.record = Some(self.fail(seen, error));
                        return;
                    }
                    due.at(end);
                }
                self.go_on(seen, work, began, due);
            }
            Stage::Over(_) => {}
        }
    }

    fn start(&self, seen: Seen<'_>, attempt: u32) -> Event {
        if let Some(limit) = self.step_limit(seen.place) {
            return limit.into();
        }
        let name = match &seen.entry.action {
            Action::Agent { name, .. }
            | Action::Tool { name, .. }
            | Action::Workflow { name, .. }
            | Action::Step { name } => name,
            _ => &seen.entry.id,
        };
        StepStarted {
            step: self.workflow.name(seen.place),
            kind: seen.entry.action.step_kind(),
            name: name.clone(),
            attempt,
        }
        .into()
    }

    /// An entry that failed is begun again after a while.
    fn again(
        &self,
        seen: Seen<'_>,
        at: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        fired: bool,
        due: &mut Due,
    ) {
        let attempt = seen.node.attempt + 1;
        if fired {
            due.record = Some(self.start(seen, attempt));
            return;
        }
        let timer_id = self.call_id(seen.place, attempt);
        let step = || self.workflow.name(seen.place);
        let backoff = || at + backoff(&seen.entry.retry, seen.node.attempt);
        timer(timer_id, step, until, backoff, seen.now, due);
    }

    fn go_on(&self, seen: Seen<'_>, work: &Work, began: DateTime<Utc>, due: &mut Due) {
        let call_id = || self.call_id(seen.place, seen.node.attempt);
        match work {
            Work::Broken(error) => due.record = Some(self.fail(seen, error.clone())),
            Work::Ready(value) => due.record = Some(self.done(seen, value.clone())),
            Work::Call(call, flight) => self.look_at_call(seen, call, *flight, due),
            Work::Child { ended: Some(ended), .. } => self.finish(seen, ended.clone(), due),
            Work::Child { run_id: Some(run_id), .. } => {
                due.waits.push(WaitingFor::Child { run_id: run_id.clone() });
            }
            Work::Child { input, .. } => due.children.extend(child(seen.entry, call_id(), input)),
            Work::Timer { fired: true, .. } => due.record = Some(self.done(seen, Value::Null)),
            Work::Timer { until, set, .. } => {
                let step = || self.workflow.name(seen.place);
                timer(call_id(), step, set.then_some(*until), || *until, seen.now, due);
            }
            Work::Event { key, received } => self.look_at_event(seen, key, received.as_ref(), due),
            Work::Approval { decided: Some(decided), .. } => {
                self.finish(seen, decided.clone(), due);
            }
            Work::Approval { message, input, pending, .. } => {
                let Action::Approval(asking) = &seen.entry.action else { return };
                let expires_at = began + milliseconds(asking.timeout_ms);
                if let Some(approval_id) = pending {
                    due.at(expires_at);
                    due.waits.push(WaitingFor::Approval { approval_id: approval_id.clone() });
                    return;
                }
                due.asks.push(StepAsk::Entry {
                    step: self.workflow.name(seen.place),
                    call_id: call_id(),
                    message: message.clone(),
                    arguments: input.clone(),
                    scope: asking.scope.clone(),
                    expires_at,
                    on_timeout: asking.on_timeout,
                });
            }
            Work::Turns(turns) => self.look_at_turns(seen, turns, due),
        }
    }

    fn look_at_event(&self, seen: Seen<'_>, key: &str, received: Option<&Value>, due: &mut Due) {
        let Action::WaitForEvent { event, schema, .. } = &seen.entry.action else { return };
        let Some(payload) = received else {
            let (name, key) = (event.clone(), key.to_owned());
            due.events.push((self.workflow.name(seen.place), name.clone(), key.clone()));
            due.waits.push(WaitingFor::Event { name, key });
            return;
        };
        let wrong = schema.as_ref().and_then(|it| crate::tool::faults(&it.0, payload).err());
        let outcome = match wrong {
            None => Ok(payload.clone()),
            Some(why) => {
                let message = format!("the event `{event}` is not what is waited for: {why}");
                Err(RunError::new(RunErrorKind::Output, message))
            }
        };
        self.finish(seen, outcome, due);
    }

    fn look_at_turns(&self, seen: Seen<'_>, turns: &Turns, due: &mut Due) {
        if let Some(end) = &turns.end {
            return self.finish(seen, end.clone(), due);
        }
        let waits_for_all = matches!(seen.entry.action, Action::Parallel { fail_fast: false, .. });
        if let Some(error) = turns.failure.clone().filter(|_| !waits_for_all) {
            due.record = Some(self.fail(seen, error));
            return;
        }
        let mut is_running = false;
        for (part, turn) in &turns.open {
            let Some(list) = seen.entry.action.list(*part) else { continue };
            let path = [&seen.place.path[..], &[*part]].concat();
            is_running |= self.look(list, turn, &path, seen.now, due) == Progress::Running;
            if due.record.is_some() {
                return;
            }
        }
        if let Some(list) = next_list(seen.entry, turns) {
            let path = [&seen.place.path[..], &[turns.begun]].concat();
            self.look(list, &next_turn(turns, list), &path, seen.now, due);
            return;
        }
        if !is_running {
            let failure = turns.failure.clone();
            let outcome = failure.map_or_else(|| Ok(gave(seen.entry, turns)), Err);
            self.finish(seen, outcome, due);
        }
    }

    fn finish(&self, seen: Seen<'_>, outcome: Result<Value, RunError>, due: &mut Due) {
        due.record = Some(match outcome {
            Ok(value) => self.done(seen, value),
            Err(error) => self.fail(seen, error),
        });
    }
}

/// Sets a timer for the time of `begin`, waits `until` it has come, and says so.
fn timer(
    timer_id: String,
    step: impl Fn() -> String,
    until: Option<DateTime<Utc>>,
    begin: impl Fn() -> DateTime<Utc>,
    now: DateTime<Utc>,
    due: &mut Due,
) {
    match until {
        None => {
            due.record = Some(TimerSet { timer_id, step: step(), until: begin() }.into());
        }
        Some(until) if now >= until => due.record = Some(TimerFired { timer_id }.into()),
        Some(until) => {
            due.at(until);
            due.waits.push(WaitingFor::Timer { until });
        }
    }
}

/// The list of the turn that may begin now beside those that are open.
fn next_list<'e>(entry: &'e Entry, turns: &Turns) -> Option<&'e List> {
    match &entry.action {
        Action::Foreach { body, concurrency, .. } => {
            let may = turns.open.len() < *concurrency && turns.begun < turns.items.len();
            may.then_some(body)
        }
        Action::Loop { body, .. } => turns.open.is_empty().then_some(body),
        _ => None,
    }
}

/// The output of an entry whose lists are all over.
fn gave(entry: &Entry, turns: &Turns) -> Value {
    let of = |part: &usize, list: &List| {
        let turn = turns.open.get(part);
        turn.map(|turn| turn.gave(list, &list.last).into_owned()).unwrap_or_default()
    };
    match &entry.action {
        Action::Parallel { branches, .. } => {
            let members = branches.iter().enumerate();
            let members = members.map(|(part, (name, list))| (name.clone(), of(&part, list)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Action::Foreach { .. } => turns.results.values().cloned().collect(),
        action => {
            let part = turns.open.keys().next().copied().unwrap_or_default();
            action.list(part).map(|list| of(&part, list)).unwrap_or_default()
        }
    }
}

fn child(entry: &Entry, call_id: String, input: &Value) -> Option<EntryChild> {
    let (kind, name, version) = match &entry.action {
        Action::Agent { name, version } => (RunKind::Agent, name, version),
        Action::Workflow { name, version } => (RunKind::Workflow, name, version),
        _ => return None,
    };
    Some(EntryChild {
        call_id,
        kind,
        name: name.clone(),
        version: *version,
        input: input.clone(),
        started: None,
    })
}

/// How long to wait after failure number `failures`, at most a day.
fn backoff(retry: &Retry, failures: u32) -> TimeDelta {
    let mut wait = retry.backoff_ms;
    for _ in 1..failures {
        wait = scaled(wait, retry.factor).min(86_400_000);
    }
    milliseconds(wait)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most ten days in milliseconds, and never negative"
)]
fn scaled(milliseconds: u64, factor: f64) -> u64 {
    (milliseconds as f64 * factor) as u64
}

pub(super) fn milliseconds(number: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(number).unwrap_or(i64::MAX / 2))
}
