//! `/oauth/keys`: the keys that sign.

use std::time::Duration;

use agent_server::App;
use agent_server::workers;
use expect_test::expect;
use serde_json::json;

use super::ask_as;
use super::get_with;
use super::parts;
use super::reader;
use super::token_in;
use crate::access::another_tenant;
use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

/// A route that `client.read` opens.
const DOOR: &str = "/oauth/clients";
const JWKS: &str = "/.well-known/jwks.json";
/// The key of the settings.
const FIRST: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

on_both! {
    async fn keys_are_sealed_anew_with_a_new_encryption_key(server: TestServer) {
        let made = server.admin().await.post("/oauth/keys", json!({"now": true})).await.json();
        in_sql(&server, &format!("INSERT INTO signing_keys (kid, private, begins_at, created_at)
            SELECT 'moved', private, begins_at, created_at FROM signing_keys WHERE kid = '{}'", made["kid"].as_str().unwrap())).await;
        let (new, old) = ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let both = [("AGENT_SERVER_ENCRYPTION_KEY", new), ("AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS", old)];
        let (changing, _) = server.replica_with(App::builder(), &both).await;

        let (first, second) = (changing.keys.reseal().await.unwrap(), changing.keys.reseal().await.unwrap());

        assert_eq!((first.renewed, first.kept, first.unreadable), (1, 0, vec!["moved".to_owned()]));
        assert_eq!((second.renewed, second.kept), (0, 1));
        let (_alone, admin) = server.replica_with(App::builder(), &both[..1]).await;
        let shown = admin.get(&format!("/oauth/keys/{}", made["kid"].as_str().unwrap())).await.json();
        assert_eq!(shown, made, "it signs, and nothing else of it has changed");
    }

    async fn the_key_set_and_the_token_of_a_new_key_are_known_everywhere_at_once(server: TestServer) {
        let (admin, stranger) = (server.admin().await, server.stranger());
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();

        let made = admin.post("/oauth/keys", json!({"now": true})).await.json();

        let token = token_in(&ask_as(&stranger, ADMIN, &[]).await);
        assert_eq!(parts(&token).0["kid"], made["kid"]);
        assert_eq!(get_with(&elsewhere, DOOR, &token).await.status, 200);
        let shown = elsewhere.get(JWKS).await.json();
        assert!(shown["keys"].as_array().unwrap().iter().any(|key| key["kid"] == made["kid"]));
    }

    async fn a_new_key_is_published_then_signs_and_the_one_before_is_believed_for_a_day(server: TestServer) {
        let (admin, stranger) = (server.admin().await, server.stranger());

        let made = admin.post("/oauth/keys", json!({})).await;

        let kid = made.json()["kid"].as_str().unwrap().to_owned();
        assert_eq!((made.status, made.header("location")), (201, Some(format!("/oauth/keys/{kid}").as_str())));
        let mut shown = admin.get(&format!("/oauth/keys/{kid}")).await.json();
        assert_eq!(made.json(), shown);
        shown["kid"] = json!("…");
        expect![[r#"
            {
              "begins_at": "2026-11-25T10:10:00Z",
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "ends_at": null,
              "kid": "…",
              "source": "database",
              "state": "pending",
              "withdrawn_at": null
            }"#]].assert_eq(&format!("{shown:#}"));
        assert_eq!(published(&server).await, [FIRST, &kid]);
        assert_eq!(states(&admin).await, "active pending");

        server.app.clock.advance(Duration::from_secs(599));
        let last = signed_by(&server, FIRST).await;
        server.app.clock.advance(Duration::from_secs(1));
        let first = signed_by(&server, &kid).await;

        assert_eq!(published(&server).await, [kid.as_str(), FIRST]);
        for token in [&last, &first] {
            assert_eq!(get_with(&stranger, DOOR, token).await.status, 200);
        }
        assert_eq!(states(&server.admin().await).await, "retired active");
        server.app.clock.advance(Duration::from_mins(24 * 60 + 5));
        assert_eq!(only_published(&server).await, kid);
    }

    async fn a_key_may_sign_at_once_and_does_so_on_all_replicas_within_a_second(server: TestServer) {
        let (_replica, elsewhere) = server.replica().await;
        let before = token_in(&ask_as(&server.stranger(), ADMIN, &[]).await);

        let made = server.admin().await.post("/oauth/keys", json!({"now": true})).await.json();

        assert_eq!(made["state"], "active");
        let after = token_in(&ask_as(&server.stranger(), ADMIN, &[]).await);
        assert_eq!(parts(&after).0["kid"], made["kid"]);
        let elsewhere = elsewhere.without_token();
        let known = async { while get_with(&elsewhere, DOOR, &after).await.status != 200 {} };
        tokio::time::timeout(Duration::from_secs(1), known).await.unwrap();
        for server in [&elsewhere, &server.stranger()] {
            assert_eq!(get_with(server, DOOR, &before).await.status, 200);
            let token = token_in(&ask_as(server, ADMIN, &[]).await);
            assert_eq!(parts(&token).0["kid"], made["kid"]);
        }
    }

    async fn tokens_of_a_key_that_was_taken_back_are_void_at_once(server: TestServer) {
        let stranger = server.stranger();
        let client = reader(&server).await;
        let (_replica, elsewhere) = server.replica().await;
        let token = client.token(&stranger).await;
        let elsewhere = elsewhere.without_token();
        assert_eq!(get_with(&elsewhere, DOOR, &token).await.status, 200);

        server.admin().await.delete(&format!("/oauth/keys/{FIRST}")).await.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "the key `kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k` signs now: make another sign first, with `now`",
              "status": 409,
              "type": "/problems/key-active"
            }
        "#]]);
        assert_eq!(server.admin().await.post("/oauth/keys", json!({"now": true})).await.status, 201);
        let admin = server.admin().await;
        assert_eq!(admin.delete(&format!("/oauth/keys/{FIRST}")).await.status, 204);

        let refused = get_with(&stranger, DOOR, &token).await;
        let unknown = "the token is signed with a key that is not in our key set";
        assert_eq!((refused.status, &refused.json()["detail"]), (401, &json!(unknown)));
        let gone = async { while get_with(&elsewhere, DOOR, &token).await.status != 401 {} };
        tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
        assert_eq!(published(&server).await.len(), 1);
        assert_eq!(states(&admin).await, "withdrawn active");
        assert_eq!(admin.delete(&format!("/oauth/keys/{FIRST}")).await.status, 404);
        // What stays in the settings of the next process comes back no more.
        let (_replica, anew) = server.replica().await;
        assert_eq!(get_with(&anew.without_token(), DOOR, &token).await.status, 401);
        assert_eq!(states(&anew).await, "withdrawn active");
        anew.post("/oauth/keys/import", json!({})).await.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "the key `kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k` was withdrawn, and does not come back",
              "status": 409,
              "type": "/problems/key-withdrawn"
            }
        "#]]);
    }

    async fn the_key_of_the_settings_is_moved_and_everything_goes_on(server: TestServer) {
        let admin = server.admin().await;
        let token = token_in(&ask_as(&server.stranger(), ADMIN, &[]).await);

        let moved = admin.post("/oauth/keys/import", json!({})).await;

        assert_eq!((moved.status, &moved.json()["source"]), (200, &json!("database")));
        assert_eq!(admin.post("/oauth/keys/import", json!({})).await.status, 200, "done is done");
        assert_eq!(states(&admin).await, "active");
        let without = [("TOKEN_SERVICE_PRIVATE_KEY", "")];
        let (_replica, elsewhere) = server.replica_with(App::builder(), &without).await;
        assert_eq!(get_with(&elsewhere.without_token(), DOOR, &token).await.status, 200);
        let token = token_in(&ask_as(&elsewhere.without_token(), ADMIN, &[]).await);
        assert_eq!(parts(&token).0["kid"], FIRST);
        assert_eq!(get_with(&server.stranger(), DOOR, &token).await.status, 200);
        elsewhere.post("/oauth/keys/import", json!({})).await.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "the settings have no key to import",
              "status": 409,
              "type": "/problems/key-not-in-settings"
            }
        "#]]);
    }

    async fn one_new_key_at_a_time_is_on_its_way(server: TestServer) {
        let admin = server.admin().await;
        let (_replica, elsewhere) = server.replica().await;
        let (one, other) = tokio::join!(
            admin.post("/oauth/keys", json!({})), elsewhere.post("/oauth/keys", json!({})));

        let mut both = [one.status, other.status];
        both.sort_unstable();
        assert_eq!(both, [201, 409]);
        let refused = if one.status == 409 { one } else { other };
        assert_eq!(refused.json()["type"], "/problems/key-pending");
        assert_eq!(number(&server, "SELECT COUNT(*) FROM signing_keys").await, 1);
    }

    async fn private_halves_are_sealed_and_each_for_its_row(server: TestServer) {
        let admin = server.admin().await;
        assert_eq!(admin.post("/oauth/keys/import", json!({})).await.status, 200);
        assert_eq!(admin.post("/oauth/keys", json!({})).await.status, 201);
        let sealed = "SELECT COUNT(*) FROM signing_keys WHERE private LIKE 'v1.%' AND private NOT LIKE '%{%'";
        assert_eq!(number(&server, sealed).await, 2);
        assert!(!admin.get("/oauth/keys").await.text.contains("\"d\""));

        in_sql(&server, "UPDATE signing_keys SET private =
            (SELECT other.private FROM signing_keys other WHERE other.kid <> signing_keys.kid)
            WHERE begins_at > '2000-01-01T00:00:00.000000Z'").await;

        assert_eq!(states(&admin).await, "active unreadable");
        assert_eq!(only_published(&server).await, FIRST);
    }

    async fn signing_keys_are_for_who_may_mind_them_in_the_tenant_of_the_server(server: TestServer) {
        let reader = server.client("key.read").await;
        assert_eq!(reader.get("/oauth/keys").await.status, 200);
        assert_eq!(reader.post("/oauth/keys", json!({})).await.status, 403);
        assert_eq!(reader.post("/oauth/keys/import", json!({})).await.status, 403);
        assert_eq!(reader.delete(&format!("/oauth/keys/{FIRST}")).await.status, 403);

        let theirs = another_tenant(&server).await;
        for path in ["/oauth/keys", &format!("/oauth/keys/{FIRST}")] {
            assert_eq!(theirs.get(path).await.status, 404, "{path}");
        }
        assert_eq!(theirs.post("/oauth/keys", json!({"now": true})).await.status, 404);
        assert_eq!(theirs.post("/oauth/keys/import", json!({})).await.status, 404);
        assert_eq!(theirs.delete(&format!("/oauth/keys/{FIRST}")).await.status, 404);
        assert_eq!(states(&reader).await, "active");
        assert_eq!(reader.get("/oauth/keys/nosuch").await.status, 404);
    }

    async fn without_a_key_that_signs_nothing_begins(server: TestServer) {
        let without = server.assembled(App::builder(), &[("TOKEN_SERVICE_PRIVATE_KEY", "")]).await;

        let refused = workers::start(&without).await.unwrap_err().to_string();

        assert!(refused.starts_with("no key can sign: set TOKEN_SERVICE_PRIVATE_KEY"), "{refused}");
    }
}

/// The names of the keys in the key set, that of the key which signs first.
async fn published(server: &TestServer) -> Vec<String> {
    let keys = server.stranger().get(JWKS).await.json();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The one key in the key set, as soon as it is alone.
async fn only_published(server: &TestServer) -> String {
    let alone = async {
        loop {
            if let [kid] = &published(server).await[..] {
                return kid.clone();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), alone).await.unwrap()
}

/// The states of all keys, in the order in which they begin.
async fn states(client: &Client) -> String {
    let keys = client.get("/oauth/keys").await.json();
    let states = keys["data"].as_array().unwrap().iter();
    states.map(|key| key["state"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// A token, as soon as this key signs it.
async fn signed_by(server: &TestServer, kid: &str) -> String {
    let sign = async {
        loop {
            let token = token_in(&ask_as(&server.stranger(), ADMIN, &[]).await);
            if parts(&token).0["kid"] == kid {
                return token;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), sign).await.unwrap()
}
