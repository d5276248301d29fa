//! `POST /oauth/introspect` and `POST /oauth/revoke`.

use std::time::Duration;

use auth::jwk::PrivateJwk;
use auth::keys::SigningKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::get_with;
use super::parts;
use super::reader;
use super::register;
use super::token_in;
use crate::access::another_tenant;
use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::number;

/// A route that `client.read` opens.
const DOOR: &str = "/oauth/clients";

on_both! {
    async fn a_client_learns_what_its_token_allows(server: TestServer) {
        let client = register(&server, json!({"serverId": "shop", "name": "Shop", "scopes": ["agent.read", "client.read"]})).await;
        let stranger = server.stranger();
        let token = client.token(&stranger).await;

        let told = tell(&stranger, client.who(), "introspect", &token).await;

        assert_eq!(told.header("cache-control"), Some("no-store"));
        let mut answer = told.json();
        assert_eq!(answer["jti"].take(), parts(&token).1["jti"]);
        expect![[r#"
            {
              "active": true,
              "aud": "http://server.test",
              "client_id": "shop",
              "exp": 1795601400,
              "iat": 1795600800,
              "iss": "http://server.test",
              "jti": null,
              "scope": "agent.read client.read",
              "sub": "client:shop",
              "tenant": "default",
              "token_type": "Bearer"
            }"#]].assert_eq(&format!("{answer:#}"));

        let change = json!({"scope": "agent.read"});
        let admin = server.admin().await;
        assert_eq!(admin.send(admin.request("PATCH", "/oauth/clients/shop").json(&change)).await.status, 200);
        let told = tell(&stranger, client.who(), "introspect", &token).await;
        assert_eq!(told.json()["scope"], "agent.read", "what it holds no more, it does not allow");
    }

    async fn of_whatever_opens_nothing_only_that_is_said(server: TestServer) {
        let stranger = server.stranger();
        let client = reader(&server).await;
        let gone = reader(&server).await;
        let of_gone = gone.token(&stranger).await;
        let path = format!("/oauth/clients/{}", gone.id);
        assert_eq!(server.admin().await.delete(&path).await.status, 204);
        let good = client.token(&stranger).await;
        let (header, claims) = parts(&good);
        let mut none = header.clone();
        none["alg"] = json!("none");
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = format!("{}.{}.", encode(&none), encode(&claims));
        let foreign = SigningKey::new(&PrivateJwk::generate().unwrap()).unwrap();
        let foreign = foreign.sign(&serde_json::from_value(claims).unwrap()).unwrap();

        for token in ["x", "a.b.c", &unsigned, &foreign, &of_gone, &client.secret, &format!("{good} ")] {
            let told = tell(&stranger, ADMIN, "introspect", token).await;
            assert_eq!((told.status, told.text.as_str()), (200, r#"{"active":false}"#), "{token}");
        }
        server.app.clock.advance(Duration::from_secs(605));
        assert_eq!(tell(&stranger, ADMIN, "introspect", &good).await.text, r#"{"active":false}"#);
    }

    async fn only_who_may_see_clients_learns_of_the_tokens_of_others(server: TestServer) {
        let stranger = server.stranger();
        let shop = register(&server, json!({"scope": "agent.read"})).await;
        let desk = register(&server, json!({"scope": "agent.read"})).await;
        let reader = reader(&server).await;
        another_tenant(&server).await;
        let token = shop.token(&stranger).await;
        let is_active = async |who: (&str, &str)| {
            tell(&stranger, who, "introspect", &token).await.json()["active"].clone()
        };

        assert_eq!(is_active(shop.who()).await, json!(true));
        assert_eq!(is_active(reader.who()).await, json!(true));
        assert_eq!(is_active(ADMIN).await, json!(true));
        assert_eq!(is_active(desk.who()).await, json!(false));
        assert_eq!(is_active(("theirs", "a-secret-of-another-tenant")).await, json!(false));
    }

    async fn both_want_a_client_that_proves_itself_and_a_token(server: TestServer) {
        let stranger = server.stranger();
        let token = token_in(&ask_as(&stranger, ADMIN, &[]).await);
        for endpoint in ["introspect", "revoke"] {
            let path = format!("/oauth/{endpoint}");
            for who in [(ADMIN.0, "wrong"), ("nobody", "wrong")] {
                let refused = tell(&stranger, who, endpoint, &token).await;
                assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")));
            }
            let anonymous = stranger.send(stranger.request("POST", &path).form(&[("token", &token)])).await;
            assert_eq!((anonymous.status, &anonymous.json()["error"]), (401, &json!("invalid_client")));
            let bearer = stranger.request("POST", &path).bearer_auth(&token).form(&[("token", &token)]);
            assert_eq!(stranger.send(bearer).await.status, 401);
            let in_address = stranger.request("POST", &format!("{path}?token={token}"));
            assert_eq!(stranger.send(in_address.basic_auth(ADMIN.0, Some(ADMIN.1))).await.status, 400);
            for empty in ["", "token="] {
                let request = stranger.request("POST", &path).basic_auth(ADMIN.0, Some(ADMIN.1));
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                let refused = stranger.send(request.body(empty)).await;
                assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_request")));
            }
            let get = stranger.get(&path).await;
            assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
            assert_eq!(get.json()["error"], "invalid_request");
        }
        assert_eq!(get_with(&stranger, DOOR, &token).await.status, 200, "nobody revoked it");
    }

    async fn a_revoked_token_is_void_at_once(server: TestServer) {
        let (client, stranger) = (reader(&server).await, server.stranger());
        let (token, other) = (client.token(&stranger).await, client.token(&stranger).await);
        assert_eq!(get_with(&stranger, DOOR, &token).await.status, 200);

        let revoked = tell(&stranger, client.who(), "revoke", &token).await;

        assert_eq!((revoked.status, revoked.text.as_str()), (200, ""));
        assert_eq!(revoked.header("cache-control"), Some("no-store"));
        get_with(&stranger, DOOR, &token).await.is(expect![[r#"
            401 application/problem+json
            {
              "detail": "the token was revoked",
              "status": 401,
              "type": "/problems/unauthenticated"
            }
        "#]]);
        assert_eq!(tell(&stranger, client.who(), "introspect", &token).await.text, r#"{"active":false}"#);
        assert_eq!(tell(&stranger, client.who(), "revoke", &token).await.status, 200);
        assert_eq!(get_with(&stranger, DOOR, &other).await.status, 200);
    }

    async fn a_revoked_token_is_void_on_other_replicas_within_a_second(server: TestServer) {
        let client = reader(&server).await;
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        let token = client.token(&elsewhere).await;
        assert_eq!(get_with(&elsewhere, DOOR, &token).await.status, 200);

        assert_eq!(tell(&server.stranger(), client.who(), "revoke", &token).await.status, 200);

        let gone = async { while get_with(&elsewhere, DOOR, &token).await.status != 401 {} };
        tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
    }

    async fn a_restart_forgets_no_revocation(server: TestServer) {
        let stranger = server.stranger();
        let token = token_in(&ask_as(&stranger, ADMIN, &[]).await);
        assert_eq!(tell(&stranger, ADMIN, "revoke", &token).await.status, 200);

        for _ in 0..4 {
            let (_replica, anew) = server.replica().await;
            assert_eq!(get_with(&anew.without_token(), DOOR, &token).await.status, 401);
        }
    }

    async fn a_client_revokes_its_own_tokens_only(server: TestServer) {
        let stranger = server.stranger();
        let (shop, desk) = (reader(&server).await, reader(&server).await);
        let token = shop.token(&stranger).await;

        for other in [desk.who(), ADMIN] {
            tell(&stranger, other, "revoke", &token).await.is(expect![[r#"
                400 application/json
                {
                  "error": "invalid_request",
                  "error_description": "the token was issued to another client, which alone can give it back"
                }
            "#]]);
        }
        assert_eq!(get_with(&stranger, DOOR, &token).await.status, 200);
        for unknown in ["nosuch", "a.b.c", &desk.secret] {
            assert_eq!(tell(&stranger, desk.who(), "revoke", unknown).await.status, 200, "{unknown}");
        }
    }

    async fn a_revoked_token_stays_so_without_the_database(server: TestServer) {
        let (client, stranger) = (reader(&server).await, server.stranger());
        let (token, other) = (client.token(&stranger).await, client.token(&stranger).await);
        assert_eq!(tell(&stranger, client.who(), "revoke", &token).await.status, 200);
        server.app.db.close().await;

        assert_eq!(get_with(&stranger, DOOR, &token).await.status, 401);
        assert_eq!(tell(&stranger, client.who(), "introspect", &token).await.text, r#"{"active":false}"#);
        assert_eq!(tell(&stranger, client.who(), "introspect", &other).await.json()["active"], true);
        assert_eq!(tell(&stranger, client.who(), "revoke", &other).await.status, 503, "it would not last");
    }

    async fn revoked_tokens_are_forgotten_when_they_are_over(server: TestServer) {
        let (client, stranger) = (reader(&server).await, server.stranger());
        let revoke = async || {
            let token = client.token(&stranger).await;
            assert_eq!(tell(&stranger, client.who(), "revoke", &token).await.status, 200);
        };
        revoke().await;
        server.app.clock.advance(Duration::from_secs(661));
        revoke().await;
        let count = "SELECT COUNT(*) FROM revoked_tokens";
        assert_eq!(number(&server, count).await, 2);

        server.app.tasks.shut_down(Duration::from_secs(5)).await;

        assert_eq!(number(&server, count).await, 1);
    }
}

/// Names a token at an endpoint that clients prove themselves at.
async fn tell(client: &Client, who: (&str, &str), endpoint: &str, token: &str) -> Reply {
    let request = client.request("POST", &format!("/oauth/{endpoint}"));
    let request = request.basic_auth(who.0, Some(who.1));
    client.send(request.form(&[("token", token), ("token_type_hint", "access_token")])).await
}
