//! A server that is killed while it sends a webhook.

use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;

use crate::server;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_whose_sender_was_killed_is_sent_again_on_sqlite() {
    kill(server::database(DatabaseKind::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_whose_sender_was_killed_is_sent_again_on_postgres() {
    kill(server::database(DatabaseKind::Postgres).await).await;
}

/// The receiver has the webhook, and the server dies before it learns of that.
async fn kill(database: TestDatabase) {
    let (model, receiver) = (FakeModel::start().await, Receiver::start().await);
    receiver.answer(Answer::Never);
    let settings = [
        ("AGENT_SERVER_EGRESS_ALLOW", &*receiver.origin()),
        ("WEBHOOK_SECRETS", "default=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
    ];
    let server = Server::start_with(database.url(), &model, &settings).await;
    server.create_agent().await;
    let body = json!({"input": "Go", "background": true, "webhook": {"url": receiver.origin()}});
    let begun = server.post("/agents/slow/execute", body).await;
    let path = begun.headers()["location"].to_str().unwrap().to_owned();
    let first = receiver.wait_received(1).await;

    server.kill().await;
    // For a while it could still be under way; that has passed.
    let passed = "UPDATE webhook_deliveries SET next_attempt_at = created_at";
    if database.url().starts_with("sqlite:") {
        let mut shell = SqliteConnection::connect(database.url()).await.unwrap();
        sqlx::query(passed).execute(&mut shell).await.unwrap();
    } else {
        let mut shell = PgConnection::connect(database.url()).await.unwrap();
        sqlx::query(passed).execute(&mut shell).await.unwrap();
    }
    let again = Server::start_with(database.url(), &model, &settings).await;
    let second = receiver.wait_received(2).await;

    assert_eq!(second.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(second.body, first.body);
    let delivery = loop {
        let reply = again.get(&format!("{path}/deliveries")).await;
        let delivery = reply.json::<Value>().await.unwrap()["data"][0].clone();
        if delivery["state"] == "delivered" {
            break delivery;
        }
    };
    assert_eq!((&delivery["attempts"], &delivery["last_status"]), (&json!(2), &json!(204)));
    again.stop().await;
}
