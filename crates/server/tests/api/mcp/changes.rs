//! Clients hear of changes.

use serde_json::json;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::mcp::speak::Session;
use crate::mcp::speak::fixed;
use crate::mcp::speak::modern;

const ALL: &str = "mcp.access tool.execute";

/// Reads a stream until it says `text`.
async fn heard(stream: &mut reqwest::Response, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("the end: {seen}"));
        seen += std::str::from_utf8(&chunk).unwrap();
    }
}

async fn listen(client: &Client) -> reqwest::Response {
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut stream = modern(client, "subscriptions/listen", filter).send().await.unwrap();
    heard(&mut stream, "notifications/subscriptions/acknowledged").await;
    stream
}

on_both! {
    async fn who_listens_hears_of_changes_on_every_process(server: TestServer) {
        let client = server.mcp_client(ALL).await;
        let (_app, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.with_token(client.token());
        let session = Session::begin(&client).await;
        let mut of_session = session.bare("GET").send().await.unwrap();
        let (mut here, mut there) = (listen(&client).await, listen(&elsewhere).await);

        fixed(&server, "one", json!(1), &[]).await;

        for stream in [&mut of_session, &mut here, &mut there] {
            heard(stream, "notifications/tools/list_changed").await;
        }
        server.admin().await.delete("/tools/definitions/one").await;
        for stream in [&mut of_session, &mut here, &mut there] {
            heard(stream, "notifications/tools/list_changed").await;
        }
    }

    async fn nobody_listens_with_too_many_ears(server: TestServer) {
        let settings = [("MCP_SESSIONS_PER_CALLER", "1")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let client = server.mcp_client(ALL).await;
        let filter = json!({"notifications": {"toolsListChanged": true}});
        let listen_too = || modern(&client, "subscriptions/listen", filter.clone()).send();

        let (mut one, mut another) = (listen_too().await.unwrap(), listen_too().await.unwrap());

        // Which of them was there first, nobody knows who is not the server.
        tokio::select! {
            () = heard(&mut one, "too many") => {}
            () = heard(&mut another, "too many") => {}
        }
        let other = server.mcp_client(ALL).await;
        drop(listen(&other).await);
    }
}
