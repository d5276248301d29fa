//! Sessions, and whose they are.

use expect_test::expect;
use serde_json::json;

use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;
use crate::mcp::speak::Session;
use crate::mcp::speak::fixed;
use crate::mcp::speak::message;
use crate::mcp::speak::modern;

const ALL: &str = "mcp.access tool.execute";

on_both! {
    async fn a_session_is_there_for_whoever_began_it_and_for_nobody_else(server: TestServer) {
        let (ann, bob) = (server.mcp_client(ALL).await, server.mcp_client(ALL).await);
        let session = Session::begin(&ann).await;
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});

        let stolen = session.of(&bob);

        stolen.send(&list).await.is(expect![[r#"
            404 application/json
            {
              "error": {
                "code": -32000,
                "message": "there is no such session"
              },
              "id": null,
              "jsonrpc": "2.0"
            }
        "#]]);
        for method in ["GET", "DELETE"] {
            assert_eq!(bob.send(stolen.bare(method)).await.status, 404, "{method}");
        }
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        assert_eq!(stolen.send(&cancel).await.status, 404);
        assert_eq!(session.send(&list).await.status, 200);
        // Where there are no sessions, an id of one is nothing.
        let request = modern(&bob, "tools/list", json!({})).header("mcp-session-id", &session.id);
        assert_eq!(bob.send(request).await.status, 200);

        assert_eq!(ann.send(session.bare("DELETE")).await.status, 204);
        assert_eq!(session.send(&list).await.status, 404);
        assert_eq!(ann.send(session.bare("DELETE")).await.status, 404);
        let unknown = Session { client: ann.clone(), id: "x".repeat(5000) };
        assert_eq!(unknown.send(&list).await.status, 404);
        assert_eq!(number(&server, "SELECT COUNT(*) FROM mcp_sessions").await, 0);
    }

    async fn any_process_goes_on_with_a_session(server: TestServer) {
        fixed(&server, "one", json!(1), &[]).await;
        let client = server.mcp_client(ALL).await;
        let session = Session::begin(&client).await;
        let (_app, elsewhere) = server.replica().await;
        let other = session.of(&elsewhere.with_token(client.token()));

        let called = other.ask("tools/call", json!({"name": "one"})).await;

        assert_eq!(called["result"]["content"][0]["text"], "1");
        let bob = server.mcp_client(ALL).await;
        let stolen = session.of(&elsewhere.with_token(bob.token()));
        assert_eq!(stolen.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await.status, 404);
        // One that was ended there is not there here.
        assert_eq!(other.client.send(other.bare("DELETE")).await.status, 204);
        assert_eq!(session.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await.status, 404);
    }

    async fn a_process_forgets_sessions_that_it_can_make_again(server: TestServer) {
        let settings = [("MCP_SESSIONS_MAX", "2")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let remembered = || format!("{:?}", server.app.mcp);
        let (ann, bob) = (server.mcp_client(ALL).await, server.mcp_client(ALL).await);
        let (first, second) = (Session::begin(&ann).await, Session::begin(&bob).await);
        assert!(remembered().contains("sessions: Some(2)"), "{}", remembered());
        in_sql(&server, "DELETE FROM mcp_sessions WHERE id <> (SELECT min(id) FROM mcp_sessions)").await;
        let third = Session::begin(&ann).await;
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});

        assert!(remembered().contains("sessions: Some(2)"), "{}", remembered());
        assert_eq!(third.send(&ping).await.status, 200);
        let row = number(&server, "SELECT COUNT(*) FROM mcp_sessions").await;
        // One that is forgotten goes on as long as its row is there.
        let is_there = first.send(&ping).await.status == 200;
        assert_eq!((row, is_there || second.send(&ping).await.status == 200), (2, true));
        assert!(remembered().contains("sessions: Some(2)"), "{}", remembered());
    }

    async fn sessions_are_bounded_for_each_and_for_all(server: TestServer) {
        let settings = [("MCP_SESSIONS_PER_CALLER", "2"), ("MCP_SESSIONS_MAX", "3")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let (ann, bob) = (server.mcp_client(ALL).await, server.mcp_client(ALL).await);
        let first = Session::begin(&ann).await;
        in_sql(&server, "UPDATE mcp_sessions SET seen_at = '2026-11-25T09:00:00.000000Z'").await;
        let second = Session::begin(&ann).await;
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});

        // Of one's own the one that was seen least lately makes room.
        let third = Session::begin(&ann).await;

        assert_eq!(first.send(&ping).await.status, 404);
        assert_eq!((second.send(&ping).await.status, third.send(&ping).await.status), (200, 200));
        let other = Session::begin(&bob).await;
        let carl = server.mcp_client(ALL).await;
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let refused = carl.send(message(&carl, &initialize)).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
        assert_eq!(other.send(&ping).await.status, 200);
        // What was not seen for a day is over.
        in_sql(&server, "UPDATE mcp_sessions SET seen_at = '2026-11-24T10:00:00.000000Z'").await;
        assert_eq!(other.send(&ping).await.status, 404);
    }
}
