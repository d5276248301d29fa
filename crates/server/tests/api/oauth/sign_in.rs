//! `/sign-in`, `/sign-out`, `/sessions`.

use std::time::Duration;

use expect_test::expect;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::json;

use super::people::Browser;
use super::people::PASSWORD;
use super::people::user;
use crate::harness::ADMIN;
use crate::harness::dump;
use crate::harness::number;

on_both! {
    async fn somebody_signs_in_and_out(server: TestServer) {
        let id = user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        let door = browser.get("/sign-in").await;
        assert!(door.text.contains("name=\"username\""), "{}", door.text);

        let inside = browser.sign_in(" Maria ", PASSWORD).await;

        assert_eq!((inside.status, inside.header("location")), (303, Some("/sign-in")));
        let cookie = inside.header("set-cookie").unwrap();
        let (token, rest) = cookie.strip_prefix("agent-server=").unwrap().split_once(';').unwrap();
        expect![" Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"].assert_eq(rest);
        assert!(!dump(&server).await.contains(token));
        assert!(browser.get("/sign-in").await.text.contains("You are <b class=\"strong\">maria</b> here"));
        let admin = server.admin().await;
        let mut session = admin.get("/sessions").await.json()["data"][0].clone();
        let session_id = session["id"].take();
        expect![[r#"
            {
              "address": "127.0.0.1",
              "created_at": "2026-11-25T10:00:00Z",
              "expires_at": "2026-11-25T22:00:00Z",
              "id": null,
              "last_seen_at": "2026-11-25T10:00:00Z",
              "subject": "user:…",
              "user_agent": ""
            }"#]].assert_eq(&format!("{session:#}").replace(&id, "…"));
        assert_eq!(admin.get(&format!("/users/{id}")).await.json()["last_signed_in_at"], "2026-11-25T10:00:00Z");

        let out = browser.submit("/sign-out", &[]).await;

        assert_eq!((out.status, browser.cookie.as_ref()), (303, None));
        browser.cookie = Some(format!("agent-server={token}"));
        assert!(browser.get("/sign-in").await.text.contains("name=\"username\""), "the cookie is worth nothing");
        assert_eq!(admin.get("/sessions").await.json()["data"], json!([]));
        let path = format!("/sessions/{}", session_id.as_str().unwrap());
        assert_eq!(admin.delete(&path).await.json()["type"], "/problems/session-not-found");
    }

    async fn whatever_is_wrong_a_sign_in_is_refused_alike(server: TestServer) {
        let admin = server.admin().await;
        for name in ["maria", "jonas"] {
            user(&server, name, "viewer").await;
        }
        let jonas = admin.get("/users").await.json()["data"][0]["id"].clone();
        let path = format!("/users/{}", jonas.as_str().unwrap());
        assert_eq!(admin.put(&path, json!({"is_active": false})).await.status, 200);
        assert_eq!(admin.post("/users", json!({"username": "robot", "role": "viewer"})).await.status, 201);

        let mut answers = Vec::new();
        for (name, password) in [("maria", "wrong"), ("jonas", PASSWORD), ("robot", ""), ("robot", "x"), ("nobody", PASSWORD), (ADMIN.0, "wrong")] {
            let mut browser = Browser::new(&server);
            let reply = browser.sign_in(name, password).await;
            assert_eq!((reply.status, browser.cookie), (401, None), "{name}");
            answers.push(reply.text.replace(&format!("value=\"{name}\""), ""));
        }

        assert!(answers[0].contains("That name and password do not match"), "{}", answers[0]);
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert!(!answers[0].contains("wrong") && !answers[0].contains(PASSWORD));
    }

    async fn who_failed_often_waits_and_is_then_let_in(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        for _ in 0..5 {
            assert_eq!(browser.sign_in("maria", "wrong").await.status, 401);
        }

        assert_eq!(browser.sign_in("maria", PASSWORD).await.status, 303);
        assert_eq!(browser.sign_in("maria", PASSWORD).await.status, 303, "what went wrong is forgotten");
    }

    async fn an_address_that_guesses_many_names_waits_and_who_was_there_before_does_not(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let inside = Browser::new(&server).sign_in("maria", PASSWORD).await;
        let mark = inside.headers.get_all("set-cookie").iter().next_back().unwrap().to_str().unwrap();
        let (mark, rest) = mark.split_once(';').unwrap();
        expect![" Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"].assert_eq(rest);
        let guess = async |name: String| Browser::new(&server).sign_in(&name, "wrong").await.status;
        for n in 0..100 {
            assert_eq!(guess(format!("name-{n}")).await, 401);
        }

        let mut more: FuturesUnordered<_> = (100..120).map(|n| guess(format!("name-{n}"))).collect();
        while more.next().await.unwrap() != 429 {}

        let mut known = Browser::new(&server);
        known.cookie = Some(mark.to_owned());
        assert_eq!(known.sign_in(" Maria", PASSWORD).await.status, 303);
        // The mark is of one name, and nobody is signed in by it.
        let mut other = Browser::new(&server);
        other.cookie = Some(mark.to_owned());
        assert!(other.get("/sign-in").await.text.contains("name=\"username\""));
        let mut others: FuturesUnordered<_> = (0..10).map(|_| async {
            let mut browser = Browser::new(&server);
            browser.cookie = Some(mark.to_owned());
            browser.sign_in("jonas", "wrong").await.status
        }).collect();
        while others.next().await.unwrap() != 429 {}
    }

    async fn a_form_from_elsewhere_is_refused(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        let form = [("username", "maria"), ("password", PASSWORD)];

        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("referer", "http://server.test/sign-in"),
        ] {
            for path in ["/sign-in", "/sign-out", "/sign-in/password", "/sign-in/access", "/oauth/authorize"] {
                let request = browser.request("POST", path).header(name, value).form(&form);
                let refused = browser.send(request).await;
                assert_eq!((refused.status, &browser.cookie), (403, &None), "{name}: {value} {path}");
            }
        }
        let own = browser.request("POST", "/sign-in").header("origin", "http://server.test").form(&form);
        assert_eq!(browser.send(own).await.status, 303);
        let json = browser.request("POST", "/sign-in").header("sec-fetch-site", "same-origin").json(&json!({"username": "maria"}));
        assert_eq!(browser.send(json).await.status, 400);
    }

    async fn a_sign_in_leads_on_to_our_own_pages_only(server: TestServer) {
        user(&server, "maria", "viewer").await;
        for then in [
            "https://evil.example/", "//evil.example/", "/\\evil.example", "/oauth/authorize", "/oauth/authorize?client_id=nobody",
            "/oauth/authorize?\r\nx: y", "/oauth/authorize?é", "/users", "javascript:alert(1)",
        ] {
            let mut browser = Browser::new(&server);
            let form = [("username", "maria"), ("password", PASSWORD), ("then", then)];
            let inside = browser.submit("/sign-in", &form).await;
            assert_eq!((inside.status, inside.header("location")), (303, Some("/sign-in")), "{then}");
        }
    }

    async fn each_sign_in_has_a_session_of_its_own_and_ends_the_one_before(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        browser.sign_in("maria", PASSWORD).await;
        let before = browser.cookie.clone();

        browser.sign_in("maria", PASSWORD).await;

        assert_ne!(browser.cookie, before);
        let mut old = Browser::new(&server);
        old.cookie = before;
        assert!(old.get("/sign-in").await.text.contains("name=\"username\""));
        assert_eq!(server.admin().await.get("/sessions").await.json()["data"].as_array().unwrap().len(), 1);
    }

    async fn somebody_is_signed_in_in_so_many_browsers_and_no_more(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let mut first = Browser::new(&server);
        first.sign_in("maria", PASSWORD).await;
        for _ in 0..20 {
            assert_eq!(Browser::new(&server).sign_in("maria", PASSWORD).await.status, 303);
        }

        let count = "SELECT COUNT(*) FROM sessions";
        assert_eq!(number(&server, count).await, 20);
        assert!(first.get("/sign-in").await.text.contains("name=\"username\""), "the oldest is over");
    }

    async fn who_knows_his_password_changes_it_himself(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let (mut browser, mut other) = (Browser::new(&server), Browser::new(&server));
        let next = "another horse battery staple";
        let change = async |browser: &mut Browser, password: &str, next: &str| {
            browser.submit("/sign-in/password", &[("password", password), ("next", next)]).await
        };
        assert_eq!(change(&mut browser, PASSWORD, next).await.header("location"), Some("/sign-in"), "he is not signed in");
        browser.sign_in("maria", PASSWORD).await;
        other.sign_in("maria", PASSWORD).await;

        assert_eq!(change(&mut browser, "wrong", next).await.status, 401);
        let weak = change(&mut browser, PASSWORD, "maria-maria-maria").await;
        assert_eq!(weak.status, 422);
        assert!(weak.text.contains("little more than a name"), "{}", weak.text);
        assert!(other.get("/sign-in").await.text.contains("You are <b"));
        let changed = change(&mut browser, PASSWORD, next).await;

        assert_eq!((changed.status, changed.header("location")), (303, Some("/sign-in")));
        for browser in [&mut browser, &mut other] {
            assert!(browser.get("/sign-in").await.text.contains("name=\"username\""), "he is signed out everywhere");
        }
        assert_eq!(browser.sign_in("maria", PASSWORD).await.status, 401);
        assert_eq!(browser.sign_in("maria", next).await.status, 303);
        let mut management = Browser::new(&server);
        management.sign_in(ADMIN.0, ADMIN.1).await;
        assert!(!management.get("/sign-in").await.text.contains("Change the password"));
        assert_eq!(change(&mut management, ADMIN.1, next).await.status, 401);
    }

    async fn a_session_is_over_when_it_was_idle_and_after_half_a_day(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let mut browser = Browser::new(&server);
        let is_in = async |browser: &mut Browser| browser.get("/sign-in").await.text.contains("You are <b");
        browser.sign_in("maria", PASSWORD).await;
        server.app.clock.advance(Duration::from_secs(30 * 60 + 1));
        assert!(!is_in(&mut browser).await);

        browser.sign_in("maria", PASSWORD).await;
        for _ in 0..35 {
            server.app.clock.advance(Duration::from_mins(20));
            assert!(is_in(&mut browser).await);
        }
        server.app.clock.advance(Duration::from_mins(21));
        assert!(!is_in(&mut browser).await);
    }

    async fn a_session_ends_everywhere_when_it_is_taken_away(server: TestServer) {
        let id = user(&server, "maria", "viewer").await;
        let (_replica, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        let mut here = Browser::new(&server);
        let is_in = async |browser: &mut Browser| browser.get("/sign-in").await.text.contains("You are <b");

        for how in 0..4 {
            if how > 0 {
                here.sign_in("maria", PASSWORD).await;
            }
            here.sign_in("maria", PASSWORD).await;
            let mut there = Browser::at(&elsewhere);
            there.cookie.clone_from(&here.cookie);
            assert!(is_in(&mut there).await, "{how}");
            let session = admin.get("/sessions").await.json()["data"][0]["id"].clone();
            let path = format!("/users/{id}");
            let done = match how {
                0 => admin.delete(&format!("/sessions/{}", session.as_str().unwrap())).await,
                1 => admin.put(&format!("{path}/password"), json!({"password": PASSWORD})).await,
                2 => {
                    let done = admin.put(&path, json!({"is_active": false})).await;
                    admin.put(&path, json!({"is_active": true})).await;
                    done
                }
                _ => admin.delete(&path).await,
            };
            assert!(done.status < 300, "{}", done.text);
            assert!(!is_in(&mut there).await && !is_in(&mut here).await, "{how}");
            if how == 0 {
                let entries = admin.get("/audit?action=session.delete").await.json();
                assert_eq!(entries["data"][0]["target"], session);
            }
        }
    }

    async fn the_management_client_signs_in_until_its_secret_is_another(server: TestServer) {
        let mut browser = Browser::new(&server);
        assert_eq!(browser.sign_in(ADMIN.0, ADMIN.1).await.status, 303);
        assert!(browser.get("/sign-in").await.text.contains("You are <b"));

        let code = agent_server::App::builder();
        let other = [("MANAGEMENT_CLIENT_SECRET", "another-management-secret-for-tests"), ("MANAGEMENT_CLIENT_SECRET_PREVIOUS", ADMIN.1)];
        let app = server.assembled(code, &other).await;
        let token = auth::token::OpaqueToken::parse(browser.cookie.as_ref().unwrap().split_once('=').unwrap().1).unwrap();
        let who = app.people.signed_in(&app.clients, &token, app.clock.now()).await.unwrap();
        assert!(who.is_some(), "the one before is good, too");
        let app = server.assembled(agent_server::App::builder(), &other[..1]).await;
        let who = app.people.signed_in(&app.clients, &token, app.clock.now()).await.unwrap();
        assert!(who.is_none());
    }

    async fn pages_run_nothing_and_cannot_be_framed(server: TestServer) {
        let mut browser = Browser::new(&server);
        for path in ["/sign-in", "/oauth/authorize"] {
            let page = browser.get(path).await;
            let policy = page.header("content-security-policy").unwrap();
            expect!["default-src 'none'; style-src 'self'; font-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"].assert_eq(policy);
            assert_eq!(page.header("x-frame-options"), Some("DENY"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert!(!page.text.contains("<script") && !page.text.contains(" style="), "{}", page.text);
        }
        for (path, media_type) in [("style.css", "text/css"), ("hanken-grotesk.woff2", "font/woff2"), ("geist-mono.woff2", "font/woff2")] {
            let asset = browser.request("GET", &format!("/sign-in/{path}")).send().await.unwrap();
            assert_eq!((asset.status().as_u16(), &asset.headers()["content-type"]), (200, &media_type.parse().unwrap()));
        }
    }
}
