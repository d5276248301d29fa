//! What Chroma is told and asked, as its REST API of version 2 has it, without sending it.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Marks;
use super::Near;
use super::Point;
use super::flat::DOCUMENT;
use super::flat::Flat;
use super::flat::Numbers;
use super::flat::condition;
use super::flat::flat_filter;
use super::flat::marked;
use super::uuid_number;
use super::uuid_text;
use crate::filter::Order;
use crate::search::ChunkId;

/// A collection that is searched by the cosine; the same again gives the one that is there.
pub fn collection(name: &str) -> Value {
    json!({
        "name": name,
        "get_or_create": true,
        "configuration": {"hnsw": {"space": "cosine", "ef_search": 200}},
    })
}

pub fn upsert(marks: &Marks, points: &[Point]) -> Value {
    let metadata = marked(marks);
    json!({
        "ids": points.iter().map(|point| uuid_text(point.id.0)).collect::<Vec<_>>(),
        "embeddings": points.iter().map(|point| &point.vector).collect::<Vec<_>>(),
        "metadatas": points.iter().map(|_| &metadata).collect::<Vec<_>>(),
    })
}

pub fn delete(document: u128) -> Value {
    json!({"where": {DOCUMENT: uuid_text(document)}})
}

/// Whether a query can say what `filter` means.
pub fn can(filter: &crate::filter::Normal) -> bool {
    flat_filter(filter).is_some()
}

/// The query; `None` if nothing can pass its filter. Chroma keeps 15 digits of a number, so it may find more than
/// the filter means.
pub fn query(near: &Near) -> Option<Value> {
    Some(json!({
        "query_embeddings": [near.vector],
        "n_results": near.count,
        "include": [],
        "where": where_of(&condition(near, Numbers::Rounded)?),
    }))
}

/// What a query found.
pub fn found(answer: &Value) -> Option<Vec<ChunkId>> {
    let ids = answer["ids"][0].as_array()?.iter();
    ids.map(|id| uuid_number(id.as_str()?).map(ChunkId)).collect()
}

fn where_of(filter: &Flat) -> Value {
    let each = |filters: &[Flat]| filters.iter().map(where_of).collect::<Vec<_>>();
    match filter {
        Flat::All(filters) => json!({"$and": each(filters)}),
        Flat::Any(filters) => json!({"$or": each(filters)}),
        Flat::In(name, values) => one(name, "$in", json!(values)),
        Flat::NotIn(name, values) => one(name, "$nin", json!(values)),
        Flat::Compare(name, order, bound) => {
            let order = match order {
                Order::Greater => "$gt",
                Order::GreaterOrEqual => "$gte",
                Order::Less => "$lt",
                Order::LessOrEqual => "$lte",
            };
            one(name, order, json!(bound))
        }
    }
}

fn one(name: &str, operator: &str, value: Value) -> Value {
    let test = Map::from_iter([(operator.to_owned(), value)]);
    Value::Object(Map::from_iter([(name.to_owned(), Value::Object(test))]))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::filter::Filter;

    fn near(filter: Value) -> Near {
        let filter = Filter::parse(&filter).unwrap().normal();
        Near { vector: vec![0.5, 1.0], count: 7, scopes: vec![String::new()], filter }
    }

    #[test]
    fn a_query_says_scopes_and_filter() {
        let filter = json!({"team": {"$in": ["hr", 1]}, "$not": {"year": {"$gte": 2024}}});

        let query = query(&near(filter)).unwrap();

        expect![[r#"{"include":[],"n_results":7,"query_embeddings":[[0.5,1.0]],"where":{"$and":[{"scopes":{"$in":[""]}},{"$and":[{"$or":[{"t:year":{"$nin":["number"]}},{"n:year":{"$lte":2024.0}}]},{"$or":[{"s:team":{"$in":["hr"]}},{"n:team":{"$in":[1.0]}}]}]}]}}"#]]
            .assert_eq(&query.to_string());
        assert_eq!(super::query(&near(json!({"team": {"$in": []}}))), None);
        let all = super::query(&near(json!({}))).unwrap();
        assert_eq!(all["where"], json!({"scopes": {"$in": [""]}}));
        assert!(!can(&near(json!({"team": {"$contains": "h"}})).filter));
    }

    #[test]
    fn points_have_the_marks_of_their_document_in_flat_form() {
        let metadata = json!({"team": "hr", "year": 2024, "list": [1]});
        let metadata = metadata.as_object().unwrap().clone();
        let marks = Marks { document: 7, scopes: "a.read ".to_owned(), metadata };

        let upsert = upsert(&marks, &[Point { id: ChunkId(9), vector: vec![1.0] }]);

        expect![[r#"{"embeddings":[[1.0]],"ids":["00000000-0000-0000-0000-000000000009"],"metadatas":[{"document":"00000000-0000-0000-0000-000000000007","n:year":2024.0,"s:team":"hr","scopes":"a.read ","t:list":"list","t:team":"string","t:year":"number"}]}"#]]
            .assert_eq(&upsert.to_string());
    }

    #[test]
    fn what_was_found_is_read_or_refused() {
        let answer = json!({"ids": [[uuid_text(1), uuid_text(2)]]});

        assert_eq!(found(&answer), Some(vec![ChunkId(1), ChunkId(2)]));
        assert_eq!(found(&json!({"ids": [["x"]]})), None);
        assert_eq!(found(&json!({"error": "x"})), None);
    }
}
