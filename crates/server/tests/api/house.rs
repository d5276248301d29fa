//! What holds for every call: probes, documents, and requests that are wrong in form.

use std::sync::atomic::Ordering;

use agent_server::app::Clock;
use agent_server::db::Dialect;
use agent_server::db::migrate::Migrator;
use agent_server::db::migrate::Source;
use agent_server::router;
use axum::Router;
use axum::body::Body;
use axum::body::to_bytes;
use axum::extract::Request;
use expect_test::expect;
use serde_json::json;
use tower::ServiceExt;

use crate::harness::Client;
use crate::harness::TestServer;

on_both! {
    async fn probes_say_how_the_server_is(server: TestServer) {
        let anyone = server.stranger();

        anyone.get("/health").await.is(expect![[r#"
            200 application/json
            {
              "status": "ok",
              "version": "0.1.0"
            }
        "#]]);
        anyone.get("/ready").await.is(expect![[r#"
            200 application/json
            {
              "checks": {
                "database": "ok",
                "keys": "ok",
                "migrations": "ok"
              },
              "status": "ok"
            }
        "#]]);
        let health = anyone.get("/api/health").await.json();
        assert_eq!((&health["status"], &health["checks"]["database"]), (&json!("healthy"), &json!("healthy")));
        assert_eq!(health["timestamp"], "2026-11-25T10:00:00Z");
        assert!(health["uptime"].is_number() && health["responseTime"].is_number());
    }

    async fn a_server_without_its_database_says_so(server: TestServer) {
        server.app.db.close().await;
        let anyone = server.stranger();

        anyone.get("/ready").await.is(expect![[r#"
            503 application/json
            {
              "checks": {
                "database": "unreachable",
                "keys": "ok",
                "migrations": "unknown"
              },
              "status": "unavailable"
            }
        "#]]);
        let health = anyone.get("/api/health").await;
        assert_eq!((health.status, &health.json()["status"]), (503, &json!("unhealthy")));
        assert_eq!(anyone.get("/health").await.status, 200);
    }

    async fn a_server_whose_tables_are_not_at_their_head_is_not_ready(server: TestServer) {
        let settings = server.app.config.database.clone();
        let migrator = Migrator::new(settings, Source::Embedded, Clock::System).unwrap();
        migrator.down(1, &mut |_| {}).await.unwrap();

        let ready = server.stranger().get("/ready").await;

        assert_eq!((ready.status, &ready.json()["checks"]["migrations"]), (503, &json!("pending")));
    }

    async fn a_server_that_stops_is_not_ready(server: TestServer) {
        assert_eq!(server.stranger().get("/ready").await.status, 200);

        server.app.tasks.stopping().cancel();

        // It listens no more, but on connections that are open it answers.
        let routes = router::router(&server.app).unwrap();
        let (status, text) = ask(&routes, "/ready").await;
        assert_eq!(status, 503);
        assert_eq!(text, r#"{"status":"unavailable","checks":{"database":"ok","migrations":"ok","keys":"ok"}}"#);
        assert_eq!(ask(&routes, "/health").await.0, 200);
    }

    async fn what_is_measured_is_there_for_prometheus(server: TestServer) {
        let anyone: Client = server.stranger();
        // `serve` begins to measure at its start, a test's server when it is first asked.
        anyone.get("/metrics").await;
        anyone.get("/nothing/here").await;
        server.agent("support").await;

        let text = anyone.get("/metrics").await.text;

        assert!(text.contains(r#"http_server_request_duration_seconds_bucket{method="POST",route="/agents/definitions",status="201""#), "{text}");
        assert!(text.contains(r#"route="unmatched",status="404""#), "{text}");
        assert!(text.contains("\ndatabase_commits_total "), "{text}");
        assert!(!text.contains("/nothing/here"), "a path is no label: {text}");
    }

    async fn documents_come_out_of_the_binary(server: TestServer) {
        let anyone = server.stranger();

        assert_eq!(anyone.get("/openapi.json").await.json()["openapi"], json!("3.1.0"));
        let docs = anyone.get("/docs").await;
        assert_eq!(docs.header("content-type"), Some("text/html; charset=utf-8"));
        for asset in ["/docs/style.css", "/docs/copy.js", "/problems/invalid-request"] {
            assert_eq!(anyone.get(asset).await.status, 200, "{asset}");
        }
    }

    async fn a_body_that_is_wrong_in_form_is_refused_and_nothing_is_stored(server: TestServer) {
        let admin = server.admin().await;
        let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(2_000_000));
        for (body, status) in [
            (&b""[..], 400),
            (b"{", 400),
            (b"[]", 422),
            (b"{\"name\": \"a\", \"name\": \"b\"}", 400),
            (b"{\"name\": \"a\\u0000\"}", 400),
            (b"{\"name\": \"a\\ud83d\"}", 400),
            (b"{\"name\": \"a\xff\"}", 400),
            (b"{\"name\": 12345678901234567890123}", 400),
            (long.as_bytes(), 413),
        ] {
            let reply = create(&admin, "application/json", body).await;
            assert_eq!(reply, status, "{}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        }
        assert_eq!(create(&admin, "text/plain", b"{}").await, 415);

        assert_eq!(admin.get("/agents/definitions").await.json()["data"], json!([]));
    }

    async fn what_no_database_holds_is_refused_in_an_address(server: TestServer) {
        let admin: Client = server.admin().await;

        for (path, code) in [
            ("/runs/%00", "nul"), ("/runs?user=%00", "nul"), ("/runs?user=%FF", "not_utf8"), ("/agents/%00", "nul"),
            ("/agents/definitions/a%00b", "nul"), ("/oauth/clients/%00", "nul"),
        ] {
            let reply = admin.get(path).await;
            assert_eq!((reply.status, &reply.json()["errors"][0]["code"]), (400, &json!(code)), "{path}: {}", reply.text);
        }
        for path in ["/runs/%FF", "/agents/%FF", "/problems/%FF"] {
            let reply = admin.get(path).await;
            assert_eq!((reply.status, &reply.json()["type"]), (400, &json!("/problems/malformed-request")), "{path}: {}", reply.text);
        }
        let execute = admin.post("/agents/a%00b/execute", json!({"input": "x"})).await;
        assert_eq!((execute.status, &execute.json()["errors"][0]["code"]), (400, &json!("nul")));
    }

    async fn all_that_is_wrong_is_said_at_once_and_precisely(server: TestServer) {
        server.agent("support").await;
        let admin: Client = server.admin().await;
        let agent = json!({"name": "a", "display_name": "A", "instructions": "", "model": "",
            "tools": [{"name": "current_time", "approval": "sometimes"}]});
        let tool = json!({"name": "t", "description": "T", "input_schema": {"type": "object"}, "kind": "nope", "retry": {"max": 1}});
        let mut answers = Vec::new();
        for (method, path, body) in [
            ("POST", "/agents/support/execute?stream=true&background=true", json!({"input": "a"})),
            ("POST", "/agents/support/execute", json!({"input": 5, "stream": "yes"})),
            ("POST", "/agents/support/execute", json!({"messages": [{"role": "x", "content": 5}, {"role": "user", "content": [{"type": "text"}]}]})),
            ("POST", "/agents/support/execute", json!({"input": "a", "messages": []})),
            ("POST", "/agents/support/execute", json!({"messages": []})),
            ("POST", "/agents/support/execute", json!({"input": "a", "version": u64::MAX})),
            ("POST", "/agents/support/execute", json!({"input": "a", "limits": {"max_steps": 4_294_967_296_u64, "max_parallel_tool_calls": 65}})),
            ("POST", "/agents/support/execute", json!({"input": "a", "output_schema": {"type": "nope"}})),
            ("POST", "/secrets", json!({"name": "a b", "value": "abc", "hosts": ["http://x.y", "a.example", "*.y:1"], "more": 1})),
            ("PUT", "/secrets/none", json!({"value": "abc", "hosts": ["http://x.y"], "more": 1})),
            ("POST", "/agents/definitions", agent),
            ("POST", "/tools/definitions", tool),
            ("POST", "/agents/definitions/support/versions/xx/restore", json!({})),
            ("GET", "/agents/definitions/support?version=18446744073709551615", json!(null)),
            ("GET", "/runs?created_after=yesterday&thread_id=abc&usr=ann", json!(null)),
            ("PUT", "/budgets/foo/bar", json!({"max_tokens": 1})),
            ("PUT", "/budgets/agent/nobody", json!({"max_tokens": 1})),
            ("PUT", "/budgets/client/nobody", json!({"max_tokens": 1})),
        ] {
            let request = admin.request(method, path);
            let reply = admin.send(if body.is_null() { request } else { request.json(&body) }).await;
            answers.push(format!("{method} {path}\n  {} {}", reply.status, reply.json()["detail"]));
            for error in reply.json()["errors"].as_array().unwrap_or(&Vec::new()) {
                answers.push(format!("  {} {}: {}", error["pointer"], error["code"], error["detail"]));
            }
        }

        expect![[r#"
            POST /agents/support/execute?stream=true&background=true
              422 "2 members are not valid"
              "?stream" "unknown_member": "there is no such parameter; what is wanted stands in the body"
              "?background" "unknown_member": "there is no such parameter; what is wanted stands in the body"
            POST /agents/support/execute
              422 "2 members are not valid"
              "/input" "wrong_type": "must be a string, a list or null, not a number"
              "/stream" "wrong_type": "must be a boolean, not a string"
            POST /agents/support/execute
              422 "3 members are not valid"
              "/messages/0/content" "wrong_type": "must be a string or a list, not a number"
              "/messages/0/role" "not_one_of": "must be one of `user` or `assistant`"
              "/messages/1/content/0/text" "missing_member": "is required"
            POST /agents/support/execute
              422 "1 member is not valid"
              "/input" "conflict": "`input` and `messages` exclude each other"
            POST /agents/support/execute
              422 "1 member is not valid"
              "/messages" "too_few": "must not be empty"
            POST /agents/support/execute
              422 "1 member is not valid"
              "/version" "out_of_range": "must be at most 9223372036854775807"
            POST /agents/support/execute
              422 "2 members are not valid"
              "/limits/max_steps" "out_of_range": "the agent allows at most 20"
              "/limits/max_parallel_tool_calls" "out_of_range": "the agent allows at most 8"
            POST /agents/support/execute
              422 "1 member is not valid"
              "/output_schema/type" "bad_schema": "this is not a JSON Schema: must be one of `array`, `boolean`, `integer`, `null`, `number`, `object` or `string`, or a list"
            POST /secrets
              422 "5 members are not valid"
              "/hosts/0" "not_valid": "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
              "/hosts/2" "not_valid": "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
              "/more" "unknown_member": "there is no such member"
              "/name" "bad_format": "a name is a letter, then letters, digits, `_` and `-`"
              "/value" "too_short": "a value has at least 8 bytes: a shorter one could not be told from other text"
            PUT /secrets/none
              422 "3 members are not valid"
              "/hosts/0" "not_valid": "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
              "/more" "unknown_member": "there is no such member"
              "/value" "too_short": "a value has at least 8 bytes: a shorter one could not be told from other text"
            POST /agents/definitions
              422 "2 members are not valid"
              "/model" "bad_format": "a model is 1 to 200 bytes without spaces"
              "/tools/0/approval" "not_one_of": "must be one of `never` or `always`, or an object with `when`"
            POST /tools/definitions
              422 "1 member is not valid"
              "/kind" "not_one_of": "must be one of `http`, `javascript`, `static`, `template`, `agent`, `workflow`, `rag`, `mcp` or `builtin`"
            POST /agents/definitions/support/versions/xx/restore
              422 "1 member is not valid"
              "?version" "not_valid": "must be a whole number from 1 to 9223372036854775807"
            GET /agents/definitions/support?version=18446744073709551615
              422 "1 member is not valid"
              "?version" "out_of_range": "must be at most 9223372036854775807"
            GET /runs?created_after=yesterday&thread_id=abc&usr=ann
              422 "3 members are not valid"
              "?usr" "unknown_member": "there is no such parameter; did you mean `user`?"
              "?created_after" "not_valid": "must be a time of RFC 3339 such as `2026-11-25T10:00:00Z`"
              "?thread_id" "not_valid": "must be a UUID"
            PUT /budgets/foo/bar
              422 "1 member is not valid"
              "?kind" "not_one_of": "must be one of `tenant`, `agent`, `client` or `user`"
            PUT /budgets/agent/nobody
              422 "1 member is not valid"
              "?id" "unknown_agent": "no agent has this id or name"
            PUT /budgets/client/nobody
              422 "1 member is not valid"
              "?id" "unknown_client": "no active client has this id""#]].assert_eq(&answers.join("\n"));
        assert_eq!(admin.get("/runs").await.json()["data"], json!([]));
    }

    async fn a_bad_header_is_named(server: TestServer) {
        server.agent("support").await;
        let admin: Client = server.admin().await;
        let post = || admin.request("POST", "/agents/definitions").json(&json!({}));

        for (request, name) in [
            (post().header("idempotency-key", ""), "Idempotency-Key"),
            (admin.request("DELETE", "/agents/definitions/support").header("if-match", "3"), "If-Match"),
            (post().header("authorization", "Bearer x"), "Authorization"),
        ] {
            let reply = admin.send(request).await;
            let error = reply.json()["errors"][0].clone();
            assert_eq!((reply.status, &error["pointer"]), (400, &json!(name)), "{}", reply.text);
            assert_eq!(error["code"], "bad_header");
        }
    }

    async fn every_answer_has_an_id_of_its_own_or_the_callers(server: TestServer) {
        let anyone: Client = server.stranger();

        let given = anyone.send(anyone.request("GET", "/health").header("x-request-id", "mine-1")).await;
        let [first, second] = [anyone.get("/health").await, anyone.get("/health").await];

        assert_eq!(given.header("x-request-id"), Some("mine-1"));
        assert!(first.header("x-request-id").is_some());
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    }
}

#[tokio::test]
async fn metrics_move_to_an_address_of_their_own() {
    let settings = [("METRICS_ADDRESS", "127.0.0.1:0")];
    let server = TestServer::start_with(Dialect::Sqlite, &settings).await;

    let (status, text) = ask(&router::metrics(&server.app), "/metrics").await;

    assert_eq!(status, 200);
    assert!(text.contains("\ndatabase_commits_total "), "{text}");
    assert_eq!(ask(&router::metrics(&server.app), "/agents").await.0, 404);
    assert_eq!(server.stranger().get("/metrics").await.status, 404);
}

#[tokio::test]
async fn probes_ask_the_database_once_a_second_however_many_there_are() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let statements = || server.app.db.stats().statements.load(Ordering::Relaxed);
    let routes = router::router(&server.app).unwrap();
    let before = statements();
    ask(&routes, "/ready").await;
    let once = statements() - before;
    let before = statements();

    let probes = (0..50).map(|_| ask(&routes, "/ready"));
    let replies = futures::future::join_all(probes).await;

    assert!(replies.iter().all(|(status, _)| *status == 200));
    // Others ask too in the meantime: each half second for what is new.
    assert!(statements() - before < 10 * once.max(1), "{once} and {}", statements() - before);
}

#[tokio::test]
async fn a_full_server_refuses_but_still_answers_probes() {
    let server = TestServer::start_with(Dialect::Sqlite, &[("REQUEST_CONCURRENCY", "1")]).await;
    server.agent("support").await;
    let admin = server.admin().await;
    let gate = testkit::model::Gate::new();
    server.model.reply(testkit::model::Reply::text("Slow.").hold("Slow", &gate));
    let slow = admin.request("POST", "/agents/support/execute").json(&json!({"input": "Go"}));
    let slow = tokio::join!(slow.send(), async {
        server.model.wait_received(1).await;
        admin.get("/runs").await.is(expect![[r#"
            503 application/problem+json
            {
              "detail": "the server cannot answer now; try again in 1 s",
              "status": 503,
              "type": "/problems/unavailable"
            }
        "#]]);
        assert_eq!(admin.get("/ready").await.status, 200);
        gate.open();
    });

    assert_eq!(slow.0.unwrap().status(), 200);
    assert_eq!(admin.get("/runs").await.status, 200);
}

/// What the routes answer to a `GET`, without a connection.
async fn ask(routes: &Router, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Tries to create an agent; the status of the answer.
async fn create(client: &Client, media_type: &str, body: &[u8]) -> u16 {
    let request = client.request("POST", "/agents/definitions").header("content-type", media_type);
    client.send(request.body(body.to_vec())).await.status
}
