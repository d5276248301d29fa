//! What is measured and for how long: environment variables, listed in `README.md`.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Result;

#[derive(Debug)]
pub struct Settings {
    pub server: PathBuf,
    pub databases: Vec<Database>,
    pub length: Duration,
    pub concurrency: Vec<u32>,
    pub streams: Vec<u32>,
    pub tokens: u32,
    pub interval_ms: u64,
    pub soak_minutes: usize,
    pub sleepers: u32,
}

/// Where the measured server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// SQLite that survives a crash of the process.
    Embedded,
    /// SQLite that survives a crash of the machine.
    EmbeddedFull,
    Postgres,
}

impl Settings {
    pub fn read() -> Result<Self> {
        let quick = text("BENCH_QUICK").is_some_and(|it| it != "0");
        let or = |whole: &'static str, short: &'static str| if quick { short } else { whole };
        let databases = list("BENCH_DATABASES", "embedded embedded-full postgres")?;
        Ok(Self {
            server: one("BENCH_SERVER", "target/release/agent-server")?,
            databases,
            length: Duration::from_secs(one("BENCH_SECONDS", or("6", "2"))?),
            concurrency: list("BENCH_CONCURRENCY", or("1 16 64", "1 16"))?,
            streams: list("BENCH_STREAMS", or("200 1000", "200"))?,
            tokens: one("BENCH_TOKENS", or("60", "20"))?,
            interval_ms: one("BENCH_INTERVAL_MS", "50")?,
            soak_minutes: one("BENCH_SOAK_MINUTES", or("10", "3"))?,
            sleepers: one("BENCH_SLEEPERS", or("10000", "1000"))?,
        })
    }
}

impl Database {
    pub fn title(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::EmbeddedFull => "embedded, full sync",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "embedded" => Ok(Self::Embedded),
            "embedded-full" => Ok(Self::EmbeddedFull),
            "postgres" => Ok(Self::Postgres),
            other => Err(format!("no database is called `{other}`")),
        }
    }
}

/// The words of a setting, or those of `default`.
fn list<T: FromStr<Err: Display>>(name: &str, default: &str) -> Result<Vec<T>> {
    let words = text(name).unwrap_or_else(|| default.to_owned());
    words.split_whitespace().map(|word| parse(name, word)).collect()
}

fn one<T: FromStr<Err: Display>>(name: &str, default: &str) -> Result<T> {
    parse(name, &text(name).unwrap_or_else(|| default.to_owned()))
}

fn parse<T: FromStr<Err: Display>>(name: &str, word: &str) -> Result<T> {
    word.parse().map_err(|error| format!("{name}: {error}").into())
}

#[expect(clippy::disallowed_methods, reason = "the bench has no other settings")]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}
