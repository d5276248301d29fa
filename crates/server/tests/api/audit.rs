//! The audit trail: each act has its entry, and no entry is changed unnoticed.

use std::collections::BTreeSet;

use agent_server::db::Dialect;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

/// Acts with documents, threads and runs are no administration: these have logs of their own. A test changes nothing, what
/// is made anew says what it said, and one's own sessions and grants are ended by oneself.
const ELSEWHERE: [&str; 3] = ["/documents", "/threads", "/runs"];
/// Sessions and grants are ended in tests of their own, which have some.
const NO_ACT: [&str; 6] = [
    "POST /workflows/drafts/check",
    "POST /models/test",
    "POST /rag/databases/{id}/test",
    "POST /rag/databases/{id}/reindex",
    "DELETE /sessions/{id}",
    "DELETE /grants/{id}",
];

/// Somebody who administers, and what he did.
struct Administrator<'a> {
    client: &'a Client,
    done: BTreeSet<String>,
}

impl Administrator<'_> {
    /// Calls an operation of the document with these parts of its path. It leaves one entry.
    async fn act(&mut self, operation: &str, parts: &[&str], body: Value) -> Value {
        let (method, template) = operation.split_once(' ').unwrap();
        let mut path = template.to_owned();
        for part in parts {
            let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(start..=end, part);
        }
        let before = entries(self.client, "").await.len();
        let request = self.client.request(method, &path);
        let request = if method == "DELETE" { request } else { request.json(&body) };
        let reply = self.client.send(request).await;
        assert!(reply.status < 300, "{operation}: {}", reply.text);
        assert_eq!(entries(self.client, "").await.len(), before + 1, "{operation}");
        self.done.insert(operation.to_owned());
        serde_json::from_str(&reply.text).unwrap_or_default()
    }
}

