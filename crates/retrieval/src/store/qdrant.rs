//! What Qdrant is told and asked, as its REST API has it, without sending it.
//!
//! It follows the published API of version 1.10 and later, and was not tried against a server.

use serde_json::Value;
use serde_json::json;

use super::Collection;
use super::Marks;
use super::Near;
use super::Point;
use super::flat::DOCUMENT;
use super::flat::Flat;
use super::flat::Numbers;
use super::flat::SCOPES;
use super::flat::condition;
use super::flat::flat_filter;
use super::flat::marked;
use super::uuid_number;
use super::uuid_text;
use crate::filter::Normal;
use crate::filter::Order;
use crate::search::ChunkId;

/// A collection that is searched by the cosine.
pub fn collection(collection: &Collection) -> Value {
    json!({"vectors": {"size": collection.dimension, "distance": "Cosine"}})
}

/// The indexes of payloads that every query has use for.
pub fn indexes() -> [Value; 2] {
    [DOCUMENT, SCOPES].map(|field| json!({"field_name": field, "field_schema": "keyword"}))
}

pub fn upsert(marks: &Marks, points: &[Point]) -> Value {
    let payload = marked(marks);
    let point = |point: &Point| json!({"id": uuid_text(point.id.0), "vector": point.vector, "payload": payload});
    json!({"points": points.iter().map(point).collect::<Vec<_>>()})
}

pub fn delete(document: u128) -> Value {
    json!({"filter": {"must": [one_of(DOCUMENT, &[json!(uuid_text(document))])]}})
}

/// Whether a query can say what `filter` means. A name with quotation marks or brackets is no part of a path.
pub fn can(filter: &Normal) -> bool {
    flat_filter(filter)
        .is_some_and(|flat| names(&flat).all(|name| !name.contains(['"', '[', ']', '\\'])))
}

pub fn query(near: &Near) -> Option<Value> {
    Some(json!({
        "query": near.vector,
        "limit": near.count,
        "filter": {"must": [filter_of(&condition(near, Numbers::Exact)?)]},
        "with_payload": false,
        "with_vector": false,
    }))
}

/// What a query found.
pub fn found(answer: &Value) -> Option<Vec<ChunkId>> {
    let points = answer["result"]["points"].as_array()?.iter();
    points.map(|point| uuid_number(point["id"].as_str()?).map(ChunkId)).collect()
}

fn names(filter: &Flat) -> Box<dyn Iterator<Item = &str> + '_> {
    match filter {
        Flat::All(filters) | Flat::Any(filters) => Box::new(filters.iter().flat_map(names)),
        Flat::In(name, _) | Flat::NotIn(name, _) | Flat::Compare(name, ..) => {
            Box::new(std::iter::once(name.as_str()))
        }
    }
}

fn filter_of(filter: &Flat) -> Value {
    let each = |filters: &[Flat]| filters.iter().map(filter_of).collect::<Vec<_>>();
    match filter {
        Flat::All(filters) => json!({"must": each(filters)}),
        Flat::Any(filters) => json!({"should": each(filters)}),
        Flat::In(name, values) => one_of(name, values),
        Flat::NotIn(name, values) => json!({"must_not": [one_of(name, values)]}),
        Flat::Compare(name, order, bound) => {
            let order = match order {
                Order::Greater => "gt",
                Order::GreaterOrEqual => "gte",
                Order::Less => "lt",
                Order::LessOrEqual => "lte",
            };
            json!({"key": path(name), "range": {order: bound}})
        }
    }
}

/// A name is quoted, so that a dot in it is a part of it.
fn path(name: &str) -> String {
    format!("\"{name}\"")
}

/// Words and truth values are matched; numbers are doubles, of which only ranges are asked.
fn one_of(name: &str, values: &[Value]) -> Value {
    let key = path(name);
    let each = values.iter().map(|value| match value.as_f64() {
        Some(number) => json!({"key": key, "range": {"gte": number, "lte": number}}),
        None => json!({"key": key, "match": {"value": value}}),
    });
    json!({"should": each.collect::<Vec<_>>()})
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
        let filter = json!({"team": {"$in": ["hr", 1]}, "$not": {"a.b": {"$gte": 2024}}});

        let query = query(&near(filter)).unwrap();

        expect![[r#"{"filter":{"must":[{"must":[{"should":[{"key":"\"scopes\"","match":{"value":""}}]},{"must":[{"should":[{"must_not":[{"should":[{"key":"\"t:a.b\"","match":{"value":"number"}}]}]},{"key":"\"n:a.b\"","range":{"lt":2024.0}}]},{"should":[{"should":[{"key":"\"s:team\"","match":{"value":"hr"}}]},{"should":[{"key":"\"n:team\"","range":{"gte":1.0,"lte":1.0}}]}]}]}]}]},"limit":7,"query":[0.5,1.0],"with_payload":false,"with_vector":false}"#]].assert_eq(&query.to_string());
    }

    #[test]
    fn what_no_path_can_name_is_not_asked() {
        for (filter, can) in [
            (json!({"a b": 1}), true),
            (json!({"a\"b": 1}), false),
            (json!({"a": {"$contains": "x"}}), false),
            (json!({"$or": [{"a": 1}, {"b[]": 1}]}), false),
        ] {
            assert_eq!(super::can(&near(filter.clone()).filter), can, "{filter}");
        }
    }

    #[test]
    fn what_was_found_is_read_or_refused() {
        let answer =
            json!({"result": {"points": [{"id": uuid_text(1), "score": 0.5}]}, "status": "ok"});

        assert_eq!(found(&answer), Some(vec![ChunkId(1)]));
        assert_eq!(found(&json!({"result": {"points": [{"id": 7}]}})), None);
        assert_eq!(found(&json!({"status": {"error": "x"}})), None);
    }
}
