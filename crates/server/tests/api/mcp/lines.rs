//! HTTP with SSE, as revision 2024-11-05 has it, and messages that come to another process.

use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::number;
use crate::mcp::speak::Session;
use crate::mcp::speak::create;
use crate::mcp::speak::fixed;
use crate::mcp::speak::modern;

const ALL: &str = "mcp.access tool.execute";

/// An open line, and where messages go.
struct Line {
    stream: reqwest::Response,
    seen: String,
    place: String,
}

impl Line {
    async fn open(client: &Client) -> Self {
        let request = client.request("GET", "/mcp/sse").header("accept", "text/event-stream");
        let stream = request.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut line = Self { stream, seen: String::new(), place: String::new() };
        line.place = line.hear("event: endpoint\ndata: ", "\n\n").await;
        line
    }

    /// Reads until what stands between these two is there, and gives it; it is not heard again.
    async fn hear(&mut self, begin: &str, end: &str) -> String {
        loop {
            let found = self.seen.find(begin).and_then(|at| {
                let from = at + begin.len();
                self.seen[from..].find(end).map(|to| (from, from + to))
            });
            if let Some((from, to)) = found {
                let text = self.seen[from..to].to_owned();
                self.seen.drain(..to);
                return text;
            }
            let chunk = self.stream.chunk().await.unwrap();
            let chunk = chunk.unwrap_or_else(|| panic!("the end: {}", self.seen));
            self.seen += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next message.
    async fn message(&mut self) -> Value {
        serde_json::from_str(&self.hear("event: message\ndata: ", "\n\n").await).unwrap()
    }

    /// The answer to the request `id`, whatever comes before it.
    async fn answer(&mut self, id: u32) -> Value {
        loop {
            let message = self.message().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn send(&self, client: &Client, body: &Value) -> Reply {
        client.send(client.request("POST", &self.place).json(body)).await
    }

    /// Begins, as a client with forms, by messages that `client` sends.
    async fn initialize(&mut self, client: &Client) {
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2024-11-05", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "test", "version": "1"}}});
        assert_eq!(self.send(client, &begin).await.status, 202);
        assert_eq!(self.answer(0).await["result"]["protocolVersion"], "2024-11-05");
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.send(client, &ready).await.status, 202);
    }
}

fn call(id: u32, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": {}}})
}

/// A tool that asks who is there.
async fn asker(server: &TestServer) {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let tool = json!({
        "name": "asker", "description": "Asks.", "kind": "template", "config": {"template": "Hello {{ input.who.name }}"},
        "input_schema": {"type": "object", "properties": {"who": schema}, "required": ["who"]},
        "metadata": {"mcp": {"asks": [{"who": {"elicit": {"message": "Who?"}}}]}},
    });
    create(server, tool).await;
}

/// A script that goes on until it is stopped.
async fn endless(server: &TestServer) {
    let tool = json!({
        "name": "endless", "description": "Goes on.", "kind": "javascript", "effect": "read", "config": {},
        "execute_code": "ctx.progress(1); await new Promise(() => setInterval(() => {}, 1000))",
        "input_schema": {"type": "object"},
    });
    create(server, tool).await;
}

fn ann(question: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Ann"}}})
}

on_both! {
    async fn clients_of_http_with_sse_are_served(server: TestServer) {
        fixed(&server, "one", json!(1), &[]).await;
        asker(&server).await;
        let client = server.mcp_client(ALL).await;
        let mut line = Line::open(&client).await;
        line.initialize(&client).await;

        line.send(&client, &call(1, "one")).await;
        assert_eq!(line.answer(1).await["result"]["content"][0]["text"], "1");
        line.send(&client, &call(2, "asker")).await;
        let question = loop {
            let message = line.message().await;
            if message["method"] == "elicitation/create" {
                break message;
            }
        };
        line.send(&client, &ann(&question)).await;
        assert_eq!(line.answer(2).await["result"]["content"][0]["text"], "Hello Ann");

        assert_eq!(line.send(&client, &json!({"jsonrpc": "2.0"})).await.status, 202);
        line.hear("this is no message of JSON-RPC", "}").await;
        assert_eq!(line.send(&client, &json!([])).await.status, 400);
        fixed(&server, "two", json!(2), &[]).await;
        line.hear("notifications/tools/list_changed", "}").await;
        drop(line);
        while number(&server, "SELECT COUNT(*) FROM mcp_sessions").await > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn a_line_is_there_for_whoever_opened_it_and_for_nobody_else(server: TestServer) {
        fixed(&server, "plan", json!(2), &["plan.read"]).await;
        let (client, other) = (server.mcp_client(ALL).await, server.mcp_client(ALL).await);
        let mut line = Line::open(&client).await;
        line.initialize(&client).await;
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});

        assert_eq!(line.send(&other, &list).await.status, 404);

        assert_eq!(line.send(&server.stranger(), &list).await.status, 401);
        assert_eq!(server.stranger().get("/mcp/sse").await.status, 401);
        for place in ["/mcp/messages", "/mcp/messages?sessionId=x"] {
            assert_eq!(client.send(client.request("POST", place).json(&list)).await.status, 404, "{place}");
        }
        let refused = line.send(&client, &call(1, "plan")).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!(-32000)));
        let strange = client.request("GET", "/mcp/sse").header("host", "evil.example");
        assert_eq!(client.send(strange).await.status, 403);
        // A session of the one kind is none of the other.
        let session = Session::begin(&client).await;
        let place = format!("/mcp/messages?sessionId={}", session.id);
        for _ in 0..100 {
            assert_eq!(client.send(client.request("POST", &place).json(&list)).await.status, 202);
        }
        let full = client.send(client.request("POST", &place).json(&list)).await;
        assert_eq!((full.status, full.header("retry-after")), (429, Some("1")));
    }

