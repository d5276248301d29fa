//! A run that this process is executing, as its readers see it.
//!
//! There are no queues: the events and the growing text stand here once, and each reader keeps a
//! position. A slow reader costs nothing and misses nothing; it only gets larger pieces.

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use llm::Delta;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Run;
use super::hint::Said;
use super::signal::Order;
use super::signal::Signal;
use super::text::CallText;
use crate::db::At;
use crate::db::Id;

/// So many of the last events are kept here; older ones are read from the database.
const EVENTS_KEPT: usize = 256;

/// A running run and those who look at it.
#[derive(Debug)]
pub struct Live {
    pub run_id: Id,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// Whether there is an end: who waits for that alone is not woken by each piece of text.
    ended: CancellationToken,
    orders: watch::Sender<Orders>,
}

/// What others told this run's owner.
#[derive(Debug, Default)]
struct Orders {
    /// Told before, maybe by another way.
    known: HashSet<Id>,
    waiting: Vec<Signal>,
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

/// A stored event. Its frame is made for who reads it: most have no reader.
#[derive(Debug)]
pub struct Shown {
    pub seq: u64,
    pub name: Cow<'static, str>,
    pub at: At,
    /// The JSON text as it was stored.
    pub data: Arc<str>,
    pub after: After,
    /// The text that this event ends, for those who have not read all of it.
    pub text: Option<CallText>,
}

/// How a run stands after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum After {
    #[default]
    GoesOn,
    /// It needs somebody.
    Suspended,
    Over,
}

/// How this process's part in a run ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The run is over.
    Finished(Arc<Run>),
    /// The run needs somebody.
    Suspended(Arc<Run>),
    /// The run goes on elsewhere, or will.
    LetGo,
}

impl Live {
    /// A run whose log has `last_seq` events.
    pub fn new(run_id: Id, last_seq: u64) -> Self {
        let state = State { last_seq, ..State::default() };
        Self {
            run_id,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            ended: CancellationToken::new(),
            orders: watch::Sender::default(),
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

    /// Lets the open text grow by what its owner says, who is another process.
    pub fn hear(&self, said: &Said) {
        let mut state = self.state();
        state.open.get_or_insert_with(|| CallText::new(&said.call)).hear(said);
        drop(state);
        self.wake();
    }

    /// Ends this process's part. The first end counts.
    pub fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.ended.cancel();
        self.wake();
    }

    /// Waits for the end.
    pub async fn ended(&self) -> End {
        self.ended.cancelled().await;
        self.state().end.clone().unwrap_or(End::LetGo)
    }

    /// Waits until the run needs somebody by an event after `seq`, or this process has let go.
    pub async fn rested(&self, seq: u64) {
        let mut changes = self.changes();
        let rests = |it: &Arc<Shown>| it.seq > seq && it.after == After::Suspended;
        loop {
            {
                let state = self.state();
                if state.end.is_some() || state.events.back().is_some_and(rests) {
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
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

    /// Tells the owner of the run; what was told before is no news.
    pub fn deliver(&self, signal: Signal) {
        self.orders.send_if_modified(|orders| {
            let is_news = orders.known.insert(signal.id);
            if is_news {
                orders.waiting.push(signal);
            }
            is_news
        });
    }

    /// What the owner has not heard yet.
    pub fn take_orders(&self) -> Vec<Signal> {
        let mut taken = Vec::new();
        self.orders.send_if_modified(|orders| {
            taken = std::mem::take(&mut orders.waiting);
            false
        });
        taken
    }

    /// Whether there is something that the owner has not heard yet.
    pub fn has_orders(&self) -> bool {
        !self.orders.borrow().waiting.is_empty()
    }

    /// Waits until there is something that the owner has not heard yet.
    pub async fn ordered(&self) {
        let mut orders = self.orders.subscribe();
        if orders.wait_for(|it| !it.waiting.is_empty()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for an order to end.
    pub async fn canceled(&self) {
        let is_cancel = |signal: &Signal| matches!(signal.order, Order::Cancel(_));
        let mut orders = self.orders.subscribe();
        if orders.wait_for(|it| it.waiting.iter().any(is_cancel)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn wake(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}
