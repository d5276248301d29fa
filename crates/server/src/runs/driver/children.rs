//! The runs below a run: begun by it, and ended with it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Answer;
use engine::ChildFinished;
use engine::ChildOf;
use engine::ChildStarted;
use engine::EntryChild;
use engine::Outcome;
use engine::Output;
use engine::ResumeReason;
use engine::RunError;
use engine::RunErrorKind;
use engine::RunKind;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use engine::Usage;
use llm::ToolStatus;
use serde_json::Value;
use serde_json::json;

use super::Driver;
use super::Stop;
use crate::db::Id;
use crate::runs::Record;
use crate::runs::Run;
use crate::runs::RunsError;
use crate::runs::Status;
use crate::runs::cancel;
use crate::runs::child;
use crate::runs::child::Given;
use crate::runs::child::Wanted;
use crate::runs::execute;
use crate::runs::pins;
use crate::runs::rights;
use crate::runs::signal::Cancel;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;
use crate::runs::store;
use crate::runs::take_up;
use crate::runs::take_up::Found;
use crate::runs::tool;
use crate::tools::ToolFailure;

/// When a run below that should be over is looked at again.
const AGAIN: Duration = Duration::from_secs(10);

impl Driver {
    /// Begins runs of other definitions: their rows go in with the events that say so.
    pub(super) async fn start_children(&mut self, due: Vec<EntryChild>) -> Result<(), Stop> {
        let mut begun = Vec::new();
        let held = rights::held(&self.runs, &self.record).await?;
        // Turns want the same, each with something else.
        let mut known = HashMap::new();
        for (number, child) in due.iter().enumerate() {
            let EntryChild { call_id, kind, name, version, input, started } = child;
            let given = match started {
                Some(started) => Given::Arguments(started.arguments.clone()),
                None => Given::Input(input.clone()),
            };
            if let Some(started) = started {
                self.record(started.clone())?;
            }
            let left = self.execution.left(self.now(), due.len() - number);
            let wanted = Wanted { kind: *kind, name: name.clone(), version: *version };
            if !known.contains_key(&wanted) {
                let found = child::find(&self.runs, &self.record, &wanted, &held).await?;
                known.insert(wanted.clone(), found);
            }
            let record =
                |found| child::record(&self.runs, &self.record, found, given, held.clone(), left);
            match known[&wanted].as_ref().map_err(String::clone).and_then(record) {
                Ok(record) => {
                    let summary = &record.run.summary;
                    let (run_id, kind) = (summary.id, summary.kind);
                    let (name, call_id) = (summary.definition.name.clone(), call_id.clone());
                    begun.push(run_id);
                    self.log.begin(execute::queued(record));
                    self.record(ChildStarted { run_id: run_id.to_string(), kind, name, call_id })?;
                }
                Err(message) if started.is_some() => {
                    let error = ToolError::new(ToolErrorKind::Failed, message);
                    self.record(without_result(call_id.clone(), error))?;
                }
                Err(message) => {
                    let error = RunError::new(RunErrorKind::Definition, message);
                    let ended = self.execution.cannot_begin(call_id, error, self.now());
                    ended.map_or(Ok(()), |event| self.record(event))?;
                }
            }
        }
        self.store().await?;
        for run_id in begun {
            let (tenant, reason) = (self.record.tenant.clone(), ResumeReason::Recovery);
            take_up::soon(&self.runs, Found { tenant, run_id, owner: None, reason });
        }
        Ok(())
    }

    /// Records the end of a run that this one began, and of the call that it answers.
    pub(super) async fn child_ended(
        &mut self,
        child: Id,
        usage: Usage,
        worked_ms: Option<u64>,
    ) -> Result<(), Stop> {
        self.log.take(child);
        let run_id = child.to_string();
        let Some(of) = self.execution.child(&run_id) else { return Ok(()) };
        let tenant = &self.record.tenant;
        let found = self.runs.db.read(async |conn| store::find(conn, tenant, child).await).await?;
        let run = found.map(|record| record.run).filter(|run| run.summary.status.is_final());
        let status = run.as_ref().map_or(Outcome::Failed, |run| outcome(run.summary.status));
        let output = run.as_ref().and_then(|run| run.output.as_ref());
        let citations = output.map(citations).unwrap_or_default();
        let (own, error) = match of {
            ChildOf::Entry => {
                (output.cloned(), run.as_ref().and_then(|run| run.summary.error.clone()))
            }
            ChildOf::Call(_) => (None, None),
        };
        let output = own;
        self.record(ChildFinished { run_id, status, usage, worked_ms, citations, output, error })?;
        match of {
            ChildOf::Call(call_id) => self.call_answered(call_id, status, run).await,
            ChildOf::Entry => Ok(()),
        }
    }

