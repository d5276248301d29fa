//! Codes, refresh tokens, and what ends them.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply as ModelReply;

use super::get_with;
use super::people::Browser;
use super::people::NATIVE;
use super::people::PASSWORD;
use super::people::Pair;
use super::people::Tokens;
use super::people::VERIFIER;
use super::people::Wanted;
use super::people::ask;
use super::people::claims;
use super::people::is_refused;
use super::people::parameter;
use super::people::public_client;
use super::people::redeem;
use super::people::refresh;
use super::people::user;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::dump;

/// What the client of these tests may call for a viewer.
const DOOR: &str = "/agents";

on_both! {
    async fn of_sixteen_who_redeem_a_code_one_gets_a_token_and_loses_it(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let code = pair.code().await;

        let replies = join_all((0..16).map(|_| redeem(&stranger, &pair.client, &code))).await;

        let (good, bad): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 200);
        assert_eq!(good.len(), 1);
        for refused in bad {
            is_refused(refused, "invalid_grant");
        }
        let tokens = Tokens::of(good[0]);
        is_refused(&refresh(&stranger, &pair.client, &tokens.refresh).await, "invalid_grant");
        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 401);
    }

    async fn a_code_that_comes_again_ends_what_came_of_it(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let other = pair.tokens(&stranger).await;
        let code = pair.code().await;
        let tokens = Tokens::of(&redeem(&stranger, &pair.client, &code).await);
        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 200);
        server.app.clock.advance(Duration::from_mins(5));

        is_refused(&redeem(&stranger, &pair.client, &code).await, "invalid_grant");

        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 401);
        is_refused(&refresh(&stranger, &pair.client, &tokens.refresh).await, "invalid_grant");
        assert_eq!(get_with(&stranger, DOOR, &other.access).await.status, 200, "what came of another code stays");
    }

    async fn a_code_is_for_its_client_its_verifier_and_its_address(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let thief = public_client(&server, "agent.read").await;
        let grant = [("grant_type", "authorization_code"), ("redirect_uri", NATIVE)];
        let with = |more: &[(&'static str, &'static str)], code: &str| -> Vec<(&'static str, String)> {
            let more = more.iter().chain(&grant[..1]).map(|(name, value)| (*name, (*value).to_owned()));
            more.chain([("code", code.to_owned())]).collect()
        };
        let tell = async |client: &str, form: Vec<(&'static str, String)>| {
            let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ask(&stranger, client, &form).await
        };

        // Another client does not use it up.
        let code = pair.code().await;
        is_refused(&tell(&thief, with(&[("code_verifier", VERIFIER)], &code)).await, "invalid_grant");
        // Nor does a request without a verifier; a wrong one does.
        is_refused(&tell(&pair.client, with(&[], &code)).await, "invalid_request");
        assert_eq!(redeem(&stranger, &pair.client, &code).await.status, 200);
        for wrong in [
            &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl")][..],
            &[("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")],
            &[("code_verifier", VERIFIER), ("redirect_uri", "https://app.example/cb")],
            &[("code_verifier", VERIFIER), ("redirect_uri", "http://127.0.0.1:9000/cb")],
        ] {
            let code = pair.code().await;
            is_refused(&tell(&pair.client, with(wrong, &code)).await, "invalid_grant");
            is_refused(&redeem(&stranger, &pair.client, &code).await, "invalid_grant");
        }
        let code = pair.code().await;
        let evil = [("code_verifier", VERIFIER), ("resource", "https://evil.example/")];
        is_refused(&tell(&pair.client, with(&evil, &code)).await, "invalid_target");
        let code = pair.code().await;
        let own = [("code_verifier", VERIFIER), ("resource", "http://server.test/")];
        assert_eq!(tell(&pair.client, with(&own, &code)).await.status, 200);
        for nonsense in ["x", "a.b.c", "agc_x", &format!("{code}x"), &"a".repeat(5000)] {
            is_refused(&tell(&pair.client, with(&[("code_verifier", VERIFIER)], nonsense)).await, "invalid_grant");
        }
    }

    async fn a_code_is_over_after_a_minute(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let code = pair.code().await;
        server.app.clock.advance(Duration::from_secs(59));
        assert_eq!(redeem(&stranger, &pair.client, &code).await.status, 200);

        let code = pair.code().await;
        server.app.clock.advance(Duration::from_mins(1));
        is_refused(&redeem(&stranger, &pair.client, &code).await, "invalid_grant");
    }

    async fn a_refresh_token_gives_the_next_and_is_used_once(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read tool.read").await, server.stranger());
        let first = pair.tokens(&stranger).await;
        server.app.clock.advance(Duration::from_hours(1));

        let second = Tokens::of(&refresh(&stranger, &pair.client, &first.refresh).await);
        assert_ne!(second.refresh, first.refresh);
        assert_eq!(claims(&second.access)["grant_id"], claims(&first.access)["grant_id"]);
        let third = Tokens::of(&refresh(&stranger, &pair.client, &second.refresh).await);
        let narrow = [("grant_type", "refresh_token"), ("refresh_token", third.refresh.as_str()), ("scope", "tool.read secret.read")];
        let narrow = ask(&stranger, &pair.client, &narrow).await;
        assert_eq!(narrow.json()["scope"], "tool.read");
        let fourth = Tokens::of(&narrow);
        let fifth = refresh(&stranger, &pair.client, &fourth.refresh).await;
        assert_eq!(fifth.json()["scope"], "agent.read tool.read", "what was allowed stays");
        let fifth = Tokens::of(&fifth);
        let more = [("grant_type", "refresh_token"), ("refresh_token", fifth.refresh.as_str()), ("scope", "secret.read")];
        is_refused(&ask(&stranger, &pair.client, &more).await, "invalid_scope");

        is_refused(&refresh(&stranger, &pair.client, &third.refresh).await, "invalid_grant");

        is_refused(&refresh(&stranger, &pair.client, &fifth.refresh).await, "invalid_grant");
        assert_eq!(get_with(&stranger, DOOR, &fifth.access).await.status, 401, "all of the family is over");
        let stored = dump(&server).await;
        assert!(![&first.refresh, &fifth.refresh].into_iter().any(|it| stored.contains(it.as_str())));
    }

    async fn who_lost_the_answer_gets_it_again_for_half_a_minute(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let first = pair.tokens(&stranger).await;
        let second = Tokens::of(&refresh(&stranger, &pair.client, &first.refresh).await);
        server.app.clock.advance(Duration::from_secs(30));

        let again = Tokens::of(&refresh(&stranger, &pair.client, &first.refresh).await);
        assert_eq!(again.refresh, second.refresh);
        server.app.clock.advance(Duration::from_secs(1));

        is_refused(&refresh(&stranger, &pair.client, &first.refresh).await, "invalid_grant");
        is_refused(&refresh(&stranger, &pair.client, &second.refresh).await, "invalid_grant");
    }

    async fn sixteen_who_refresh_at_once_get_one_chain(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let tokens = pair.tokens(&stranger).await;

        let replies = join_all((0..16).map(|_| refresh(&stranger, &pair.client, &tokens.refresh))).await;

        let mut next: Vec<String> = replies.iter().map(|it| Tokens::of(it).refresh).collect();
        next.dedup();
        assert_eq!(next.len(), 1);
        assert_eq!(refresh(&stranger, &pair.client, &next[0]).await.status, 200);
    }

    async fn a_refresh_token_is_for_its_client_and_for_nothing_else(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let thief = public_client(&server, "agent.read").await;
        let tokens = pair.tokens(&stranger).await;

        is_refused(&refresh(&stranger, &thief, &tokens.refresh).await, "invalid_grant");
        assert_eq!(get_with(&stranger, DOOR, &tokens.refresh).await.status, 401);
        for wrong in [tokens.access.as_str(), "agr_x", "x", &format!("{}x", tokens.refresh)] {
            is_refused(&refresh(&stranger, &pair.client, wrong).await, "invalid_grant");
        }
        assert_eq!(refresh(&stranger, &pair.client, &tokens.refresh).await.status, 200, "nobody used it up");
    }

    async fn a_family_lives_as_long_as_was_allowed(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let wanted = Wanted::of(&pair.client, NATIVE);
        let of = async |pair: &mut Pair, lifetime: &str| {
            let url = pair.browser.decide(&wanted.clone().with("lifetime", lifetime), "allow").await;
            Tokens::of(&redeem(&stranger, &pair.client, &parameter(&url, "code").unwrap()).await)
        };
        let (day, month) = (of(&mut pair, "day").await, of(&mut pair, "nonsense").await);
        server.app.clock.advance(Duration::from_secs(8 * 3600 - 1));
        let day = Tokens::of(&refresh(&stranger, &pair.client, &day.refresh).await);
        server.app.clock.advance(Duration::from_secs(1));
        is_refused(&refresh(&stranger, &pair.client, &day.refresh).await, "invalid_grant");
        server.app.clock.advance(Duration::from_hours(29 * 24));
        let month = Tokens::of(&refresh(&stranger, &pair.client, &month.refresh).await);
        server.app.clock.advance(Duration::from_hours(16));
        is_refused(&refresh(&stranger, &pair.client, &month.refresh).await, "invalid_grant");
    }

    async fn a_family_ends_when_its_client_gives_it_back(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let thief = public_client(&server, "agent.read").await;
        let tokens = pair.tokens(&stranger).await;
        let tell = async |client: &str, token: &str| {
            let form = [("client_id", client), ("token", token)];
            stranger.send(stranger.request("POST", "/oauth/revoke").form(&form)).await
        };

        assert_eq!(tell(&thief, &tokens.refresh).await.status, 400);
        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 200);
        assert_eq!(tell(&pair.client, &tokens.refresh).await.status, 200);

        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 401);
        is_refused(&refresh(&stranger, &pair.client, &tokens.refresh).await, "invalid_grant");
        assert_eq!(tell(&pair.client, &tokens.refresh).await.status, 200, "it is void already");
    }

    async fn whoever_is_gone_nobody_acts_for_him_on_any_replica(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read").await, server.stranger());
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        let admin = server.admin().await;
        let path = format!("/users/{}", pair.user);

        for how in 0..5 {
            let tokens = pair.tokens(&stranger).await;
            assert_eq!(get_with(&elsewhere, DOOR, &tokens.access).await.status, 200);
            let grant = claims(&tokens.access)["grant_id"].clone();
            let done = match how {
                0 => admin.delete(&format!("/grants/{}", grant.as_str().unwrap())).await,
                1 => admin.put(&format!("{path}/password"), json!({"password": PASSWORD})).await,
                2 => admin.put(&path, json!({"is_active": false})).await,
                3 => {
                    let client = format!("/oauth/clients/{}", pair.client);
                    let body = json!({"is_active": false});
                    admin.send(admin.request("PATCH", &client).json(&body)).await
                }
                _ => admin.delete(&path).await,
            };
            assert!(done.status < 300, "{}", done.text);
            if how == 0 {
                let entries = admin.get("/audit?action=grant.delete").await.json();
                assert_eq!(entries["data"][0]["target"], grant);
            }
            assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 401, "{how}");
            assert!(matches!(refresh(&stranger, &pair.client, &tokens.refresh).await.status, 400 | 401), "{how}");
            let gone = async { while get_with(&elsewhere, DOOR, &tokens.access).await.status != 401 {} };
            tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
            admin.put(&path, json!({"is_active": true})).await;
            let client = format!("/oauth/clients/{}", pair.client);
            admin.send(admin.request("PATCH", &client).json(&json!({"is_active": true}))).await;
            if how < 3 {
                assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 401, "it does not come back");
            }
            pair.browser.sign_in("maria", PASSWORD).await;
        }
    }

    async fn what_a_person_may_no_more_nobody_may_for_him(server: TestServer) {
        let mut pair = Pair::of(&server, "editor", "agent.read secret.read").await;
        let (admin, stranger) = (server.admin().await, server.stranger());
        let tokens = pair.tokens(&stranger).await;
        assert_eq!(get_with(&stranger, "/secrets", &tokens.access).await.status, 200);

        admin.put(&format!("/users/{}", pair.user), json!({"role": "viewer"})).await;

        assert_eq!(get_with(&stranger, "/secrets", &tokens.access).await.status, 403);
        assert_eq!(get_with(&stranger, DOOR, &tokens.access).await.status, 200);
        let next = refresh(&stranger, &pair.client, &tokens.refresh).await;
        assert_eq!(next.json()["scope"], "agent.read");
    }

    async fn a_run_of_somebody_who_is_gone_does_nothing_more(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "operator", "agent.execute run.read").await, server.stranger());
        let (admin, gate) = (server.admin().await, Gate::new());
        server.agent("support").await;
        let token = pair.tokens(&stranger).await.access;
        server.model.reply(ModelReply::tokens(["Now", " that"]).hold("Now", &gate).call("current_time", json!({})));
        server.model.reply(ModelReply::text("It is not done."));
        let execute = stranger.request("POST", "/agents/support/execute").bearer_auth(&token);
        let run = stranger.send(execute.json(&json!({"input": "Hi", "background": true}))).await.json();
        assert_eq!(run["subject"], format!("user:{}", pair.user));
        gate.wait_reached().await;

        let path = format!("/users/{}", pair.user);
        assert_eq!(admin.put(&path, json!({"is_active": false})).await.status, 200);
        gate.open();

        admin.get(&format!("/runs/{}/wait", run["id"].as_str().unwrap())).await;
        let told = server.model.last_request().body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        assert_eq!(told, r#"{"error":"the caller does not hold `agent.execute` any more"}"#);
    }

    async fn people_who_share_a_client_do_not_share_keys_of_requests(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "operator", "thread.write agent.execute").await, server.stranger());
        let maria = pair.tokens(&stranger).await.access;
        user(&server, "jonas", "operator").await;
        pair.browser.sign_in("jonas", PASSWORD).await;
        let jonas = pair.tokens(&stranger).await.access;

        let make = async |token: &str| thread(&stranger, token).await.json()["id"].clone();

        assert_eq!(make(&maria).await, make(&maria).await);
        assert_ne!(make(&maria).await, make(&jonas).await);
    }

    async fn a_token_of_a_person_is_exchanged_and_ends_with_what_he_allowed(server: TestServer) {
        let admin = server.admin().await;
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        let body = json!({"redirect_uris": [NATIVE], "scope": "agent.read",
            "grant_types": ["authorization_code", "refresh_token", exchange]});
        let client = admin.post("/oauth/register", body).await.json();
        let text = |name: &str| client[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("client_id"), text("client_secret"));
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        browser.sign_in("maria", PASSWORD).await;
        let url = browser.allow(&Wanted::of(&id, NATIVE)).await;
        let stranger = server.stranger();
        let ask = async |form: &[(&str, &str)]| {
            let request = stranger.request("POST", "/oauth/token").basic_auth(&id, Some(&secret));
            stranger.send(request.form(form)).await
        };
        let code = parameter(&url, "code").unwrap();
        let unproven = redeem(&stranger, &id, &code).await;
        assert_eq!((unproven.status, &unproven.json()["error"]), (401, &json!("invalid_client")));
        let tokens = Tokens::of(&ask(&[("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)]).await);

        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let given = ask(&[("grant_type", exchange), ("subject_token", &tokens.access), ("subject_token_type", kind)]).await;
        let given = given.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&given)["sub"], claims(&tokens.access)["sub"]);
        assert_eq!(claims(&given)["act"]["sub"], json!(format!("client:{id}")));
        assert_eq!(get_with(&stranger, DOOR, &given).await.status, 200);
        let grant = claims(&given)["grant_id"].as_str().unwrap().to_owned();
        assert_eq!(admin.delete(&format!("/grants/{grant}")).await.status, 204);

        assert_eq!(get_with(&stranger, DOOR, &given).await.status, 401);
        assert_eq!(admin.delete(&format!("/grants/{grant}")).await.json()["type"], "/problems/grant-not-found");
    }

    async fn who_is_let_exchanges_the_tokens_of_another_client(server: TestServer) {
        let (mut pair, stranger) = (Pair::of(&server, "viewer", "agent.read tool.read").await, server.stranger());
        let admin = server.admin().await;
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        let body = json!({"scope": "agent.read secret.read", "grant_types": [exchange]});
        let broker = admin.post("/oauth/register", body).await.json();
        let text = |name: &str| broker[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("client_id"), text("client_secret"));
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let ask = async |token: &str| {
            let request = stranger.request("POST", "/oauth/token").basic_auth(&id, Some(&secret));
            let form = [("grant_type", exchange), ("subject_token", token), ("subject_token_type", kind)];
            stranger.send(request.form(&form)).await
        };
        let tokens = pair.tokens(&stranger).await;
        is_refused(&ask(&tokens.access).await, "invalid_request");
        let path = format!("/oauth/clients/{}", pair.client);
        let weak = server.client("client.write agent.read").await;
        let allow = json!({"may_act": [id]});
        assert_eq!(weak.send(weak.request("PATCH", &path).json(&allow)).await.status, 403);
        let changed = admin.send(admin.request("PATCH", &path).json(&allow)).await;
        assert_eq!((changed.status, &changed.json()["may_act"]), (200, &json!([id])));

        let given = ask(&tokens.access).await.json();

        assert_eq!(given["scope"], "agent.read", "what both have, and the person");
        let given = given["access_token"].as_str().unwrap().to_owned();
        let told = claims(&given);
        assert_eq!((&told["client_id"], &told["sub"]), (&json!(id), &claims(&tokens.access)["sub"]));
        assert_eq!(told["act"], json!({"sub": format!("client:{id}")}));
        assert_eq!(get_with(&stranger, DOOR, &given).await.status, 200);

        let grant = told["grant_id"].as_str().unwrap().to_owned();
        assert_eq!(admin.delete(&format!("/grants/{grant}")).await.status, 204);
        assert_eq!(get_with(&stranger, DOOR, &given).await.status, 401, "it is of the same family");
        let again = pair.tokens(&stranger).await;
        assert_eq!(admin.send(admin.request("PATCH", &path).json(&json!({"may_act": []}))).await.status, 200);
        is_refused(&ask(&again.access).await, "invalid_request");
    }
}

/// Makes a thread with a key that everybody takes.
async fn thread(client: &Client, token: &str) -> Reply {
    let request =
        client.request("POST", "/threads").bearer_auth(token).header("idempotency-key", "1");
    let reply = client.send(request.json(&json!({"user": "x"}))).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_ne!(reply.json()["id"], Value::Null);
    reply
}
