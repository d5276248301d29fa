//! Clients that sign: `private_key_jwt`.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::get_with;
use super::parts;
use super::register;
use super::token_in;
use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::number;

const NOW: u64 = 1_795_600_800;
pub const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

on_both! {
    async fn a_client_that_signs_gets_tokens_without_a_secret(server: TestServer) {
        let signer = Signer::new();
        let body = json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(), "scope": "client.read",
            "token_endpoint_auth_signing_alg": "ES256",
        });

        let made = server.admin().await.post("/oauth/register", body).await;

        assert_eq!((made.status, made.json().get("client_secret")), (201, None));
        assert_eq!(made.json()["jwks"], signer.jwks());
        let id = made.json()["client_id"].as_str().unwrap().to_owned();
        let stranger = server.stranger();
        let token = token_in(&show(&stranger, &signer.assertion(&id, json!({})), &[]).await);
        assert_eq!(parts(&token).1["client_id"], id);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 200);
        let named = show(&stranger, &signer.assertion(&id, json!({})), &[("client_id", &id)]).await;
        assert_eq!(named.status, 200);
        let asserted = signer.assertion(&id, json!({}));
        let revoke = stranger.request("POST", "/oauth/revoke");
        let form = [("token", token.as_str()), ("client_assertion_type", JWT), ("client_assertion", &asserted)];
        assert_eq!(stranger.send(revoke.form(&form)).await.status, 200);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 401);
    }

    async fn an_assertion_proves_its_client_once(server: TestServer) {
        let (signer, id) = signing(&server).await;
        let stranger = server.stranger();
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        let assertion = signer.assertion(&id, json!({}));

        let shows = [&stranger, &elsewhere].map(|at| futures::future::join_all((0..8).map(|_| show(at, &assertion, &[]))));
        let answers: Vec<Reply> = futures::future::join_all(shows).await.concat();

        let good = answers.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(good, 1, "of sixteen at once on two processes one is answered");
        let refused = answers.iter().filter(|reply| reply.json()["error"] == "invalid_client").count();
        assert_eq!(refused, 15);
        assert_eq!(show(&stranger, &assertion, &[]).await.status, 401);
        server.app.clock.advance(Duration::from_mins(10));
        server.app.tasks.shut_down(Duration::from_secs(5)).await;
        assert_eq!(number(&server, "SELECT COUNT(*) FROM replay_guard").await, 0);
    }

    async fn what_does_not_prove_the_client_is_refused(server: TestServer) {
        let (signer, id) = signing(&server).await;
        let (other, other_id) = signing(&server).await;
        let stranger = server.stranger();
        let audience = |aud: Value| signer.assertion(&id, json!({"aud": aud}));
        for assertion in [
            other.assertion(&id, json!({})),
            signer.assertion(&other_id, json!({})),
            signer.assertion(&id, json!({"iss": other_id})),
            signer.assertion(ADMIN.0, json!({})),
            signer.assertion("nobody", json!({})),
            audience(json!("http://server.test/oauth/token")),
            audience(json!(["http://server.test", "https://evil.example"])),
            audience(json!("http://server.test.evil.example")),
            signer.assertion(&id, json!({"exp": NOW - 60})),
            signer.assertion(&id, json!({"exp": NOW + 3600})),
            signer.assertion(&id, json!({"nbf": NOW + 3600})),
            signer.assertion(&id, json!({"jti": null})),
            "x".to_owned(), "a.b.c".to_owned(),
        ] {
            let refused = show(&stranger, &assertion, &[]).await;
            assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")), "{assertion}");
            assert!(refused.header("www-authenticate").is_some());
        }
        assert_eq!(number(&server, "SELECT COUNT(*) FROM replay_guard").await, 0, "who cannot sign writes nothing");
        let twice = signer.assertion(&id, json!({}));
        for more in [&[("client_secret", "x")][..], &[("client_id", "other")], &[("client_assertion_type", "x")]] {
            let refused = show(&stranger, &twice, more).await;
            assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_request")), "{more:?}");
        }
        let basic = stranger.request("POST", "/oauth/token").basic_auth(ADMIN.0, Some(ADMIN.1));
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", JWT), ("client_assertion", &twice)];
        assert_eq!(stranger.send(basic.form(&form)).await.status, 400);
        assert_eq!(show(&stranger, &twice, &[]).await.status, 200, "it was not used up by what was refused");
    }

    async fn a_client_that_signs_does_not_fall_back_to_a_secret(server: TestServer) {
        let (_, id) = signing(&server).await;
        for secret in ["x", ""] {
            assert_eq!(ask_as(&server.stranger(), (&id, secret), &[]).await.status, 401);
        }
        let digest = auth::token::Digest::of("a-secret-in-its-row").to_hex();
        crate::harness::in_sql(&server, &format!("UPDATE client_registrations SET secret_sha256 = '{digest}'")).await;
        assert_eq!(ask_as(&server.stranger(), (&id, "a-secret-in-its-row"), &[]).await.status, 401);
        let admin = server.admin().await;
        let rotated = admin.post(&format!("/oauth/clients/{id}/secret"), json!({})).await;
        assert_eq!((rotated.status, &rotated.json()["type"]), (409, &json!("/problems/client-has-no-secret")));
    }

    async fn its_keys_can_be_changed_by_who_holds_what_it_holds(server: TestServer) {
        let (signer, id) = signing(&server).await;
        let (next, stranger) = (Signer::new(), server.stranger());
        let change = async |client: &Client, id: &str, body: Value| {
            client.send(client.request("PATCH", &format!("/oauth/clients/{id}")).json(&body)).await
        };
        let admin = server.admin().await;

        let desk = server.client("client.write agent.read").await;
        assert_eq!(change(&desk, &id, json!({"jwks": next.jwks()})).await.status, 403);
        assert_eq!(change(&admin, &id, json!({"jwks": {"keys": []}})).await.status, 422);
        let both = json!({"jwks": next.jwks(), "jwks_uri": "https://shop.example/jwks"});
        assert_eq!(change(&admin, &id, both).await.status, 422);
        assert_eq!(change(&admin, &id, json!({"jwks_uri": "http://127.0.0.1:9/jwks"})).await.status, 422);
        let basic = register(&server, json!({})).await;
        assert_eq!(change(&admin, &basic.id, json!({"jwks": next.jwks()})).await.status, 422);
        assert_eq!(show(&stranger, &signer.assertion(&id, json!({})), &[]).await.status, 200);

        assert_eq!(change(&admin, &id, json!({"jwks": next.jwks()})).await.status, 200);

        assert_eq!(show(&stranger, &signer.assertion(&id, json!({})), &[]).await.status, 401);
        assert_eq!(show(&stranger, &next.assertion(&id, json!({})), &[]).await.status, 200);
    }

    async fn keys_elsewhere_are_fetched_where_they_may_be(server: TestServer) {
        let signer = Signer::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let body = json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": format!("{origin}/jwks"), "scope": "client.read",
        });
        let refused = server.admin().await.post("/oauth/register", body.clone()).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_client_metadata")));

        let settings = [("AGENT_SERVER_EGRESS_ALLOW", origin.as_str())];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let made = server.admin().await.post("/oauth/register", body).await;
        assert_eq!((made.status, &made.json()["jwks_uri"]), (201, &json!(format!("{origin}/jwks"))));
        let id = made.json()["client_id"].as_str().unwrap().to_owned();
        let (jwks, fetches) = (signer.jwks(), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let seen = std::sync::Arc::clone(&fetches);
        let routes = axum::Router::new().route("/jwks", axum::routing::get(move || {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::future::ready(axum::Json(jwks.clone()))
        }));
        server.app.tasks.spawn_for_all(async move { axum::serve(listener, routes).await.unwrap() });

        let stranger = server.stranger();
        for _ in 0..3 {
            assert_eq!(show(&stranger, &signer.assertion(&id, json!({})), &[]).await.status, 200);
        }
        for _ in 0..3 {
            assert_eq!(show(&stranger, &Signer::new().assertion(&id, json!({})), &[]).await.status, 401);
        }
        assert_eq!(fetches.load(std::sync::atomic::Ordering::SeqCst), 1, "whoever asks, it is fetched seldom");
    }
}

