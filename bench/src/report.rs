//! The tables, as Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::Cold;
use crate::measure::FLOOR;
use crate::measure::Measured;
use crate::measure::Phase;
use crate::measure::Row;
use crate::server::TOOLS;
use crate::settings::Settings;
use crate::sleepers::Slept;
use crate::soak::Round;
use crate::stats::Percentiles;

/// A heading, and what a row shows below it.
type Column<T> = (&'static str, fn(&T) -> String);

/// The same for a row that borrows.
type LoadColumn = (&'static str, fn(&Shown<'_>) -> String);

/// A row of a table of loads.
struct Shown<'a> {
    who: &'static str,
    it: &'a Measured,
    /// Tokens of one answer.
    tokens: u32,
    /// To the first token of the fake model alone; zero for itself.
    floor: Percentiles,
}

const COLD: &[Column<(&str, Cold)>] = &[
    ("measured", |(who, _)| (*who).to_owned()),
    ("start ms", |(_, it)| ms(it.start)),
    ("CPU to start ms", |(_, it)| ms(it.start_cpu)),
    ("first answer ms", |(_, it)| ms(it.first_answer)),
    ("idle MiB", |(_, it)| mebibytes(it.idle_memory)),
];

const SLEEPERS: &[Column<(&str, Slept)>] = &[
    ("measured", |(who, _)| (*who).to_owned()),
    ("asleep", |(_, it)| it.runs.to_string()),
    ("MiB before", |(_, it)| mebibytes(it.before)),
    ("MiB asleep", |(_, it)| mebibytes(it.asleep)),
    ("CPU % asleep", |(_, it)| number(it.idle_cpu * 100.0)),
    ("late p50 ms", |(_, it)| ms(it.late.p50)),
    ("p95 ms", |(_, it)| ms(it.late.p95)),
    ("p99 ms", |(_, it)| ms(it.late.p99)),
];

const RUNS: &[LoadColumn] = &[
    ("measured", |row| row.who.to_owned()),
    ("at once", |row| row.it.workers.to_string()),
    ("runs/s", |row| number(row.good() / row.it.outcome.wall.as_secs_f64())),
    ("p50 ms", |row| ms(row.it.outcome.latency.p50)),
    ("p95 ms", |row| ms(row.it.outcome.latency.p95)),
    ("p99 ms", |row| ms(row.it.outcome.latency.p99)),
    ("CPU ms/run", |row| number(row.it.cpu.as_secs_f64() * 1e3 / row.good())),
    ("PostgreSQL CPU ms/run", |row| {
        or_dash(row.it.database_cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / row.good()))
    }),
    ("runs per CPU-second", |row| {
        let cpu = row.it.cpu + row.it.database_cpu.unwrap_or_default();
        number(row.good() / cpu.as_secs_f64())
    }),
    ("commits/run", |row| or_dash(row.it.commits.map(|it| count(it) / row.good()))),
    ("peak MiB", |row| mebibytes(row.it.peak_memory)),
    ("failed", |row| row.it.outcome.failed().to_string()),
    ("cores others used", |row| number(row.it.other_cores)),
];

const STREAMS: &[LoadColumn] = &[
    ("measured", |row| row.who.to_owned()),
    ("at once", |row| row.it.workers.to_string()),
    ("complete %", |row| number(row.good() * 100.0 / f64::from(row.it.workers))),
    ("added to first token p50 ms", |row| {
        ms(row.it.outcome.first_token.p50.saturating_sub(row.floor.p50))
    }),
    ("p99 ms", |row| ms(row.it.outcome.first_token.p99.saturating_sub(row.floor.p99))),
    ("to last token p50 ms", |row| ms(row.it.outcome.latency.p50)),
    ("p99 ms", |row| ms(row.it.outcome.latency.p99)),
    ("CPU µs/token", |row| number(row.per_token(row.it.cpu))),
    ("PostgreSQL CPU µs/token", |row| or_dash(row.it.database_cpu.map(|it| row.per_token(it)))),
    ("peak MiB", |row| mebibytes(row.it.peak_memory)),
    ("cores others used", |row| number(row.it.other_cores)),
];

impl Shown<'_> {
    fn good(&self) -> f64 {
        f64::from(self.it.outcome.good)
    }

    /// Microseconds.
    fn per_token(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / (self.good() * f64::from(self.tokens))
    }
}

