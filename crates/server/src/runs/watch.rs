//! Reads the log of a run from any place on, while it grows and after.
//!
//! A watcher keeps a cursor and nothing else. What is executed in this process it reads from
//! memory, everything else from the database, and it changes from one to the other without a gap,
//! because both number the events alike.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::Event;
use tokio::sync::watch;

use super::RunsError;
use super::Status;
use super::cursor::Cursor;
use super::frame;
use super::live::End;
use super::live::Live;
use super::live::State;
use super::log;
use super::service::Runs;
use super::store;
use super::store::StoredEvent;
use super::text::CallText;
use super::text::Spot;
use crate::db::Id;
use crate::db::TenantId;

/// Events that are read from the database at once.
const PAGE: u32 = 100;
/// A reader is given no more than about so many bytes at once.
const FULL: usize = 64 << 10;
/// How often the database is asked for a run that another process executes.
const POLL: Duration = Duration::from_millis(500);

/// Whether a reader wants the text while it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deltas {
    Shown,
    LeftOut,
}

/// How far a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To the end of the run.
    End,
    /// Until the run needs somebody, or to its end.
    Suspension,
}

/// A reader of one run.
#[derive(Debug)]
pub struct Watcher {
    runs: Runs,
    tenant: TenantId,
    run_id: Id,
    deltas: Deltas,
    until: Until,
    place: Place,
    source: Source,
}

/// Where a reader stands.
#[derive(Debug, Default)]
struct Place {
    seq: u64,
    spot: Spot,
    /// Whether `spot` is only a number yet, and must be found in the text.
    sought: bool,
    /// Whether the run is known to be over.
    over: bool,
    /// Whether the last event that was read says that the run needs somebody.
    suspended: bool,
}

#[derive(Debug)]
enum Source {
    Live(Arc<Live>, watch::Receiver<u64>),
    Stored,
}

impl Source {
    fn of(live: Arc<Live>) -> Self {
        let changes = live.changes();
        Self::Live(live, changes)
    }
}

/// What a look at the source gave.
enum Look {
    Frames(Bytes),
    /// Nothing new yet.
    Wait,
    /// The source has changed.
    Again,
    End,
}

impl Watcher {
    /// A reader of the remainder after `cursor`.
    pub fn new(
        runs: Runs,
        tenant: TenantId,
        run_id: Id,
        cursor: Cursor,
        deltas: Deltas,
        until: Until,
    ) -> Self {
        let (seq, spot) = (cursor.seq, Spot::sought(cursor.points));
        let place = Place { seq, spot, sought: cursor.points > 0, ..Place::default() };
        // What is not in memory any more is looked for in the database.
        let source = runs.live(run_id).map_or(Source::Stored, Source::of);
        Self { runs, tenant, run_id, deltas, until, place, source }
    }

