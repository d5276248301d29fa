//! Who may call what: the document tells the truth about it, and no tenant reaches into another.

use std::collections::HashMap;

use agent_server::db::Dialect;
use agent_server::on;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::TestServer;

/// What everybody may call.
const PUBLIC: [&str; 14] = [
    "DELETE /oauth/register/{client_id}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/oauth-protected-resource",
    "GET /.well-known/oauth-protected-resource/mcp",
    "GET /api/health",
    "GET /health",
    "GET /metrics",
    "GET /oauth/register/{client_id}",
    "GET /ready",
    "POST /oauth/introspect",
    "POST /oauth/revoke",
    "POST /oauth/token",
    "PUT /oauth/register/{client_id}",
];

/// Where every parameter is taken: it is a part of the input.
const TAKES_ALL: &str = "/hooks/";

/// What is open to everybody who is known, whatever he may do.
const FOR_THE_KNOWN: [&str; 3] = ["/me", "/mcp/consents", "/mcp/consents/{upstream}"];

/// An operation of the document, and the scopes any of which opens it.
struct Operation {
    method: String,
    path: String,
    scopes: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_open_to_whom_the_document_says_and_to_nobody_else() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let document = server.stranger().get("/openapi.json").await.json();
    let (public, guarded): (Vec<_>, Vec<_>) =
        operations(&document).into_iter().partition(|it| it.scopes.is_empty());
    let (known, public): (Vec<_>, Vec<_>) =
        public.into_iter().partition(|it| FOR_THE_KNOWN.contains(&it.path.as_str()));
    let mut names: Vec<_> = public.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
    names.sort();
    assert_eq!(names, PUBLIC);
    assert!(guarded.len() > 20);

