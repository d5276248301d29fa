//! What every route that is not open demands: a token, a good one, with the right scope.

use std::fmt::Write;
use std::time::Duration;

use auth::claims::AccessClaims;
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
use super::token_in;
use crate::harness::ADMIN;
use crate::harness::Reply;
use crate::harness::TestServer;

/// A route that `client.read` opens.
const DOOR: &str = "/oauth/clients";

on_both! {
    async fn without_a_token_a_caller_is_told_where_to_get_one(server: TestServer) {
        let stranger = server.stranger();

        let reply = stranger.get(DOOR).await;

        expect![[r#"Bearer realm="agent-server", resource_metadata="http://server.test/.well-known/oauth-protected-resource""#]].assert_eq(reply.header("www-authenticate").unwrap());
        reply.is(expect![[r#"
            401 application/problem+json
            {
              "detail": "this needs an access token",
              "status": 401,
              "type": "/problems/unauthenticated"
            }
        "#]]);
        let basic = stranger.request("GET", DOOR).basic_auth("admin", Some(ADMIN.1));
        let basic = stranger.send(basic).await;
        assert_eq!((basic.status, challenge(&basic).contains("error=")), (401, false));
        let documents = "/.well-known/oauth-protected-resource";
        assert!(challenge(&reply).contains(documents));
        assert_eq!(stranger.get(documents).await.status, 200);
    }

    async fn a_caller_without_the_scope_is_told_which(server: TestServer) {
        let agent = server.client("agent.execute").await;

        let reply = agent.get(DOOR).await;

        expect![[r#"Bearer realm="agent-server", error="insufficient_scope", scope="client.read""#]].assert_eq(challenge(&reply));
        reply.is(expect![[r#"
            403 application/problem+json
            {
              "detail": "this needs the scope `client.read`",
              "required_scope": "client.read",
              "status": 403,
              "type": "/problems/insufficient-scope"
            }
        "#]]);
        assert_eq!(server.client("admin.read").await.get(DOOR).await.status, 200);
        assert_eq!(server.client("client.*").await.get(DOOR).await.status, 200);
    }

    async fn one_credential_is_enough(server: TestServer) {
        let (stranger, token) = (server.stranger(), admin_token(&server).await);
        let bearer = || stranger.request("GET", DOOR).bearer_auth(&token);

        stranger.send(bearer().bearer_auth(&token)).await.is(expect![[r#"
            400 application/problem+json
            {
              "detail": "the request has two `Authorization` headers; one credential is enough",
              "errors": [
                {
                  "code": "bad_header",
                  "detail": "the request has two `Authorization` headers; one credential is enough",
                  "pointer": "Authorization"
                }
              ],
              "status": 400,
              "type": "/problems/malformed-request"
            }
        "#]]);
        let both = stranger.request("GET", &format!("{DOOR}?access_token={token}"));
        assert_eq!(stranger.send(both.bearer_auth(&token)).await.status, 400);
        let in_address = stranger.get(&format!("{DOOR}?access_token={token}")).await;
        assert_eq!((in_address.status, challenge(&in_address).contains("error=")), (401, false));
        let other_case = stranger.request("GET", DOOR).header("authorization", format!("bEARER  {token}"));
        assert_eq!(stranger.send(other_case).await.status, 200);
    }

    async fn what_is_no_token_is_refused(server: TestServer) {
        let token = admin_token(&server).await;
        assert_eq!(get_with(&server.stranger(), DOOR, &token).await.status, 200);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let secret = reader(&server).await.secret;
        let list = format!("a.b.c, Bearer {token}");
        let long = format!("a.{}.c", "b".repeat(20_000));
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        for wrong in [
            "", "x", "a.b.c", "....", "null", "Bearer", "é", &secret, &list, &long, &format!("{token}."),
            &format!("{token}=="), &format!("{message}."), message, &format!("{message}.{flipped}{}", &signature[1..]),
            &format!("{message}.{}", "A".repeat(86)), &format!("{token}.{signature}"),
        ] {
            let reply = get_with(&server.stranger(), DOOR, wrong).await;
            assert_eq!(reply.status, 401, "{wrong}");
            assert!(challenge(&reply).contains(r#"error="invalid_token""#), "{wrong}");
        }
    }

    async fn a_forged_token_is_refused_however_it_names_its_key(server: TestServer) {
        let token = admin_token(&server).await;
        assert_eq!(get_with(&server.stranger(), DOOR, &token).await.status, 200);
        let (header, claims) = parts(&token);
        let jwks = server.stranger().get("/.well-known/jwks.json").await;
        let signature = token.rsplit_once('.').unwrap().1;
        let with = |member: &str, value: Value| {
            let mut header = header.clone();
            header[member] = value;
            header
        };
        for header in [
            with("alg", json!("none")), with("alg", json!("None")), with("alg", Value::Null), with("alg", json!("HS256")),
            with("alg", json!("Ed25519")), with("typ", json!("JWT")), with("typ", json!("logout+jwt")), with("kid", json!("other")),
            with("kid", json!("../../../dev/null")), with("kid", json!("' OR '1'='1")), with("kid", json!(["a"])), with("kid", Value::Null),
            with("jwk", jwks.json()["keys"][0].clone()), with("jku", json!("http://127.0.0.1:9/")), with("crit", json!(["b64"])),
        ] {
            let message = format!("{}.{}", encode(&header), encode(&claims));
            for forged in [format!("{message}.{signature}"), format!("{message}."), message] {
                assert_eq!(get_with(&server.stranger(), DOOR, &forged).await.status, 401, "{header}");
            }
        }
        let mut root = claims.clone();
        root["scope"] = json!("admin.*");
        let forged = format!("{}.{}.{signature}", encode(&header), encode(&root));
        assert_eq!(get_with(&server.stranger(), DOOR, &forged).await.status, 401);
        let foreign = SigningKey::new(&PrivateJwk::generate().unwrap()).unwrap();
        let claims: AccessClaims = serde_json::from_value(claims).unwrap();
        let foreign = foreign.sign(&claims).unwrap();
        assert_eq!(get_with(&server.stranger(), DOOR, &foreign).await.status, 401);
    }

    async fn our_key_alone_does_not_make_a_token_good(server: TestServer) {
        let claims = parts(&admin_token(&server).await).1;
        let claims: AccessClaims = serde_json::from_value(claims).unwrap();
        let (iss, aud, now) = (claims.iss.clone(), claims.aud.clone(), claims.iat);
        let of = |change: &dyn Fn(&mut AccessClaims)| {
            let mut claims = claims.clone();
            change(&mut claims);
            server.app.keys.sign(&claims).unwrap()
        };
        let mut seen = String::new();
        for (what, token) in [
            ("as it is", of(&|_| {})),
            ("another issuer", of(&|claims| claims.iss = "https://evil.example".into())),
            ("an issuer with a path", of(&|claims| claims.iss = format!("{iss}/x"))),
            ("another audience", of(&|claims| claims.aud = format!("{aud}/mcp"))),
            ("an audience that begins like ours", of(&|claims| claims.aud = format!("{aud}.evil.example"))),
            ("over", of(&|claims| claims.exp = now - 5)),
            ("not begun", of(&|claims| claims.nbf = Some(now + 60))),
            ("made tomorrow", of(&|claims| claims.iat = now + 86_400)),
            ("a client that is not there", of(&|claims| claims.client_id = "nobody".into())),
            ("another tenant", of(&|claims| claims.tenant = "other".into())),
            ("no subject", of(&|claims| claims.sub = "root".into())),
        ] {
            let reply = get_with(&server.stranger(), DOOR, &token).await;
            let _ = writeln!(seen, "{what}: {} {}", reply.status, reply.json()["detail"]);
        }
        expect![[r#"
            as it is: 200 null
            another issuer: 401 "the token is of another issuer"
            an issuer with a path: 401 "the token is of another issuer"
            another audience: 401 "the token is for another audience"
            an audience that begins like ours: 401 "the token is for another audience"
            over: 401 "the token expired 5 s ago"
            not begun: 401 "the token is not yet valid, for another 60 s"
            made tomorrow: 401 "the token is not yet valid, for another 86400 s"
            a client that is not there: 401 "the client of the token was deleted or deactivated"
            another tenant: 401 "the client of the token was deleted or deactivated"
            no subject: 401 "the token names nobody"
        "#]].assert_eq(&seen);
    }

    async fn a_token_is_good_for_ten_minutes(server: TestServer) {
        let token = admin_token(&server).await;

        server.app.clock.advance(Duration::from_secs(604));
        assert_eq!(get_with(&server.stranger(), DOOR, &token).await.status, 200);

        server.app.clock.advance(Duration::from_secs(1));
        let reply = get_with(&server.stranger(), DOOR, &token).await;
        expect![[r#"Bearer realm="agent-server", error="invalid_token", error_description="the token expired 5 s ago", resource_metadata="http://server.test/.well-known/oauth-protected-resource""#]].assert_eq(challenge(&reply));
    }
}

async fn admin_token(server: &TestServer) -> String {
    token_in(&ask_as(&server.stranger(), ADMIN, &[]).await)
}

fn challenge(reply: &Reply) -> &str {
    reply.header("www-authenticate").unwrap()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
