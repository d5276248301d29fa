//! Every operation on a thing, asked for things of others: by somebody of another tenant who may do everything
//! there, and by a client of the same tenant for what only its owner may see.

use std::cmp::Reverse;
use std::collections::HashMap;

use agent_server::db::Dialect;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;
use testkit::receiver::Receiver;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::oauth::people::Pair;
use crate::rag::suite::completed;

/// Operations for which a token says nothing: a client shows that of its registration.
const BY_ANOTHER_TOKEN: &str = "/oauth/register/";
/// What is there once a person has agreed in a browser: `a_consent_is_shown_to_who_gave_it_and_taken_back_by_him` has one.
const AGREED: &str = "/mcp/consents/";
/// What is made by asking for it: what is refused is the client that it would be for.
const MADE: (&str, &str) = ("PUT", "/budgets/{kind}/{id}");
/// What begins a run whoever calls it, by whichever method.
const EXECUTED: &str = "/hooks/";
/// What belongs to whom began it, not to all of the tenant.
const OWNED: [&str; 2] = ["/runs/", "/threads/"];

/// What an operation on a thing is told, where an empty body would be refused before the thing is looked for.
fn body(operation: &str) -> Value {
    match operation {
        "PUT /secrets/{name}" => json!({"value": "another value"}),
        "PUT /budgets/{kind}/{id}" => json!({"max_tokens": 5}),
        "PUT /users/{id}/password" => json!({"password": "another horse battery staple"}),
        "POST /oauth/clients/{client_id}/keys" => json!({"name": "ci", "scope": "agent.read"}),
        "POST /rag/databases/{id}/documents" => json!({"filename": "b.txt", "text": "Others."}),
        "POST /rag/databases/{id}/search" => json!({"query": "leave"}),
        "POST /agents/{id}/execute" => json!({"input": "Hi"}),
        "POST /tools/{id}/execute" => json!({"input": {}}),
        "POST /workflows/{id}/execute" => json!({"input": {}, "background": true}),
        "POST /threads/{id}/messages" => json!({"role": "user", "content": "Hi"}),
        "POST /runs/{id}/fork" => json!({"from_seq": 1}),
        "POST /approvals/{id}" => json!({"decision": "approve", "arguments_hash": "0".repeat(64)}),
        _ => json!({}),
    }
}

