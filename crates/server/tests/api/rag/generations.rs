//! Generations: made aside, searched when they are whole, and the one before gone for good.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::handbook;
use super::ingested;
use super::lines;
use super::names;
use super::put_in;
use super::search;
use super::upload;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

pub const PATH: &str = "/rag/databases/handbook";

/// The database, as soon as it is as `is_so` says.
pub async fn database(client: &Client, is_so: impl Fn(&Value) -> bool) -> Value {
    let read = async {
        loop {
            let database = client.get(PATH).await.json();
            if is_so(&database) {
                return database;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap()
}

/// The database, as soon as this generation of it is searched.
pub async fn generation(client: &Client, number: i64) -> Value {
    database(client, |it| it["generation"] == number && it["status"] == "ready").await
}

/// Waits until there are only so many rows of passages.
pub async fn left(server: &TestServer, count: i64) {
    server.app.clock.advance(Duration::from_mins(2));
    let gone = async {
        while number(server, "SELECT count(*) FROM rag_chunks").await != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
}

on_both! {
    async fn the_next_generation_takes_over_when_it_is_whole_and_the_last_goes(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 40, "chunk_overlap": 0})).await;
        for name in ["a.txt", "b.txt", "c.txt"] {
            put_in(&admin, name, &format!("{name}\n\n{}", lines(60)), json!({})).await;
        }
        let (_replica, other) = server.replica().await;
        let query = json!({"query": "line 7", "mode": "keyword", "top_k": 1});
        assert_eq!(search(&other, query.clone()).await["generation"], 1);

        let changed = admin.put(PATH, json!({"chunk_size": 400})).await;
        let ready = generation(&admin, 2).await;

        assert_eq!((changed.status, &changed.json()["status"]), (202, &json!("reindexing")));
        assert_eq!(changed.json()["reindex"]["generation"], 2);
        assert_eq!((&ready["reindex"], &ready["last_error"]), (&Value::Null, &Value::Null));
        let chunks = ready["stats"]["chunks"].as_i64().unwrap();
        assert!(chunks < 60, "{chunks}");
        for client in [&admin, &other] {
            let found = search(client, query.clone()).await;
            assert_eq!(found["generation"], 2);
            assert!(found["data"][0]["text"].as_str().unwrap().len() > 40);
        }
        left(&server, chunks).await;
        assert_eq!(names(&other, json!({"query": "many", "top_k": 100})).await.len(), usize::try_from(chunks).unwrap());
    }

    async fn a_reindex_makes_all_anew_and_is_asked_for_by_who_may(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        let chunk = |page: Value| page["data"][0]["id"].clone();
        let before = chunk(admin.get(&format!("{path}/chunks")).await.json());

        let asked = admin.post(&format!("{PATH}/reindex"), json!({})).await;
        generation(&admin, 2).await;

        assert_eq!(asked.status, 202, "{}", asked.text);
        assert_ne!(chunk(admin.get(&format!("{path}/chunks")).await.json()), before);
        assert_eq!(names(&admin, json!({"query": "leave"})).await, ["a.txt"]);
        left(&server, 1).await;
        let reader = server.client("rag.read rag.search").await;
        let refused = reader.post(&format!("{PATH}/reindex"), json!({})).await;
        assert_eq!((refused.status, &refused.json()["required_scope"]), (403, &json!("rag.write")));
    }

    async fn a_document_that_fails_holds_no_generation_up(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        put_in(&admin, "b.txt", "Pay comes monthly.", json!({})).await;
        in_sql(&server, "DELETE FROM rag_files WHERE document_id =
            (SELECT id FROM rag_documents WHERE filename = 'a.txt')").await;

        admin.post(&format!("{PATH}/reindex"), json!({})).await;
        generation(&admin, 2).await;

        assert_eq!(names(&admin, json!({"query": "leave pay"})).await, ["b.txt"]);
        let failed = admin.get(&path).await.json();
        assert_eq!((&failed["embedding_status"], &failed["error_message"]), (&json!("failed"), &json!("the file is empty")));
        admin.put(&path, json!({"text": "Leave lasts longer.", "filename": "a.txt"})).await;
        ingested(&admin, &path).await;
        assert_eq!(names(&admin, json!({"query": "longer leave", "top_k": 1})).await, ["a.txt"]);
    }

    async fn a_generation_without_documents_is_not_searched_and_may_be_given_up(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        in_sql(&server, "DELETE FROM rag_files").await;

        admin.put(PATH, json!({"chunk_size": 500})).await;
        let stuck = database(&admin, |it| it["reindex"]["failed"] == 1).await;
        let found = names(&admin, json!({"query": "leave"})).await;
        let back = admin.put(PATH, json!({"chunk_size": 1000})).await;
        let ready = generation(&admin, 1).await;

        assert_eq!((&stuck["generation"], &stuck["status"]), (&json!(1), &json!("reindexing")));
        assert_eq!(stuck["last_error"], "the file is empty");
        assert_eq!(stuck["reindex"], json!({"generation": 2, "done": 0, "failed": 1, "total": 1}));
        assert_eq!((found, back.status), (vec!["a.txt".to_owned()], 200));
        assert_eq!((&ready["last_error"], &ready["stats"]["chunks"]), (&Value::Null, &json!(1)));
        assert_eq!(names(&admin, json!({"query": "leave"})).await, ["a.txt"]);
    }

    async fn a_database_without_documents_is_of_the_next_generation_at_once(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        admin.delete(&path).await;

        admin.put(PATH, json!({"chunk_size": 10, "chunk_overlap": 0})).await;
        generation(&admin, 2).await;

        let path = upload(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        assert_eq!(ingested(&admin, &path).await["chunk_count"], 3);
        left(&server, 3).await;
    }
}
