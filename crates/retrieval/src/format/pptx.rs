//! Slides of Office (`.pptx`): each slide is a page.

use super::ParseError;
use super::Writer;
use super::archive::Archive;
use super::docx;
use super::xlsx::relations;
use super::xml;
use super::xml::Element;
use super::xml::Node;

/// Writes the slides in the order in which they are shown, each with its notes.
pub(super) fn read(archive: &mut Archive<'_>, out: &mut Writer<'_>) -> Result<(), ParseError> {
    if let Some(bytes) = archive.read("docProps/core.xml")? {
        docx::title(&bytes, out)?;
    }
    for (index, slide) in order(archive, out)?.into_iter().enumerate() {
        let start = out.text.points();
        if let Some(bytes) = archive.read(&slide)? {
            part(&bytes, out)?;
        }
        let notes: Vec<String> = relations(archive, &slide, out)?.into_values().collect();
        for notes in notes.iter().filter(|target| target.contains("notesSlide")) {
            if let Some(bytes) = archive.read(notes)? {
                part(&bytes, out)?;
            }
        }
        out.text.paragraph_end();
        out.page(index + 1, start)?;
    }
    Ok(())
}

/// The names of the slides' members as the presentation lists them.
fn order(archive: &mut Archive<'_>, out: &mut Writer<'_>) -> Result<Vec<String>, ParseError> {
    let targets = relations(archive, "ppt/presentation.xml", out)?;
    let mut slides = Vec::new();
    if let Some(bytes) = archive.read("ppt/presentation.xml")? {
        xml::walk(&bytes, out, |node, _| {
            if let Node::Open(tag) = node
                && tag.name == "sldId"
            {
                slides.extend(tag.target(&targets).cloned());
            }
            Ok(())
        })?;
    }
    Ok(slides)
}

/// Writes the text of one slide or its notes; a title becomes a heading.
fn part(bytes: &[u8], out: &mut Writer<'_>) -> Result<(), ParseError> {
    let mut shape = Shape::default();
    xml::walk(bytes, out, |node, out| match node {
        Node::Open(tag) => shape.open(&tag, out),
        Node::Close(name) => {
            shape.close(&name, out);
            Ok(())
        }
        Node::Text(text) if shape.shown => {
            shape.words.push_str(&text);
            out.push(&text)
        }
        Node::Text(_) => Ok(()),
    })
}

/// What a placeholder of a slide is for.
#[derive(Default, PartialEq, Eq)]
enum Role {
    Title,
    /// The slide's number, which is its page already.
    Number,
    #[default]
    Other,
}

#[derive(Default)]
struct Shape {
    start: usize,
    role: Role,
    shown: bool,
    row: bool,
    /// Of the row, and paragraphs of the cell, so far.
    cells: usize,
    paragraphs: usize,
    words: String,
}

impl Shape {
    fn open(&mut self, tag: &Element, out: &mut Writer<'_>) -> Result<(), ParseError> {
        match tag.name.as_str() {
            "sp" => *self = Self { start: out.text.points(), ..Self::default() },
            "ph" => {
                self.role = match tag.attribute("type") {
                    Some("title" | "ctrTitle") => Role::Title,
                    Some("sldNum") => Role::Number,
                    _ => Role::Other,
                };
            }
            "t" => self.shown = self.role != Role::Number,
            "br" => out.push("\n")?,
            "tr" => (self.row, self.cells) = (true, 0),
            "tc" => {
                if self.cells > 0 {
                    out.push("\t")?;
                }
                (self.cells, self.paragraphs) = (self.cells + 1, 0);
            }
            "p" if self.row => {
                if self.paragraphs > 0 {
                    out.push(" ")?;
                }
                self.paragraphs += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, out: &mut Writer<'_>) {
        match name {
            "t" => self.shown = false,
            "p" if !self.row => out.text.line_end(),
            "tr" => {
                self.row = false;
                out.text.line_end();
            }
            "sp" => {
                if self.role == Role::Title && !self.words.trim().is_empty() {
                    out.text.heading(self.start, 1, &self.words);
                }
                out.text.paragraph_end();
            }
            _ => {}
        }
    }
}
