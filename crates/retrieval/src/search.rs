//! Finding what is near: the scan of the embedded store, and how several rankings become one.

mod code;
mod diversity;
mod fusion;
mod index;
mod signs;
mod words;

pub use code::Code;
pub use code::VectorError;
pub use diversity::diversify;
pub use fusion::RANK_CONSTANT;
pub use fusion::fuse;
pub use index::Among;
pub use index::Change;
pub use index::FeedError;
pub use index::Index;
pub use index::Revision;
pub use index::rescore;
pub use words::Counted;
pub use words::WordIndex;
pub use words::WordQuery;
pub use words::Words;

/// The id of a chunk: the number of its UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u128);

/// A chunk and how well it fits; greater is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub id: ChunkId,
    pub score: f32,
}

/// Best first; equals by id, so that an answer is the same each time.
fn rank(one: &Hit, other: &Hit) -> std::cmp::Ordering {
    other.score.total_cmp(&one.score).then(one.id.cmp(&other.id))
}

/// The best `count` of `hits`, the best first.
pub fn best(mut hits: Vec<Hit>, count: usize) -> Vec<Hit> {
    hits.sort_by(rank);
    hits.truncate(count);
    hits
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// The cosine of the angle between two vectors; 0 if one of them is zero.
fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let length = (dot(one, one) * dot(other, other)).sqrt();
    if length > 0.0 { dot(one, other) / length } else { 0.0 }
}

#[cfg(test)]
mod tests;
