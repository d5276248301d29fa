//! In which order passages come that were found.

use std::collections::BTreeMap;

use retrieval::ChunkId;
use retrieval::Hit;
use retrieval::diversify;
use retrieval::fuse;
use retrieval::rescore;

use super::Query;
use super::Rows;
use crate::rag::databases::Mode;

/// What each leg found, by its own measure.
#[derive(Debug, Default)]
pub(super) struct Legs {
    /// By the model that made the vectors: what two say cannot be compared.
    pub vector: BTreeMap<String, Vec<Hit>>,
    pub keyword: Vec<Hit>,
    pub rerank: Vec<Hit>,
}

/// The candidates in their true order.
pub(super) fn exact(query: &[f32], near: &[ChunkId], rows: &Rows, wanted: usize) -> Vec<Hit> {
    let with_vector = near.iter().filter_map(|id| Some((*id, rows.get(id)?.vector.0.as_slice())));
    rescore(query, with_vector, wanted)
}

/// The hits of all legs as one list, the best first.
pub(super) fn ranked(legs: &Legs, query: &Query) -> Vec<Hit> {
    let ids = |leg: &Vec<Hit>| leg.iter().map(|hit| hit.id).collect::<Vec<_>>();
    let mut rankings: Vec<Vec<ChunkId>> = legs.vector.values().map(ids).collect();
    let mut hits = match (query.mode, legs.vector.first_key_value()) {
        (Mode::Keyword, _) => legs.keyword.clone(),
        (Mode::Vector, Some((_, only))) if rankings.len() == 1 => only.clone(),
        (mode, _) => {
            rankings.extend((mode == Mode::Hybrid).then(|| ids(&legs.keyword)));
            fuse(&rankings.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
    };
    hits.retain(|hit| query.min_score.is_none_or(|least| hit.score >= least));
    hits
}

/// Those of `hits` that are shown.
pub(super) fn chosen(mut hits: Vec<Hit>, query: &Query, rows: &Rows) -> Vec<Hit> {
    if let Some(diversity) = query.diversity {
        let vector = |hit: &Hit| rows.get(&hit.id).map(|row| row.vector.0.as_slice());
        let with_vector: Vec<(Hit, &[f32])> =
            hits.iter().filter_map(|hit| Some((*hit, vector(hit)?))).collect();
        return diversify(&with_vector, diversity, query.top_k);
    }
    hits.truncate(query.top_k);
    hits
}
