//! YAML as JSON values, with the place of each.
//!
//! What is read is YAML 1.2 with its core schema, as far as JSON has the same: keys are texts, each is there once, numbers
//! are finite. Anchors and aliases are understood as long as they do not make the whole much larger than a file may be:
//! values are counted, and so are the bytes of their texts and of the pointers to them.

use std::collections::HashMap;

use granit_parser::Event;
use granit_parser::Marker;
use granit_parser::Parser;
use granit_parser::ScalarStyle;
use granit_parser::ScanError;
use granit_parser::Span;
use granit_parser::StrInput;
use granit_parser::Tag;
use serde_json::Map;
use serde_json::Value;

use crate::http::pointer_to;

/// Values that one file may have, and bytes of their texts, keys and pointers, what aliases repeat among them; and levels.
const VALUES: usize = 100_000;
const BYTES: usize = 64 << 20;
const DEPTH: usize = 64;
/// Bytes of a key: it is a part of the pointer to whatever is below it.
const KEY: usize = 1024;

/// One document of a file.
#[derive(Debug)]
pub struct Read {
    pub value: Value,
    pub places: Places,
}

/// Where the values of a document are, by JSON pointers.
#[derive(Debug, Default)]
pub struct Places(HashMap<String, usize>);

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    pub detail: String,
}

impl Places {
    /// The line, from 1, of what `pointer` leads to; of what is around it, if that is not there.
    pub fn line(&self, mut pointer: &str) -> usize {
        loop {
            if let Some(line) = self.0.get(pointer) {
                return *line;
            }
            let Some((around, _)) = pointer.rsplit_once('/') else { return 1 };
            pointer = around;
        }
    }
}

/// Reads all documents of a file; those without a value are left out.
pub fn read(text: &str) -> Result<Vec<Read>, Unreadable> {
    let events = Parser::new_from_str(text);
    let (anchors, places) = (HashMap::new(), HashMap::new());
    let (size, kept) = (Size::default(), Size::default());
    let mut reading = Reading { events, anchors, kept, size, places };
    let mut documents = Vec::new();
    loop {
        let (event, span) = reading.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {
                reading.anchors.clear();
                reading.kept = Size::default();
            }
            node => {
                reading.places.insert(String::new(), span.start.line());
                let value = reading.value(node, span, "", 0)?;
                let places = Places(std::mem::take(&mut reading.places));
                if !value.is_null() {
                    documents.push(Read { value, places });
                }
            }
        }
    }
}

struct Reading<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// What has an anchor, by its number, and how large it is.
    anchors: HashMap<usize, (Value, Size)>,
    /// Of all that has an anchor: each is kept beside the value that it is in.
    kept: Size,
    /// Of all that was read.
    size: Size,
    places: HashMap<String, usize>,
}

/// What values take in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    values: usize,
    /// Of texts, keys and pointers.
    bytes: usize,
}

impl Size {
    /// Says so if `more` makes it too much, before anything is made of it.
    fn add(&mut self, more: Self, at: Marker) -> Result<(), Unreadable> {
        self.values += more.values;
        self.bytes += more.bytes;
        let too_much = match *self {
            Self { values, .. } if values > VALUES => format!("{VALUES} values"),
            Self { bytes, .. } if bytes > BYTES => format!("{} MiB of texts", BYTES >> 20),
            _ => return Ok(()),
        };
        Err(fault(at, format!("it has more than {too_much}, counting what aliases repeat")))
    }

    fn since(self, before: Self) -> Self {
        Self { values: self.values - before.values, bytes: self.bytes - before.bytes }
    }
}

