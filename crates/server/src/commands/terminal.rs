//! What commands say to people: plain text, with colour on a terminal that wants it.
//!
//! `NO_COLOR` and its kin are respected. A closed pipe is no reason to fail.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;

use anstyle::AnsiColor;
use anstyle::Style;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const SO_SO: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// One line of what was asked for.
pub fn line(text: impl Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Text within a line, at once.
pub fn text(text: impl Display) {
    let mut out = anstream::stdout();
    let _ = write!(out, "{text}");
    let _ = out.flush();
}

/// One line of lesser weight.
pub fn dim(text: impl Display) {
    let _ = writeln!(anstream::stdout(), "{DIM}{text}{DIM:#}");
}

/// One line that says that something is as it should be.
pub fn good(what: impl Display, detail: impl Display) {
    let _ = writeln!(anstream::stdout(), "{GOOD}ok  {GOOD:#} {what}: {detail}");
}

/// One line that says something worth knowing, but nothing wrong.
pub fn note(what: impl Display, detail: impl Display) {
    let _ = writeln!(anstream::stdout(), "{SO_SO}note{SO_SO:#} {what}: {detail}");
}

/// One line that says that something is not as it should be, and the way out.
pub fn bad(what: impl Display, detail: impl Display) {
    let _ = writeln!(anstream::stdout(), "{BAD}FAIL{BAD:#} {what}: {detail}");
}

/// One line for people beside what was asked for, which programs may read.
pub fn aside(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// One line that the next one takes the place of, for people at a terminal; an empty one takes it away.
pub fn passing(text: impl Display) {
    let mut out = anstream::stderr();
    let _ = write!(out, "\r\x1b[K{text}");
    let _ = out.flush();
}

/// Why the command failed, and what caused it.
pub fn failure(error: &(dyn Error + 'static)) {
    let mut out = anstream::stderr();
    let _ = writeln!(out, "{BAD}error:{BAD:#} {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = writeln!(out, "  because {cause}");
        next = cause.source();
    }
}

/// A text without what a terminal takes for orders: models and documents say whatever they like.
pub fn harmless(text: &str) -> String {
    text.chars().filter(|it| !it.is_control() || matches!(it, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_gives_orders_to_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\r\u{9b}1mc\n\td"), "a[2Jb1mc\n\td");
    }
}
