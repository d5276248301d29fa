//! Finding what has the same words: every text as the numbers of its words, scanned whole.
//!
//! It is for every language and takes every text for what it is: there are no operators and no word that does not
//! count. Where spaces stand between words, those are the words, in lower case and with their marks. In writing
//! without (Chinese, Japanese, Thai, and also Korean, whose words are whole phrases) each character and each two
//! neighbours are one.

use std::collections::BTreeMap;
use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use super::Among;
use super::ChunkId;
use super::Hit;
use super::best;
use crate::embed::fnv1a;
use crate::text::Span;

/// How fast more of the same word counts less, and how much a long text counts less (Robertson and Zaragoza, "The
/// Probabilistic Relevance Framework: BM25 and Beyond", 2009).
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;

/// Words of a query beyond these are passed over.
const MOST: usize = 64;

/// The words of a text and how often each is there, in the order of their numbers.
///
/// A number is 32 bits of a hash: two of a thousand words have the same in one of 8,000 texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    counts: Box<[(u32, u16)]>,
    length: u32,
}

impl Words {
    pub fn of(text: &str) -> Self {
        let mut counts = BTreeMap::<u32, u16>::new();
        for (number, _) in found(text, Dense::Both) {
            let count = counts.entry(number).or_default();
            *count = count.saturating_add(1);
        }
        Self::new(counts.into_iter().collect())
    }

    /// Reads what [`Words::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<6>();
        let read = |&[a, b, c, d, low, high]: &[u8; 6]| {
            (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([low, high]))
        };
        rest.is_empty().then(|| Self::new(words.iter().map(read).collect()))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.counts.len() * 6);
        for (number, count) in &self.counts {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    fn new(counts: Box<[(u32, u16)]>) -> Self {
        let length = counts.iter().map(|(_, count)| u32::from(*count)).sum();
        Self { counts, length }
    }

    fn count(&self, number: u32) -> u16 {
        let place = self.counts.binary_search_by_key(&number, |(other, _)| *other);
        place.map_or(0, |place| self.counts[place].1)
    }
}

/// The words that are looked for, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordQuery(Vec<u32>);

impl WordQuery {
    pub fn of(text: &str) -> Self {
        let mut numbers = Vec::new();
        for (number, _) in found(text, Dense::Pairs) {
            if numbers.len() < MOST && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Self(numbers)
    }

    /// Where its words stand in `text`, in their order; what touches is one.
    pub fn places(&self, text: &str) -> Vec<Span> {
        let mut places = Vec::<Span>::new();
        for (_, span) in found(text, Dense::Both).into_iter().filter(|it| self.0.contains(&it.0)) {
            match places.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => places.push(span),
            }
        }
        places
    }
}

/// The words of all texts of one database, in memory.
#[derive(Debug, Clone, Default)]
pub struct WordIndex {
    rows: Vec<(ChunkId, Words)>,
    places: HashMap<ChunkId, usize>,
}

impl WordIndex {
    pub fn put(&mut self, id: ChunkId, words: Words) {
        if let Some(&row) = self.places.get(&id) {
            self.rows[row].1 = words;
            return;
        }
        self.places.insert(id, self.rows.len());
        self.rows.push((id, words));
    }

    /// The last row moves to where the deleted one was.
    pub fn delete(&mut self, id: ChunkId) {
        let Some(row) = self.places.remove(&id) else { return };
        self.rows.swap_remove(row);
        if let Some((moved, _)) = self.rows.get(row) {
            self.places.insert(*moved, row);
        }
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let words: usize = self.rows.iter().map(|(_, words)| words.counts.len()).sum();
        let row = size_of::<(ChunkId, Words)>() + size_of::<(ChunkId, usize)>() + 1;
        words * size_of::<(u32, u16)>() + self.rows.len() * row
    }

    /// The best `count` of those that have a word of `query`, by BM25. How rare a word is, is counted among those
    /// that are looked at: what somebody may not see does not change what he sees.
    pub fn search(&self, query: &WordQuery, count: usize, among: Among<'_>) -> Vec<Hit> {
        self.count(query, among).best(count)
    }

    /// Those that have a word of `query`, to be put together with those of other databases.
    pub fn count(&self, query: &WordQuery, among: Among<'_>) -> Counted {
        let mut counted = Counted { with: vec![0; query.0.len()], ..Counted::default() };
        match among {
            Among::All => self.rows.iter().for_each(|row| counted.look_at(query, row)),
            Among::Ids(ids) => {
                let rows = ids.iter().filter_map(|id| self.places.get(id));
                rows.for_each(|&row| counted.look_at(query, &self.rows[row]));
            }
        }
        counted
    }
}

