//! Takes the steps of one run: asks the engine what comes next, does it, records what came of it.

mod afford;
mod children;
mod end;
mod memory;
mod model;
mod outside;
mod pause;
mod tools;

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use engine::Agent;
use engine::Event;
use engine::RunError;
use metrics::counter;
use tokio::sync::oneshot;
use tracing::error;
use tracing::info;

use super::Record;
use super::RunsError;
use super::execution::Execution;
use super::execution::Next;
use super::happen::Happening;
use super::journal::JournalError;
use super::journal::NewRun;
use super::live::End;
use super::live::Live;
use super::log::Log;
use super::service::Runs;
use super::signal::Cancel;
use super::signal::Signal;
use super::store::owners;
use super::take_up;
use super::trace::Trace;
use crate::db::Id;

use tools::Calls;

/// The owner of one run.
#[derive(Debug)]
pub struct Driver {
    runs: Runs,
    record: Arc<Record>,
    execution: Execution,
    log: Log,
    live: Arc<Live>,
    calls: Calls,
    /// A time that has come while something was under way, whatever the clock says.
    passed: Option<DateTime<Utc>>,
    /// Runs below that were asked to end.
    canceled: HashSet<String>,
    /// The events from outside that it is known to wait for, by names and keys.
    awaited: Option<BTreeSet<(String, String)>>,
    /// Those that have come, and are recorded as soon as it is known what waits for them.
    arrived: VecDeque<(Id, Happening)>,
    /// To whom the next entry leaves something.
    told: Vec<Signal>,
    /// If somebody wants it.
    trace: Option<Trace>,
    /// What is recorded before anything else.
    first: Option<Event>,
    /// Set when the run cannot be executed.
    unusable: Option<RunError>,
    /// Whether the first event must be stored before anything is done.
    first_alone: bool,
    /// Whether the first event must be stored before anything is asked of others.
    first_before_asking: bool,
    /// Learns why the run could not be begun.
    beginner: Option<oneshot::Sender<JournalError>>,
}

