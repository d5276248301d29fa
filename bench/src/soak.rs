//! A long load: what matters is whether memory stays where it is.

use std::time::Duration;

use tokio::time;

use crate::Result;
use crate::child::Child;
use crate::load::LAST_TOKEN;
use crate::load::Length;
use crate::load::Load;
use crate::load::Outcome;
use crate::measure::HELLO;
use crate::measure::REST;
use crate::measure::USE_TOOL;
use crate::measure::pace;
use crate::note;
use crate::report;
use crate::server::Server;
use crate::settings::Database;
use crate::settings::Settings;

/// Length of a round. Memory is read after each, when nothing is under way.
const ROUND: Duration = Duration::from_secs(58);
/// Callers of each kind: of plain runs, of one-tool runs, and of streams.
const WORKERS: u32 = 16;
/// How much more memory the last rounds may use than those in the middle, in percent.
const GROWTH: u64 = 10;

/// A round and what came of it.
#[derive(Debug)]
pub struct Round {
    pub runs: u32,
    pub errors: u32,
    /// Resident after it, in bytes.
    pub memory: u64,
    /// The most during it, in bytes.
    pub peak: u64,
}

/// Loads a server for `rounds` minutes. Fails if an answer does, or if memory grows.
pub async fn run(
    settings: &Settings,
    database: Database,
    model: &Child,
    rounds: usize,
) -> Result<()> {
    note(format_args!("== {}, {rounds} minutes", database.title()));
    pace(model, 20, 20).await?;
    let mut server = Server::start(settings, database, model.port).await?;
    let mut all = Vec::new();
    for _ in 0..rounds {
        server.renew_token().await?;
        let round = round(&server).await;
        note(report::round(&round));
        all.push(round);
    }
    let errors: u32 = all.iter().map(|it| it.errors).sum();
    if errors > 0 {
        return Err(format!("{errors} runs failed").into());
    }
    is_flat(&all)
}

async fn round(server: &Server) -> Round {
    let process = server.process();
    process.forget_peak();
    let load = |call, expect: &'static [&'static str]| {
        let (port, length) = (server.port(), Length::For(ROUND));
        Load { port, call, expect, workers: WORKERS, length }.run()
    };
    let (plain, tool, streams) = tokio::join!(
        load(server.execute(HELLO), &[LAST_TOKEN]),
        load(server.execute(USE_TOOL), &[LAST_TOKEN, "The tool answered"]),
        load(server.execute(HELLO).streamed(), &[LAST_TOKEN]),
    );
    let peak = process.peak_memory();
    time::sleep(REST).await;
    let outcomes = [plain, tool, streams];
    for outcome in outcomes.iter().filter(|it| it.failed() > 0) {
        note(format_args!("{:?}", outcome.errors));
    }
    Round {
        runs: outcomes.iter().map(|it| it.good).sum(),
        errors: outcomes.iter().map(Outcome::failed).sum(),
        memory: process.memory(),
        peak,
    }
}

/// Compares the last third of the rounds with the one before it; the first is for warming up.
fn is_flat(rounds: &[Round]) -> Result<()> {
    let third = rounds.len() / 3;
    let most = |rounds: &[Round]| rounds.iter().map(|it| it.memory).max().unwrap_or_default();
    let before = most(&rounds[third..rounds.len() - third]);
    let after = most(&rounds[rounds.len() - third..]);
    if after * 100 > before * (100 + GROWTH) {
        return Err(format!("memory grew from {before} to {after} bytes").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_noticed_and_warming_up_is_not_growth() {
        let rounds = |memory: &[u64]| -> Vec<Round> {
            let round = |memory: &u64| Round { runs: 1, errors: 0, memory: *memory, peak: 0 };
            memory.iter().map(round).collect()
        };
        assert!(is_flat(&rounds(&[10, 80, 100, 100, 105, 109])).is_ok());
        assert!(is_flat(&rounds(&[10, 80, 100, 110, 120, 130])).is_err());
    }
}
