//! `kill -9` while documents are ingested: in the end each passage is there exactly once.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;

use crate::server;
use crate::server::Server;

const KILLS: u64 = 4;
/// Documents that come before each kill, and the passages of each; and short ones, so that there are five hundred.
const DOCUMENTS: usize = 12;
const PASSAGES: usize = 150;
const SHORT: usize = 113;
const PATH: &str = "/rag/databases/handbook";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_ingests_each_passage_is_there_once_on_sqlite() {
    kill_while_ingesting(DatabaseKind::Sqlite, 1, "embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_ingests_each_passage_is_there_once_on_postgres() {
    kill_while_ingesting(DatabaseKind::Postgres, 2, "embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_tells_its_store_each_passage_is_there_once() {
    kill_while_ingesting(DatabaseKind::Postgres, 2, "pgvector").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_file_comes_in_nothing_of_it_is_left_on_sqlite() {
    kill_while_uploading(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_file_comes_in_nothing_of_it_is_left_on_postgres() {
    kill_while_uploading(DatabaseKind::Postgres).await;
}

/// Kills a server that has half of a file, and looks at what the next one finds.
async fn kill_while_uploading(kind: DatabaseKind) {
    let database = server::database(kind).await;
    let model = FakeModel::start().await;
    let server = Server::start(database.url(), &model).await;
    assert_eq!(server.post("/rag/databases", json!({"name": "handbook"})).await.status(), 201);
    let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let half = Ok::<_, std::convert::Infallible>(format!("{head}{}", "x".repeat(5 << 20)));
    let body = reqwest::Body::wrap_stream(stream::iter([half]).chain(stream::pending()));
    let upload = server.post_form(&format!("{PATH}/documents"), body);
    let (sent, ()) = tokio::join!(upload, async {
        stored(&database, |pieces| pieces >= 4).await;
        server.kill().await;
    });
    assert!(sent.is_err());
    let again = Server::start(database.url(), &model).await;

    stored(&database, |pieces| pieces == 0).await;
    let documents = again.list(&format!("{PATH}/documents")).await;
    assert_eq!(documents, Vec::<Value>::new());
    again.stop().await;
}

/// Waits until so many pieces of files are stored.
async fn stored(database: &TestDatabase, is_enough: impl Fn(i64) -> bool) {
    let url = database.url();
    let query = "SELECT count(*) FROM rag_files";
    let read = async {
        loop {
            let count: i64 = if url.starts_with("sqlite:") {
                let mut shell = SqliteConnection::connect(url).await.unwrap();
                sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
            } else {
                let mut shell = PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(query).fetch_one(&mut shell).await.unwrap()
            };
            if is_enough(count) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap();
}

async fn kill_while_ingesting(kind: DatabaseKind, processes: usize, store: &str) {
    let database = server::database(kind).await;
    let model = FakeModel::start().await;
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Server::start(database.url(), &model).await);
    }
    let new = json!({"name": "handbook", "chunk_size": 40, "chunk_overlap": 0, "vector_store_type": store});
    assert_eq!(servers[0].post("/rag/databases", new).await.status(), 201);
    let (mut paths, mut short) = (Vec::new(), Vec::new());
    for round in 0..KILLS {
        for document in 0..DOCUMENTS {
            let text = text(&format!("{round}-{document}"));
            let reply = servers[0].post(&format!("{PATH}/documents"), json!({"text": text})).await;
            assert_eq!(reply.status(), 201);
            paths.push(reply.headers()["location"].to_str().unwrap().to_owned());
        }
        for document in 0..SHORT {
            let text = format!("Short {round}-{document} stands alone.");
            let reply = servers[0].post(&format!("{PATH}/documents"), json!({"text": text})).await;
            short.push(reply.headers()["location"].to_str().unwrap().to_owned());
        }
        let chance = RandomState::new().hash_one(round) % 400;
        tokio::time::sleep(Duration::from_millis(chance)).await;
        servers.remove(0).kill().await;
        servers.push(Server::start(database.url(), &model).await);
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
    let state: Value = server.get(PATH).await.json().await.unwrap();
    assert_eq!(state["stats"]["documents"], 500);
    assert_eq!(state["stats"]["chunks"], PASSAGES * paths.len() + short.len());
    let query = json!({"query": "2-7-149", "mode": "keyword", "top_k": 1});
    let answer: Value = server.post(&format!("{PATH}/search"), query).await.json().await.unwrap();
    assert_eq!(answer["data"][0]["text"], "Line 2-7-149 stands alone.", "{answer:#}");
    if store == "pgvector" {
        assert_eq!(points(database.url()).await, PASSAGES * paths.len() + short.len());
    }
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_passages_are_made_anew_the_next_generation_is_whole_on_sqlite() {
    kill_while_made_anew(DatabaseKind::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_passages_are_made_anew_the_next_generation_is_whole_on_postgres() {
    kill_while_made_anew(DatabaseKind::Postgres, 2).await;
}

async fn kill_while_made_anew(kind: DatabaseKind, processes: usize) {
    let database = server::database(kind).await;
    let model = FakeModel::start().await;
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Server::start(database.url(), &model).await);
    }
    let new = json!({"name": "handbook", "chunk_size": 40, "chunk_overlap": 0});
    assert_eq!(servers[0].post("/rag/databases", new).await.status(), 201);
    let mut paths = Vec::new();
    for document in 0..DOCUMENTS {
        let text = text(&format!("0-{document}"));
        let reply = servers[0].post(&format!("{PATH}/documents"), json!({"text": text})).await;
        paths.push(reply.headers()["location"].to_str().unwrap().to_owned());
    }
    for path in &paths {
        ingested(&servers[0], path).await;
    }

    let reply =
        servers[0].put(PATH, json!({"chunk_size": 60, "embedding_model": "openai/e"})).await;
    assert_eq!(reply.status(), 202);
    for round in 0..KILLS {
        let chance = RandomState::new().hash_one(round) % 400;
        tokio::time::sleep(Duration::from_millis(chance)).await;
        servers.remove(0).kill().await;
        servers.push(Server::start(database.url(), &model).await);
    }

    let server = &servers[0];
    let ready = async {
        loop {
            let state: Value = server.get(PATH).await.json().await.unwrap();
            if state["status"] == "ready" {
                return state;
            }
        }
    };
    let state = tokio::time::timeout(Duration::from_mins(2), ready).await.unwrap();
    assert_eq!((&state["generation"], &state["dimension"]), (&json!(2), &json!(16)), "{state:#}");
    assert_eq!(state["stats"]["chunks"], PASSAGES / 2 * DOCUMENTS);
    for path in &paths {
        let passages = server.list(&format!("{path}/chunks?limit=200")).await;
        let places: Vec<_> = passages.iter().map(|it| it["index"].as_u64().unwrap()).collect();
        assert_eq!(places, (0..PASSAGES as u64 / 2).collect::<Vec<_>>());
    }
    let query = json!({"query": "0-7-149", "mode": "keyword", "top_k": 1});
    let answer: Value = server.post(&format!("{PATH}/search"), query).await.json().await.unwrap();
    assert!(answer["data"][0]["text"].as_str().unwrap().contains("Line 0-7-149"), "{answer:#}");
    for server in servers {
        server.stop().await;
    }
}

/// How many points the store of the only database has, when it was told everything.
async fn points(url: &str) -> usize {
    let mut shell = PgConnection::connect(url).await.unwrap();
    let told = async {
        let waiting = "SELECT COUNT(*) FROM vector_outbox";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut shell).await.unwrap() > 0 {}
    };
    tokio::time::timeout(Duration::from_mins(2), told).await.unwrap();
    let table = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'agent_server_vectors'";
    let table: String = sqlx::query_scalar(table).fetch_one(&mut shell).await.unwrap();
    let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let count: i64 = sqlx::query_scalar(count).fetch_one(&mut shell).await.unwrap();
    usize::try_from(count).unwrap()
}

/// As many passages as a document is to have.
fn text(name: &str) -> String {
    let add = |mut text: String, line| {
        let _ = write!(text, "Line {name}-{line} stands alone.\n\n");
        text
    };
    (0..PASSAGES).fold(String::new(), add)
}

/// The document at `path`, as soon as it is ingested.
async fn ingested(server: &Server, path: &str) -> Value {
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
