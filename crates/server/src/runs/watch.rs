//! Reads the log of a run from any place on, while it grows and after.
//!
//! A watcher keeps a cursor and nothing else. What is executed or followed in this process it reads
//! from memory, what is older from the database, and it changes from one to the other without a gap,
//! because both number the events alike.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::RunsError;
use super::Status;
use super::cursor::Cursor;
use super::frame;
use super::live::After;
use super::live::End;
use super::live::Live;
use super::live::Shown;
use super::live::State;
use super::log;
use super::log::Texts;
use super::mirror;
use super::mirror::Mirror;
use super::service::Runs;
use super::store;
use super::text::CallText;
use super::text::Spot;
use crate::db::Id;
use crate::db::TenantId;

/// A reader is given no more than about twice so many bytes at once.
const FULL: usize = 64 << 10;

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
    /// Keeps the run followed that another process executes.
    mirror: Option<Arc<Mirror>>,
}

/// Where a reader stands.
#[derive(Debug, Default)]
struct Place {
    seq: u64,
    spot: Spot,
    /// Whether `spot` is only a number yet, and must be found in the text.
    sought: bool,
    /// How the run stands after the last event that was read.
    after: After,
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

/// Whether a reader that was given enough at once has more to come of the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Some,
    Nothing,
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
        Self { runs, tenant, run_id, deltas, until, place, source, mirror: None }
    }

    /// The next frames, as soon as there are any; `None` after the end of the run.
    ///
    /// It may be dropped while it waits, and called again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RunsError> {
        loop {
            if self.has_read_enough() {
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
                Look::Wait => {
                    if let Source::Live(_, changes) = &mut self.source {
                        let _ = changes.changed().await;
                    }
                }
                Look::Again => {}
            }
        }
    }

    fn has_read_enough(&self) -> bool {
        match self.place.after {
            After::GoesOn => false,
            After::Suspended => self.until == Until::Suspension,
            After::Over => true,
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
        self.read(state.events.iter().skip(skip).map(AsRef::as_ref), frames)?;
        match &state.open {
            // It stands after the last event, which a reader of the database may know before we do.
            Some(open) if self.place.seq == state.last_seq => {
                self.show_text(open, frames).map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn look_at_stored(&mut self) -> Result<Look, RunsError> {
        // Looked for before the database is read: what is stored later is seen there.
        let live = self.runs.live(self.run_id);
        let page = self.page().await?;
        if !page.is_empty() {
            return self.read_stored(&page);
        }
        if let Some(live) = live {
            return Ok(self.look_elsewhere(Source::of(live)));
        }
        if self.runs.tasks.stopping().is_cancelled() {
            return Ok(Look::End);
        }
        let (tenant, run_id) = (&self.tenant, self.run_id);
        let status = self.runs.db.read(async |conn| store::status(conn, tenant, run_id).await);
        if status.await?.is_none_or(Status::is_final) {
            // The last event may have been stored between the two readings: it is there now.
            let page = self.page().await?;
            return if page.is_empty() { Ok(Look::End) } else { self.read_stored(&page) };
        }
        let mirror = mirror::follow(&self.runs, &self.tenant, self.run_id, self.place.seq);
        let source = Source::of(Arc::clone(mirror.live()));
        self.mirror = Some(mirror);
        Ok(self.look_elsewhere(source))
    }

    async fn page(&self) -> Result<Vec<Shown>, RunsError> {
        log::page(&self.runs, &self.tenant, self.run_id, self.place.seq, Texts::One).await
    }

    fn read_stored(&mut self, page: &[Shown]) -> Result<Look, RunsError> {
        let mut frames = Vec::new();
        self.read(page.iter(), &mut frames)?;
        Ok(Look::Frames(frames.into()))
    }

    /// Reads events until there are enough, or enough bytes of them.
    fn read<'a>(
        &mut self,
        events: impl Iterator<Item = &'a Shown>,
        frames: &mut Vec<u8>,
    ) -> Result<(), RunsError> {
        for event in events {
            if let Some(text) = &event.text
                && self.show_text(text, frames)? == Left::Some
            {
                return Ok(());
            }
            frame::stored(frames, self.run_id, event).map_err(serde_json::Error::io)?;
            self.place = Place { seq: event.seq, after: event.after, ..Place::default() };
            if frames.len() > FULL || self.has_read_enough() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn look_elsewhere(&mut self, source: Source) -> Look {
        self.source = source;
        Look::Again
    }

    /// Shows what stands after this place, and says whether some is left.
    fn show_text(&mut self, text: &CallText, frames: &mut Vec<u8>) -> Result<Left, RunsError> {
        let place = &mut self.place;
        // Where the text is still to grow up to this place, there is nothing to show.
        if self.deltas == Deltas::LeftOut || text.points() < place.spot.points {
            return Ok(Left::Nothing);
        }
        if std::mem::take(&mut place.sought) {
            place.spot = text.spot(place.spot.points);
        }
        let at = self.runs.clock.now();
        while frames.len() <= FULL {
            let Some(piece) = text.piece(&mut place.spot, FULL) else { return Ok(Left::Nothing) };
            frame::delta(frames, self.run_id, place.seq, at, &text.call_id, &piece)?;
        }
        Ok(Left::Some)
    }
}

#[cfg(test)]
mod tests {
    use llm::Delta;
    use llm::DeltaKind;

    use super::*;
    use crate::app::App;
    use crate::app::Clock;
    use crate::app::Ids;
    use crate::config::Config;
    use crate::db::Db;

    /// The runs of a server whose database is not asked anything.
    async fn runs(folder: &std::path::Path) -> Runs {
        let file = folder.join("empty.db");
        std::fs::write(&file, "").unwrap();
        let url = format!("sqlite:{}", file.display());
        let config = Config::load(|name| match name {
            "DATABASE_URL" => Some(url.clone()),
            "MANAGEMENT_CLIENT_SECRET" => Some("a-management-secret-for-tests".to_owned()),
            "TOKEN_SERVICE_PRIVATE_KEY" => Some(KEY.to_owned()),
            "AGENT_SERVER_ENCRYPTION_KEY" => {
                Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned())
            }
            _ => None,
        });
        let config = config.unwrap();
        let db = Db::open(&config.database).await.unwrap();
        App::builder().assemble(config, db, Clock::System, Ids::Random).unwrap().runs.clone()
    }

    const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[tokio::test]
    async fn a_thousand_readers_that_do_not_read_hold_a_place_each_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path()).await;
        let run_id = runs.ids.next();
        let live = runs.enter(run_id, 3);
        live.show(Vec::new(), Some(CallText::new("m1")));
        let mut readers: Vec<_> = (0..1000)
            .map(|_| {
                let tenant = TenantId::try_from("default".to_owned()).unwrap();
                let (cursor, until) = (Cursor::after(3), Until::End);
                Watcher::new(runs.clone(), tenant, run_id, cursor, Deltas::Shown, until)
            })
            .collect();

        // 4 MB, in the small pieces that models send.
        let piece = "🌍".repeat(25);
        for _ in 0..40_000 {
            live.grow(&Delta { part: 0, kind: DeltaKind::Text, text: piece.clone() });
        }

        assert!(size_of::<Watcher>() <= 256, "{}", size_of::<Watcher>());
        for reader in &mut readers {
            let frames = reader.next().await.unwrap().unwrap();
            assert!(frames.len() < 3 * FULL, "{}", frames.len());
        }
        let mut length = 0;
        while reader_is_behind(&readers[0]) {
            length += readers[0].next().await.unwrap().unwrap().len();
        }
        assert!(length > 3_900_000 && readers[0].place.spot.points == 1_000_000, "{length}");
    }

    fn reader_is_behind(reader: &Watcher) -> bool {
        reader.place.spot.points < 1_000_000
    }
}
