//! `kill -9` while documents are ingested: in the end each passage is there exactly once.

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
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;

use crate::kills;
use crate::kills::DOCUMENTS;
use crate::kills::KILLS;
use crate::kills::PASSAGES;
use crate::kills::PATH;
use crate::kills::count;
use crate::kills::ingest;
use crate::kills::ingested;
use crate::kills::stop;
use crate::kills::text;
use crate::kills::told;
use crate::server;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_ingests_each_passage_is_there_once_on_sqlite() {
    stop(ingest(DatabaseKind::Sqlite, 1, json!({}), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_ingests_each_passage_is_there_once_on_postgres() {
    stop(ingest(DatabaseKind::Postgres, 2, json!({}), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_tells_its_store_each_passage_is_there_once() {
    let store = json!({"vector_store_type": "pgvector"});
    let done = ingest(DatabaseKind::Postgres, 2, store, &[]).await;

    assert_eq!(points(done.database.url()).await, done.passages);
    stop(done).await;
}

/// As a file does that takes more memory than there is: the system kills the process that reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_worker_is_killed_fails_alone_and_says_why() {
    let database = server::database(DatabaseKind::Sqlite).await;
    let model = FakeModel::start().await;
    let server = Server::start(database.url(), &model).await;
    assert_eq!(server.post("/rag/databases", json!({"name": "handbook"})).await.status(), 201);
    let large = "Leave lasts long. ".repeat(800_000);
    let large = kills::put_in(&server, large).await;

    let killed = async {
        loop {
            let document: Value = server.get(&large).await.json().await.unwrap();
            match document["embedding_status"].as_str().unwrap() {
                "processing" => server.kill_busy_children(),
                "failed" => return document,
                status => assert_eq!(status, "pending", "it was not killed in time"),
            }
        }
    };
    let failed = tokio::time::timeout(Duration::from_mins(2), killed).await.unwrap();
    let small = kills::put_in(&server, "Pay comes monthly.".to_owned()).await;

    let reason = failed["error_message"].as_str().unwrap();
    assert!(reason.starts_with("reading the file brought its process down"), "{reason}");
    assert_eq!(ingested(&server, &small).await["chunk_count"], 1);
    server.stop().await;
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
    let read = async {
        while !is_enough(count(database.url(), "SELECT count(*) FROM rag_files").await) {}
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap();
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
    told(url).await;
    let mut shell = PgConnection::connect(url).await.unwrap();
    let table = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'agent_server_vectors'";
    let table: String = sqlx::query_scalar(table).fetch_one(&mut shell).await.unwrap();
    let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let count: i64 = sqlx::query_scalar(count).fetch_one(&mut shell).await.unwrap();
    usize::try_from(count).unwrap()
}