impl<'t> Reading<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Unreadable> {
        match self.events.next() {
            Some(next) => Ok(next?),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that begins with `event`, which stands at `pointer`.
    fn value(
        &mut self,
        event: Event<'t>,
        span: Span,
        pointer: &str,
        depth: usize,
    ) -> Result<Value, Unreadable> {
        let before = self.size;
        self.size.add(Size { values: 1, bytes: pointer.len() }, span.start)?;
        if depth > DEPTH {
            return Err(fault(span.start, format!("it has more than {DEPTH} levels")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.size.add(Size { values: 0, bytes: text.len() }, span.start)?;
                (scalar(&text, style, tag.as_deref(), span.start)?, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse(tag.as_deref(), span.start)?;
                (self.list(pointer, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse(tag.as_deref(), span.start)?;
                (self.object(pointer, depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err(fault(span.start, "an alias stands in what it repeats"));
                };
                self.size.add(*size, span.start)?;
                (value.clone(), 0)
            }
            _ => return Err(fault(span.start, "a value is missing")),
        };
        if anchor > 0 {
            let size = self.size.since(before);
            self.kept.add(size, span.start)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn list(&mut self, pointer: &str, depth: usize) -> Result<Value, Unreadable> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let pointer = format!("{pointer}/{}", items.len());
            self.places.insert(pointer.clone(), span.start.line());
            items.push(self.value(event, span, &pointer, depth + 1)?);
        }
    }

    fn object(&mut self, pointer: &str, depth: usize) -> Result<Value, Unreadable> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(key, style, _, _) if key == "<<" && style == ScalarStyle::Plain => {
                    let detail =
                        "`<<` is not understood: name the members, or use `*` for a whole value";
                    return Err(fault(span.start, detail));
                }
                Event::Scalar(key, _, _, tag) => {
                    refuse(tag.as_deref(), span.start)?;
                    if key.len() > KEY {
                        return Err(fault(span.start, format!("a key has at most {KEY} bytes")));
                    }
                    self.size.add(Size { values: 0, bytes: key.len() }, span.start)?;
                    checked(&key, span.start)?
                }
                _ => return Err(fault(span.start, "a key must be a text")),
            };
            let pointer = pointer_to(pointer, &key);
            if self.places.insert(pointer.clone(), span.start.line()).is_some() {
                return Err(fault(span.start, format!("`{key}` is there twice")));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, &pointer, depth + 1)?;
            members.insert(key, value);
        }
    }
}

fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Marker,
) -> Result<Value, Unreadable> {
    let is_text =
        tag.is_some_and(|tag| (tag.handle(), tag.suffix()) == ("tag:yaml.org,2002:", "str"));
    if is_text {
        return Ok(checked(text, at)?.into());
    }
    refuse(tag, at)?;
    if style != ScalarStyle::Plain {
        return Ok(checked(text, at)?.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(true.into()),
        "false" | "False" | "FALSE" => return Ok(false.into()),
        _ => {}
    }
    match number(text) {
        Some(Ok(number)) => Ok(number),
        Some(Err(detail)) => Err(fault(at, detail)),
        None => Ok(checked(text, at)?.into()),
    }
}

/// What a plain text is as a number of the core schema, if it is one.
fn number(text: &str) -> Option<Result<Value, String>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned) {
        return Some(Err(format!("`{text}` is no number in JSON")));
    }
    let radix =
        |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(Value::from).map(Ok);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && is_digits(digits)
    };
    if !has_digits || !is_digits(whole) || !is_digits(fraction) || !exponent.is_none_or(is_exponent)
    {
        return None;
    }
    // JSON has no sign `+`, no zeros before a number, and a digit on each side of the point.
    let whole = Some(whole.trim_start_matches('0')).filter(|it| !it.is_empty()).unwrap_or("0");
    let mut json = if text.starts_with('-') { format!("-{whole}") } else { whole.to_owned() };
    if mantissa.contains('.') {
        json.push('.');
        json.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        json.push('e');
        json.push_str(exponent);
    }
    Some(serde_json::from_str(&json).map_err(|_| format!("`{text}` is no number in JSON")))
}

/// A text without what nobody may give us.
fn checked(text: &str, at: Marker) -> Result<String, Unreadable> {
    if text.contains('\0') {
        return Err(fault(at, "text may not hold the character U+0000"));
    }
    Ok(text.to_owned())
}

fn refuse(tag: Option<&Tag>, at: Marker) -> Result<(), Unreadable> {
    match tag {
        Some(tag) => {
            Err(fault(at, format!("the tag `{}{}` is not understood", tag.handle(), tag.suffix())))
        }
        None => Ok(()),
    }
}

fn fault(at: Marker, detail: impl Into<String>) -> Unreadable {
    Unreadable { line: at.line().max(1), detail: detail.into() }
}

