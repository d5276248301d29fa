//! Folding the events of a run into its state.

use chrono::DateTime;
use chrono::Utc;
use serde_json::Value;
use serde_json::json;

use super::WorkflowRun;
use super::definition::Action;
use super::definition::List;
use super::definition::Retry;
use super::place::Place;
use super::state::Begun;
use super::state::Node;
use super::state::Stage;
use super::state::Turn;
use super::state::Turns;
use super::state::Undo;
use super::state::Work;
use crate::approval::Approval;
use crate::approval::Decision;
use crate::approval::OnTimeout;
use crate::call::Call;
use crate::child::ChildFinished;
use crate::child::ChildStarted;
use crate::event::ApprovalDecided;
use crate::event::Event;
use crate::event::RunStarted;
use crate::outcome::Outcome;
use crate::outcome::RunError;
use crate::outcome::RunErrorKind;
use crate::step::StepFinished;
use crate::step::StepStarted;
use crate::step::StepStatus;
use crate::waiting::TimerSet;

impl WorkflowRun {
    /// Folds one event, which happened `at`, into the state.
    pub fn apply(&mut self, event: &Event, at: DateTime<Utc>) {
        if let Some(since) = self.state.waiting_since.take() {
            self.state.waited += at - since;
        }
        match event {
            Event::RunStarted(started) => self.started(started, at),
            Event::RunResumed(resumed) => self.state.resume(resumed.attempt, at),
            Event::RunWaiting(_) => self.state.waiting_since = Some(at),
            Event::CancelRequested(_) => self.state.cancel = true,
            Event::StepStarted(started) => self.step_started(started, at),
            Event::StepFinished(finished) => self.step_finished(finished, at),
            Event::ToolStarted(it) => self.on_call(&it.call_id, |call| call.start(it)),
            Event::ToolFinished(it) => self.on_call(&it.call_id, |call| call.finish(it)),
            Event::ApprovalRequested(asked) => self.asked(asked),
            Event::ApprovalDecided(decided) => self.decided(decided),
            Event::ChildStarted(child) => self.child_started(child, at),
            Event::ChildFinished(child) => self.child_finished(child, at),
            Event::TimerSet(timer) => self.timer_set(timer),
            Event::TimerFired(timer) => self.timer_fired(&timer.timer_id),
            Event::EventReceived(it) => {
                let place = self.workflow.place(&it.step);
                if let Some(Work::Event { received, .. }) = self.work_at(place) {
                    *received = Some(it.payload.clone());
                }
            }
            Event::LimitReached(limit) => {
                self.state.failure.get_or_insert_with(|| limit.error());
            }
            Event::RunFinished(_) => self.state.ended = true,
            Event::ModelStarted(_)
            | Event::ModelFinished(_)
            | Event::ModelFailed(_)
            | Event::ToolProgress(_)
            | Event::RequestStarted(_)
            | Event::RequestFinished(_)
            | Event::RetrievalFinished(_)
            | Event::MemoryRead(_)
            | Event::MemoryWritten(_)
            | Event::LogLine(_) => {}
        }
        if let Some(foreign) = &mut self.state.taking_over
            && !matches!(event, Event::RunStarted(_))
        {
            *foreign = foreign.saturating_sub(1);
        }
    }

    fn started(&mut self, started: &RunStarted, at: DateTime<Utc>) {
        self.state.started_at = Some(at);
        // Nobody is making a call that a fork takes over.
        self.state.run_attempt = u32::from(started.forked_from.is_none());
        let foreign = if started.is_retry { started.foreign } else { u64::MAX };
        self.state.taking_over = started.forked_from.as_ref().map(|_| foreign);
        self.state.input = started.input.arguments();
        self.state.root = Turn::new(&self.workflow.steps, self.state.input.clone());
    }

