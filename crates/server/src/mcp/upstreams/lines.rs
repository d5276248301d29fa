//! What a program says, line by line and never too much of it.

use std::time::Duration;
use std::time::Instant;

use bytes::BytesMut;
use tracing::info;
use tracing::warn;

use super::message;
use crate::egress::Secrets;

/// The longest line: the longest result that an upstream may give, twice escaped, has room in it.
const LINE: usize = 10 << 20;
/// What may be said that nobody has asked for, in bytes, and for how long that counts.
const UNASKED: usize = 4 << 20;
const WHILE: Duration = Duration::from_secs(10);
/// What of its errors is put into the log meanwhile.
const LOGGED: usize = 8 << 10;

/// Lines of messages, as they come in.
#[derive(Debug, Default)]
pub struct Lines {
    read: BytesMut,
    /// So much of it is known to have no end of a line in it.
    looked_at: usize,
}

impl Lines {
    /// Where more is read to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.read.reserve(8 << 10);
        &mut self.read
    }

    /// The next line that is whole, without its end.
    pub fn next(&mut self) -> Option<BytesMut> {
        let found = self.read[self.looked_at..].iter().position(|it| *it == b'\n');
        let Some(found) = found else {
            self.looked_at = self.read.len();
            return None;
        };
        let line = self.read.split_to(self.looked_at + found + 1);
        self.looked_at = 0;
        Some(line)
    }

    pub fn are_too_long(&self) -> bool {
        self.read.len() > LINE
    }
}

/// How much may be said in a while.
#[derive(Debug)]
pub struct Pace {
    most: usize,
    left: usize,
    since: Instant,
}

impl Pace {
    /// What a program may say that nobody has asked for.
    pub fn of_a_program() -> Self {
        Self::new(UNASKED)
    }

    pub fn new(most: usize) -> Self {
        Self { most, left: most, since: Instant::now() }
    }

    /// Whether so many bytes more are not too many.
    pub fn allows(&mut self, bytes: usize) -> bool {
        if self.since.elapsed() >= WHILE {
            (self.left, self.since) = (self.most, Instant::now());
        }
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

/// What a program says of itself beside the protocol, which is put into the log without any value of a secret.
#[derive(Debug)]
pub struct Log {
    program: String,
    lines: Lines,
    pace: Pace,
    secrets: Secrets,
    is_cut: bool,
}

impl Log {
    pub fn new(program: &str, secrets: &Secrets) -> Self {
        let (program, secrets) = (program.to_owned(), secrets.clone());
        Self { program, lines: Lines::default(), pace: Pace::new(LOGGED), secrets, is_cut: false }
    }

    pub fn buffer(&mut self) -> &mut BytesMut {
        self.lines.buffer()
    }

    /// Writes the lines that are there; of one that does not end, what there is.
    pub fn write(&mut self) {
        while let Some(line) = self.lines.next() {
            self.write_line(&line);
        }
        if self.lines.read.len() > LOGGED {
            let line = self.lines.read.split();
            self.lines.looked_at = 0;
            self.write_line(&line);
        }
    }

    fn write_line(&mut self, line: &[u8]) {
        let program = &self.program;
        if !self.pace.allows(line.len()) {
            if !std::mem::replace(&mut self.is_cut, true) {
                warn!(program, "a program writes more errors than are put into the log");
            }
            return;
        }
        self.is_cut = false;
        let mut text = String::from_utf8_lossy(line).into_owned();
        self.secrets.redactors().for_each(|it| it.replace(&mut text));
        let text = message::excerpt(&text);
        if !text.is_empty() {
            info!(program, "a program says: {text}");
        }
    }

    pub fn ended(&self, why: &str) {
        info!(program = self.program, "a program is at its end: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        let mut whole = Vec::new();
        for piece in ["a", "bc\n", "\nde", "", "f\ng"] {
            lines.buffer().extend_from_slice(piece.as_bytes());
            while let Some(line) = lines.next() {
                whole.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }

        assert_eq!(whole, ["abc\n", "\n", "def\n"]);
        assert!(!lines.are_too_long());
        lines.buffer().extend_from_slice(&vec![b'x'; LINE]);
        assert!(lines.are_too_long());
    }

    #[test]
    fn what_is_too_much_in_a_while_is_not_allowed() {
        let mut pace = Pace::new(10);

        assert!(pace.allows(6));
        assert!(!pace.allows(6));
        assert!(!pace.allows(1), "what is left of it is none");
        pace.since = Instant::now().checked_sub(WHILE).unwrap();
        assert!(pace.allows(10));
    }
}
