//! The end of a run, with all that is its own.

use std::sync::Arc;

use engine::Outcome;
use engine::RunError;
use engine::RunFinished;

use super::Driver;
use super::Stop;
use crate::runs::Run;
use crate::runs::journal::Change;
use crate::runs::live::End;
use crate::runs::store::tree;
use crate::runs::webhook::NewDelivery;

impl Driver {
    /// Ends a run that cannot be executed. What it has begun is known from the database alone: its log may not be
    /// readable either.
    pub(super) async fn give_up(&mut self, why: RunError) -> Result<End, Stop> {
        while let Some(unfinished) = self.execution.unfinished(&why, self.now()) {
            self.record(unfinished)?;
        }
        let (tenant, run_id) = (&self.record.tenant, self.live.run_id);
        let open = self.runs.db.read(async |conn| tree::open_below(conn, tenant, run_id).await);
        for child in open.await? {
            self.cancel_child(&child.to_string(), "the run that began it is over");
        }
        let (status, usage) = (Outcome::Failed, self.execution.usage());
        self.finish(RunFinished { status, output: None, error: Some(why), usage }).await
    }

    /// Ends the run, and tells all who are concerned.
    pub(super) async fn finish(&mut self, end: RunFinished) -> Result<End, Stop> {
        self.tell_relatives();
        self.end_waits();
        self.write_memory()?;
        self.record(end.clone())?;
        let mut run = self.progressed();
        run.output = end.output;
        run.summary.status = end.status.into();
        run.summary.error = end.error;
        run.summary.finished_at = Some(self.runs.clock.now());
        let run = Arc::new(run);
        let (tenant, row) = (self.record.tenant.clone(), Arc::clone(&run));
        self.log.change(Change { tenant, run: row, wake_at: None });
        if self.execution.asks() || self.unusable.is_some() {
            self.log.close_approvals();
        }
        if let Some(webhook) = self.record.asked.webhook.clone() {
            let (tenant, run_id) = (self.record.tenant.clone(), self.live.run_id);
            let (id, created_at) = (self.runs.ids.next(), self.runs.clock.now());
            self.log.tell(NewDelivery { tenant, id, run_id, webhook, created_at });
        }
        self.store().await?;
        if self.record.asked.webhook.is_some() {
            self.runs.webhooks.wake();
        }
        Ok(End::Finished(run))
    }

    /// The run as its log says that it is now.
    pub(super) fn progressed(&self) -> Run {
        let mut run = self.record.run.clone();
        run.summary.usage = self.execution.usage();
        run.summary.steps = self.execution.steps();
        run.summary.last_seq = self.log.last_seq();
        run
    }
}