    fn step_started(&mut self, started: &StepStarted, at: DateTime<Utc>) {
        let Some(place) = self.workflow.place(&started.step) else { return };
        self.state.steps += 1;
        self.open_turn(&place.path);
        let work = self.begin(&place, started.attempt, at);
        let Some(node) = self.state.node_mut(&place) else { return };
        node.attempt = started.attempt;
        node.began_at = Some(at);
        node.stage = Stage::Open(work);
    }

    /// Makes the turns that the path leads through and that have not begun.
    fn open_turn(&mut self, path: &[usize]) {
        for end in (2..path.len()).step_by(2) {
            let (place, number) = (&path[..end - 1], path[end - 1]);
            let Some((_, entry)) = self.workflow.find(place) else { return };
            let Some(list) = entry.action.list(number) else { return };
            let has_turns = entry.has_turns();
            let is_case = matches!(entry.action, Action::Conditional { .. });
            let node = self.state.node_mut(&Place::new(place));
            let Some(turns) = node.and_then(Node::turns_mut) else { return };
            if has_turns && number == turns.begun {
                let turn = next_turn(turns, list);
                turns.open.insert(number, turn);
                turns.begun += 1;
            }
            // A fork goes the way that was gone, whatever it would choose now.
            if is_case && !turns.open.contains_key(&number) {
                let before = std::mem::take(&mut turns.open).into_values().next();
                let previous = before.map(|turn| turn.previous).unwrap_or_default();
                turns.open.insert(number, Turn::new(list, previous));
            }
        }
    }

    fn step_finished(&mut self, finished: &StepFinished, at: DateTime<Utc>) {
        let Some(place) = self.workflow.place(&finished.step) else { return };
        let Some(entry) = self.workflow.entry(&place) else { return };
        let (retry, continues) = (entry.retry.clone(), entry.continues);
        if !self.state.approvals.is_empty() {
            self.state.approvals.retain(|_, of| *of != place);
        }
        let Some(node) = self.state.node_mut(&place) else { return };
        let stage = std::mem::take(&mut node.stage);
        let given_up = open_child(&stage);
        let error = finished.error.as_ref().filter(|_| finished.status == StepStatus::Failed);
        let failed = match error {
            Some(error) if may_repeat(&retry, error, node.attempt, &stage) => {
                node.stage = Stage::Failed { at, until: None, fired: false };
                self.state.abandoned.extend(given_up);
                return;
            }
            Some(error) => {
                node.stage = Stage::Over(json!({"status": "failed", "error": error}));
                Some(error.clone())
            }
            None => {
                let output = finished.output.clone().unwrap_or_default();
                node.stage = Stage::Over(json!({"status": "done", "output": output}));
                None
            }
        };
        self.state.abandoned.extend(given_up);
        if place.compensates {
            return;
        }
        if let (Stage::Open(Work::Turns(turns)), Some(around)) =
            (stage, self.state.turn_mut(&place.path))
        {
            self.workflow.keep(&place.path, turns, &mut around.inner);
        }
        match failed {
            Some(error) if !continues => {
                self.state.note_failure(&place.path, error);
            }
            Some(_) => self.settle(&place),
            None => {
                self.remember(&place);
                self.settle(&place);
            }
        }
    }

    /// What would make up for an entry that is done is made ready now: later what it reads may be gone.
    fn remember(&mut self, place: &Place) {
        if self.state.taking_over.is_some_and(|foreign| foreign > 0) {
            return;
        }
        let Some((list, entry)) = self.workflow.find(&place.path) else { return };
        let Some(compensate) = &entry.compensate else { return };
        let Some(turn) = self.state.turn(&place.path) else { return };
        let position = place.path.last().copied().unwrap_or_default();
        let output = turn.gave(list, &[position]);
        let env = self.env(&place.path, &output);
        let input = match &compensate.input {
            Some(input) => env.evaluate(input),
            None => Ok(output.clone().into_owned()),
        };
        let undo = Undo { place: place.compensation(), input, node: Node::default() };
        self.state.undo.push(undo);
    }