/// The newest first.
async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let reply = client.get(&format!("/audit?limit=200{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["data"].as_array().unwrap().clone()
}

fn brief(entries: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line =
        |it: &Value| format!("{} {} {}", it["seq"], text(&it["action"]), text(&it["target"]));
    entries.iter().rev().map(line).collect::<Vec<_>>().join("\n")
}

async fn administer(administrator: &mut Administrator<'_>) {
    let tool = json!({"name": "one", "description": "One.", "kind": "static", "input_schema": {"type": "object"},
        "config": {"result": 1}});
    let agent = json!({"name": "helper", "display_name": "Helper", "instructions": "", "model": "openai/fake"});
    let workflow = json!({"name": "daily", "steps": [{"id": "a", "type": "mapping", "output": 1}],
        "triggers": [{"type": "event", "name": "paid"}]});
    for (place, body) in [("tools", tool), ("agents", agent), ("workflows", workflow)] {
        let name = body["name"].as_str().unwrap().to_owned();
        let of = |rest: &str| format!("/{place}/definitions/{{id}}{rest}");
        administrator.act(&format!("POST /{place}/definitions"), &[], body).await;
        let description = json!({"description": "Another."});
        administrator.act(&format!("PUT {}", of("")), &[&name], description).await;
        let restore = format!("POST {}", of("/versions/{version}/restore"));
        administrator.act(&restore, &[&name, "1"], json!({})).await;
        administrator.act(&format!("POST {}", of("/deactivate")), &[&name], json!({})).await;
        administrator.act(&format!("POST {}", of("/activate")), &[&name], json!({})).await;
        if place == "workflows" {
            for turn in ["pause", "resume"] {
                let operation = format!("POST /workflows/{{id}}/triggers/{{trigger}}/{turn}");
                administrator.act(&operation, &[&name, "event"], json!({})).await;
            }
        }
        administrator.act(&format!("DELETE {}", of("")), &[&name], json!({})).await;
    }
    let document = json!({"openapi": "3.1.0", "servers": [{"url": "https://api.example.com"}],
        "paths": {"/x": {"get": {"operationId": "look", "responses": {}}}}});
    administrator
        .act("POST /tools/import/openapi", &[], json!({"document": document, "dry_run": false}))
        .await;
    administrator.act("POST /rag/databases", &[], json!({"name": "handbook"})).await;
    administrator
        .act("PUT /rag/databases/{id}", &["handbook"], json!({"display_name": "Handbook"}))
        .await;
    administrator.act("DELETE /rag/databases/{id}", &["handbook"], json!({})).await;
    let secret =
        json!({"name": "key", "value": "a-value-of-a-secret", "hosts": ["api.example.com"]});
    administrator.act("POST /secrets", &[], secret).await;
    administrator
        .act("PUT /secrets/{name}", &["key"], json!({"value": "another-value-of-it"}))
        .await;
    administrator.act("DELETE /secrets/{name}", &["key"], json!({})).await;
    let client = json!({"serverId": "shop", "name": "Shop", "scopes": ["agent.read"]});
    administrator.act("POST /oauth/register", &[], client).await;
    administrator
        .act("PATCH /oauth/clients/{client_id}", &["shop"], json!({"scope": "agent.*"}))
        .await;
    administrator.act("POST /oauth/clients/{client_id}/secret", &["shop"], json!({})).await;
    let key = json!({"name": "ci", "scope": "agent.read"});
    let key = administrator.act("POST /oauth/clients/{client_id}/keys", &["shop"], key).await;
    let key = ["shop", key["id"].as_str().unwrap()];
    administrator.act("DELETE /oauth/clients/{client_id}/keys/{id}", &key, json!({})).await;
    administrator.act("DELETE /oauth/clients/{client_id}", &["shop"], json!({})).await;
    administrator.act("POST /oauth/keys/import", &[], json!({})).await;
    let key = administrator.act("POST /oauth/keys", &[], json!({})).await;
    administrator.act("DELETE /oauth/keys/{kid}", &[key["kid"].as_str().unwrap()], json!({})).await;
    let user =
        json!({"username": "maria", "role": "viewer", "password": "correct horse battery staple"});
    let user = administrator.act("POST /users", &[], user).await;
    let user = [user["id"].as_str().unwrap()];
    administrator.act("PUT /users/{id}", &user, json!({"role": "editor"})).await;
    administrator
        .act("PUT /users/{id}/password", &user, json!({"password": "another horse battery staple"}))
        .await;
    administrator.act("DELETE /users/{id}", &user, json!({})).await;
    administrator.act("PUT /budgets/{kind}/{id}", &["user", "*"], json!({"max_tokens": 5})).await;
    administrator.act("DELETE /budgets/{kind}/{id}", &["user", "*"], json!({})).await;
    administrator.act("POST /mcp/server", &[], json!({"name": "shop"})).await;
    administrator.act("POST /mcp/server/reload", &[], json!({})).await;
    administer_upstream(administrator).await;
}

async fn administer_upstream(administrator: &mut Administrator<'_>) {
    let far = json!({"name": "far", "url": "https://mcp.example.com/mcp", "is_active": false});
    administrator.act("POST /mcp/upstreams", &[], far).await;
    let description = json!({"description": "Another."});
    administrator.act("PUT /mcp/upstreams/{id}", &["far"], description).await;
    let restore = "POST /mcp/upstreams/{id}/versions/{version}/restore";
    administrator.act(restore, &["far", "1"], json!({})).await;
    administrator.act("POST /mcp/upstreams/{id}/refresh", &["far"], json!({})).await;
    administrator.act("POST /mcp/upstreams/{id}/accept", &["far"], json!({})).await;
    administrator.act("DELETE /mcp/upstreams/{id}", &["far"], json!({})).await;
}

/// The operations of the document that administer.
fn acts(document: &Value) -> BTreeSet<String> {
    let mut acts = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let is_write = operation["security"].to_string().contains(".write\"");
            let is_elsewhere = ELSEWHERE.iter().any(|it| path.contains(it));
            if method != "get" && is_write && !is_elsewhere && !NO_ACT.contains(&name.as_str()) {
                acts.insert(name);
            }
        }
    }
    acts
}

/// Lets somebody at the database write in the trail, which the database itself refuses at first.
async fn take_locks_off(server: &TestServer) {
    let statement = match server.app.db.dialect() {
        Dialect::Sqlite => {
            "DROP TRIGGER audit_log_stays_update; DROP TRIGGER audit_log_stays_delete"
        }
        Dialect::Postgres => "DROP TRIGGER audit_log_stays ON audit_log",
    };
    in_sql(server, statement).await;
}

