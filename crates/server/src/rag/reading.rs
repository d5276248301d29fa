//! From a file to passages, in a process that has nothing but the file.
//!
//! Files come from anywhere, and are never in memory as a whole but there. A file that fills all memory or never ends takes its worker with it, and nothing
//! else; whoever sent it is told.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use retrieval::AboutTokens;
use retrieval::Chunk;
use retrieval::Chunker;
use retrieval::Limits;
use retrieval::Sizes;
use retrieval::Unit;
use retrieval::WordPieces;
use sandbox::CallError;
use sandbox::Host;
use sandbox::worker::Asker;
use sandbox::worker::Task;
use serde::Deserialize;
use serde::Serialize;

use crate::config::FILE_BYTES;
use crate::rag::Rag;
use crate::rag::RagError;
use crate::rag::databases::ChunkUnit;
use crate::rag::databases::Recipe;
use crate::rag::store::files::FilePlace;
use crate::rag::store::jobs::Job;

/// What workers do for this feature.
pub const TASK: Task = Task { number: 2, work };

/// How long a file may take, the wait for a worker included, and how much longer for each megabyte of it.
const TIME: Duration = Duration::from_mins(1);
const TIME_PER_MEGABYTE: Duration = Duration::from_secs(2);
/// How long the worker tries: a little less, so that it can say why it stops.
const PATIENCE: Duration = Duration::from_secs(55);
/// Passages of one document at most.
pub const MOST_CHUNKS: usize = 50_000;
/// Code points of its text at most; most are one byte, and none has more than four.
const MOST_TEXT: usize = 48 << 20;
/// Passages that a worker sends at once, and about the bytes of them.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// What a worker may send of passages in all.
const MOST_BYTES: usize = 256 << 20;

/// What a worker asks for begins so: a piece of the file, by its number; that passages are taken; the tokenizer of
/// the embedding model, which is nothing if that is not here.
const PIECE: u8 = 0;
const PASSAGES: u8 = 1;
const TOKENIZER: u8 = 2;

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutting {
    pub chunker: Chunker,
    pub unit: ChunkUnit,
    pub size: usize,
    pub overlap: usize,
}

/// What was read from a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reading {
    pub media_type: String,
    pub encoding: Option<String>,
    pub language: Option<String>,
    pub warnings: Vec<String>,
    /// `None`: the file has none.
    pub pages: Option<usize>,
    /// They come apart from the rest.
    #[serde(skip)]
    pub chunks: Vec<Chunk>,
}

/// Why a file gave no passages.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It will not give any next time either; in words for who sent it.
    #[error("{0}")]
    File(String),
    /// Nobody looked at it.
    #[error("there is no worker for the file")]
    Busy(#[source] CallError),
    #[error(transparent)]
    Kept(#[from] RagError),
}

/// What is to be read.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    cutting: Cutting,
    bytes: usize,
}

/// Reads the file of `job`, and cuts it. It goes to its worker piece by piece, and its passages come back so.
pub async fn read(rag: &Rag, job: &Job, recipe: &Recipe) -> Result<Reading, Unread> {
    let cutting = recipe.cutting();
    let (name, bytes) = (job.filename.clone(), usize::try_from(job.bytes).unwrap_or_default());
    let body = serde_json::to_vec(&Order { name, cutting, bytes });
    let body = body.map_err(|error| Unread::File(error.to_string()))?;
    let deadline = tokio::time::Instant::now() + TIME + more_time(bytes);
    let order = sandbox::Job { task: TASK.number, body: &body, deadline };
    let model = &recipe.embedding_model;
    let desk = Desk { rag, file: &job.file, model, state: Mutex::default() };
    let answer = rag.0.sandbox.call(&format!("rag:{}", job.tenant), order, &desk).await;
    let state = desk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = state.failure {
        return Err(failure.into());
    }
    let answer = answer.map_err(|cause| match cause {
        CallError::Late => Unread::File(retrieval::ParseError::TooSlow.to_string()),
        CallError::Died(_) => Unread::File(
            "reading the file brought its process down: it takes more memory than is allowed, or is made to do so"
                .to_owned(),
        ),
        cause => Unread::Busy(cause),
    })?;
    let unusable = || Unread::File("what was read from the file is not usable".to_owned());
    let answer: Result<Reading, String> =
        serde_json::from_slice(&answer).map_err(|_| unusable())?;
    let reading = answer.map_err(Unread::File)?;
    if state.is_unusable {
        return Err(unusable());
    }
    Ok(Reading { chunks: state.chunks, ..reading })
}