    /// After an entry is over: if its list is a turn of a loop that is over too, that turn ends.
    fn settle(&mut self, place: &Place) {
        let Some(end) = place.path.len().checked_sub(2) else { return };
        let (path, number) = (&place.path[..end], place.path[end]);
        let Some((_, entry)) = self.workflow.find(path) else { return };
        let (Some(list), Some(turn)) = (entry.action.list(number), self.state.turn(&place.path))
        else {
            return;
        };
        if !entry.has_turns() || turn.failure.is_some() || !turn.is_over() {
            return;
        }
        let gave = turn.gave(list, &list.last).into_owned();
        let (mut previous, mut ends) = (None, None);
        if let Action::Loop { test, max_iterations, .. } = &entry.action {
            let next = number + 1;
            if !self.goes_on(test, &place.path, &gave, next) {
                ends = Some(Ok(gave.clone()));
            } else if next >= *max_iterations {
                let message = format!("the loop was not over after {next} turns");
                ends = Some(Err(RunError::new(RunErrorKind::Limit, message)));
            }
            previous = Some(gave.clone());
        }
        let Some(Work::Turns(turns)) = self.state.work_mut(&Place::new(path)) else { return };
        turns.open.remove(&number);
        match previous {
            Some(previous) => turns.previous = previous,
            None => drop(turns.results.insert(number, gave)),
        }
        turns.end = ends;
    }

    fn work_at(&mut self, place: Option<Place>) -> Option<&mut Work> {
        self.state.work_mut(&place?)
    }

    /// The place of a call or a timer, if its entry is in that attempt or, `ahead`, before it.
    fn place_of(&mut self, id: &str, ahead: u32) -> Option<Place> {
        let (name, attempt) = id.split_once('#').unwrap_or((id, "1"));
        let place = self.workflow.place(name)?;
        let node = self.state.node_mut(&place)?;
        (attempt.parse() == Ok(node.attempt + ahead)).then_some(place)
    }

    fn on_call(&mut self, call_id: &str, change: impl FnOnce(&mut Call)) {
        let (place, attempt) = (self.place_of(call_id, 0), self.state.run_attempt);
        if let Some(Work::Call(call, flight)) = self.work_at(place) {
            change(call);
            *flight = attempt;
        }
    }

    fn asked(&mut self, asked: &Approval) {
        let Some(place) = self.place_of(&asked.call_id, 0) else { return };
        match self.state.work_mut(&place) {
            Some(Work::Call(call, _)) => call.ask(asked),
            Some(Work::Approval { pending, .. }) => *pending = Some(asked.id.clone()),
            _ => return,
        }
        self.state.approvals.insert(asked.id.clone(), place);
    }

    fn decided(&mut self, decided: &ApprovalDecided) {
        let place = self.state.approvals.remove(&decided.approval_id);
        let policy = place.as_ref().and_then(|place| self.workflow.entry(place));
        let on_timeout = match policy.map(|entry| &entry.action) {
            Some(Action::Approval(asking)) => asking.on_timeout,
            _ => OnTimeout::Reject,
        };
        let Some(Stage::Open(work)) =
            place.and_then(|it| self.state.node_mut(&it)).map(|it| &mut it.stage)
        else {
            return;
        };
        match work {
            Work::Call(call, _) => {
                if let Some(error) = call.decide(decided) {
                    *work = Work::Broken(error);
                }
            }
            Work::Approval { pending, decided: outcome, .. } => {
                *pending = None;
                *outcome = Some(decision(decided, on_timeout));
            }
            _ => {}
        }
    }

    fn child_started(&mut self, child: &ChildStarted, at: DateTime<Utc>) {
        let Some(place) = self.place_of(&child.call_id, 0) else { return };
        match self.state.work_mut(&place) {
            Some(Work::Call(call, _)) => call.child(child),
            Some(Work::Child { run_id, .. }) => *run_id = Some(child.run_id.clone()),
            _ => return,
        }
        let begun = Begun { place, at, waited: self.state.waited };
        self.state.children.insert(child.run_id.clone(), begun);
    }