/// A client's key pair.
pub struct Signer(EcdsaKeyPair);

impl Signer {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn jwks(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        json!({"keys": [{"alg": "ES256", "crv": "P-256", "kid": "1", "kty": "EC", "use": "sig", "x": x, "y": y}]})
    }

    /// An assertion of a client, with other claims than usual.
    pub fn assertion(&self, client_id: &str, change: Value) -> String {
        let jti = encode(auth::random::bytes().unwrap().as_slice());
        let mut claims = json!({
            "iss": client_id, "sub": client_id, "aud": "http://server.test", "iat": NOW, "exp": NOW + 60, "jti": jti,
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let header = json!({"alg": "ES256", "kid": "1", "typ": "JWT"});
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A registered client that signs.
async fn signing(server: &TestServer) -> (Signer, String) {
    let signer = Signer::new();
    let body = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(), "scope": "client.read",
    });
    let made = server.admin().await.post("/oauth/register", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (signer, made.json()["client_id"].as_str().unwrap().to_owned())
}

/// Asks for a token with an assertion; what is given goes before what is usual.
async fn show(client: &Client, assertion: &str, more: &[(&str, &str)]) -> Reply {
    let usual = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT),
        ("client_assertion", assertion),
    ];
    let usual = usual.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let form: Vec<_> = usual.chain(more.iter().copied()).collect();
    client.send(client.request("POST", "/oauth/token").form(&form)).await
}
