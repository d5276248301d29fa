//! What is said of an import.

use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::commands::terminal;

/// What became of one thing of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is here now.
    Taken,
    /// There is something of its name here, which stays.
    Kept,
    /// It is not here.
    LeftOut,
}

/// What is said of one thing.
#[derive(Debug, Serialize)]
pub struct Line {
    fate: Fate,
    kind: &'static str,
    name: String,
    /// What is other than it was, or why it is not here.
    notes: Vec<String>,
}

/// What is said of all of them, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Report(Vec<Line>);

impl Report {
    /// Says what is other about a thing, whatever becomes of it.
    pub fn note(&mut self, kind: &'static str, name: &str, note: impl Into<String>) {
        self.line(kind, name).notes.push(note.into());
    }

    /// Says what becomes of a thing.
    pub fn fate(&mut self, kind: &'static str, name: &str, fate: Fate) {
        self.line(kind, name).fate = fate;
    }

    pub fn leave_out(&mut self, kind: &'static str, name: &str, why: impl Into<String>) {
        let line = self.line(kind, name);
        line.fate = Fate::LeftOut;
        line.notes.push(why.into());
    }

    /// Forgets what was said of a thing but for its fate.
    pub fn clear(&mut self, kind: &'static str, name: &str) {
        self.line(kind, name).notes.clear();
    }

    fn line(&mut self, kind: &'static str, name: &str) -> &mut Line {
        let known = self.0.iter().position(|it| it.kind == kind && it.name == name);
        let index = known.unwrap_or_else(|| {
            let name = name.to_owned();
            self.0.push(Line { fate: Fate::Taken, kind, name, notes: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    pub fn say(&self, is_dry: bool) {
        for Line { fate, kind, name, notes } in &self.0 {
            let word = match fate {
                Fate::Taken => "taken over",
                Fate::Kept => "kept      ",
                Fate::LeftOut => "left out  ",
            };
            terminal::line(format!("{word}  {kind} {}", terminal::harmless(name)));
            for note in notes {
                terminal::line(format!("            {}", terminal::harmless(note)));
            }
        }
        let [taken, kept, left_out] = self.counts();
        let dry = if is_dry { "; nothing was written" } else { "" };
        terminal::line(format!(
            "{taken} taken over, {kept} here already, {left_out} left out{dry}"
        ));
    }

    pub fn json(&self, is_dry: bool) -> Value {
        let [taken, kept, left_out] = self.counts();
        json!({"dry_run": is_dry, "taken": taken, "kept": kept, "left_out": left_out, "things": self.0})
    }

    fn counts(&self) -> [usize; 3] {
        [Fate::Taken, Fate::Kept, Fate::LeftOut]
            .map(|fate| self.0.iter().filter(|it| it.fate == fate).count())
    }
}
