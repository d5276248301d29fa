//! Searching several databases at once.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::handbook;
use super::put_in;
use super::suite::completed;
use crate::harness::Client;

const TEXTS: [&str; 6] = [
    "Parental leave lasts fourteen months and is paid in part.",
    "Salaries are paid at the end of each month.",
    "The leave of a tree is called a leaf; leave it.",
    "育児休業は子どもが一歳になるまで取得できます。",
    "Nothing of interest.",
    "Paid, paid, and paid again: this text is about what is paid.",
];

/// Creates a database with some of the texts.
async fn fill(admin: &Client, name: &str, numbers: &[usize]) {
    let made = admin.post("/rag/databases", json!({"name": name})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for number in numbers {
        let body = json!({"filename": format!("{number}.txt"), "text": TEXTS[*number]});
        let made = admin.post(&format!("/rag/databases/{name}/documents"), body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    completed(admin, name, numbers.len()).await;
}

fn shown(answer: &Value) -> Vec<String> {
    let hits = answer["data"].as_array().unwrap().iter();
    hits.map(|hit| format!("{} {} {}", hit["citation"]["filename"], hit["score"], hit["scores"]))
        .collect()
}

on_both! {
    async fn several_databases_are_searched_as_if_they_were_one(server: TestServer) {
        let admin = server.admin().await;
        fill(&admin, "one", &[0, 3, 4]).await;
        fill(&admin, "two", &[1, 2, 5]).await;
        fill(&admin, "all", &[0, 1, 2, 3, 4, 5]).await;

        for query in ["paid leave", "一歳", "months of leave", "nothing"] {
            // What has nothing in common with the query is in no order of its own: it is left out, or does not count.
            for (mode, top_k, min_score) in [("vector", 6, 0.01), ("keyword", 6, 0.0), ("hybrid", 1, 0.0)] {
                let body = json!({"query": query, "mode": mode, "top_k": top_k, "min_score": min_score});
                let mut several = body.clone();
                several["databases"] = json!(["one", "TWO", "two"]);
                let several = admin.post("/rag/search", several).await.json();
                let alone = admin.post("/rag/databases/all/search", body).await.json();
                if mode == "hybrid" {
                    // Two that change places in the two rankings are as good as each other.
                    assert_eq!(several["data"][0]["score"], alone["data"][0]["score"], "{query}");
                } else {
                    assert_eq!(shown(&several), shown(&alone), "{query} {mode}");
                }
                assert_eq!((&several["generation"], &several["warnings"]), (&Value::Null, &json!([])));
                let databases = several["data"].as_array().unwrap().iter().map(|hit| &hit["citation"]["database"]);
                assert!(databases.into_iter().all(|it| *it == "one" || *it == "two"));
            }
        }
        let diverse = json!({"databases": ["one", "two"], "query": "paid", "diversity": 1.0, "top_k": 6});
        assert_eq!(admin.post("/rag/search", diverse).await.json()["data"].as_array().unwrap().len(), 6);
    }

    async fn a_database_that_cannot_be_searched_is_a_warning_unless_it_is_the_only_one(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "a.txt", "Leave is paid.", json!({})).await;
        admin.post("/rag/databases", json!({"name": "off", "is_active": false})).await;
        admin.post("/rag/databases", json!({"name": "board", "scopes": ["board.read"]})).await;
        let ask = async |caller: &Client, databases: Value| {
            caller.post("/rag/search", json!({"databases": databases, "query": "leave"})).await
        };

        let some = ask(&admin, json!(["off", "handbook"])).await.json();
        let none = ask(&admin, json!(["off"])).await;
        let unknown = ask(&admin, json!(["handbook", "nowhere"])).await;
        let hidden = ask(&server.client("rag.search").await, json!(["handbook", "board"])).await;
        let empty = ask(&admin, json!([])).await;

        assert_eq!(some["data"][0]["citation"]["filename"], "a.txt");
        expect![[r#"["`off` was not searched: the database `off` cannot be used as it is defined"]"#]]
            .assert_eq(&some["warnings"].to_string());
        assert_eq!((none.status, &none.json()["type"]), (422, &json!("/problems/rag-database-invalid")));
        for refused in [unknown, hidden] {
            assert_eq!((refused.status, &refused.json()["type"]), (404, &json!("/problems/rag-database-not-found")));
        }
        assert_eq!((empty.status, &empty.json()["errors"][0]["pointer"]), (422, &json!("/databases")));
    }
}
