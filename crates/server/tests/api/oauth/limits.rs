//! Who shows wrong proofs waits, and is told of in the audit trail and the metrics; who shows the right one does not.

use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::people::Browser;
use super::people::PASSWORD;
use super::people::Pair;
use super::people::Tokens;
use super::people::is_refused;
use super::people::redeem;
use super::people::refresh;
use super::people::user;
use super::register;
use crate::harness::ADMIN;
use crate::harness::dump;

on_both! {
    async fn who_shows_many_wrong_codes_waits_and_the_right_one_passes(server: TestServer) {
        let mut pair = Pair::of(&server, "operator", "agent.read").await;
        let stranger = server.stranger();
        for _ in 0..100 {
            is_refused(&refresh(&stranger, &pair.client, "agr_x").await, "invalid_grant");
        }

        let refused = redeem(&stranger, &pair.client, "agc_x").await;

        assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("temporarily_unavailable")));
        assert_eq!(refused.header("retry-after"), Some("1"));
        let code = pair.code().await;
        let tokens = Tokens::of(&redeem(&stranger, &pair.client, &code).await);
        is_refused(&refresh(&stranger, &pair.client, "agr_x").await, "invalid_grant");
        Tokens::of(&refresh(&stranger, &pair.client, &tokens.refresh).await);
    }

    async fn who_registers_with_wrong_tokens_waits_and_the_right_one_passes(server: TestServer) {
        let (stranger, admin) = (server.stranger(), server.admin().await);
        let wrong = async || stranger.send(stranger.request("POST", "/oauth/register").bearer_auth("x").json(&json!({}))).await;
        for _ in 0..100 {
            assert_eq!(wrong().await.status, 401);
        }

        let refused = wrong().await;

        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        assert_eq!(admin.post("/oauth/register", json!({})).await.status, 201);
    }

    async fn who_did_not_prove_himself_is_told_of_and_how_often(server: TestServer) {
        let maria = user(&server, "maria", "viewer").await;
        let shop = register(&server, json!({"client_name": "Shop"})).await;
        let (stranger, mut browser) = (server.stranger(), Browser::new(&server));
        // A test's server begins to measure when it is first asked.
        stranger.get("/metrics").await;
        for name in ["maria", "maria", "a-password-in-the-wrong-place", ADMIN.0] {
            assert_eq!(browser.sign_in(name, "wrong").await.status, 401);
        }
        for who in [(shop.id.as_str(), "wrong"), ("nobody-is-called-so", "x"), ("nor-so", "x")] {
            assert_eq!(ask_as(&stranger, who, &[]).await.status, 401);
        }
        assert_eq!(stranger.post("/oauth/register", json!({})).await.status, 401);

        server.app.refusals.write(&server.app.db, &server.app.clock).await.unwrap();

        let told = async |action: &str| {
            let entries = server.admin().await.get(&format!("/audit?action={action}")).await.json();
            let entries = entries["data"].as_array().unwrap().clone();
            let mut told: Vec<Value> = entries.iter().map(|it| json!([it["actor"], it["target"], it["after"], it["ip"]])).collect();
            told.sort_by_key(Value::to_string);
            told
        };
        let once = json!({"count": 1});
        assert_eq!(told("sign_in.refused").await, [
            json!(["client:admin", "/sign-in", once, "127.0.0.1"]),
            json!(["unknown", "/sign-in", once, "127.0.0.1"]),
            json!([format!("user:{maria}"), "/sign-in", {"count": 2}, "127.0.0.1"]),
        ]);
        assert_eq!(told("client.refused").await, [
            json!([format!("client:{}", shop.id), "/oauth", once, "127.0.0.1"]),
            json!(["unknown", "/oauth", {"count": 2}, "127.0.0.1"]),
            json!(["unknown", "/oauth/register", once, "127.0.0.1"]),
        ]);
        let all = dump(&server).await;
        assert!(!all.contains("wrong-place") && !all.contains("nor-so"), "what somebody called himself is not kept");
        let metrics = stranger.get("/metrics").await.text;
        for reason in ["wrong_password", "invalid_client"] {
            assert!(metrics.contains(&format!("auth_failures_total{{reason=\"{reason}\"}}")), "{reason}");
        }
    }

    async fn a_proof_that_comes_a_second_time_is_told_of(server: TestServer) {
        let mut pair = Pair::of(&server, "operator", "agent.read").await;
        let stranger = server.stranger();
        let code = pair.code().await;
        let first = Tokens::of(&redeem(&stranger, &pair.client, &code).await);
        let second = Tokens::of(&refresh(&stranger, &pair.client, &first.refresh).await);
        Tokens::of(&refresh(&stranger, &pair.client, &second.refresh).await);
        for _ in 0..2 {
            is_refused(&refresh(&stranger, &pair.client, &first.refresh).await, "invalid_grant");
        }

        let entries = server.admin().await.get("/audit?action=grant.reuse").await.json();

        assert_eq!(entries["data"].as_array().unwrap().len(), 1, "what is over is not ended again");
        let entry = &entries["data"][0];
        assert_eq!((&entry["actor"], &entry["after"]), (&json!(format!("client:{}", pair.client)), &json!({"shown_again": "refresh_token"})));
        assert_eq!(entry["ip"], "127.0.0.1");
        let mut browser = Browser::new(&server);
        assert_eq!(browser.sign_in("maria", PASSWORD).await.status, 303, "the person is not signed out");
    }
}
