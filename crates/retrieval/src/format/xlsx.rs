//! Excel files: each sheet is a page, each row a record.

mod dates;

use std::collections::HashMap;

use self::dates::Dates;
use super::ParseError;
use super::Writer;
use super::archive::Archive;
use super::csv::write_row;
use super::docx;
use super::xml;
use super::xml::Node;
use crate::text::Warning;

/// Writes the sheets in the order of their tabs; the first row that holds anything names the columns.
///
/// Numbers stand as the file keeps them, but for those that are shown as dates and times: they stand as ISO 8601
/// writes them.
pub(super) fn read(archive: &mut Archive<'_>, out: &mut Writer<'_>) -> Result<(), ParseError> {
    if let Some(bytes) = archive.read("docProps/core.xml")? {
        docx::title(&bytes, out)?;
    }
    let shared = match archive.read("xl/sharedStrings.xml")? {
        Some(bytes) => shared(&bytes, out)?,
        None => Vec::new(),
    };
    let mut dates = match archive.read("xl/styles.xml")? {
        Some(bytes) => Dates::read(&bytes, out)?,
        None => Dates::default(),
    };
    let mut missing = 0;
    let (sheets, from_1904) = sheets(archive, out)?;
    dates.from_1904 = from_1904;
    for (index, (name, member)) in sheets.into_iter().enumerate() {
        let start = out.text.points();
        let Some(bytes) = archive.read(&member)? else { continue };
        out.push(&name)?;
        out.text.heading(start, 1, &name);
        out.text.paragraph_end();
        missing += sheet(&bytes, &shared, &dates, out)?;
        out.text.paragraph_end();
        out.page(index + 1, start)?;
    }
    if missing > 0 {
        out.text.warn(Warning::CellsWithoutText(missing));
    }
    Ok(())
}

/// The targets of the relationships of member `of`, by their ids, as names of members.
pub(super) fn relations(
    archive: &mut Archive<'_>,
    of: &str,
    out: &mut Writer<'_>,
) -> Result<HashMap<String, String>, ParseError> {
    let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
    let mut targets = HashMap::new();
    if let Some(bytes) = archive.read(&format!("{folder}/_rels/{file}.rels"))? {
        xml::walk(&bytes, out, |node, _| {
            if let Node::Open(tag) = node
                && let (Some(id), Some(target)) = (tag.attribute("Id"), tag.attribute("Target"))
            {
                targets.insert(id.to_owned(), resolve(folder, target));
            }
            Ok(())
        })?;
    }
    Ok(targets)
}

/// `target` as seen from `folder`; an absolute one begins at the root of the archive.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The names of the sheets and of their members, and whether days are counted from 1904.
fn sheets(
    archive: &mut Archive<'_>,
    out: &mut Writer<'_>,
) -> Result<(Vec<(String, String)>, bool), ParseError> {
    let targets = relations(archive, "xl/workbook.xml", out)?;
    let (mut sheets, mut from_1904) = (Vec::new(), false);
    if let Some(bytes) = archive.read("xl/workbook.xml")? {
        xml::walk(&bytes, out, |node, _| {
            let Node::Open(tag) = node else { return Ok(()) };
            match (tag.name.as_str(), tag.target(&targets)) {
                ("workbookPr", _) => {
                    from_1904 = matches!(tag.attribute("date1904"), Some("1" | "true"));
                }
                ("sheet", Some(member)) => {
                    sheets.push((tag.attribute("name").unwrap_or("").to_owned(), member.clone()));
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok((sheets, from_1904))
}

/// The strings that cells point at; phonetic hints (`rPh`) are no part of them.
fn shared(bytes: &[u8], out: &mut Writer<'_>) -> Result<Vec<String>, ParseError> {
    let mut strings: Vec<String> = Vec::new();
    let (mut shown, mut phonetic) = (false, false);
    xml::walk(bytes, out, |node, _| {
        match node {
            Node::Open(tag) => match tag.name.as_str() {
                "si" => strings.push(String::new()),
                "rPh" => phonetic = true,
                "t" => shown = !phonetic,
                _ => {}
            },
            Node::Close(name) => match name.as_str() {
                "rPh" => phonetic = false,
                "t" => shown = false,
                _ => {}
            },
            Node::Text(text) => {
                if let (true, Some(string)) = (shown, strings.last_mut()) {
                    string.push_str(&text);
                }
            }
        }
        Ok(())
    })?;
    Ok(strings)
}

/// The cells of one row so far.
#[derive(Default)]
struct Row {
    cells: Vec<String>,
    column: usize,
    kind: String,
    style: usize,
    value: String,
    shown: bool,
    missing: usize,
}

/// Writes the rows; gives how many cells point at strings that are not there.
fn sheet(
    bytes: &[u8],
    shared: &[String],
    dates: &Dates,
    out: &mut Writer<'_>,
) -> Result<usize, ParseError> {
    let mut header: Option<Vec<String>> = None;
    let mut row = Row::default();
    let mut alone = true;
    xml::walk(bytes, out, |node, out| {
        match node {
            Node::Open(tag) => match tag.name.as_str() {
                "row" => row.cells.clear(),
                "c" => {
                    row.column = tag.attribute("r").and_then(column).unwrap_or(row.cells.len());
                    tag.attribute("t").unwrap_or("").clone_into(&mut row.kind);
                    let style = tag.attribute("s").and_then(|it| it.parse().ok());
                    row.style = style.unwrap_or_default();
                    row.value.clear();
                }
                "v" | "t" => row.shown = true,
                _ => {}
            },
            Node::Close(name) => match name.as_str() {
                "v" | "t" => row.shown = false,
                "c" => row.finish_cell(shared, dates, out)?,
                "row" if row.cells.iter().all(String::is_empty) => {}
                "row" => match &header {
                    None => header = Some(std::mem::take(&mut row.cells)),
                    Some(names) => {
                        alone = false;
                        write_row(names, row.cells.iter().map(String::as_str), out)?;
                    }
                },
                _ => {}
            },
            Node::Text(text) => {
                if row.shown {
                    row.value.push_str(&text);
                }
            }
        }
        Ok(())
    })?;
    if let (true, Some(names)) = (alone, &header) {
        write_row(&[], names.iter().map(String::as_str), out)?;
    }
    Ok(row.missing)
}

impl Row {
    fn finish_cell(
        &mut self,
        shared: &[String],
        dates: &Dates,
        out: &Writer<'_>,
    ) -> Result<(), ParseError> {
        let value = match self.kind.as_str() {
            "s" => {
                let index = self.value.trim().parse::<usize>().ok();
                let Some(string) = index.and_then(|index| shared.get(index)) else {
                    self.missing += 1;
                    return Ok(());
                };
                string.clone()
            }
            "b" => if self.value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "" | "n" => {
                let date = dates.shown(self.style, &self.value);
                date.unwrap_or_else(|| std::mem::take(&mut self.value))
            }
            _ => std::mem::take(&mut self.value),
        };
        // Before memory is taken: a cell may claim to be in any column.
        out.columns(self.column + 1)?;
        if self.cells.len() <= self.column {
            self.cells.resize(self.column + 1, String::new());
        }
        self.cells[self.column] = value;
        Ok(())
    }
}

/// The column of a cell by its name: `A1` is 0, `AB7` is 27.
fn column(cell: &str) -> Option<usize> {
    let letters = cell.bytes().take_while(u8::is_ascii_uppercase);
    let number = letters
        .take(5)
        .fold(0_usize, |number, letter| number * 26 + usize::from(letter - b'A') + 1);
    number.checked_sub(1)
}