/// One of everything.
struct Ours {
    admin: Client,
    /// By the start of the templates for which they stand: what the parameters are, in order, in each of its spellings.
    things: Vec<(&'static str, Vec<Vec<String>>)>,
}

impl Ours {
    async fn make(server: &TestServer, receiver: &Receiver) -> Self {
        let admin = server.admin().await;
        let made = async |path: &str, body: Value| {
            let reply = admin.post(path, body).await;
            assert!(matches!(reply.status, 200..=202), "{path}: {} {}", reply.status, reply.text);
            reply.json()
        };
        let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
        let tool = json!({"name": "look", "description": "Looks.", "kind": "static", "input_schema": {"type": "object"},
            "config": {"result": "x".repeat(70_000)}});
        let tool = made("/tools/definitions", tool).await;
        let agent = json!({"name": "careful", "display_name": "Careful", "instructions": "", "model": "openai/fake",
            "tools": ["look", {"name": "current_time", "approval": "always"}]});
        let agent = made("/agents/definitions", agent).await;
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let triggers = methods.map(|it| json!({"type": "api", "path": "daily", "method": it}));
        let workflow = json!({"name": "daily", "triggers": triggers,
            "steps": [{"id": "a", "type": "agent", "agent": "careful"}]});
        let workflow = made("/workflows/definitions", workflow).await;
        let database = made("/rag/databases", json!({"name": "handbook"})).await;
        let text = json!({"filename": "a.txt", "text": "Parental leave lasts a year."});
        let document = made("/rag/databases/handbook/documents", text).await;
        completed(&admin, "handbook", 1).await;
        let thread = made("/threads", json!({"user": "ann"})).await;
        server.model.reply(testkit::model::Reply::text("").call("current_time", json!({})));
        let waiting = made("/agents/careful/execute", json!({"input": "Hi"})).await;
        let webhook =
            json!({"input": {}, "webhook": {"url": format!("{}/hook", receiver.origin())}});
        let run = made("/tools/look/execute", webhook).await;
        made(
            "/oauth/register",
            json!({"serverId": "shop", "name": "Shop", "scopes": ["agent.read"]}),
        )
        .await;
        let key =
            made("/oauth/clients/shop/keys", json!({"name": "ci", "scope": "agent.read"})).await;
        made(
            "/secrets",
            json!({"name": "key", "value": "a value of a secret", "hosts": ["api.example.com"]}),
        )
        .await;
        let upstream =
            json!({"name": "far", "url": "https://mcp.example.com/mcp", "is_active": false});
        let upstream = made("/mcp/upstreams", upstream).await;
        let signing = admin.get("/oauth/keys").await.json()["data"][0]["kid"].clone();
        let mut pair = Pair::of(server, "viewer", "agent.read").await;
        pair.tokens(&server.stranger()).await;
        let first = async |path: &str| id(&admin.get(path).await.json()["data"][0]);
        let run = id(&run);
        let delivery = first(&format!("/runs/{run}/deliveries")).await;
        let events = admin.get(&format!("/runs/{run}/events")).await.text;
        let hash = events.split("\"sha256\":\"").nth(1).unwrap()[..64].to_owned();
        assert_eq!(admin.put("/budgets/client/shop", json!({"max_tokens": 5})).await.status, 200);

        let one = |parts: &[&str]| vec![parts.iter().map(|it| (*it).to_owned()).collect()];
        let named =
            |thing: &Value| vec![vec![id(thing)], vec![thing["name"].as_str().unwrap().to_owned()]];
        let document = id(&document);
        let documents = [id(&database), "handbook".to_owned()].map(|of| vec![of, document.clone()]);
        let things = vec![
            ("/rag/databases/{id}/documents/{document}", documents.into()),
            ("/runs/{id}/values/{sha256}", one(&[&run, &hash])),
            ("/runs/{id}/deliveries/{delivery}/retry", one(&[&run, &delivery])),
            ("/oauth/clients/{client_id}/keys/{id}", one(&["shop", &id(&key)])),
            ("/rag/databases/{id}", named(&database)),
            ("/runs/{id}", [one(&[&run]), one(&[&id(&waiting)])].concat()),
            ("/oauth/clients/{client_id}", one(&["shop"])),
            ("/oauth/register/{client_id}", one(&["shop"])),
            ("/oauth/keys/{kid}", one(&[signing.as_str().unwrap()])),
            ("/users/{id}", one(&[&pair.user])),
            ("/sessions/{id}", one(&[&first("/sessions").await])),
            ("/grants/{id}", one(&[&first("/grants").await])),
            ("/secrets/{name}", one(&["key"])),
            ("/mcp/upstreams/{id}", named(&upstream)),
            ("/mcp/consents/{upstream}", named(&upstream)),
            ("/tools/", named(&tool)),
            ("/agents/", named(&agent)),
            ("/workflows/{id}/triggers/{trigger}", one(&["daily", "api_2"])),
            ("/workflows/", named(&workflow)),
            ("/hooks/{path}", one(&["daily"])),
            ("/hooks/{tenant}/{path}", one(&["default", "daily"])),
            ("/threads/{id}", one(&[&id(&thread)])),
            ("/approvals/{id}", one(&[&first("/approvals").await])),
            ("/budgets/{kind}/{id}", one(&["client", "shop"])),
        ];
        Self { admin, things }
    }

