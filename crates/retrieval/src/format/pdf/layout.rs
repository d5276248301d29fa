//! Pieces of text with places to lines in the order in which they are read.
//!
//! Rows of pieces that leave the same gap free are one band. A band is columns, each read to its end, if its pieces
//! fill them as running text does; else it is a table, read row by row.

/// Text in one line without a wide gap; y grows downwards.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) base: f64,
    /// Of its font, in points.
    pub(super) size: f64,
}

impl Piece {
    /// Whether `next` stands behind this on the same line, not further than a word away.
    pub(super) fn goes_on_with(&self, next: &Self) -> bool {
        let (size, gap) = (self.size.max(next.size), next.left - self.right);
        self.on_line_of(next) && gap > -0.3 * size && gap < 0.8 * size
    }

    /// Whether both stand on one line: a raised or lowered figure does, the next line does not.
    fn on_line_of(&self, other: &Self) -> bool {
        (self.base - other.base).abs() < 0.5 * self.size.max(other.size)
    }

    pub(super) fn append(&mut self, next: Self, spaced: bool) {
        if spaced || next.left - self.right > 0.18 * self.size {
            self.text.push(' ');
        }
        self.text.push_str(&next.text);
        self.right = self.right.max(next.right);
        if next.size > self.size {
            (self.size, self.base) = (next.size, next.base);
        }
    }

    /// Whether `other` is the same once more: what is bold may be drawn twice.
    fn repeats(&self, other: &Self) -> bool {
        let near = 0.15 * self.size;
        self.text == other.text
            && (self.left - other.left).abs() < near
            && (self.base - other.base).abs() < near
    }
}

/// A line of text.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) size: f64,
    /// Whether a paragraph begins with it.
    pub(super) begins: bool,
}

/// Pieces of one line, from left to right.
type Row = Vec<Piece>;

/// A stretch of the width of a page.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    left: f64,
    right: f64,
}

/// The lines of a page as they are read.
pub(super) fn lines(pieces: Vec<Piece>) -> Vec<Line> {
    let rows = rows(pieces);
    let mut lines = Vec::new();
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (count, columns) = band(rest);
        let (rows, after) = rest.split_at(count);
        rest = after;
        if is_running_text(rows, &columns) {
            for column in columns {
                let inside =
                    |piece: &&Piece| column.left <= piece.left && piece.left < column.right;
                let rows = rows.iter().map(|row| row.iter().filter(inside).cloned().collect());
                let rows: Vec<Row> = rows.filter(|row: &Row| !row.is_empty()).collect();
                paragraphs(&rows, &mut lines);
            }
        } else {
            paragraphs(rows, &mut lines);
        }
    }
    lines
}

fn rows(mut pieces: Vec<Piece>) -> Vec<Row> {
    pieces.sort_by(|a, b| a.base.total_cmp(&b.base));
    let mut rows: Vec<Row> = Vec::new();
    for piece in pieces {
        match rows.last_mut() {
            Some(row) if row.iter().any(|it| it.on_line_of(&piece)) => row.push(piece),
            _ => rows.push(vec![piece]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
        row.dedup_by(|next, piece| piece.repeats(next));
        *row = joined(std::mem::take(row));
    }
    rows
}

/// Pieces that were drawn out of their order are one piece, too.
fn joined(row: Row) -> Row {
    let mut joined: Row = Vec::new();
    for piece in row {
        match joined.last_mut() {
            Some(last) if last.goes_on_with(&piece) => last.append(piece, false),
            _ => joined.push(piece),
        }
    }
    joined
}

/// How many of the rows at the beginning of `rows` leave the same gaps free, and what is between these.
fn band(rows: &[Row]) -> (usize, Vec<Stretch>) {
    let mut covered = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let more = cover(&covered, row);
        // One row alone may be beside the next: columns need not be on one grid.
        if more.len() < 2 && index > 0 {
            let count = if covered.len() < 2 { single(rows) } else { index };
            return (count, covered);
        }
        covered = more;
    }
    (rows.len(), covered)
}

/// How many rows at the beginning have one stretch of text, all over each other.
fn single(rows: &[Row]) -> usize {
    let beside = |pair: &[Row]| cover(&cover(&[], &pair[0]), &pair[1]).len() > 1;
    let Some(index) = rows.windows(2).position(beside) else { return rows.len() };
    // The short last line of a paragraph belongs to what is above it, if the next row is further away.
    let step = |index: usize| base(&rows[index + 1]) - base(&rows[index]);
    let is_end = index > 0 && step(index) > step(index - 1) * 1.35;
    index.max(1) + usize::from(is_end)
}

/// `covered` and the pieces of `row`, as stretches with gaps between them that no word space fills.
fn cover(covered: &[Stretch], row: &Row) -> Vec<Stretch> {
    let size = row.iter().map(|piece| piece.size).fold(0.0, f64::max);
    let pieces = row.iter().map(|piece| Stretch { left: piece.left, right: piece.right });
    let mut all: Vec<Stretch> = covered.iter().copied().chain(pieces).collect();
    all.sort_by(|a, b| a.left.total_cmp(&b.left));
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in all {
        match merged.last_mut() {
            Some(last) if stretch.left - last.right < size => {
                last.right = last.right.max(stretch.right);
            }
            _ => merged.push(stretch),
        }
    }
    merged
}

/// Whether the band is columns of running text, which fills its lines; a table does not.
fn is_running_text(rows: &[Row], columns: &[Stretch]) -> bool {
    const LINES: usize = 3;
    const FILLED: f64 = 0.6;
    columns.len() > 1
        && columns.iter().all(|column| {
            let inside =
                rows.iter().flatten().filter(|it| column.left <= it.left && it.left < column.right);
            let filled = inside.clone().filter(|it| {
                it.right - it.left > FILLED * (column.right - column.left) && it.text.contains(' ')
            });
            filled.count() * 2 >= inside.count().max(LINES)
        })
}

/// Writes rows, and finds where paragraphs begin: after a wider space, where the size changes, where a line is indented.
fn paragraphs(rows: &[Row], lines: &mut Vec<Line>) {
    let mut steps: Vec<f64> = rows.windows(2).map(|pair| base(&pair[1]) - base(&pair[0])).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 3).copied().unwrap_or(0.0);
    let mut last: Option<&Row> = None;
    for row in rows {
        let size = size(row);
        let text = logical(&text(row));
        let begins = last.map_or_else(
            || !goes_on(lines, &text, size),
            |last| {
                let (step, indent) = (base(row) - base(last), row[0].left - last[0].left);
                step > usual * 1.35
                    || (size - self::size(last)).abs() > 0.12 * size
                    || indent > 0.8 * size && indent < 6.0 * size
                    || row.len() > 1
                    || last.len() > 1
            },
        );
        lines.push(Line { text, size, begins });
        last = Some(row);
    }
}

