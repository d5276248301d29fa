//! Tools that send HTTP requests, and those that OpenAPI documents become.

use agent_server::db::Dialect;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;

use crate::harness::Client;
use crate::harness::TestServer;

const VALUE: &str = "planted-value-of-a-secret";

async fn server(dialect: Dialect, receiver: &Receiver) -> (TestServer, Client) {
    let server =
        TestServer::start_with(dialect, &[("AGENT_SERVER_EGRESS_ALLOW", &receiver.origin())]).await;
    let admin = server.admin().await;
    let secret = json!({"name": "key", "value": VALUE, "hosts": ["127.0.0.1"]});
    assert_eq!(admin.post("/secrets", secret).await.status, 201);
    (server, admin)
}

fn order(receiver: &Receiver, more: Value) -> Value {
    let mut tool = json!({
        "name": "order", "description": "Makes an order.", "kind": "http",
        "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
        "config": {"method": "POST", "url": format!("{}/orders/{{{{ input.id }}}}", receiver.origin()), "allow_http": true,
            "body": {"key": "{{secrets.key}}"}, "auth": {"type": "bearer", "secret": "key"}},
    });
    tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tool
}

on_both! {
    async fn a_call_sends_what_it_says_and_no_value_is_kept(server: TestServer) {
        let receiver = Receiver::start().await;
        receiver.answer(Answer::With(400, "x-echo", VALUE.into()));
        let (server, admin) = crate::http_tools::server(server.app.db.dialect(), &receiver).await;
        let made = admin.post("/tools/definitions", order(&receiver, json!({}))).await;
        assert_eq!(made.status, 201, "{}", made.text);

        let failed = admin.post("/tools/order/execute", json!({"input": {"id": "a/b"}})).await;
        let done = admin.post("/tools/order/execute", json!({"input": {"id": "{{secrets.key}}"}})).await;

        let [first, second] = receiver.webhooks().try_into().unwrap();
        assert_eq!(first.header("authorization"), format!("Bearer {VALUE}"));
        assert_eq!(first.body, json!({"key": VALUE}).to_string().as_bytes());
        assert_eq!(second.header("authorization"), format!("Bearer {VALUE}"));
        assert_ne!(failed.status, 200, "{}", failed.text);
        assert_eq!(done.status, 200, "{}", done.text);
        let run = done.json()["id"].as_str().unwrap().to_owned();
        let events = admin.get(&format!("/runs/{run}/events")).await;
        for text in [&failed.text, &done.text, &events.text] {
            assert!(!text.contains(VALUE), "{text}");
        }
        assert_eq!(admin.get("/secrets/key").await.json()["used_by"], json!([{"kind": "tool", "name": "order"}]));
        assert_eq!(admin.delete("/secrets/key").await.status, 409);
        drop(server);
    }

    async fn a_tool_that_may_be_repeated_is_as_often_as_it_says(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_server, admin) = crate::http_tools::server(server.app.db.dialect(), &receiver).await;
        let retry = json!({"max": 2, "backoff_ms": 1});
        for (name, effect) in [("again", "idempotent"), ("once", "effect")] {
            let retry = if effect == "effect" { json!({"max": 0}) } else { retry.clone() };
            let tool = order(&receiver, json!({"name": name, "effect": effect, "retry": retry}));
            assert_eq!(admin.post("/tools/definitions", tool).await.status, 201);
        }
        let execute = async |name: &str, answers: &[u16]| {
            let before = receiver.received();
            for status in answers {
                receiver.answer(Answer::Status(*status));
            }
            let status = admin.post(&format!("/tools/{name}/execute"), json!({"input": {"id": "7"}})).await.status;
            (status, receiver.received() - before)
        };

        let refused = order(&receiver, json!({"effect": "effect", "retry": retry}));
        let refused = admin.post("/tools/definitions", refused).await;
        let done = execute("again", &[503, 429, 200]).await;
        let given_up = execute("again", &[503, 502, 504]).await;
        let once = execute("once", &[503]).await;

        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/retry/max")), "{}", refused.text);
        assert_eq!((done, given_up, once), ((200, 3), (502, 3), (502, 1)));
        let requests = receiver.webhooks();
        let keys: Vec<_> = requests[..6].iter().map(|it| it.header("idempotency-key")).collect();
        assert_eq!((keys[1], keys[2], keys[4], keys[5]), (keys[0], keys[0], keys[3], keys[3]));
        assert_ne!(keys[0], keys[3]);
        assert!(!requests[6].headers.contains_key("idempotency-key"));
    }

    async fn the_caller_is_known_to_the_far_side_by_a_token_of_his_own(server: TestServer) {
        let receiver = Receiver::start().await;
        let (server, admin) = crate::http_tools::server(server.app.db.dialect(), &receiver).await;
        let auth = |audience: &str| json!({"config": {
            "method": "POST", "url": format!("{}/orders", receiver.origin()), "allow_http": true,
            "auth": {"type": "exchange", "audience": audience, "scope": "orders.write"},
        }});
        receiver.answer(Answer::Echo(200));
        let elsewhere = order(&receiver, auth("https://api.example.com"));
        let made = admin.post("/tools/definitions", order(&receiver, auth(&receiver.origin()))).await;
        let caller = server.client("tool.execute orders.write").await;
        let poor = server.client("tool.execute").await;

        let elsewhere = admin.post("/tools/definitions", elsewhere).await;
        let done = caller.post("/tools/order/execute", json!({"input": {}})).await;
        let refused = poor.post("/tools/order/execute", json!({"input": {}})).await;

        assert_eq!((made.status, done.status), (201, 200), "{} {}", made.text, done.text);
        assert_eq!((elsewhere.status, &elsewhere.json()["errors"][0]["pointer"]), (422, &json!("/config/auth/audience")));
        assert!(refused.text.contains("does not hold `orders.write`"), "{}", refused.text);
        let [request] = receiver.webhooks().try_into().unwrap();
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
        let (head, mut claims) = crate::oauth::parts(&token);
        let jwks = server.stranger().get("/.well-known/jwks.json").await.json();
        assert_eq!(head["kid"], jwks["keys"][0]["kid"]);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 120);
        assert_eq!(claims["aud"], json!(receiver.origin()));
        for changing in ["aud", "exp", "iat", "jti"] {
            claims[changing].take();
        }
        let client = claims["client_id"].as_str().unwrap().to_owned();
        expect![[r#"
            {
              "act": {
                "sub": "http://server.test"
              },
              "aud": null,
              "client_id": "shop",
              "exp": null,
              "iat": null,
              "iss": "http://server.test",
              "jti": null,
              "scope": "orders.write",
              "sub": "client:shop",
              "tenant": "default"
            }"#]].assert_eq(&format!("{claims:#}").replace(&client, "shop"));
        assert!(!done.text.contains(&token), "{}", done.text);
        assert_eq!(crate::oauth::get_with(&server.stranger(), "/agents", &token).await.status, 401, "it is not for us");
    }

    async fn a_secret_must_be_there_and_for_the_author_and_for_the_host(server: TestServer) {
        let receiver = Receiver::start().await;
        let (server, admin) = crate::http_tools::server(server.app.db.dialect(), &receiver).await;
        let author = server.client("tool.*").await;
        let unknown = json!({"config": {"url": "https://api.example.com/", "headers": {"x": "{{secrets.none}}"}}});

        let refused = author.post("/tools/definitions", order(&receiver, json!({}))).await;
        let unknown = admin.post("/tools/definitions", order(&receiver, unknown)).await;

        let pointers: Vec<_> = refused.json()["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
        assert_eq!((refused.status, pointers.len()), (422, 2));
        assert!(pointers.contains(&json!("/config/auth/secret")) && pointers.contains(&json!("/config/body/key")));
        assert_eq!((unknown.status, &unknown.json()["errors"][0]["code"]), (422, &json!("unknown_secret")));
        assert_eq!(receiver.received(), 0);
    }

    async fn a_document_becomes_tools(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_server, admin) = crate::http_tools::server(server.app.db.dialect(), &receiver).await;
        let document = "
openapi: 3.1.0
security: [{key: []}]
components: {securitySchemes: {key: {type: http, scheme: bearer}}}
paths:
  /orders/{id}:
    delete:
      operationId: deleteOrder
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
  /files:
    post:
      operationId: upload
      requestBody: {required: true, content: {multipart/form-data: {}}}
";
        let import = |dry_run: bool| json!({"document": document, "server": receiver.origin(), "dry_run": dry_run});

        let shown = admin.post("/tools/import/openapi", import(true)).await.json();
        let none = admin.get("/tools/deleteOrder").await;
        let made = admin.post("/tools/import/openapi", import(false)).await.json();
        let again = admin.post("/tools/import/openapi", import(false)).await.json();
        let shown_again = admin.post("/tools/import/openapi", import(true)).await.json();
        let called = admin.post("/tools/deleteOrder/execute", json!({"input": {"id": "7"}})).await;

        assert_eq!(shown["data"][0]["name"], "deleteOrder");
        assert_eq!(none.status, 404);
        assert!(shown["data"][0]["id"].is_null() && made["data"][0]["id"].is_string());
        let whole = |imported: &Value| {
            let mut tool = imported["data"][0].clone();
            tool["id"] = Value::Null;
            tool
        };
        assert_eq!(whole(&made), whole(&shown));
        assert_eq!((&made["data"][0]["retry"]["max"], &made["data"][0]["output_schema"]), (&json!(0), &Value::Null));
        assert_eq!(shown_again, again);
        let skipped = json!([{"operation": "upload", "reason": "its body is multipart/form-data"}]);
        assert_eq!((&shown["skipped"], &made["skipped"]), (&skipped, &skipped));
        assert_eq!((&again["data"], again["skipped"].as_array().unwrap().len()), (&json!([]), 2));
        assert_eq!(called.status, 200, "{}", called.text);
        assert_eq!(receiver.webhooks()[0].header("authorization"), format!("Bearer {VALUE}"));
    }

    async fn a_request_without_a_method_is_a_get_and_only_reads(server: TestServer) {
        let admin = server.admin().await;
        let tool = json!({
            "name": "look", "description": "Looks.", "kind": "http", "input_schema": {"type": "object"},
            "config": {"url": "https://api.example.com/"}, "retry": {"max": 2},
        });

        let made = admin.post("/tools/definitions", tool).await;

        assert_eq!((made.status, &made.json()["effect"]), (201, &json!("read")), "{}", made.text);
    }

    async fn what_is_no_document_is_refused(server: TestServer) {
        let admin = server.admin().await;
        let mut answers = Vec::new();
        for body in [
            json!({}),
            json!({"document": "a: [", "url": null}),
            json!({"document": {"swagger": "2.0"}}),
            json!({"url": "https://169.254.169.254/openapi.json"}),
            json!({"document": {"openapi": "3.1.0", "paths": {}}, "operations": ["x"]}),
        ] {
            let reply = admin.post("/tools/import/openapi", body).await;
            let error = reply.json()["errors"][0].clone();
            answers.push(format!("{} {} {}", reply.status, error["pointer"], error["code"]));
        }

        expect![[r#"
            422 "/document" "missing_member"
            422 "/document" "bad_document"
            422 "/document/swagger" "bad_document"
            422 "/url" "bad_document"
            422 "/operations/0" "unknown_operation""#]].assert_eq(&answers.join("\n"));
    }
}