    /// The next frames, as soon as there are any; `None` after the end of the run.
    ///
    /// It may be dropped while it waits, and called again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RunsError> {
        loop {
            if self.place.suspended && self.until == Until::Suspension {
                return Ok(None);
            }
            let look = match &mut self.source {
                Source::Live(live, changes) => {
                    changes.borrow_and_update();
                    let live = Arc::clone(live);
                    self.look_at_live(&live)?
                }
                Source::Stored => self.look_at_stored().await?,
            };
            match look {
                Look::Frames(frames) => return Ok(Some(frames)),
                Look::End => return Ok(None),
                Look::Wait => self.wait().await,
                Look::Again => {}
            }
        }
    }

    async fn wait(&mut self) {
        match &mut self.source {
            Source::Live(_, changes) => {
                let _ = changes.changed().await;
            }
            Source::Stored => {
                let stopping = self.runs.tasks.stopping().clone();
                let _ = tokio::time::timeout(POLL, stopping.cancelled()).await;
            }
        }
    }

    fn look_at_live(&mut self, live: &Live) -> Result<Look, RunsError> {
        let state = live.state();
        let oldest = state.events.front().map_or(state.last_seq + 1, |event| event.seq);
        if self.place.seq + 1 < oldest {
            drop(state);
            return Ok(self.look_elsewhere(Source::Stored));
        }
        let mut frames = Vec::new();
        self.read_live(&state, &mut frames)?;
        let end = state.end.clone();
        drop(state);
        match end {
            _ if !frames.is_empty() => Ok(Look::Frames(frames.into())),
            Some(End::Finished(_)) => Ok(Look::End),
            Some(End::Suspended(_) | End::LetGo) => Ok(self.look_elsewhere(Source::Stored)),
            None => Ok(Look::Wait),
        }
    }

    fn read_live(&mut self, state: &State, frames: &mut Vec<u8>) -> Result<(), RunsError> {
        let first = state.events.front().map_or(0, |event| event.seq);
        let skip = usize::try_from((self.place.seq + 1).saturating_sub(first)).unwrap_or(0);
        for event in state.events.iter().skip(skip) {
            if frames.len() > FULL {
                return Ok(());
            }
            if let Some(text) = &event.text {
                self.show_text(text, frames)?;
            }
            frames.extend_from_slice(&event.frame);
            let suspended = event.suspends;
            self.place = Place { seq: event.seq, suspended, ..Place::default() };
            if suspended && self.until == Until::Suspension {
                return Ok(());
            }
        }
        match &state.open {
            // It stands after the last event, which a reader of the database may know before we do.
            Some(open) if self.place.seq == state.last_seq => self.show_text(open, frames),
            _ => Ok(()),
        }
    }

    async fn look_at_stored(&mut self) -> Result<Look, RunsError> {
        // Looked for before the database is read: what is stored later is seen there.
        let live = self.runs.live(self.run_id);
        let (tenant, run_id, seq) = (&self.tenant, self.run_id, self.place.seq);
        let page =
            self.runs.db.read(async |conn| store::events(conn, tenant, run_id, seq, PAGE).await);
        let page = page.await?;
        if !page.is_empty() {
            return self.read_stored(page).await;
        }
        if let Some(live) = live {
            return Ok(self.look_elsewhere(Source::of(live)));
        }
        if self.place.over || self.runs.tasks.stopping().is_cancelled() {
            return Ok(Look::End);
        }
        let status = self.runs.db.read(async |conn| store::status(conn, tenant, run_id).await);
        if status.await?.is_none_or(Status::is_final) {
            // The last event may have been stored between the two readings: it is there now.
            self.place.over = true;
            return Ok(Look::Again);
        }
        Ok(Look::Wait)
    }

    async fn read_stored(&mut self, page: Vec<StoredEvent>) -> Result<Look, RunsError> {
        // What must be waited for comes first: a reader may be dropped there, and loses nothing.
        let mut texts = Vec::with_capacity(page.len());
        for event in &page {
            texts.push(match self.deltas {
                Deltas::Shown => log::text_of(&self.runs, &self.tenant, self.run_id, event).await?,
                Deltas::LeftOut => None,
            });
        }
        let mut frames = Vec::new();
        for (event, text) in page.into_iter().zip(texts) {
            if let Some(text) = text {
                self.show_text(&text, &mut frames)?;
            }
            let (seq, name) = (event.seq.cast_unsigned(), event.name.as_str());
            frames.extend_from_slice(&frame::stored(self.run_id, seq, name, event.at, &event.data));
            let (over, suspended) = (name == "run.finished", suspends(name, &event.data));
            self.place = Place { seq, over, suspended, ..Place::default() };
            if frames.len() > FULL || suspended && self.until == Until::Suspension {
                break;
            }
        }
        Ok(Look::Frames(frames.into()))
    }

    fn look_elsewhere(&mut self, source: Source) -> Look {
        self.source = source;
        Look::Again
    }

    fn show_text(&mut self, text: &CallText, frames: &mut Vec<u8>) -> Result<(), RunsError> {
        if self.deltas == Deltas::LeftOut {
            return Ok(());
        }
        let place = &mut self.place;
        if std::mem::take(&mut place.sought) {
            place.spot = text.spot(place.spot.points);
        }
        let (run_id, seq, at) = (self.run_id, place.seq, self.runs.clock.now());
        let mut written = Ok(());
        text.rest(&mut place.spot, |piece| {
            let frame = frame::delta(frames, run_id, seq, at, &text.call_id, &piece);
            written = std::mem::replace(&mut written, Ok(())).and(frame);
        });
        Ok(written?)
    }
}

/// Whether a stored event says that the run needs somebody.
fn suspends(name: &str, data: &str) -> bool {
    name == "run.waiting" && Event::parse(name, data).is_ok_and(|it| log::is_suspension(&it))
}
