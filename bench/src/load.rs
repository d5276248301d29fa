//! A closed loop: each worker sends its next request when the answer to the one before is complete.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time;

use crate::Result;
use crate::client::Call;
use crate::client::Connection;
use crate::stats::Percentiles;
use crate::stats::Samples;

/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// How every text of the fake model begins, and how it ends.
const FIRST_TOKEN: &str = "tk0";
pub const LAST_TOKEN: &str = "tkEND";

#[derive(Debug, Clone)]
pub struct Load {
    pub port: u16,
    pub call: Call,
    /// What a good answer contains, all of it.
    pub expect: &'static [&'static str],
    pub workers: u32,
    pub length: Length,
}

#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// Each worker goes on for this long.
    For(Duration),
    /// Each worker sends one request; the first ones are spread over this time.
    OnceEach { within: Duration },
}

/// What came of a load.
#[derive(Debug)]
pub struct Outcome {
    pub wall: Duration,
    pub good: u32,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u32>,
    /// To the end of the answer.
    pub latency: Percentiles,
    /// To the first token of the model's text.
    pub first_token: Percentiles,
}

#[derive(Debug, Default)]
struct Tally {
    good: u32,
    errors: BTreeMap<String, u32>,
    latency: Samples,
    first_token: Samples,
}

impl Load {
    pub async fn run(self) -> Outcome {
        let begun = Instant::now();
        let load = Arc::new(self);
        let mut workers = JoinSet::new();
        for worker in 0..load.workers {
            workers.spawn(work(Arc::clone(&load), worker, begun));
        }
        let mut all = Tally::default();
        while let Some(tally) = workers.join_next().await {
            match tally {
                Ok(tally) => all.add(tally),
                Err(error) => all.fail(error.to_string()),
            }
        }
        Outcome {
            wall: begun.elapsed(),
            good: all.good,
            errors: all.errors,
            latency: all.latency.percentiles(),
            first_token: all.first_token.percentiles(),
        }
    }
}

impl Outcome {
    pub fn failed(&self) -> u32 {
        self.errors.values().sum()
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.latency.extend(other.latency);
        self.first_token.extend(other.first_token);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    fn fail(&mut self, error: String) {
        *self.errors.entry(error).or_default() += 1;
    }
}

async fn work(load: Arc<Load>, worker: u32, begun: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut connection = Connection::to(load.port);
    match load.length {
        Length::OnceEach { within } => {
            time::sleep(within * worker / load.workers).await;
            send(&load, &mut connection, &mut tally).await;
        }
        Length::For(length) => {
            while begun.elapsed() < length {
                send(&load, &mut connection, &mut tally).await;
            }
        }
    }
    tally
}

async fn send(load: &Load, connection: &mut Connection, tally: &mut Tally) {
    let begun = Instant::now();
    let answer = time::timeout(PATIENCE, exchange(load, connection, begun)).await;
    match answer.unwrap_or_else(|_| Err("it took too long".into())) {
        Ok(first_token) => {
            tally.good += 1;
            tally.latency.add(begun.elapsed());
            tally.first_token.add(first_token);
        }
        Err(error) => {
            connection.close();
            tally.fail(error.to_string());
            // A server that refuses must not turn the loop into a busy one.
            time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends one request and reads its answer; gives the time to the first token, or to the end if it has none.
async fn exchange(load: &Load, connection: &mut Connection, begun: Instant) -> Result<Duration> {
    let response = connection.send(&load.call).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut text = Vec::new();
    let mut first_token = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        text.extend_from_slice(&data);
        if first_token.is_none() && contains(&text, FIRST_TOKEN) {
            first_token = Some(begun.elapsed());
        }
    }
    if !status.is_success() {
        return Err(format!("status {status}").into());
    }
    if !load.expect.iter().all(|part| contains(&text, part)) {
        return Err("the answer is not whole".into());
    }
    Ok(first_token.unwrap_or_else(|| begun.elapsed()))
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len().max(1)).any(|it| it == part.as_bytes()) || part.is_empty()
}
