//! A run that asks people, and waits without a process.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Approval;
use engine::ApprovalDecided;
use engine::ApprovalDue;
use engine::ApprovalKind;
use engine::ApprovalStatus;
use engine::ApprovalTool;
use engine::CancelRequested;
use engine::Consent;
use engine::Decision;
use engine::OnTimeout;
use engine::RunWaiting;
use engine::StepAsk;
use engine::WaitingStatus;
use serde_json::Value;

use super::Driver;
use super::Stop;
use crate::db::At;
use crate::runs::RunsError;
use crate::runs::journal::Change;
use crate::runs::live::End;
use crate::runs::signal::Order;
use crate::runs::store::approvals;
use crate::runs::store::signals;

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
                    if self.execution.awaits(&decided.approval_id) {
                        self.record(*decided)?;
                    }
                }
                Order::Event(event) => {
                    self.arrived.push_back((signal.id, event.event));
                }
                Order::ChildEnded { run_id, usage, worked_ms } => {
                    self.child_ended(run_id, usage, worked_ms).await?;
                }
            }
        }
        let now = self.now();
        for approval_id in self.execution.expired(now) {
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
    pub(super) fn ask(&mut self, due: Vec<StepAsk>) -> Result<(), Stop> {
        for due in due {
            let approval = match due {
                StepAsk::Call(due) => self.ask_for_call(due),
                StepAsk::Entry {
                    step,
                    call_id,
                    message,
                    arguments,
                    scope,
                    expires_at,
                    on_timeout,
                } => {
                    let tool = ApprovalTool { name: step.clone(), version: None };
                    let asked = self.approval(step, call_id, tool, arguments, expires_at);
                    Approval {
                        message: Some(message),
                        required_scope: scope.unwrap_or_else(|| engine::APPROVER.to_owned()),
                        on_timeout,
                        ..asked
                    }
                }
            };
            self.record(approval)?;
        }
        Ok(())
    }

    fn ask_for_call(&self, due: ApprovalDue) -> Approval {
        let patience = Duration::from_millis(due.policy.timeout_ms);
        let expires_at = self.runs.clock.now().time() + patience;
        let say =
            |it: &Consent| format!("`{}` wants to know that you agree: {}", it.upstream, it.url);
        let asked = self.approval(due.step, due.call_id, due.tool, due.arguments, expires_at);
        Approval {
            kind: due.kind,
            arguments_hash: due.arguments_hash,
            message: due.consent.as_deref().map(say),
            required_scope: due.policy.scope.unwrap_or_else(|| engine::APPROVER.to_owned()),
            on_timeout: due.policy.on_timeout,
            consent: due.consent,
            ..asked
        }
    }

    /// An approval of an entry that is asked for now.
    fn approval(
        &self,
        step: String,
        call_id: String,
        tool: ApprovalTool,
        arguments: Value,
        expires_at: DateTime<Utc>,
    ) -> Approval {
        Approval {
            id: self.runs.ids.next().to_string(),
            kind: ApprovalKind::Step,
            run_id: self.live.run_id.to_string(),
            step,
            call_id,
            tool,
            arguments_hash: engine::arguments_hash(&arguments),
            arguments,
            message: None,
            status: ApprovalStatus::Pending,
            required_scope: engine::APPROVER.to_owned(),
            requested_by: self.record.run.summary.subject.clone(),
            expires_at: At::new(expires_at).time(),
            on_timeout: OnTimeout::default(),
            decided_by: None,
            decided_at: None,
            reason: None,
            created_at: self.runs.clock.now().time(),
            consent: None,
        }
    }

    /// Lets go of the run until what it waits for comes.
    pub(super) async fn pause(&mut self, waiting: RunWaiting) -> Result<End, Stop> {
        let look_at = self.end_overdue_children().await?;
        self.note_events();
        self.record(waiting.clone())?;
        let mut run = self.progressed();
        run.summary.status = waiting.status.into();
        run.summary.waiting_for = waiting.waiting_for;
        let (tenant, run) = (self.record.tenant.clone(), Arc::new(run));
        let wake_at = self.execution.next_time(self.now()).into_iter().chain(look_at).min();
        let wake_at = Some(wake_at.map_or(At::NEVER, At::new));
        self.log.change(Change { tenant, run: Arc::clone(&run), wake_at });
        self.store().await?;
        Ok(match waiting.status {
            WaitingStatus::Suspended => End::Suspended(run),
            WaitingStatus::Waiting => End::LetGo,
        })
    }
}
