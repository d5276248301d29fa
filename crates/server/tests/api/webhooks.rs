//! Webhooks: the end of a run, told to a server of the caller's.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use agent_server::db::Dialect;
use aws_lc_rs::digest;
use aws_lc_rs::digest::SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;
use testkit::receiver::Webhook;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::recovery::turn_clock;

const KEY: &[u8] = b"a key of more than 24 bytes";
const HOUR: Duration = Duration::from_hours(1);

/// A server that may tell `receivers`.
async fn server(
    dialect: Dialect,
    receivers: &[&Receiver],
    settings: &[(&str, &str)],
) -> TestServer {
    let allow: Vec<_> = receivers.iter().map(|it| it.origin()).collect();
    let (allow, secrets) = (allow.join(","), format!("default=whsec_{}", STANDARD.encode(KEY)));
    let own = [("AGENT_SERVER_EGRESS_ALLOW", &*allow), ("WEBHOOK_SECRETS", &*secrets)];
    let server = TestServer::start_with(dialect, &[&own, settings].concat()).await;
    server.agent("support").await;
    server
}

async fn execute(client: &Client, receiver: &Receiver) -> Reply {
    let body =
        json!({"input": "Go", "webhook": {"url": format!("{}/hook?x=1", receiver.origin())}});
    client.post("/agents/support/execute", body).await
}

/// The path of a run that was told to `receiver`.
async fn begin(client: &Client, receiver: &Receiver) -> String {
    let reply = execute(client, receiver).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.header("location").unwrap().to_owned()
}

