//! Databases of documents: made, filled, asked, and gone without a trace.

mod agents;
mod databases;
mod documents;
mod embedders;
mod generations;
mod large;
mod links;
mod many;
mod rerank;
mod search;
mod stores;
pub mod suite;
mod tools;
mod watching;

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::harness::Client;

/// Creates the database `handbook`, with `more` members.
async fn handbook(admin: &Client, more: Value) -> Value {
    let mut body = json!({"name": "handbook"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = admin.post("/rag/databases", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

/// Uploads a text, and its path.
async fn upload(admin: &Client, filename: &str, text: &str, more: Value) -> String {
    let mut body = json!({"filename": filename, "text": text});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = admin.post("/rag/databases/handbook/documents", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.header("location").unwrap().to_owned()
}

/// The document at `path`, as soon as its ingestion is over.
async fn ingested(client: &Client, path: &str) -> Value {
    let read = async {
        loop {
            let document = client.get(path).await.json();
            let status = document["embedding_status"].as_str().unwrap();
            // One that is to be tried again waits for a clock that stands still.
            if ["completed", "failed"].contains(&status) || !document["error_message"].is_null() {
                return document;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.unwrap()
}

/// A text of so many lines.
fn lines(count: usize) -> String {
    let add = |mut text: String, line| {
        let _ = writeln!(text, "Line {line} of many.");
        text
    };
    (0..count).fold(String::new(), add)
}

/// Uploads a text, waits until it is ingested, and gives its path.
async fn put_in(admin: &Client, filename: &str, text: &str, more: Value) -> String {
    let path = upload(admin, filename, text, more).await;
    let document = ingested(admin, &path).await;
    assert_eq!(document["embedding_status"], "completed", "{document:#}");
    path
}

/// Searches `handbook`.
async fn search(client: &Client, body: Value) -> Value {
    let answer = client.post("/rag/databases/handbook/search", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The names of the documents that a search finds, in its order.
async fn names(client: &Client, body: Value) -> Vec<String> {
    let answer = search(client, body).await;
    let hits = answer["data"].as_array().unwrap().iter();
    hits.map(|hit| hit["citation"]["filename"].as_str().unwrap().to_owned()).collect()
}