/// All that was measured.
pub fn tables(settings: &Settings, rows: &[Row]) -> String {
    let cold: Vec<(&str, Cold)> =
        rows.iter().filter_map(|row| Some((row.who, *row.phase.cold()?))).collect();
    let shown = |pick| shown(settings, rows, pick);
    let (tokens, interval) = (settings.tokens, settings.interval_ms);

    let mut out = String::new();
    table(&mut out, "Start", COLD, &cold);
    let plain = "Plain runs: one model turn of 20 tokens, no delay";
    table(&mut out, plain, RUNS, &shown(Phase::plain));
    let tool = "One-tool runs: two model turns and `current_time`, no delay";
    table(&mut out, tool, RUNS, &shown(Phase::tool));
    let script = "One-tool runs: two model turns and a script, `sum=<a+b>`, no delay";
    table(&mut out, script, RUNS, &shown(Phase::script_tool));
    table(&mut out, "JavaScript tool calls alone", RUNS, &shown(Phase::script));
    table(&mut out, "HTTP tool calls alone: one GET of the fake model", RUNS, &shown(Phase::http));
    let many = format!("Plain runs of an agent with {TOOLS} tools, no delay");
    table(&mut out, &many, RUNS, &shown(Phase::many_tools));
    let streams = format!("Streams: {tokens} tokens, one each {interval} ms");
    table(&mut out, &streams, STREAMS, &shown(Phase::stream));
    let slept: Vec<(&str, Slept)> =
        rows.iter().filter_map(|row| Some((row.who, *row.phase.sleepers()?))).collect();
    table(&mut out, "Runs of a workflow that sleep, and wake one each 2 ms", SLEEPERS, &slept);
    out
}

/// A round of a soak, in a line.
pub fn round(round: &Round) -> String {
    let Round { runs, errors, memory, peak } = round;
    let (memory, peak) = (mebibytes(*memory), mebibytes(*peak));
    format!("{runs} runs, {errors} failed, {memory} MiB after them, at most {peak} MiB")
}

fn shown<'a>(
    settings: &Settings,
    rows: &'a [Row],
    pick: fn(&Phase) -> Option<&Measured>,
) -> Vec<Shown<'a>> {
    let mut shown: Vec<Shown<'a>> = Vec::new();
    for row in rows {
        let Some(it) = pick(&row.phase) else { continue };
        // The fake model was measured first.
        let floor = shown
            .iter()
            .find(|floor| floor.who == FLOOR && row.who != FLOOR && floor.it.workers == it.workers);
        let floor = floor.map(|floor| floor.it.outcome.first_token).unwrap_or_default();
        shown.push(Shown { who: row.who, it, tokens: settings.tokens, floor });
    }
    shown
}

/// Writes nothing where there are no rows.
fn table<T>(out: &mut String, name: &str, columns: &[Column<T>], rows: &[T]) {
    if rows.is_empty() {
        return;
    }
    let headings = columns.iter().map(|(heading, _)| (*heading).to_owned());
    // Writing to a `String` does not fail.
    let _ = write!(out, "\n### {name}\n\n{}", line(headings));
    let _ = writeln!(out, "|---|{}", "---:|".repeat(columns.len() - 1));
    for row in rows {
        out.push_str(&line(columns.iter().map(|(_, show)| show(row))));
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn ms(duration: Duration) -> String {
    number(duration.as_secs_f64() * 1e3)
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| String::from("–"), number)
}

fn mebibytes(bytes: u64) -> String {
    number(count(bytes) / f64::from(1 << 20))
}

#[expect(clippy::cast_precision_loss, reason = "no count here is near 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}

/// Three digits that count; nobody reads more.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [0.0, 0.1234, 1.234, 12.34, 123.4, 12345.6].map(number);
        assert_eq!(shown, ["0.000", "0.123", "1.23", "12.3", "123", "12346"]);
    }

    #[test]
    fn a_table_has_a_row_each_and_none_without_rows() {
        let columns: &[Column<u32>] =
            &[("n", u32::to_string), ("half", |n| number(f64::from(*n) / 2.0))];
        let mut out = String::new();
        table(&mut out, "Nothing", columns, &[]);
        table(&mut out, "Halves", columns, &[1, 3]);
        assert_eq!(out, "\n### Halves\n\n| n | half |\n|---|---:|\n| 1 | 0.500 |\n| 3 | 1.50 |\n");
    }
}
