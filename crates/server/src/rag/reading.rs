//! From a file to passages, in a process that has nothing but the file.
//!
//! Files come from anywhere. A file that fills all memory or never ends takes its worker with it, and nothing
//! else; whoever sent it is told.

use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use retrieval::Chunk;
use retrieval::Chunker;
use retrieval::Limits;
use retrieval::Sizes;
use retrieval::Unit;
use sandbox::CallError;
use sandbox::Host;
use sandbox::Job;
use sandbox::Pool;
use sandbox::worker::Task;
use serde::Deserialize;
use serde::Serialize;

/// What workers do for this feature.
pub const TASK: Task = Task { number: 2, work };

/// How long a file may take, the wait for a worker included.
const TIME: Duration = Duration::from_mins(1);
/// How long the worker tries: a little less, so that it can say why it stops.
const PATIENCE: Duration = Duration::from_secs(55);
/// Passages of one document at most.
pub const MOST_CHUNKS: usize = 20_000;
/// An answer comes in one piece, which has at most 16 MB.
const ANSWER_BYTES: usize = 15 << 20;

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutting {
    pub chunker: Chunker,
    pub size: usize,
    pub overlap: usize,
}

/// What was read from a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reading {
    pub media_type: String,
    pub encoding: Option<String>,
    pub warnings: Vec<String>,
    /// `None`: the file has none.
    pub pages: Option<usize>,
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
}

/// What is to be read; the bytes follow it.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    cutting: Cutting,
}

/// Reads `file`, which is called `name`, and cuts it.
pub async fn read(
    pool: &Pool,
    owner: &str,
    name: &str,
    cutting: Cutting,
    file: &[u8],
) -> Result<Reading, Unread> {
    let order = Order { name: name.to_owned(), cutting };
    let order = serde_json::to_vec(&order).map_err(|error| Unread::File(error.to_string()))?;
    let length = u32::try_from(order.len()).unwrap_or(u32::MAX).to_le_bytes();
    let body = [&length[..], &order, file].concat();
    let job = Job { task: TASK.number, body: &body, deadline: tokio::time::Instant::now() + TIME };
    let answer = pool.call(owner, job, &Nobody).await.map_err(|cause| match cause {
        CallError::Late => Unread::File(retrieval::ParseError::TooSlow.to_string()),
        CallError::Died(_) => Unread::File(
            "reading the file brought its process down: it takes more memory than is allowed, or is made to do so"
                .to_owned(),
        ),
        cause => Unread::Busy(cause),
    })?;
    let answer: Result<Reading, String> = serde_json::from_slice(&answer)
        .map_err(|_| Unread::File("what was read from the file is not usable".to_owned()))?;
    answer.map_err(Unread::File)
}

/// Workers that read files ask for nothing.
struct Nobody;

impl Host for Nobody {
    fn answer(&self, _: Bytes) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn hear(&self, _: Bytes) {}
}

/// The worker's side.
fn work(body: &[u8]) -> Vec<u8> {
    let answer = serde_json::to_vec(&obey(body)).unwrap_or_default();
    if answer.len() <= ANSWER_BYTES {
        return answer;
    }
    let too_much: Result<Reading, String> =
        Err("the file has more text than can be taken in one piece; send it in parts".to_owned());
    serde_json::to_vec(&too_much).unwrap_or_default()
}

fn obey(body: &[u8]) -> Result<Reading, String> {
    let unusable = || "the order cannot be read".to_owned();
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(unusable)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (order, file) = rest.split_at_checked(length).ok_or_else(unusable)?;
    let Order { name, cutting } = serde_json::from_slice(order).map_err(|_| unusable())?;
    let until = Instant::now() + PATIENCE;
    let late = || Instant::now() >= until;
    let (format, document) =
        retrieval::parse(file, Some(&name), &limits(), &late).map_err(|error| error.to_string())?;
    let sizes = Sizes::new(cutting.size, cutting.overlap).map_err(|error| error.to_string())?;
    let chunks = retrieval::chunk(&document, cutting.chunker, sizes, Unit::Characters);
    if chunks.len() > MOST_CHUNKS {
        return Err(format!(
            "the file gives more than the {MOST_CHUNKS} passages that are allowed"
        ));
    }
    Ok(Reading {
        media_type: format.media_type().to_owned(),
        encoding: document.encoding.map(str::to_owned),
        warnings: document.warnings.iter().map(ToString::to_string).collect(),
        pages: (!document.pages.is_empty()).then_some(document.pages.len()),
        chunks,
    })
}

fn limits() -> Limits {
    Limits {
        bytes_in: 16 << 20,
        bytes_out: 8 << 20,
        unpacked: 128 << 20,
        pages: 10_000,
        nesting: 64,
        columns: 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(file: &[u8]) -> Result<Reading, String> {
        let cutting = Cutting { chunker: Chunker::Recursive, size: 10, overlap: 2 };
        let order = Order { name: "a.txt".to_owned(), cutting };
        let order = serde_json::to_vec(&order).unwrap();
        let length = u32::try_from(order.len()).unwrap().to_le_bytes();
        serde_json::from_slice(&work(&[&length[..], &order, file].concat())).unwrap()
    }

    #[test]
    fn a_worker_answers_with_passages_or_a_reason() {
        let reading = answer("One two. Three four.".as_bytes()).unwrap();

        assert_eq!(reading.media_type, "text/plain");
        assert_eq!(reading.chunks[0].text, "One two.");
        assert_eq!(answer(b"").unwrap_err(), "the file is empty");
        assert!(answer(&vec![b'x'; 400_000]).unwrap_err().contains("more than the 20000 passages"));
    }

    #[test]
    fn an_order_that_is_none_is_no_reason_to_die() {
        for body in [&b""[..], b"\xff\xff\xff\xff", b"\x02\0\0\0{}"] {
            let answer: Result<Reading, String> = serde_json::from_slice(&work(body)).unwrap();
            assert_eq!(answer.unwrap_err(), "the order cannot be read");
        }
    }
}
