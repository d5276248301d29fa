//! A run that this process is executing, as its readers see it.
//!
//! There are no queues: the events and the growing text stand here once, and each reader keeps a
//! position. A slow reader costs nothing and misses nothing; it only gets larger pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use llm::Delta;
use tokio::sync::watch;

use super::Run;
use super::text::CallText;
use crate::db::Id;

/// So many of the last events are kept here; older ones are read from the database.
const EVENTS_KEPT: usize = 256;

/// A running run and those who look at it.
#[derive(Debug)]
pub struct Live {
    pub run_id: Id,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    cancel: watch::Sender<Option<Cancel>>,
}

/// What readers see.
#[derive(Debug, Default)]
pub struct State {
    /// The last events, without gaps.
    pub events: VecDeque<Arc<Shown>>,
    /// The number of the last stored event.
    pub last_seq: u64,
    /// The text of the model call that event `last_seq` began.
    pub open: Option<CallText>,
    pub end: Option<End>,
}

/// A stored event, ready to be sent.
#[derive(Debug)]
pub struct Shown {
    pub seq: u64,
    pub frame: Bytes,
    /// The text that this event ends, for those who have not read all of it.
    pub text: Option<CallText>,
}

/// How this process's part in a run ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The run is over.
    Finished(Arc<Run>),
    /// The run goes on elsewhere, or will.
    LetGo,
}

/// An order to end a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    pub by: String,
    pub reason: Option<String>,
}

impl Live {
    /// A run whose log has `last_seq` events.
    pub fn new(run_id: Id, last_seq: u64) -> Self {
        let state = State { last_seq, ..State::default() };
        Self {
            run_id,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            cancel: watch::Sender::new(None),
        }
    }

    /// What there is now. Not to be held over an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every change after this call.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Shows events that have just been stored, and the text that belongs after the last of them.
    pub fn show(&self, events: Vec<Shown>, open: Option<CallText>) {
        let mut state = self.state();
        for event in events {
            state.last_seq = event.seq;
            state.events.push_back(Arc::new(event));
        }
        let old = state.events.len().saturating_sub(EVENTS_KEPT);
        state.events.drain(..old);
        state.open = open;
        drop(state);
        self.wake();
    }

    /// Lets the open text grow.
    pub fn grow(&self, delta: &Delta) {
        if let Some(open) = &mut self.state().open {
            open.append(delta);
        }
        self.wake();
    }

    /// Ends this process's part. The first end counts.
    pub fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.wake();
    }

    /// Waits for the end.
    pub async fn ended(&self) -> End {
        let mut changes = self.changes();
        loop {
            if let Some(end) = self.state().end.clone() {
                return end;
            }
            if changes.changed().await.is_err() {
                return End::LetGo;
            }
        }
    }

    /// Waits until event `seq` is stored, or this process has let go.
    pub async fn stored(&self, seq: u64) -> Result<(), End> {
        let mut changes = self.changes();
        loop {
            {
                let state = self.state();
                if state.last_seq >= seq {
                    return Ok(());
                }
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
            }
            if changes.changed().await.is_err() {
                return Err(End::LetGo);
            }
        }
    }

    /// Orders the run to end. The first order counts.
    pub fn cancel(&self, cancel: Cancel) {
        self.cancel.send_if_modified(|order| {
            let first = order.is_none();
            order.get_or_insert(cancel);
            first
        });
    }

    /// Waits for an order to end.
    pub async fn canceled(&self) -> Cancel {
        let mut orders = self.cancel.subscribe();
        loop {
            if let Some(cancel) = orders.borrow_and_update().clone() {
                return cancel;
            }
            if orders.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn wake(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}
