//! `/oauth/register` and `/oauth/clients`.

use std::time::Duration;

use agent_server::db::Dialect;
use agent_server::on;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::get_with;
use super::reader;
use super::register;
use super::token_in;
use crate::harness::ADMIN;
use crate::harness::TestServer;

on_both! {
    async fn a_registered_client_is_shown_with_its_secret_once(server: TestServer) {
        let admin = server.admin().await;
        let body = json!({
            "client_name": "Shop", "grant_types": ["client_credentials"], "scope": "agent.read agent.execute",
            "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [],
        });

        let reply = admin.post("/oauth/register", body).await;

        assert_eq!((reply.status, reply.header("cache-control")), (201, Some("no-store")));
        let mut client = reply.json();
        let id = client["client_id"].as_str().unwrap().to_owned();
        let secret = client["client_secret"].as_str().unwrap().to_owned();
        assert_eq!(reply.header("location"), Some(format!("/oauth/clients/{id}").as_str()));
        assert!(secret.starts_with("ags_") && secret.len() == 53);
        client["client_secret"] = json!("…");
        assert!(client["registration_access_token"].take().as_str().unwrap().starts_with("agg_"));
        expect![[r#"
            {
              "client_id": "01900000-0000-7000-8000-000000000003",
              "client_id_issued_at": 1795600800,
              "client_name": "Shop",
              "client_secret": "…",
              "client_secret_expires_at": 0,
              "grant_types": [
                "client_credentials"
              ],
              "redirect_uris": [],
              "registration_access_token": null,
              "registration_client_uri": "http://server.test/oauth/register/01900000-0000-7000-8000-000000000003",
              "scope": "agent.read agent.execute",
              "token_endpoint_auth_method": "client_secret_post"
            }"#]].assert_eq(&format!("{client:#}"));

        admin.get(&format!("/oauth/clients/{id}")).await.is(expect![[r#"
            200 application/json
            {
              "client_id": "01900000-0000-7000-8000-000000000003",
              "client_name": "Shop",
              "created_at": "2026-11-25T10:00:00Z",
              "grant_types": [
                "client_credentials"
              ],
              "is_active": true,
              "last_used_at": null,
              "may_act": [],
              "problems": [],
              "redirect_uris": [],
              "registered_by": "client:admin",
              "scope": "agent.read agent.execute",
              "token_endpoint_auth_method": "client_secret_post",
              "updated_at": "2026-11-25T10:00:00Z"
            }
        "#]]);
        let stranger = server.stranger();
        token_in(&ask_as(&stranger, (&id, &secret), &[]).await);
        let list = admin.get("/oauth/clients").await.text;
        assert!(list.contains(&id) && !list.contains(&secret) && !list.contains("secret\":"));
    }

    async fn what_is_left_out_gets_a_default_and_nothing_more(server: TestServer) {
        let body = json!({"client_name": null, "scope": "", "client_uri": "", "contacts": []});
        let made = server.admin().await.post("/oauth/register", body).await.json();

        assert_eq!(made["scope"], "agent.read agent.execute");
        assert_eq!(made["token_endpoint_auth_method"], "client_secret_basic");
        assert!(made.get("client_name").is_none());
    }

    async fn a_body_of_the_original_server_is_answered_in_its_words_too(server: TestServer) {
        let admin = server.admin().await;
        let body = json!({"serverId": "shop-1", "name": "Shop", "scopes": ["agent.read"]});

        let reply = admin.post("/oauth/register", body.clone()).await.json();

        assert_eq!((&reply["serverId"], &reply["clientId"]), (&json!("shop-1"), &json!("shop-1")));
        assert_eq!(reply["clientSecret"], reply["client_secret"]);
        assert_eq!(reply["scopes"], json!(["agent.read"]));
        admin.post("/oauth/register", body).await.is(expect![[r#"
            409 application/json
            {
              "error": "invalid_client_metadata",
              "error_description": "a client has the id `shop-1` already"
            }
        "#]]);
        let management = json!({"serverId": ADMIN.0, "name": "Impostor"});
        assert_eq!(admin.post("/oauth/register", management).await.status, 409);
    }

    async fn what_cannot_be_registered_is_refused_in_the_words_of_rfc_7591(server: TestServer) {
        let admin = server.admin().await;
        for (body, error) in [
            (json!({"grant_types": ["implicit"]}), "invalid_client_metadata"),
            (json!({"token_endpoint_auth_method": "none"}), "invalid_client_metadata"),
            (json!({"scope": "agent.exceute"}), "invalid_client_metadata"),
            (json!({"client_secret": "mine"}), "invalid_client_metadata"),
            (json!({"jwks_uri": "http://127.0.0.1:9/"}), "invalid_client_metadata"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
            (json!([]), "invalid_request"),
        ] {
            let reply = admin.post("/oauth/register", body.clone()).await;
            assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some(error)), "{body}");
        }
        let list = admin.get("/oauth/clients").await.json();
        assert_eq!(list, json!({"data": [], "next_cursor": null}));
    }

    async fn nobody_gives_what_he_does_not_hold(server: TestServer) {
        let desk = server.client("client.* agent.read").await;

        let more = json!({"scope": "agent.read agent.execute"});
        desk.post("/oauth/register", more).await.is(expect![[r#"
            400 application/json
            {
              "error": "invalid_client_metadata",
              "error_description": "scope: you do not hold agent.execute, so you cannot give it"
            }
        "#]]);
        let own = json!({"scope": "rfp.process"});
        assert_eq!(desk.post("/oauth/register", own.clone()).await.status, 400);
        assert_eq!(server.admin().await.post("/oauth/register", own).await.status, 201);
        let defaults = desk.post("/oauth/register", json!({})).await.json();
        assert_eq!(defaults["scope"], "agent.read");
        let path = format!("/oauth/clients/{}", defaults["client_id"].as_str().unwrap());
        let request = desk.request("PATCH", &path).json(&json!({"scope": "agent.execute"}));
        desk.send(request).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "not_yours",
                  "detail": "you do not hold `agent.execute`, so you cannot give it",
                  "pointer": "/scope"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
    }

    async fn only_who_may_see_clients_sees_them(server: TestServer) {
        let reader = server.client("client.read").await;
        let agent = server.client("agent.*").await;

        assert_eq!(reader.get("/oauth/clients").await.status, 200);
        assert_eq!(reader.post("/oauth/register", json!({})).await.status, 403);
        assert_eq!(reader.delete("/oauth/clients/x").await.status, 403);
        assert_eq!(agent.get("/oauth/clients").await.status, 403);
        assert_eq!(agent.get("/oauth/clients/x").await.status, 403);
        assert_eq!(server.stranger().post("/oauth/register", json!({})).await.status, 401);
    }

    async fn clients_come_in_pages_newest_first(server: TestServer) {
        for name in ["one", "two", "three"] {
            register(&server, json!({"client_name": name})).await;
        }
        let admin = server.admin().await;
        let names = |page: &Value| {
            let clients = page["data"].as_array().unwrap().iter();
            clients.map(|client| client["client_name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };

        let first = admin.get("/oauth/clients?limit=2").await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = admin.get(&format!("/oauth/clients?limit=2&cursor={cursor}")).await.json();

        assert_eq!((names(&first).as_str(), names(&second).as_str()), ("three two", "one"));
        assert_eq!(second["next_cursor"], Value::Null);
    }

    async fn a_deleted_client_is_gone_at_once_with_its_tokens(server: TestServer) {
        let (client, stranger) = (reader(&server).await, server.stranger());
        let token = client.token(&stranger).await;
        let admin = server.admin().await;
        let path = format!("/oauth/clients/{}", client.id);

        assert_eq!(admin.delete(&path).await.status, 204);

        assert_eq!(ask_as(&stranger, client.who(), &[]).await.status, 401);
        get_with(&stranger, "/oauth/clients", &token).await.is(expect![[r#"
            401 application/problem+json
            {
              "detail": "the client of the token was deleted or deactivated",
              "status": 401,
              "type": "/problems/unauthenticated"
            }
        "#]]);
        admin.delete(&path).await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "no client has the id `01900000-0000-7000-8000-000000000003`",
              "status": 404,
              "type": "/problems/client-not-found"
            }
        "#]]);
    }

    async fn a_deleted_client_is_gone_on_other_replicas_within_a_second(server: TestServer) {
        let client = reader(&server).await;
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        let token = client.token(&elsewhere).await;
        assert_eq!(get_with(&elsewhere, "/oauth/clients", &token).await.status, 200);

        let path = format!("/oauth/clients/{}", client.id);
        assert_eq!(server.admin().await.delete(&path).await.status, 204);

        let gone = async { while get_with(&elsewhere, "/oauth/clients", &token).await.status != 401 {} };
        tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
        assert_eq!(ask_as(&elsewhere, client.who(), &[]).await.status, 401);
    }

    async fn a_client_that_another_replica_registered_is_known_at_once(server: TestServer) {
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();

        reader(&server).await.token(&elsewhere).await;
        let token = reader(&server).await.token(&server.stranger()).await;

        assert_eq!(get_with(&elsewhere, "/oauth/clients", &token).await.status, 200);
    }

    async fn a_changed_client_has_what_it_is_left_with(server: TestServer) {
        let (client, stranger) = (reader(&server).await, server.stranger());
        let token = client.token(&stranger).await;
        let admin = server.admin().await;
        let path = format!("/oauth/clients/{}", client.id);
        let change = async |change: Value| admin.send(admin.request("PATCH", &path).json(&change)).await;

        let named = change(json!({"client_name": "Desk"})).await.json();
        assert_eq!((&named["client_name"], &named["scope"]), (&json!("Desk"), &json!("client.read agent.read")));
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 200);

        assert_eq!(change(json!({"scope": "agent.read"})).await.status, 200);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 403);

        assert_eq!(change(json!({"scope": "client.read"})).await.status, 200);
        assert_eq!(change(json!({"is_active": false})).await.status, 200);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 401);
        assert_eq!(ask_as(&stranger, client.who(), &[]).await.status, 401);

        assert_eq!(change(json!({"is_active": true})).await.status, 200);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 200);
        change(json!({"is_active": null, "colour": 1})).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "2 members are not valid",
              "errors": [
                {
                  "code": "wrong_type",
                  "detail": "must be a boolean, not null",
                  "pointer": "/is_active"
                },
                {
                  "code": "unknown_member",
                  "detail": "there is no such member",
                  "pointer": "/colour"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
    }

    async fn of_changes_to_one_client_at_once_none_is_lost(server: TestServer) {
        let client = reader(&server).await;
        let (_replica, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        let path = format!("/oauth/clients/{}", client.id);
        let change = |change: Value| elsewhere.send(admin.request("PATCH", &path).json(&change));

        for round in 0..8 {
            let name = format!("round {round}");
            let is_active = round % 2 == 0;
            let scope = if is_active { "agent.read" } else { "client.read" };
            let (one, two, three) = tokio::join!(
                change(json!({"client_name": name})), change(json!({"scope": scope})),
                change(json!({"is_active": is_active})));

            assert_eq!([one.status, two.status, three.status], [200; 3]);
            let now = admin.get(&path).await.json();
            assert_eq!((&now["client_name"], &now["scope"], &now["is_active"]), (&json!(name), &json!(scope), &json!(is_active)));
        }
    }

    async fn a_client_written_in_sql_works_at_once(server: TestServer) {
        let digest = auth::token::Digest::of("a-secret-of-the-old-server").to_hex();
        execute(&server, "INSERT INTO client_registrations (client_id, name, secret_sha256, scopes)
            VALUES ('legacy', 'Legacy', $1, '[\"client.read\", \"agent.exceute\"]')", &digest).await;

        let legacy = ("legacy", "a-secret-of-the-old-server");
        let token = token_in(&ask_as(&server.stranger(), legacy, &[]).await);

        let list = get_with(&server.stranger(), "/oauth/clients", &token).await.json();
        assert_eq!(list["data"][0]["client_id"], "legacy");
        assert_eq!(list["data"][0]["scope"], "client.read", "what is not understood gives no right");
        assert_eq!(list["data"][0]["registered_by"], Value::Null);
    }

    async fn a_client_whose_row_cannot_be_read_is_listed_with_its_problems(server: TestServer) {
        register(&server, json!({"client_name": "Whole"})).await;
        let digest = auth::token::Digest::of("a-secret-written-in-sql").to_hex();
        execute(&server, "INSERT INTO client_registrations
                (client_id, secret_sha256, scopes, grant_types, token_endpoint_auth_method, created_at)
            VALUES ('timeless', $1, '[\"agent.read\", \"agent.exceute\"]', '7', 'magic', 'infinity')", &digest).await;
        execute(&server, "INSERT INTO client_registrations (client_id, secret_sha256) VALUES ('plain', $1)", "my secret").await;
        let admin = server.admin().await;

        let all = admin.get("/oauth/clients").await.json();
        let first = admin.get("/oauth/clients?limit=1").await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = admin.get(&format!("/oauth/clients?cursor={cursor}")).await.json();

        let both = [first["data"].as_array().unwrap().as_slice(), rest["data"].as_array().unwrap()].concat();
        assert_eq!(all["data"].as_array().unwrap(), &both);
        let lines = both.iter().map(|client| {
            let problems = client["problems"].as_array().unwrap().iter();
            let problems = problems.map(|it| format!("{} {}", it["pointer"], it["code"])).collect::<Vec<_>>();
            format!("{} {}: {}", client["client_id"], client["scope"], problems.join(", ")).replace('"', "").trim_end().to_owned()
        });
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        expect![[r#"
            01900000-0000-7000-8000-000000000003 agent.read agent.execute:
            plain : /secret_sha256 not_understood
            timeless agent.read: /scope not_understood, /token_endpoint_auth_method not_understood, /grant_types wrong_type, /created_at unreadable"#]].assert_eq(&lines.join("\n"));
        let one = admin.get("/oauth/clients/timeless").await;
        assert_eq!((one.status, one.json()), (200, both[0].clone()));
        assert_eq!(one.json()["created_at"], Value::Null);
        let timeless = ("timeless", "a-secret-written-in-sql");
        assert_eq!(ask_as(&server.stranger(), timeless, &[]).await.status, 401);
        let mended = admin.request("PATCH", "/oauth/clients/timeless").json(&json!({"scope": "agent.read"}));
        assert_eq!(admin.send(mended).await.status, 200);
        assert_eq!(admin.delete("/oauth/clients/timeless").await.status, 204);
    }

    async fn a_tenant_sees_its_own_clients_only(server: TestServer) {
        let client = reader(&server).await;
        let digest = auth::token::Digest::of("a-secret-of-another-tenant").to_hex();
        execute(&server, "INSERT INTO tenants (id, name) VALUES ('other', $1)", "Other").await;
        execute(&server, "INSERT INTO client_registrations (tenant_id, client_id, secret_sha256, scopes)
            VALUES ('other', 'theirs', $1, '[\"client.*\"]')", &digest).await;
        let reply = ask_as(&server.stranger(), ("theirs", "a-secret-of-another-tenant"), &[]).await;
        let theirs = token_in(&reply);

        let list = get_with(&server.stranger(), "/oauth/clients", &theirs).await.json();

        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        let path = format!("/oauth/clients/{}", client.id);
        assert_eq!(get_with(&server.stranger(), &path, &theirs).await.status, 404);
        let delete = server.stranger().request("DELETE", &path).bearer_auth(&theirs);
        assert_eq!(server.stranger().send(delete).await.status, 404);
        assert_eq!(server.admin().await.get("/oauth/clients/theirs").await.status, 404);
    }

    async fn the_last_use_is_written_down_when_the_server_stops(server: TestServer) {
        let client = reader(&server).await;
        client.token(&server.stranger()).await;
        let path = format!("/oauth/clients/{}", client.id);
        assert_eq!(server.admin().await.get(&path).await.json()["last_used_at"], Value::Null);
        let (_replica, elsewhere) = server.replica().await;

        server.app.tasks.shut_down(Duration::from_secs(5)).await;

        let seen = elsewhere.get(&path).await.json();
        assert_eq!(seen["last_used_at"], "2026-11-25T10:00:00Z");
        assert_eq!(seen["updated_at"], seen["created_at"]);
    }

    async fn the_database_holds_no_secret(server: TestServer) {
        let client = reader(&server).await;
        let token = client.token(&server.stranger()).await;

        let rows = match server.app.db.dialect() {
            Dialect::Postgres => "SELECT CAST(row_to_json(c) AS TEXT) FROM client_registrations c",
            Dialect::Sqlite => "SELECT c.client_id || c.secret_sha256 || c.name || c.scopes FROM client_registrations c",
        };
        let rows: Vec<String> = server.app.db.read(async |conn| {
            on!(conn, c => sqlx::query_scalar::<_, String>(rows).fetch_all(c).await)
        }).await.unwrap();

        let rows = rows.concat();
        assert!(rows.contains(&client.id));
        assert!(rows.contains(&auth::token::Digest::of(&client.secret).to_hex()));
        for secret in [client.secret.as_str(), &token, ADMIN.1] {
            assert!(!rows.contains(secret));
        }
        if let Some(file) = server.database.file() {
            for suffix in ["", "-wal"] {
                let bytes = std::fs::read(format!("{}{suffix}", file.display())).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(&client.secret) && !text.contains(&token));
            }
        }
    }
}

/// Runs a statement as somebody with a database console would.
async fn execute(server: &TestServer, sql: &'static str, value: &str) {
    let done =
        server.app.db.write(async |tx| on!(tx, c => sqlx::query(sql).bind(value).execute(c).await));
    done.await.unwrap();
}
