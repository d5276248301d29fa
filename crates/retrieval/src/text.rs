//! Extracted text, and where its pages, headings and records are.
//!
//! Offsets everywhere in this crate are **code points** of [`Document::text`], from 0, with the end
//! excluded. Bytes are never shown to a caller.

use serde::Deserialize;
use serde::Serialize;

/// A stretch of a text, in code points; the end is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A page, slide or sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 1, as a reader counts.
    pub number: u32,
    pub span: Span,
}

/// A heading that stands in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Where its line begins.
    pub at: usize,
    /// 1 is the highest.
    pub level: u8,
    pub title: String,
}

/// Something a reader of the document should know, which did not stop it from being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("{0} NUL characters were taken out")]
    NulsRemoved(usize),
    #[error("some bytes are no text in {0}; each stands as U+FFFD")]
    BytesReplaced(&'static str),
    #[error("the encoding is not declared; {0} was guessed from the bytes")]
    EncodingGuessed(&'static str),
    #[error("the columns are separated by {0:?}")]
    Delimiter(char),
    #[error("{0} rows have more or fewer columns than the first")]
    UnevenRows(usize),
    #[error("{0} cells were left out because their text is missing in the file")]
    CellsWithoutText(usize),
    #[error("{0} characters were left out because the file does not say which they are")]
    GlyphsWithoutText(usize),
    #[error("{0} pages are images; their text has to go through text recognition (OCR) first")]
    PagesWithoutText(usize),
}

/// What was read from a file.
///
/// Invariant: the text holds no NUL and no carriage return; pages, headings and records are in the order of the
/// text and inside it. Made by a [`TextBuilder`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    pub title: Option<String>,
    /// The WHATWG name of the encoding, when the file is plain text of some kind.
    pub encoding: Option<&'static str>,
    pub pages: Vec<Page>,
    pub headings: Vec<Heading>,
    /// Rows of a table and elements of a list: what a chunker of rows keeps whole.
    pub records: Vec<Span>,
    pub warnings: Vec<Warning>,
}

/// Writes the text of a [`Document`] and counts its code points on the way.
#[derive(Debug, Default)]
pub struct TextBuilder {
    document: Document,
    points: usize,
    nuls: usize,
    after_return: bool,
}

impl TextBuilder {
    /// How many code points are written.
    pub fn points(&self) -> usize {
        self.points
    }

    /// How many bytes are written.
    pub fn bytes(&self) -> usize {
        self.document.text.len()
    }

    /// Writes `text`; NULs are counted and left out, every kind of line end becomes `\n`.
    pub fn push(&mut self, text: &str) {
        for part in text.split_inclusive(['\0', '\r', '\n']) {
            let (plain, end) = match part.as_bytes().last() {
                Some(b'\0' | b'\r' | b'\n') => part.split_at(part.len() - 1),
                _ => (part, ""),
            };
            if !plain.is_empty() {
                self.write(plain);
                self.after_return = false;
            }
            match end {
                "\0" => self.nuls += 1,
                "\r" => {
                    self.write("\n");
                    self.after_return = true;
                }
                "\n" if !self.after_return => self.write("\n"),
                _ => self.after_return = false,
            }
        }
    }

    /// Ends the line, unless the text is at the beginning of one.
    pub fn line_end(&mut self) {
        if !self.at_line_start() {
            self.write("\n");
        }
        self.after_return = false;
    }

    /// Ends the paragraph: what follows comes after an empty line.
    pub fn paragraph_end(&mut self) {
        self.line_end();
        if self.points > 0 && !self.document.text.ends_with("\n\n") {
            self.write("\n");
        }
    }

    /// Says that the text from `at` on is a heading.
    pub fn heading(&mut self, at: usize, level: u8, title: &str) {
        self.document.headings.push(Heading { at, level, title: title.trim().to_owned() });
    }

    /// Says that the text from `start` to here is one record.
    pub fn record(&mut self, start: usize) {
        if start < self.points {
            self.document.records.push(Span { start, end: self.points });
        }
    }

    /// Says that the text from `start` to here is page `number`.
    pub fn page(&mut self, number: u32, start: usize) {
        self.document.pages.push(Page { number, span: Span { start, end: self.points } });
    }

