//! PDF files: what is drawn on each page, in the order in which it is read.
//!
//! A PDF file says where glyphs stand, not what is a word, a line or a column: that is what [`layout`] finds.

mod draw;
mod layout;

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use hayro_interpret::hayro_syntax::DecryptionError;
use hayro_interpret::hayro_syntax::LoadPdfError;
use hayro_interpret::hayro_syntax::Pdf;

use super::ParseError;
use super::Writer;
use crate::text::Warning;
use draw::Pages;
use layout::Line;

/// Writes the pages, each as paragraphs; what is set larger than the rest becomes a heading.
pub(super) fn read(bytes: &[u8], out: &mut Writer<'_>) -> Result<(), ParseError> {
    // Foreign code reads hostile bytes here: a panic of it is the file's fault, and ends no process.
    let read = catch_unwind(AssertUnwindSafe(|| draw_all(bytes, out)));
    let pages =
        read.unwrap_or_else(|_| Err(ParseError::Damaged("its pages cannot be drawn".to_owned())))?;
    if pages.without_text > 0 {
        out.text.warn(Warning::GlyphsWithoutText(pages.without_text));
    }
    if pages.scanned > 0 {
        out.text.warn(Warning::PagesWithoutText(pages.scanned));
    }
    let sizes = Sizes::of(&pages);
    for (index, lines) in pages.lines.iter().enumerate() {
        let start = out.text.points();
        paragraphs(lines, &sizes, out)?;
        out.text.paragraph_end();
        out.page(index + 1, start)?;
    }
    Ok(())
}

fn draw_all(bytes: &[u8], out: &mut Writer<'_>) -> Result<Pages, ParseError> {
    let pdf = Pdf::new(bytes.to_vec()).map_err(refused)?;
    if let Some(title) = &pdf.metadata().title {
        out.text.title(&text_string(title));
    }
    draw::pages(&pdf, out)
}

fn refused(error: LoadPdfError) -> ParseError {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ParseError::Locked,
        LoadPdfError::Decryption(_) => {
            ParseError::Unsupported("a PDF file that is encrypted in a way of its own")
        }
        LoadPdfError::Invalid => {
            ParseError::Damaged("it has no pages that can be found".to_owned())
        }
    }
}

/// A string of a PDF's dictionary: UTF-16 or UTF-8 with a mark, else Latin letters (ISO 32000-2, 7.9.2.2).
fn text_string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => {
            encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0.into_owned()
        }
        [0xff, 0xfe, rest @ ..] => {
            encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0.into_owned()
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The size of the running text, and those of headings, largest first; in points.
struct Sizes {
    text: f64,
    headings: Vec<f64>,
}

impl Sizes {
    /// Levels of headings that are told apart.
    const LEVELS: usize = 4;
    /// Characters of the longest heading.
    const LONGEST: usize = 200;
    /// So many times the running text is a heading.
    const LARGER: f64 = 1.15;

    fn of(pages: &Pages) -> Self {
        let lines = pages.lines.iter().flatten();
        let mut sizes: Vec<_> =
            lines.map(|line| (rounded(line), line.text.chars().count())).collect();
        sizes.sort_by(|a, b| b.0.total_cmp(&a.0));
        sizes.dedup_by(|from, to| {
            let same = from.0.total_cmp(&to.0).is_eq();
            to.1 += if same { from.1 } else { 0 };
            same
        });
        let text =
            sizes.iter().max_by_key(|(_, characters)| *characters).map_or(0.0, |(size, _)| *size);
        let larger = sizes.iter().map(|(size, _)| *size).filter(|size| *size > text * Self::LARGER);
        Self { text, headings: larger.take(Self::LEVELS).collect() }
    }

    /// The level of a paragraph whose first line is `line`, if it is a heading.
    fn level(&self, line: &Line, text: &str) -> Option<u8> {
        let size = rounded(line);
        if size <= self.text * Self::LARGER || text.chars().count() > Self::LONGEST {
            return None;
        }
        let above = self.headings.iter().filter(|it| **it > size).count();
        u8::try_from(above.min(Self::LEVELS - 1) + 1).ok()
    }
}

/// To half a point: the same size is written in many ways.
fn rounded(line: &Line) -> f64 {
    (line.size * 2.0).round() / 2.0
}

fn paragraphs(lines: &[Line], sizes: &Sizes, out: &mut Writer<'_>) -> Result<(), ParseError> {
    let mut rest = lines;
    while let Some((first, after)) = rest.split_first() {
        let more = after.iter().take_while(|line| !line.begins).count();
        let mut text = first.text.clone();
        for line in &after[..more] {
            join(&mut text, &line.text);
        }
        let at = out.text.points();
        out.push(&text)?;
        if let Some(level) = sizes.level(first, &text) {
            out.text.heading(at, level, &text.replace('\t', " "));
        }
        out.text.paragraph_end();
        rest = &after[more..];
    }
    Ok(())
}

/// Puts the next line of a paragraph behind `text`; a word that was parted is one word again.
fn join(text: &mut String, line: &str) {
    let mut ends = text.chars().rev();
    let (last, before) = (ends.next(), ends.next());
    let next = line.chars().next();
    let parted = matches!(last, Some('-' | '\u{ad}' | '\u{2010}'))
        && before.is_some_and(char::is_alphabetic);
    if parted && next.is_some_and(char::is_lowercase) {
        text.pop();
    } else if !(last.is_some_and(layout::is_unspaced) && next.is_some_and(layout::is_unspaced)) {
        text.push(' ');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests;
