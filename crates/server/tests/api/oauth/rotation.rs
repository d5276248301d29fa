//! `POST /oauth/clients/{client_id}/secret`: another secret, with both good for a while.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::ask_as;
use super::reader;
use super::register;
use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;

on_both! {
    async fn the_secret_before_stays_good_until_the_end_of_the_overlap(server: TestServer) {
        let (client, admin) = (reader(&server).await, server.admin().await);

        let reply = rotate(&admin, &client.id, json!({"overlap_seconds": 60})).await;

        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
        let secret = reply.json()["client_secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("ags_") && secret != client.secret);
        assert_eq!(reply.json()["previous_expires_at"], "2026-11-25T10:01:00Z");
        assert_eq!(tried(&server, &client.id, [&client.secret, &secret]).await, [200, 200]);
        server.app.clock.advance(Duration::from_mins(1));
        assert_eq!(tried(&server, &client.id, [&client.secret, &secret]).await, [401, 200]);
        let shown = server.admin().await.get(&format!("/oauth/clients/{}", client.id)).await.text;
        assert!(!shown.contains(&secret) && !shown.contains("secret\""));
    }

    async fn without_an_overlap_the_secret_before_is_void_at_once_and_everywhere(server: TestServer) {
        let (client, admin) = (reader(&server).await, server.admin().await);
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();

        let reply = rotate(&admin, &client.id, json!({"overlap_seconds": 0})).await.json();

        let secret = reply["client_secret"].as_str().unwrap().to_owned();
        assert_eq!(reply["previous_expires_at"], Value::Null);
        assert_eq!(tried(&server, &client.id, [&client.secret, &secret]).await, [401, 200]);
        assert_eq!(ask_as(&elsewhere, (&client.id, &secret), &[]).await.status, 200, "it is looked up");
        let gone = async { while ask_as(&elsewhere, client.who(), &[]).await.status != 401 {} };
        tokio::time::timeout(Duration::from_secs(1), gone).await.unwrap();
    }

    async fn of_three_secrets_two_are_good(server: TestServer) {
        let (client, admin) = (reader(&server).await, server.admin().await);
        let next = async || {
            let reply = rotate(&admin, &client.id, json!({})).await.json();
            assert_eq!(reply["previous_expires_at"], "2026-11-26T10:00:00Z", "a day, unless said otherwise");
            reply["client_secret"].as_str().unwrap().to_owned()
        };

        let (second, third) = (next().await, next().await);

        assert_eq!(tried(&server, &client.id, [&client.secret, &second]).await, [401, 200]);
        assert_eq!(tried(&server, &client.id, [&third, &third]).await, [200, 200]);
    }

    async fn who_gives_a_client_a_secret_holds_what_it_holds(server: TestServer) {
        let desk = server.client("client.* agent.read").await;
        let strong = register(&server, json!({"scope": "agent.read secret.write"})).await;
        let weak = register(&server, json!({"scope": "agent.read"})).await;

        let refused = rotate(&desk, &strong.id, json!({})).await;

        assert_eq!((refused.status, &refused.json()["required_scope"]), (403, &json!("secret.write")));
        assert_eq!(rotate(&desk, &weak.id, json!({})).await.status, 200);
        assert_eq!(rotate(&server.client("client.read").await, &weak.id, json!({})).await.status, 403);
        assert_eq!(rotate(&desk, "nobody", json!({})).await.status, 404);
        assert_eq!(rotate(&desk, "admin", json!({})).await.status, 404, "its secret is in the settings");
        for wrong in [json!({"overlap_seconds": -1}), json!({"overlap_seconds": 2_592_001}), json!({"client_secret": "mine"})] {
            assert_eq!(rotate(&desk, &weak.id, wrong.clone()).await.status, 422, "{wrong}");
        }
    }

    async fn a_secret_is_shown_once_also_under_a_key(server: TestServer) {
        let (client, admin) = (reader(&server).await, server.admin().await);
        let path = format!("/oauth/clients/{}/secret", client.id);
        let ask = || admin.send(admin.request("POST", &path).header("idempotency-key", "k").json(&json!({})));

        assert_eq!(ask().await.status, 200);
        let again = ask().await;

        assert_eq!((again.status, &again.json()["type"]), (409, &json!("/problems/idempotency-not-replayable")));
    }
}

async fn rotate(client: &Client, id: &str, body: Value) -> Reply {
    client.post(&format!("/oauth/clients/{id}/secret"), body).await
}

/// What each of these secrets is answered.
async fn tried(server: &TestServer, id: &str, secrets: [&str; 2]) -> [u16; 2] {
    let stranger = server.stranger();
    let [one, other] = secrets;
    [
        ask_as(&stranger, (id, one), &[]).await.status,
        ask_as(&stranger, (id, other), &[]).await.status,
    ]
}