/// Why the owner stops before the end of its run.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error("the process ends")]
    HandOver,
    #[error("what happened could not be stored")]
    Journal(#[from] JournalError),
    #[error("what others say could not be read")]
    Runs(#[from] RunsError),
    #[error("the database refused a query of a run")]
    Database(#[from] sqlx::Error),
    #[error("a workflow asks no model")]
    NoAgent,
}

/// What came in the way of something.
#[derive(Debug)]
enum Interruption {
    Canceled,
    DeadlinePassed,
    HandOver,
}

impl Driver {
    /// The owner of a run whose state is `execution`.
    pub fn new(
        runs: Runs,
        record: Arc<Record>,
        execution: Execution,
        log: Log,
        live: Arc<Live>,
    ) -> Self {
        let trace = Trace::of(runs.telemetry.as_ref(), &record);
        Self {
            runs,
            record,
            execution,
            log,
            live,
            calls: Calls::default(),
            passed: None,
            canceled: HashSet::new(),
            awaited: None,
            arrived: VecDeque::new(),
            told: Vec::new(),
            trace,
            first: None,
            unusable: None,
            first_alone: false,
            first_before_asking: false,
            beginner: None,
        }
    }

    /// Lets the trace know of an event that is in the log.
    pub fn recall(&mut self, event: &Event, at: DateTime<Utc>) {
        if let Some(trace) = &mut self.trace {
            trace.recall(event, at);
        }
    }

    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Begins with recording `first`, and ends the run at once if it is `unusable`.
    pub fn begin_with(&mut self, first: Event, unusable: Option<RunError>) {
        self.first = Some(first);
        self.unusable = unusable;
    }

    /// The same for a run that is new: its row goes in with its first event. What is returned tells
    /// why it could not, if the run is let go before that.
    pub fn begin_new(&mut self, run: NewRun, first: Event) -> oneshot::Receiver<JournalError> {
        // What was said on the thread may only be read once it is sure that it was free, and the model
        // only be asked once it is sure that the key was.
        self.first_alone = run.record.run.summary.thread_id.is_some();
        self.first_before_asking = run.key.is_some();
        self.awaited = Some(BTreeSet::new());
        self.log.begin(run);
        self.first = Some(first);
        let (beginner, failure) = oneshot::channel();
        self.beginner = Some(beginner);
        failure
    }

    /// Takes all steps, and says how this process's part in the run ended.
    pub async fn drive(mut self) -> End {
        let run_id = self.live.run_id;
        match self.run().await {
            Ok(end) => {
                if let End::Finished(run) = &end {
                    let status = run.summary.status.as_str();
                    counter!("runs_finished_total", "status" => status).increment(1);
                    info!(run.id = %run_id, run.status = status, "run finished");
                } else {
                    info!(run.id = %run_id, "run waits");
                }
                end
            }
            Err(Stop::HandOver) => {
                let (tenant, worker) = (&self.record.tenant, self.runs.worker());
                let db = &self.runs.db;
                let released =
                    db.write(async |tx| owners::release(tx, tenant, run_id, worker).await).await;
                info!(run.id = %run_id, released = released.is_ok(), "run handed over");
                End::LetGo
            }
            Err(Stop::Journal(cause)) if self.live.state().last_seq == 0 => {
                if let Some(beginner) = self.beginner {
                    let _ = beginner.send(cause);
                }
                End::LetGo
            }
            Err(Stop::Journal(JournalError::Fenced)) => {
                info!(run.id = %run_id, "run let go: another process has taken it up");
                End::LetGo
            }
            Err(cause) => {
                error!(run.id = %run_id, error = &cause as &dyn std::error::Error, "run let go");
                End::LetGo
            }
        }
    }

    /// Records an event, and what follows from it for calls, people and runs below.
    fn record(&mut self, event: impl Into<Event>) -> Result<(), Stop> {
        let event = event.into();
        if let Event::ToolFinished(ended) = &event {
            // The run goes on without a call that is under way still.
            for said in self.calls.give_up(&ended.call_id) {
                self.add(&said)?;
            }
        }
        if let Some(approval) = self.execution.withdrawn_by(&event).and_then(|id| id.parse().ok()) {
            self.log.withdraw(approval);
        }
        self.add(&event)?;
        let abandoned = self.execution.abandoned().iter();
        let abandoned = abandoned.filter(|child| !self.canceled.contains(*child));
        for child in abandoned.cloned().collect::<Vec<_>>() {
            self.cancel_child(&child, "the run that began it does not wait for it any more");
            self.canceled.insert(child);
        }
        Ok(())
    }

    /// Applies an event, and adds it to the next entry of the journal.
    fn add(&mut self, event: &Event) -> Result<(), Stop> {
        let at = self.runs.clock.now();
        self.execution.apply(event, at.time());
        if let Some(trace) = &mut self.trace {
            trace.observe(event, at.time());
        }
        Ok(self.log.push(event, at)?)
    }

    /// Leaves an order to end for a run below.
    fn cancel_child(&mut self, child: &str, reason: &str) {
        let Ok(child) = child.parse::<Id>() else { return };
        let by = self.record.run.summary.subject.clone();
        let cancel = Cancel { by, reason: Some(reason.to_owned()) };
        let (tenant, now) = (self.record.tenant.clone(), self.runs.clock.now());
        self.leave_signal(Signal::cancel(tenant, child, cancel, now));
    }

    /// Leaves a signal for another run with the next entry, and brings it when that is stored.
    fn leave_signal(&mut self, signal: Signal) {
        self.log.leave(signal.clone());
        self.told.push(signal);
    }

    /// Stores what was recorded, and lets readers see it.
    async fn store(&mut self) -> Result<(), Stop> {
        self.first_before_asking = false;
        let shown = self.log.store().await?;
        if !shown.is_empty() {
            self.live.show(shown, None);
        }
        for signal in self.told.drain(..) {
            take_up::bring_soon(&self.runs, signal);
        }
        Ok(())
    }

    async fn run(&mut self) -> Result<End, Stop> {
        if let Some(first) = self.first.take() {
            self.record(first)?;
        }
        if self.first_alone {
            self.store().await?;
        }
        if self.unusable.is_none() {
            self.unusable = self.read_memory().await?;
        }
        if let Some(error) = self.unusable.clone() {
            return self.give_up(error).await;
        }
        loop {
            self.obey().await?;
            if self.log.is_full() {
                self.store().await?;
            }
            let now = self.now();
            match self.execution.next(now) {
                Next::Record(event) => self.record(event)?,
                Next::Finish(end) => return self.finish(end).await,
                // The last event and the row that says so are one transaction.
                Next::Finished => return Err(JournalError::Fenced.into()),
                _ if !self.arrived.is_empty() => self.receive(now)?,
                Next::CallModel(call) => self.call_model(call).await?,
                Next::CallAll(calls) => self.call_all(calls).await?,
                Next::Call(calls) => self.begin_calls(calls).await?,
                Next::Await(until) => self.hear(until).await?,
                Next::Ask(due) => self.ask(due)?,
                Next::StartChildren(due) => self.start_children(due).await?,
                // What has just come is heard first.
                Next::Wait(_) if self.live.has_orders() => {}
                Next::Wait(waiting) => return self.pause(waiting).await,
            }
        }
    }

    /// Waits for `work`, unless something comes in its way.
    async fn uninterrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Interruption> {
        tokio::select! {
            done = work => Ok(done),
            interruption = self.interruption() => Err(interruption),
        }
    }

    /// Waits for something that comes in the way of whatever is under way.
    fn interruption(&self) -> impl Future<Output = Interruption> + use<> {
        let live = Arc::clone(&self.live);
        let hand_over = self.runs.hand_over().clone();
        let left = self.execution.deadline().map_or(Duration::MAX, |deadline| {
            (deadline - self.now()).to_std().unwrap_or(Duration::ZERO)
        });
        async move {
            tokio::select! {
                () = live.canceled() => Interruption::Canceled,
                () = tokio::time::sleep(left) => Interruption::DeadlinePassed,
                () = hand_over.cancelled() => Interruption::HandOver,
            }
        }
    }

    /// Lets the engine know of an interruption.
    fn interrupt(&mut self, interruption: Interruption) -> Result<(), Stop> {
        match interruption {
            Interruption::HandOver => Err(Stop::HandOver),
            Interruption::DeadlinePassed => {
                self.passed = self.passed.max(self.execution.deadline());
                Ok(())
            }
            // The order is recorded before the next step.
            Interruption::Canceled => Ok(()),
        }
    }

    /// The time, at least that which has come.
    fn now(&self) -> DateTime<Utc> {
        let now = self.runs.clock.now().time();
        self.passed.map_or(now, |passed| passed.max(now))
    }

    /// The agent, which alone asks models.
    fn agent(&self) -> Result<&Agent, Stop> {
        match &self.execution {
            Execution::Agent(agent) => Ok(agent),
            Execution::Workflow(_) => Err(Stop::NoAgent),
        }
    }

    /// A number from 0 to 1 that spreads the retries of many runs: from the random end of the id.
    fn chance(&self) -> f64 {
        let [.., last] = self.live.run_id.uuid().into_bytes();
        f64::from(last) / 255.0
    }
}