/// The texts that have a word of a query, before it is said how rare each word is.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    texts: u32,
    length: u64,
    /// How many texts have each word of the query.
    with: Vec<u32>,
    /// The texts that have one, each with its length and how often it has each.
    found: Vec<(ChunkId, u32, Vec<u16>)>,
}

impl Counted {
    /// The texts of both, as if they were of one database; of the same query.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.texts += other.texts;
        self.length += other.length;
        self.with.resize(self.with.len().max(other.with.len()), 0);
        self.with.iter_mut().zip(other.with).for_each(|(with, more)| *with += more);
        self.found.extend(other.found);
        self
    }

    /// The best `count`, by BM25.
    pub fn best(self, count: usize) -> Vec<Hit> {
        best(self.scored(), count)
    }

    fn look_at(&mut self, query: &WordQuery, (id, words): &(ChunkId, Words)) {
        self.texts += 1;
        self.length += u64::from(words.length);
        let mut counts = Vec::new();
        for (place, number) in query.0.iter().enumerate() {
            let count = words.count(*number);
            if count > 0 {
                self.with[place] += 1;
                counts.resize(query.0.len(), 0);
                counts[place] = count;
            }
        }
        if !counts.is_empty() {
            self.found.push((*id, words.length, counts));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "lengths of texts")]
    #[expect(clippy::cast_possible_truncation, reason = "a score orders, no more")]
    fn scored(self) -> Vec<Hit> {
        let (texts, usual) =
            (f64::from(self.texts), self.length as f64 / f64::from(self.texts.max(1)));
        let rarity = |with: &u32| {
            let with = f64::from(*with);
            (1.0 + (texts - with + 0.5) / (with + 0.5)).ln()
        };
        let rarities: Vec<f64> = self.with.iter().map(rarity).collect();
        let hits = self.found.into_iter().map(|(id, length, counts)| {
            let long = 1.0 - LENGTH + LENGTH * f64::from(length) / usual;
            let part = |(count, rarity): (u16, &f64)| {
                let count = f64::from(count);
                rarity * count * (SATURATION + 1.0) / (count + SATURATION * long)
            };
            let score: f64 = counts.into_iter().zip(&rarities).map(part).sum();
            Hit { id, score: score as f32 }
        });
        hits.collect()
    }
}

/// Which words a run of characters without spaces has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dense {
    /// Each character and each two neighbours: of a text.
    Both,
    /// Each two neighbours, or the only character: of a query.
    Pairs,
}

/// What a reader sees as one character, in lower case, and where it stands.
type Letter = (String, Span);

/// The words of `text` in its order, each with its number and its place.
fn found(text: &str, dense: Dense) -> Vec<(u32, Span)> {
    let mut words = Vec::new();
    let mut run: Vec<Letter> = Vec::new();
    let mut is_dense_run = false;
    let mut point = 0;
    for cluster in text.graphemes(true) {
        let span = Span { start: point, end: point + cluster.chars().count() };
        point = span.end;
        let first = cluster.chars().next().filter(|first| first.is_alphanumeric());
        let is_dense = first.is_some_and(is_dense);
        if first.is_none() || is_dense != is_dense_run {
            end(&mut run, is_dense_run, dense, &mut words);
            is_dense_run = is_dense;
        }
        if first.is_some() {
            run.push((cluster.to_lowercase(), span));
        }
    }
    end(&mut run, is_dense_run, dense, &mut words);
    words
}

/// Ends a run of letters of one kind.
fn end(run: &mut Vec<Letter>, is_dense: bool, dense: Dense, words: &mut Vec<(u32, Span)>) {
    let word = |letters: &[Letter]| {
        let (first, last) = (letters.first()?, letters.last()?);
        let text: String = letters.iter().map(|(text, _)| text.as_str()).collect();
        Some((number(&text), Span { start: first.1.start, end: last.1.end }))
    };
    if !is_dense {
        words.extend(word(run));
    } else if dense == Dense::Pairs && run.len() > 1 {
        words.extend(run.windows(2).filter_map(word));
    } else {
        for start in 0..run.len() {
            words.extend(word(&run[start..=start]));
            words.extend(run.get(start..start + 2).and_then(word));
        }
    }
    run.clear();
}

