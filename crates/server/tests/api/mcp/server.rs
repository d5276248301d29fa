//! `/mcp/server`.

use std::time::Duration;

use expect_test::expect;
use serde_json::json;
use tokio::time::timeout;

use crate::harness::Client;
use crate::harness::in_sql;
use crate::mcp::door::names;
use crate::mcp::speak::Session;
use crate::mcp::speak::ask;
use crate::mcp::speak::fixed;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute agent.execute rag.search";

/// Waits until this is all that `client` may call.
async fn until(client: &Client, expected: &str) {
    let shown = async { while listed(client).await != expected {} };
    let shown = timeout(Duration::from_mins(1), shown).await;
    shown.unwrap_or_else(|_| panic!("never {expected}"));
}

async fn listed(client: &Client) -> String {
    names(&result(client, "tools/list", json!({})).await["tools"]).join(" ")
}

on_both! {
    async fn the_server_says_what_it_shows_and_how(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;

        admin.get("/mcp/server").await.is(expect![[r#"
            200 application/json
            {
              "capabilities": [
                "tools",
                "prompts",
                "resources",
                "completions"
              ],
              "description": "",
              "endpoints": {
                "http": "/mcp",
                "sse": "/mcp/sse"
              },
              "expose": {
                "agents": [
                  "*"
                ],
                "rag_databases": [],
                "tools": [
                  "*"
                ],
                "workflows": [
                  "*"
                ]
              },
              "instructions": "",
              "name": "agent-server",
              "protocol_versions": [
                "2026-07-28",
                "2025-11-25",
                "2025-06-18",
                "2025-03-26",
                "2024-11-05"
              ],
              "resources": {
                "agents": 1,
                "rag_databases": 0,
                "tools": 1,
                "workflows": 0
              },
              "sessions": {
                "limit": 1000,
                "open": 0
              },
              "updated_at": null,
              "version": "0.1.0"
            }
        "#]]);

        let change = json!({"name": "shop", "description": "A shop.", "instructions": "Ask before you buy.",
            "expose": {"agents": ["sup*"], "tools": ["current_time"]}});
        let changed = admin.post("/mcp/server", change.clone()).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(changed.json()["expose"]["rag_databases"], json!([]));
        assert_eq!(admin.post("/mcp/server", change).await.text, changed.text);
        let client = server.mcp_client(ALL).await;
        let found = result(&client, "server/discover", json!({})).await;
        assert_eq!(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "shop");
        assert_eq!(found["instructions"], "Ask before you buy.");
        Session::begin(&client).await;
        let shown = admin.post("/mcp/server", json!({"name": null})).await.json();
        assert_eq!((&shown["name"], &shown["description"]), (&json!("agent-server"), &json!("A shop.")));
        assert_eq!(shown["sessions"], json!({"open": 1, "limit": 1000}));

        let wrong = json!({"name": "", "expose": {"agents": ["a b"], "tols": []}, "port": 1});
        admin.post("/mcp/server", wrong).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "3 members are not valid",
              "errors": [
                {
                  "code": "unknown_member",
                  "detail": "there is no such member; did you mean `tools`?",
                  "pointer": "/expose/tols"
                },
                {
                  "code": "too_short",
                  "detail": "must not be empty",
                  "pointer": "/name"
                },
                {
                  "code": "unknown_member",
                  "detail": "there is no such member",
                  "pointer": "/port"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        admin.post("/mcp/server", json!({"expose": {"agents": ["a b"]}})).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "bad_format",
                  "detail": "a name, or the beginning of one with `*` behind",
                  "pointer": "/expose/agents/0"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
    }

    async fn only_what_is_shown_is_there(server: TestServer) {
        server.agent("support").await;
        fixed(&server, "open", json!(1), &[]).await;
        fixed(&server, "inner", json!(2), &[]).await;
        let admin = server.admin().await;
        admin.post("/rag/databases", json!({"name": "handbook"})).await;
        let client = server.mcp_client(ALL).await;
        assert_eq!(listed(&client).await, "ask_support current_time inner open");

        let expose = json!({"agents": [], "tools": ["OPEN"], "rag_databases": ["*"]});
        admin.post("/mcp/server", json!({"expose": expose})).await;

        assert_eq!(listed(&client).await, "open search_handbook");
        for name in ["inner", "ask_support"] {
            let reply = ask(&client, "tools/call", json!({"name": name, "arguments": {"input": "Hi"}})).await;
            assert_eq!(reply.json()["error"]["code"], -32602, "{name}: {}", reply.text);
        }
        let found = result(&client, "tools/call", json!({"name": "search_handbook", "arguments": {"query": "refund"}})).await;
        assert_eq!(found["isError"], false, "{found}");
        let little = server.mcp_client("mcp.access tool.execute").await;
        assert_eq!(listed(&little).await, "open");
        let refused = ask(&little, "tools/call", json!({"name": "search_handbook", "arguments": {"query": "x"}})).await;
        assert!(refused.header("www-authenticate").unwrap().contains("rag.search"));

        // A row that was written by hand counts on every process within a second, and one that cannot be read shows nothing.
        let (_app, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.with_token(client.token());
        assert_eq!(listed(&elsewhere).await, "open search_handbook");
        in_sql(&server, "UPDATE mcp_servers SET expose = '{\"tools\": [\"inner\"]}'").await;
        for client in [&client, &elsewhere] {
            until(client, "ask_support inner").await;
        }
        in_sql(&server, "UPDATE mcp_servers SET expose = '[7]'").await;
        until(&client, "").await;
    }
}