    async fn messages_find_their_line_from_every_process(server: TestServer) {
        fixed(&server, "one", json!(1), &[]).await;
        asker(&server).await;
        let client = server.mcp_client(ALL).await;
        let (_app, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.with_token(client.token());
        let mut line = Line::open(&client).await;

        line.initialize(&elsewhere).await;
        line.send(&elsewhere, &call(1, "one")).await;

        assert_eq!(line.answer(1).await["result"]["content"][0]["text"], "1");
        line.send(&elsewhere, &call(2, "asker")).await;
        let question = loop {
            let message = line.message().await;
            if message["method"] == "elicitation/create" {
                break message;
            }
        };
        line.send(&elsewhere, &ann(&question)).await;
        assert_eq!(line.answer(2).await["result"]["content"][0]["text"], "Hello Ann");
        while number(&server, "SELECT COUNT(*) FROM mcp_inbox").await > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn answers_and_ends_find_their_call_from_every_process(server: TestServer) {
        asker(&server).await;
        endless(&server).await;
        let client = server.mcp_client(ALL).await;
        let (_app, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.with_token(client.token());
        let session = Session::with(&client, &json!({"elicitation": {}})).await;
        let there = session.of(&elsewhere);
        let stream = session.message(&call(8, "asker")).send().await.unwrap();
        let mut line = Line { stream, seen: String::new(), place: String::new() };
        let question = line.message().await;

        assert_eq!(there.send(&ann(&question)).await.status, 202);

        line.hear("Hello Ann", "}").await;
        let mut endless = call(9, "endless");
        endless["params"]["_meta"] = json!({"progressToken": 9});
        let stream = session.message(&endless).send().await.unwrap();
        let mut line = Line { stream, seen: String::new(), place: String::new() };
        line.hear("notifications/progress", "}").await;
        let cancel = |id: u32| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        assert_eq!(there.send(&cancel(9)).await.status, 202);
        let admin = server.admin().await;
        loop {
            let runs = admin.get("/runs?status=canceled").await.json();
            if runs["data"].as_array().unwrap().len() == 1 {
                break;
            }
        }
        // Without sessions nothing of the kind is taken.
        let stray = modern(&client, "notifications/cancelled", json!({"requestId": 9}));
        assert!(client.send(stray).await.status >= 400);
    }
}
