//! A first look at very many vectors by the signs of their numbers: a bit each, an eighth of their codes.

use std::array;

use pulp::Arch;
use pulp::NullaryFnOnce;

/// So many vectors are worth a first look; fewer are looked at with all of their codes.
const MANY: usize = 16_000;
/// One vector in so many passes by its signs and those of the query,
const PART: usize = 32;
/// as one in so many tells;
const EACH: usize = 16;
/// and then one in so many of all by its signs and the values of the query; at least as many times what is wanted.
const PART_AGAIN: usize = 256;
const TIMES: usize = 4;
/// Binary digits of a value of the query that are looked at then, of eight.
const DIGITS: usize = 5;
/// Whose signs say too little is not told apart by them: vectors that are mostly zeros or that all point one way.
/// So many signs have to differ within a sample of so many vectors, each in an eighth of it at least.
const TELLING: usize = 256;
const SAMPLE: usize = 64;
/// So many rows lie beside each other: the first words of all, then the second. One instruction looks at several.
const BLOCK: usize = 64;

/// The words of rows that lie beside each other.
type Block = [[u64; BLOCK]];

/// The signs of vectors, row by row.
#[derive(Debug, Clone)]
pub struct Signs {
    /// Of a row.
    words: usize,
    rows: usize,
    bits: Vec<[u64; BLOCK]>,
}

impl Signs {
    pub fn new(dimension: usize) -> Self {
        Self { words: dimension.div_ceil(64), rows: 0, bits: Vec::new() }
    }

    pub fn reserve(&mut self, rows: usize) {
        self.bits.reserve_exact(rows.div_ceil(BLOCK).saturating_mul(self.words));
    }