    pub fn title(&mut self, title: &str) {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if !title.is_empty() {
            self.document.title = Some(title);
        }
    }

    /// Whether nothing is written on this line yet.
    pub fn at_line_start(&self) -> bool {
        self.document.text.is_empty() || self.document.text.ends_with('\n')
    }

    pub fn has_no_title(&self) -> bool {
        self.document.title.is_none()
    }

    pub fn encoding(&mut self, name: &'static str) {
        self.document.encoding = Some(name);
    }

    pub fn warn(&mut self, warning: Warning) {
        self.document.warnings.push(warning);
    }

    pub fn finish(mut self) -> Document {
        if self.nuls > 0 {
            self.warn(Warning::NulsRemoved(self.nuls));
        }
        self.document
    }

    fn write(&mut self, text: &str) {
        self.points += text.chars().count();
        self.document.text.push_str(text);
    }
}

/// Turns code points of one text into bytes and back.
///
/// Both ways cost at most [`Offsets::STEP`] characters, after one pass over the text.
pub(crate) struct Offsets<'a> {
    text: &'a str,
    /// The byte at which every `STEP`th character begins.
    marks: Vec<usize>,
}

impl<'a> Offsets<'a> {
    const STEP: usize = 64;

    pub(crate) fn new(text: &'a str) -> Self {
        let marks = text.char_indices().step_by(Self::STEP).map(|(byte, _)| byte).collect();
        Self { text, marks }
    }

    /// The byte at which code point `point` begins; the end of the text beyond it.
    pub(crate) fn byte(&self, point: usize) -> usize {
        let Some(&mark) = self.marks.get(point / Self::STEP) else { return self.text.len() };
        let rest = &self.text[mark..];
        rest.char_indices().nth(point % Self::STEP).map_or(self.text.len(), |(byte, _)| mark + byte)
    }

    /// The code point that begins at `byte`, which is a boundary of characters.
    pub(crate) fn point(&self, byte: usize) -> usize {
        let index = self.marks.partition_point(|&mark| mark <= byte).saturating_sub(1);
        let mark = self.marks.get(index).copied().unwrap_or(0);
        index * Self::STEP + self.text[mark..byte].chars().count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn built(parts: &[&str]) -> Document {
        let mut text = TextBuilder::default();
        for part in parts {
            text.push(part);
        }
        text.finish()
    }

    #[test]
    fn nuls_are_taken_out_before_anything_is_counted() {
        let mut text = TextBuilder::default();
        text.push("ab\0c\0d");
        assert_eq!(text.points(), 4);
        let document = text.finish();
        assert_eq!(document.text, "abcd");
        assert_eq!(document.warnings, [Warning::NulsRemoved(2)]);
    }

    #[test]
    fn every_line_end_becomes_one_newline_also_over_two_writes() {
        assert_eq!(built(&["a\r\nb\rc\nd\r", "\ne\r", "f\r", "\0\ng"]).text, "a\nb\nc\nd\ne\nf\ng");
    }

    #[test]
    fn ends_of_lines_and_paragraphs_are_written_once() {
        let mut text = TextBuilder::default();
        text.paragraph_end();
        text.push("a");
        text.line_end();
        text.line_end();
        text.paragraph_end();
        text.paragraph_end();
        text.push("b");
        assert_eq!(text.finish().text, "a\n\nb");
    }

    proptest! {
        #[test]
        fn offsets_of_code_points_and_bytes_turn_into_each_other(text in "(?s).{0,300}") {
            let offsets = Offsets::new(&text);
            for (point, (byte, _)) in text.char_indices().enumerate() {
                prop_assert_eq!(offsets.byte(point), byte);
                prop_assert_eq!(offsets.point(byte), point);
            }
            prop_assert_eq!(offsets.byte(text.chars().count()), text.len());
            prop_assert_eq!(offsets.point(text.len()), text.chars().count());
        }

        #[test]
        fn a_built_text_counts_its_own_characters(parts in proptest::collection::vec("[a\\r\\n\\x00é😀]{0,8}", 0..8)) {
            let mut text = TextBuilder::default();
            for part in &parts {
                text.push(part);
            }
            let points = text.points();
            let document = text.finish();
            prop_assert_eq!(document.text.chars().count(), points);
            prop_assert!(!document.text.contains(['\0', '\r']));
        }
    }
}
