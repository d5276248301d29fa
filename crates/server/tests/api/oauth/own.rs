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

    async fn a_client_changes_itself_but_never_to_more(server: TestServer) {
        let admin = server.admin().await;
        let new = json!({"client_name": "Shop", "redirect_uris": ["https://shop.example/cb"], "scope": "agent.read tool.read",
            "grant_types": ["authorization_code", "refresh_token"]});
        let made = admin.post("/oauth/register", new).await.json();
        let (id, secret, token) = (text(&made, "client_id"), text(&made, "client_secret"), text(&made, "registration_access_token"));
        let put = async |body: &Value, token: &str| {
            let stranger = server.stranger();
            stranger.send(stranger.request("PUT", &path(&made)).bearer_auth(token).json(body)).await
        };

        let whole = json!({"client_id": id, "client_secret": secret, "client_name": "New shop", "scope": "agent.read",
            "redirect_uris": ["https://new.example/cb"], "grant_types": ["authorization_code"]});
        let changed = put(&whole, &token).await;
        assert_eq!((changed.status, changed.header("cache-control")), (200, Some("no-store")), "{}", changed.text);
        let changed = changed.json();
        assert_eq!((&changed["client_name"], &changed["scope"]), (&json!("New shop"), &json!("agent.read")));
        assert_eq!(changed["redirect_uris"], json!(["https://new.example/cb"]));
        assert_eq!(get_with(&server.stranger(), &path(&made), &token).await.json(), changed);
        let as_admin = admin.get(&format!("/oauth/clients/{id}")).await.json();
        assert_eq!((&as_admin["scope"], &as_admin["grant_types"]), (&json!("agent.read"), &json!(["authorization_code"])));

        for (name, value, error) in [
            ("scope", json!("agent.read tool.read"), "invalid_client_metadata"),
            ("grant_types", json!(["authorization_code", "client_credentials"]), "invalid_client_metadata"),
            ("grant_types", json!(["authorization_code", "refresh_token"]), "invalid_client_metadata"),
            ("token_endpoint_auth_method", json!("none"), "invalid_client_metadata"),
            ("client_id", json!("other"), "invalid_client_metadata"),
            ("client_secret", json!("ags_mine"), "invalid_client_metadata"),
            ("registration_access_token", json!(token), "invalid_client_metadata"),
            ("redirect_uris", json!(["https://new.example/cb#x"]), "invalid_redirect_uri"),
            ("redirect_uris", json!([]), "invalid_redirect_uri"),
        ] {
            let mut wrong = whole.clone();
            wrong[name] = value;
            let refused = put(&wrong, &token).await;
            assert_eq!((refused.status, &refused.json()["error"]), (400, &json!(error)), "{wrong}");
        }
        assert_eq!(put(&whole, &text(&make(&server).await, "registration_access_token")).await.status, 401);
        assert_eq!(get_with(&server.stranger(), &path(&made), &token).await.json(), changed);
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
