//! The author's side of a run's log: numbers its events and brings them to the journal.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use engine::Event;
use engine::WaitingStatus;
use serde_json::Value;

use super::RunsError;
use super::budgets::Settlement;
use super::happen::Waits;
use super::journal::Change;
use super::journal::Entry;
use super::journal::EventRow;
use super::journal::Journal;
use super::journal::JournalError;
use super::journal::NewRun;
use super::live::After;
use super::live::Live;
use super::live::Shown;
use super::service::Runs;
use super::signal::Signal;
use super::signal::Taken;
use super::store;
use super::store::StoredEvent;
use super::text::CallText;
use super::threads::NewMessages;
use super::values;
use super::webhook::NewDelivery;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;

/// Events that readers are given of the database at once.
pub const PAGE: u32 = 100;

/// So many events are stored together at most, but for those that belong together.
const FULL: usize = 100;

/// What the owner of a run has recorded and not yet stored.
#[derive(Debug)]
pub struct Log {
    tenant: TenantId,
    live: Arc<Live>,
    journal: Journal,
    last_seq: u64,
    entry: Entry,
    shown: Vec<Shown>,
}

impl Log {
    /// The log of a run that has `last_seq` events.
    pub fn new(tenant: TenantId, live: Arc<Live>, journal: Journal, last_seq: u64) -> Self {
        Self { tenant, live, journal, last_seq, entry: Entry::default(), shown: Vec::new() }
    }

    /// The number of the last event that was recorded.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The row that the next entry inserts.
    pub fn begin(&mut self, run: NewRun) {
        self.entry.begin.push(run);
    }

    /// How the next entry changes the run's row.
    pub fn change(&mut self, change: Change) {
        self.entry.change = Some(Box::new(change));
    }

    /// What the next entry adds to the run's thread.
    pub fn say(&mut self, messages: NewMessages) {
        self.entry.said = Some(Box::new(messages));
    }

    /// A signal that the next entry answers.
    pub fn take(&mut self, id: Id) {
        let (tenant, run_id) = (self.tenant.clone(), self.live.run_id);
        self.entry.taken.push(Taken { tenant, run_id, id });
    }

    /// A signal that the next entry leaves for the owner of another run.
    pub fn leave(&mut self, signal: Signal) {
        self.entry.left.push(signal);
    }

    /// With the next entry, whoever is still asked to decide is asked no more.
    pub fn close_approvals(&mut self) {
        self.entry.closed = Some((self.tenant.clone(), self.live.run_id));
    }

    /// With the next entry, whoever is asked to decide this is not any more.
    pub fn withdraw(&mut self, approval: Id) {
        self.entry.withdrawn.push((self.tenant.clone(), approval));
    }

    /// What the next entry changes of the events from outside that the run waits for.
    pub fn waits(&mut self, nothing: impl FnOnce() -> Waits) -> &mut Waits {
        self.entry.waits.get_or_insert_with(|| Box::new(nothing()))
    }

    /// Whether the next entry should be stored before more is added to it.
    pub fn is_full(&self) -> bool {
        self.entry.events.len() >= FULL
    }

    /// Whether the next entry gives something back to budgets.
    pub fn gives_back(&self) -> bool {
        !self.entry.settled.is_empty()
    }

    /// What the next entry gives back to budgets.
    pub fn settle(&mut self, settlements: Vec<Settlement>) {
        self.entry.settled.extend(settlements);
    }

    /// Who must be told of the next entry.
    pub fn tell(&mut self, delivery: NewDelivery) {
        self.entry.delivery = Some(Box::new(delivery));
    }

    /// Adds an event to the next entry.
    pub fn push(&mut self, event: &Event, at: At) -> Result<(), JournalError> {
        self.last_seq += 1;
        let (seq, name) = (self.last_seq, event.name());
        let (data, values) = values::take_apart(self.live.run_id, event.data()?)?;
        self.entry.values.extend(values);
        let data: Arc<str> = data.into();
        let (after, text) = (after(event), ended_text(event));
        self.shown.push(Shown { seq, name: name.into(), at, data: Arc::clone(&data), after, text });
        if let Event::ApprovalRequested(asked) = event {
            self.entry.asked.push((self.tenant.clone(), asked.clone()));
        }
        let (tenant, run_id) = (self.tenant.clone(), self.live.run_id);
        self.entry.events.push(EventRow { tenant, run_id, seq, name, at, data });
        Ok(())
    }