    let (stranger, outsider) = (server.stranger(), server.client("weather.read").await);
    for operation in &known {
        assert_eq!(status(&stranger, operation).await, 401, "{}", operation.path);
        // There is no such thing of his to delete.
        let known = if operation.method == "DELETE" { 404 } else { 200 };
        assert_eq!(status(&outsider, operation).await, known, "{}", operation.path);
    }
    let mut holders = HashMap::new();
    for operation in &guarded {
        assert_eq!(status(&stranger, operation).await, 401, "{}", operation.path);
        assert_eq!(status(&outsider, operation).await, 403, "{}", operation.path);
        for scope in &operation.scopes {
            if !holders.contains_key(scope) {
                holders.insert(scope, server.client(scope).await);
            }
            let status = status(&holders[scope], operation).await;
            let is_open = !matches!(status, 401 | 403 | 405 | 500..);
            assert!(is_open, "{} {} as {scope}: {status}", operation.method, operation.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_refuses_parameters_that_it_does_not_have() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let document = server.stranger().get("/openapi.json").await.json();
    let admin = server.admin().await;
    let guarded = operations(&document).into_iter().filter(|it| !it.scopes.is_empty());

    for Operation { method, path, .. } in guarded.filter(|it| !it.path.starts_with(TAKES_ALL)) {
        let asked = format!("{}?stream=x&nonsense=x", path_of(&path));
        let request = admin.request(&method, &asked);
        let request = if method == "GET" { request } else { request.json(&json!({})) };
        let reply = admin.send(request).await;
        assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text);
        let faults = reply.json()["errors"].clone();
        let unknown = faults.as_array().unwrap().iter().filter(|it| it["code"] == "unknown_member");
        let unknown: Vec<_> = unknown.map(|it| it["pointer"].as_str().unwrap()).collect();
        assert!(unknown.contains(&"?stream") && unknown.contains(&"?nonsense"), "{method} {path}");
    }
    assert_eq!(server.stranger().get("/agents/x?nonsense=x").await.status, 401);
    assert_eq!(server.stranger().get("/health?nonsense=x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scope_that_opens_an_operation_is_in_the_document() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let document = server.stranger().get("/openapi.json").await.json();
    let known = &document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"];
    let known = known["scopes"].as_object().unwrap();

    for scope in known.keys().filter(|scope| !scope.starts_with("admin.")) {
        let holder = server.client(scope).await;
        for operation in operations(&document) {
            let is_listed = operation.scopes.is_empty() || operation.scopes.contains(scope);
            let status = status(&holder, &operation).await;
            let Operation { method, path, .. } = operation;
            assert_eq!(status == 403, !is_listed, "{method} {path} as {scope}: {status}");
        }
    }
}

on_both! {
    async fn lists_and_what_others_refer_to_end_at_the_tenant(server: TestServer) {
        let admin = server.admin().await;
        server.agent("support").await;
        let secret = json!({"name": "key", "value": "a value of a secret", "hosts": ["api.example.com"]});
        admin.post("/secrets", secret).await;
        admin.post("/rag/databases", json!({"name": "handbook"})).await;
        admin.post("/rag/databases/handbook/documents", json!({"filename": "a.txt", "text": "A."})).await;
        admin.post("/agents/support/execute", json!({"input": "Hi"})).await;
        admin.put("/budgets/client/admin", json!({"max_tokens": 5000})).await;
        let thread = admin.post("/threads", json!({"user": "ann"})).await.json();
        let theirs = another_tenant(&server).await;
        let agent = json!({"name": "theirs", "display_name": "T", "instructions": "", "model": "openai/fake"});
        assert_eq!(theirs.post("/agents/definitions", agent).await.status, 201);

        for list in ["/agents", "/runs", "/threads", "/approvals", "/budgets", "/secrets", "/rag/databases", "/rag/documents", "/users",
            "/sessions", "/grants"]
        {
            let shown = theirs.get(list).await.json()["data"].to_string();
            assert!(shown == "[]" || list == "/agents" && !shown.contains("support"), "{list}: {shown}");
        }
        let execute = json!({"input": "Hi", "thread_id": thread["id"]});
        assert_eq!(theirs.post("/agents/theirs/execute", execute).await.status, 404);
        for (member, theirs_too) in [("agents", json!(["support"])), ("rag_databases", json!(["handbook"]))] {
            let agent = json!({"name": "other", "display_name": "O", "instructions": "", member: theirs_too});
            let refused = theirs.post("/agents/definitions", agent).await;
            assert_eq!(refused.status, 422, "{member}: {}", refused.text);
        }
        let tool = json!({"name": "look", "description": "Looks.", "kind": "http", "input_schema": {"type": "object"},
            "config": {"method": "GET", "url": "https://api.example.com", "auth": {"type": "bearer", "secret": "key"}}});
        assert_eq!(theirs.post("/tools/definitions", tool).await.status, 422);
        let search = json!({"query": "leave", "databases": ["handbook"]});
        assert_eq!(theirs.post("/rag/search", search).await.status, 404);

        let subject = thread["subject"].as_str().unwrap();
        theirs.delete(&format!("/threads?user=ann&subject={subject}")).await;
        let path = format!("/threads/{}", thread["id"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.json(), thread);
    }

    async fn two_tenants_may_use_one_name_for_two_agents(server: TestServer) {
        server.agent("support").await;
        let theirs = another_tenant(&server).await;
        let agent = json!({"name": "support", "display_name": "Theirs", "instructions": ""});

        assert_eq!(theirs.post("/agents/definitions", agent).await.status, 201);

        let ours = server.admin().await.get("/agents/support").await.json();
        assert_eq!(ours["display_name"], "support");
        assert_eq!(theirs.get("/agents/support").await.json()["display_name"], "Theirs");
    }
}

/// All that the document lists.
fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let alternatives = operation["security"].as_array().cloned().unwrap_or_default();
            let scopes = alternatives.iter().filter_map(|it| it.get("oauth2")?.as_array().cloned());
            let scopes = scopes.flatten().map(|scope| scope.as_str().unwrap().to_owned());
            let (method, scopes) = (method.to_uppercase(), scopes.collect());
            operations.push(Operation { method, path: path.clone(), scopes });
        }
    }
    operations
}

/// What calling an operation on things that are not there answers.
async fn status(client: &Client, operation: &Operation) -> u16 {
    let path = path_of(&operation.path);
    let request = client.request(&operation.method, &path);
    let request = if operation.method == "GET" { request } else { request.json(&json!({})) };
    client.send(request).await.status
}

/// A path of things that are not there.
fn path_of(template: &str) -> String {
    template
        .replace("{id}", "01900000-0000-7000-8000-00000000ffff")
        .replace("{client_id}", "nobody")
        .replace("{kid}", "nobody")
        .replace("{version}", "1")
        .replace("{sha256}", &"0".repeat(64))
}

/// Somebody of another tenant who may do everything there.
pub async fn another_tenant(server: &TestServer) -> Client {
    let secret = "a-secret-of-another-tenant";
    let digest = auth::token::Digest::of(secret).to_hex();
    let done = server.app.db.write(async |tx| {
        on!(tx, c => sqlx::query("INSERT INTO tenants (id, name) VALUES ('other', 'Other')")
            .execute(c)
            .await)?;
        on!(tx, c => sqlx::query(
                r#"INSERT INTO client_registrations (tenant_id, client_id, secret_sha256, scopes)
                VALUES ('other', 'theirs', $1,
                    '["admin.read", "admin.write", "agent.*", "run.*", "thread.*", "client.*",
                    "approval.*", "key.*", "rag.*", "secret.*", "tool.*", "user.*", "workflow.*"]')"#,
            )
            .bind(&digest)
            .execute(c)
            .await)
    });
    done.await.unwrap();
    server.client_of("theirs", secret).await
}
