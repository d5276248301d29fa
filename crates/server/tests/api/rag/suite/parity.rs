//! What every vector store does alike: one suite for all, compared with what filters and scopes mean, and with what the
//! store of the rows themselves finds.

use std::collections::BTreeSet;

use retrieval::Filter;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::completed;
use super::settled;
use crate::harness::Client;
use crate::harness::TestServer;

/// The documents: a name, a text, metadata, scopes.
fn documents() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    let none: &[&str] = &[];
    let board: &[&str] = &["board.read"];
    vec![
        (
            "leave.txt",
            "Parental leave lasts fourteen months and is paid in part.",
            json!({"team": "hr", "year": 2024, "tags": ["law", "family"], "draft": false}),
            none,
        ),
        (
            "pay.txt",
            "Salaries are paid at the end of each month.",
            json!({"team": "hr", "year": 2025.5, "tags": []}),
            none,
        ),
        (
            "board.txt",
            "The board is paid by the hour.",
            json!({"team": "board", "year": 2025, "draft": true}),
            board,
        ),
        (
            "both.txt",
            "Bonuses of the board are paid late.",
            json!({"team": "Board", "year": 1999, "tags": "law"}),
            &["hr.read", "board.read"],
        ),
        (
            "ja.txt",
            "育児休業は子どもが一歳になるまで取得できます。",
            json!({"team": "人事", "year": "2024", "note": null}),
            none,
        ),
        (
            "th.txt",
            "การลาคลอดบุตรมีระยะเวลาเก้าสิบแปดวัน",
            json!({"team": "ทีม", "size": -1, "nested": {"a": 1}}),
            none,
        ),
        ("he.txt", "חופשת לידה נמשכת חמישה עשר שבועות", json!({"team": "צוות", "size": 0}), none),
        (
            "ops.txt",
            "Type \"NEAR(a b)\" AND -x* into the field; ' OR 1=1 -- is text, too.",
            json!({"team": "o'ps\" -- $x", "size": 0.1, "a.b": 1, "$odd": true}),
            none,
        ),
        ("empty.txt", "This one says nothing of itself.", json!({}), none),
        (
            "large.txt",
            "Large numbers are numbers.",
            json!({"size": 9_007_199_254_740_991_i64, "team": ""}),
            none,
        ),
        (
            "mixed.txt",
            "A list of many things is paid attention to.",
            json!({"tags": [1, "1", true, null, "family law"], "year": true}),
            none,
        ),
        ("space.txt", "Spaces are part of names.", json!({" team ": "hr", "team": " hr"}), none),
    ]
}

