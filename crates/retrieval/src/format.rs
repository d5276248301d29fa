//! Files of foreign programs to text.
//!
//! What a file is, its content says; its name only decides between kinds of plain text, all of which any text is.

mod archive;
mod csv;
mod docx;
mod encoding;
mod html;
mod json;
mod markdown;
mod pdf;
mod pptx;
mod sniff;
mod xlsx;
mod xml;

use serde::Serialize;

use crate::text::Document;
use crate::text::TextBuilder;

/// The kinds of files that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Text,
    Markdown,
    Html,
    Json,
    JsonLines,
    Csv,
    Pdf,
    Docx,
    Pptx,
    Xlsx,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes_in: usize,
    /// Bytes of the extracted text.
    pub bytes_out: usize,
    /// Bytes that are unpacked from an archive, all members together; what the archive claims is not believed.
    pub unpacked: usize,
    /// Pages, slides or sheets.
    pub pages: usize,
    /// Lists and objects in each other, in JSON and XML.
    pub nesting: usize,
    /// Columns of a table.
    pub columns: usize,
}

/// Why a file gave no text, in words for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the file is empty")]
    Empty,
    #[error(
        "there is no text in this file; a scan or an image has to go through text recognition (OCR) first"
    )]
    NoText,
    #[error("the file is locked with a password; save it without one and send it again")]
    Locked,
    #[error("{0} cannot be read here")]
    Unsupported(&'static str),
    #[error("the file is damaged: {0}")]
    Damaged(String),
    #[error("the file has more {what} than the {limit} that are allowed")]
    TooLarge { what: &'static str, limit: usize },
    #[error("reading the file took longer than is allowed")]
    TooSlow,
}

/// Reads the text of the file `bytes` that was called `name`.
///
/// `late` is asked again and again and says whether the time is over. Everything else that a file may use up is
/// in `limits`.
pub fn parse(
    bytes: &[u8],
    name: Option<&str>,
    limits: &Limits,
    late: &dyn Fn() -> bool,
) -> Result<(Format, Document), ParseError> {
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    if bytes.len() > limits.bytes_in {
        return Err(ParseError::TooLarge { what: "bytes", limit: limits.bytes_in });
    }
    let mut out = Writer { text: TextBuilder::default(), limits, late, asked: 0 };
    let format = match sniff::container(bytes)? {
        Some(sniff::Container::Zip) => office(bytes, &mut out)?,
        Some(sniff::Container::Pdf) => {
            pdf::read(bytes, &mut out)?;
            Format::Pdf
        }
        None => plain(bytes, name, &mut out)?,
    };
    let document = out.text.finish();
    if document.text.trim().is_empty() {
        return Err(ParseError::NoText);
    }
    Ok((format, document))
}

fn plain(bytes: &[u8], name: Option<&str>, out: &mut Writer<'_>) -> Result<Format, ParseError> {
    let text = encoding::decode(bytes, out)?;
    let format = sniff::text(&text, name);
    match format {
        Format::Html => html::read(&text, out)?,
        Format::Json => json::read(&text, out)?,
        Format::JsonLines => json::read_lines(&text, out)?,
        Format::Csv => csv::read(&text, out)?,
        Format::Markdown => markdown::read(&text, out)?,
        _ => out.push(&text)?,
    }
    Ok(format)
}

fn office(bytes: &[u8], out: &mut Writer<'_>) -> Result<Format, ParseError> {
    let mut archive = archive::Archive::open(bytes, out.limits)?;
    if archive.has("word/document.xml") {
        docx::read(&mut archive, out)?;
        return Ok(Format::Docx);
    }
    if archive.has("ppt/presentation.xml") {
        pptx::read(&mut archive, out)?;
        return Ok(Format::Pptx);
    }
    if archive.has("xl/workbook.xml") {
        xlsx::read(&mut archive, out)?;
        return Ok(Format::Xlsx);
    }
    Err(ParseError::Unsupported("an archive (ZIP) that is no Word, PowerPoint or Excel file"))
}

/// The text so far, and the limits that each step towards more of it must keep.
struct Writer<'a> {
    text: TextBuilder,
    limits: &'a Limits,
    late: &'a dyn Fn() -> bool,
    asked: usize,
}

impl Writer<'_> {
    /// Steps between two looks at the clock.
    const STEPS: usize = 64;

    /// Writes `text`, unless it is more than may come out.
    fn push(&mut self, text: &str) -> Result<(), ParseError> {
        self.step()?;
        if self.text.bytes() + text.len() > self.limits.bytes_out {
            return Err(ParseError::TooLarge {
                what: "bytes of text",
                limit: self.limits.bytes_out,
            });
        }
        self.text.push(text);
        Ok(())
    }

    /// Called for everything that takes time, written or not.
    fn step(&mut self) -> Result<(), ParseError> {
        self.asked += 1;
        if self.asked % Self::STEPS == 1 && (self.late)() {
            return Err(ParseError::TooSlow);
        }
        Ok(())
    }

    fn page(&mut self, number: usize, start: usize) -> Result<(), ParseError> {
        if number > self.limits.pages {
            return Err(ParseError::TooLarge { what: "pages", limit: self.limits.pages });
        }
        self.text.page(u32::try_from(number).unwrap_or(u32::MAX), start);
        Ok(())
    }

    fn columns(&self, columns: usize) -> Result<(), ParseError> {
        if columns > self.limits.columns {
            return Err(ParseError::TooLarge { what: "columns", limit: self.limits.columns });
        }
        Ok(())
    }

    fn nesting(&self, depth: usize) -> Result<(), ParseError> {
        if depth > self.limits.nesting {
            return Err(ParseError::TooLarge {
                what: "levels of nesting",
                limit: self.limits.nesting,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
