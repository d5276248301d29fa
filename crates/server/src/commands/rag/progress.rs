//! How far an import is: a bar on a terminal, else a line for each file.

use std::io::IsTerminal;
use std::io::stderr;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::terminal;
use crate::commands::terminal::harmless;

/// Characters of the bar.
const WIDTH: usize = 24;

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It gave so many passages.
    Imported(i64),
    /// The database has its bytes already.
    Known,
    /// It is sent, and nobody waited for more.
    Sent,
    Failed(String),
}

/// What became of all files until now.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    imported: usize,
    known: usize,
    failures: Vec<(PathBuf, String)>,
    has_bar: bool,
}

impl Progress {
    /// `total` files are to come.
    pub fn begin(total: usize) -> Self {
        let has_bar = stderr().is_terminal();
        let progress =
            Self { total, done: 0, imported: 0, known: 0, failures: Vec::new(), has_bar };
        progress.draw();
        progress
    }

    pub fn note(&mut self, file: &Path, outcome: Outcome) {
        self.done += 1;
        let said = match &outcome {
            Outcome::Imported(1) => format!("imported  {} (1 passage)", file.display()),
            Outcome::Imported(passages) => {
                format!("imported  {} ({passages} passages)", file.display())
            }
            Outcome::Known => format!("known     {}", file.display()),
            Outcome::Sent => format!("sent      {}", file.display()),
            Outcome::Failed(why) => format!("failed    {}: {why}", file.display()),
        };
        if !self.has_bar {
            terminal::aside(harmless(&said));
        }
        match outcome {
            Outcome::Imported(_) | Outcome::Sent => self.imported += 1,
            Outcome::Known => self.known += 1,
            Outcome::Failed(why) => self.failures.push((file.to_owned(), why)),
        }
        self.draw();
    }

    /// Says what came of it, and how the process is to end.
    pub fn end(self, passed_over: usize) -> ExitCode {
        if self.has_bar {
            terminal::passing("");
        }
        let Self { imported, known, failures, .. } = self;
        let more =
            if passed_over > 0 { format!(", {passed_over} passed over") } else { String::new() };
        terminal::line(format!(
            "{imported} imported, {known} known, {} failed{more}",
            failures.len()
        ));
        for (file, why) in &failures {
            terminal::line(harmless(&format!("  {}: {why}", file.display())));
        }
        if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn draw(&self) {
        if self.has_bar && self.total > 0 {
            let full = WIDTH * self.done / self.total;
            let (full, empty) = ("#".repeat(full), "-".repeat(WIDTH - full));
            let failed = self.failures.len();
            let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            terminal::passing(format!("[{full}{empty}] {} of {}{failed}", self.done, self.total));
        }
    }
}
