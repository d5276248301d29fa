//! `/hooks/{path}`: routes of workflows for callers, and webhooks of other servers.

use std::time::Duration;

use agent_server::App;
use agent_server::db::Dialect;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::number;
use crate::triggers::brief;
use crate::triggers::create;
use crate::triggers::faults;
use crate::triggers::firings;
use crate::triggers::run;
use crate::triggers::triggers;

const DEFINITIONS: &str = "/workflows/definitions";
const KEY: [u8; 32] = [1; 32];
const OTHER_KEY: [u8; 32] = [2; 32];
/// The time on the clock of a server under test.
const NOW: i64 = 1_795_600_800;
/// As a sender writes it who does not care for spaces, and says a member twice.
const BODY: &str = "{\n  \"order\": \"\\u00e9 \\\"17\\\"\",\n  \"n\": 1,   \"n\": 2\n}\n";

async fn secret(client: &Client, name: &str, value: &str) {
    let body = json!({"name": name, "value": value, "hosts": ["sender.example.com"]});
    let reply = client.post("/secrets", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
}

async fn webhook(client: &Client, name: &str, more: Value) {
    let mut trigger = json!({"type": "webhook", "path": name});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    create(client, name, json!([trigger])).await;
}

/// A delivery by the rules of Standard Webhooks.
struct Sent<'s> {
    path: &'s str,
    id: &'s str,
    at: i64,
    keys: &'s [[u8; 32]],
    signed: &'s str,
    body: &'s str,
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Self { path: "paid", id: "msg_1", at: NOW, keys: &[KEY], signed: BODY, body: BODY }
    }
}

