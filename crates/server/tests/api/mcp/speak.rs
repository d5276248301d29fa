//! Clients of both eras of the protocol, by hand.

use reqwest::RequestBuilder;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

pub const MODERN: &str = "2026-07-28";

/// A request of the revision without sessions, with all the headers that it needs.
pub fn modern(client: &Client, method: &str, params: Value) -> RequestBuilder {
    modern_of(client, method, params, &json!({}))
}

/// The same of a client that can do more.
pub fn modern_of(
    client: &Client,
    method: &str,
    mut params: Value,
    capabilities: &Value,
) -> RequestBuilder {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    let given = params["_meta"].take();
    params["_meta"] = meta;
    if let Value::Object(given) = given {
        params["_meta"].as_object_mut().unwrap().extend(given);
    }
    let mut request =
        message(client, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
    if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
        request = request.header("mcp-name", name);
    }
    request
}

/// A message without headers of any revision.
pub fn message(client: &Client, body: &Value) -> RequestBuilder {
    client
        .request("POST", "/mcp")
        .header("accept", "application/json, text/event-stream")
        .json(body)
}

/// Asks in the revision without sessions.
pub async fn ask(client: &Client, method: &str, params: Value) -> Reply {
    client.send(modern(client, method, params)).await
}

/// What is answered to a request that is not refused.
pub async fn result(client: &Client, method: &str, params: Value) -> Value {
    let reply = ask(client, method, params).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut answers = messages(&reply);
    let answer = answers.pop().unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// The messages of an answer, which is JSON or a stream.
pub fn messages(reply: &Reply) -> Vec<Value> {
    if reply.header("content-type") == Some("application/json") {
        return vec![reply.json()];
    }
    let data = reply.text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

/// A session of one of the revisions that have such.
pub struct Session {
    pub client: Client,
    pub id: String,
}

impl Session {
    pub async fn begin(client: &Client) -> Self {
        Self::with(client, &json!({})).await
    }

    pub async fn with(client: &Client, capabilities: &Value) -> Self {
        let initialize = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": capabilities,
                "clientInfo": {"name": "test", "version": "1"},
            },
        });
        let reply = client.send(message(client, &initialize)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(messages(&reply)[0]["result"]["protocolVersion"], "2025-11-25");
        let id = reply.header("mcp-session-id").unwrap().to_owned();
        let session = Self { client: client.clone(), id };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.send(&initialized).await.status, 202);
        session
    }

    /// The same session in the hands of somebody else, or at another process.
    pub fn of(&self, client: &Client) -> Self {
        Self { client: client.clone(), id: self.id.clone() }
    }

    pub fn message(&self, body: &Value) -> RequestBuilder {
        message(&self.client, body)
            .header("mcp-session-id", &self.id)
            .header("mcp-protocol-version", "2025-11-25")
    }

    pub async fn send(&self, body: &Value) -> Reply {
        self.client.send(self.message(body)).await
    }

    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let reply = self
            .send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        messages(&reply).pop().unwrap()
    }

    /// A request without a body: `GET` listens, `DELETE` ends.
    pub fn bare(&self, method: &str) -> RequestBuilder {
        let request = self.client.request(method, "/mcp").header("accept", "text/event-stream");
        request.header("mcp-session-id", &self.id).header("mcp-protocol-version", "2025-11-25")
    }
}

/// A tool that always gives `result`.
pub async fn fixed(server: &TestServer, name: &str, result: Value, scopes: &[&str]) {
    let tool = json!({
        "name": name, "description": "Always the same.", "kind": "static", "scopes": scopes,
        "input_schema": {"type": "object"}, "config": {"result": result},
    });
    create(server, tool).await;
}

pub async fn create(server: &TestServer, tool: Value) {
    let reply = server.admin().await.post("/tools/definitions", tool).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}
