//! The one loop that cuts: as much as fits, then back to the best place to stop.

use std::ops::Range;

use unicode_segmentation::GraphemeCursor;

use super::Sizes;
use super::Unit;

/// How good a place is to cut at; the better, the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Inside,
    Character,
    Word,
    Sentence,
    Line,
    Paragraph,
}

/// A place between two atoms, and the units from the start of the chunk up to it.
#[derive(Clone, Copy)]
struct Stop {
    byte: usize,
    weight: usize,
}

/// Cuts stretches of one text into chunks.
pub(super) struct Window<'a> {
    text: &'a str,
    sizes: Sizes,
    unit: Unit<'a>,
    /// Bytes that were looked at, by which tests see that the work is linear.
    pub(super) looked_at: usize,
}

/// Longest stretch of characters that is handed to a token counter as one.
const ATOM: usize = 16;

impl<'a> Window<'a> {
    pub(super) fn new(text: &'a str, sizes: Sizes, unit: Unit<'a>) -> Self {
        Self { text, sizes, unit, looked_at: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.sizes.size
    }

    /// The chunks of `part`, as bytes, without white space around them.
    pub(super) fn cut(&mut self, part: Range<usize>) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        let mut start = self.skip_white(part.start, part.end);
        let mut fresh = start;
        while start < part.end {
            let (end, overlap) = self.end(start, part.end);
            if end <= fresh && start < fresh {
                // What repeats leaves no room for anything new.
                start = fresh;
                continue;
            }
            let text = &self.text[start..end];
            cuts.push(start..start + text.trim_end().len());
            fresh = self.skip_white(end, part.end);
            if fresh == part.end {
                break;
            }
            start = if overlap == 0 { fresh } else { self.repeat(start, end, fresh, overlap) };
        }
        cuts
    }

    /// How many units `part` has, at most.
    pub(super) fn weigh(&mut self, part: Range<usize>) -> usize {
        let mut at = part.start;
        let mut weight = 0;
        while at < part.end {
            let atom = self.atom(at, part.end);
            weight += atom.weight;
            at = atom.byte;
        }
        weight
    }

    /// Where the chunk from `start` ends, and how many of its units the next one may repeat.
    ///
    /// Weights of pieces are added up. A counter for which the whole weighs more than its pieces gets smaller
    /// chunks until they fit.
    fn end(&mut self, start: usize, limit: usize) -> (usize, usize) {
        let mut size = self.sizes.size;
        loop {
            let overlap = self.sizes.overlap.min(size - 1);
            let end = self.stop(start, limit, size, overlap);
            let fits = match self.unit {
                Unit::Characters => true,
                Unit::Tokens(counter) => {
                    counter.count(self.text[start..end].trim_end()) <= self.sizes.size
                }
            };
            if fits || size == 1 {
                return (end, overlap);
            }
            size /= 2;
        }
    }

    /// The best place to stop at: not before the chunk goes on in the text by half of what it can.
    fn stop(&mut self, start: usize, limit: usize, size: usize, overlap: usize) -> usize {
        let enough = overlap + (size - overlap).div_ceil(2);
        let mut best = (Place::Inside, start);
        let mut last = Stop { byte: start, weight: 0 };
        while last.byte < limit {
            let atom = self.atom(last.byte, limit);
            if last.weight > 0 && last.weight + atom.weight > size {
                break;
            }
            last = Stop { byte: atom.byte, weight: last.weight + atom.weight };
            if last.weight >= enough {
                let place = self.place(start, last.byte, limit);
                if place >= best.0 {
                    best = (place, last.byte);
                }
            }
        }
        if last.byte == limit || best.1 == start { last.byte } else { best.1 }
    }

    /// Where the chunk after `start..end` begins: at most `overlap` units before `end`, at a word if there is one.
    fn repeat(&mut self, start: usize, end: usize, fresh: usize, overlap: usize) -> usize {
        let mut stops = vec![Stop { byte: start, weight: 0 }];
        let mut last = Stop { byte: start, weight: 0 };
        while last.byte < end {
            let atom = self.atom(last.byte, end);
            last = Stop { byte: atom.byte, weight: last.weight + atom.weight };
            stops.push(last);
        }
        // Counted back from text that is not white: repeating white space alone would not go on.
        let shown = start + self.text[start..end].trim_end().len();
        let mut from = fresh;
        let mut found = Place::Inside;
        for stop in stops.iter().rev().take_while(|stop| last.weight - stop.weight <= overlap) {
            if stop.byte <= start || stop.byte >= shown {
                continue;
            }
            let place = self.place(start, stop.byte, end).min(Place::Word);
            if place >= found && place > Place::Inside {
                (from, found) = (stop.byte, place);
            }
        }
        self.skip_white(from, fresh)
    }

    /// What comes next from `at`: one character, or for tokens a word with the white space before it.
    fn atom(&mut self, at: usize, limit: usize) -> Stop {
        let rest = &self.text[at..limit];
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (bytes, weight) = match self.unit {
            Unit::Characters => (first, 1),
            Unit::Tokens(counter) => {
                let word = word(rest);
                match counter.count(&rest[..word]).max(1) {
                    weight if weight <= 1 || weight * 4 <= self.sizes.size => (word, weight),
                    _ => (first, counter.count(&rest[..first]).max(1)),
                }
            }
        };
        self.looked_at += bytes;
        Stop { byte: at + bytes, weight }
    }

    /// How good a place to cut at `at` is, for a chunk from `start`.
    fn place(&self, start: usize, at: usize, limit: usize) -> Place {
        let before = &self.text[start..at];
        let after = &self.text[at..limit];
        let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else {
            return Place::Paragraph;
        };
        if after.starts_with("\n\n") || before.ends_with("\n\n") && next != '\n' {
            return Place::Paragraph;
        }
        if next == '\n' || last == '\n' {
            return Place::Line;
        }
        let closers = [' ', '"', '\'', ')', '”', '»', '」'];
        let closed = before.chars().rev().take(4).find(|character| !closers.contains(character));
        if matches!(last, '。' | '！' | '？') {
            return Place::Sentence;
        }
        if last.is_whitespace() || next.is_whitespace() {
            let sentence = matches!(closed, Some('.' | '!' | '?' | '…' | '。' | '！' | '？'));
            return if sentence { Place::Sentence } else { Place::Word };
        }
        if last.is_ascii() && next.is_ascii() || is_boundary(before, after) {
            return Place::Character;
        }
        Place::Inside
    }

    fn skip_white(&mut self, from: usize, limit: usize) -> usize {
        let white = limit - from - self.text[from..limit].trim_start().len();
        self.looked_at += white;
        from + white
    }
}

/// The bytes of the first word of `text` with the white space before it, at most [`ATOM`] characters.
fn word(text: &str) -> usize {
    let mut inside = false;
    for (count, (byte, character)) in text.char_indices().enumerate() {
        if count == ATOM || inside && (character.is_whitespace() || !character.is_alphanumeric()) {
            return byte;
        }
        inside |= !character.is_whitespace();
    }
    text.len()
}

/// Whether what a reader sees as one character ends between `before` and `after`.
///
/// Looks at a few code points on each side: a longer "character" may be cut, in linear time.
fn is_boundary(before: &str, after: &str) -> bool {
    let from = before.char_indices().rev().take(16).last().map_or(0, |(byte, _)| byte);
    let to = after.char_indices().nth(2).map_or(after.len(), |(byte, _)| byte);
    let near = format!("{}{}", &before[from..], &after[..to]);
    GraphemeCursor::new(before.len() - from, near.len(), true).is_boundary(&near, 0).unwrap_or(true)
}
