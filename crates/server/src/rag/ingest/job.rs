//! One attempt to ingest a document: parse, cut, embed, store.
//!
//! It makes the passages of each generation that has not all of them: of the one that is searched, and of the next.
//!
//! The id of a passage is made of its document, its text, and its generation. So an attempt that goes on where
//! another broke off finds what is stored already, an edit embeds only what differs, and no passage is ever there
//! twice.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use retrieval::Chunk;
use tracing::info;
use tracing::warn;

use super::vectors;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::Stage;
use crate::rag::databases::Recipe;
use crate::rag::reading;
use crate::rag::reading::Reading;
use crate::rag::reading::Unread;
use crate::rag::store::chunks;
use crate::rag::store::chunks::Place;
use crate::rag::store::generations;
use crate::rag::store::indexes;
use crate::rag::store::indexes::Generation;
use crate::rag::store::indexes::State;
use crate::rag::store::jobs;
use crate::rag::store::jobs::Job;
use crate::rag::store::jobs::Next;
use crate::rag::store::outbox;

/// Passages that are embedded and stored together.
const SLICE: usize = 50;
/// Passages that are deleted or moved in one transaction.
const MOVED: usize = 200;
/// Attempts in a row after which a document is given up, unless it is searched all the same; and the wait after the
/// first of them, which doubles up to there.
const FAILURES: i64 = 8;
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Passages that a document is to have.
pub struct Target {
    pub generation: Generation,
    /// Whether vectors that other passages have for the same texts will do.
    pub takes_known: bool,
    is_searched: bool,
}

/// Why an attempt ended without success.
pub enum Failure {
    /// It would fail again.
    Final(String),
    /// It may go better later.
    Again(String),
    /// Somebody else has the document now, or it is gone.
    Lost,
    /// Nothing can be stored.
    Rag(RagError),
}

impl<E: Into<RagError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Rag(error.into())
    }
}

/// Makes the attempt, and stores what came of it.
pub async fn run(rag: &Rag, job: &Job) -> Result<(), RagError> {
    let state = match state(rag, job).await {
        Ok(state) => state,
        Err(Failure::Rag(error)) => return Err(error),
        Err(_) => return Ok(()),
    };
    // A fault of its embedder is not to cost a document its place in a search that has it now.
    let is_patient = job.generation >= state.generation;
    let (reason, next) = match attempt(rag, job, &state).await {
        Ok(count) => {
            info!(document.id = %job.document, chunks = count, "a document was ingested");
            return Ok(());
        }
        Err(Failure::Lost) => return Ok(()),
        Err(Failure::Rag(error)) => return Err(error),
        Err(Failure::Again(reason)) if is_patient || job.failures + 1 < FAILURES => {
            let doublings = u32::try_from(job.failures.min(FAILURES)).unwrap_or_default();
            let wait = FIRST_WAIT.saturating_mul(1 << doublings);
            (reason, Next::Again(At::new(rag.0.clock.now().time() + wait)))
        }
        Err(Failure::Final(reason) | Failure::Again(reason)) => (reason, Next::Failed),
    };
    warn!(document.id = %job.document, reason, "a document was not ingested");
    let now = rag.0.clock.now();
    let written = rag.0.db.write_behind(async |tx| {
        let revision = indexes::bump(tx, &job.tenant, job.database).await?;
        jobs::fail(tx, job, &reason, next, revision, now).await
    });
    Ok(written.await?)
}

/// The state of the passages of the database.
async fn state(rag: &Rag, job: &Job) -> Result<State, Failure> {
    let databases = rag.databases().snapshot(&job.tenant).await?;
    let database = databases.find_by_id(job.database).ok_or(Failure::Lost)?;
    let written = rag.0.db.write_behind(async |tx| {
        indexes::ensure(tx, &job.tenant, database).await?;
        Ok::<_, RagError>(indexes::find(tx, &job.tenant, job.database).await?)
    });
    written.await?.ok_or(Failure::Lost)
}

async fn attempt(rag: &Rag, job: &Job, state: &State) -> Result<usize, Failure> {
    ensure_usable(rag, job).await?;
    let mut missing = missing(job, state)?;
    let Some(last) = missing.pop() else {
        // It was cut off before its end, or the plan is what it was again.
        let count = places(rag, job, job.generation).await?.len();
        note_whole(rag, job, job.generation, count).await?;
        complete(rag, job, None).await?;
        return Ok(count);
    };
    let mut note = None;
    for target in missing {
        match ingest(rag, job, target).await {
            // It will be found as soon as the last of them is searched.
            Err(Failure::Final(reason) | Failure::Again(reason)) => note = Some(reason),
            done => drop(done?),
        }
    }
    let count = ingest(rag, job, last).await?;
    complete(rag, job, note.as_deref()).await?;
    Ok(count)
}

