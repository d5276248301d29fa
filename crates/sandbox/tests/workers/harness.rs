//! A pool of real workers, and a host that remembers what scripts asked of it.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use sandbox::Pool;
use sandbox::Settings;
use sandbox::javascript;
use sandbox::javascript::Failure;
use sandbox::javascript::Level;
use sandbox::javascript::Progress;
use sandbox::javascript::Request;
use sandbox::javascript::Response;
use sandbox::javascript::Script;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Barrier;
use tokio::time::Instant;

/// More than any script of these tests needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const MEMORY: usize = 32 << 20;

pub fn pool(workers: usize) -> Pool {
    Pool::new(settings(workers))
}

pub fn settings(workers: usize) -> Settings {
    Settings {
        program: env!("CARGO_BIN_EXE_sandbox-worker").into(),
        arguments: Vec::new(),
        workers: NonZeroUsize::new(workers).unwrap(),
        queue: 1000,
        idle: Duration::from_mins(1),
    }
}

/// Answers requests with what they were, but for `/slow`, which never ends.
#[derive(Default)]
pub struct Recorder {
    pub asked: Mutex<Vec<Request>>,
    pub said: Mutex<Vec<(Level, String)>>,
    pub told: Mutex<Vec<Progress>>,
    /// Where requests wait for each other.
    pub meeting: Option<Barrier>,
}

impl javascript::Host for Recorder {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response, String>> {
        self.asked.lock().unwrap().push(request.clone());
        async move {
            if request.url.ends_with("/slow") {
                std::future::pending::<()>().await;
            }
            if let Some(meeting) = &self.meeting {
                meeting.wait().await;
            }
            if request.url.ends_with("/refused") {
                return Err("the tool may not ask `internal.example`".to_owned());
            }
            let binary = request.url.ends_with("/binary");
            let big = r#"{"id": 9007199254740993, "half": 0.5}"#;
            let body = match request.url.rsplit('/').next() {
                Some("big") => Bytes::from_static(big.as_bytes()),
                Some("large") => Bytes::from(vec![b'x'; 1 << 20]),
                _ if binary => Bytes::from_static(&[0xff, 0, 1]),
                _ => request.body,
            };
            let headers = vec![("Content-Type".to_owned(), "text/x-test".to_owned())];
            Ok(Response { status: 200, url: request.url, headers, body })
        }
        .boxed()
    }

    fn log(&self, level: Level, line: String) {
        self.said.lock().unwrap().push((level, line));
    }

    fn progress(&self, progress: Progress) {
        self.told.lock().unwrap().push(progress);
    }
}

/// Runs a script for the owner `a`.
pub async fn run(pool: &Pool, source: &str, input: &str) -> Result<String, String> {
    run_with(pool, &Recorder::default(), source, input).await
}

pub async fn run_with(
    pool: &Pool,
    host: &Recorder,
    source: &str,
    input: &str,
) -> Result<String, String> {
    let result = call(pool, host, "a", source, input, PATIENCE).await;
    result.map_err(|failure| failure.to_string())
}

pub async fn call(
    pool: &Pool,
    host: &Recorder,
    owner: &str,
    source: &str,
    input: &str,
    patience: Duration,
) -> Result<String, Failure> {
    let input: &RawValue = serde_json::from_str(input).unwrap();
    let deadline = Instant::now() + patience;
    let script = Script { source, input, memory: MEMORY, deadline };
    javascript::run(pool, owner, script, host).await.map(|json| json.get().to_owned())
}

/// What is wrong with a script that is only read.
pub async fn check(pool: &Pool, source: &str) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let script = Script { source, input: RawValue::NULL, memory: MEMORY, deadline };
    javascript::check(pool, "a", script).await.map_err(|failure| failure.to_string())
}

/// Runs a script that must give JSON, in a pool of its own.
pub async fn value(source: &str) -> Value {
    let json = run(&pool(1), source, "null").await.unwrap();
    serde_json::from_str(&json).unwrap()
}

/// Runs scripts one after the other in one pool, and shows what came of each.
pub async fn table(scripts: &[&str]) -> String {
    let pool = pool(1);
    let mut shown = String::new();
    for source in scripts {
        let came = match run(&pool, source, "null").await {
            Ok(json) => json,
            Err(failure) => format!("! {failure}"),
        };
        shown += &[source, "\n    ", &came, "\n"].concat();
    }
    shown
}

/// The processes that this one has started, by their ids.
pub fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let of_ours = |id: &String| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let has = |name, value: &str| {
            status
                .lines()
                .any(|it| it.strip_prefix(name).is_some_and(|it| it.trim().starts_with(value)))
        };
        status.lines().any(|it| it.strip_prefix("PPid:").is_some_and(|it| it.trim() == own))
            && !has("State:", "Z")
    };
    let ids =
        fs::read_dir("/proc").unwrap().filter_map(|it| it.unwrap().file_name().into_string().ok());
    ids.filter(|id| id.parse::<u32>().is_ok()).filter(of_ours).collect()
}
