//! A first look at very many vectors by the signs of their numbers: a bit each, an eighth of their codes.

use pulp::Arch;
use pulp::NullaryFnOnce;

/// So many vectors are worth a first look; fewer are looked at with all of their codes.
const MANY: usize = 16_000;
/// One vector in so many passes.
const PART: usize = 32;
/// Whose signs say too little is not told apart by them: vectors that are mostly zeros or that all point one way.
/// So many signs have to differ within a sample of so many vectors, each in an eighth of it at least.
const TELLING: usize = 256;
const SAMPLE: usize = 64;

/// The signs of vectors, row by row.
#[derive(Debug, Clone)]
pub struct Signs {
    /// Of a row.
    words: usize,
    bits: Vec<u64>,
}

impl Signs {
    pub fn new(dimension: usize) -> Self {
        Self { words: dimension.div_ceil(64), bits: Vec::new() }
    }

    pub fn reserve(&mut self, rows: usize) {
        self.bits.reserve_exact(rows.saturating_mul(self.words));
    }

    pub fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    pub fn push(&mut self, values: &[i8]) {
        self.bits.extend(signs(values));
    }

    pub fn set(&mut self, row: usize, values: &[i8]) {
        let places = self.bits[row * self.words..].iter_mut();
        places.zip(signs(values)).for_each(|(place, word)| *place = word);
    }

    /// The last row moves to where the deleted one was.
    pub fn swap_remove(&mut self, row: usize) {
        let last = self.bits.len() - self.words;
        self.bits.copy_within(last.., row * self.words);
        self.bits.truncate(last);
    }

    /// Those of `rows` (or of all) that may be near a vector with these values, `least` of them or more; `None` if all
    /// of them have to be looked at.
    pub fn sift(&self, query: &[i8], rows: Option<&[usize]>, least: usize) -> Option<Vec<usize>> {
        let all = rows.map_or_else(|| self.rows(), <[usize]>::len);
        let keep = (all / PART).max(least);
        if all < MANY || keep >= all || !self.tell_apart(all, rows) {
            return None;
        }
        let query: Vec<u64> = signs(query).collect();
        Some(Arch::new().dispatch(Sift { signs: self, query: &query, rows, keep }))
    }

    fn rows(&self) -> usize {
        self.bits.len() / self.words.max(1)
    }

    fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    fn tell_apart(&self, all: usize, rows: Option<&[usize]>) -> bool {
        let mut positive = vec![0; self.words * 64];
        for place in (0..SAMPLE).map(|number| number * all / SAMPLE) {
            let row = rows.map_or(place, |rows| rows[place]);
            for (bit, count) in positive.iter_mut().enumerate() {
                *count += (self.row(row)[bit / 64] >> (bit % 64)) & 1;
            }
        }
        let least = SAMPLE as u64 / 8;
        let telling = positive.iter().filter(|count| (least..=7 * least).contains(count));
        telling.count() >= TELLING
    }
}

fn signs(values: &[i8]) -> impl Iterator<Item = u64> {
    values.chunks(64).map(|chunk| {
        chunk.iter().enumerate().fold(0, |word, (bit, value)| word | u64::from(*value > 0) << bit)
    })
}

/// In how many signs two rows differ.
#[inline(always)]
#[expect(clippy::inline_always, reason = "see the sieve")]
fn distance(one: &[u64], other: &[u64]) -> usize {
    let mut sum = 0;
    for (one, other) in one.iter().zip(other) {
        sum += (one ^ other).count_ones() as usize;
    }
    sum
}

/// Compiled once for each set of instructions, as the scan of codes is, and inlined for that.
struct Sift<'a> {
    signs: &'a Signs,
    query: &'a [u64],
    rows: Option<&'a [usize]>,
    keep: usize,
}

impl NullaryFnOnce for Sift<'_> {
    type Output = Vec<usize>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn call(self) -> Vec<usize> {
        let Self { signs, query, rows, keep } = self;
        let mut distances = Vec::with_capacity(rows.map_or_else(|| signs.rows(), <[usize]>::len));
        match rows {
            None => {
                for row in signs.bits.chunks_exact(signs.words) {
                    distances.push(distance(row, query));
                }
            }
            Some(rows) => {
                for row in rows {
                    distances.push(distance(signs.row(*row), query));
                }
            }
        }
        let mut counts = vec![0_usize; signs.words * 64 + 1];
        for distance in &distances {
            counts[*distance] += 1;
        }
        let mut near = 0;
        let is_enough = |count: &usize| {
            near += count;
            near >= keep
        };
        let cut = counts.iter().position(is_enough).unwrap_or(counts.len());
        let places = distances.iter().enumerate().filter(|(_, distance)| **distance <= cut);
        places.map(|(place, _)| rows.map_or(place, |rows| rows[place])).collect()
    }
}
