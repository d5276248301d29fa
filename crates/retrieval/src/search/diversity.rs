//! Results that do not all say the same.

use super::Hit;
use super::cosine;

/// Picks `wanted` of `hits` (best first, each with its vector) so that each adds something: maximal marginal
/// relevance (Carbonell and Goldstein, SIGIR 1998).
///
/// `diversity` is 0 to 1: with 0 the order stays; with 1 only the first counts as relevant, and each next is the one
/// that is least like those picked. Scores of any scale do: they are brought to 0 to 1 first. They come out as they
/// went in.
pub fn diversify(hits: &[(Hit, &[f32])], diversity: f32, wanted: usize) -> Vec<Hit> {
    let diversity = diversity.clamp(0.0, 1.0);
    let scores = || hits.iter().map(|(hit, _)| hit.score);
    let (least, most) =
        (scores().fold(f32::INFINITY, f32::min), scores().fold(f32::NEG_INFINITY, f32::max));
    let relevance =
        |hit: &Hit| if most > least { (hit.score - least) / (most - least) } else { 1.0 };
    // How like the picked ones each of the rest is: updated with each pick, so the work is `wanted` times `hits`.
    let mut rest: Vec<(usize, f32)> = (0..hits.len()).map(|at| (at, 0.0)).collect();
    let mut picked = Vec::new();
    while picked.len() < wanted && !rest.is_empty() {
        let gain = |&(at, like): &(usize, f32)| {
            let weight = if picked.is_empty() { 0.0 } else { diversity };
            (1.0 - weight) * relevance(&hits[at].0) - weight * like
        };
        let mut best = 0;
        for at in 1..rest.len() {
            if gain(&rest[at]) > gain(&rest[best]) {
                best = at;
            }
        }
        let (at, _) = rest.remove(best);
        picked.push(hits[at].0);
        for (other, like) in &mut rest {
            *like = like.max(cosine(hits[at].1, hits[*other].1));
        }
    }
    picked
}
