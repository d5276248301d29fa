//! `POST /oauth/token`.

use std::fmt::Write;

use expect_test::expect;
use reqwest::RequestBuilder;
use serde_json::json;

use super::ask_as;
use super::basic;
use super::get_with;
use super::parts;
use super::reader;
use super::register;
use super::token_in;
use crate::harness::ADMIN;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";

on_both! {
    async fn a_token_says_who_may_do_what_and_for_how_long(server: TestServer) {
        let client = reader(&server).await;

        let reply = ask_as(&server.stranger(), client.who(), &[]).await;

        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        let (mut answer, token) = (reply.json(), token_in(&reply));
        answer["access_token"] = json!("…");
        expect![[r#"
            {
              "access_token": "…",
              "expires_in": 600,
              "scope": "client.read agent.read",
              "token_type": "Bearer"
            }"#]].assert_eq(&format!("{answer:#}"));
        let (header, mut claims) = parts(&token);
        assert_eq!(claims["client_id"], client.id.as_str());
        assert_eq!(claims["sub"], format!("client:{}", client.id));
        assert_eq!(claims["registration_id"], client.id.as_str(), "its row has that id, too");
        assert_ne!(claims["jti"], parts(&client.token(&server.stranger()).await).1["jti"]);
        for name in ["client_id", "sub", "jti", "registration_id"] {
            claims[name] = json!("…");
        }
        expect![[r#"
            {
              "alg": "EdDSA",
              "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
              "typ": "at+jwt"
            }
            {
              "aud": "http://server.test",
              "client_id": "…",
              "exp": 1795601400,
              "iat": 1795600800,
              "iss": "http://server.test",
              "jti": "…",
              "registration_id": "…",
              "scope": "client.read agent.read",
              "sub": "…",
              "tenant": "default"
            }"#]].assert_eq(&format!("{header:#}\n{claims:#}"));
    }

    async fn every_form_of_credentials_is_understood(server: TestServer) {
        let odd = json!({"serverId": "svc:a b", "name": "Odd", "scopes": ["agent.read"]});
        let odd = register(&server, odd).await;
        let (id, secret) = odd.who();
        let form = format!("{GRANT}&client_id=svc%3Aa+b&client_secret={secret}");
        let json = json!({"grant_type": "client_credentials", "client_id": id, "client_secret": secret});
        let json = json.to_string();
        let encoded = basic("svc%3Aa%20b", &secret.replace('_', "%5F"));
        let plus = basic("svc%3Aa+b", secret);

        for (content_type, authorization, body) in [
            (FORM, None, form.as_str()),
            ("application/x-www-form-urlencoded;charset=UTF-8", None, &form),
            ("APPLICATION/X-WWW-FORM-URLENCODED", None, &form),
            ("application/json", None, &json),
            ("application/json; charset=utf-8", None, &json),
            (FORM, Some(&encoded), GRANT),
            (FORM, Some(&plus), GRANT),
            (FORM, Some(&encoded), "grant_type=client_credentials&client_id=svc%3Aa%20b"),
            ("application/json", Some(&encoded), r#"{"grant_type": "client_credentials"}"#),
        ] {
            let stranger = server.stranger();
            let mut request = post(&stranger, content_type, body);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let reply = stranger.send(request).await;
            assert_eq!(reply.status, 200, "{content_type} {authorization:?} {body}: {}", reply.text);
        }
    }

    async fn credentials_that_were_not_encoded_are_understood_too(server: TestServer) {
        let secret = "a+b/c=%41 with:everything~";
        let settings = [("MANAGEMENT_CLIENT_SECRET", secret)];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let stranger = server.stranger();

        let encoded: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        for secret in [secret, &encoded] {
            let request = stranger.request("POST", "/oauth/token");
            let request = request.header("authorization", basic("admin", secret));
            let reply = stranger.send(request.form(&[("grant_type", "client_credentials")])).await;
            assert_eq!(reply.status, 200, "{secret}");
        }
    }

    async fn credentials_that_prove_nobody_are_refused(server: TestServer) {
        let (id, secret) = ADMIN;
        let whole = format!("{GRANT}&client_id={id}&client_secret={secret}");
        let signed = basic(id, secret);
        let mut seen = String::new();
        for (what, authorization, body) in [
            ("nothing", &[][..], ""),
            ("no client", &[], GRANT),
            ("no secret", &[], &format!("{GRANT}&client_id={id}")),
            ("empty secret", &[], &format!("{GRANT}&client_id={id}&client_secret=")),
            ("nul", &[], &format!("{GRANT}&client_id=a%00&client_secret=b")),
            ("not UTF-8", &[], &format!("{GRANT}&client_id=%ff&client_secret=b")),
            ("secret twice", &[&*signed], &whole),
            ("another client", &[&*signed], &format!("{GRANT}&client_id=other")),
            ("two headers", &[&*signed, &signed], GRANT),
            ("bearer", &["Bearer x"], GRANT),
            ("not base64", &["Basic !!!"], GRANT),
            ("no colon", &["Basic YWJj"], GRANT),
        ] {
            let mut request = post(&server.stranger(), FORM, body);
            for header in authorization {
                request = request.header("authorization", *header);
            }
            let _ = writeln!(seen, "{what}: {}", refusal(request).await);
        }
        expect![[r#"
            nothing: 401 "invalid_client"
            no client: 401 "invalid_client"
            no secret: 401 "invalid_client"
            empty secret: 401 "invalid_client"
            nul: 400 "invalid_request"
            not UTF-8: 400 "invalid_request"
            secret twice: 400 "invalid_request"
            another client: 400 "invalid_request"
            two headers: 400 "invalid_request"
            bearer: 401 "invalid_client"
            not base64: 401 "invalid_client"
            no colon: 401 "invalid_client"
        "#]].assert_eq(&seen);
    }

    async fn requests_that_cannot_be_read_are_refused(server: TestServer) {
        let (id, secret) = ADMIN;
        let whole = format!("{GRANT}&client_id={id}&client_secret={secret}");
        let no_grant = format!("client_id={id}&client_secret={secret}");
        let long = format!("{whole}&x={}", "a".repeat(20_000));
        let json = "application/json";
        let mut seen = String::new();
        for (what, content_type, body) in [
            ("no grant", FORM, no_grant.as_str()),
            ("another grant", FORM, &format!("{no_grant}&grant_type=password&username=a")),
            ("grant twice", FORM, &format!("{whole}&{GRANT}")),
            ("long", FORM, &long),
            ("text", "text/plain", &whole),
            ("not JSON", json, "{"),
            ("a list", json, "[]"),
            ("a number", json, r#"{"grant_type": "client_credentials", "client_id": 5}"#),
            ("an object", json, r#"{"client_id": "admin", "client_secret": {"$ne": ""}}"#),
            ("a member twice", json, r#"{"client_id": "admin", "client_id": "admin"}"#),
            ("deep", json, &"[".repeat(5000)),
        ] {
            let refusal = refusal(post(&server.stranger(), content_type, body)).await;
            let _ = writeln!(seen, "{what}: {refusal}");
        }
        let in_address = format!("/oauth/token?{no_grant}");
        let request = server.stranger().request("POST", &in_address).header("content-type", FORM);
        let _ = writeln!(seen, "in the address: {}", refusal(request.body(GRANT)).await);
        expect![[r#"
            no grant: 400 "invalid_request"
            another grant: 400 "unsupported_grant_type"
            grant twice: 400 "invalid_request"
            long: 413 "invalid_request"
            text: 415 "invalid_request"
            not JSON: 400 "invalid_request"
            a list: 400 "invalid_request"
            a number: 400 "invalid_request"
            an object: 400 "invalid_request"
            a member twice: 400 "invalid_request"
            deep: 400 "invalid_request"
            in the address: 400 "invalid_request"
        "#]].assert_eq(&seen);
    }

    async fn scopes_can_be_narrowed_but_never_widened(server: TestServer) {
        let client = reader(&server).await;
        let ask = async |scope: &str| {
            let reply = ask_as(&server.stranger(), client.who(), &[("scope", scope)]).await;
            let reply = reply.json();
            reply.get("scope").or_else(|| reply.get("error")).unwrap().as_str().unwrap().to_owned()
        };

        assert_eq!(ask("").await, "client.read agent.read");
        assert_eq!(ask("agent.read").await, "agent.read");
        assert_eq!(ask("agent.* client.write").await, "agent.read");
        for refused in ["client.write", "nosuch", "agent.exceute", "a\"b", "a\nb", "é", "\t"] {
            assert_eq!(ask(refused).await, "invalid_scope", "{refused:?}");
        }
    }

    async fn a_token_is_for_one_resource(server: TestServer) {
        let ask = async |resource: &str| {
            let reply = ask_as(&server.stranger(), ADMIN, &[("resource", resource)]).await;
            match reply.status {
                200 => parts(&token_in(&reply)).1["aud"].to_string(),
                _ => reply.json()["error"].to_string(),
            }
        };

        for ours in ["http://server.test", "http://server.test/", "http://Server.Test:80"] {
            assert_eq!(ask(ours).await, r#""http://server.test""#, "{ours}");
        }
        assert_eq!(ask("http://server.test/mcp").await, r#""http://server.test/mcp""#);
        for other in ["http://server.test/mcp/x", "https://server.test", "/", "http://server.test/#f"] {
            assert_eq!(ask(other).await, r#""invalid_target""#, "{other}");
        }
    }

    async fn nobody_learns_whether_a_client_is_known(server: TestServer) {
        let client = reader(&server).await;
        let stranger = server.stranger();

        let wrong = ask_as(&stranger, (&client.id, "wrong"), &[]).await;
        let unknown = ask_as(&stranger, ("nobody", "wrong"), &[]).await;

        assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
        wrong.is(expect![[r#"
            401 application/json
            {
              "error": "invalid_client",
              "error_description": "client authentication failed"
            }
        "#]]);
        let challenge = Some(r#"Basic realm="oauth", charset="UTF-8""#);
        assert_eq!(wrong.header("www-authenticate"), challenge);
        assert_eq!(unknown.header("www-authenticate"), challenge);
    }

    async fn many_wrong_secrets_have_to_wait_and_right_ones_never(server: TestServer) {
        let client = reader(&server).await;
        let stranger = server.stranger();
        let guess = async || ask_as(&stranger, (&client.id, "wrong"), &[]).await;
        for _ in 0..100 {
            assert_eq!(guess().await.status, 401);
        }

        let late = guess().await;

        assert_eq!(late.header("retry-after"), Some("1"));
        late.is(expect![[r#"
            429 application/json
            {
              "error": "temporarily_unavailable",
              "error_description": "too many requests failed to authenticate; wait, then present the right secret"
            }
        "#]]);
        let other = ask_as(&stranger, ("nobody", "wrong"), &[]).await;
        assert_eq!(other.status, 401);
        client.token(&stranger).await;
        assert_eq!(guess().await.status, 401);
    }

    async fn behind_a_trusted_proxy_each_caller_guesses_for_himself(server: TestServer) {
        let settings = [("AGENT_SERVER_TRUSTED_PROXIES", "127.0.0.0/8")];
        let trusting = TestServer::start_with(server.app.db.dialect(), &settings).await;
        for (server, expected) in [(trusting, 401), (server, 429)] {
            let stranger = server.stranger();
            let guess = async |from: &str| {
                let form = [("grant_type", "client_credentials"), ("client_id", "x"), ("client_secret", "x")];
                let request = stranger.request("POST", "/oauth/token").header("x-forwarded-for", from);
                stranger.send(request.form(&form)).await.status
            };
            for _ in 0..100 {
                assert_eq!(guess("203.0.113.7").await, 401);
            }

            assert_eq!(guess("203.0.113.7").await, 429);
            assert_eq!(guess("203.0.113.8").await, expected);
        }
    }

    async fn the_house_refuses_in_oauths_words_too(server: TestServer) {
        let delete = server.stranger().delete("/oauth/token").await;
        assert_eq!(delete.header("allow"), Some("POST"));
        delete.is(expect![[r#"
            405 application/json
            {
              "error": "invalid_request",
              "error_description": "DELETE is not possible here; the header `Allow` lists what is"
            }
        "#]]);
        assert_eq!(server.stranger().get("/oauth/register").await.json()["error"], "invalid_request");

        let dialect = server.app.db.dialect();
        let hasty = TestServer::start_with(dialect, &[("REQUEST_TIMEOUT_MS", "20")]).await;
        let endless = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = hasty.stranger().request("POST", "/oauth/token");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let late = hasty.stranger().send(request.body(reqwest::Body::wrap_stream(endless))).await;
        assert_eq!(late.header("retry-after"), Some("1"));
        late.is(expect![[r#"
            503 application/json
            {
              "error": "temporarily_unavailable",
              "error_description": "the server cannot answer now; try again in 1 s"
            }
        "#]]);
    }

    async fn the_secret_before_is_good_while_callers_change_over(server: TestServer) {
        let settings = [("MANAGEMENT_CLIENT_SECRET_PREVIOUS", "the-secret-that-was-before")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;

        for secret in [ADMIN.1, "the-secret-that-was-before"] {
            assert_eq!(ask_as(&server.stranger(), ("admin", secret), &[]).await.status, 200);
        }
    }

    async fn tokens_need_no_database(server: TestServer) {
        let client = reader(&server).await;
        let stranger = server.stranger();
        server.app.db.close().await;

        let token = client.token(&stranger).await;
        let agents = get_with(&stranger, "/oauth/clients", &token).await;
        let unknown = ask_as(&stranger, ("nobody", "wrong"), &[]).await;

        assert_eq!(agents.status, 503, "the caller was believed, and then the list was read");
        assert_eq!(unknown.header("retry-after"), Some("1"));
        unknown.is(expect![[r#"
            503 application/json
            {
              "error": "temporarily_unavailable",
              "error_description": "clients cannot be looked up now"
            }
        "#]]);
    }

    async fn a_client_is_told_how_to_ask(server: TestServer) {
        let stranger = server.stranger();

        for reply in [stranger.get("/oauth/token").await, stranger.put("/oauth/token", json!({})).await] {
            assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
        }
    }
}

fn post(client: &Client, content_type: &str, body: &str) -> RequestBuilder {
    let request = client.request("POST", "/oauth/token");
    request.header("content-type", content_type).body(body.to_owned())
}

/// Status and error of an answer that is as RFC 6749 wants its refusals.
async fn refusal(request: RequestBuilder) -> String {
    let reply = Reply::of(request.send().await.unwrap()).await;
    assert_eq!(reply.header("content-type"), Some("application/json"), "{}", reply.text);
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", reply.text);
    let is_challenged = reply.header("www-authenticate").is_some();
    assert_eq!(is_challenged, reply.status == 401, "{}", reply.text);
    assert!(!reply.text.contains(ADMIN.1), "{}", reply.text);
    format!("{} {}", reply.status, reply.json()["error"])
}