/// The deliveries of the run at `path`, as soon as the only one is as it should be.
async fn delivery(client: &Client, path: &str, is_so: impl Fn(&Value) -> bool) -> Reply {
    let so = async {
        loop {
            let reply = client.get(&format!("{path}/deliveries")).await;
            if is_so(&reply.json()["data"][0]) {
                return reply;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), so).await.unwrap()
}

/// The delivery, once attempt number `attempts` has ended with this status.
async fn settled(
    client: &Client,
    path: &str,
    state: &str,
    attempts: u32,
    status: impl Into<Option<u16>>,
) -> Value {
    let status = json!(status.into());
    let is_so = |delivery: &Value| {
        let is_made = !status.is_null() || !delivery["last_error"].is_null();
        delivery["state"] == state
            && delivery["attempts"] == attempts
            && delivery["last_status"] == status
            && is_made
    };
    delivery(client, path, is_so).await.json()["data"][0].clone()
}

/// The signature that a webhook must have, by RFC 2104 and the specification of Standard Webhooks.
fn signature(webhook: &Webhook) -> String {
    signature_by(KEY, webhook)
}

fn signature_by(key: &[u8], webhook: &Webhook) -> String {
    let block = |pad: u8| {
        let mut block = vec![pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let signed = [
        webhook.header("webhook-id").as_bytes(),
        b".",
        webhook.header("webhook-timestamp").as_bytes(),
        b".",
        &webhook.body,
    ];
    let inner = digest::digest(&SHA256, &[block(0x36), signed.concat()].concat());
    let outer = digest::digest(&SHA256, &[block(0x5c), inner.as_ref().to_vec()].concat());
    format!("v1,{}", STANDARD.encode(outer))
}

on_both! {
    async fn the_end_of_a_run_is_told_and_signed(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;

        let path = begin(&admin, &receiver).await;
        let webhook = receiver.wait_received(1).await;

        assert_eq!(webhook.header("webhook-signature"), signature(&webhook));
        assert_eq!(webhook.header("webhook-timestamp"), "1795600800");
        assert_eq!(webhook.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&webhook.body).unwrap();
        assert_eq!(body, json!({"type": "run.finished", "run": admin.get(&path).await.json()}));
        let reply = delivery(&admin, &path, |it| it["state"] == "delivered").await;
        assert_eq!(reply.json()["data"][0]["id"], webhook.header("webhook-id"));
        let text = reply.text.replace(&receiver.origin(), "http://receiver");
        Reply { text, ..reply }.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "attempts": 1,
                  "created_at": "2026-11-25T10:00:00Z",
                  "delivered_at": "2026-11-25T10:00:00Z",
                  "id": "01900000-0000-7000-8000-000000000006",
                  "last_error": null,
                  "last_status": 204,
                  "next_attempt_at": null,
                  "secret": "default",
                  "state": "delivered",
                  "url": "http://receiver/hook?x=1"
                }
              ],
              "next_cursor": null
            }
        "#]]);
    }

    async fn a_webhook_that_fails_is_sent_again_as_the_same(server: TestServer) {
        let receiver = Receiver::start().await;
        receiver.answer(Answer::Status(500));
        receiver.answer(Answer::With(503, "retry-after", "7200".into()));
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;

        let path = begin(&server.admin().await, &receiver).await;
        let first = settled(&server.admin().await, &path, "pending", 1, 500).await;
        server.app.clock.advance(Duration::from_secs(6));
        let second = settled(&server.admin().await, &path, "pending", 2, 503).await;
        // Not before the receiver wants it.
        server.app.clock.advance(HOUR);
        assert_eq!(settled(&server.admin().await, &path, "pending", 2, 503).await, second);
        server.app.clock.advance(HOUR);
        let third = settled(&server.admin().await, &path, "delivered", 3, 204).await;

        assert_eq!((&first["last_status"], &first["last_error"]),
            (&json!(500), &json!("the receiver answered 500")));
        let next: chrono::DateTime<chrono::Utc> =
            first["next_attempt_at"].as_str().unwrap().parse().unwrap();
        let wait = next.timestamp_millis() - 1_795_600_800_000;
        assert!((4000..=6000).contains(&wait), "{wait}");
        assert_eq!(second["next_attempt_at"], "2026-11-25T12:00:06Z");
        assert_eq!((&third["last_error"], &third["next_attempt_at"]), (&json!(null), &json!(null)));
        let webhooks = receiver.webhooks();
        assert_eq!(webhooks.len(), 3);
        for webhook in &webhooks {
            assert_eq!(webhook.header("webhook-id"), first["id"]);
            assert_eq!(webhook.header("webhook-signature"), signature(webhook));
            assert_eq!(webhook.body, webhooks[0].body);
        }
        assert_eq!(webhooks[2].header("webhook-timestamp"), "1795608006");
    }

    async fn while_a_key_changes_both_sign(server: TestServer) {
        let receiver = Receiver::start().await;
        let new = [7; 32];
        let keys = [&new[..], KEY].map(|key| format!("default=whsec_{}", STANDARD.encode(key))).join(",");
        let dialect = server.app.db.dialect();
        let server = crate::webhooks::server(dialect, &[&receiver], &[("WEBHOOK_SECRETS", &keys)]).await;

        begin(&server.admin().await, &receiver).await;
        receiver.wait_received(1).await;

        let webhook = &receiver.webhooks()[0];
        let signatures: Vec<_> = webhook.header("webhook-signature").split(' ').collect();
        assert_eq!(signatures, [signature_by(&new, webhook), signature(webhook)]);
    }

    async fn a_secret_signs_webhooks_to_its_hosts_for_who_may_use_it(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;
        let other: &[u8] = b"another key of 24 bytes or more";
        let (key, next) = (format!("whsec_{}", STANDARD.encode(KEY)), format!("whsec_{}", STANDARD.encode(other)));
        for (name, value, host) in [
            ("hook", &*key, "127.0.0.1"),
            ("elsewhere", &*key, "api.example.com"),
            ("no_key", "whsec_too-short", "127.0.0.1"),
        ] {
            let secret = json!({"name": name, "value": value, "hosts": [host]});
            assert_eq!(admin.post("/secrets", secret).await.status, 201);
        }
        let url = format!("{}/hook", receiver.origin());
        let execute = async |client: &Client, secret: &str| {
            let body = json!({"input": "Go", "webhook": {"url": url, "secret": secret}});
            client.post("/agents/support/execute", body).await
        };
        let refused = async |client: &Client, secret: &str| execute(client, secret).await.json()["errors"][0]["code"].clone();

        let done = execute(&admin, "Hook").await;
        let webhook = receiver.wait_received(1).await;
        let changing = json!({"value": format!("{next}, {key}")});
        assert_eq!(admin.put("/secrets/hook", changing).await.status, 200);
        execute(&admin, "hook").await;
        let signed_twice = receiver.wait_received(2).await;
        let stranger = server.client("agent.execute").await;
        let user = server.client("agent.execute secret.execute").await;

        assert_eq!(done.status, 200, "{}", done.text);
        assert_eq!(webhook.header("webhook-signature"), signature(&webhook));
        let both = format!("{} {}", signature_by(other, &signed_twice), signature(&signed_twice));
        assert_eq!(signed_twice.header("webhook-signature"), both);
        assert_eq!(refused(&admin, "elsewhere").await, "secret_not_for_host");
        assert_eq!(refused(&admin, "no_key").await, "bad_secret");
        assert_eq!(refused(&admin, "none").await, "unknown_secret");
        assert_eq!(refused(&stranger, "hook").await, "unknown_secret");
        assert_eq!(execute(&user, "hook").await.status, 200);
        receiver.wait_received(3).await;

        // What was accepted is not signed any more by who may not use its key any more.
        receiver.answer(Answer::Status(503));
        let path = execute(&user, "hook").await.header("location").unwrap().to_owned();
        settled(&admin, &path, "pending", 1, 503).await;
        let rights = json!({"scope": "agent.execute"});
        let client = admin.get(&path).await.json()["client_id"].as_str().unwrap().to_owned();
        let taken = admin.request("PATCH", &format!("/oauth/clients/{client}")).json(&rights);
        assert_eq!(admin.send(taken).await.status, 200);
        server.app.clock.advance(Duration::from_mins(1));
        let unsigned = delivery(&admin, &path, |it| it["attempts"] == 2 && it["last_status"].is_null()).await.json();
        assert!(unsigned["data"][0]["last_error"].as_str().unwrap().starts_with("it cannot be signed: "), "{unsigned}");

        // Nor when its key is gone.
        receiver.answer(Answer::Status(503));
        let path = execute(&admin, "hook").await.header("location").unwrap().to_owned();
        settled(&admin, &path, "pending", 1, 503).await;
        assert_eq!(admin.delete("/secrets/hook").await.status, 204);
        server.app.clock.advance(HOUR);
        let admin = server.admin().await;
        let unsigned = delivery(&admin, &path, |it| it["attempts"] == 2 && it["last_status"].is_null()).await.json();
        assert!(unsigned["data"][0]["last_error"].as_str().unwrap().starts_with("it cannot be signed: "), "{unsigned}");
        assert_eq!(receiver.received(), 5);
    }

    async fn a_webhook_is_sent_again_by_hand_whatever_came_of_it(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;
        receiver.answer(Answer::Status(410));
        let path = begin(&admin, &receiver).await;
        let given_up = settled(&admin, &path, "failed", 1, 410).await;
        let retry = format!("{path}/deliveries/{}/retry", given_up["id"].as_str().unwrap());
        let again = async |client: &Client| client.send(client.request("POST", &retry)).await;
        server.app.clock.advance(HOUR * 48);

        let reply = again(&server.admin().await).await;
        assert_eq!((reply.status, &reply.json()["state"]), (202, &json!("pending")), "{}", reply.text);
        settled(&server.admin().await, &path, "delivered", 2, 204).await;
        again(&server.admin().await).await;
        settled(&server.admin().await, &path, "delivered", 3, 204).await;

        let webhooks = receiver.webhooks();
        assert_eq!(webhooks.len(), 3);
        for webhook in &webhooks {
            assert_eq!(webhook.header("webhook-id"), given_up["id"]);
            assert_eq!(webhook.header("webhook-signature"), signature(webhook));
            assert_eq!(webhook.body, webhooks[0].body);
        }
        let other = again(&server.client("run.write").await).await;
        assert_eq!(other.json()["type"], "/problems/run-not-found");
        let reader = again(&server.client("run.read").await).await;
        assert_eq!(reader.json()["type"], "/problems/insufficient-scope");
        let admin = server.admin().await;
        for id in ["x", "0199c000-0000-7000-8000-000000000001"] {
            let unknown = admin.request("POST", &format!("{path}/deliveries/{id}/retry"));
            let unknown = admin.send(unknown).await.json();
            assert_eq!(unknown["type"], "/problems/delivery-not-found", "{unknown:#}");
        }
    }

    async fn a_clock_that_is_set_back_delays_no_webhook(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;
        receiver.answer(Answer::Status(503));
        let path = begin(&admin, &receiver).await;
        settled(&admin, &path, "pending", 1, 503).await;

        turn_clock(&server.app.clock, -TimeDelta::hours(2));

        settled(&server.admin().await, &path, "delivered", 2, 204).await;
    }

    async fn a_webhook_is_given_up_after_a_day_or_when_it_is_gone(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;

        receiver.answer(Answer::Status(404)).answer(Answer::Status(404));
        let failing = begin(&server.admin().await, &receiver).await;
        settled(&server.admin().await, &failing, "pending", 1, 404).await;
        server.app.clock.advance(24 * HOUR);
        let given_up = settled(&server.admin().await, &failing, "failed", 2, 404).await;
        receiver.answer(Answer::Status(410));
        let gone = begin(&server.admin().await, &receiver).await;
        let gone = settled(&server.admin().await, &gone, "failed", 1, 410).await;

        let shown = |it: &Value| json!([it["last_status"], it["last_error"], it["next_attempt_at"], it["delivered_at"]]);
        assert_eq!(shown(&given_up), json!([404, "the receiver answered 404", null, null]));
        assert_eq!(shown(&gone), json!([410, "the receiver answered 410", null, null]));
        server.app.clock.advance(24 * HOUR);
        let last = begin(&server.admin().await, &receiver).await;
        settled(&server.admin().await, &last, "delivered", 1, 204).await;
        assert_eq!(receiver.webhooks().len(), 4);
    }

    async fn a_receiver_that_never_answers_holds_up_nothing(server: TestServer) {
        let (silent, quick) = (Receiver::start().await, Receiver::start().await);
        let settings = [("WEBHOOK_TIMEOUT_MS", "300")];
        let server =
            crate::webhooks::server(server.app.db.dialect(), &[&silent, &quick], &settings).await;
        let admin = server.admin().await;
        for _ in 0..20 {
            silent.answer(Answer::Never);
        }

        let path = begin(&admin, &silent).await;
        for _ in 1..20 {
            begin(&admin, &silent).await;
        }
        let other = begin(&admin, &quick).await;

        settled(&admin, &other, "delivered", 1, 204).await;
        let cut = settled(&admin, &path, "pending", 1, None).await;
        assert_eq!(cut["last_error"], "there was no answer within 0.3 s");
        assert_eq!(cut["last_status"], json!(null));
    }

    async fn few_requests_at_once_go_to_one_host(server: TestServer) {
        let (busy, other) = (Receiver::start().await, Receiver::start().await);
        let server = crate::webhooks::server(server.app.db.dialect(), &[&busy, &other], &[]).await;
        let admin = server.admin().await;
        let gate = testkit::model::Gate::new();
        for _ in 0..12 {
            busy.answer(Answer::Behind(gate.clone()));
            begin(&admin, &busy).await;
        }

        busy.wait_received(8).await;
        begin(&admin, &other).await;
        other.wait_received(1).await;
        assert_eq!(busy.webhooks().len(), 8);
        gate.open();
        busy.wait_received(12).await;

        assert_eq!(busy.most_at_once(), 8);
    }

    async fn a_redirect_into_a_private_network_is_not_followed(server: TestServer) {
        let (receiver, inside) = (Receiver::start().await, Receiver::start().await);
        receiver.answer(Answer::With(307, "location", format!("{}/x", inside.origin())));
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;

        let path = begin(&admin, &receiver).await;
        let refused = settled(&admin, &path, "pending", 1, None).await;

        assert_eq!(refused["last_error"], "a redirect was refused: it must begin with `https://`");
        assert_eq!(inside.webhooks().len(), 0);
    }

    async fn a_webhook_that_may_not_be_sent_is_refused_at_once(server: TestServer) {
        let receiver = Receiver::start().await;
        let server = crate::webhooks::server(server.app.db.dialect(), &[&receiver], &[]).await;
        let admin = server.admin().await;
        let mut answers = Vec::new();
        for webhook in [
            json!({}),
            json!("https://example.com"),
            json!({"url": "https://example.com", "secrets": "x"}),
            json!({"url": "example.com"}),
            json!({"url": "http://example.com"}),
            json!({"url": "https://169.254.169.254/latest"}),
            json!({"url": "https://0x7f.1/"}),
            json!({"url": "https://localhost/"}),
            json!({"url": "https://user:hunter2@example.com/"}),
            json!({"url": "https://example.com", "secret": "other"}),
        ] {
            let body = json!({"input": "Go", "webhook": webhook});
            let reply = admin.post("/agents/support/execute", body).await;
            assert!(!reply.text.contains("hunter2"));
            answers.push(format!("{webhook}\n  {}", reply.status));
            for error in reply.json()["errors"].as_array().unwrap() {
                answers.push(format!("  {} {}: {}", error["pointer"], error["code"], error["detail"]));
            }
        }

        expect![[r#"
            {}
              422
              "/webhook/url" "missing_member": "is required"
            "https://example.com"
              422
              "/webhook" "wrong_type": "must be an object or null, not a string"
            {"secrets":"x","url":"https://example.com"}
              422
              "/webhook/secrets" "unknown_member": "there is no such member; did you mean `secret`?"
            {"url":"example.com"}
              422
              "/webhook/url" "url_not_allowed": "it is not an absolute URL"
            {"url":"http://example.com"}
              422
              "/webhook/url" "url_not_allowed": "it must begin with `https://`"
            {"url":"https://169.254.169.254/latest"}
              422
              "/webhook/url" "url_not_allowed": "its host is not on the public Internet"
            {"url":"https://0x7f.1/"}
              422
              "/webhook/url" "url_not_allowed": "its host is not on the public Internet"
            {"url":"https://localhost/"}
              422
              "/webhook/url" "url_not_allowed": "its host is not on the public Internet"
            {"url":"https://user:hunter2@example.com/"}
              422
              "/webhook/url" "url_not_allowed": "it must not hold a user or a password"
            {"secret":"other","url":"https://example.com"}
              422
              "/webhook/secret" "unknown_secret": "no key is named `other`, neither in WEBHOOK_SECRETS nor among the secrets that may be used""#]].assert_eq(&answers.join("\n"));
        assert_eq!(admin.get("/runs").await.json()["data"], json!([]));
    }

    async fn without_a_key_there_are_no_webhooks_and_no_deliveries(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;

        let body = json!({"input": "Go", "webhook": {"url": "https://example.com"}});
        let refused = admin.post("/agents/support/execute", body).await;
        let run = admin.post("/agents/support/execute", json!({"input": "Go"})).await;
        let path = run.header("location").unwrap();

        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/webhook/secret")));
        let none = admin.get(&format!("{path}/deliveries")).await;
        assert_eq!((none.status, none.json()), (200, json!({"data": [], "next_cursor": null})));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_sends_a_webhook() {
    let receiver = Receiver::start().await;
    let server = server(Dialect::Postgres, &[&receiver], &[]).await;
    let (_replica, elsewhere) = server.replica().await;
    let admin = server.admin().await;

    let mut paths = Vec::new();
    for _ in 0..20 {
        paths.push(begin(&admin, &receiver).await);
        paths.push(begin(&elsewhere, &receiver).await);
    }
    for path in &paths {
        settled(&admin, path, "delivered", 1, 204).await;
    }

    let webhooks = receiver.webhooks();
    let ids: BTreeSet<_> = webhooks.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!((webhooks.len(), ids.len()), (40, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_got_stuck_is_made_elsewhere_and_not_spoilt_later() {
    let receiver = Receiver::start().await;
    let gate = testkit::model::Gate::new();
    receiver.answer(Answer::Behind(gate.clone()));
    let settings = [("WEBHOOK_TIMEOUT_MS", "60000")];
    let server = server(Dialect::Postgres, &[&receiver], &settings).await;
    let admin = server.admin().await;
    let path = begin(&admin, &receiver).await;
    receiver.wait_received(1).await;
    let (replica, elsewhere) = server.replica().await;

    // While the attempt may still succeed nobody else makes it.
    replica.clock.advance(Duration::from_secs(119));
    begin(&elsewhere, &receiver).await;
    receiver.wait_received(2).await;
    assert_eq!(receiver.webhooks().len(), 2);
    replica.clock.advance(Duration::from_secs(1));
    let again = receiver.wait_received(3).await;

    let delivered = settled(&elsewhere, &path, "delivered", 2, 204).await;
    assert_eq!(delivered["id"], again.header("webhook-id"));
    assert_eq!(again.header("webhook-id"), receiver.webhooks()[0].header("webhook-id"));
    gate.open();
    assert_eq!(server.app.tasks.shut_down(Duration::from_secs(30)).await, 0);
    assert_eq!(settled(&elsewhere, &path, "delivered", 2, 204).await, delivered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_can_only_be_read_is_asked_for_webhooks_now_and_then() {
    let receiver = Receiver::start().await;
    let server = server(Dialect::Sqlite, &[&receiver], &[]).await;
    in_sql(
        &server,
        "CREATE TRIGGER no_writing BEFORE UPDATE ON webhook_deliveries
         BEGIN SELECT RAISE(ABORT, 'this cannot be written'); END",
    )
    .await;
    begin(&server.admin().await, &receiver).await;
    let statements = || server.app.db.stats().statements.load(Ordering::Relaxed);
    let before = statements();

    // However long this takes on a busy machine, it is more rounds then, and never fewer.
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;

    // Two a round for webhooks, and less than ten for runs, four times a second.
    let (asked, took) = (statements() - before, began.elapsed());
    assert!(asked < 40 * (took.as_secs() + 1), "{asked} statements in {took:?}");
    in_sql(&server, "DROP TRIGGER no_writing").await;
    receiver.wait_received(1).await;
}
