//! JSON values as lines `path: value`.

use serde::de::IgnoredAny;

use super::ParseError;
use super::Writer;

pub(super) fn is_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether the first lines are values; one alone is not enough.
pub(super) fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(20);
    lines.by_ref().take(2).filter(|line| is_value(line)).count() == 2
}

/// Each element of a list, and each member of an object, is a record.
pub(super) fn read(text: &str, out: &mut Writer<'_>) -> Result<(), ParseError> {
    check(text, None)?;
    Scanner { rest: text, path: String::new() }.value(out, 0, Records::OfChildren)
}

/// Each line is a record.
pub(super) fn read_lines(text: &str, out: &mut Writer<'_>) -> Result<(), ParseError> {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        check(line, Some(index + 1))?;
        let start = out.text.points();
        Scanner { rest: line, path: String::new() }.value(out, 0, Records::None)?;
        finish_record(start, out)?;
    }
    Ok(())
}

/// The scanner below takes only what is known to be right, and at most 127 deep: this parser's own limit.
fn check(text: &str, line: Option<usize>) -> Result<(), ParseError> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        ParseError::Damaged(format!("{place}{error}"))
    })?;
    Ok(())
}

/// Whether the children of a value become records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    OfChildren,
    None,
}

/// Walks a text that is known to be valid JSON, and keeps numbers as they are written.
struct Scanner<'a> {
    rest: &'a str,
    path: String,
}

impl<'a> Scanner<'a> {
    fn value(
        &mut self,
        out: &mut Writer<'_>,
        depth: usize,
        records: Records,
    ) -> Result<(), ParseError> {
        out.nesting(depth)?;
        self.rest = self.rest.trim_start();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.children(out, depth, records, Self::name),
            Some(b'[') => self.children(out, depth, records, Self::position),
            _ => self.leaf(out),
        }
    }

    fn children(
        &mut self,
        out: &mut Writer<'_>,
        depth: usize,
        records: Records,
        step_into: fn(&mut Self, usize),
    ) -> Result<(), ParseError> {
        self.skip(1);
        let outer = self.path.len();
        let mut index = 0;
        while !self.rest.starts_with(['}', ']']) && !self.rest.is_empty() {
            let start = out.text.points();
            step_into(self, index);
            self.value(out, depth + 1, Records::None)?;
            self.path.truncate(outer);
            if records == Records::OfChildren {
                finish_record(start, out)?;
            }
            self.rest = self.rest.trim_start();
            if self.rest.starts_with(',') {
                self.skip(1);
            }
            index += 1;
        }
        self.skip(1);
        Ok(())
    }

    fn name(&mut self, _index: usize) {
        let token = self.token();
        let name = string(token);
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(&name);
        self.rest = self.rest.trim_start();
        self.skip(1);
    }

    /// Elements of a list at the top are records and need no number.
    fn position(&mut self, index: usize) {
        if !self.path.is_empty() {
            self.path.extend(["[", &index.to_string(), "]"]);
        }
    }

    fn leaf(&mut self, out: &mut Writer<'_>) -> Result<(), ParseError> {
        let token = self.token();
        let value = if token.starts_with('"') { string(token) } else { token.to_owned() };
        if value.is_empty() || value == "null" && !token.starts_with('"') {
            return out.step();
        }
        if !self.path.is_empty() {
            out.push(&self.path)?;
            out.push(": ")?;
        }
        out.push(&value)?;
        out.text.line_end();
        Ok(())
    }

    /// Takes a string with its quotes, a number or a word.
    fn token(&mut self) -> &'a str {
        let rest = self.rest;
        let end = if rest.starts_with('"') {
            let mut escaped = false;
            let close = rest.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            close.map_or(rest.len(), |close| close + 2)
        } else {
            let ends =
                |character: char| character.is_whitespace() || matches!(character, ',' | ']' | '}');
            rest.find(ends).unwrap_or(rest.len())
        };
        self.skip(end);
        &rest[..end]
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("").trim_start();
    }
}

/// A lone surrogate is no character: it stands as it was written.
fn string(token: &str) -> String {
    serde_json::from_str(token).unwrap_or_else(|_| token.trim_matches('"').to_owned())
}

fn finish_record(start: usize, out: &mut Writer<'_>) -> Result<(), ParseError> {
    if out.text.points() > start {
        out.text.record(start);
        out.push("\n")?;
    }
    Ok(())
}