    /// The paths of a template, each with one of ours.
    fn paths(&self, template: &str) -> Vec<String> {
        let known = self.things.iter().find(|(start, _)| template.starts_with(start));
        let (_, spellings) = known.unwrap_or_else(|| panic!("make one for {template}"));
        let template = template.replace("{version}", "1");
        spellings
            .iter()
            .map(|parts| {
                let mut rest = template.as_str();
                let mut path = String::new();
                for part in parts {
                    let (before, after) = rest.split_once('{').unwrap();
                    path.extend([before, part]);
                    rest = after.split_once('}').unwrap().1;
                }
                path + rest
            })
            .collect()
    }

    /// All that can be read of them.
    async fn seen(&self, operations: &[(String, String)]) -> HashMap<String, String> {
        let mut seen = HashMap::new();
        for (method, template) in operations {
            let is_read = [BY_ANOTHER_TOKEN, EXECUTED].iter().all(|it| !template.starts_with(it));
            if method == "GET" && is_read {
                for path in self.paths(template) {
                    let reply = self.admin.get(&path).await;
                    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
                    seen.insert(path, reply.text);
                }
            }
        }
        seen
    }
}

/// The operations on one thing, those that take things away at the end.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths =
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains('{'));
    let mut all: Vec<_> = paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    all.sort_by_key(|(method, path)| {
        let takes_sessions = path.starts_with("/users/");
        let takes_away = method == "DELETE" && !path.starts_with(EXECUTED);
        (takes_sessions, takes_away || path.ends_with("/deactivate"), Reverse(path.len()))
    });
    all
}

async fn ask(client: &Client, method: &str, template: &str, path: &str) -> crate::harness::Reply {
    let request = client.request(method, path);
    let told = body(&format!("{method} {template}"));
    client.send(if method == "GET" { request } else { request.json(&told) }).await
}

async fn nobody_reaches_what_is_anothers(dialect: Dialect) {
    let receiver = Receiver::start().await;
    let secrets = format!("default=whsec_{}", STANDARD.encode(b"a key of more than 24 bytes"));
    let settings =
        [("AGENT_SERVER_EGRESS_ALLOW", &*receiver.origin()), ("WEBHOOK_SECRETS", &*secrets)];
    let server = TestServer::start_with(dialect, &settings).await;
    let ours = Ours::make(&server, &receiver).await;
    let operations = operations(&server.stranger().get("/openapi.json").await.json());
    let theirs = another_tenant(&server).await;
    let colleague = server.client("agent.* tool.* workflow.* run.* thread.* rag.*").await;
    let before = ours.seen(&operations).await;

    let mut wrong = Vec::new();
    for (method, template) in &operations {
        let refusal = match (method.as_str(), template.as_str()) {
            (_, it) if it.starts_with(BY_ANOTHER_TOKEN) => 401,
            MADE => 422,
            _ => 404,
        };
        let is_owned = OWNED.iter().any(|it| template.starts_with(it));
        let callers = [("theirs", &theirs, refusal), ("colleague", &colleague, 404)];
        for path in ours.paths(template) {
            for (name, client, refusal) in &callers[..=usize::from(is_owned)] {
                let reply = ask(client, method, template, &path).await;
                if reply.status != *refusal {
                    wrong.push(format!("{name}: {method} {path}: {} {}", reply.status, reply.text));
                }
            }
        }
    }
    assert_eq!(wrong.join("\n"), "");
    assert_eq!(ours.seen(&operations).await, before);

    // Whoever may, is not told that there is nothing.
    for (method, template) in &operations {
        if [BY_ANOTHER_TOKEN, AGREED].iter().all(|it| !template.starts_with(it)) {
            let path = ours.paths(template).remove(0);
            let reply = ask(&ours.admin, method, template, &path).await;
            if matches!(reply.status, 401 | 403 | 404 | 500..) {
                wrong.push(format!("{method} {path}: {} {}", reply.status, reply.text));
            }
        }
    }
    assert_eq!(wrong.join("\n"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_what_is_anothers_on_sqlite() {
    nobody_reaches_what_is_anothers(Dialect::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_what_is_anothers_on_postgres() {
    nobody_reaches_what_is_anothers(Dialect::Postgres).await;
}
