//! A run that asks people and other runs, and waits for them without a process.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Answer;
use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalDue;
use engine::ApprovalStatus;
use engine::CancelRequested;
use engine::ChildDue;
use engine::ChildFinished;
use engine::ChildStarted;
use engine::Decision;
use engine::Outcome;
use engine::Output;
use engine::ResumeReason;
use engine::RunWaiting;
use engine::ToolError;
use engine::ToolErrorKind;
use engine::ToolFinished;
use engine::Usage;
use engine::WaitingStatus;
use llm::ToolStatus;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Driver;
use super::Stop;
use crate::db::At;
use crate::db::Id;
use crate::runs::Record;
use crate::runs::RunsError;
use crate::runs::Status;
use crate::runs::cancel;
use crate::runs::child;
use crate::runs::execute;
use crate::runs::journal::Change;
use crate::runs::live::End;
use crate::runs::pins;
use crate::runs::rights;
use crate::runs::signal::Cancel;
use crate::runs::signal::Order;
use crate::runs::signal::Signal;
use crate::runs::store;
use crate::runs::store::approvals;
use crate::runs::store::signals;
use crate::runs::take_up;
use crate::runs::take_up::Found;
use crate::runs::tool;
use crate::tools::ToolFailure;

/// When a run below that should be over is looked at again.
const AGAIN: Duration = Duration::from_secs(10);

impl Driver {
    /// Records what others left for this run, and what nobody has decided in time.
    pub(super) async fn obey(&mut self) -> Result<(), Stop> {
        for signal in self.live.take_orders() {
            match signal.order {
                Order::Cancel(cancel) => {
                    self.log.take(signal.id);
                    self.record(CancelRequested { by: cancel.by, reason: cancel.reason })?;
                }
                Order::Decision(decided) | Order::Consent(decided) => {
                    self.log.take(signal.id);
                    if self.agent.awaits(&decided.approval_id) {
                        self.record(*decided)?;
                    }
                }
                Order::ChildEnded { run_id, usage, worked_ms } => {
                    self.child_ended(run_id, usage, worked_ms).await?;
                }
            }
        }
        let now = self.now();
        for approval_id in self.agent.expired(now) {
            self.expire(approval_id, At::new(now)).await?;
        }
        Ok(())
    }

    /// Ends the time of an approval, unless somebody was just in time.
    async fn expire(&mut self, approval_id: String, now: At) -> Result<(), Stop> {
        let Ok(id) = approval_id.parse() else {
            return Err(RunsError::NotFound(approval_id).into());
        };
        let (tenant, run_id) = (self.record.tenant.clone(), self.live.run_id);
        let expired = self.runs.db.write(async |tx| approvals::expire(tx, &tenant, id, now).await);
        if expired.await? {
            return self.record(ApprovalDecided {
                approval_id,
                decision: Decision::Expire,
                arguments: None,
                result: None,
                payload: None,
                reason: None,
                by: None,
            });
        }
        let left = self.runs.db.read(async |conn| signals::for_run(conn, &tenant, run_id).await);
        left.await?.into_iter().for_each(|signal| self.live.deliver(signal));
        Ok(())
    }

    /// Asks people. Their approvals become rows in the transaction of the events.
    pub(super) fn ask(&mut self, due: Vec<ApprovalDue>) -> Result<(), Stop> {
        for due in due {
            let now = self.runs.clock.now();
            let patience = Duration::from_millis(due.policy.timeout_ms);
            self.record(Approval {
                id: self.runs.ids.next().to_string(),
                kind: due.kind,
                run_id: self.live.run_id.to_string(),
                step: due.step,
                call_id: due.call_id,
                tool: due.tool,
                arguments: due.arguments,
                arguments_hash: due.arguments_hash,
                message: due.consent.as_ref().map(|it| {
                    format!("`{}` wants to know that you agree: {}", it.upstream, it.url)
                }),
                status: ApprovalStatus::Pending,
                required_scope: due.policy.scope.unwrap_or_else(|| engine::APPROVER.to_owned()),
                requested_by: self.record.run.summary.subject.clone(),
                expires_at: At::new(now.time() + patience).time(),
                on_timeout: due.policy.on_timeout,
                decided_by: None,
                decided_at: None,
                reason: None,
                created_at: now.time(),
                consent: due.consent,
            })?;
        }
        Ok(())
    }

