//! Vector stores that others wrote, held to the same suites as our own.
//!
//! Run by `make test-stores`, which brings them.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test should fail loudly")]

#[path = "../api/harness/mod.rs"]
#[macro_use]
#[expect(dead_code, unused_imports, unused_macros, reason = "it is for all tests of the API")]
mod harness;

#[path = "../process/kills.rs"]
#[expect(dead_code, reason = "it is for tests of the process, too")]
mod kills;

#[path = "../process/server.rs"]
#[expect(dead_code, reason = "it is for tests of the process, too")]
mod server;

#[path = "../api/rag/suite/mod.rs"]
mod suite;

use std::env;

use agent_server::db::Dialect;
use serde_json::Value;
use serde_json::json;
use testkit::database::DatabaseKind;

use harness::Client;
use harness::TestServer;
use suite::completed;
use suite::leaks::leaks;
use suite::parity::parity;
use suite::settled;

/// Where a Chroma is.
fn chroma() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let url = env::var("TEST_CHROMA_URL");
    url.expect("TEST_CHROMA_URL is not set: run `make test-stores`")
}

async fn start(dialect: Dialect) -> TestServer {
    TestServer::start_with(dialect, &[("AGENT_SERVER_EGRESS_ALLOW", &chroma())]).await
}

/// The ids of all tests count alike: each has a beginning of its own for the names of its collections.
fn in_chroma(collection: &str) -> Value {
    json!({
        "vector_store_type": "chroma",
        "vector_store_config": {"url": chroma(), "collection": collection},
    })
}

/// What Chroma answers to a request about collections.
async fn ask(method: &str, path: &str) -> Value {
    let base = format!("{}/api/v2/tenants/default_tenant/databases/default_database", chroma());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.request(method.parse().unwrap(), format!("{base}/{path}"));
    request.send().await.unwrap().json().await.unwrap()
}

/// The id that Chroma has for the collection of a server's database.
async fn collection_of(server: &TestServer, prefix: &str) -> Option<String> {
    collection_for(&server.admin().await.get("/rag/databases/handbook").await.json(), prefix).await
}

/// The id that Chroma has for the collection of a database.
async fn collection_for(state: &Value, prefix: &str) -> Option<String> {
    let id: uuid::Uuid = state["id"].as_str().unwrap().parse().unwrap();
    let collection = retrieval::Collection {
        tenant: "default".to_owned(),
        database: id.as_u128(),
        generation: state["generation"].as_i64().unwrap(),
        dimension: 384,
    };
    let name = format!("{prefix}-{}", collection.name());
    let all = ask("GET", "collections?limit=1000").await;
    let all = all.as_array().unwrap().iter();
    let mut found = all.filter(|it| it["name"] == name);
    found.next().map(|it| it["id"].as_str().unwrap().to_owned())
}

async fn names(caller: &Client, body: Value) -> Vec<String> {
    let answer = caller.post("/rag/databases/handbook/search", body).await.json();
    let hits = answer["data"].as_array().unwrap().iter();
    hits.map(|hit| hit["citation"]["filename"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chroma_is_searched_as_every_store() {
    let server = start(Dialect::Sqlite).await;

    assert!(parity(&server, in_chroma("parity")).await >= 100);

    let id = collection_of(&server, "parity").await.unwrap();
    let count = ask("GET", &format!("collections/{id}/count")).await;
    let rows = "SELECT COUNT(*) FROM rag_chunks c JOIN rag_databases d ON d.id = c.rag_database_id
        WHERE d.name = 'handbook'";
    assert_eq!(count, json!(harness::number(&server, rows).await));
    let tested = server.admin().await.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!(
        (&tested["ok"], &tested["capabilities"]),
        (&json!(true), &json!(["filter", "keyword", "hybrid"]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_searches_of_chroma_find_what_a_naive_model_finds() {
    let server = start(Dialect::Postgres).await;

    leaks(&server, in_chroma("leaks"), 3, 120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_tells_chroma_each_passage_is_there_once() {
    let (url, store) = (chroma(), in_chroma("kills"));
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", url.as_str())];
    let done = kills::ingest(DatabaseKind::Sqlite, 1, store, &settings).await;

    kills::told(done.database.url()).await;
    let state: Value = done.servers[0].get(kills::PATH).await.json().await.unwrap();
    let id = collection_for(&state, "kills").await.unwrap();
    let count = ask("GET", &format!("collections/{id}/count")).await;
    assert_eq!(count, json!(done.passages));
    kills::stop(done).await;
}

/// It is away while documents are ingested, is lost later, and goes with its database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chroma_that_was_away_or_lost_is_filled_and_none_is_left_behind() {
    let server = start(Dialect::Sqlite).await;
    let admin = server.admin().await;
    let away = json!({"name": "handbook", "vector_store_type": "chroma",
        "vector_store_config": {"url": "http://127.0.0.1:1"}});
    assert_eq!(admin.post("/rag/databases", away).await.status, 201);
    for number in 0..3 {
        let body =
            json!({"filename": format!("{number}.txt"), "text": format!("Leave number {number}.")});
        assert_eq!(admin.post("/rag/databases/handbook/documents", body).await.status, 201);
    }
    completed(&admin, "handbook", 3).await;
    let query = json!({"query": "leave", "mode": "vector"});
    assert_eq!(names(&admin, query.clone()).await.len(), 3);
    let tested = admin.post("/rag/databases/handbook/test", json!({})).await.json();
    assert_eq!(tested["ok"], false, "{tested}");

    let moved = admin.put("/rag/databases/handbook", in_chroma("away")).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    harness::in_sql(&server, "DELETE FROM vector_outbox WHERE gone IS NOT NULL").await;
    settled(&server).await;
    let id = collection_of(&server, "away").await.unwrap();
    assert_eq!(ask("GET", &format!("collections/{id}/count")).await, json!(3));

    let name = ask("GET", "collections?limit=1000").await;
    let name = name.as_array().unwrap().iter().find(|it| it["id"] == *id).unwrap()["name"].clone();
    ask("DELETE", &format!("collections/{}", name.as_str().unwrap())).await;
    assert_eq!(names(&admin, query.clone()).await.len(), 3);
    settled(&server).await;
    let id = collection_of(&server, "away").await.unwrap();
    assert_eq!(ask("GET", &format!("collections/{id}/count")).await, json!(3));
    assert_eq!(names(&admin, query).await.len(), 3);

    assert_eq!(admin.delete("/rag/databases/handbook").await.status, 204);
    settled(&server).await;
    let all = ask("GET", "collections?limit=1000").await;
    assert!(!all.as_array().unwrap().iter().any(|it| it["name"] == name), "{all}");
}
