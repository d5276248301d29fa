//! `POST /oauth/register` of those who are no administrators: `REGISTRATION_POLICY`.

use expect_test::expect;
use serde_json::json;

use super::ask_as;
use super::get_with;
use super::token_in;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

const TOKEN: &str = "an-initial-access-token-for-the-tests";

on_both! {
    async fn by_the_open_policy_anybody_registers_and_gets_little(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("REGISTRATION_POLICY", "open")]).await;
        let stranger = server.stranger();

        let made = stranger.post("/oauth/register", json!({"client_name": "Desktop", "odd": 1})).await;

        assert_eq!((made.status, &made.json()["scope"]), (201, &json!("agent.read agent.execute")));
        let id = made.json()["client_id"].as_str().unwrap().to_owned();
        let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
        let token = token_in(&ask_as(&stranger, (&id, &secret), &[]).await);
        assert_eq!(get_with(&stranger, "/agents", &token).await.status, 200);
        assert_eq!(get_with(&stranger, "/oauth/clients", &token).await.status, 403);
        let client = server.admin().await.get(&format!("/oauth/clients/{id}")).await.json();
        assert_eq!(client["registered_by"], "policy:open");
        refuses_more(&stranger).await;
        // A token that is shown must be good, and an administrator's registers as ever.
        assert_eq!(with(&stranger, "no-token").await.status, 401);
        assert_eq!(with(&stranger, &token).await.status, 403);
        let made = server.admin().await.post("/oauth/register", json!({"scope": "client.read"})).await;
        assert_eq!(made.status, 201);
    }

    // Programs that speak MCP register with what they were told to ask for first, and ask for more when a call takes more.
    async fn a_stranger_that_acts_for_people_only_may_ask_them_for_all_that_the_settings_name(server: TestServer) {
        let settings = [("REGISTRATION_POLICY", "open"), ("REGISTRATION_SCOPES", "mcp.access tool.execute shop.refund")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let body = json!({
            "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none", "scope": "mcp.access agent.execute",
        });

        let made = server.stranger().post("/oauth/register", body).await;

        assert_eq!((made.status, &made.json()["scope"]), (201, &json!("mcp.access tool.execute shop.refund")));
    }

    async fn by_the_open_policy_an_address_registers_only_so_many(server: TestServer) {
        let settings = [("REGISTRATION_POLICY", "open"), ("AGENT_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let stranger = server.stranger();
        let from = async |address: &str| {
            let request = stranger.request("POST", "/oauth/register").header("x-forwarded-for", address);
            stranger.send(request.json(&json!({}))).await
        };
        // The addresses of one IPv6 network are one.
        for host in 0..20 {
            assert_eq!(from(&format!("2001:db8::{host:x}")).await.status, 201);
        }

        let late = from("2001:db8::ffff:2").await;

        assert_eq!(late.header("retry-after"), Some("1"));
        late.is(expect![[r#"
            429 application/json
            {
              "error": "temporarily_unavailable",
              "error_description": "too many clients were registered from this address; wait"
            }
        "#]]);
        assert_eq!(from("2001:db8:0:1::1").await.status, 201);
        assert_eq!(server.admin().await.post("/oauth/register", json!({})).await.status, 201);
    }

    async fn by_the_token_policy_who_shows_the_token_registers(server: TestServer) {
        let settings = [
            ("REGISTRATION_POLICY", "token"), ("REGISTRATION_TOKEN", TOKEN), ("REGISTRATION_SCOPES", "rag.search rfp.read"),
        ];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let stranger = server.stranger();

        assert_eq!(stranger.post("/oauth/register", json!({})).await.status, 401);
        assert_eq!(with(&stranger, &TOKEN.replace("for", "of")).await.status, 401);
        let made = with(&stranger, TOKEN).await;

        assert_eq!((made.status, &made.json()["scope"]), (201, &json!("rag.search rfp.read")));
        let id = made.json()["client_id"].as_str().unwrap().to_owned();
        let client = server.admin().await.get(&format!("/oauth/clients/{id}")).await.json();
        assert_eq!(client["registered_by"], "policy:token");
        assert_eq!(get_with(&stranger, "/oauth/clients", TOKEN).await.status, 401, "it only registers");
        assert_eq!(server.admin().await.post("/oauth/register", json!({})).await.status, 201);
    }
}

/// Without an administrator nobody gets what the settings do not name, nor the id he wants.
async fn refuses_more(stranger: &Client) {
    stranger
        .post("/oauth/register", json!({"scope": "agent.read client.write"}))
        .await
        .is(expect![[r#"
            400 application/json
            {
              "error": "invalid_client_metadata",
              "error_description": "scope: without an administrator a client gets no more than agent.read agent.execute"
            }
        "#]]);
    for body in [
        json!({"scope": "admin.write"}),
        json!({"scope": "agent.*"}),
        json!({"scope": "rfp.process"}),
        json!({"serverId": "shop", "name": "Shop"}),
        json!({"serverId": "shop", "name": "Shop", "scopes": ["user.read"]}),
    ] {
        let reply = stranger.post("/oauth/register", body.clone()).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (400, &json!("invalid_client_metadata")),
            "{body}"
        );
    }
}

async fn with(stranger: &Client, token: &str) -> Reply {
    let request = stranger.request("POST", "/oauth/register").bearer_auth(token);
    stranger.send(request.json(&json!({}))).await
}