    /// Records the end of a call that a run answers.
    async fn call_answered(
        &mut self,
        call_id: String,
        status: Outcome,
        run: Option<Run>,
    ) -> Result<(), Stop> {
        let output = run.as_ref().and_then(|run| run.output.as_ref());
        let answer = match output.filter(|_| status == Outcome::Succeeded) {
            Some(output) => Some(self.checked(&call_id, said(output)).await?),
            None => None,
        };
        let finished = match answer {
            Some(Ok(result)) => {
                let status = ToolStatus::Done;
                ToolFinished { call_id, status, result, error: None, duration_ms: 0 }
            }
            Some(Err(why)) => {
                without_result(call_id, ToolError::new(ToolErrorKind::Failed, why.to_string()))
            }
            None => {
                let what = match run.as_ref().map(|run| run.summary.kind) {
                    Some(RunKind::Workflow) => "the workflow did not succeed",
                    _ => "the agent did not answer",
                };
                let error = run.and_then(|run| run.summary.error);
                let why = error.map_or_else(|| "it is gone".to_owned(), |error| error.message);
                let kind = match status {
                    Outcome::Canceled => ToolErrorKind::Canceled,
                    _ => ToolErrorKind::Failed,
                };
                let message = format!("{what}: {why}");
                without_result(call_id, ToolError::new(kind, message))
            }
        };
        self.record(finished)
    }

    /// What a run answered to a call, if it is what the tool says of its results.
    async fn checked(
        &self,
        call_id: &str,
        answer: Value,
    ) -> Result<Result<Value, ToolFailure>, RunsError> {
        let Some(name) = self.execution.tool_of(call_id) else { return Ok(Ok(answer)) };
        let Record { tenant, asked, .. } = &*self.record;
        let tool = pins::find(&self.runs, tenant, asked, name).await?;
        Ok(match tool {
            Some(tool) => tool::checked(&tool, answer),
            None => Ok(answer),
        })
    }

    /// Ends the runs below that are still in the queue when what was left of the time of this one is over; those
    /// that have begun end by themselves. Says when to look again, if that is needed.
    pub(super) async fn end_overdue_children(&self) -> Result<Option<DateTime<Utc>>, Stop> {
        let (now, tenant) = (self.now(), &self.record.tenant);
        let mut look_at = None;
        for (child, due) in self.execution.children_due() {
            let Ok(child) = child.parse::<Id>() else { continue };
            let next = if due > now {
                due
            } else {
                let found = self.runs.db.read(async |conn| store::find(conn, tenant, child).await);
                let queued = found.await?.filter(|it| it.run.summary.status == Status::Queued);
                let Some(record) = queued else { continue };
                let reason = Some("the time of the run that began it is over".to_owned());
                let cancel = Cancel { by: self.record.run.summary.subject.clone(), reason };
                cancel::soon(&self.runs, record, cancel);
                now + AGAIN
            };
            look_at = Some(look_at.map_or(next, |at: DateTime<Utc>| at.min(next)));
        }
        Ok(look_at)
    }

    /// Tells the runs above and below of the end of this one.
    pub(super) fn tell_relatives(&mut self) {
        let open = self.execution.open_children().into_iter().map(str::to_owned);
        for child in open.collect::<Vec<_>>() {
            self.cancel_child(&child, "the run that began it is over");
        }
        let summary = &self.record.run.summary;
        let (own, created_at) = (summary.id, self.runs.clock.now());
        let Some(run_id) = summary.parent_run_id else { return };
        let worked = created_at.time() - summary.created_at.time() - self.execution.waited();
        let worked_ms = Some(worked.num_milliseconds().try_into().unwrap_or(0));
        let usage = self.execution.usage_of_all();
        let order = Order::ChildEnded { run_id: own, usage, worked_ms };
        let tenant = self.record.tenant.clone();
        self.leave_signal(Signal { tenant, run_id, id: own, order, created_at });
    }
}

fn outcome(status: Status) -> Outcome {
    match status {
        Status::Succeeded => Outcome::Succeeded,
        Status::Canceled => Outcome::Canceled,
        Status::TimedOut => Outcome::TimedOut,
        _ => Outcome::Failed,
    }
}

/// What a run has answered.
fn said(output: &Output) -> Value {
    match output {
        Output::Answer(Answer { text, object: Some(object), .. }) => {
            json!({ "text": text, "object": object })
        }
        Output::Answer(Answer { text, .. }) => json!({ "text": text }),
        Output::Value(result) => result.clone(),
    }
}

/// What an answer rests on.
fn citations(output: &Output) -> Vec<Value> {
    match output {
        Output::Answer(answer) => answer.citations.clone(),
        Output::Value(_) => Vec::new(),
    }
}

fn without_result(call_id: String, error: ToolError) -> ToolFinished {
    let (status, result) = (ToolStatus::Failed, Value::Null);
    ToolFinished { call_id, status, result, error: Some(error), duration_ms: 0 }
}
