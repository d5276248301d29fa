//! Many runs of a workflow that sleep at once: what they cost meanwhile, and how late they wake.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time;

use crate::Result;
use crate::client::Call;
use crate::client::Connection;
use crate::measure::REST;
use crate::server::SLEEPER;
use crate::server::Server;
use crate::stats::Percentiles;
use crate::stats::Samples;

/// Who begins them, at once.
const WORKERS: u32 = 16;
/// From the first that is begun to the first that wakes, for each that there is.
const ASLEEP: Duration = Duration::from_millis(3);
/// From one that wakes to the next: 500 a second.
const APART: Duration = Duration::from_millis(2);
/// Least time to the first that wakes.
const AT_LEAST: Duration = Duration::from_secs(10);
/// How long they may take to end once the last was to wake.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy)]
pub struct Slept {
    pub runs: u32,
    /// Resident memory before the first was begun and while all slept, in bytes.
    pub before: u64,
    pub asleep: u64,
    /// CPU time of the server a second while all slept.
    pub idle_cpu: f64,
    /// From when a run was to wake to its end.
    pub late: Percentiles,
}

/// Begins `runs` runs that sleep, looks at the server meanwhile, and waits for their end.
pub async fn run(server: &Server, runs: u32) -> Result<Slept> {
    time::sleep(REST).await;
    let before = server.process().memory();
    let first = now() + TimeDelta::from_std(AT_LEAST + ASLEEP * runs)?;
    begin(server, runs, first).await?;
    time::sleep(REST).await;
    if now() + TimeDelta::from_std(REST)? > first {
        return Err("the first run woke before all were asleep".into());
    }
    let (asleep, cpu) = (server.process().memory(), server.process().cpu());
    time::sleep(REST).await;
    let idle_cpu = (server.process().cpu().saturating_sub(cpu)).as_secs_f64() / REST.as_secs_f64();
    let last = first + TimeDelta::from_std(APART * runs)?;
    time::sleep((last - now()).to_std().unwrap_or_default()).await;
    let late = lateness(server, runs, last).await?;
    Ok(Slept { runs, before, asleep, idle_cpu, late })
}

/// Run `n` is to wake `n` times [`APART`] after `first`.
async fn begin(server: &Server, runs: u32, first: DateTime<Utc>) -> Result<()> {
    let calls: Arc<[Call]> = (0..runs)
        .map(|run| {
            let until = (first + TimeDelta::from_std(APART * run)?).to_rfc3339();
            Ok(server.begin(SLEEPER, &json!({"until": until}), &json!({"until": until})))
        })
        .collect::<Result<_>>()?;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (calls, mut connection) = (Arc::clone(&calls), Connection::to(server.port()));
        workers.spawn(async move {
            for call in calls.iter().skip(worker as usize).step_by(WORKERS as usize) {
                connection.fetch_json(call).await?;
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}

/// How late each of them ended, once all have.
async fn lateness(server: &Server, runs: u32, last: DateTime<Utc>) -> Result<Percentiles> {
    let mut connection = Connection::to(server.port());
    for status in ["waiting", "queued", "running"] {
        let open = server.get(&format!("/runs?kind=workflow&status={status}&limit=1"));
        while !data(&connection.fetch_json(&open).await?)?.is_empty() {
            if now() > last + TimeDelta::from_std(PATIENCE)? {
                return Err("runs are asleep that should have woken long ago".into());
            }
            time::sleep(Duration::from_millis(100)).await;
        }
    }
    let (mut late, mut ended, mut cursor) = (Samples::default(), 0, String::new());
    loop {
        let path = format!("/runs?kind=workflow&status=succeeded&limit=200{cursor}");
        let page = connection.fetch_json(&server.get(&path)).await?;
        for run in data(&page)? {
            let at =
                |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default());
            let after = at(&run["finished_at"])? - at(&run["metadata"]["until"])?;
            late.add(after.to_std().map_err(|_| "a run woke too early")?);
            ended += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if ended != runs {
        return Err(format!("{ended} of {runs} runs succeeded").into());
    }
    Ok(late.percentiles())
}

#[expect(clippy::disallowed_methods, reason = "there is no other clock here")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn data(page: &Value) -> Result<&Vec<Value>> {
    Ok(page["data"].as_array().ok_or("no list")?)
}