/// Whether a column or band that begins with `text` goes on with a sentence of the one before.
fn goes_on(lines: &[Line], text: &str, size: f64) -> bool {
    let is_open = |last: &Line| {
        let end = last.text.chars().next_back();
        end.is_some_and(|it| it.is_alphanumeric() || matches!(it, ',' | '-'))
            && (last.size - size).abs() < 0.12 * size
    };
    text.starts_with(char::is_lowercase) && lines.last().is_some_and(is_open)
}

fn base(row: &Row) -> f64 {
    row.first().map_or(0.0, |piece| piece.base)
}

/// Of the piece with most text.
fn size(row: &Row) -> f64 {
    row.iter().max_by_key(|piece| piece.text.len()).map_or(0.0, |piece| piece.size)
}

/// The pieces of a row, as cells.
fn text(row: &Row) -> String {
    row.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("\t")
}

/// Glyphs that stand for several letters as these, and no soft hyphens.
pub(super) fn spelled(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{fb00}' => spelled.push_str("ff"),
            '\u{fb01}' => spelled.push_str("fi"),
            '\u{fb02}' => spelled.push_str("fl"),
            '\u{fb03}' => spelled.push_str("ffi"),
            '\u{fb04}' => spelled.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => spelled.push_str("st"),
            '\u{a0}' => spelled.push(' '),
            other => spelled.push(other),
        }
    }
    spelled
}

/// Whether the script of `character` has no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub(super) fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

/// Turns a line as it looks into the order in which it is read: Hebrew and Arabic are read from the right.
fn logical(line: &str) -> String {
    let right = line.chars().filter(|&it| is_from_right(it)).count();
    if right == 0 {
        return line.to_owned();
    }
    let whole = right * 2 > line.chars().filter(|it| it.is_alphabetic()).count();
    if !whole {
        return reversed_runs(line, is_from_right);
    }
    // The line is from the right: all of it is turned, and what is from the left in it turned back.
    let turned: String = line.chars().rev().map(mirrored).collect();
    reversed_runs(&turned, |it| it.is_alphanumeric() && !is_from_right(it))
}

/// Turns each run of characters that `is` holds for, with the marks and spaces inside it.
fn reversed_runs(line: &str, is: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut run: Vec<char> = Vec::new();
    let mut end = 0;
    for character in line.chars() {
        let inner = !run.is_empty() && !character.is_alphanumeric();
        if is(character) || inner {
            run.push(character);
            end = if is(character) { run.len() } else { end };
            continue;
        }
        flush(&mut run, end, &mut out);
        out.push(character);
    }
    flush(&mut run, end, &mut out);
    out
}

fn flush(run: &mut Vec<char>, end: usize, out: &mut String) {
    out.extend(run[..end.min(run.len())].iter().rev());
    out.extend(run.drain(..).skip(end));
}

fn is_from_right(character: char) -> bool {
    matches!(character, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

fn mirrored(character: char) -> char {
    match character {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        other => other,
    }
}
