//! `/oauth/register/{client_id}`: a client and its own registration (RFC 7592).

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::get_with;
use crate::harness::Reply;
use crate::harness::TestServer;

on_both! {
    async fn a_client_reads_its_own_registration_without_its_secret(server: TestServer) {
        let made = make(&server).await;
        let token = text(&made, "registration_access_token");

        let read = get_with(&server.stranger(), &path(&made), &token).await;

        assert_eq!((read.status, read.header("cache-control")), (200, Some("no-store")));
        let mut expected = made.clone();
        expected.as_object_mut().unwrap().remove("client_secret");
        assert_eq!(read.json(), expected);
        assert_eq!(made["registration_client_uri"], format!("http://server.test{}", path(&made)));
    }

    async fn a_client_deletes_itself_and_is_gone(server: TestServer) {
        let made = make(&server).await;
        let (id, secret) = (text(&made, "client_id"), text(&made, "client_secret"));
        assert_eq!(ask_as(&server.stranger(), (&id, &secret), &[]).await.status, 200);

        assert_eq!(delete(&server, &made, &text(&made, "registration_access_token")).await.status, 204);

        assert_eq!(ask_as(&server.stranger(), (&id, &secret), &[]).await.status, 401);
        let again = delete(&server, &made, &text(&made, "registration_access_token")).await;
        again.is(expect![[r#"
            401 application/problem+json
            {
              "detail": "this is not the registration access token of the client",
              "status": 401,
              "type": "/problems/unauthenticated"
            }
        "#]]);
    }

    async fn no_other_token_opens_a_registration(server: TestServer) {
        let (made, other) = (make(&server).await, make(&server).await);
        let admin = server.admin().await.get("/oauth/clients").await;
        assert!(!admin.text.contains("agg_"));
        let (id, secret) = (text(&made, "client_id"), text(&made, "client_secret"));
        let access = ask_as(&server.stranger(), (&id, &secret), &[]).await.json();
        for wrong in [&text(&other, "registration_access_token"), &text(&access, "access_token"), &secret, "x", "agg_x"] {
            let refused = get_with(&server.stranger(), &path(&made), wrong).await;
            assert_eq!(refused.status, 401, "{wrong}");
            assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer "), "{wrong}");
            assert_eq!(delete(&server, &made, wrong).await.status, 401, "{wrong}");
        }
        let own = text(&made, "registration_access_token");
        assert_eq!(server.stranger().get(&path(&made)).await.status, 401);
        assert_eq!(get_with(&server.stranger(), "/oauth/clients", &own).await.status, 401, "it opens nothing else");
        assert_eq!(get_with(&server.stranger(), "/oauth/register/nobody", &own).await.status, 401);
        assert_eq!(get_with(&server.stranger(), &path(&made), &own).await.status, 200);
    }
}

async fn make(server: &TestServer) -> Value {
    let made = server.admin().await.post("/oauth/register", json!({"client_name": "Own"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()
}

async fn delete(server: &TestServer, client: &Value, token: &str) -> Reply {
    let stranger = server.stranger();
    stranger.send(stranger.request("DELETE", &path(client)).bearer_auth(token)).await
}

fn path(client: &Value) -> String {
    format!("/oauth/register/{}", text(client, "client_id"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}