    /// Stores the entry. The future must be awaited; its value is what readers may then see.
    pub fn store(&mut self) -> impl Future<Output = Result<Vec<Shown>, JournalError>> + use<> {
        let entry = std::mem::take(&mut self.entry);
        let shown = std::mem::take(&mut self.shown);
        let journal = self.journal.clone();
        async move {
            if !entry.events.is_empty() || entry.waits.is_some() {
                journal.commit(entry).await?;
            }
            Ok(shown)
        }
    }
}

fn after(event: &Event) -> After {
    match event {
        Event::RunWaiting(it) if it.status == WaitingStatus::Suspended => After::Suspended,
        Event::RunFinished(_) => After::Over,
        _ => After::GoesOn,
    }
}

/// The text that `event` ends, if it is the end of a model call.
fn ended_text(event: &Event) -> Option<CallText> {
    match event {
        Event::ModelFinished(end) => Some(CallText::of(&end.call_id, &end.message)),
        Event::ModelFailed(end) => {
            end.partial.as_ref().map(|message| CallText::of(&end.call_id, message))
        }
        _ => None,
    }
}

/// What the notes in events stand for, by their hashes.
#[derive(Debug, Default)]
pub struct Kept(HashMap<String, String>);

impl Kept {
    /// All that these events of one run need, in one query; most need none.
    pub async fn of(
        runs: &Runs,
        tenant: &TenantId,
        run_id: Id,
        events: impl Iterator<Item = &StoredEvent>,
    ) -> Result<Self, RunsError> {
        let mut noted = BTreeSet::new();
        for event in events.filter(|it| values::may_have_notes(&it.data)) {
            values::note(&serde_json::from_str(&event.data)?, &mut noted);
        }
        if noted.is_empty() {
            return Ok(Self::default());
        }
        let kept = runs.db.read(async |conn| store::values(conn, tenant, run_id, &noted).await);
        Ok(Self(kept.await?.into_iter().collect()))
    }

    /// Reads an event back, whole.
    pub fn read_back(&self, stored: &StoredEvent) -> Result<Event, RunsError> {
        if !values::may_have_notes(&stored.data) {
            return Ok(Event::parse(&stored.name, &stored.data)?);
        }
        let mut data: Value = serde_json::from_str(&stored.data)?;
        values::put_together(&mut data, &|sha256| serde_json::from_str(self.0.get(sha256)?).ok());
        Ok(Event::parse(&stored.name, &data.to_string())?)
    }
}

/// How much large text is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    All,
    /// No event comes after the first that ends a large one: a reader is given no more at once.
    One,
}

/// The next events after `seq` as readers see them, up to [`PAGE`] of them.
pub async fn page(
    runs: &Runs,
    tenant: &TenantId,
    run_id: Id,
    seq: u64,
    texts: Texts,
) -> Result<Vec<Shown>, RunsError> {
    let page = runs.db.read(async |conn| store::events(conn, tenant, run_id, seq, PAGE).await);
    let mut page = page.await?;
    let is_large = |it: &StoredEvent| ends_text(it) && values::may_have_notes(&it.data);
    if texts == Texts::One
        && let Some(first) = page.iter().position(is_large)
    {
        page.truncate(first + 1);
    }
    let kept = Kept::of(runs, tenant, run_id, page.iter().filter(|it| ends_text(it))).await?;
    page.into_iter().map(|stored| shown(stored, &kept)).collect()
}

/// Whether an event ends the text of a model call.
fn ends_text(stored: &StoredEvent) -> bool {
    matches!(stored.name.as_str(), "model.finished" | "model.failed")
}

/// What readers see of a stored event; one whose meaning is not known is shown as it is.
fn shown(stored: StoredEvent, kept: &Kept) -> Result<Shown, RunsError> {
    let text = if ends_text(&stored) { ended_text(&kept.read_back(&stored)?) } else { None };
    let StoredEvent { seq, name, at, data } = stored;
    let after = match name.as_str() {
        "run.finished" => After::Over,
        "run.waiting" => Event::parse(&name, &data).map_or(After::GoesOn, |event| after(&event)),
        _ => After::GoesOn,
    };
    let (seq, name, data) = (seq.cast_unsigned(), name.into(), data.into());
    Ok(Shown { seq, name, at, data, after, text })
}
