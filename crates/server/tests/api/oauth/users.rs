//! `/users`.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::dump;

const PASSWORD: &str = "correct horse battery staple";

on_both! {
    async fn a_user_is_made_and_shown_without_his_password(server: TestServer) {
        let admin = server.admin().await;
        let new = json!({"username": "Maria.Koski@fjord.example", "display_name": "Maria Koski", "role": "operator",
            "scope": "rfp.process", "password": PASSWORD});

        let made = admin.post("/users", new).await;

        let location = made.header("location").unwrap().to_owned();
        let mut shown = made.json();
        assert_eq!(location, format!("/users/{}", shown["id"].as_str().unwrap()));
        assert_eq!(admin.get(&location).await.json(), shown);
        assert_eq!(admin.get("/users").await.json()["data"][0], shown);
        shown["id"].take();
        expect![[r#"
            {
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "display_name": "Maria Koski",
              "has_password": true,
              "id": null,
              "is_active": true,
              "last_signed_in_at": null,
              "role": "operator",
              "scope": "rfp.process",
              "updated_at": "2026-11-25T10:00:00Z",
              "username": "maria.koski@fjord.example"
            }"#]].assert_eq(&format!("{:#}", sorted(shown)));
        let stored = dump(&server).await;
        assert!(stored.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !stored.contains(PASSWORD));
    }

    async fn a_username_belongs_to_one_person(server: TestServer) {
        let admin = server.admin().await;
        assert_eq!(user(&admin, "maria", "viewer").await.0, 201);

        for username in ["maria", "MARIA", " Maria "] {
            let (status, reply) = user(&admin, username, "viewer").await;
            assert_eq!((status, &reply["type"]), (409, &json!("/problems/user-name-taken")), "{username}");
        }
    }

    async fn all_that_is_wrong_with_a_user_is_said_at_once(server: TestServer) {
        let admin = server.admin().await;
        let wrong = json!({"username": "maria koski", "display_name": "a\nb", "role": "root", "scope": "agent.exceute",
            "password": "Password2026!"});

        admin.post("/users", wrong).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "5 members are not valid",
              "errors": [
                {
                  "code": "bad_format",
                  "detail": "a username has 1 to 200 characters, none of which is a space or a control character",
                  "pointer": "/username"
                },
                {
                  "code": "bad_format",
                  "detail": "has at most 200 characters and no control characters",
                  "pointer": "/display_name"
                },
                {
                  "code": "unknown_value",
                  "detail": "the roles are owner, admin, editor, operator, viewer",
                  "pointer": "/role"
                },
                {
                  "code": "bad_scope",
                  "detail": "agent has no such action; it has read, write, execute",
                  "pointer": "/scope"
                },
                {
                  "code": "too_easy",
                  "detail": "the password is little more than a word that everybody tries first",
                  "pointer": "/password"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        let personal = json!({"username": "maria.koski", "role": "viewer", "password": "maria.koski2026"});
        assert_eq!(admin.post("/users", personal).await.json()["errors"][0]["pointer"], "/password");
        assert_eq!(admin.get("/users").await.json()["data"], json!([]));
    }

    async fn nobody_makes_or_becomes_one_who_may_more(server: TestServer) {
        let admin = server.admin().await;
        let (_, owner) = user(&admin, "owner", "owner").await;
        let path = format!("/users/{}", owner["id"].as_str().unwrap());
        let weak = server.client("user.* agent.* run.read").await;

        for (role, scope) in [("owner", ""), ("admin", ""), ("viewer", "secret.read")] {
            let new = json!({"username": "friend", "role": role, "scope": scope, "password": PASSWORD});
            let refused = weak.post("/users", new).await;
            assert_eq!((refused.status, &refused.json()["type"]), (403, &json!("/problems/insufficient-scope")), "{role}");
        }
        let password = json!({"password": "another horse battery staple"});
        for refused in [
            weak.put(&format!("{path}/password"), password.clone()).await,
            weak.put(&path, json!({"role": "viewer"})).await,
            weak.put(&path, json!({"is_active": false})).await,
            weak.delete(&path).await,
        ] {
            assert_eq!(refused.status, 403, "{}", refused.text);
        }
        assert_eq!(admin.get(&path).await.json(), owner);
        assert_eq!(admin.put(&format!("{path}/password"), password).await.status, 204);
    }

    async fn a_user_is_changed_member_by_member_and_deleted(server: TestServer) {
        let admin = server.admin().await;
        let (_, made) = user(&admin, "maria", "viewer").await;
        let path = format!("/users/{}", made["id"].as_str().unwrap());

        let changed = admin.put(&path, json!({"role": "editor"})).await.json();
        assert_eq!((&changed["role"], &changed["username"]), (&json!("editor"), &made["username"]));
        let changed = admin.put(&path, json!({"display_name": "M", "scope": "a.b", "is_active": false})).await.json();
        assert_eq!((&changed["role"], &changed["scope"], &changed["is_active"]), (&json!("editor"), &json!("a.b"), &json!(false)));
        assert_eq!(admin.put(&path, json!({"username": "x"})).await.status, 422);
        assert_eq!(admin.put(&path, json!({"role": "root"})).await.status, 422);

        assert_eq!(admin.delete(&path).await.status, 204);
        for gone in [
            admin.get(&path).await,
            admin.put(&path, json!({"role": "editor"})).await,
            admin.delete(&path).await,
            admin.get("/users/maria").await,
        ] {
            assert_eq!((gone.status, &gone.json()["type"]), (404, &json!("/problems/user-not-found")));
        }
    }

    async fn a_repeated_request_for_a_user_makes_one(server: TestServer) {
        let admin = server.admin().await;
        let new = json!({"username": "maria", "role": "viewer", "password": PASSWORD});
        let ask = async |body: &Value| {
            admin.send(admin.request("POST", "/users").header("idempotency-key", "1").json(body)).await
        };

        let first = ask(&new).await;
        let again = ask(&new).await;

        assert_eq!((first.status, again.status, &first.text), (201, 201, &again.text));
        assert_eq!(ask(&json!({"username": "jonas", "role": "viewer"})).await.status, 422);
    }
}

/// Makes a user who has the password of these tests.
async fn user(admin: &Client, username: &str, role: &str) -> (u16, Value) {
    let new = json!({"username": username, "role": role, "password": PASSWORD});
    let made = admin.post("/users", new).await;
    (made.status, made.json())
}

/// The members by their names.
fn sorted(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members: std::collections::BTreeMap<_, _> = members.into_iter().collect();
    members.into_iter().collect()
}
