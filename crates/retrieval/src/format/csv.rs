//! Tables in text, one row a line.

use std::collections::HashSet;

use super::ParseError;
use super::Writer;
use crate::text::Warning;

/// How much a text must look like a table to be one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Its name says so.
    Named,
    /// Only its content can say so.
    Unnamed,
}

/// What separates the columns: the candidate that gives the same count of two or more in the most first rows.
pub(super) fn delimiter(text: &str, look: Look) -> Option<u8> {
    let mut sample = text.len().min(64 * 1024);
    while !text.is_char_boundary(sample) {
        sample -= 1;
    }
    let sample = &text[..sample];
    let rated = [b',', b';', b'\t', b'|'].into_iter().filter_map(|delimiter| {
        let rows: Vec<csv::StringRecord> =
            reader(sample, delimiter).records().take(20).filter_map(Result::ok).collect();
        let columns = rows.first().map_or(0, csv::StringRecord::len);
        let same = rows.iter().filter(|row| row.len() == columns).count();
        let plausible = match look {
            Look::Named => columns >= 2 && same * 2 > rows.len(),
            Look::Unnamed => {
                columns >= 2 && rows.len() >= 3 && same + 1 >= rows.len() && is_header(&rows[0])
            }
        };
        plausible.then_some((same, columns, delimiter))
    });
    let found =
        rated.max_by_key(|&(same, columns, _)| (same, columns)).map(|(_, _, delimiter)| delimiter);
    found.or_else(|| (look == Look::Named).then_some(b','))
}

/// Whether the cells could be names of columns: short, different, with a letter, none like a sentence.
fn is_header(row: &csv::StringRecord) -> bool {
    let mut seen = HashSet::new();
    row.iter().all(|cell| {
        let cell = cell.trim();
        let letters = cell.chars().any(char::is_alphabetic);
        letters
            && cell.chars().count() <= 40
            && !cell.ends_with(['.', '!', '?', ':'])
            && seen.insert(cell.to_owned())
    })
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes())
}

/// Writes each row as lines `column: cell`, so that a row says by itself what it means.
pub(super) fn read(text: &str, out: &mut Writer<'_>) -> Result<(), ParseError> {
    let delimiter = delimiter(text, Look::Named).unwrap_or(b',');
    let mut reader = reader(text, delimiter);
    let mut row = csv::StringRecord::new();
    let mut header: Option<Vec<String>> = None;
    let (mut uneven, mut rows) = (0, 0);
    while reader.read_record(&mut row).map_err(|error| ParseError::Damaged(error.to_string()))? {
        out.columns(row.len())?;
        let Some(names) = &header else {
            header = Some(row.iter().map(|name| name.trim().to_owned()).collect());
            continue;
        };
        rows += 1;
        uneven += usize::from(row.len() != names.len());
        write_row(names, row.iter(), out)?;
    }
    if let (0, Some(names)) = (rows, &header) {
        // A table of one row has no names of columns.
        write_row(&[], names.iter().map(String::as_str), out)?;
    }
    out.text.warn(Warning::Delimiter(char::from(delimiter)));
    if uneven > 0 {
        out.text.warn(Warning::UnevenRows(uneven));
    }
    Ok(())
}

/// Writes one record; empty cells are left out.
pub(super) fn write_row<'a>(
    names: &[String],
    cells: impl Iterator<Item = &'a str>,
    out: &mut Writer<'_>,
) -> Result<(), ParseError> {
    let start = out.text.points();
    for (column, cell) in cells.enumerate() {
        let cell = cell.trim();
        if cell.is_empty() {
            continue;
        }
        if let Some(name) = names.get(column).filter(|name| !name.is_empty()) {
            out.push(name)?;
            out.push(": ")?;
        }
        out.push(cell)?;
        out.text.line_end();
    }
    if out.text.points() > start {
        out.text.record(start);
        out.push("\n")?;
    }
    Ok(())
}
