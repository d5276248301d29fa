//! One attempt to ingest a document: parse, cut, embed, store.
//!
//! The id of a passage is made of its document and its text. So an attempt that goes on where another broke off
//! finds what is stored already, an edit embeds only what differs, and no passage is ever there twice.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use retrieval::Chunk;
use retrieval::Code;
use retrieval::EmbedError;
use retrieval::Embedder;
use retrieval::Kind;
use retrieval::Words;
use retrieval::embed_all;
use tracing::info;
use tracing::warn;
use uuid::Builder;

use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::Json;
use crate::rag::Database;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::Stage;
use crate::rag::embedders::embedder;
use crate::rag::reading;
use crate::rag::reading::Reading;
use crate::rag::reading::Unread;
use crate::rag::store::chunks;
use crate::rag::store::chunks::Place;
use crate::rag::store::files;
use crate::rag::store::indexes;
use crate::rag::store::jobs;
use crate::rag::store::jobs::Job;
use crate::rag::store::jobs::Next;

/// Passages that are embedded and stored together.
const SLICE: usize = 50;
/// Passages that are deleted or moved in one transaction.
const MOVED: usize = 200;
/// Attempts in a row after which a document is given up, and the wait after the first of them, which doubles.
const FAILURES: i64 = 8;
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Why an attempt ended without success.
enum Failure {
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
    let (reason, next) = match attempt(rag, job).await {
        Ok(count) => {
            info!(document.id = %job.document, chunks = count, "a document was ingested");
            return Ok(());
        }
        Err(Failure::Lost) => return Ok(()),
        Err(Failure::Rag(error)) => return Err(error),
        Err(Failure::Again(reason)) if job.failures + 1 < FAILURES => {
            let doublings = u32::try_from(job.failures).unwrap_or_default();
            let wait = FIRST_WAIT.saturating_mul(1 << doublings.min(16));
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

async fn attempt(rag: &Rag, job: &Job) -> Result<usize, Failure> {
    let database = usable_database(rag, job).await?;
    let embedder = embedder(&database.content.embedding_model)
        .map_err(|fault| Failure::Final(fault.detail))?;
    let reading = read(rag, job, &database).await?;
    let placed = placed(job, embedder.model(), reading.chunks)?;
    let known: HashMap<Id, Place> = {
        let stored = rag.0.db.read(async |conn| chunks::list_places(conn, job).await).await?;
        stored.into_iter().map(|place| (place.id, place)).collect()
    };
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
        let slice = embed(&embedder, slice).await?;
        done += slice.len();
        store(rag, job, &slice, (done, count)).await?;
    }
    step(rag, job, Stage::Store, (done, count)).await?;
    finish(rag, job, &moved, &gone, count).await?;
    Ok(count)
}

async fn usable_database(rag: &Rag, job: &Job) -> Result<Arc<Database>, Failure> {
    let databases = rag.databases().snapshot(&job.tenant).await?;
    let database = databases.find_by_id(job.database).ok_or(Failure::Lost)?;
    if let Some(problem) = database.problems.first() {
        let place = &problem.pointer;
        return Err(Failure::Again(format!(
            "the database is not usable: {place}: {}",
            problem.detail
        )));
    }
    rag.0.db.write_behind(async |tx| indexes::ensure(tx, &job.tenant, database).await).await?;
    Ok(Arc::clone(database))
}

/// The passages of the file, and what is known of it otherwise is kept.
async fn read(rag: &Rag, job: &Job, database: &Database) -> Result<Reading, Failure> {
    let Job { tenant, database: id, document, .. } = job;
    let file = rag.0.db.read(async |conn| files::find(conn, tenant, *id, *document).await).await?;
    let owner = format!("rag:{tenant}");
    let cutting = database.content.cutting();
    let reading = reading::read(&rag.0.sandbox, &owner, &job.filename, cutting, &file).await;
    let reading = reading.map_err(|error| match error {
        Unread::File(reason) => Failure::Final(reason),
        busy @ Unread::Busy(_) => Failure::Again(busy.to_string()),
    })?;
    let warnings = Json::of(&reading.warnings).map_err(RagError::from)?;
    let kept =
        rag.0.db.write_behind(async |tx| jobs::update_reading(tx, job, &reading, &warnings).await);
    if kept.await? { Ok(reading) } else { Err(Failure::Lost) }
}

/// Each passage with its id and its place.
fn placed(job: &Job, model: &str, chunks: Vec<Chunk>) -> Result<Vec<(Place, String)>, Failure> {
    let mut seen = HashMap::<String, u32>::new();
    let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
    let place = |chunk: Chunk| {
        let nth = seen.entry(chunk.text.clone()).or_default();
        *nth += 1;
        let place = Place {
            id: chunk_id(job.document, model, &chunk.text, *nth),
            position: number(chunk.index),
            start: number(chunk.span.start),
            end: number(chunk.span.end),
            page: chunk.page.map(i64::from),
            heading_path: Json::of(&chunk.heading_path).map_err(RagError::from)?,
        };
        Ok((place, chunk.text))
    };
    chunks.into_iter().map(place).collect()
}

/// The first 16 bytes of SHA-256 over all that makes a passage what it is, with the marks of a UUID of version 8
/// (RFC 9562, section 5.8). `nth` tells equal passages of one document apart.
fn chunk_id(document: Id, model: &str, text: &str, nth: u32) -> Id {
    let whole = format!("agent-server/chunk/{document}/{model}/{nth}/{text}");
    let digest = digest::digest(&digest::SHA256, whole.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Id::new(Builder::from_custom_bytes(bytes).into_uuid())
}

async fn embed(
    embedder: &Arc<dyn Embedder>,
    slice: &[(Place, String)],
) -> Result<Vec<chunks::New>, Failure> {
    let texts: Vec<&str> = slice.iter().map(|(_, text)| text.as_str()).collect();
    let vectors = embed_all(embedder.as_ref(), &texts, Kind::Document, None).await;
    let vectors = vectors.map_err(|error| match error {
        EmbedError::Call { again: true, .. } => Failure::Again(error.to_string()),
        _ => Failure::Final(error.to_string()),
    })?;
    let new = |((place, text), vector): (&(Place, String), Vec<f32>)| {
        let code = Code::of(&vector).map_err(|error| Failure::Final(error.to_string()))?;
        let words = Words::of(text).to_bytes();
        Ok(chunks::New { place: place.clone(), text: text.clone(), words, code, vector })
    };
    slice.iter().zip(vectors).map(new).collect()
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
    slice: &[chunks::New],
    progress: (usize, usize),
) -> Result<(), Failure> {
    let progress = numbers(progress);
    rag.0
        .db
        .write_behind(async |tx| {
            own(tx, job, Stage::Embed, progress).await?;
            for new in slice {
                chunks::insert(tx, job, new).await?;
            }
            Ok(())
        })
        .await
}

/// Moves what stands elsewhere, takes away what is not there any more, and ends the attempt.
async fn finish(
    rag: &Rag,
    job: &Job,
    moved: &[Place],
    gone: &[Id],
    count: usize,
) -> Result<(), Failure> {
    let progress = numbers((count, count));
    for slice in moved.chunks(MOVED) {
        rag.0
            .db
            .write_behind(async |tx| {
                own(tx, job, Stage::Store, progress).await?;
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
                own(tx, job, Stage::Store, progress).await?;
                Ok::<_, Failure>(chunks::delete(tx, job, slice).await?)
            })
            .await?;
    }
    let now = rag.0.clock.now();
    rag.0
        .db
        .write_behind(async |tx| {
            let revision = own(tx, job, Stage::Store, progress).await?;
            Ok::<_, Failure>(jobs::complete(tx, job, progress.1, revision, now).await?)
        })
        .await
}

/// Begins a revision in which the document changes, if the attempt still has it.
async fn own(
    tx: &mut Conn<'_>,
    job: &Job,
    stage: Stage,
    progress: (i64, i64),
) -> Result<i64, Failure> {
    let revision = indexes::bump(tx, &job.tenant, job.database).await?;
    let is_ours = jobs::update_stage(tx, job, stage, progress, Some(revision)).await?;
    if is_ours { Ok(revision) } else { Err(Failure::Lost) }
}

fn numbers((done, total): (usize, usize)) -> (i64, i64) {
    let number = |it| i64::try_from(it).unwrap_or(i64::MAX);
    (number(done), number(total))
}