    fn child_finished(&mut self, child: &ChildFinished, at: DateTime<Utc>) {
        self.state.usage += child.usage;
        self.state.abandoned.retain(|it| *it != child.run_id);
        let Some(begun) = self.state.children.remove(&child.run_id) else { return };
        self.state.count_work_of(&begun, child.worked_ms.unwrap_or(0), at);
        match self.work_at(Some(begun.place)) {
            Some(Work::Call(call, _)) if call.began(&child.run_id) => call.end_child(),
            Some(Work::Child { run_id, ended, .. }) if *run_id == Some(child.run_id.clone()) => {
                *ended = Some(result(child));
            }
            _ => {}
        }
    }

    fn timer_set(&mut self, timer: &TimerSet) {
        let place = self.workflow.place(&timer.step);
        match place.and_then(|it| self.state.node_mut(&it)).map(|it| &mut it.stage) {
            Some(Stage::Open(Work::Timer { until, set, .. })) => {
                *until = timer.until;
                *set = true;
            }
            Some(Stage::Failed { until, .. }) => *until = Some(timer.until),
            _ => {}
        }
    }

    fn timer_fired(&mut self, timer_id: &str) {
        let place = self.place_of(timer_id, 0).or_else(|| self.place_of(timer_id, 1));
        let stage = place.and_then(|it| self.state.node_mut(&it)).map(|it| &mut it.stage);
        if let Some(Stage::Open(Work::Timer { fired, .. }) | Stage::Failed { fired, .. }) = stage {
            *fired = true;
        }
    }
}

/// The turn that comes next of these.
pub(super) fn next_turn(turns: &Turns, list: &List) -> Turn {
    let item = turns.items.get(turns.begun).cloned();
    let previous = item.clone().unwrap_or_else(|| turns.previous.clone());
    Turn { item, index: Some(json!(turns.begun)), ..Turn::new(list, previous) }
}

/// The run that the entry began and whose end is not recorded.
fn open_child(stage: &Stage) -> Option<String> {
    match stage {
        Stage::Open(Work::Child { run_id, ended: None, .. }) => run_id.clone(),
        Stage::Open(Work::Call(call, _)) => call.open_child().map(str::to_owned),
        _ => None,
    }
}

/// Whether the entry is begun again after `error`. A call that has effects, and one that somebody refused, is
/// not.
fn may_repeat(retry: &Retry, error: &RunError, attempt: u32, stage: &Stage) -> bool {
    let is_settled = match stage {
        Stage::Open(Work::Call(call, _)) => {
            let has_failed = |(status, _): &(_, _)| *status == llm::ToolStatus::Failed;
            !call.has_effects() && call.result().is_none_or(has_failed)
        }
        _ => true,
    };
    let is_meant = match error.kind {
        RunErrorKind::Canceled | RunErrorKind::Definition | RunErrorKind::Limit => false,
        kind => retry.on.is_empty() || retry.on.contains(&kind),
    };
    attempt <= retry.max && is_settled && is_meant
}

fn decision(decided: &ApprovalDecided, on_timeout: OnTimeout) -> Result<Value, RunError> {
    let word = match (decided.decision, on_timeout) {
        (Decision::Expire, OnTimeout::Fail) => {
            let message = "nobody has decided in time";
            return Err(RunError::new(RunErrorKind::Timeout, message));
        }
        (Decision::Approve, _) | (Decision::Expire, OnTimeout::Approve) => "approve",
        _ => "reject",
    };
    Ok(json!({"decision": word, "payload": decided.payload, "by": decided.by}))
}

fn result(child: &ChildFinished) -> Result<Value, RunError> {
    if child.status == Outcome::Succeeded {
        return Ok(serde_json::to_value(&child.output).unwrap_or_default());
    }
    Err(child.error.clone().unwrap_or_else(|| {
        let kind = match child.status {
            Outcome::Canceled => RunErrorKind::Canceled,
            Outcome::TimedOut => RunErrorKind::Timeout,
            _ => RunErrorKind::Internal,
        };
        RunError::new(kind, "the run that it began did not succeed")
    }))
}