    /// Begins runs of other agents: their rows go in with the events that say so.
    pub(super) async fn start_children(&mut self, due: Vec<ChildDue>) -> Result<(), Stop> {
        let mut begun = Vec::new();
        let held = rights::held(&self.runs, &self.record).await?;
        for ChildDue { started, agent } in due {
            let call_id = started.call_id.clone();
            let input = question(&started.arguments);
            self.record(started)?;
            let left = self.agent.left(self.now());
            let held = held.clone();
            match child::record(&self.runs, &self.record, &agent, input, held, left).await? {
                Ok(record) => {
                    let summary = &record.run.summary;
                    let (run_id, kind) = (summary.id, summary.kind);
                    let name = summary.definition.name.clone();
                    begun.push(run_id);
                    self.log.begin(execute::queued(record));
                    self.record(ChildStarted { run_id: run_id.to_string(), kind, name, call_id })?;
                }
                Err(message) => {
                    let error = ToolError::new(ToolErrorKind::Failed, message);
                    self.record(without_result(call_id, ToolStatus::Failed, error))?;
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
    async fn child_ended(
        &mut self,
        child: Id,
        usage: Usage,
        worked_ms: Option<u64>,
    ) -> Result<(), Stop> {
        self.log.take(child);
        let Some(call_id) = self.agent.call_of_child(&child.to_string()).map(str::to_owned) else {
            return Ok(());
        };
        let tenant = &self.record.tenant;
        let found = self.runs.db.read(async |conn| store::find(conn, tenant, child).await).await?;
        let run = found.map(|record| record.run).filter(|run| run.summary.status.is_final());
        let status = run.as_ref().map_or(Outcome::Failed, |run| outcome(run.summary.status));
        let output = run.as_ref().and_then(|run| run.output.as_ref());
        let (run_id, citations) = (child.to_string(), output.map(citations).unwrap_or_default());
        let (own, error) = (None, None);
        let finished =
            ChildFinished { run_id, status, usage, worked_ms, citations, output: own, error };
        self.record(finished)?;
        let answer = match output.filter(|_| status == Outcome::Succeeded) {
            Some(output) => Some(self.checked(&call_id, said(output)).await?),
            None => None,
        };
        let finished = match (status, answer) {
            (_, Some(Ok(result))) => {
                let status = ToolStatus::Done;
                ToolFinished { call_id, status, result, error: None, duration_ms: 0 }
            }
            (_, Some(Err(why))) => {
                let error = ToolError::new(ToolErrorKind::Failed, why.to_string());
                without_result(call_id, ToolStatus::Failed, error)
            }
            (outcome, _) => {
                let error = run.and_then(|run| run.summary.error);
                let why = error.map_or_else(|| "it is gone".to_owned(), |error| error.message);
                let kind = match outcome {
                    Outcome::Canceled => ToolErrorKind::Canceled,
                    _ => ToolErrorKind::Failed,
                };
                let message = format!("the agent did not answer: {why}");
                without_result(call_id, ToolStatus::Failed, ToolError::new(kind, message))
            }
        };
        self.record(finished)
    }

    /// What an agent answered to a call, if it is what the tool says of its results.
    async fn checked(
        &self,
        call_id: &str,
        answer: Value,
    ) -> Result<Result<Value, ToolFailure>, RunsError> {
        let Some(name) = self.agent.tool_of(call_id) else { return Ok(Ok(answer)) };
        let Record { tenant, asked, .. } = &*self.record;
        let tool = pins::find(&self.runs, tenant, asked, name).await?;
        Ok(match tool {
            Some(tool) => tool::checked(&tool, answer),
            None => Ok(answer),
        })
    }

    /// Lets go of the run until what it waits for comes.
    pub(super) async fn pause(&mut self, waiting: RunWaiting) -> Result<End, Stop> {
        let look_at = self.end_overdue_children().await?;
        self.record(waiting.clone())?;
        let mut run = self.progressed();
        run.summary.status = waiting.status.into();
        run.summary.waiting_for = waiting.waiting_for;
        let (tenant, run) = (self.record.tenant.clone(), Arc::new(run));
        let wake_at = self.agent.next_expiry().into_iter().chain(look_at).min();
        let wake_at = Some(wake_at.map_or(At::NEVER, At::new));
        self.log.change(Change { tenant, run: Arc::clone(&run), wake_at });
        self.store().await?;
        Ok(match waiting.status {
            WaitingStatus::Suspended => End::Suspended(run),
            WaitingStatus::Waiting => End::LetGo,
        })
    }

    /// Ends the runs below that are still in the queue when what was left of the time of this one is over; those
    /// that have begun end by themselves. Says when to look again, if that is needed.
    async fn end_overdue_children(&self) -> Result<Option<DateTime<Utc>>, Stop> {
        let (now, tenant) = (self.now(), &self.record.tenant);
        let mut look_at = None;
        for (child, due) in self.agent.children_due() {
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
    pub(super) fn tell_relatives(&mut self) -> Vec<Signal> {
        let summary = &self.record.run.summary;
        let usage = self.agent.usage_of_all();
        let (tenant, own, created_at) = (&self.record.tenant, summary.id, self.runs.clock.now());
        let worked = created_at.time() - summary.created_at.time() - self.agent.waited();
        let worked_ms = Some(worked.num_milliseconds().try_into().unwrap_or(0));
        let to_parent = summary.parent_run_id.map(|parent| Signal {
            tenant: tenant.clone(),
            run_id: parent,
            id: own,
            order: Order::ChildEnded { run_id: own, usage, worked_ms },
            created_at,
        });
        let canceled = self.agent.open_children().filter_map(|child| child.parse().ok());
        let to_children = canceled.map(|child| {
            let reason = Some("the run that began it is over".to_owned());
            let cancel = Cancel { by: summary.subject.clone(), reason };
            Signal::cancel(tenant.clone(), child, cancel, created_at)
        });
        let signals: Vec<Signal> = to_children.chain(to_parent).collect();
        signals.iter().cloned().for_each(|signal| self.log.leave(signal));
        signals
    }
}

/// What an agent is asked by a call: the text `input` if there is nothing else, or the arguments as JSON.
fn question(arguments: &Value) -> String {
    match (arguments.as_object().map(Map::len), &arguments["input"]) {
        (Some(1), Value::String(input)) => input.clone(),
        _ => arguments.to_string(),
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

/// What an agent that was asked has said.
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

fn without_result(call_id: String, status: ToolStatus, error: ToolError) -> ToolFinished {
    ToolFinished { call_id, status, result: Value::Null, error: Some(error), duration_ms: 0 }
}
