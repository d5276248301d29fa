//! The calls of a run, which are made beside each other.

use std::collections::HashMap;
use std::future;
use std::sync::Arc;

use chrono::DateTime;
use chrono::Utc;
use engine::Effect;
use engine::EntryCall;
use engine::Event;
use engine::ToolFinished;
use futures::FutureExt;
use futures::StreamExt;
use futures::future::AbortHandle;
use futures::future::BoxFuture;
use futures::future::abortable;
use futures::stream::FuturesUnordered;
use tokio::sync::Mutex;
use tokio::sync::oneshot;

use super::Driver;
use super::Interruption;
use super::Stop;
use crate::runs::tool;
use crate::tools::Reports;
use crate::tools::Told;

type Running = FuturesUnordered<BoxFuture<'static, Option<ToolFinished>>>;

/// The calls that are under way.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Gives nothing for one that was given up. Nobody takes the lock: with it the owner may be shared.
    running: Mutex<Running>,
    /// By their ids.
    open: HashMap<String, (Effect, AbortHandle)>,
    reports: Arc<Reports>,
    /// Who goes on when all that is recorded is stored.
    waiting: Vec<oneshot::Sender<()>>,
}

/// What comes while calls are under way.
#[derive(Debug)]
enum Heard {
    Ended(ToolFinished),
    Told(Told),
    Orders,
    Time(DateTime<Utc>),
}

impl Calls {
    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn have_effects(&self) -> bool {
        self.open.values().any(|(effect, _)| *effect != Effect::Read)
    }

    /// Waits for the next that ends; for ever, if none is under way.
    async fn next(running: &mut Running) -> ToolFinished {
        loop {
            match running.next().await {
                Some(Some(finished)) => return finished,
                Some(None) => {}
                None => return future::pending().await,
            }
        }
    }

    /// Gives up a call, if it is under way, and says what it has said.
    pub fn give_up(&mut self, call_id: &str) -> Vec<Event> {
        let Some((_, call)) = self.open.remove(call_id) else { return Vec::new() };
        call.abort();
        self.reports.end(call_id)
    }
}

impl Driver {
    /// Makes calls, and waits until all have ended.
    pub(super) async fn call_all(&mut self, calls: Vec<EntryCall>) -> Result<(), Stop> {
        self.begin_calls(calls).await?;
        while !self.calls.is_empty() {
            self.hear(None).await?;
        }
        Ok(())
    }

    /// Begins calls beside those that are under way.
    pub(super) async fn begin_calls(&mut self, mut calls: Vec<EntryCall>) -> Result<(), Stop> {
        tool::refuse(&self.runs, &self.record, &mut calls).await?;
        for EntryCall { call, .. } in &calls {
            self.record(call.started.clone())?;
        }
        if calls.iter().any(|it| it.call.started.effect != Effect::Read) {
            self.store().await?;
        }
        for call in calls {
            let (call_id, effect) = (call.call.started.call_id.clone(), call.call.started.effect);
            let made = tool::call(&self.runs, &self.record, call, &self.calls.reports);
            let (made, handle) = abortable(made);
            self.calls.running.get_mut().push(made.map(Result::ok).boxed());
            self.calls.open.insert(call_id, (effect, handle));
        }
        Ok(())
    }

    /// Waits until something comes of the calls that are under way, or the time `until` has come.
    pub(super) async fn hear(&mut self, until: Option<DateTime<Utc>>) -> Result<(), Stop> {
        let mut is_heard = false;
        // What is there at once goes into one entry with what follows.
        while let Some(finished) = Calls::next(self.calls.running.get_mut()).now_or_never() {
            self.end_call(finished)?;
            is_heard = true;
        }
        if is_heard {
            return Ok(());
        }
        match self.next_heard(until).await? {
            Ok(heard) => self.take_heard(heard).await,
            // An answer that is on its way is worth the time that is left: without it nobody would know
            // what came of the call.
            Err(Interruption::HandOver) if self.calls.have_effects() => self.leave().await,
            Err(interruption) => {
                let said = self.calls.reports.take().events;
                self.calls = Calls::default();
                said.into_iter().try_for_each(|event| self.record(event))?;
                self.interrupt(interruption)
            }
        }
    }

    /// Waits for the ends of all calls, and lets go of the run.
    async fn leave(&mut self) -> Result<(), Stop> {
        while !self.calls.is_empty() {
            self.store_for_calls().await?;
            let Calls { running, reports, .. } = &mut self.calls;
            let heard = tokio::select! {
                finished = Calls::next(running.get_mut()) => Heard::Ended(finished),
                told = reports.next() => Heard::Told(told),
            };
            self.take_heard(heard).await?;
        }
        Err(Stop::HandOver)
    }

    async fn next_heard(
        &mut self,
        until: Option<DateTime<Utc>>,
    ) -> Result<Result<Heard, Interruption>, Stop> {
        self.note_events();
        self.store_for_calls().await?;
        let (interruption, live) = (self.interruption(), Arc::clone(&self.live));
        let heeds_orders = self.execution.is_parallel();
        let time = until.map(|until| (until - self.now()).to_std().unwrap_or_default());
        let Calls { running, reports, .. } = &mut self.calls;
        Ok(tokio::select! {
            finished = Calls::next(running.get_mut()) => Ok(Heard::Ended(finished)),
            told = reports.next() => Ok(Heard::Told(told)),
            () = live.ordered(), if heeds_orders => Ok(Heard::Orders),
            () = tokio::time::sleep(time.unwrap_or_default()), if time.is_some() => {
                Ok(Heard::Time(until.unwrap_or_default()))
            }
            interruption = interruption => Err(interruption),
        })
    }

    /// Stores what was recorded, and lets those go on who have waited for that.
    async fn store_for_calls(&mut self) -> Result<(), Stop> {
        self.store().await?;
        for stored in self.calls.waiting.drain(..) {
            let _ = stored.send(());
        }
        Ok(())
    }

    async fn take_heard(&mut self, heard: Heard) -> Result<(), Stop> {
        match heard {
            Heard::Ended(finished) => {
                // What only reads goes into one entry with what follows.
                if self.end_call(finished)? != Effect::Read {
                    self.store().await?;
                }
            }
            Heard::Told(told) => {
                told.events.into_iter().try_for_each(|event| self.record(event))?;
                self.calls.waiting.extend(told.waiting);
            }
            // They are recorded before the next step.
            Heard::Orders => {}
            Heard::Time(until) => self.passed = self.passed.max(Some(until)),
        }
        Ok(())
    }

    /// Records what calls have said, and the end of one of them.
    fn end_call(&mut self, finished: ToolFinished) -> Result<Effect, Stop> {
        let ended = self.calls.open.remove(&finished.call_id);
        for event in self.calls.reports.end(&finished.call_id) {
            self.record(event)?;
        }
        self.record(finished)?;
        Ok(ended.map_or(Effect::Read, |(effect, _)| effect))
    }
}