fn filters() -> Vec<Value> {
    vec![
        json!({}),
        json!({"team": "hr"}),
        json!({"team": "HR"}),
        json!({"team": ""}),
        json!({"team": " hr"}),
        json!({" team ": "hr"}),
        json!({"team": "人事"}),
        json!({"team": "ทีม"}),
        json!({"team": "צוות"}),
        json!({"team": "o'ps\" -- $x"}),
        json!({"team": null}),
        json!({"note": null}),
        json!({"note": {"$ne": null}}),
        json!({"team": {"$ne": "hr"}}),
        json!({"team": {"$in": ["hr", "board", 1, null]}}),
        json!({"team": {"$nin": ["hr", "board"]}}),
        json!({"team": {"$in": []}}),
        json!({"team": {"$nin": []}}),
        json!({"team": {"$exists": true}}),
        json!({"team": {"$exists": false}}),
        json!({"note": {"$exists": true}}),
        json!({"note": {"$exists": false}}),
        json!({"nested": {"$exists": true}}),
        json!({"year": 2024}),
        json!({"year": 2024.0}),
        json!({"year": "2024"}),
        json!({"year": 2025.5}),
        json!({"year": true}),
        json!({"year": {"$ne": 2024}}),
        json!({"year": {"$gt": 2024}}),
        json!({"year": {"$gte": 2024}}),
        json!({"year": {"$lt": 2025}}),
        json!({"year": {"$lte": 2025}}),
        json!({"year": {"$gte": 2024, "$lt": 2025.5}}),
        json!({"year": {"$gt": "2000"}}),
        json!({"year": {"$lt": "3"}}),
        json!({"year": {"$in": [2024, 2025, "2024", true]}}),
        json!({"year": {"$nin": [2024, 2025]}}),
        json!({"year": {"$not": {"$gte": 2000}}}),
        json!({"year": {"$not": {"$eq": 2024}}}),
        json!({"size": {"$lt": 0}}),
        json!({"size": {"$gte": -1}}),
        json!({"size": {"$lte": 0}}),
        json!({"size": 0}),
        json!({"size": 0.1}),
        json!({"size": {"$gt": 0, "$lt": 1}}),
        json!({"size": {"$gt": 9_007_199_254_740_990_i64}}),
        json!({"size": 9_007_199_254_740_991_i64}),
        json!({"team": {"$gt": "hr"}}),
        json!({"team": {"$gte": "hr"}}),
        json!({"team": {"$lt": "board"}}),
        json!({"team": {"$lte": "Board"}}),
        json!({"team": {"$gt": "z"}}),
        json!({"tags": {"$contains": "law"}}),
        json!({"tags": {"$contains": "family law"}}),
        json!({"tags": {"$contains": 1}}),
        json!({"tags": {"$contains": "1"}}),
        json!({"tags": {"$contains": null}}),
        json!({"tags": {"$contains": true}}),
        json!({"tags": {"$not": {"$contains": "law"}}}),
        json!({"team": {"$contains": "oar"}}),
        json!({"team": {"$contains": ""}}),
        json!({"team": {"$contains": "%"}}),
        json!({"tags": "law"}),
        json!({"draft": true}),
        json!({"draft": false}),
        json!({"draft": {"$ne": true}}),
        json!({"draft": {"$in": [true, false]}}),
        json!({"a.b": 1}),
        json!({"a": {"$exists": true}}),
        json!({"nested": {"$ne": 1}}),
        json!({"team": "hr", "year": {"$lt": 2025}}),
        json!({"$and": [{"team": "hr"}, {"year": {"$gt": 2024}}]}),
        json!({"$or": [{"team": "hr"}, {"size": {"$lt": 0}}, {"draft": true}]}),
        json!({"$not": {"team": "hr"}}),
        json!({"$not": {"$or": [{"team": "hr"}, {"team": {"$exists": false}}]}}),
        json!({"$not": {"$and": [{"team": "hr"}, {"year": 2024}]}}),
        json!({"$or": [{"$and": [{"team": "hr"}, {"$not": {"tags": {"$contains": "law"}}}]}, {"year": {"$lte": 1999}}]}),
    ]
}

const QUERIES: [&str; 12] = [
    "paid",
    "parental leave",
    "育児休業",
    "一歳",
    "ลาคลอด",
    "לידה",
    "NEAR(a b) AND -x*",
    "' OR 1=1 --",
    "%",
    "\"",
    "numbers",
    "👩‍👩‍👧",
];

