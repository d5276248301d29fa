//! API keys: `/oauth/clients/{client_id}/keys`, and what they open.

use std::fmt::Write;
use std::time::Duration;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::get_with;
use super::register;
use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

on_both! {
    async fn a_key_opens_what_it_and_its_client_allow(server: TestServer) {
        let (client, admin) = (shop(&server).await, server.admin().await);

        let made = admin.post(&client.keys, json!({"name": "Laptop", "scope": "agent.read"})).await;

        let mut shown = made.json();
        let key = shown["key"].take().as_str().unwrap().to_owned();
        let path = format!("{}/{}", client.keys, shown["id"].as_str().unwrap());
        assert_eq!((made.status, made.header("location")), (201, Some(path.as_str())));
        assert!(key.starts_with("agk_") && key.len() == 53);
        shown["id"] = json!("…");
        expect![[r#"
            {
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "expires_at": null,
              "id": "…",
              "key": null,
              "last_used_at": null,
              "name": "Laptop",
              "scope": "agent.read"
            }"#]].assert_eq(&format!("{shown:#}"));
        let stranger = server.stranger();
        assert_eq!(get_with(&stranger, "/agents", &key).await.status, 200);
        assert_eq!(get_with(&stranger, "/runs", &key).await.status, 403);
        let listed = admin.get(&client.keys).await;
        assert!(listed.text.contains("Laptop") && !listed.text.contains("agk_"));
        assert_eq!(admin.get(&path).await.json(), listed.json()["data"][0]);

        let change = json!({"scope": "run.read"});
        assert_eq!(admin.send(admin.request("PATCH", &client.path).json(&change)).await.status, 200);
        assert_eq!(get_with(&stranger, "/agents", &key).await.status, 403, "the client holds it no more");
    }

    async fn a_key_dies_with_its_end_its_client_or_its_row(server: TestServer) {
        let (client, admin, stranger) = (shop(&server).await, server.admin().await, server.stranger());
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        let make = async |more: Value| {
            let mut body = json!({"name": "Laptop", "scope": "agent.read"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let made = admin.post(&client.keys, body).await.json();
            (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
        };
        let (deleted, id) = make(json!({})).await;
        let (over, _) = make(json!({"expires_at": "2026-11-25T10:00:30Z"})).await;
        let (orphan, _) = make(json!({})).await;
        let opens = async |client: &Client, key: &str| get_with(client, "/agents", key).await.status;
        for key in [&deleted, &over, &orphan] {
            assert_eq!(opens(&stranger, key).await, 200);
            let known = async { while opens(&elsewhere, key).await != 200 {} };
            tokio::time::timeout(Duration::from_secs(1), known).await.unwrap();
        }

        assert_eq!(admin.delete(&format!("{}/{id}", client.keys)).await.status, 204);
        assert_eq!(opens(&stranger, &deleted).await, 401);
        let gone = async { while opens(&elsewhere, &deleted).await != 401 {} };
        tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
        assert_eq!(admin.delete(&format!("{}/{id}", client.keys)).await.status, 404);
        server.app.clock.advance(Duration::from_secs(30));
        assert_eq!((opens(&stranger, &over).await, opens(&stranger, &orphan).await), (401, 200));
        assert_eq!(admin.delete(&client.path).await.status, 204);
        assert_eq!(opens(&stranger, &orphan).await, 401);
        assert_eq!(number(&server, "SELECT COUNT(*) FROM api_keys").await, 0);
    }

    async fn what_is_no_key_is_refused_like_any_bad_token(server: TestServer) {
        let (client, admin, stranger) = (shop(&server).await, server.admin().await, server.stranger());
        let key = admin.post(&client.keys, json!({"name": "Laptop", "scope": "agent.read"})).await.json();
        let key = key["key"].as_str().unwrap();
        let flipped = if key.ends_with('0') { "1" } else { "0" };

        for wrong in ["agk_", "agk_x", &format!("{key}0"), &format!("{}{flipped}", &key[..52]), &key.to_uppercase()] {
            let refused = get_with(&stranger, "/agents", wrong).await;
            assert_eq!(refused.status, 401, "{wrong}");
            assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"), "{wrong}");
        }
        let secret = [("grant_type", "client_credentials"), ("client_id", &client.id), ("client_secret", key)];
        assert_eq!(stranger.send(stranger.request("POST", "/oauth/token").form(&secret)).await.status, 401);
    }

    async fn a_key_never_administers_whatever_stands_in_its_row(server: TestServer) {
        let (client, admin) = (shop(&server).await, server.admin().await);
        let key = admin.post(&client.keys, json!({"name": "Laptop", "scope": "agent.read"})).await.json();
        let key = key["key"].as_str().unwrap();
        in_sql(&server, "UPDATE api_keys SET scopes = '[\"client.read\", \"admin.*\", \"agent.read\"]'").await;

        let (_replica, anew) = server.replica().await;
        for path in ["/oauth/clients", "/oauth/keys"] {
            assert_eq!(get_with(&anew.without_token(), path, key).await.status, 403, "{path}");
        }
        assert_eq!(get_with(&anew.without_token(), "/agents", key).await.status, 200);
    }

    async fn nobody_makes_a_key_for_more_than_he_and_the_client_hold(server: TestServer) {
        let client = shop(&server).await;
        let desk = server.client("client.* run.read").await;
        let mut seen = String::new();
        for (what, body) in [
            ("nothing", json!({})),
            ("no name", json!({"name": "", "scope": "run.read"})),
            ("no scope", json!({"name": "x", "scope": ""})),
            ("not ours", json!({"name": "x", "scope": "run.reed"})),
            ("not the client's", json!({"name": "x", "scope": "tool.read"})),
            ("not the caller's", json!({"name": "x", "scope": "agent.read"})),
            ("administers", json!({"name": "x", "scope": "client.read"})),
            ("over", json!({"name": "x", "scope": "run.read", "expires_at": "2026-11-25T10:00:00Z"})),
            ("chosen", json!({"name": "x", "scope": "run.read", "key": "agk_mine"})),
        ] {
            let refused = desk.post(&client.keys, body).await;
            let codes: Vec<_> = refused.json()["errors"].as_array().into_iter().flatten()
                .map(|it| format!("{} {}", it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap())).collect();
            let _ = writeln!(seen, "{what}: {} {}", refused.status, codes.join(", "));
        }
        expect![[r#"
            nothing: 422 /name missing_member, /scope missing_member
            no name: 422 /name bad_format
            no scope: 422 /scope too_short
            not ours: 422 /scope bad_scope
            not the client's: 422 /scope not_held
            not the caller's: 422 /scope not_yours
            administers: 422 /scope not_for_keys
            over: 422 /expires_at out_of_range
            chosen: 422 /key unknown_member
        "#]].assert_eq(&seen);
        assert_eq!(desk.post(&client.keys, json!({"name": "x", "scope": "run.read"})).await.status, 201);
    }

    async fn keys_are_of_one_client_and_one_tenant(server: TestServer) {
        let (client, other) = (shop(&server).await, shop(&server).await);
        let admin = server.admin().await;
        let theirs = another_tenant(&server).await;
        let body = json!({"name": "Laptop", "scope": "agent.read"});
        let id = admin.post(&client.keys, body.clone()).await.json()["id"].as_str().unwrap().to_owned();

        let path = format!("{}/{id}", client.keys);
        for (caller, path) in [(&theirs, path.clone()), (&admin, format!("{}/{id}", other.keys)), (&admin, format!("{}/x", client.keys))] {
            assert_eq!(caller.get(&path).await.status, 404, "{path}");
            assert_eq!(caller.delete(&path).await.status, 404, "{path}");
        }
        assert_eq!(theirs.get(&client.keys).await.status, 404);
        assert_eq!(theirs.post(&client.keys, body.clone()).await.status, 404);
        assert_eq!(admin.post("/oauth/clients/admin/keys", body).await.status, 404);
        assert_eq!(admin.get(&path).await.status, 200);
        assert_eq!(admin.get(&other.keys).await.json()["data"], json!([]));
    }

    async fn the_last_use_of_a_key_is_written_down(server: TestServer) {
        let (client, admin) = (shop(&server).await, server.admin().await);
        let key = admin.post(&client.keys, json!({"name": "Laptop", "scope": "agent.read"})).await.json();
        assert_eq!(get_with(&server.stranger(), "/agents", key["key"].as_str().unwrap()).await.status, 200);
        let (_replica, elsewhere) = server.replica().await;

        server.app.tasks.shut_down(Duration::from_secs(5)).await;

        let seen: Reply = elsewhere.get(&client.keys).await;
        assert_eq!(seen.json()["data"][0]["last_used_at"], "2026-11-25T10:00:00Z");
        assert_eq!(number(&server, "SELECT COUNT(*) FROM api_keys WHERE key_sha256 LIKE 'agk%'").await, 0);
    }
}

/// A client that has keys, and where they are.
struct Shop {
    id: String,
    path: String,
    keys: String,
}

async fn shop(server: &TestServer) -> Shop {
    let id = register(server, json!({"scope": "agent.read run.read client.read"})).await.id;
    let path = format!("/oauth/clients/{id}");
    Shop { id, keys: format!("{path}/keys"), path }
}