on_both! {
    async fn every_operation_that_administers_leaves_one_entry(server: TestServer) {
        let client = server.admin().await;
        let mut administrator = Administrator { client: &client, done: BTreeSet::new() };

        administer(&mut administrator).await;

        let document = server.stranger().get("/openapi.json").await.json();
        assert_eq!(administrator.done, acts(&document));
        let mut trail = brief(&entries(&client, "").await);
        for key in client.get("/oauth/keys").await.json()["data"].as_array().unwrap() {
            trail = trail.replace(key["kid"].as_str().unwrap(), "…");
        }
        expect![[r#"
            1 tool.create one
            2 tool.update one
            3 tool.restore one
            4 tool.deactivate one
            5 tool.activate one
            6 tool.delete one
            7 agent.create helper
            8 agent.update helper
            9 agent.restore helper
            10 agent.deactivate helper
            11 agent.activate helper
            12 agent.delete helper
            13 workflow.create daily
            14 workflow.update daily
            15 workflow.restore daily
            16 workflow.deactivate daily
            17 workflow.activate daily
            18 trigger.pause daily/event
            19 trigger.resume daily/event
            20 workflow.delete daily
            21 tool.create look
            22 rag_database.create handbook
            23 rag_database.update handbook
            24 rag_database.delete handbook
            25 secret.create key
            26 secret.update key
            27 secret.delete key
            28 client.create shop
            29 client.update shop
            30 client.rotate_secret shop
            31 api_key.create shop
            32 api_key.delete shop
            33 client.delete shop
            34 key.import …
            35 key.rotate …
            36 key.retire …
            37 user.create 01900000-0000-7000-8000-00000000000b
            38 user.update 01900000-0000-7000-8000-00000000000b
            39 user.password 01900000-0000-7000-8000-00000000000b
            40 user.delete 01900000-0000-7000-8000-00000000000b
            41 budget.set user/*
            42 budget.delete user/*
            43 mcp_server.update mcp
            44 mcp_server.reload mcp
            45 mcp_upstream.create far
            46 mcp_upstream.update far
            47 mcp_upstream.restore far
            48 mcp_upstream.refresh far
            49 mcp_upstream.accept far
            50 mcp_upstream.delete far"#]].assert_eq(&trail);
        let all = client.get("/audit?limit=200").await.text;
        assert!(!all.contains("value-of") && !all.contains("ags_") && !all.contains("agk_"), "{all}");
        assert_eq!(client.get("/audit/verify").await.json()["broken"], Value::Null);
    }

    async fn an_entry_says_who_did_what_and_from_where(server: TestServer) {
        let admin = server.admin().await;
        let tool = json!({"name": "one", "description": "One.", "kind": "static", "input_schema": {"type": "object"},
            "config": {"result": 1}});
        admin.post("/tools/definitions", tool).await;
        let change = json!({"description": "Another.", "config": {"result": "x".repeat(5000)}});
        let request = admin.request("PUT", "/tools/definitions/one").header("x-request-id", "r-17").json(&change);

        assert_eq!(admin.send(request).await.status, 200);

        let mut entry = entries(&admin, "&action=tool.update").await.remove(0);
        let hash = entry["hash"].take();
        assert_eq!(hash.as_str().map(str::len), Some(64));
        entry["id"].take();
        expect![[r#"
            {
              "action": "tool.update",
              "actor": "client:admin",
              "after": {
                "config": {
                  "bytes": 5013,
                  "sha256": "0f88677287372422966c9b61723013108ecfd3f17d10864a1e295a48c08586e2"
                },
                "description": "Another.",
                "version": 2
              },
              "at": "2026-11-25T10:00:00Z",
              "before": {
                "config": {
                  "result": 1
                },
                "description": "One.",
                "version": 1
              },
              "client_id": "admin",
              "hash": null,
              "id": null,
              "ip": "127.0.0.1",
              "request_id": "r-17",
              "seq": 2,
              "target": "one"
            }"#]].assert_eq(&format!("{entry:#}"));
        // Nothing was done, so nothing is told.
        let count = entries(&admin, "").await.len();
        admin.put("/tools/definitions/one", change).await;
        assert_eq!(entries(&admin, "").await.len(), count);
    }

    async fn entries_are_found_by_who_what_and_when(server: TestServer) {
        let admin = server.admin().await;
        let writer = server.client("secret.write").await;
        let secret = |name: &str| json!({"name": name, "value": "a-value-of-a-secret", "hosts": ["api.example.com"]});
        writer.post("/secrets", secret("a")).await;
        server.app.clock.advance(std::time::Duration::from_mins(1));
        admin.post("/secrets", secret("b")).await;
        admin.delete("/secrets/b").await;

        let found = async |query: &str| brief(&entries(&admin, query).await).replace('\n', ", ");

        assert_eq!(found("&action=secret").await, "2 secret.create a, 3 secret.create b, 4 secret.delete b");
        assert_eq!(found("&action=secret.create&actor=client:admin").await, "3 secret.create b");
        assert_eq!(found("&action=sec").await, "");
        assert_eq!(found("&target=b").await, "3 secret.create b, 4 secret.delete b");
        assert_eq!(found("&action=secret&before=2026-11-25T10:01:00Z").await, "2 secret.create a");
        assert_eq!(found("&after=2026-11-25T10:01:00Z").await, "3 secret.create b, 4 secret.delete b");
        let first = admin.get("/audit?limit=1").await.json();
        let second = format!("/audit?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
        assert_eq!((&first["data"][0]["seq"], &admin.get(&second).await.json()["data"][0]["seq"]), (&json!(4), &json!(3)));
        assert_eq!(writer.get("/audit").await.status, 403);
        let theirs = another_tenant(&server).await;
        assert_eq!(entries(&theirs, "").await, Vec::<Value>::new());
    }

    async fn who_is_refused_is_told_and_how_often(server: TestServer) {
        let reader = server.client("tool.read").await;
        let admin = server.admin().await;
        for _ in 0..3 {
            assert_eq!(reader.post("/secrets", json!({})).await.status, 403);
        }
        assert_eq!(reader.delete("/agents/definitions/x").await.status, 403);

        server.app.refusals.write(&server.app.db, &server.app.clock).await.unwrap();

        let mut told: Vec<_> = entries(&admin, "&action=access.refused").await.iter()
            .map(|it| format!("{} {}", it["target"], it["after"])).collect();
        told.sort();
        assert_eq!(told, [
            r#""DELETE /agents/definitions/{id}" {"count":1,"required_scope":"agent.write"}"#,
            r#""POST /secrets" {"count":3,"required_scope":"secret.write"}"#,
        ]);
        assert_eq!(admin.get("/audit/verify").await.json()["broken"], Value::Null);
    }

    async fn what_is_changed_or_gone_in_the_trail_is_noticed(server: TestServer) {
        let admin = server.admin().await;
        for name in ["a", "b", "c", "d"] {
            let secret = json!({"name": name, "value": "a-value-of-a-secret", "hosts": ["api.example.com"]});
            admin.post("/secrets", secret).await;
        }
        let broken = async || {
            let verified = admin.get("/audit/verify").await.json();
            format!("{} {}", verified["entries"], verified["broken"])
        };
        let locked = server.app.db.write(async |tx| {
            agent_server::on!(tx, c => sqlx::query("UPDATE audit_log SET actor = 'nobody'").execute(c).await.map(drop))
        });
        assert!(locked.await.unwrap_err().to_string().contains("only added to"));
        take_locks_off(&server).await;

        let mut seen = vec![broken().await];
        for change in [
            "UPDATE audit_log SET before_json = 'x' WHERE seq = 2",
            "UPDATE audit_log SET before_json = 'null' WHERE seq = 2",
            "UPDATE audit_log SET target = 'x' WHERE seq = 3",
            "UPDATE audit_log SET target = 'c' WHERE seq = 3",
            "UPDATE audit_heads SET seq = 3, hash = (SELECT hash FROM audit_log WHERE seq = 3)",
            "UPDATE audit_heads SET seq = 4, hash = (SELECT hash FROM audit_log WHERE seq = 4)",
            "DELETE FROM audit_log WHERE seq = 4",
            "DELETE FROM audit_log WHERE seq = 2",
        ] {
            in_sql(&server, change).await;
            seen.push(broken().await);
        }

        expect![[r#"
            4 null
            1 {"reason":"it was changed, or one before it was","seq":2}
            4 null
            2 {"reason":"it was changed, or one before it was","seq":3}
            4 null
            4 {"reason":"the trail ends elsewhere than it should: its end was changed or taken away","seq":5}
            4 null
            3 {"reason":"the trail ends elsewhere than it should: its end was changed or taken away","seq":4}
            1 {"reason":"it is missing","seq":2}"#]].assert_eq(&seen.join("\n"));
    }

    async fn acts_at_once_stand_one_behind_the_other(server: TestServer) {
        let admin = server.admin().await;
        let secret = |name: String| json!({"name": name, "value": "a-value-of-a-secret", "hosts": ["api.example.com"]});
        let many = (0..16).map(|number| admin.post("/secrets", secret(format!("s{number}"))));

        let replies = futures::future::join_all(many).await;

        assert!(replies.iter().all(|reply| reply.status == 201));
        let verified = admin.get("/audit/verify").await.json();
        assert_eq!((&verified["entries"], &verified["broken"]), (&json!(16), &Value::Null));
    }
}