    pub fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<[u64; BLOCK]>()
    }

    pub fn push(&mut self, values: &[i8]) {
        self.rows += 1;
        self.fit_rows();
        self.set(self.rows - 1, values);
    }

    pub fn set(&mut self, row: usize, values: &[i8]) {
        let start = row / BLOCK * self.words;
        let block = self.bits[start..start + self.words].iter_mut();
        block.zip(signs(values)).for_each(|(words, word)| words[row % BLOCK] = word);
    }

    /// The last row moves to where the deleted one was.
    pub fn swap_remove(&mut self, row: usize) {
        let last = self.rows - 1;
        for word in 0..self.words {
            self.bits[row / BLOCK * self.words + word][row % BLOCK] =
                self.block(last)[word][last % BLOCK];
        }
        self.rows = last;
        self.fit_rows();
    }

    /// Those of `rows` (or of all) that may be near a vector with these values, `least` of them or more; `None` if all
    /// of them have to be looked at.
    pub fn sift(&self, query: &[i8], rows: Option<&[usize]>, least: usize) -> Option<Vec<usize>> {
        let all = rows.map_or(self.rows, <[usize]>::len);
        let keep = (all / PART_AGAIN).max(least.saturating_mul(TIMES));
        let part = (all / PART).max(keep.saturating_mul(2));
        if all < MANY.max(part.saturating_mul(2)) || !self.tell_apart(all, rows) {
            return None;
        }
        let (signs, digits) = (signs(query).collect::<Vec<u64>>(), digits(query));
        let sift = Sift { signs: self, query: &signs, digits: &digits, rows, part: part / EACH };
        let mut near = dispatch(sift);
        if near.len() > keep {
            near.select_nth_unstable_by(keep, |one, other| other.cmp(one));
            near.truncate(keep);
        }
        let row = |(_, place)| rows.map_or(place as usize, |rows| rows[place as usize]);
        Some(near.into_iter().map(row).collect())
    }

    /// There are as many blocks as the rows take.
    fn fit_rows(&mut self) {
        self.bits.resize(self.rows.div_ceil(BLOCK) * self.words, [0; BLOCK]);
    }

    /// That in which a row is.
    fn block(&self, row: usize) -> &Block {
        let start = row / BLOCK * self.words;
        &self.bits[start..start + self.words]
    }

    fn tell_apart(&self, all: usize, rows: Option<&[usize]>) -> bool {
        let mut positive = vec![0; self.words * 64];
        for place in (0..SAMPLE).map(|number| number * all / SAMPLE) {
            let row = rows.map_or(place, |rows| rows[place]);
            for (words, counts) in self.block(row).iter().zip(positive.chunks_mut(64)) {
                for (bit, count) in counts.iter_mut().enumerate() {
                    *count += (words[row % BLOCK] >> bit) & 1;
                }
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

/// The upper digits of the values, the lowest of them first; the last is the sign of a two's complement. The product of a
/// digit and the signs of a row is a count of bits.
fn digits(query: &[i8]) -> Vec<[u64; DIGITS]> {
    let digit = |values: &[i8], digit: usize| {
        let bits = values.iter().map(|value| u64::from(value.to_le_bytes()[0] >> digit & 1));
        bits.enumerate().fold(0, |word, (place, bit)| word | bit << place)
    };
    let all = query.chunks(64);
    all.map(|values| array::from_fn(|place| digit(values, 8 - DIGITS + place))).collect()
}

#[cfg(target_arch = "x86_64")]
pulp::simd_type!({
    /// What counts the bits of many words at once. It is in no level of x86-64, so that it is asked for by itself.
    struct Counting {
        avx512f: f!("avx512f"),
        avx512bw: f!("avx512bw"),
        avx512dq: f!("avx512dq"),
        avx512vl: f!("avx512vl"),
        bmi1: f!("bmi1"),
        bmi2: f!("bmi2"),
        popcnt: f!("popcnt"),
        avx512vpopcntdq: f!("avx512vpopcntdq"),
    }
});

/// Looks with the best instructions that this machine has.
fn dispatch(sift: Sift<'_>) -> Vec<(i32, u32)> {
    #[cfg(target_arch = "x86_64")]
    if let Some(counting) = Counting::try_new() {
        return counting.vectorize(sift);
    }
    Arch::new().dispatch(sift)
}

/// Compiled once for each set of instructions, as the scan of codes is. For that all of it has to be inlined into what
/// calls it; closures are not.
struct Sift<'a> {
    signs: &'a Signs,
    query: &'a [u64],
    digits: &'a [[u64; DIGITS]],
    rows: Option<&'a [usize]>,
    /// So many rows of the sample are near.
    part: usize,
}

impl NullaryFnOnce for Sift<'_> {
    /// How well rows fit, and where they stand among those that are looked at.
    type Output = Vec<(i32, u32)>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn call(self) -> Self::Output {
        let cut = self.cut();
        let Signs { words, rows: all, ref bits } = *self.signs;
        let mut found = Vec::with_capacity(self.part * EACH * 5 / 4);
        match self.rows {
            None => {
                for (first, block) in (0_u32..).step_by(BLOCK).zip(bits.chunks_exact(words)) {
                    let left = (all - first as usize).min(BLOCK);
                    let mut near = self.near(block, cut) & u64::MAX >> (BLOCK - left);
                    while near != 0 {
                        let place = near.trailing_zeros();
                        found.push((self.fit(block, place as usize), first + place));
                        near &= near - 1;
                    }
                }
            }
            Some(rows) => {
                for (place, &row) in (0..).zip(rows) {
                    let block = self.signs.block(row);
                    if self.distance(block, row % BLOCK) <= cut {
                        found.push((self.fit(block, row % BLOCK), place));
                    }
                }
            }
        }
        found
    }
}

impl Sift<'_> {
    /// In how many signs the nearest part of the rows differs from the query at most, as a sample says.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn cut(&self) -> usize {
        let Signs { words, rows: all, ref bits } = *self.signs;
        let mut counts = vec![0; words * 64 + 1];
        match self.rows {
            None => {
                for block in bits[..all / BLOCK * words].chunks_exact(words).step_by(EACH) {
                    for distance in self.distances(block) {
                        counts[distance] += 1;
                    }
                }
            }
            Some(rows) => {
                for &row in rows.iter().step_by(EACH) {
                    counts[self.distance(self.signs.block(row), row % BLOCK)] += 1;
                }
            }
        }
        let sample: usize = counts.iter().sum();
        let (mut cut, mut near) = (0, counts[0]);
        while near < self.part.min(sample) {
            cut += 1;
            near += counts[cut];
        }
        cut
    }

    /// In how many signs each row of a block differs from the query.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn distances(&self, block: &Block) -> [usize; BLOCK] {
        let mut sums = [0; BLOCK];
        for (words, query) in block.iter().zip(self.query) {
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum += (word ^ query).count_ones() as usize;
            }
        }
        sums
    }

    /// A bit for each row of a block that differs in so many signs at most.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn near(&self, block: &Block, cut: usize) -> u64 {
        let mut near = 0;
        for (place, distance) in self.distances(block).into_iter().enumerate() {
            near |= u64::from(distance <= cut) << place;
        }
        near
    }

    /// In how many signs one row differs.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn distance(&self, block: &Block, place: usize) -> usize {
        let mut sum = 0;
        for (words, query) in block.iter().zip(self.query) {
            sum += (words[place] ^ query).count_ones() as usize;
        }
        sum
    }

    /// How well the signs of a row fit to the values of the query.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see the struct")]
    fn fit(&self, block: &Block, place: usize) -> i32 {
        let mut fit = 0;
        for (words, digits) in block.iter().zip(self.digits) {
            let count = |digit: u64| (words[place] & digit).count_ones().cast_signed();
            let [lower @ .., sign] = digits;
            fit += lower.iter().rev().fold(-count(*sign), |sum, digit| sum * 2 + count(*digit));
        }
        fit
    }
}
