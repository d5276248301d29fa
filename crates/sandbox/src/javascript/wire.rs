//! What is said about scripts between a server and a worker.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Failure;
use super::RESULT_BYTES;
use super::Script;

/// The first byte of what came of something.
const GOOD: u8 = 0;
const BAD: u8 = 1;

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Work<'a> {
    pub source: String,
    #[serde(borrow)]
    pub input: &'a RawValue,
    pub memory: usize,
    pub patience_ms: u64,
    pub until: Until,
}

/// How far a script is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// It is read, and nothing of it is run.
    Read,
    Done,
}

/// What a script asks for with `fetch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    #[serde(skip)]
    pub body: Bytes,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub status: u16,
    /// Where it came from in the end.
    pub url: String,
    pub headers: Vec<(String, String)>,
    #[serde(skip)]
    pub body: Bytes,
}

/// How grave a line of the console is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// How far a script is, in whatever it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: f64,
    pub total: Option<f64>,
    pub message: Option<String>,
}

const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

/// Why a script failed, as the worker says it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fault {
    pub message: String,
    pub line: Option<u32>,
}

pub fn with_line(message: &str, line: Option<u32>) -> String {
    match line {
        Some(line) => format!("{message} (line {line})"),
        None => message.to_owned(),
    }
}

pub fn job(script: &Script<'_>, patience: Duration, until: Until) -> Vec<u8> {
    let work = Work {
        source: script.source.to_owned(),
        input: script.input,
        memory: script.memory,
        patience_ms: patience.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX),
        until,
    };
    serde_json::to_vec(&work).unwrap_or_default()
}

/// What a worker says came of its script.
pub fn done(result: &Result<String, Fault>) -> Vec<u8> {
    match result {
        Ok(json) => [&[GOOD], json.as_bytes()].concat(),
        Err(fault) => [&[BAD], &*serde_json::to_vec(fault).unwrap_or_default()].concat(),
    }
}

/// What came of a script. The worker is not trusted with it.
pub fn result(done: &[u8]) -> Result<Box<RawValue>, Failure> {
    let broken = || Failure::Script { message: "the result is no JSON".to_owned(), line: None };
    match done.split_first() {
        Some((&GOOD, json)) if json.len() <= RESULT_BYTES => {
            serde_json::from_slice(json).map_err(|_| broken())
        }
        Some((&BAD, fault)) => {
            let Fault { message, line } = serde_json::from_slice(fault).map_err(|_| broken())?;
            Err(Failure::Script { message, line })
        }
        _ => Err(broken()),
    }
}

/// A head and the bytes of a body.
pub fn headed<T: Serialize>(head: &T, body: &[u8]) -> Vec<u8> {
    let head = serde_json::to_vec(head).unwrap_or_default();
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length, &*head, body].concat()
}

fn behead<T: for<'a> Deserialize<'a>>(bytes: &Bytes) -> Option<(T, Bytes)> {
    let (length, _) = bytes.split_first_chunk()?;
    let end = usize::try_from(u32::from_le_bytes(*length)).ok()?.checked_add(length.len())?;
    let head = serde_json::from_slice(bytes.get(length.len()..end)?).ok()?;
    Some((head, bytes.slice(end..)))
}

pub fn request(question: &Bytes) -> Option<Request> {
    let (request, body) = behead(question)?;
    Some(Request { body, ..request })
}

pub fn answer(answer: Result<Response, String>) -> Vec<u8> {
    match answer {
        Ok(response) => [&[GOOD], &*headed(&response, &response.body)].concat(),
        Err(why) => [&[BAD], why.as_bytes()].concat(),
    }
}

/// An answer, where the worker reads it.
pub fn response(answer: &Bytes) -> Option<Result<Response, String>> {
    match answer.first()? {
        &GOOD => {
            let (response, body) = behead(&answer.slice(1..))?;
            Some(Ok(Response { body, ..response }))
        }
        _ => Some(Err(String::from_utf8_lossy(&answer[1..]).into_owned())),
    }
}

/// The first byte of a note that says how far a script is. Others begin with the level of a line.
pub const PROGRESS: u8 = 255;

/// What a script says in passing.
pub enum Note {
    Line(Level, String),
    Progress(Progress),
}

pub fn note(note: &[u8]) -> Option<Note> {
    let (kind, text) = note.split_first()?;
    if *kind == PROGRESS {
        return serde_json::from_slice(text).ok().map(Note::Progress);
    }
    let level = *LEVELS.get(usize::from(*kind))?;
    Some(Note::Line(level, String::from_utf8_lossy(text).into_owned()))
}
