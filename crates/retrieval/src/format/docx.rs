//! Word files.

use std::collections::HashMap;

use super::ParseError;
use super::Writer;
use super::archive::Archive;
use super::xml;
use super::xml::Element;
use super::xml::Node;

/// Writes the headers, the body and its tables and text boxes in order, the notes, and the footers.
///
/// A header that is used on several pages is written once. A row of a table is one line, its cells apart by tabs.
pub(super) fn read(archive: &mut Archive<'_>, out: &mut Writer<'_>) -> Result<(), ParseError> {
    if let Some(bytes) = archive.read("docProps/core.xml")? {
        title(&bytes, out)?;
    }
    let levels = match archive.read("word/styles.xml")? {
        Some(bytes) => levels(&bytes, out)?,
        None => HashMap::new(),
    };
    let mut parts = archive.numbered("word/header");
    parts.push("word/document.xml".to_owned());
    parts.extend(
        ["word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"].map(str::to_owned),
    );
    parts.extend(archive.numbered("word/footer"));
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let Some(bytes) = archive.read(&part)? else { continue };
        let edge = part.starts_with("word/header") || part.starts_with("word/footer");
        if edge && !seen.insert(bytes.clone()) {
            continue;
        }
        let mut body = Body::new(&levels);
        xml::walk(&bytes, out, |node, out| body.node(node, out))?;
        out.text.paragraph_end();
    }
    Ok(())
}

/// The title in the properties of any Office file.
pub(super) fn title(bytes: &[u8], out: &mut Writer<'_>) -> Result<(), ParseError> {
    let mut inside = false;
    xml::walk(bytes, out, |node, out| {
        match node {
            Node::Open(tag) => inside = tag.name == "title",
            Node::Close(_) => inside = false,
            Node::Text(text) if inside => out.text.title(&text),
            Node::Text(_) => {}
        }
        Ok(())
    })
}

/// The level of headings by the id of their style: a style's name is the same in every language, its id is not.
fn levels(bytes: &[u8], out: &mut Writer<'_>) -> Result<HashMap<String, u8>, ParseError> {
    let mut levels = HashMap::new();
    let mut style = None;
    xml::walk(bytes, out, |node, _| {
        match node {
            Node::Open(tag) if tag.name == "style" => {
                style = tag.attribute("styleId").map(str::to_owned);
            }
            Node::Open(tag) => {
                let level = match tag.name.as_str() {
                    "name" => tag.attribute("val").and_then(named_level),
                    "outlineLvl" => outline_level(&tag),
                    _ => None,
                };
                if let (Some(level), Some(style)) = (level, &style) {
                    levels.insert(style.clone(), level);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(levels)
}

fn named_level(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    if name == "title" {
        return Some(1);
    }
    name.strip_prefix("heading")?.trim().parse().ok().filter(|level| (1..=9).contains(level))
}

/// `outlineLvl` counts from 0; 9 means body text.
fn outline_level(tag: &Element) -> Option<u8> {
    tag.attribute("val")?.parse::<u8>().ok().filter(|&level| level < 9).map(|level| level + 1)
}

/// Where we are in a body.
struct Body<'a> {
    levels: &'a HashMap<String, u8>,
    /// Inside `w:t`, whose text is shown.
    shown: bool,
    /// Depth of what is not shown: deleted text, the older copy of a text box (`mc:Fallback`).
    hidden: Vec<String>,
    /// For each row that we are in (tables stand in cells): how many cells it has had, and paragraphs its cell.
    rows: Vec<(usize, usize)>,
    /// Where the paragraph began, and its level when it is a heading.
    paragraph: usize,
    level: Option<u8>,
    words: String,
}

impl<'a> Body<'a> {
    fn new(levels: &'a HashMap<String, u8>) -> Self {
        let (hidden, rows, words) = (Vec::new(), Vec::new(), String::new());
        Self { levels, shown: false, hidden, rows, paragraph: 0, level: None, words }
    }

    fn node(&mut self, node: Node, out: &mut Writer<'_>) -> Result<(), ParseError> {
        match node {
            Node::Open(tag) => self.open(&tag, out),
            Node::Close(name) => {
                self.close(&name, out);
                Ok(())
            }
            Node::Text(text) if self.shown && self.hidden.is_empty() => {
                if self.level.is_some() {
                    self.words.push_str(&text);
                }
                out.push(&text)
            }
            Node::Text(_) => Ok(()),
        }
    }

    fn open(&mut self, tag: &Element, out: &mut Writer<'_>) -> Result<(), ParseError> {
        if matches!(tag.name.as_str(), "Fallback" | "del" | "moveFrom") || !self.hidden.is_empty() {
            self.hidden.push(tag.name.clone());
            return Ok(());
        }
        match tag.name.as_str() {
            "p" => {
                match self.rows.last_mut() {
                    None => out.text.line_end(),
                    Some((_, paragraphs)) => {
                        if *paragraphs > 0 {
                            out.push(" ")?;
                        }
                        *paragraphs += 1;
                    }
                }
                (self.paragraph, self.level) = (out.text.points(), None);
                self.words.clear();
            }
            "pStyle" => {
                self.level = tag.attribute("val").and_then(|style| self.levels.get(style)).copied();
            }
            "outlineLvl" => self.level = outline_level(tag).or(self.level),
            "t" | "delText" => self.shown = tag.name == "t",
            "tab" if tag.attribute("val").is_none() => out.push("\t")?,
            "br" | "cr" => out.push(if self.rows.is_empty() { "\n" } else { " " })?,
            "noBreakHyphen" => out.push("\u{2011}")?,
            "tbl" if self.rows.is_empty() => out.text.paragraph_end(),
            "tr" => {
                if !self.rows.is_empty() {
                    out.push(" ")?;
                }
                self.rows.push((0, 0));
            }
            "tc" => {
                if let Some((cells, paragraphs)) = self.rows.last_mut() {
                    if *cells > 0 {
                        out.push("\t")?;
                    }
                    (*cells, *paragraphs) = (*cells + 1, 0);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, out: &mut Writer<'_>) {
        if self.hidden.pop().is_some() {
            return;
        }
        match name {
            "t" => self.shown = false,
            "p" if self.rows.is_empty() => {
                if let Some(level) = self.level.take()
                    && !self.words.trim().is_empty()
                {
                    out.text.heading(self.paragraph, level, &self.words);
                }
                out.text.paragraph_end();
            }
            "tr" => {
                self.rows.pop();
                if self.rows.is_empty() {
                    out.text.line_end();
                }
            }
            "tbl" if self.rows.is_empty() => out.text.paragraph_end(),
            _ => {}
        }
    }
}
