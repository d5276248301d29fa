//! Several rankings into one.

use std::collections::HashMap;

use super::ChunkId;
use super::Hit;
use super::rank;

/// How much the first places count before those after them (Cormack, Clarke and Büttcher, SIGIR 2009).
pub const RANK_CONSTANT: usize = 60;

/// Reciprocal rank fusion: each ranking gives its `n`th hit `1 / (60 + n)`.
///
/// Scores of different kinds are never compared. A hit that a ranking names twice counts where it stands first.
pub fn fuse(rankings: &[&[ChunkId]]) -> Vec<Hit> {
    let mut scores: HashMap<ChunkId, f64> = HashMap::new();
    for ranking in rankings {
        let mut seen = std::collections::HashSet::new();
        for id in ranking
            .iter()
            .filter(|id| seen.insert(**id))
            .enumerate()
            .map(|(place, id)| (place + 1, *id))
        {
            #[expect(clippy::cast_precision_loss, reason = "a place in a list of results")]
            let share = 1.0 / (RANK_CONSTANT + id.0) as f64;
            *scores.entry(id.1).or_default() += share;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a score orders, no more")]
    let mut hits: Vec<Hit> =
        scores.into_iter().map(|(id, score)| Hit { id, score: score as f32 }).collect();
    hits.sort_by(rank);
    hits
}
