//! What every vector store is held to; also those that others wrote.

pub mod leaks;
pub mod parity;

use std::time::Duration;

use serde_json::Value;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;

/// Every store of vectors was told everything.
pub async fn settled(server: &TestServer) {
    let wait = async {
        while number(server, "SELECT COUNT(*) FROM vector_outbox").await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap();
}

/// The `count` documents of a database are ingested.
pub async fn completed(admin: &Client, database: &str, count: usize) {
    let path = format!("/rag/databases/{database}/documents?status=completed&limit=200");
    let is_done = |page: Value| page["data"].as_array().unwrap().len() == count;
    let wait = async {
        while !is_done(admin.get(&path).await.json()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap();
}
