//! `local/hashing`: vectors without a model.

use super::Batch;
use super::Embedder;
use super::Embedding;
use super::Kind;

/// Counts words and parts of words into a fixed number of places (feature hashing).
///
/// Texts with common words are near to each other, also over endings and compounds, and in writing without spaces.
/// It knows no meaning: "car" is not near "vehicle". For the first run and for tests. The same text gives the same
/// vector on every machine, for ever: the version is part of [`Embedder::model`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Hashing;

impl Hashing {
    pub const DIMENSION: usize = 384;

    /// How much a whole word counts beside each of its parts.
    const WORD: i32 = 3;

    fn vector(text: &str) -> Vec<f32> {
        let mut counts = [0_i32; Self::DIMENSION];
        let lower = text.to_lowercase();
        for word in lower
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
        {
            let parts = parts(word);
            if parts.is_empty() || !is_dense(word) {
                add(&mut counts, word, Self::WORD);
            }
            for part in &parts {
                add(&mut counts, part, 1);
            }
        }
        if counts.iter().all(|&count| count == 0) {
            // No word, or words that cancel each other out: the text as a whole is its one feature.
            add(&mut counts, &format!("\0{text}"), 1);
        }
        normalised(&counts)
    }
}

impl Embedder for Hashing {
    fn model(&self) -> &'static str {
        "local/hashing@1"
    }

    fn dimension(&self) -> Option<usize> {
        Some(Self::DIMENSION)
    }

    fn batch(&self) -> Batch {
        Batch { texts: 256, characters: 1_000_000 }
    }

    fn embed<'a>(&'a self, texts: &'a [&'a str], _kind: Kind) -> Embedding<'a> {
        Box::pin(std::future::ready(Ok(texts.iter().map(|text| Self::vector(text)).collect())))
    }
}

/// Counts `feature` at the place, and with the sign, that its hash says.
fn add(counts: &mut [i32; Hashing::DIMENSION], feature: &str, weight: i32) {
    let hash = fnv1a(feature.as_bytes());
    let place = usize::try_from(hash % Hashing::DIMENSION as u64).unwrap_or(0);
    counts[place] += if hash >> 63 == 0 { weight } else { -weight };
}

/// The runs of three characters of a word with its edges marked; of two where there are no spaces between words.
fn parts(word: &str) -> Vec<String> {
    let (characters, size): (Vec<char>, usize) = if is_dense(word) {
        (word.chars().collect(), 2)
    } else {
        (format!("^{word}$").chars().collect(), 3)
    };
    characters.windows(size).map(|part| part.iter().collect()).collect()
}

/// Whether this is a script that writes without spaces: what looks like one word may be a clause.
fn is_dense(word: &str) -> bool {
    word.chars().any(|character| matches!(u32::from(character), 0x0E00..=0x0EFF | 0x3040..=0x9FFF | 0x20000..=0x3FFFF))
}

#[expect(clippy::cast_possible_truncation, reason = "at most 1")]
fn normalised(counts: &[i32]) -> Vec<f32> {
    let length =
        counts.iter().map(|&count| f64::from(count) * f64::from(count)).sum::<f64>().sqrt();
    counts.iter().map(|&count| (f64::from(count) / length) as f32).collect()
}

/// The 64-bit hash of Fowler, Noll and Vo, and a last mix so that its high and low bits are of use alone.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}