/// Runs the suite on a server whose database `handbook` is in the store that `store` names. Says how much it compared.
pub async fn parity(server: &TestServer, store: Value) -> usize {
    let admin = server.admin().await;
    for (name, store) in [("handbook", store), ("beside", json!({}))] {
        let mut body = json!({"name": name});
        body.as_object_mut().unwrap().extend(store.as_object().unwrap().clone());
        let made = admin.post("/rag/databases", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        for (filename, text, metadata, scopes) in documents() {
            let body =
                json!({"filename": filename, "text": text, "metadata": metadata, "scopes": scopes});
            let made = admin.post(&format!("/rag/databases/{name}/documents"), body).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        completed(&admin, name, documents().len()).await;
    }
    settled(server).await;
    let state = admin.get("/rag/databases/handbook").await.json();
    assert_eq!((&state["status"], &state["last_error"]), (&json!("ready"), &Value::Null));
    let mut compared = filters_are_exact(server).await;
    compared += answers_are_those_of_the_rows(server).await;
    compared + changes_count_at_once(server, &admin).await
}

async fn found(caller: &Client, database: &str, body: &Value) -> Vec<Value> {
    let answer = caller.post(&format!("/rag/databases/{database}/search"), body.clone()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    let answer = answer.json();
    // That a filter can find nothing is said, and is no fault of a store.
    let mut warnings = answer["warnings"].as_array().unwrap().iter();
    let is_of_filter = |it: &Value| it.as_str().unwrap().starts_with("the filter: ");
    assert!(warnings.all(is_of_filter), "{body}: {}", answer["warnings"]);
    answer["data"].as_array().unwrap().clone()
}

async fn names(caller: &Client, database: &str, body: &Value) -> BTreeSet<String> {
    let hits = found(caller, database, body).await;
    hits.iter().map(|hit| hit["citation"]["filename"].as_str().unwrap().to_owned()).collect()
}

/// Each filter, for who may see little, more and all: the documents are those that the filter means.
async fn filters_are_exact(server: &TestServer) -> usize {
    let callers = [
        (server.client("rag.search").await, &[][..]),
        (server.client("rag.search board.read").await, &["board.read"][..]),
        (server.client("rag.search board.read hr.read").await, &["board.read", "hr.read"][..]),
    ];
    let mut compared = 0;
    for filter in filters() {
        let means = Filter::parse(&filter).unwrap();
        for (caller, held) in &callers {
            let visible = |metadata: &Map<String, Value>, scopes: &[&str]| {
                means.matches(metadata) && scopes.iter().all(|scope| held.contains(scope))
            };
            let expected: BTreeSet<String> = documents()
                .into_iter()
                .filter(|(_, _, metadata, scopes)| visible(metadata.as_object().unwrap(), scopes))
                .map(|(name, ..)| name.to_owned())
                .collect();
            let body = json!({"query": "paid", "mode": "vector", "top_k": 100, "filter": filter});
            assert_eq!(names(caller, "handbook", &body).await, expected, "{filter} {held:?}");
            compared += 1;
        }
    }
    compared
}

/// Each query in each mode finds the same passages with the same scores as in the rows.
async fn answers_are_those_of_the_rows(server: &TestServer) -> usize {
    let caller = server.client("rag.search board.read").await;
    let mut compared = 0;
    for query in QUERIES {
        for mode in ["vector", "keyword", "hybrid"] {
            let body = json!({"query": query, "mode": mode, "top_k": 100});
            let shown = |hits: Vec<Value>| {
                let shown = hits.iter().map(|hit| {
                    format!(
                        "{} {} {}",
                        hit["scores"], hit["citation"]["filename"], hit["highlights"]
                    )
                });
                shown.collect::<BTreeSet<_>>()
            };
            let own = shown(found(&caller, "handbook", &body).await);
            assert_eq!(own, shown(found(&caller, "beside", &body).await), "{body}");
            compared += 1;
        }
    }
    compared
}

/// What is changed counts when that is answered, and still when the store was told.
async fn changes_count_at_once(server: &TestServer, admin: &Client) -> usize {
    let caller = server.client("rag.search").await;
    let page = admin.get("/rag/databases/handbook/documents?limit=100").await.json();
    let path_of = |name: &str| {
        let all = page["data"].as_array().unwrap();
        let it = all.iter().find(|it| it["filename"] == name).unwrap();
        format!("/rag/databases/handbook/documents/{}", it["id"].as_str().unwrap())
    };
    let vector =
        |filter: Value| json!({"query": "paid", "mode": "vector", "top_k": 100, "filter": filter});
    let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    let mut compared = 0;
    let mut both = async |body: Value, expected: &[&str]| {
        assert_eq!(names(&caller, "handbook", &body).await, set(expected), "at once: {body}");
        settled(server).await;
        assert_eq!(names(&caller, "handbook", &body).await, set(expected), "told: {body}");
        compared += 2;
    };
    admin.put(&path_of("pay.txt"), json!({"metadata": {"team": "pay"}})).await;
    both(vector(json!({"team": "pay"})), &["pay.txt"]).await;
    both(vector(json!({"team": "hr"})), &["leave.txt"]).await;
    admin.put(&path_of("pay.txt"), json!({"scopes": ["board.read"]})).await;
    both(vector(json!({"team": "pay"})), &[]).await;
    admin.put(&path_of("board.txt"), json!({"scopes": []})).await;
    both(vector(json!({"team": "board"})), &["board.txt"]).await;
    admin.delete(&path_of("leave.txt")).await;
    both(vector(json!({"team": "hr"})), &[]).await;
    let again =
        json!({"filename": "leave.txt", "text": "Leave is paid.", "metadata": {"team": "hr"}});
    admin.post("/rag/databases/handbook/documents", again).await;
    completed(admin, "handbook", documents().len()).await;
    both(vector(json!({"team": "hr"})), &["leave.txt"]).await;
    compared
}