fn more_time(bytes: usize) -> Duration {
    TIME_PER_MEGABYTE.saturating_mul(u32::try_from(bytes >> 20).unwrap_or(u32::MAX))
}

/// Where a worker that reads a file gets its pieces, and brings its passages.
struct Desk<'d> {
    rag: &'d Rag,
    file: &'d FilePlace,
    /// What embeds its passages.
    model: &'d str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    chunks: Vec<Chunk>,
    bytes: usize,
    /// What was brought are no passages, or are too many.
    is_unusable: bool,
    failure: Option<RagError>,
}

impl Host for Desk<'_> {
    fn answer(&self, question: Bytes) -> BoxFuture<'_, Vec<u8>> {
        async move {
            match question.split_first() {
                Some((&PIECE, number)) => {
                    let number = number.first_chunk().copied().map_or(-1, i64::from_le_bytes);
                    self.rag.piece(self.file, number).await.unwrap_or_else(|failure| {
                        self.state().failure = Some(failure);
                        Vec::new()
                    })
                }
                Some((&PASSAGES, batch)) => {
                    self.state().take(batch);
                    Vec::new()
                }
                Some((&TOKENIZER, _)) => self.rag.0.embedders.tokenizer(self.model).await,
                _ => Vec::new(),
            }
        }
        .boxed()
    }

    fn hear(&self, _: Bytes) {}
}

impl Desk<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, batch: &[u8]) {
        self.bytes += batch.len();
        match serde_json::from_slice::<Vec<Chunk>>(batch) {
            Ok(more)
                if self.bytes <= MOST_BYTES && self.chunks.len() + more.len() <= MOST_CHUNKS =>
            {
                self.chunks.extend(more);
            }
            _ => self.is_unusable = true,
        }
    }
}

/// The worker's side.
fn work(body: &[u8], asker: &Asker<'_>) -> Vec<u8> {
    serde_json::to_vec(&obey(body, &|question| asker.ask(question))).unwrap_or_default()
}

/// What whoever gave the order answers to a question.
type Ask<'a> = &'a dyn Fn(&[&[u8]]) -> Option<Bytes>;

fn obey(body: &[u8], ask: Ask<'_>) -> Result<Reading, String> {
    let order = serde_json::from_slice(body).map_err(|_| "the order cannot be read".to_owned())?;
    let Order { name, cutting, bytes } = order;
    let until = Instant::now() + PATIENCE + more_time(bytes);
    let file = fetch(bytes, ask)?;
    let late = || Instant::now() >= until;
    let (format, document) = retrieval::parse(&file, Some(&name), &limits(), &late)
        .map_err(|error| error.to_string())?;
    drop(file);
    let sizes = Sizes::new(cutting.size, cutting.overlap).map_err(|error| error.to_string())?;
    let tokenizer = match cutting.unit {
        ChunkUnit::Characters => None,
        ChunkUnit::Tokens => ask(&[&[TOKENIZER]]).and_then(|it| WordPieces::new(&it).ok()),
    };
    let unit = match (cutting.unit, &tokenizer) {
        (ChunkUnit::Characters, _) => Unit::Characters,
        (ChunkUnit::Tokens, Some(tokenizer)) => Unit::Tokens(tokenizer),
        (ChunkUnit::Tokens, None) => Unit::Tokens(&AboutTokens),
    };
    let chunks = retrieval::chunk(&document, cutting.chunker, sizes, unit);
    if chunks.len() > MOST_CHUNKS {
        return Err(format!(
            "the file gives more than the {MOST_CHUNKS} passages that are allowed"
        ));
    }
    bring(&chunks, ask)?;
    Ok(Reading {
        media_type: format.media_type().to_owned(),
        encoding: document.encoding.map(str::to_owned),
        language: retrieval::language(&document.text).map(str::to_owned),
        warnings: document.warnings.iter().map(ToString::to_string).collect(),
        pages: (!document.pages.is_empty()).then_some(document.pages.len()),
        chunks: Vec::new(),
    })
}