impl From<ScanError> for Unreadable {
    fn from(error: ScanError) -> Self {
        fault(*error.marker(), format!("it is no YAML: {}", error.info()))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_with_the_lines_of_their_values() {
        let text = "# two\nkind: agent\nspec:\n  tools:\n    - a\n    - name: b\n      approval: always\n---\n{\"kind\": \"tool\",\n \"n\": [1,\n 2]}\n---\n";

        let [one, two] = &read(text).unwrap()[..] else { panic!() };

        let expected =
            json!({"kind": "agent", "spec": {"tools": ["a", {"name": "b", "approval": "always"}]}});
        assert_eq!(one.value, expected);
        let lines =
            ["", "/kind", "/spec/tools", "/spec/tools/1/approval", "/spec/tools/0/x/y", "/z"];
        assert_eq!(lines.map(|it| one.places.line(it)), [2, 2, 4, 7, 5, 2]);
        assert_eq!(two.value, json!({"kind": "tool", "n": [1, 2]}));
        assert_eq!(two.places.line("/n/1"), 11);
    }

    #[test]
    fn plain_texts_are_what_the_core_schema_says() {
        let cases = [
            ("~", json!(null)),
            ("", json!(null)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("no", json!("no")),
            ("5", json!(5)),
            ("-5", json!(-5)),
            ("+5", json!(5)),
            ("007", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("1e3", json!(1000.0)),
            ("-1.5E-3", json!(-0.0015)),
            ("1_000", json!("1_000")),
            ("1.2.3", json!("1.2.3")),
            ("2026-11-30", json!("2026-11-30")),
            ("0x", json!("0x")),
            (".", json!(".")),
            ("e5", json!("e5")),
            ("1e", json!("1e")),
            ("12:30", json!("12:30")),
            ("18446744073709551615", json!(u64::MAX)),
            ("'5'", json!("5")),
            ("\"a\\u0041\\n\"", json!("aA\n")),
            ("!!str 5", json!("5")),
            ("\"\\ud83d\\ude00\"", json!("😀")),
        ];
        for (text, expected) in cases {
            let read = read(&format!("a: {text}\n")).unwrap_or_else(|it| panic!("{text}: {it}"));
            assert_eq!(read[0].value["a"], expected, "{text}");
        }
    }

    #[test]
    fn what_json_has_not_is_refused_with_its_line() {
        let cases = [
            ("a: 1\nb: .nan\n", 2, "`.nan` is no number in JSON"),
            ("a: 1\na: 2\n", 2, "`a` is there twice"),
            ("a: {b: 1, b: 2}\n", 1, "`b` is there twice"),
            ("? [a]\n: 1\n", 1, "a key must be a text"),
            ("a: !env X\n", 1, "the tag `!env` is not understood"),
            (
                "a: &x {c: 1}\nb:\n  <<: *x\n",
                3,
                "`<<` is not understood: name the members, or use `*` for a whole value",
            ),
            ("a: \"\\0\"\n", 1, "text may not hold the character U+0000"),
            ("a: &x [*x]\n", 1, "an alias stands in what it repeats"),
            ("a: 1e999\n", 1, "`1e999` is no number in JSON"),
        ];
        for (text, line, detail) in cases {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.line, fault.detail.as_str()), (line, detail), "{text}");
        }
        let broken = read("a: 1\nb: [1,\n").unwrap_err();
        assert!(broken.line >= 2 && broken.detail.starts_with("it is no YAML: "), "{broken:?}");
        assert_eq!(read("a: 1\n b: 2\n").unwrap_err().line, 2);
    }

    #[test]
    fn an_anchor_is_repeated_but_not_without_end() {
        let shared = read("a: &x {b: [1]}\nc: *x\n").unwrap();
        assert_eq!(shared[0].value, json!({"a": {"b": [1]}, "c": {"b": [1]}}));

        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..20 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            let _ = writeln!(bomb, "a{n}: &a{n} [{before}]");
        }
        let fault = read(&bomb).unwrap_err();
        let detail = "it has more than 100000 values, counting what aliases repeat";
        assert_eq!((fault.line, fault.detail.as_str()), (5, detail));
        let deep = format!("a: {}1{}\n", "[".repeat(80), "]".repeat(80));
        assert_eq!(read(&deep).unwrap_err().detail, "it has more than 64 levels");
    }

    #[test]
    fn few_values_with_long_texts_are_too_much_too() {
        let too_much = "it has more than 64 MiB of texts, counting what aliases repeat";
        let long = "x".repeat(2 << 20);
        // Repeated by aliases: 2 MiB more with each.
        let repeated = format!("a: &x {long}\nb: [{}]\n", "*x, ".repeat(40));
        // Kept for aliases of each level.
        let mut nested = String::from("a: ");
        for level in 0..60 {
            let _ = write!(nested, "&a{level} [");
        }
        let _ = writeln!(nested, "{long}{}", "]".repeat(60));
        // In the pointer to each item.
        let pointers = format!("{}: [{}]\n", "k".repeat(900), "1, ".repeat(90_000));
        for (text, line) in [(repeated, 2), (nested, 1), (pointers, 1)] {
            let fault = read(&text).unwrap_err();
            assert_eq!((fault.line, fault.detail.as_str()), (line, too_much));
        }

        let fault = read(&format!("? {long}\n: 1\n")).unwrap_err();
        assert_eq!((fault.line, fault.detail.as_str()), (1, "a key has at most 1024 bytes"));
        let right = format!("? {}\n: &x {long}\nb: [*x, *x]\n", "k".repeat(1024));
        assert_eq!(read(&right).unwrap()[0].value["b"][1], long);
    }
}
