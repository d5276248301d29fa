//! Cutting a text into passages.
//!
//! Every chunker promises the same: each character that is not white space is in at least one chunk; chunks come
//! in the order of the text; `start..end` of a chunk is exactly its text; a chunk holds at most `size` units; and
//! the work is linear in what comes out, on every text.

mod about;
mod rows;
mod window;

use serde::Deserialize;
use serde::Serialize;

use crate::text::Document;
use crate::text::Offsets;
use crate::text::Span;
use window::Window;

pub use about::AboutTokens;

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunker {
    /// At paragraphs, else lines, else sentences, else words, else characters.
    Recursive,
    /// Like `Recursive`, and never across a heading: each chunk belongs to one section.
    Markdown,
    /// Whole records (rows, list elements) as long as they fit; a record that is too long is cut alone.
    Rows,
}

/// What `size` and `overlap` count.
#[derive(Clone, Copy)]
pub enum Unit<'a> {
    /// Code points.
    Characters,
    /// Tokens of the embedder.
    Tokens(&'a dyn TokenCounter),
}

/// Counts tokens as one model does.
pub trait TokenCounter {
    /// How many tokens `text` has, without those that a model adds around its whole input.
    fn count(&self, text: &str) -> usize;
}

/// Why sizes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("a chunk must have room for at least one unit")]
    Zero,
    #[error("the overlap of {overlap} must be smaller than the chunk size of {size}")]
    OverlapTooLarge { size: usize, overlap: usize },
}

/// How large chunks are, and how much of the one before each repeats.
///
/// Invariant: `overlap < size`, so that every chunk goes on in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    size: usize,
    overlap: usize,
}

impl Sizes {
    pub fn new(size: usize, overlap: usize) -> Result<Self, SizeError> {
        if size == 0 {
            return Err(SizeError::Zero);
        }
        if overlap >= size {
            return Err(SizeError::OverlapTooLarge { size, overlap });
        }
        Ok(Self { size, overlap })
    }
}

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// From 0, in the order of the text.
    pub index: usize,
    pub text: String,
    /// Where it stands in the document's text, in code points.
    pub span: Span,
    /// The page on which it begins.
    pub page: Option<u32>,
    /// The page on which it ends, if that is another.
    #[serde(default)]
    pub page_end: Option<u32>,
    /// The headings it stands under, the highest first.
    pub heading_path: Vec<String>,
}

/// Cuts `document` into chunks.
///
/// A chunk of tokens is larger than `size` only if a single character of it already is.
pub fn chunk(document: &Document, chunker: Chunker, sizes: Sizes, unit: Unit<'_>) -> Vec<Chunk> {
    let offsets = Offsets::new(&document.text);
    let mut window = Window::new(&document.text, sizes, unit);
    let cuts = match chunker {
        Chunker::Recursive => window.cut(0..document.text.len()),
        Chunker::Markdown => {
            sections(document, &offsets).into_iter().flat_map(|s| window.cut(s)).collect()
        }
        Chunker::Rows => rows::cut(document, &offsets, &mut window),
    };
    let mut places = Places::new(document);
    let chunks = cuts.into_iter().enumerate().map(|(index, cut)| {
        let start = offsets.point(cut.start);
        let text = document.text[cut].to_owned();
        let span = Span { start, end: start + text.chars().count() };
        let (page, heading_path) = places.at(start);
        // What it ends with may be the space between two pages.
        let last = start + text.trim_end().chars().count().max(1) - 1;
        let page_end = places.page_after(last).filter(|end| page.is_some_and(|page| page < *end));
        Chunk { index, text, span, page, page_end, heading_path }
    });
    chunks.collect()
}

/// The bytes from each heading to the next.
///
/// A heading with nothing under it belongs to the section that follows on its page: alone it would be a chunk that
/// says nothing.
fn sections(document: &Document, offsets: &Offsets<'_>) -> Vec<std::ops::Range<usize>> {
    let text = &document.text;
    let mut sections = Vec::new();
    let mut start = 0;
    let mut title_end = 0;
    let page = |point| document.pages.partition_point(|page| page.span.end <= point);
    for heading in &document.headings {
        let at = offsets.byte(heading.at);
        let is_alone = at <= title_end || text[title_end..at].trim().is_empty();
        if at > start && (!is_alone || page(offsets.point(start)) != page(heading.at)) {
            sections.push(start..at);
            start = at;
        }
        title_end = text[at..].find('\n').map_or(text.len(), |line| at + line);
    }
    sections.push(start..text.len());
    sections
}

/// Says on which page and under which headings a place is; asked in the order of the text.
struct Places<'a> {
    document: &'a Document,
    page: usize,
    heading: usize,
    path: Vec<(u8, &'a str)>,
}

impl<'a> Places<'a> {
    fn new(document: &'a Document) -> Self {
        Self { document, page: 0, heading: 0, path: Vec::new() }
    }

    fn at(&mut self, point: usize) -> (Option<u32>, Vec<String>) {
        let pages = &self.document.pages;
        while pages.get(self.page).is_some_and(|page| page.span.end <= point) {
            self.page += 1;
        }
        while let Some(heading) = self.document.headings.get(self.heading)
            && heading.at <= point
        {
            self.path.retain(|&(level, _)| level < heading.level);
            self.path.push((heading.level, &heading.title));
            self.heading += 1;
        }
        let page = self.page_after(point);
        (page, self.path.iter().map(|&(_, title)| title.to_owned()).collect())
    }

    /// The page of a place that is not before the one that was asked for last.
    fn page_after(&self, point: usize) -> Option<u32> {
        let mut later = self.document.pages[self.page.min(self.document.pages.len())..].iter();
        let page = later.find(|page| page.span.end > point)?;
        (page.span.start <= point).then_some(page.number)
    }
}

#[cfg(test)]
mod tests;