async fn send(client: &Client, sent: Sent<'_>) -> Reply {
    let Sent { path, id, at, keys, signed, body } = sent;
    let signature = |key: &[u8; 32]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let tag = hmac::sign(&key, format!("{id}.{at}.{signed}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    };
    let signatures: Vec<_> = keys.iter().map(signature).collect();
    let request = client.without_token().request("POST", &format!("/hooks/{path}"));
    let request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signatures.join(" "))
        .header("content-type", "application/json");
    client.send(request.body(body.to_owned())).await
}

async fn send_as_github(client: &Client, id: &str, signature: &str, body: &str) -> Reply {
    let request = client.without_token().request("POST", "/hooks/github");
    let request = request
        .header("x-github-delivery", id)
        .header("x-github-event", "push")
        .header("x-hub-signature-256", signature);
    client.send(request.body(body.to_owned())).await
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

on_both! {
    async fn a_path_of_a_workflow_is_executed_by_whoever_may(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "analyze", json!([{"type": "api", "path": "analyze"}, {"type": "api", "path": "analyze", "method": "GET"}])).await;
        let caller = server.client("workflow.execute").await;

        let reply = caller.post("/hooks/analyze?a=1&b=x&b=y", json!({"c": 2})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let run = reply.json();
        let told = json!({"id": "api", "type": "api"});
        assert_eq!(run["output"], json!({"input": {"a": "1", "b": ["x", "y"], "c": 2}, "trigger": told}));
        assert_eq!((&run["trigger"], &run["definition"]["name"]), (&json!("api"), &json!("analyze")));
        assert_eq!(reply.header("location").unwrap(), format!("/runs/{}", run["id"].as_str().unwrap()));
        let reply = caller.get("/hooks/analyze?q=1").await;
        assert_eq!(reply.json()["input"], json!({"q": "1"}), "{}", reply.text);
        assert_eq!(caller.post("/hooks/analyze", json!([1])).await.json()["output"]["input"], json!([1]));
        let request = caller.request("POST", "/hooks/analyze").header("prefer", "respond-async");
        let reply = caller.send(request).await;
        assert_eq!((reply.status, &reply.json()["input"]), (202, &json!({})), "{}", reply.text);
        let frames = caller.frames(caller.request("GET", "/hooks/analyze")).await;
        assert_eq!(frames.last().unwrap().event, "run.finished");
        let keyed = async || {
            let request = caller.request("POST", "/hooks/analyze?a=1").header("idempotency-key", "k");
            caller.send(request).await
        };
        let (first, again) = (keyed().await, keyed().await);
        assert_eq!((again.header("idempotency-replayed"), &again.json()["id"]), (Some("true"), &first.json()["id"]));
        let request = caller.request("POST", "/hooks/analyze?a=2").header("idempotency-key", "k");
        assert_eq!(caller.send(request).await.status, 422);

        let fired = firings(&admin, "analyze", "api", 4).await;
        assert_eq!((fired.len(), &fired[0]["run_id"]), (4, &run["id"]));
        assert_eq!(fired[0]["by"], run["subject"]);
        assert_eq!(firings(&admin, "analyze", "api_2", 2).await.len(), 2);
    }

    async fn a_path_tells_strangers_nothing_and_refuses_what_it_cannot_do(server: TestServer) {
        let admin = server.admin().await;
        let workflow = json!({"name": "strict", "steps": [{"id": "a", "type": "mapping", "output": 1}],
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "scopes": ["weather.read"], "triggers": [{"type": "api", "path": "strict", "method": "PUT"}]});
        assert_eq!(admin.post(DEFINITIONS, workflow).await.status, 201);
        let caller = server.client("workflow.execute").await;
        let able = server.client("workflow.execute weather.read").await;

        for path in ["/hooks/strict", "/hooks/nothing", "/hooks/default/strict", "/hooks/NO/strict"] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let reply = server.stranger().send(server.stranger().request(method, path)).await;
                assert_eq!((reply.status, &reply.json()["type"]), (401, &json!("/problems/unauthenticated")), "{method} {path}");
            }
        }
        assert_eq!(server.client("workflow.read").await.put("/hooks/strict", json!({})).await.status, 403);
        assert_eq!(caller.put("/hooks/strict", json!({})).await.status, 403);
        assert_eq!(able.post("/hooks/strict", json!({})).await.json()["type"], "/problems/hook-not-found");
        assert_eq!(another_tenant(&server).await.put("/hooks/strict", json!({})).await.status, 404);
        let reply = able.put("/hooks/strict", json!({"n": "x"})).await;
        assert_eq!(faults(&reply.json()["errors"]), "/n wrong_type: must be a whole number, not a string");
        assert_eq!(able.put("/hooks/strict?n=1", json!({"n": 1})).await.status, 422);
        assert_eq!(able.put("/hooks/strict?n=1", json!([])).await.status, 422);
        assert_eq!(able.put("/hooks/default/strict", json!({"n": 1})).await.status, 200);
        admin.post("/workflows/strict/triggers/api/pause", json!({})).await;
        assert_eq!(able.put("/hooks/strict", json!({})).await.json()["type"], "/problems/trigger-paused");
        admin.post("/workflows/definitions/strict/deactivate", json!({})).await;
        assert_eq!(able.put("/hooks/strict", json!({})).await.status, 404);
        assert_eq!(number(&server, "SELECT count(*) FROM runs").await, 1);
    }

    async fn a_webhook_is_taken_as_its_bytes_were_signed_and_once(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        webhook(&admin, "paid", json!({"secret": "paid_key"})).await;

        let reply = send(&admin, Sent::default()).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let again = send(&admin, Sent::default()).await;
        assert_eq!((again.status, &again.text, again.header("idempotency-replayed")), (202, &reply.text, Some("true")));
        let later = Sent { at: NOW + 60, ..Sent::default() };
        assert_eq!(send(&admin, later).await.text, reply.text);
        let fired = firings(&admin, "paid", "webhook", 1).await;
        assert_eq!((fired.len(), &reply.json()), (1, &json!({"run_id": fired[0]["run_id"]})));
        let run = run(&admin, &fired[0]).await;
        assert_eq!(run["output"]["input"], json!({"order": "é \"17\"", "n": 2}), "{run:#}");
        assert_eq!((&run["trigger"], &run["subject"]), (&json!("webhook"), &json!("client:admin")));

        let compact = r#"{"order":"é \"17\"","n":2}"#;
        for (what, sent) in [
            ("other bytes", Sent { id: "2", body: compact, ..Sent::default() }),
            ("old", Sent { id: "2", at: NOW - 301, ..Sent::default() }),
            ("early", Sent { id: "2", at: NOW + 301, ..Sent::default() }),
            ("other key", Sent { id: "2", keys: &[OTHER_KEY], ..Sent::default() }),
            ("none", Sent { id: "2", keys: &[], ..Sent::default() }),
        ] {
            let reply = send(&admin, sent).await;
            assert_eq!(reply.status, 401, "{what}: {}", reply.text);
            assert_eq!(reply.json()["detail"], "the signature is missing, wrong or too old");
        }
        let nothing = admin.without_token().post("/hooks/paid", json!({})).await;
        assert_eq!(nothing.status, 401);
        assert_eq!(send(&admin, Sent { id: "2", keys: &[OTHER_KEY, KEY], ..Sent::default() }).await.status, 202);
        // What strangers send fills no history.
        let fired = firings(&admin, "paid", "webhook", 3).await;
        assert_eq!(brief(&fired), "- started\n- refused bad_signature\n- started");
        assert_eq!(number(&server, "SELECT count(*) FROM runs").await, 2);
    }

    async fn both_secrets_are_good_while_one_takes_the_place_of_the_other(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "new", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        secret(&admin, "old", &format!("whsec_{}", STANDARD.encode(OTHER_KEY))).await;
        webhook(&admin, "paid", json!({"secret": "new", "previous_secret": "old"})).await;
        let used = admin.get("/secrets/old").await.json()["used_by"].clone();
        assert_eq!(used, json!([{"kind": "workflow", "name": "paid"}]));
        assert_eq!(admin.delete("/secrets/old").await.status, 409);

        for (id, key) in [("1", KEY), ("2", OTHER_KEY)] {
            assert_eq!(send(&admin, Sent { id, keys: &[key], ..Sent::default() }).await.status, 202);
        }
        let only = json!({"triggers": [{"type": "webhook", "path": "paid", "secret": "new"}]});
        assert_eq!(admin.put("/workflows/definitions/paid", only).await.status, 200);
        assert_eq!(send(&admin, Sent { id: "3", keys: &[OTHER_KEY], ..Sent::default() }).await.status, 401);
        // A value that is rotated counts at once.
        let value = json!({"value": format!("whsec_{}", STANDARD.encode(OTHER_KEY))});
        assert_eq!(admin.put("/secrets/new", value).await.status, 200);
        assert_eq!(send(&admin, Sent { id: "4", keys: &[OTHER_KEY], ..Sent::default() }).await.status, 202);
        assert_eq!(admin.put("/secrets/new", json!({"value": "no key at all, but long enough"})).await.status, 200);
        assert_eq!(send(&admin, Sent { id: "5", ..Sent::default() }).await.status, 401);
        assert_eq!(triggers(&admin, "paid").await[0]["problem"],
            "the secret `new` is no key: `whsec_` and 24 to 64 bytes in base64");
    }

    async fn what_github_sends_is_taken_once(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "github_key", "It's a Secret to Everybody").await;
        webhook(&admin, "github", json!({"secret": "github_key", "signature": "github"})).await;
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"It's a Secret to Everybody");
        let signature = format!("sha256={}", hexadecimal(hmac::sign(&key, BODY.as_bytes()).as_ref()));

        let first = send_as_github(&admin, "72d3162e", &signature, BODY).await;
        assert_eq!(first.status, 202, "{}", first.text);
        assert_eq!(send_as_github(&admin, "72d3162e", &signature, BODY).await.text, first.text);
        assert_ne!(send_as_github(&admin, "72d3162f", &signature, BODY).await.text, first.text);
        assert_eq!(send_as_github(&admin, "72d31630", &signature, "{}").await.status, 401);

        let fired = firings(&admin, "github", "webhook", 3).await;
        let told = json!({"id": "webhook", "type": "webhook", "event": "push"});
        assert_eq!(run(&admin, &fired[0]).await["output"]["trigger"], told);
    }

    async fn a_webhook_without_a_signature_is_open_to_whoever_knows_it(server: TestServer) {
        let admin = server.admin().await;
        webhook(&admin, "open", json!({"signature": "none"})).await;
        let stranger = server.stranger();

        let replies = [stranger.post("/hooks/open", json!({"n": 1})).await, stranger.post("/hooks/open", json!({"n": 1})).await];
        assert_eq!(replies.each_ref().map(|it| it.status), [202, 202]);
        assert_ne!(replies[0].text, replies[1].text);
        let request = stranger.request("POST", "/hooks/open").body("n=1");
        assert_eq!(stranger.send(request).await.status, 400);
        let request = stranger.request("POST", "/hooks/open").body(vec![b' '; 2 << 20]);
        assert_eq!(stranger.send(request).await.status, 413);
        // A token of somebody changes nothing, nor does one that is none of ours.
        assert_eq!(admin.post("/hooks/open", json!({})).await.json()["run_id"].as_str().map(str::len), Some(36));
        assert_eq!(stranger.with_token("sender").post("/hooks/open", json!({})).await.status, 202);
        let fired = firings(&admin, "open", "webhook", 5).await;
        assert_eq!(brief(&fired), "- started\n- started\n- refused not_json\n- started\n- started");
        assert_eq!(admin.post("/workflows/open/triggers/webhook/pause", json!({})).await.status, 200);
        assert_eq!(stranger.post("/hooks/open", json!({})).await.json()["type"], "/problems/trigger-paused");
    }

    async fn only_github_says_what_has_happened_in_a_header(server: TestServer) {
        let admin = server.admin().await;
        webhook(&admin, "open", json!({"signature": "none"})).await;
        let stranger = server.stranger();

        let request = stranger.request("POST", "/hooks/open").header("x-github-event", "push");
        assert_eq!(stranger.send(request).await.status, 202);

        let fired = firings(&admin, "open", "webhook", 1).await;
        assert_eq!(run(&admin, &fired[0]).await["output"]["trigger"], json!({"id": "webhook", "type": "webhook"}));
    }

    async fn a_secret_is_used_when_it_has_proven_something(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "new", &format!("whsec_{},whsec_{}", STANDARD.encode(KEY), STANDARD.encode([3; 32]))).await;
        secret(&admin, "old", &format!("whsec_{}", STANDARD.encode(OTHER_KEY))).await;
        webhook(&admin, "paid", json!({"secret": "new", "previous_secret": "old"})).await;

        assert_eq!(send(&admin, Sent { keys: &[[4; 32]], ..Sent::default() }).await.status, 401);
        triggers(&admin, "paid").await;
        assert_eq!(send(&admin, Sent { keys: &[OTHER_KEY], ..Sent::default() }).await.status, 202);

        let alone = server.alone().await;
        let used = async |name: &str| alone.get(&format!("/secrets/{name}")).await.json()["last_used_at"].clone();
        assert_eq!([used("new").await, used("old").await], [Value::Null, json!("2026-11-25T10:00:00Z")]);
    }

    async fn who_looks_for_paths_waits_and_who_shows_something_does_not(server: TestServer) {
        let settings = [("AGENT_SERVER_TRUSTED_PROXIES", "127.0.0.0/8")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let admin = server.admin().await;
        secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        webhook(&admin, "paid", json!({"secret": "paid_key"})).await;
        create(&admin, "asked", json!([{"type": "api", "path": "asked"}])).await;
        let stranger = server.stranger();
        let look = async |from: &str| {
            stranger.send(stranger.request("GET", "/hooks/nothing").header("x-forwarded-for", from)).await
        };
        for _ in 0..100 {
            assert_eq!(look("127.0.0.1").await.status, 401);
        }

        let refused = look("127.0.0.1").await;

        assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{}", refused.text);
        assert_eq!(refused.json()["limit"]["name"], "hook_calls_of_address");
        assert_eq!(look("203.0.113.8").await.status, 401);
        assert_eq!(admin.post("/hooks/asked", json!({})).await.status, 200);
        assert_eq!(send(&admin, Sent::default()).await.status, 202);
    }

    async fn an_open_webhook_takes_so_much_of_one_address(server: TestServer) {
        let settings = [("AGENT_SERVER_TRUSTED_PROXIES", "127.0.0.0/8")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let admin = server.admin().await;
        webhook(&admin, "open", json!({"signature": "none"})).await;
        webhook(&admin, "other", json!({"signature": "none"})).await;
        let stranger = server.stranger();
        let send = async |path: &str, from: &str| {
            let request = stranger.request("POST", path).header("x-forwarded-for", from);
            stranger.send(request.body("n=1")).await
        };
        for host in 0..100 {
            assert_eq!(send("/hooks/open", &format!("2001:db8::{host}")).await.status, 400);
        }

        let refused = send("/hooks/open", "2001:db8::beef").await;

        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text);
        assert_eq!(send("/hooks/open", "2001:db8:0:1::1").await.status, 400);
        assert_eq!(send("/hooks/other", "2001:db8::1").await.status, 400);
    }

    async fn wrong_signatures_are_slowed_down_and_right_ones_never(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        webhook(&admin, "paid", json!({"secret": "paid_key"})).await;
        let wrong = || Sent { keys: &[OTHER_KEY], ..Sent::default() };
        for _ in 0..100 {
            assert_eq!(send(&admin, wrong()).await.status, 401);
        }

        let refused = send(&admin, wrong()).await;

        assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{}", refused.text);
        assert_eq!(server.stranger().post("/hooks/paid", json!({})).await.status, 429);
        assert_eq!(send(&admin, Sent::default()).await.status, 202);
    }

    async fn what_is_not_signed_at_all_is_not_read(server: TestServer) {
        let admin = server.admin().await;
        secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        webhook(&admin, "paid", json!({"secret": "paid_key"})).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();

        let head = "POST /hooks/paid HTTP/1.1\r\nhost: server.test\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();

        assert_eq!(str::from_utf8(&answer), Ok("HTTP/1.1 401"));
        assert_eq!(brief(&firings(&admin, "paid", "webhook", 1).await), "- refused bad_signature");
    }

    async fn what_a_webhook_cannot_begin_is_told_to_its_sender_and_in_the_history(server: TestServer) {
        let admin = server.admin().await;
        let author = server.client("workflow.write workflow.execute secret.execute").await;
        secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
        let workflow = json!({"name": "paid", "steps": [{"id": "a", "type": "mapping", "output": 1}],
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            "triggers": [{"type": "webhook", "path": "paid", "secret": "paid_key"}]});
        assert_eq!(author.post(DEFINITIONS, workflow).await.status, 201);

        let wrong = r#"{"n": "x"}"#;
        let reply = send(&admin, Sent { signed: wrong, body: wrong, ..Sent::default() }).await;
        assert_eq!((reply.status, &*faults(&reply.json()["errors"])), (422, "/n wrong_type: must be a whole number, not a string"));
        // It was not taken, so it may come again when it is mended.
        assert_eq!(send(&admin, Sent::default()).await.status, 202);
        let client = author.get("/me").await.json()["client_id"].as_str().unwrap().to_owned();
        assert_eq!(admin.delete(&format!("/oauth/clients/{client}")).await.status, 204);
        let reply = send(&admin, Sent { id: "msg_2", ..Sent::default() }).await;
        assert_eq!((reply.status, &reply.json()["type"]), (409, &json!("/problems/trigger-refused")), "{}", reply.text);

        let fired = firings(&admin, "paid", "webhook", 3).await;
        assert_eq!(brief(&fired), "- refused invalid_input\n- started\n- refused author_gone");
    }

    async fn webhooks_of_other_tenants_have_paths_of_their_own(server: TestServer) {
        let theirs = another_tenant(&server).await;
        webhook(&theirs, "open", json!({"signature": "none"})).await;
        let stranger = server.stranger();

        assert_eq!(stranger.post("/hooks/open", json!({})).await.status, 401);
        // The management client is of another tenant, and nobody else is known: who saved it is.
        assert_eq!(stranger.post("/hooks/other/open", json!({})).await.status, 202);
        assert_eq!(firings(&theirs, "open", "webhook", 1).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_delivery_to_two_processes_at_once_is_one_run() {
    let server = TestServer::start(Dialect::Postgres).await;
    let (_other, replica) = server.replica_of(App::builder()).await;
    let admin = server.admin().await;
    secret(&admin, "paid_key", &format!("whsec_{}", STANDARD.encode(KEY))).await;
    webhook(&admin, "paid", json!({"secret": "paid_key"})).await;

    for round in 0..20 {
        let id = format!("msg_{round}");
        let sent = |client: Client| {
            let id = id.clone();
            async move { send(&client, Sent { id: &id, ..Sent::default() }).await }
        };
        let clients = [&admin, &replica, &admin, &replica].map(Client::clone);
        let replies = tokio::time::timeout(Duration::from_mins(1), join_all(clients.map(sent)))
            .await
            .unwrap();
        for reply in &replies {
            assert_eq!((reply.status, &reply.text), (202, &replies[0].text));
        }
    }

    assert_eq!(number(&server, "SELECT count(*) FROM runs").await, 20);
    assert_eq!(number(&server, "SELECT count(*) FROM workflow_firings").await, 20);
}
