//! Secrets: kept, rotated, listed and deleted, and never shown.

use std::time::Duration;

use agent_server::App;
use agent_server::db::Dialect;
use agent_server::db::TenantId;
use agent_server::secrets::Resealed;
use expect_test::expect;
use secrecy::ExposeSecret;
use serde_json::Value;
use serde_json::json;

use crate::harness::TestServer;
use crate::harness::in_sql;

const VALUE: &str = "sk_live_0123456789";

fn stripe() -> Value {
    json!({"name": "stripe_key", "value": VALUE, "hosts": ["api.stripe.com", "*.Stripe.com"]})
}

/// The value of a secret, as the client of outgoing requests has it.
async fn value(app: &App, name: &str) -> Option<String> {
    let secrets = app.secrets.secrets_named(&TenantId::default(), [name]).await.unwrap();
    secrets.find(name).map(|it| it.value.expose_secret().to_owned())
}

on_both! {
    async fn a_secret_is_kept_and_its_value_never_shown(server: TestServer) {
        let admin = server.admin().await;

        let made = admin.post("/secrets", stripe()).await;
        let read = admin.get("/secrets/Stripe_Key").await;
        let listed = admin.get("/secrets").await;

        made.is(expect![[r#"
            201 application/json
            {
              "created_at": "2026-11-25T10:00:00Z",
              "description": "",
              "hosts": [
                "api.stripe.com",
                "*.stripe.com"
              ],
              "last_used_at": null,
              "name": "stripe_key",
              "problems": [],
              "updated_at": "2026-11-25T10:00:00Z",
              "used_by": [],
              "version": 1
            }
        "#]]);
        assert_eq!(made.header("location"), Some("/secrets/stripe_key"));
        assert_eq!(read.json(), made.json());
        assert_eq!(listed.json(), json!({"data": [made.json()], "next_cursor": null}));
        for reply in [made, read, listed] {
            assert!(!reply.text.contains(VALUE));
        }
        assert_eq!(value(&server.app, "stripe_key").await.as_deref(), Some(VALUE));
    }

    async fn a_new_value_is_the_next_version_and_counts_at_once(server: TestServer) {
        let admin = server.admin().await;
        admin.post("/secrets", stripe()).await;
        assert_eq!(value(&server.app, "stripe_key").await.as_deref(), Some(VALUE));
        server.app.clock.advance(Duration::from_mins(1));

        let same = admin.put("/secrets/stripe_key", json!({"value": VALUE})).await.json();
        let hosts = json!({"hosts": ["stripe.example"], "description": "For refunds."});
        let moved = admin.put("/secrets/stripe_key", hosts).await.json();
        let rotated = admin.put("/secrets/stripe_key", json!({"value": "sk_live_new", "description": null})).await;

        assert_eq!((&same["version"], &same["updated_at"]), (&json!(1), &json!("2026-11-25T10:01:00Z")));
        assert_eq!((&moved["version"], &moved["hosts"]), (&json!(1), &json!(["stripe.example"])));
        assert_eq!(moved["description"], "For refunds.");
        let rotated = rotated.json();
        assert_eq!((&rotated["version"], &rotated["description"]), (&json!(2), &json!("")));
        assert_eq!(rotated["created_at"], "2026-11-25T10:00:00Z");
        assert_eq!(value(&server.app, "stripe_key").await.as_deref(), Some("sk_live_new"));
    }

    async fn everything_wrong_with_a_secret_is_said_and_its_value_is_not(server: TestServer) {
        let admin = server.admin().await;
        let mut answers = Vec::new();
        for body in [
            json!({}),
            json!({"name": "a b", "value": "hunter2", "hosts": []}),
            json!({"name": "a", "value": {"hunter2": "hunter2"}, "hosts": ["a.example"]}),
            json!({"name": "a", "value": "hunter2 hunter2", "hosts": ["https://a.example"]}),
            json!({"name": "a", "value": "hunter2 hunter2", "hosts": ["*.com"]}),
            json!({"name": "a", "value": "hunter2 ".repeat(1025), "hosts": ["a.example"]}),
            json!({"name": "a", "value": "hunter2 hunter2", "hosts": vec!["a.example"; 21]}),
            json!({"name": "a", "value": "hunter2 hunter2", "hosts": ["a.example"], "version": 1}),
        ] {
            let reply = admin.post("/secrets", body).await;
            assert!(!reply.text.contains("hunter2"), "{}", reply.text);
            answers.push(reply.status.to_string());
            for error in reply.json()["errors"].as_array().unwrap() {
                answers.push(format!("  {} {}: {}", error["pointer"], error["code"], error["detail"]));
            }
        }
        admin.post("/secrets", stripe()).await;
        let taken = json!({"name": "STRIPE_key", "value": "hunter2 hunter2", "hosts": ["a.example"]});
        let taken = admin.post("/secrets", taken).await.json();
        let short = admin.put("/secrets/stripe_key", json!({"value": "hunter2"})).await;
        let none = admin.put("/secrets/none", json!({"value": "hunter2 hunter2"})).await;

        expect![[r#"
            422
              "/hosts" "missing_member": "is required"
              "/name" "missing_member": "is required"
              "/value" "missing_member": "is required"
            422
              "/hosts" "too_short": "a secret is for one host at least"
              "/name" "bad_format": "a name is a letter, then letters, digits, `_` and `-`"
              "/value" "too_short": "a value has at least 8 bytes: a shorter one could not be told from other text"
            422
              "/value" "wrong_type": "must be a string, not an object"
            422
              "/hosts/0" "not_valid": "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
            422
              "/hosts/0" "not_valid": "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
            422
              "/value" "too_long": "a value has at most 8192 bytes"
            422
              "/hosts" "too_long": "there are at most 20 hosts"
            422
              "/version" "unknown_member": "there is no such member""#]].assert_eq(&answers.join("\n"));
        assert_eq!((&taken["type"], &taken["status"]), (&json!("/problems/secret-name-taken"), &json!(409)));
        assert_eq!((short.status, &short.json()["errors"][0]["pointer"]), (422, &json!("/value")));
        assert_eq!((none.status, &none.json()["type"]), (404, &json!("/problems/secret-not-found")));
        assert_eq!(value(&server.app, "stripe_key").await.as_deref(), Some(VALUE));
    }

    async fn all_values_are_sealed_anew_with_a_new_key(server: TestServer) {
        let admin = server.admin().await;
        admin.post("/secrets", stripe()).await;
        let other = json!({"name": "other", "value": "another value", "hosts": ["a.example"]});
        admin.post("/secrets", other).await;
        in_sql(&server, "UPDATE secrets SET hosts = '[]' WHERE name = 'other'").await;
        let before = admin.get("/secrets/stripe_key").await.json();
        let (new, old) = ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let both = [("AGENT_SERVER_ENCRYPTION_KEY", new), ("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS", old)];

        let (changing, _) = server.replica_with(App::builder(), &both).await;
        let (alone, _) = server.replica_with(App::builder(), &both[..1]).await;
        let unread = value(&alone, "stripe_key").await;
        let first = changing.secrets.reseal().await.unwrap();
        let second = changing.secrets.reseal().await.unwrap();

        let counts = |done: &Resealed| (done.renewed, done.kept, done.missed, done.unreadable.len());
        assert_eq!((counts(&first), counts(&second)), ((1, 0, 0, 1), (0, 1, 0, 1)));
        assert_eq!(first.unreadable[0].1, "other");
        assert_eq!(unread, None);
        assert_eq!(value(&alone, "stripe_key").await.as_deref(), Some(VALUE));
        assert_eq!(value(&changing, "stripe_key").await.as_deref(), Some(VALUE));
        assert_eq!(admin.get("/secrets/stripe_key").await.json()["version"], before["version"]);
        assert_eq!(admin.get("/secrets/stripe_key").await.json()["updated_at"], before["updated_at"]);
    }

    async fn a_secret_that_code_names_is_deleted_only_by_force(server: TestServer) {
        let admin = server.admin().await;
        admin.post("/secrets", stripe()).await;
        in_sql(
            &server,
            "INSERT INTO tool_definitions (name, display_name, description, input_schema, execute_code)
             VALUES ('refund', 'Refund', 'Refunds.', '{}', 'ctx.fetch(`…?key={{ secrets.Stripe_key }}`)')",
        )
        .await;

        let read = admin.get("/secrets/stripe_key").await.json();
        let refused = admin.delete("/secrets/stripe_key").await;
        let deleted = admin.delete("/secrets/stripe_key?force=true").await;
        let again = admin.delete("/secrets/stripe_key?force=true").await;

        assert_eq!(read["used_by"], json!([{"kind": "tool", "name": "refund"}]));
        refused.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "definitions name it: the tool `refund`",
              "status": 409,
              "type": "/problems/secret-in-use",
              "used_by": [
                {
                  "kind": "tool",
                  "name": "refund"
                }
              ]
            }
        "#]]);
        assert_eq!((deleted.status, again.status), (204, 404));
        assert_eq!(value(&server.app, "stripe_key").await, None);
    }

    async fn only_who_may_sees_or_writes_secrets(server: TestServer) {
        let (reader, writer) = (server.client("secret.read").await, server.client("secret.write").await);
        let stranger = server.client("agent.* tool.*").await;

        let made = writer.post("/secrets", stripe()).await;

        assert_eq!(made.status, 201);
        assert_eq!(reader.get("/secrets").await.json()["data"], json!([made.json()]));
        assert_eq!(writer.get("/secrets/stripe_key").await.status, 200);
        for refused in [
            reader.post("/secrets", stripe()).await,
            reader.put("/secrets/stripe_key", json!({})).await,
            reader.delete("/secrets/stripe_key").await,
            stranger.get("/secrets").await,
            stranger.get("/secrets/stripe_key").await,
            stranger.post("/secrets", stripe()).await,
        ] {
            assert_eq!(refused.status, 403);
        }
    }

    async fn the_same_idempotency_key_is_the_same_secret(server: TestServer) {
        let admin = server.admin().await;
        let send = async |body: &Value| {
            let request = admin.request("POST", "/secrets").header("idempotency-key", "k");
            admin.send(request.json(body)).await
        };

        let first = send(&stripe()).await;
        let second = send(&stripe()).await;
        let other = send(&json!({"name": "other", "value": "12345678", "hosts": ["a.example"]})).await;

        assert_eq!((first.status, second.status), (201, 201));
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!(first.json(), second.json());
        assert_eq!((other.status, &other.json()["type"]), (422, &json!("/problems/idempotency-key-reused")));
    }

    async fn the_last_use_is_written_down_when_the_server_stops(server: TestServer) {
        let admin = server.admin().await;
        admin.post("/secrets", stripe()).await;
        let secrets = server.app.secrets.secrets(&TenantId::default()).await.unwrap();
        secrets.find("stripe_key").unwrap().note_used();
        // Reading anew forgets no use.
        admin.post("/secrets", json!({"name": "b", "value": "12345678", "hosts": ["a.example"]})).await;

        let alone = server.alone().await;

        assert_eq!(alone.get("/secrets/stripe_key").await.json()["last_used_at"], "2026-11-25T10:00:00Z");
        assert_eq!(alone.get("/secrets/b").await.json()["last_used_at"], json!(null));
    }

    async fn what_was_changed_in_sql_cannot_be_used(server: TestServer) {
        let admin = server.admin().await;
        admin.post("/secrets", stripe()).await;
        admin.post("/secrets", json!({"name": "b", "value": "12345678", "hosts": ["a.example"]})).await;
        in_sql(&server, "UPDATE secrets SET hosts = '[\"evil.example\"]' WHERE name = 'b'").await;
        in_sql(&server, "UPDATE secrets SET value = (SELECT value FROM secrets WHERE name = 'b') WHERE name = 'stripe_key'").await;

        let seen = [admin.get("/secrets/b").await.json(), admin.get("/secrets/stripe_key").await.json()];
        let refused = admin.put("/secrets/b", json!({"hosts": ["a.example"]})).await;
        let mended = admin.put("/secrets/b", json!({"hosts": ["a.example"], "value": "87654321"})).await.json();

        for secret in &seen {
            assert_eq!(secret["problems"][0]["code"], "unreadable");
        }
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/value")));
        assert_eq!((&mended["problems"], &mended["version"]), (&json!([]), &json!(2)));
        assert_eq!(value(&server.app, "b").await.as_deref(), Some("87654321"));
        assert_eq!(value(&server.app, "stripe_key").await, None);
    }

    async fn there_are_so_many_secrets_and_no_more(server: TestServer) {
        let admin = server.admin().await;
        let large = |name: &str| json!({"name": name, "value": "x".repeat(8192), "hosts": ["a.example"]});
        assert_eq!(admin.post("/secrets", large("a")).await.status, 201);
        in_sql(&server, "UPDATE secrets SET bytes = 1048576 - 8191").await;

        let refused = admin.post("/secrets", large("b")).await;

        assert_eq!(refused.status, 422);
        assert_eq!(refused.json()["errors"][0]["code"], "too_many");
        assert_eq!(admin.get("/secrets/b").await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_known_elsewhere_within_a_second() {
    let server = TestServer::start(Dialect::Postgres).await;
    let (replica, elsewhere) = server.replica().await;
    elsewhere.post("/secrets", stripe()).await;
    assert_eq!(value(&server.app, "stripe_key").await.as_deref(), Some(VALUE));
    let began = std::time::Instant::now();

    elsewhere.put("/secrets/stripe_key", json!({"value": "sk_live_new"})).await;
    while value(&server.app, "stripe_key").await.as_deref() != Some("sk_live_new") {
        tokio::task::yield_now().await;
    }

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(value(&replica, "stripe_key").await.as_deref(), Some("sk_live_new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_of_keys_the_old_values_are_there_and_new_ones_need_the_new_key() {
    const NEW: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    let server = TestServer::start(Dialect::Postgres).await;
    server.admin().await.post("/secrets", stripe()).await;
    let old = server.app.config.identity.encryption_key.expose_secret().to_owned();
    let with =
        async |settings: &[(&str, &str)]| server.replica_with(App::builder(), settings).await;

    let (rotated, admin) = with(&[
        ("AGENT_SERVER_ENCRYPTION_KEY", NEW),
        ("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS", &old),
    ])
    .await;
    assert_eq!(value(&rotated, "stripe_key").await.as_deref(), Some(VALUE));
    admin.put("/secrets/stripe_key", json!({"description": "sealed anew"})).await;
    let (alone, _) = with(&[("AGENT_SERVER_ENCRYPTION_KEY", NEW)]).await;
    assert_eq!(value(&alone, "stripe_key").await.as_deref(), Some(VALUE));
    let (before, admin) = with(&[]).await;
    assert_eq!(value(&before, "stripe_key").await, None);
    let problem = admin.get("/secrets/stripe_key").await.json()["problems"][0].clone();
    assert!(problem["detail"].as_str().unwrap().contains("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS"));
}
