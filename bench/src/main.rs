//! Measures the release server under load, beside the floor: the fake model called directly.
//!
//! `bench` prints tables as Markdown; `README.md` says what they mean. `bench soak` goes on for
//! minutes and looks whether memory grows. `bench model [PORT]` is the fake model alone, which `bench`
//! also starts for itself.
#![expect(clippy::print_stdout, reason = "what a command-line tool is for")]
#![expect(clippy::print_stderr, reason = "what a command-line tool is for")]

mod child;
mod client;
mod load;
mod measure;
mod model;
mod postgres;
mod process;
mod report;
mod server;
mod settings;
mod sleepers;
mod soak;
mod stats;

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use crate::child::Child;
use crate::measure::Bench;
use crate::settings::Settings;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        [] => run().await,
        ["soak"] => soak().await,
        ["model"] => model::serve(0).await,
        ["model", port] => match port.parse() {
            Ok(port) => model::serve(port).await,
            Err(_) => Err("usage: bench model [PORT]".into()),
        },
        _ => {
            Err("usage: bench, bench soak, or bench model [PORT]; settings are in bench/README.md"
                .into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let settings = Settings::read()?;
    let model = Child::model()?;
    let mut bench = Bench::new(&settings, &model);
    bench.floor().await?;
    for database in &settings.databases {
        bench.server(*database).await?;
    }
    say(report::tables(&settings, &bench.rows));
    Ok(())
}

async fn soak() -> Result<()> {
    let settings = Settings::read()?;
    let model = Child::model()?;
    for database in &settings.databases {
        soak::run(&settings, *database, &model, settings.soak_minutes).await?;
    }
    Ok(())
}

/// Writes a line to standard output.
fn say(line: impl Display) {
    println!("{line}");
}

/// Tells whoever waits what is going on.
fn note(line: impl Display) {
    eprintln!("{line}");
}
