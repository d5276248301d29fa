//! Who may come in, and what he hears who may not.

use std::fmt::Write;
use std::time::Duration;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::mcp::speak::Session;
use crate::mcp::speak::ask;
use crate::mcp::speak::fixed;
use crate::mcp::speak::message;
use crate::mcp::speak::modern;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute agent.execute";

on_both! {
    async fn the_metadata_of_mcp_tells_how_to_get_in(server: TestServer) {
        let stranger = server.stranger();
        stranger.get("/.well-known/oauth-protected-resource/mcp").await.is(expect![[r#"
            200 application/json
            {
              "authorization_servers": [
                "http://server.test"
              ],
              "bearer_methods_supported": [
                "header"
              ],
              "resource": "http://server.test/mcp",
              "resource_name": "Agent Server by MCP",
              "scopes_supported": [
                "mcp.access",
                "tool.execute",
                "agent.execute",
                "rag.search"
              ]
            }
        "#]]);
        let settings = [("TOKEN_SERVICE_URL", "https://pub.example/agents")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let below = "/.well-known/oauth-protected-resource/agents/mcp";
        let found = server.stranger().get(below).await.json();
        assert_eq!(found["resource"], "https://pub.example/agents/mcp");
        let request = message(&server.stranger(), &json!({})).header("host", "pub.example");
        let refused = server.stranger().send(request).await;
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains(&format!("https://pub.example{below}")), "{challenge}");
    }

    async fn only_tokens_for_mcp_open_it_and_they_open_nothing_else(server: TestServer) {
        let client = server.mcp_client(ALL).await;
        assert_eq!(ask(&client, "tools/list", json!({})).await.status, 200);
        let stranger = server.stranger();
        let refused = ask(&stranger, "tools/list", json!({})).await;
        expect![[r#"Bearer realm="agent-server", scope="mcp.access tool.execute agent.execute rag.search", resource_metadata="http://server.test/.well-known/oauth-protected-resource/mcp""#]]
            .assert_eq(refused.header("www-authenticate").unwrap());
        refused.is(expect![[r#"
            401 application/json
            {
              "error": {
                "code": -32000,
                "message": "this needs an access token"
              },
              "id": null,
              "jsonrpc": "2.0"
            }
        "#]]);

        let admin = server.admin().await;
        let body = json!({"client_name": "CI", "grant_types": ["client_credentials"], "scope": "mcp.access agent.execute"});
        let made = admin.post("/oauth/register", body).await.json();
        let keys = format!("/oauth/clients/{}/keys", made["client_id"].as_str().unwrap());
        let key = admin.post(&keys, json!({"name": "ci", "scope": "agent.execute"})).await.json();
        let key = key["key"].as_str().unwrap();
        let token = client.token().to_owned();
        let (head, signature) = token.rsplit_once('.').unwrap();
        let unsigned = format!("{head}.");
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        for wrong in [admin.token(), key, "garbage", &unsigned, &forged, &head.replace('.', "")] {
            let reply = ask(&stranger.with_token(wrong), "tools/list", json!({})).await;
            let challenge = reply.header("www-authenticate").unwrap();
            assert_eq!(reply.status, 401, "{wrong}");
            assert!(challenge.contains("invalid_token") && challenge.contains("/mcp\""), "{challenge}");
        }
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let basic = message(&stranger, &asked).basic_auth(ADMIN.0, Some(ADMIN.1));
        assert_eq!(stranger.send(basic).await.status, 401);
        let in_query = stranger.request("POST", &format!("/mcp?access_token={token}")).json(&asked);
        assert_eq!(stranger.send(in_query).await.status, 401);
        let twice = modern(&client, "tools/list", json!({})).header("authorization", "Bearer x");
        assert_eq!(client.send(twice).await.status, 400);

        for path in ["/tools", "/runs", "/agents"] {
            assert_eq!(client.get(path).await.status, 401, "{path}");
        }
        let introspected = [("token", token.as_str())];
        let known = stranger.request("POST", "/oauth/introspect").basic_auth(ADMIN.0, Some(ADMIN.1));
        let known = stranger.send(known.form(&introspected)).await.json();
        assert_eq!((&known["active"], &known["aud"]), (&json!(true), &json!("http://server.test/mcp")));
    }

    async fn a_client_that_holds_too_little_is_told_what_to_ask_for(server: TestServer) {
        fixed(&server, "open", json!(1), &[]).await;
        fixed(&server, "secret_plan", json!(2), &["plan.read"]).await;
        let nobody = server.mcp_client("tool.execute").await;
        let refused = ask(&nobody, "tools/list", json!({})).await;
        assert_eq!(refused.status, 403);
        assert!(refused.header("www-authenticate").unwrap().contains(r#"scope="mcp.access""#));

        let body = json!({"client_name": "Shop", "grant_types": ["client_credentials"], "scope": format!("{ALL} plan.read")});
        let made = server.admin().await.post("/oauth/register", body).await.json();
        let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
        let stranger = server.stranger();
        let little = stranger.with_token(&stranger.mcp_token(id, secret, Some("mcp.access tool.execute")).await);
        let listed = result(&little, "tools/list", json!({})).await;
        assert_eq!(names(&listed["tools"]), ["current_time", "open"]);

        let refused = ask(&little, "tools/call", json!({"name": "secret_plan", "arguments": {}})).await;

        expect![[r#"Bearer realm="agent-server", error="insufficient_scope", scope="mcp.access tool.execute plan.read", resource_metadata="http://server.test/.well-known/oauth-protected-resource/mcp""#]]
            .assert_eq(refused.header("www-authenticate").unwrap());
        assert_eq!(refused.status, 403);
        let more = stranger.mcp_token(id, secret, Some("mcp.access tool.execute plan.read")).await;
        let more = stranger.with_token(&more);
        let called = result(&more, "tools/call", json!({"name": "secret_plan", "arguments": {}})).await;
        assert_eq!(called["content"][0]["text"], "2");
        // A session does not remember what another token allowed.
        let session = Session::begin(&more).await;
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "secret_plan"}});
        assert_eq!(session.of(&little).send(&call).await.status, 403);
        assert_eq!(session.send(&call).await.status, 200);
    }

    async fn what_is_no_message_is_refused_as_the_protocol_says(server: TestServer) {
        let client = server.mcp_client(ALL).await;
        let raw = |body: String| message(&client, &json!({})).body(body);
        let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}});
        let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": meta});
        let call = |name: &str| json!({"name": name, "arguments": {}});
        let requests = [
            raw("{".to_owned()),
            raw(String::new()),
            raw("[]".to_owned()),
            raw(json!([list, list]).to_string()),
            raw("\"text\"".to_owned()),
            raw("{}".to_owned()),
            raw(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#.to_owned()),
            raw(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"\u0000"}}"#.to_owned()),
            raw(format!("{}1{}", "[".repeat(200), "]".repeat(200))),
            raw(json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}).to_string()),
            raw("x".repeat(2 << 20)),
            message(&client, &list),
            message(&client, &list).header("mcp-protocol-version", "2025-11-25"),
            message(&client, &list).header("mcp-protocol-version", "2031-01-01"),
            message(&client, &list).header("mcp-protocol-version", "2026-07-28"),
            message(&client, &list).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "ping"),
            modern(&client, "tools/list", json!({"cursor": "forged"})),
            modern(&client, "tools/list", json!({"cursor": ""})),
            modern(&client, "tools/fly", json!({})),
            modern(&client, "ping", json!({})),
            modern(&client, "tools/call", call("nothing")),
            modern(&client, "tools/call", call(&"x".repeat(200))),
            modern(&client, "tools/call", call("current_time")).header("mcp-name", "other"),
            message(&client, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
            client.request("POST", "/mcp").json(&list),
            message(&client, &list).header("content-type", "text/plain"),
            client.request("GET", "/mcp"),
            client.request("GET", "/mcp").header("accept", "text/event-stream"),
            client.request("DELETE", "/mcp"),
            client.request("PUT", "/mcp"),
        ];
        let mut told = String::new();
        for request in requests {
            let reply = client.send(request).await;
            assert_eq!(reply.header("content-type"), Some("application/json"), "{}", reply.text);
            let error = &reply.json()["error"];
            let message = error["message"].as_str().unwrap_or_else(|| panic!("{}", reply.text));
            let short: String = message.chars().take(90).collect();
            let _ = writeln!(told, "{} {} {short}", reply.status, error["code"]);
        }
        expect![[r#"
            400 -32700 the body cannot be read: it ends within an object (line 1, column 1)
            400 -32700 the body is empty, but should be JSON
            400 -32600 a message is an object; several at once are not taken
            400 -32600 a message is an object; several at once are not taken
            400 -32600 a message is an object; several at once are not taken
            400 -32600 fail to deserialize request body unrecognized JSON-RPC message
            400 -32600 the body cannot be read: this member comes twice
            400 -32600 the body cannot be read: text may not hold the character U+0000
            400 -32600 the body cannot be read: objects and lists may be 64 levels deep
            400 -32600 fail to deserialize request body unrecognized JSON-RPC message
            413 -32000 a body may have at most 1048576 bytes
            400 -32020 request _meta protocolVersion requires MCP-Protocol-Version header
            400 -32020 MCP-Protocol-Version header (2025-11-25) does not match request _meta protocolVersion (202
            400 -32020 MCP-Protocol-Version header (2031-01-01) does not match request _meta protocolVersion (202
            400 -32020 missing required Mcp-Method header
            400 -32020 Mcp-Method header `ping` does not match body method `tools/list`
            200 -32602 the cursor is not a cursor of this server
            200 -32602 the cursor is not a cursor of this server
            404 -32601 tools/fly
            404 -32601 ping
            200 -32602 Unknown tool: nothing
            200 -32602 Unknown tool: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            400 -32020 duplicate Mcp-Name header
            400 -32600 Bad Request: Session ID is required
            406 -32000 Not Acceptable: Client must accept both application/json and text/event-stream
            400 -32020 request _meta protocolVersion requires MCP-Protocol-Version header
            406 -32000 Not Acceptable: Client must accept text/event-stream
            400 -32600 Bad Request: Session ID is required
            400 -32600 Bad Request: Session ID is required
            405 -32000 PUT is not possible here; the header `Allow` lists what is
        "#]].assert_eq(&told);
    }

    async fn who_calls_too_often_waits(server: TestServer) {
        let settings = [("MCP_CALLS_PER_MINUTE", "2")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        for name in ["one", "two"] {
            fixed(&server, name, json!(1), &[]).await;
        }
        let (ann, bob) = (server.mcp_client(ALL).await, server.mcp_client(ALL).await);
        let call = async |client: &Client, name: &str| ask(client, "tools/call", json!({"name": name})).await;
        for _ in 0..2 {
            assert_eq!(call(&ann, "one").await.status, 200);
        }

        let refused = call(&ann, "one").await;

        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("30")));
        assert_eq!(refused.json()["error"]["message"], "`one` was called too often; it may be called again in 30 s");
        assert_eq!((call(&ann, "two").await.status, call(&bob, "one").await.status), (200, 200));
        let session = Session::begin(&ann).await;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one"}});
        assert_eq!(session.send(&body).await.status, 429);
        for status in [200, 200, 429] {
            assert_eq!(ask(&ann, "resources/read", json!({"uri": "run://x"})).await.status, status);
        }
        server.app.clock.advance(Duration::from_secs(30));
        assert_eq!((call(&ann, "one").await.status, call(&ann, "one").await.status), (200, 429));
    }

    async fn refusals_of_mcp_are_in_the_audit_trail(server: TestServer) {
        fixed(&server, "plan", json!(2), &["plan.read"]).await;
        let little = server.mcp_client("mcp.access tool.execute").await;
        let nobody = server.mcp_client("tool.execute").await;

        assert_eq!(ask(&little, "tools/call", json!({"name": "plan"})).await.status, 403);
        assert_eq!(ask(&nobody, "tools/list", json!({})).await.status, 403);

        server.app.refusals.write(&server.app.db, &server.app.clock).await.unwrap();
        let entries = server.admin().await.get("/audit?action=access.refused").await.json();
        let told: Vec<_> = entries["data"].as_array().unwrap().iter().map(|it| (&it["target"], &it["after"]["required_scope"])).collect();
        let place = json!("POST /mcp");
        assert_eq!(told.len(), 2, "{entries:#}");
        assert!(told.contains(&(&place, &json!("plan.read"))) && told.contains(&(&place, &json!("mcp.access"))), "{entries:#}");
    }

    async fn what_is_too_large_or_leads_away_is_refused(server: TestServer) {
        let client = server.mcp_client(ALL).await;
        fixed(&server, "one", json!(1), &[]).await;
        // The server may hang up before it has read it all.
        let large = modern(&client, "tools/call", json!({"name": "one", "arguments": {"text": "x".repeat(10 << 20)}}));
        if let Ok(reply) = large.send().await {
            assert_eq!(reply.status(), 413);
        }
        let deep = (0..60).fold(json!({"type": "object"}), |schema, _| json!({"properties": {"a": schema}}));
        let away = json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}});
        for (name, schema) in [("deep", deep), ("away", away), (&*"x".repeat(200), json!({"type": "object"}))] {
            let tool = json!({
                "name": name, "description": "Wrong.", "kind": "static", "input_schema": schema, "config": {"result": 1},
            });
            let reply = server.admin().await.post("/tools/definitions", tool).await;
            assert!([400, 422].contains(&reply.status), "{name}: {} {}", reply.status, reply.text);
        }
        assert_eq!(names(&result(&client, "tools/list", json!({})).await["tools"]), ["current_time", "one"]);
    }

    async fn pages_and_names_of_others_are_kept_out(server: TestServer) {
        let dialect = server.app.db.dialect();
        let settings = [("MCP_ALLOWED_HOSTS", "agents.internal"), ("AGENT_SERVER_CORS_ORIGINS", "https://app.example")];
        let server = TestServer::start_with(dialect, &settings).await;
        let client = server.mcp_client(ALL).await;
        let list = |name: &'static str, value: &'static str| {
            client.send(modern(&client, "tools/list", json!({})).header(name, value))
        };

        for host in ["server.test", "SERVER.test:8080", "localhost:3000", "127.0.0.1", "[::1]:80", "agents.internal"] {
            assert_eq!(list("host", host).await.status, 200, "{host}");
        }
        for host in ["evil.example", "server.test.evil.example", "10.0.0.1", "localhost.evil.example", "a b"] {
            assert_eq!(list("host", host).await.status, 403, "{host}");
        }
        for origin in ["http://server.test", "https://app.example"] {
            assert_eq!(list("origin", origin).await.status, 200, "{origin}");
        }
        for origin in ["https://evil.example", "null", "http://server.test:81", "https://server.test", "http://localhost:3000"] {
            let reply = list("origin", origin).await;
            assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (403, json!(-32000)), "{origin}");
        }
    }
}

pub fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}