/// All pieces of the file, of which there are about so many `bytes`.
fn fetch(bytes: usize, ask: Ask<'_>) -> Result<Vec<u8>, String> {
    let mut file = Vec::with_capacity(bytes.min(limits().bytes_in));
    for number in 0_i64.. {
        let piece = ask(&[&[PIECE], &number.to_le_bytes()]);
        let piece = piece.ok_or("the file cannot be read now")?;
        if piece.is_empty() || file.len() > limits().bytes_in {
            break;
        }
        file.extend_from_slice(&piece);
    }
    Ok(file)
}

/// Sends passages, some at a time.
fn bring(mut chunks: &[Chunk], ask: Ask<'_>) -> Result<(), String> {
    while !chunks.is_empty() {
        let mut bytes = 0;
        let fits = chunks.iter().take(BATCH).take_while(|chunk| {
            bytes += chunk.text.len();
            bytes <= BATCH_BYTES
        });
        let (batch, rest) = chunks.split_at(fits.count().max(1));
        let text = serde_json::to_vec(batch).map_err(|error| error.to_string())?;
        ask(&[&[PASSAGES], &text]).ok_or("nobody takes the passages of the file")?;
        chunks = rest;
    }
    Ok(())
}

fn limits() -> Limits {
    Limits {
        bytes_in: FILE_BYTES,
        bytes_out: MOST_TEXT,
        unpacked: 256 << 20,
        pages: 10_000,
        nesting: 64,
        columns: 1_000,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What a worker answers, and the passages that it brings.
    fn answer(file: &[u8]) -> Result<(Reading, Vec<Chunk>), String> {
        let cutting = Cutting {
            chunker: Chunker::Recursive,
            unit: ChunkUnit::Characters,
            size: 10,
            overlap: 2,
        };
        let order = Order { name: "a.txt".to_owned(), cutting, bytes: file.len() };
        let chunks = RefCell::new(Vec::new());
        let ask = |question: &[&[u8]]| {
            if question[0] == [PIECE] {
                let number = i64::from_le_bytes(question[1].try_into().unwrap());
                let piece = file.chunks(7).nth(usize::try_from(number).unwrap());
                return Some(Bytes::copy_from_slice(piece.unwrap_or_default()));
            }
            chunks.borrow_mut().extend(serde_json::from_slice::<Vec<Chunk>>(question[1]).unwrap());
            Some(Bytes::new())
        };
        let reading = obey(&serde_json::to_vec(&order).unwrap(), &ask)?;
        Ok((reading, chunks.into_inner()))
    }

    #[test]
    fn a_worker_answers_with_passages_or_a_reason() {
        let (reading, chunks) = answer("One two. Three four.".as_bytes()).unwrap();

        assert_eq!(reading.media_type, "text/plain");
        assert_eq!(chunks[0].text, "One two.");
        assert_eq!(answer(b"").unwrap_err(), "the file is empty");
        let many = vec![b'x'; 10 * MOST_CHUNKS];
        assert!(answer(&many).unwrap_err().contains("more than the 50000 passages"));
    }

    #[test]
    fn many_passages_come_in_their_order() {
        let text = "A line.\n\n".repeat(3 * BATCH);

        let (_, chunks) = answer(text.as_bytes()).unwrap();

        assert!(
            chunks.len() >= 3 * BATCH && chunks.iter().enumerate().all(|(at, it)| it.index == at)
        );
    }

    #[test]
    fn an_order_that_is_none_is_no_reason_to_die() {
        for body in [&b""[..], b"\xff\xff\xff\xff", b"{}"] {
            assert_eq!(obey(body, &|_| None).unwrap_err(), "the order cannot be read");
        }
    }
}