async fn ensure_usable(rag: &Rag, job: &Job) -> Result<(), Failure> {
    let databases = rag.databases().snapshot(&job.tenant).await?;
    let database = databases.find_by_id(job.database).ok_or(Failure::Lost)?;
    let Some(problem) = database.problems.first() else { return Ok(()) };
    let (place, detail) = (&problem.pointer, &problem.detail);
    Err(Failure::Again(format!("the database is not usable: {place}: {detail}")))
}

/// The generations that have not all passages of the document, the one that is searched first.
fn missing(job: &Job, state: &State) -> Result<Vec<Target>, Failure> {
    let (current, next) = (state.current()?, state.next()?);
    // The same recipe again is for who wants new vectors of it.
    let is_asked_for = next.as_ref().is_some_and(|next| next.recipe == current.recipe);
    let searched = Target { generation: current, takes_known: true, is_searched: true };
    let next = next.map(|generation| Target {
        generation,
        takes_known: !is_asked_for,
        is_searched: false,
    });
    let all = [searched].into_iter().chain(next);
    Ok(all.filter(|target| target.generation.number > job.generation).collect())
}

/// Makes all passages of a generation, and says how many there are.
async fn ingest(rag: &Rag, job: &Job, mut target: Target) -> Result<usize, Failure> {
    let recipe = &target.generation.recipe;
    let embedder = rag.0.embedders.find(&recipe.embedding_model);
    let embedder = embedder.map_err(|why| Failure::Again(why.to_string()))?;
    let reading = read(rag, job, recipe).await?;
    let placed = placed(job, target.generation.number, embedder.model(), reading.chunks)?;
    let known = places(rag, job, target.generation.number).await?;
    let wanted: HashSet<Id> = placed.iter().map(|(place, _)| place.id).collect();
    let moved = placed.iter().map(|(place, _)| place);
    let moved = moved.filter(|place| known.get(&place.id).is_some_and(|was| was != *place));
    let moved: Vec<Place> = moved.cloned().collect();
    let gone: Vec<Id> = known.keys().filter(|id| !wanted.contains(id)).copied().collect();
    let count = placed.len();
    let (old, new): (Vec<_>, Vec<_>) =
        placed.into_iter().partition(|(place, _)| known.contains_key(&place.id));
    let mut done = old.len();
    step(rag, job, Stage::Embed, (done, count)).await?;
    for slice in new.chunks(SLICE) {
        let rows = vectors::embed(rag, job, &target, embedder.as_ref(), slice).await?;
        done += rows.len();
        store(rag, job, &target, &rows, (done, count)).await?;
        target.generation.dimension = rows.first().map(|row| row.vector.len());
    }
    step(rag, job, Stage::Store, (done, count)).await?;
    tidy(rag, job, &target, &moved, &gone, count).await?;
    note_whole(rag, job, target.generation.number, count).await?;
    Ok(count)
}

async fn places(rag: &Rag, job: &Job, generation: i64) -> Result<HashMap<Id, Place>, Failure> {
    let read = rag.0.db.read(async |conn| chunks::list_places(conn, job, generation).await);
    Ok(read.await?.into_iter().map(|place| (place.id, place)).collect())
}

/// The passages of the file, and what is known of it otherwise is kept.
async fn read(rag: &Rag, job: &Job, recipe: &Recipe) -> Result<Reading, Failure> {
    let reading = reading::read(rag, job, recipe).await;
    let reading = reading.map_err(|error| match error {
        Unread::File(reason) => Failure::Final(reason),
        busy @ Unread::Busy(_) => Failure::Again(busy.to_string()),
        Unread::Kept(error) => Failure::Rag(error),
    })?;
    let warnings = Json::of(&reading.warnings).map_err(RagError::from)?;
    let kept =
        rag.0.db.write_behind(async |tx| jobs::update_reading(tx, job, &reading, &warnings).await);
    if kept.await? { Ok(reading) } else { Err(Failure::Lost) }
}

/// Each passage with its id and its place.
fn placed(
    job: &Job,
    generation: i64,
    model: &str,
    chunks: Vec<Chunk>,
) -> Result<Vec<(Place, String)>, Failure> {
    let mut seen = HashMap::<String, u32>::new();
    let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
    let place = |chunk: Chunk| {
        let nth = seen.entry(chunk.text.clone()).or_default();
        *nth += 1;
        let place = Place {
            id: chunk_id(job.document, generation, model, &chunk.text, *nth),
            position: number(chunk.index),
            start: number(chunk.span.start),
            end: number(chunk.span.end),
            page: chunk.page.map(i64::from),
            page_end: chunk.page_end.map(i64::from),
            heading_path: Json::of(&chunk.heading_path).map_err(RagError::from)?,
        };
        Ok((place, chunk.text))
    };
    chunks.into_iter().map(place).collect()
}