#[expect(clippy::cast_possible_truncation, reason = "half of the hash")]
fn number(word: &str) -> u32 {
    fnv1a(word.as_bytes()) as u32
}

/// Thai to Lao, Burmese, Khmer, Japanese and Chinese, Korean.
fn is_dense(character: char) -> bool {
    matches!(u32::from(character),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x9FFF | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 7] = [
        "Parental leave lasts fourteen months.",
        "The leave of a tree is called a leaf; leave it.",
        "育児休業は一歳まで取得できます。",
        "การลาคลอดบุตรมีระยะเวลาเก้าสิบแปดวัน",
        "חופשת לידה נמשכת חמישה עשר שבועות",
        "C++ and C# are not the same; \"NEAR(a b)\" AND -x* is a text.",
        "",
    ];

    fn index() -> WordIndex {
        let mut index = WordIndex::default();
        for (id, text) in (0..).zip(TEXTS) {
            index.put(ChunkId(id), Words::of(text));
        }
        index
    }

    fn search(query: &str) -> Vec<u128> {
        let hits = index().search(&WordQuery::of(query), 10, Among::All);
        hits.iter().map(|hit| hit.id.0).collect()
    }

    #[test]
    fn any_text_of_any_language_finds_what_has_its_words() {
        assert_eq!(search("parental LEAVE"), [0, 1]);
        assert_eq!(search("育児休業"), [2]);
        assert_eq!(search("一"), [2]);
        assert_eq!(search("ลาคลอด"), [3]);
        assert_eq!(search("לידה"), [4]);
        assert_eq!(search("NEAR(a b) AND -x*"), [5, 1]);
        assert_eq!(search("\" OR ''; --"), Vec::<u128>::new());
        assert_eq!(search("leav"), Vec::<u128>::new());
    }

    #[test]
    fn only_what_is_among_is_counted_and_found() {
        let index = index();
        let query = WordQuery::of("leave");

        let one = index.search(&query, 10, Among::Ids(&[ChunkId(1), ChunkId(99)]));
        let mut alone = WordIndex::default();
        alone.put(ChunkId(1), Words::of(TEXTS[1]));

        assert_eq!(one, alone.search(&query, 10, Among::All));
    }

    #[test]
    fn two_databases_are_counted_as_one() {
        let (mut one, mut other) = (WordIndex::default(), WordIndex::default());
        for (id, text) in (0..).zip(TEXTS) {
            let half = if id % 2 == 0 { &mut one } else { &mut other };
            half.put(ChunkId(id), Words::of(text));
        }
        for query in ["leave", "parental leave of a text", "育児休業", "none"] {
            let query = WordQuery::of(query);
            let both = one.count(&query, Among::All).and(other.count(&query, Among::All));

            assert_eq!(both.best(10), index().search(&query, 10, Among::All));
            assert_eq!(
                Counted::default().and(one.count(&query, Among::All)).best(9),
                one.search(&query, 9, Among::All)
            );
        }
    }

    #[test]
    fn what_is_deleted_is_not_found_and_what_is_put_again_is() {
        let mut index = index();
        index.delete(ChunkId(0));
        index.put(ChunkId(2), Words::of("Leave."));
        index.delete(ChunkId(77));

        let hits = index.search(&WordQuery::of("leave"), 10, Among::All);

        assert_eq!(hits.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), [2, 1]);
        assert!(index.bytes() > 0);
    }

    #[test]
    fn words_are_read_as_they_were_written() {
        let words = Words::of(TEXTS[1]);

        assert_eq!(Words::from_bytes(&words.to_bytes()), Some(words));
        assert_eq!(Words::from_bytes(&[1, 2, 3]), None);
    }

    #[test]
    fn places_are_those_of_the_words_in_code_points() {
        let places = |query: &str, text: &str| {
            let points: Vec<char> = text.chars().collect();
            let spans = WordQuery::of(query).places(text);
            spans
                .iter()
                .map(|it| points[it.start..it.end].iter().collect())
                .collect::<Vec<String>>()
        };

        assert_eq!(places("Leave PARENTAL", TEXTS[0]), ["Parental", "leave"]);
        assert_eq!(places("休業", TEXTS[2]), ["休業"]);
        assert_eq!(places("育児休業は", "取得: 育児休業。"), ["育児休業"]);
        assert_eq!(places("étude", "🎉 l’Étude"), ["Étude"]);
        assert_eq!(places("none", TEXTS[0]), Vec::<String>::new());
    }
}
