//! Calls of our own pages: the session of who is signed in, and what no page of others can do with it.

use std::time::Duration;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::people::Browser;
use super::people::PASSWORD;
use super::people::user;
use crate::harness::ADMIN;
use crate::harness::Reply;
use crate::harness::TestServer;

/// A browser in which somebody of this role is signed in.
async fn signed_in(server: &TestServer, role: &str) -> Browser {
    user(server, role, role).await;
    let mut browser = Browser::new(server);
    assert_eq!(browser.sign_in(role, PASSWORD).await.status, 303);
    browser
}

/// A call of one of our own pages.
async fn call(browser: &mut Browser, method: &str, path: &str, body: Option<Value>) -> Reply {
    let request = browser.request(method, path).header("sec-fetch-site", "same-origin");
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    browser.send(request).await
}

fn agent(name: &str) -> Value {
    json!({"name": name, "display_name": name, "instructions": "Be brief.", "model": "openai/fake"})
}

on_both! {
    async fn our_own_pages_call_with_the_session(server: TestServer) {
        let mut browser = signed_in(&server, "viewer").await;

        let me = call(&mut browser, "GET", "/me", None).await;

        me.is(expect![[r#"
            200 application/json
            {
              "client_id": "agent-server-ui",
              "scopes": [
                "agent.read",
                "workflow.read",
                "tool.read",
                "rag.read",
                "run.read",
                "thread.read",
                "approval.read"
              ],
              "subject": "user:01900000-0000-7000-8000-000000000003",
              "user": {
                "created_at": "2026-11-25T10:00:00Z",
                "created_by": "client:admin",
                "display_name": "",
                "has_password": true,
                "id": "01900000-0000-7000-8000-000000000003",
                "is_active": true,
                "last_signed_in_at": "2026-11-25T10:00:00Z",
                "role": "viewer",
                "scope": "",
                "updated_at": "2026-11-25T10:00:00Z",
                "username": "viewer"
              }
            }
        "#]]);
        assert_eq!(call(&mut browser, "GET", "/agents", None).await.status, 200);
        let refused = call(&mut browser, "POST", "/agents/definitions", Some(agent("a"))).await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.json()["required_scope"], "agent.write");
    }

    async fn everybody_who_is_known_learns_who_he_is(server: TestServer) {
        server.client("rfp.process agent.read").await.get("/me").await.is(expect![[r#"
            200 application/json
            {
              "client_id": "01900000-0000-7000-8000-000000000003",
              "scopes": [
                "agent.read",
                "rfp.process"
              ],
              "subject": "client:01900000-0000-7000-8000-000000000003",
              "user": null
            }
        "#]]);
        assert_eq!(server.admin().await.get("/me").await.json()["client_id"], ADMIN.0);
        assert_eq!(server.stranger().get("/me").await.status, 401);

        let mut browser = Browser::new(&server);
        browser.sign_in(ADMIN.0, ADMIN.1).await;
        let me = call(&mut browser, "GET", "/me", None).await.json();
        assert_eq!((&me["subject"], &me["user"]), (&json!("client:admin"), &Value::Null));
        assert!(me["scopes"].as_array().unwrap().contains(&json!("key.write")));
    }

    async fn no_page_of_others_calls_with_the_session(server: TestServer) {
        let mut browser = signed_in(&server, "owner").await;
        call(&mut browser, "POST", "/agents/definitions", Some(agent("kept"))).await;
        let hostile: [&[(&str, &str)]; 8] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://server.test")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://server.test.evil.example")],
            &[("origin", "http://server.test"), ("origin", "https://evil.example")],
        ];
        for headers in hostile {
            for (method, path) in [
                ("GET", "/users"),
                ("POST", "/agents/definitions"),
                ("PUT", "/agents/definitions/kept"),
                ("DELETE", "/agents/definitions/kept"),
                ("POST", "/oauth/register"),
            ] {
                let mut request = browser.request(method, path).json(&agent("evil"));
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let refused = browser.send(request).await;
                assert_eq!(refused.status, 403, "{method} {path} {headers:?} {}", refused.text);
                assert_eq!(refused.json()["type"], "/problems/cross-site-request", "{headers:?}");
            }
        }
        // What says nothing, and what is typed, may only read.
        for headers in [&[][..], &[("sec-fetch-site", "none")]] {
            for (method, status) in [("GET", 200), ("DELETE", 403)] {
                let mut request = browser.request(method, "/agents/definitions/kept");
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                assert_eq!(browser.send(request).await.status, status, "{method} {headers:?}");
            }
        }
        let agents = call(&mut browser, "GET", "/agents/definitions", None).await.json();
        assert_eq!(agents["data"].as_array().unwrap().len(), 1);
        assert_eq!(agents["data"][0]["version"], 1);
        // By plain http to another host than one's own a browser names the origin alone.
        let plain = browser.request("DELETE", "/agents/definitions/kept").header("origin", "http://server.test");
        assert_eq!(browser.send(plain).await.status, 204);
    }

    async fn no_other_origin_is_told_what_a_session_may_read(server: TestServer) {
        let mut browser = signed_in(&server, "owner").await;

        let preflight = browser.request("OPTIONS", "/me").header("origin", "https://evil.example")
            .header("access-control-request-method", "POST");
        let preflight = browser.send(preflight).await;
        let read = browser.request("GET", "/me").header("origin", "http://server.test");
        let read = browser.send(read).await;

        for reply in [preflight, read] {
            assert_eq!(reply.header("access-control-allow-credentials"), None);
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }

    async fn a_token_goes_before_the_session(server: TestServer) {
        let mut browser = signed_in(&server, "owner").await;

        let wrong = browser.request("GET", "/me").header("sec-fetch-site", "same-origin").bearer_auth("a.b.c");
        assert_eq!(browser.send(wrong).await.status, 401);
        let token = server.client("agent.read").await;
        let cookie = browser.cookie.clone().unwrap();
        let both = token.request("GET", "/me").header("cookie", cookie).header("sec-fetch-site", "cross-site");
        assert_eq!(token.send(both).await.json()["scopes"], json!(["agent.read"]));
    }

    async fn a_session_that_is_over_opens_nothing(server: TestServer) {
        let mut browser = signed_in(&server, "viewer").await;
        let cookie = browser.cookie.clone();
        browser.submit("/sign-out", &[]).await;
        browser.cookie = cookie;

        let over = call(&mut browser, "GET", "/me", None).await;

        over.is(expect![[r#"
            401 application/problem+json
            {
              "detail": "the session is over: sign in again",
              "status": 401,
              "type": "/problems/unauthenticated"
            }
        "#]]);
        browser.cookie = Some("agent-server=agb_x".to_owned());
        assert_eq!(call(&mut browser, "GET", "/me", None).await.status, 401);
        browser.sign_in("viewer", PASSWORD).await;
        server.app.clock.advance(Duration::from_mins(31));
        assert_eq!(call(&mut browser, "GET", "/me", None).await.status, 401, "nobody was seen for half an hour");
    }

    async fn what_is_taken_from_somebody_is_gone_from_his_session(server: TestServer) {
        let mut browser = signed_in(&server, "editor").await;
        assert_eq!(call(&mut browser, "POST", "/agents/definitions", Some(agent("a"))).await.status, 201);
        let admin = server.admin().await;

        admin.put(&format!("/users/{}", id_of(&mut browser).await), json!({"role": "viewer"})).await;

        assert_eq!(call(&mut browser, "POST", "/agents/definitions", Some(agent("b"))).await.status, 403);
    }

    async fn a_session_begins_runs_and_watches_them(server: TestServer) {
        server.agent("support").await;
        let mut browser = signed_in(&server, "operator").await;
        let id = id_of(&mut browser).await;
        let body = json!({"input": "Hi", "background": true});

        let run = call(&mut browser, "POST", "/agents/support/execute", Some(body)).await;

        assert_eq!(run.status, 202, "{}", run.text);
        let run = run.json();
        assert_eq!((&run["subject"], &run["client_id"]), (&json!(format!("user:{id}")), &json!("agent-server-ui")));
        let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
        let events = browser.request("GET", &path).header("sec-fetch-site", "same-origin").header("accept", "text/event-stream");
        let events = browser.send(events).await;
        assert_eq!(events.header("content-type"), Some("text/event-stream"));
        assert!(events.text.contains("event: tool.finished") || events.text.contains("event: model.finished"), "{}", events.text);
        assert!(events.text.trim_end().lines().any(|line| line == "event: run.finished"), "{}", events.text);
    }

    async fn the_idempotency_keys_of_two_people_are_apart(server: TestServer) {
        let mut first = signed_in(&server, "owner").await;
        let mut second = signed_in(&server, "admin").await;
        for (browser, name) in [(&mut first, "a"), (&mut second, "b")] {
            let request = browser.request("POST", "/agents/definitions").header("sec-fetch-site", "same-origin");
            let made = browser.send(request.header("idempotency-key", "once").json(&agent(name))).await;
            assert_eq!((made.status, made.header("idempotency-replayed")), (201, None), "{}", made.text);
        }
    }

    async fn clients_are_registered_on_our_own_pages(server: TestServer) {
        let mut browser = signed_in(&server, "owner").await;
        let body = json!({"client_name": "Shop", "grant_types": ["client_credentials"], "scope": "agent.read"});

        let made = call(&mut browser, "POST", "/oauth/register", Some(body)).await;

        assert_eq!(made.status, 201, "{}", made.text);
    }

    async fn a_sign_in_leads_on_to_our_own_pages(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let then = "/ui/runs/0199?tab=events&x=%2F%2Fevil.example";
        let mut browser = Browser::new(&server);
        let door = browser.get(&format!("/sign-in?then={}", then.replace('&', "%26"))).await;
        assert!(door.text.contains("name=\"then\""), "{}", door.text);

        let inside = browser.submit("/sign-in", &[("username", "maria"), ("password", PASSWORD), ("then", then)]).await;

        assert_eq!(inside.header("location"), Some(then));
    }

    async fn without_its_files_the_server_says_that_it_has_no_pages(server: TestServer) {
        let mut browser = Browser::new(&server);
        let home = browser.get("/").await;
        assert_eq!((home.status, home.header("location")), (303, Some("/ui/")));

        let page = browser.get("/ui/runs").await;

        assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
        assert!(page.text.contains("has no Admin UI"));
        assert_eq!(page.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    }
}

async fn id_of(browser: &mut Browser) -> String {
    let me = call(browser, "GET", "/me", None).await.json();
    me["user"]["id"].as_str().unwrap().to_owned()
}
