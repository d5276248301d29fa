//! `/oauth/authorize`.

use expect_test::expect;
use serde_json::json;

use super::get_with;
use super::people::Browser;
use super::people::NATIVE;
use super::people::PASSWORD;
use super::people::Pair;
use super::people::SITE;
use super::people::Tokens;
use super::people::Wanted;
use super::people::ask;
use super::people::claims;
use super::people::parameter;
use super::people::public_client;
use super::people::redeem;
use super::people::user;
use crate::access::another_tenant;
use crate::harness::ADMIN;
use crate::harness::in_sql;

on_both! {
    async fn a_person_allows_a_client_which_then_acts_for_him(server: TestServer) {
        let id = user(&server, "maria", "operator").await;
        let client = public_client(&server, "agent.* run.read secret.read").await;
        let (mut browser, stranger) = (Browser::new(&server), server.stranger());
        let wanted = Wanted::of(&client, NATIVE).with("scope", "openid agent.execute secret.read run.read");

        let to_door = browser.get(&wanted.path()).await;
        let door = to_door.header("location").unwrap().to_owned();
        assert_eq!((to_door.status, door.starts_with("/sign-in?then=%2Foauth%2Fauthorize%3F")), (303, true), "{door}");
        let page = browser.get(&door).await;
        assert!(page.text.contains("to go on to <b class=\"strong\">Code editor</b>"), "{}", page.text);
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self' http://127.0.0.1:8999;"));
        let then = parameter(&format!("http://server.test{door}"), "then").unwrap();
        let form = [("username", "maria"), ("password", PASSWORD), ("then", then.as_str())];
        let inside = browser.submit("/sign-in", &form).await;
        assert_eq!(inside.header("location"), Some(then.as_str()));

        let page = browser.get(&then).await;
        assert_eq!(page.status, 200);
        for part in ["Let Code editor act for you?", "127.0.0.1:8999</b> on this computer", "<code class=\"small dim\">agent.execute</code>", "run.read"] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        assert!(!page.text.contains("<code class=\"small dim\">secret.read</code>"), "an operator may not");
        let url = browser.decide(&wanted, "allow").await;
        assert!(url.starts_with("http://127.0.0.1:8999/cb?code=agc_"), "{url}");
        assert_eq!(parameter(&url, "state").as_deref(), Some("a b&c"));
        assert_eq!(parameter(&url, "iss").as_deref(), Some("http://server.test"));

        let reply = redeem(&stranger, &client, &parameter(&url, "code").unwrap()).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let tokens = Tokens::of(&reply);
        let mut shown = reply.json();
        shown["access_token"].take();
        shown["refresh_token"].take();
        expect![[r#"
            {
              "access_token": null,
              "expires_in": 600,
              "refresh_token": null,
              "scope": "agent.execute run.read",
              "token_type": "Bearer"
            }"#]].assert_eq(&format!("{shown:#}"));
        let mut claims = claims(&tokens.access);
        claims["jti"].take();
        claims["grant_id"].take();
        expect![[r#"
            {
              "aud": "http://server.test",
              "client_id": "<client>",
              "exp": 1795601400,
              "grant_id": null,
              "iat": 1795600800,
              "iss": "http://server.test",
              "jti": null,
              "registration_id": "<client>",
              "scope": "agent.execute run.read",
              "sub": "user:<user>",
              "tenant": "default"
            }"#]].assert_eq(&format!("{claims:#}").replace(&id, "<user>").replace(&client, "<client>"));
        let admin = server.admin().await;
        let mut grant = admin.get("/grants").await.json()["data"][0].clone();
        grant["id"].take();
        expect![[r#"
            {
              "client_id": "<client>",
              "created_at": "2026-11-25T10:00:00Z",
              "expires_at": "2026-12-25T10:00:00Z",
              "id": null,
              "last_used_at": "2026-11-25T10:00:00Z",
              "scope": "agent.execute run.read",
              "subject": "user:<user>"
            }"#]].assert_eq(&format!("{grant:#}").replace(&id, "<user>").replace(&client, "<client>"));
        assert_eq!(get_with(&stranger, "/agents", &tokens.access).await.status, 200);
        assert_eq!(get_with(&stranger, "/secrets", &tokens.access).await.status, 403);
    }

    async fn nobody_is_sent_to_an_address_that_is_in_doubt(server: TestServer) {
        let client = public_client(&server, "agent.read").await;
        let mut browser = Browser::new(&server);
        for uri in [
            "http://127.0.0.1:8999/cb/", "http://127.0.0.1:8999/cb/../evil", "http://127.0.0.1:8999/cb?x=1", "http://127.0.0.1:8999/cb#f",
            "http://127.0.0.1:8999/CB", "http://evil.example/cb", "http://127.0.0.1:8999@evil.example/cb",
            "http://127.0.0.1:8999.evil.example/cb", "https://app.example.evil.example/cb", "http://app.example/cb",
            "https://app.example:444/cb", "https://app.example\\@evil.example/cb", "javascript:alert(1)//http://127.0.0.1:8999/cb",
            "http://127.0.0.1:8999\t/cb", "http://127.0.0.1:8999\n/cb", "http://127.0.0.1:8999/cb\0", "",
        ] {
            for wanted in [Wanted::of(&client, uri), Wanted::of(&client, uri).with("response_type", "x")] {
                let page = browser.get(&wanted.path()).await;
                assert_eq!((page.status, page.header("location")), (400, None), "{uri:?}");
            }
        }
        for wanted in [Wanted::of("nobody", NATIVE), Wanted::of(&client, NATIVE).without("redirect_uri"), Wanted::of(ADMIN.0, NATIVE)] {
            let page = browser.get(&wanted.path()).await;
            assert_eq!((page.status, page.header("location")), (400, None), "{}", wanted.path());
        }
        let twice = format!("{}&client_id=x", Wanted::of(&client, NATIVE).path());
        assert_eq!(browser.get(&twice).await.status, 400);
        for uri in [NATIVE, SITE, "http://127.0.0.1:53211/cb"] {
            assert_eq!(browser.get(&Wanted::of(&client, uri).path()).await.status, 303, "{uri}");
        }
    }

    async fn what_is_wrong_is_told_to_the_client_with_state_and_issuer(server: TestServer) {
        let client = public_client(&server, "agent.read").await;
        let own = json!({"scope": "agent.read", "redirect_uris": [SITE], "grant_types": ["client_credentials"]});
        let other = server.admin().await.post("/oauth/register", own).await.json();
        let other = other["client_id"].as_str().unwrap();
        let mut browser = Browser::new(&server);
        let wanted = || Wanted::of(&client, NATIVE).with("state", "a b+&=é\"<\r\n");
        for (wanted, error) in [
            (wanted().with("response_type", "token"), "unsupported_response_type"),
            (wanted().with("response_type", "code token"), "unsupported_response_type"),
            (wanted().without("response_type"), "invalid_request"),
            (wanted().without("code_challenge").without("code_challenge_method"), "invalid_request"),
            (wanted().without("code_challenge_method"), "invalid_request"),
            (wanted().with("code_challenge_method", "plain"), "invalid_request"),
            (wanted().with("resource", "https://evil.example/"), "invalid_target"),
            (wanted().with("request", "x"), "request_not_supported"),
            (wanted().with("request_uri", "https://evil.example/"), "request_uri_not_supported"),
            (wanted().with("response_mode", "fragment"), "invalid_request"),
            (wanted().with("prompt", "none"), "login_required"),
            (wanted().with("client_id", other).with("redirect_uri", SITE), "unauthorized_client"),
        ] {
            let reply = browser.get(&wanted.path()).await;
            let url = reply.header("location").unwrap_or_else(|| panic!("{error}: {}", reply.text));
            assert_eq!(parameter(url, "error").as_deref(), Some(error), "{url}");
            assert_eq!(parameter(url, "state").as_deref(), Some("a b+&=é\"<\r\n"), "{url}");
            assert_eq!(parameter(url, "iss").as_deref(), Some("http://server.test"), "{url}");
            assert_eq!((parameter(url, "code"), url.contains('#')), (None, false));
        }
    }

    async fn a_person_may_refuse(server: TestServer) {
        let mut pair = Pair::of(&server, "viewer", "agent.read").await;

        let url = pair.browser.decide(&Wanted::of(&pair.client, NATIVE), "deny").await;

        assert_eq!(parameter(&url, "error").as_deref(), Some("access_denied"));
        assert_eq!(parameter(&url, "state").as_deref(), Some("a b&c"));
        assert_eq!(server.admin().await.get("/grants").await.json()["data"], json!([]));
        let nonsense = pair.browser.decide(&Wanted::of(&pair.client, NATIVE), "maybe").await;
        assert_eq!(parameter(&nonsense, "error").as_deref(), Some("access_denied"));
    }

    async fn nobody_gives_more_than_he_and_the_client_have(server: TestServer) {
        let mut pair = Pair::of(&server, "viewer", "agent.* secret.* rfp.process").await;
        let given = async |pair: &mut Pair, scope: Option<&str>| {
            let wanted = Wanted::of(&pair.client, NATIVE);
            let wanted = match scope {
                Some(scope) => wanted.with("scope", scope),
                None => wanted,
            };
            let url = pair.browser.decide(&wanted, "allow").await;
            let Some(code) = parameter(&url, "code") else { return parameter(&url, "error").unwrap() };
            let reply = redeem(&server.stranger(), &pair.client, &code).await.json();
            reply["scope"].as_str().unwrap().to_owned()
        };

        assert_eq!(given(&mut pair, None).await, "agent.read");
        assert_eq!(given(&mut pair, Some("agent.read agent.write tool.read")).await, "agent.read");
        assert_eq!(given(&mut pair, Some("agent.*")).await, "agent.read");
        for nothing in ["secret.read", "tool.read", "rfp.process", "openid", "admin.write"] {
            assert_eq!(given(&mut pair, Some(nothing)).await, "invalid_scope", "{nothing}");
        }
        let path = format!("/users/{}", pair.user);
        server.admin().await.put(&path, json!({"scope": "rfp.process"})).await;
        assert_eq!(given(&mut pair, Some("rfp.process agent.read")).await, "rfp.process agent.read");
    }

    async fn who_has_agreed_is_asked_again_only_for_more(server: TestServer) {
        let mut pair = Pair::of(&server, "viewer", "agent.read tool.read").await;
        let site = |scope: &str| Wanted::of(&pair.client, SITE).with("scope", scope);
        pair.browser.allow(&site("agent.read")).await;

        let again = pair.browser.get(&site("agent.read").path()).await;
        assert!(again.header("location").unwrap().starts_with("https://app.example/cb?code="), "{}", again.text);
        let silent = pair.browser.get(&site("agent.read").with("prompt", "none").path()).await;
        assert!(silent.header("location").unwrap().starts_with("https://app.example/cb?code="));
        assert_eq!(pair.browser.get(&site("agent.read tool.read").path()).await.status, 200);
        let silent = pair.browser.get(&site("tool.read").with("prompt", "none").path()).await;
        assert_eq!(parameter(silent.header("location").unwrap(), "error").as_deref(), Some("consent_required"));
        assert_eq!(pair.browser.get(&site("agent.read").with("prompt", "consent").path()).await.status, 200);
        let login = pair.browser.get(&site("agent.read").with("prompt", "login").path()).await;
        assert!(login.header("location").unwrap().starts_with("/sign-in?then="));
        assert!(!login.header("location").unwrap().contains("prompt"));
        // Any program on the same machine could listen there.
        let native = Wanted::of(&pair.client, NATIVE).with("scope", "agent.read");
        assert_eq!(pair.browser.get(&native.path()).await.status, 200);
    }

    async fn only_people_of_its_tenant_allow_a_client_anything(server: TestServer) {
        let client = public_client(&server, "agent.read").await;
        let theirs = another_tenant(&server).await;
        let new = json!({"username": "ann", "role": "viewer", "password": PASSWORD});
        assert_eq!(theirs.post("/users", new).await.status, 201);
        let mut browser = Browser::new(&server);
        browser.sign_in("ann", PASSWORD).await;

        let reply = browser.get(&Wanted::of(&client, NATIVE).path()).await;

        assert_eq!(parameter(reply.header("location").unwrap(), "error").as_deref(), Some("access_denied"));
        let admin = server.admin().await;
        for list in ["/users", "/sessions", "/grants"] {
            assert_eq!(admin.get(list).await.json()["data"], json!([]), "{list}");
        }
    }

    async fn a_client_without_a_secret_acts_for_people_only(server: TestServer) {
        let admin = server.admin().await;
        let both = json!({"grant_types": ["authorization_code", "client_credentials"], "redirect_uris": [NATIVE],
            "token_endpoint_auth_method": "none"});
        assert_eq!(admin.post("/oauth/register", both).await.status, 400);
        let client = public_client(&server, "agent.read").await;
        in_sql(&server, "UPDATE client_registrations SET grant_types =
            '[\"client_credentials\", \"urn:ietf:params:oauth:grant-type:token-exchange\"]'").await;
        server.app.clients.refresh().await.unwrap();
        let stranger = server.stranger();

        let own = ask(&stranger, &client, &[("grant_type", "client_credentials")]).await;
        assert_eq!(own.json()["error"], "unauthorized_client");
        let form = [("client_id", client.as_str()), ("token", "x")];
        let asked = stranger.send(stranger.request("POST", "/oauth/introspect").form(&form)).await;
        assert_eq!((asked.status, &asked.json()["error"]), (401, &json!("invalid_client")));
        for id in [ADMIN.0, "nobody"] {
            let named = ask(&stranger, id, &[("grant_type", "client_credentials")]).await;
            assert_eq!((named.status, &named.json()["error"]), (401, &json!("invalid_client")), "{id}");
        }
    }

    async fn pages_show_what_strangers_wrote_as_text(server: TestServer) {
        let hostile = "\"><script>alert(1)</script>";
        let body = json!({"client_name": hostile, "redirect_uris": [NATIVE], "scope": "agent.read",
            "grant_types": ["authorization_code"], "token_endpoint_auth_method": "none"});
        let client = server.admin().await.post("/oauth/register", body).await.json();
        let client = client["client_id"].as_str().unwrap();
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        browser.sign_in("maria", PASSWORD).await;

        for wanted in [
            Wanted::of(client, NATIVE).with("state", hostile),
            Wanted::of(client, hostile),
            Wanted::of(hostile, NATIVE),
            Wanted::of(client, NATIVE).with("resource", hostile),
        ] {
            let page = browser.get(&wanted.path()).await;
            assert!(!page.text.contains("<script"), "{}", page.text);
        }
        let refused = browser.submit("/sign-in", &[("username", hostile), ("password", "x")]).await;
        assert!(refused.text.contains("alert(1)") && !refused.text.contains("<script"), "{}", refused.text);
    }
}
