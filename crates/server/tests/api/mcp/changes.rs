//! Clients hear of changes.

use serde_json::json;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;
use crate::mcp::speak::Session;
use crate::mcp::speak::create;
use crate::mcp::speak::fixed;
use crate::mcp::speak::modern;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute";

/// Reads a stream until it says `text`.
async fn heard(stream: &mut reqwest::Response, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("the end: {seen}"));
        seen += std::str::from_utf8(&chunk).unwrap();
    }
    seen
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

    async fn who_has_subscribed_hears_of_that_resource_on_every_process(server: TestServer) {
        let note = json!({"mcp": {"as": "resource", "uri": "note://one"}});
        let tool = json!({
            "name": "note", "description": "A note.", "kind": "static", "input_schema": {"type": "object"},
            "config": {"result": "a"}, "metadata": note,
        });
        create(&server, tool).await;
        let client = server.mcp_client(ALL).await;
        let called = result(&client, "tools/call", json!({"name": "current_time"})).await;
        let (_app, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.with_token(client.token());
        let session = Session::begin(&client).await;
        let mut of_session = session.bare("GET").send().await.unwrap();
        let there = session.of(&elsewhere);

        // Asked for at another process than the one that tells.
        for uri in ["note://one", "note://one", "agent://nobody"] {
            let told = there.ask("resources/subscribe", json!({"uri": uri})).await;
            assert_eq!(told["error"]["code"].is_null(), uri == "note://one", "{told}");
        }
        let run = format!("run://{}", called["_meta"]["agent-server/run_id"].as_str().unwrap());
        assert!(there.ask("resources/subscribe", json!({"uri": run})).await["error"].is_null());
        let filter = json!({"notifications": {"resourceSubscriptions": ["note://one"]}});
        let mut listening = modern(&client, "subscriptions/listen", filter).send().await.unwrap();
        heard(&mut listening, "notifications/subscriptions/acknowledged").await;
        let admin = server.admin().await;
        let change = async |result: &str| {
            let path = "/tools/definitions/note";
            let etag = admin.get(path).await.header("etag").unwrap().to_owned();
            let request = admin.request("PUT", path).header("if-match", etag);
            let reply = admin.send(request.json(&json!({"config": {"result": result}}))).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        };
        change("b").await;
        for stream in [&mut of_session, &mut listening] {
            let told = heard(stream, "notifications/resources/updated").await;
            assert!(told.contains("note://one"), "{told}");
        }
        // Of another's run one hears nothing.
        let other = Session::begin(&server.mcp_client(ALL).await).await;
        let told = other.ask("resources/subscribe", json!({"uri": run})).await;
        assert_eq!((&told["error"]["code"], &told["error"]["data"]["uri"]), (&json!(-32002), &json!(run)));
        assert!(there.ask("resources/unsubscribe", json!({"uri": "note://one"})).await["error"].is_null());
        assert_eq!(number(&server, "SELECT COUNT(*) FROM mcp_subscriptions").await, 1);
        client.send(session.bare("DELETE")).await;
        assert_eq!(number(&server, "SELECT COUNT(*) FROM mcp_subscriptions").await, 0);
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
            _ = heard(&mut one, "too many") => {}
            _ = heard(&mut another, "too many") => {}
        }
        let other = server.mcp_client(ALL).await;
        drop(listen(&other).await);
    }
}
