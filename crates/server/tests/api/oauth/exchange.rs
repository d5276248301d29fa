//! Token exchange (RFC 8693).

use std::fmt::Write;
use std::time::Duration;

use expect_test::expect;
use serde_json::json;

use super::Registered;
use super::ask_as;
use super::get_with;
use super::parts;
use super::reader;
use super::register;
use super::token_in;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

on_both! {
    async fn a_token_is_exchanged_for_a_narrower_one(server: TestServer) {
        let (client, stranger) = (exchanger(&server).await, server.stranger());
        let token = client.token(&stranger).await;
        server.app.clock.advance(Duration::from_mins(1));

        let reply = exchange(&stranger, &client, &token, &[("scope", "client.read")]).await;

        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
        let narrow = token_in(&reply);
        let mut answer = reply.json();
        answer["access_token"] = json!("…");
        expect![[r#"
            {
              "access_token": "…",
              "expires_in": 540,
              "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
              "scope": "client.read",
              "token_type": "Bearer"
            }"#]].assert_eq(&format!("{answer:#}"));
        let (before, mut after) = (parts(&token).1, parts(&narrow).1);
        assert_ne!(before["jti"], after["jti"].take());
        expect![[r#"
            {
              "act": {
                "sub": "client:swap"
              },
              "aud": "http://server.test",
              "client_id": "swap",
              "exp": 1795601400,
              "iat": 1795600860,
              "iss": "http://server.test",
              "jti": null,
              "registration_id": "swap",
              "scope": "client.read",
              "sub": "client:swap",
              "tenant": "default"
            }"#]].assert_eq(&format!("{after:#}").replace(&client.id, "swap"));
        assert_eq!(get_with(&stranger, "/oauth/clients", &narrow).await.status, 200);
        assert_eq!(get_with(&stranger, "/agents", &narrow).await.status, 403);
    }

    async fn who_acts_is_named_in_a_chain_that_ends(server: TestServer) {
        let (client, stranger) = (exchanger(&server).await, server.stranger());
        let mut token = client.token(&stranger).await;
        for depth in 1..=5 {
            let reply = exchange(&stranger, &client, &token, &[]).await;
            token = token_in(&reply);
            let act = parts(&token).1["act"].clone();
            let chain = std::iter::successors(Some(&act), |act| act.get("act")).count();
            assert_eq!(chain, depth);
        }

        let more = exchange(&stranger, &client, &token, &[]).await;

        more.is(expect![[r#"
            400 application/json
            {
              "error": "invalid_request",
              "error_description": "too many have acted for the subject already"
            }
        "#]]);
    }

    async fn no_exchange_gives_more_than_the_token_or_the_client_has(server: TestServer) {
        let (client, stranger) = (exchanger(&server).await, server.stranger());
        let narrow = token_in(&ask_as(&stranger, client.who(), &[("scope", "agent.read")]).await);
        let scope = async |token: &str, wanted: &str| {
            let reply = exchange(&stranger, &client, token, &[("scope", wanted)]).await.json();
            reply.get("scope").or_else(|| reply.get("error")).unwrap().clone()
        };

        assert_eq!(scope(&narrow, "agent.read client.read").await, "agent.read");
        for more in ["client.read", "admin.write", "nosuch"] {
            assert_eq!(scope(&narrow, more).await, "invalid_scope", "{more}");
        }
        let whole = client.token(&stranger).await;
        let admin = server.admin().await;
        let (change, path) = (json!({"scope": "agent.read"}), format!("/oauth/clients/{}", client.id));
        assert_eq!(admin.send(admin.request("PATCH", &path).json(&change)).await.status, 200);
        assert_eq!(scope(&whole, "agent.read client.read").await, "agent.read");
    }

    async fn a_stolen_token_is_exchanged_for_nothing(server: TestServer) {
        let stranger = server.stranger();
        let (client, other) = (exchanger(&server).await, reader(&server).await);
        let (own, stolen) = (client.token(&stranger).await, other.token(&stranger).await);

        exchange(&stranger, &client, &stolen, &[]).await.is(expect![[r#"
            400 application/json
            {
              "error": "invalid_request",
              "error_description": "the subject_token was issued to another client"
            }
        "#]]);
        let actor = [("actor_token", stolen.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        assert_eq!(exchange(&stranger, &client, &own, &actor).await.status, 400);
        let not_registered = exchange(&stranger, &other, &stolen, &[]).await;
        assert_eq!((not_registered.status, &not_registered.json()["error"]), (400, &json!("unauthorized_client")));
    }

    async fn a_token_that_is_void_is_exchanged_for_nothing(server: TestServer) {
        let (client, stranger) = (exchanger(&server).await, server.stranger());
        let (token, revoked) = (client.token(&stranger).await, client.token(&stranger).await);
        let revoke = stranger.request("POST", "/oauth/revoke").basic_auth(&client.id, Some(&client.secret));
        assert_eq!(stranger.send(revoke.form(&[("token", &revoked)])).await.status, 200);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let error = async |token: &str| {
            let reply = exchange(&stranger, &client, token, &[]).await;
            assert_eq!(reply.status, 400, "{}", reply.text);
            reply.json()["error"].clone()
        };

        for void in [revoked.as_str(), "x", "a.b.c", &format!("{message}."), &format!("{message}.A{signature}"), &client.secret] {
            assert_eq!(error(void).await, "invalid_request", "{void}");
        }
        server.app.clock.advance(Duration::from_mins(10));
        assert_eq!(error(&token).await, "invalid_request", "it is over, though the clocks' difference is forgiven");
    }

    async fn what_cannot_be_exchanged_is_refused_with_its_reason(server: TestServer) {
        let (client, stranger) = (exchanger(&server).await, server.stranger());
        let token = client.token(&stranger).await;
        let mut seen = String::new();
        for (what, more) in [
            ("another kind is wanted", &[("requested_token_type", "urn:example:x")][..]),
            ("an actor without a kind", &[("actor_token", &token)]),
            ("a kind of no actor", &[("actor_token_type", ACCESS_TOKEN)]),
            ("another resource", &[("resource", "https://evil.example/")]),
            ("another audience", &[("audience", "https://evil.example/")]),
            ("an audience beside our resource", &[("resource", "http://server.test"), ("audience", "x")]),
            ("our API", &[("resource", "http://server.test/"), ("audience", "http://server.test")]),
            ("as a JWT", &[("requested_token_type", "urn:ietf:params:oauth:token-type:jwt")]),
        ] {
            let reply = exchange(&stranger, &client, &token, more).await;
            let _ = writeln!(seen, "{what}: {} {}", reply.status, reply.json()["error"]);
        }
        for (what, form) in [
            ("no token", vec![("subject_token_type", ACCESS_TOKEN)]),
            ("nothing", vec![]),
            ("no kind", vec![("subject_token", token.as_str())]),
            ("another kind", vec![("subject_token", token.as_str()), ("subject_token_type", "urn:example:x")]),
        ] {
            let reply = send(&stranger, &client, &form).await;
            let _ = writeln!(seen, "{what}: {} {}", reply.status, reply.json()["error"]);
        }
        expect![[r#"
            another kind is wanted: 400 "invalid_request"
            an actor without a kind: 400 "invalid_request"
            a kind of no actor: 400 "invalid_request"
            another resource: 400 "invalid_target"
            another audience: 400 "invalid_target"
            an audience beside our resource: 400 "invalid_target"
            our API: 200 null
            as a JWT: 200 null
            no token: 400 "invalid_request"
            nothing: 400 "invalid_request"
            no kind: 400 "invalid_request"
            another kind: 400 "invalid_request"
        "#]].assert_eq(&seen);
    }
}

/// A client that may exchange its tokens.
async fn exchanger(server: &TestServer) -> Registered {
    let grants = ["client_credentials", GRANT];
    register(server, json!({"grant_types": grants, "scope": "agent.read client.read"})).await
}

async fn exchange(client: &Client, who: &Registered, token: &str, more: &[(&str, &str)]) -> Reply {
    let own = [("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    send(client, who, &[&own, more].concat()).await
}

async fn send(client: &Client, who: &Registered, form: &[(&str, &str)]) -> Reply {
    let request = client.request("POST", "/oauth/token").basic_auth(&who.id, Some(&who.secret));
    client.send(request.form(&[&[("grant_type", GRANT)], form].concat())).await
}
