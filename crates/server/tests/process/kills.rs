//! Kills processes while five hundred documents are ingested, for whichever store.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;

use crate::server;
use crate::server::Server;

pub const KILLS: u64 = 4;
/// Documents that come before each kill, and the passages of each; and short ones, so that there are five hundred.
pub const DOCUMENTS: usize = 12;
pub const PASSAGES: usize = 150;
const SHORT: usize = 113;
pub const PATH: &str = "/rag/databases/handbook";

/// What is there when all is ingested.
pub struct Done {
    pub database: TestDatabase,
    pub servers: Vec<Server>,
    /// Of all documents.
    pub passages: usize,
}

/// Has five hundred documents ingested into a database like `more` by processes that are killed at random, and looks
/// whether each passage is there once.
pub async fn ingest(
    kind: DatabaseKind,
    processes: usize,
    more: Value,
    settings: &[(&str, &str)],
) -> Done {
    let database = server::database(kind).await;
    let model = FakeModel::start().await;
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Server::start_with(database.url(), &model, settings).await);
    }
    let mut new = json!({"name": "handbook", "chunk_size": 40, "chunk_overlap": 0});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(servers[0].post("/rag/databases", new).await.status(), 201);
    let (mut paths, mut short) = (Vec::new(), Vec::new());
    for round in 0..KILLS {
        for document in 0..DOCUMENTS {
            paths.push(put_in(&servers[0], text(&format!("{round}-{document}"))).await);
        }
        for document in 0..SHORT {
            let text = format!("Short {round}-{document} stands alone.");
            short.push(put_in(&servers[0], text).await);
        }
        let chance = RandomState::new().hash_one(round) % 400;
        tokio::time::sleep(Duration::from_millis(chance)).await;
        servers.remove(0).kill().await;
        servers.push(Server::start_with(database.url(), &model, settings).await);
    }

    let server = &servers[0];
    for path in &paths {
        let document = ingested(server, path).await;
        assert_eq!(document["chunk_count"], PASSAGES, "{document:#}");
        let passages = server.list(&format!("{path}/chunks?limit=200")).await;
        let places: Vec<_> = passages.iter().map(|it| it["index"].as_u64().unwrap()).collect();
        assert_eq!(places, (0..PASSAGES as u64).collect::<Vec<_>>());
        let ids: BTreeSet<_> = passages.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), PASSAGES);
    }
    for path in &short {
        assert_eq!(ingested(server, path).await["chunk_count"], 1);
        assert_eq!(server.list(&format!("{path}/chunks")).await.len(), 1);
    }
    let passages = PASSAGES * paths.len() + short.len();
    let state: Value = server.get(PATH).await.json().await.unwrap();
    assert_eq!(state["stats"]["documents"], 500);
    assert_eq!(state["stats"]["chunks"], passages);
    let query = json!({"query": "2-7-149", "mode": "keyword", "top_k": 1});
    let answer: Value = server.post(&format!("{PATH}/search"), query).await.json().await.unwrap();
    assert_eq!(answer["data"][0]["text"], "Line 2-7-149 stands alone.", "{answer:#}");
    Done { database, servers, passages }
}

pub async fn stop(done: Done) {
    for server in done.servers {
        server.stop().await;
    }
}

/// Waits until stores of vectors were told everything.
pub async fn told(url: &str) {
    let told = async { while count(url, "SELECT count(*) FROM vector_outbox").await > 0 {} };
    tokio::time::timeout(Duration::from_mins(2), told).await.unwrap();
}

/// The number that a query gives.
pub async fn count(url: &str, query: &'static str) -> i64 {
    if url.starts_with("sqlite:") {
        let mut shell = SqliteConnection::connect(url).await.unwrap();
        return sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap();
    }
    let mut shell = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
}

/// Uploads a text, and its path.
pub async fn put_in(server: &Server, text: String) -> String {
    let reply = server.post(&format!("{PATH}/documents"), json!({ "text": text })).await;
    assert_eq!(reply.status(), 201);
    reply.headers()["location"].to_str().unwrap().to_owned()
}

/// As many passages as a document is to have.
pub fn text(name: &str) -> String {
    let add = |mut text: String, line| {
        let _ = write!(text, "Line {name}-{line} stands alone.\n\n");
        text
    };
    (0..PASSAGES).fold(String::new(), add)
}

/// The document at `path`, as soon as it is ingested.
pub async fn ingested(server: &Server, path: &str) -> Value {
    let read = async {
        loop {
            let document: Value = server.get(path).await.json().await.unwrap();
            if document["embedding_status"] == "completed" {
                return document;
            }
            assert_ne!(document["embedding_status"], "failed", "{document:#}");
        }
    };
    tokio::time::timeout(Duration::from_mins(2), read).await.unwrap()
}
