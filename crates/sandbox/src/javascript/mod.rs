//! JavaScript in a worker: a new engine for each call, with nothing in it but the language, `input`,
//! and what the [`Host`] does for it.
//!
//! This is the side of the server. The worker's begins in `engine`; `wire` is what they say to each
//! other.

mod encode;
mod engine;
mod fault;
mod host;
mod wire;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::future::ready;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::pool;
use crate::pool::CallError;
use crate::pool::Job;
use crate::pool::Pool;

pub(crate) use engine::work;
pub use wire::Level;
use wire::Note;
pub use wire::Progress;
pub use wire::Request;
pub use wire::Response;
use wire::Until;

/// How jobs of this kind begin.
pub(crate) const TASK: u8 = 1;
/// The most that a result may have, as JSON.
pub const RESULT_BYTES: usize = 1024 * 1024;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The body of `async (input, ctx) => {…}`, such a function as a whole, or a module whose default
    /// export is one.
    pub source: &'a str,
    /// JSON. Whole numbers that a JavaScript number cannot hold become a `BigInt`.
    pub input: &'a RawValue,
    /// What the script may take in memory.
    pub memory: usize,
    /// When it must be done, waiting for a worker included.
    pub deadline: Instant,
}

/// What a script may reach outside.
pub trait Host: Sync {
    /// `ctx.fetch`. An error is a sentence for the script. Dropped when the script is over.
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response, String>>;

    /// `console`: at most 200 lines a call with at most 64 kB.
    fn log(&self, level: Level, line: String);

    /// `ctx.progress`: at most 1000 a call.
    fn progress(&self, progress: Progress);
}

/// Why a script gave no result, in words for who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It threw something, is not JavaScript, or its result is not JSON.
    #[error("{}", wire::with_line(message, *line))]
    Script { message: String, line: Option<u32> },
    #[error("the script did not end within its time")]
    Late,
    /// It brought its worker down, or somebody else did.
    #[error("the script's process ended in the middle of it")]
    Died(#[source] CallError),
    /// It was not begun.
    #[error("there is no worker free for the script: too many are at work")]
    Busy(#[source] CallError),
    /// It was not begun, and others will not be either.
    #[error("scripts cannot be run here")]
    Unavailable(#[source] CallError),
}

/// Runs a script for `owner`, and gives its result as JSON.
pub async fn run(
    pool: &Pool,
    owner: &str,
    script: Script<'_>,
    host: &impl Host,
) -> Result<Box<RawValue>, Failure> {
    job(pool, owner, script, host, Until::Done).await
}

/// Says what is wrong with a script as it stands there, which is not run.
pub async fn check(pool: &Pool, owner: &str, script: Script<'_>) -> Result<(), Failure> {
    job(pool, owner, script, &Nobody, Until::Read).await.map(drop)
}

async fn job(
    pool: &Pool,
    owner: &str,
    script: Script<'_>,
    host: &impl Host,
    until: Until,
) -> Result<Box<RawValue>, Failure> {
    let patience = script.deadline.saturating_duration_since(Instant::now());
    let body = wire::job(&script, patience, until);
    let job = Job { task: TASK, body: &body, deadline: script.deadline };
    let done = pool.call(owner, job, &Bridge(host)).await.map_err(|cause| match cause {
        CallError::Late => Failure::Late,
        CallError::Full | CallError::NoneFree => Failure::Busy(cause),
        CallError::Died(_) => Failure::Died(cause),
        CallError::Start(_) => Failure::Unavailable(cause),
    })?;
    wire::result(&done)
}

/// Who does nothing for a script that is not run.
struct Nobody;

impl Host for Nobody {
    fn fetch(&self, _: Request) -> BoxFuture<'_, Result<Response, String>> {
        ready(Err("there is nobody to ask".to_owned())).boxed()
    }

    fn log(&self, _: Level, _: String) {}

    fn progress(&self, _: Progress) {}
}

/// A [`Host`] as the pool knows it.
struct Bridge<'a, H>(&'a H);

impl<H: Host> pool::Host for Bridge<'_, H> {
    fn answer(&self, question: Bytes) -> BoxFuture<'_, Vec<u8>> {
        async move {
            let answer = match wire::request(&question) {
                Some(request) => self.0.fetch(request).await,
                None => Err("the request is none".to_owned()),
            };
            wire::answer(answer)
        }
        .boxed()
    }

    fn hear(&self, note: Bytes) {
        match wire::note(&note) {
            Some(Note::Line(level, line)) => self.0.log(level, line),
            Some(Note::Progress(progress)) => self.0.progress(progress),
            None => {}
        }
    }
}