/// Made of all that makes a passage what it is. `nth` tells equal passages of one document apart.
fn chunk_id(document: Id, generation: i64, model: &str, text: &str, nth: u32) -> Id {
    let again = if generation > 1 { format!("/{generation}") } else { String::new() };
    vectors::id(&format!("agent-server/chunk{again}/{document}/{model}/{nth}/{text}"))
}

/// Says how far the attempt is.
async fn step(rag: &Rag, job: &Job, stage: Stage, progress: (usize, usize)) -> Result<(), Failure> {
    let progress = numbers(progress);
    let told =
        rag.0.db.write_behind(async |tx| jobs::update_stage(tx, job, stage, progress, None).await);
    if told.await? { Ok(()) } else { Err(Failure::Lost) }
}

async fn store(
    rag: &Rag,
    job: &Job,
    target: &Target,
    rows: &[chunks::New],
    progress: (usize, usize),
) -> Result<(), Failure> {
    let (progress, Generation { number, dimension, .. }) = (numbers(progress), &target.generation);
    let first = rows.first().filter(|_| dimension.is_none()).map(|row| row.vector.len());
    rag.0
        .db
        .write_behind(async |tx| {
            if let Some(first) = first {
                note_dimension(tx, job, *number, first).await?;
            }
            own(tx, job, target, Stage::Embed, progress).await?;
            for row in rows {
                chunks::insert(tx, job, *number, row).await?;
            }
            Ok(())
        })
        .await
}

/// Notes of what dimension a generation is, or finds that it is of another by now.
async fn note_dimension(
    tx: &mut Conn<'_>,
    job: &Job,
    generation: i64,
    dimension: usize,
) -> Result<(), Failure> {
    let dimension = i64::try_from(dimension).unwrap_or(i64::MAX);
    match generations::update_dimension(tx, job, generation, dimension).await? {
        Some(noted) if noted == dimension => Ok(()),
        Some(_) => Err(Failure::Again("the dimension of the vectors has changed".to_owned())),
        None => Err(Failure::Lost),
    }
}

/// Moves what stands elsewhere, and takes away what is not there any more.
async fn tidy(
    rag: &Rag,
    job: &Job,
    target: &Target,
    moved: &[Place],
    gone: &[Id],
    count: usize,
) -> Result<(), Failure> {
    let progress = numbers((count, count));
    for slice in moved.chunks(MOVED) {
        rag.0
            .db
            .write_behind(async |tx| {
                own(tx, job, target, Stage::Store, progress).await?;
                for place in slice {
                    chunks::move_to(tx, job, place).await?;
                }
                Ok::<_, Failure>(())
            })
            .await?;
    }
    for slice in gone.chunks(MOVED) {
        rag.0
            .db
            .write_behind(async |tx| {
                own(tx, job, target, Stage::Store, progress).await?;
                Ok::<_, Failure>(chunks::delete(tx, job, slice).await?)
            })
            .await?;
    }
    Ok(())
}

/// Notes that a generation has all passages of the document.
async fn note_whole(rag: &Rag, job: &Job, generation: i64, count: usize) -> Result<(), Failure> {
    let ((count, _), now) = (numbers((count, count)), rag.0.clock.now());
    let written = rag.0.db.write_behind(async |tx| {
        let revision = indexes::bump(tx, &job.tenant, job.database).await?;
        let state = indexes::find(tx, &job.tenant, job.database).await?;
        if state.is_some_and(|state| state.generation == generation) {
            outbox::insert(tx, &job.tenant, job.database, job.document, now).await?;
        }
        jobs::update_generation(tx, job, generation, count, revision).await
    });
    let is_ours = written.await?;
    rag.0.news.notify_one();
    if is_ours { Ok(()) } else { Err(Failure::Lost) }
}

/// Ends the attempt; `note` says what a reader of the document should know.
async fn complete(rag: &Rag, job: &Job, note: Option<&str>) -> Result<(), Failure> {
    let now = rag.0.clock.now();
    Ok(rag.0.db.write_behind(async |tx| jobs::complete(tx, job, note, now).await).await?)
}

/// Makes sure that the attempt still has the document, and begins a revision if what is searched changes.
async fn own(
    tx: &mut Conn<'_>,
    job: &Job,
    target: &Target,
    stage: Stage,
    progress: (i64, i64),
) -> Result<(), Failure> {
    let revision = if target.is_searched {
        Some(indexes::bump(tx, &job.tenant, job.database).await?)
    } else {
        None
    };
    let is_ours = jobs::update_stage(tx, job, stage, progress, revision).await?;
    if is_ours { Ok(()) } else { Err(Failure::Lost) }
}

fn numbers((done, total): (usize, usize)) -> (i64, i64) {
    let number = |it| i64::try_from(it).unwrap_or(i64::MAX);
    (number(done), number(total))
}
