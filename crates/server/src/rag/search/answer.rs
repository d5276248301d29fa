//! What a search shows of a passage.

use retrieval::ChunkId;
use retrieval::Hit;
use retrieval::WordQuery;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::Rows;
use super::order::Legs;
use crate::db::Id;
use crate::rag::Database;

/// The most code points of a quote.
const QUOTE: usize = 300;

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RagHit)]
pub struct Found {
    /// Orders the passages of one answer, and says nothing beside that.
    pub score: f32,
    pub scores: Scores,
    pub text: String,
    /// Where words of the query stand in `text`, in code points, the end excluded.
    #[schema(value_type = Vec<[usize; 2]>, example = json!([[12, 26]]))]
    pub highlights: Vec<[usize; 2]>,
    /// That of its document.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    pub citation: Citation,
}

/// What each way of searching says of a passage; `null` if it did not find it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = RagScores)]
pub struct Scores {
    /// The cosine of its vector and that of the query.
    #[schema(required)]
    pub vector: Option<f32>,
    /// BM25.
    #[schema(required)]
    pub keyword: Option<f32>,
    /// What the model says that reranks.
    #[schema(required)]
    pub rerank: Option<f32>,
}

/// Where a passage stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Citation {
    #[schema(example = "handbook")]
    pub database: String,
    pub document_id: Id,
    pub filename: String,
    pub chunk_id: Id,
    /// The page on which it begins.
    #[schema(required)]
    pub page: Option<i64>,
    /// The page on which it ends, if that is another.
    #[schema(required)]
    pub page_end: Option<i64>,
    /// Code points of the extracted text.
    pub start: i64,
    pub end: i64,
    /// The headings it stands under, the highest first.
    pub heading_path: Vec<String>,
    /// The beginning of it, letter for letter.
    pub quote: String,
}

/// The passages of `hits`, in their order, with what their rows say. One that was deleted meanwhile is left out.
pub(super) fn found(
    legs: &Legs,
    hits: &[Hit],
    databases: &[&Database],
    mut rows: Rows,
    words: &WordQuery,
) -> Vec<Found> {
    let score_in =
        |leg: &[Hit], id: ChunkId| leg.iter().find(|hit| hit.id == id).map(|hit| hit.score);
    let show = |hit: &Hit| {
        let row = rows.remove(&hit.id)?;
        let database = databases.iter().find(|it| it.id == row.rag_database_id)?;
        let scores = Scores {
            vector: legs.vector.values().find_map(|leg| score_in(leg, hit.id)),
            keyword: score_in(&legs.keyword, hit.id),
            rerank: score_in(&legs.rerank, hit.id),
        };
        let places = words.places(&row.text).into_iter();
        Some(Found {
            score: hit.score,
            scores,
            highlights: places.map(|span| [span.start, span.end]).collect(),
            metadata: row.metadata.read().unwrap_or_default(),
            citation: Citation {
                database: database.content.name.clone(),
                document_id: row.document_id,
                filename: row.filename,
                chunk_id: row.id,
                page: row.page,
                page_end: row.page_end,
                start: row.start_at,
                end: row.end_at,
                heading_path: row.heading_path.read().unwrap_or_default(),
                quote: quote(&row.text),
            },
            text: row.text,
        })
    };
    hits.iter().filter_map(show).collect()
}

/// The beginning of a passage: all of it, or as many whole words as fit.
fn quote(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(QUOTE) else { return text.to_owned() };
    let start = &text[..end];
    start.rfind(char::is_whitespace).map_or(start, |space| start[..space].trim_end()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_the_beginning_in_whole_words() {
        let long = "word ".repeat(100);

        assert_eq!(quote("Short."), "Short.");
        assert_eq!(quote(&long), "word ".repeat(60).trim_end());
        assert_eq!(quote(&"語".repeat(400)), "語".repeat(300));
    }
}
