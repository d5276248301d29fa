//! The tool calls of a turn, which are made together.

use std::sync::Arc;

use engine::Effect;
use engine::ToolCall;
use engine::ToolFinished;
use futures::FutureExt;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::Driver;
use super::Interruption;
use super::Stop;
use crate::runs::tool;
use crate::tools::Reports;
use crate::tools::Told;

/// What comes of calls that are under way.
#[derive(Debug)]
enum Heard {
    Ended(Option<ToolFinished>),
    Told(Told),
}

impl Driver {
    pub(super) async fn call_tools(&mut self, mut calls: Vec<ToolCall>) -> Result<(), Stop> {
        tool::refuse(&self.runs, &self.record, &mut calls).await?;
        for call in &calls {
            self.record(call.started.clone())?;
        }
        let has_effects = calls.iter().any(|call| call.started.effect != Effect::Read);
        if has_effects {
            self.store().await?;
        }
        let reports = Arc::new(Reports::default());
        let call = |call| tool::call(&self.runs, &self.record, call, &reports);
        let mut running: FuturesUnordered<_> = calls.into_iter().map(call).collect();
        // What is there at once goes into one entry with what follows.
        while let Some(finished) = running.next().now_or_never() {
            let Some(finished) = finished else { return Ok(()) };
            self.end_call(&reports, finished)?;
        }
        let (mut waiting, mut is_leaving) = (Vec::new(), false);
        loop {
            self.store().await?;
            for stored in std::mem::take(&mut waiting) {
                let _ = oneshot::Sender::send(stored, ());
            }
            let heard = async {
                tokio::select! {
                    finished = running.next() => Heard::Ended(finished),
                    told = reports.next() => Heard::Told(told),
                }
            };
            let heard = if is_leaving { Ok(heard.await) } else { self.uninterrupted(heard).await };
            match heard {
                Ok(Heard::Ended(Some(finished))) => {
                    self.end_call(&reports, finished)?;
                    // What only reads goes into one entry with what follows.
                    if !has_effects && running.is_empty() {
                        return Ok(());
                    }
                }
                Ok(Heard::Ended(None)) if is_leaving => return Err(Stop::HandOver),
                Ok(Heard::Ended(None)) => return Ok(()),
                Ok(Heard::Told(told)) => {
                    told.events.into_iter().try_for_each(|event| self.record(event))?;
                    waiting = told.waiting;
                }
                // An answer that is on its way is worth the time that is left: without it nobody would know
                // what came of the call.
                Err(Interruption::HandOver) if has_effects => is_leaving = true,
                Err(interruption) => {
                    let said = reports.take().events;
                    said.into_iter().try_for_each(|event| self.record(event))?;
                    return self.interrupt(interruption);
                }
            }
        }
    }

    /// Records what calls have said, and the end of one of them.
    fn end_call(&mut self, reports: &Reports, finished: ToolFinished) -> Result<(), Stop> {
        for event in reports.end(&finished.call_id) {
            self.record(event)?;
        }
        self.record(finished)
    }
}
