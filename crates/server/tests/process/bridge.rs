//! `agent-server mcp`, between a program and a server that runs.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::model::FakeModel;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::server;
use crate::server::PROGRAM;
use crate::server::SECRET;
use crate::server::Server;

/// What is answered to `messages`, after which nothing more comes.
async fn say(server: &Server, messages: &[Value]) -> Vec<Value> {
    let mut bridge = Command::new(PROGRAM)
        .args(["mcp", "--url", server.base()])
        .env_clear()
        .env("MANAGEMENT_CLIENT_SECRET", SECRET)
        .env("AGENT_SERVER_DATA_DIR", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = bridge.stdin.take().unwrap();
    for message in messages {
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    drop(input);
    let output = tokio::time::timeout(Duration::from_mins(1), bridge.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_of_any_revision_speaks_through_the_bridge() {
    let model = FakeModel::start().await;
    let database = server::database(DatabaseKind::Sqlite).await;
    let server = Server::start(database.url(), &model).await;
    let client = json!({"name": "test", "version": "1"});
    let begin = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": client,
        "io.modelcontextprotocol/clientCapabilities": {},
    });

    let former = say(
        &server,
        &[
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": begin}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
        ],
    )
    .await;
    // Who listens as long as he is there is gone when nothing more comes from him.
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta});
    let modern = say(
        &server,
        &[
            json!({"jsonrpc": "2.0", "id": "changes", "method": "subscriptions/listen", "params": listen}),
            json!({"jsonrpc": "2.0", "id": 0, "method": "tools/list", "params": {"_meta": meta}}),
        ],
    )
    .await;
    let modern: Vec<Value> = modern.into_iter().filter(|it| it["id"] == 0).collect();

    let ids = |said: &[Value]| said.iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&former), [0, 1], "{former:?}");
    assert_eq!(former[0]["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(ids(&modern), [0], "{modern:?}");
    for said in [&former[1], &modern[0]] {
        assert_eq!(said["result"]["tools"][0]["name"], "current_time", "{said}");
    }
}
