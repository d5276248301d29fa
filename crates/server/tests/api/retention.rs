//! Runs that ended long ago, and what goes with them.

use std::time::Duration;

use agent_server::db::Dialect;
use agent_server::runs::retention;
use serde_json::json;
use testkit::model::Reply;
use testkit::receiver::Receiver;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

const DAY: Duration = Duration::from_hours(24);
const KEPT: Option<Duration> = Some(Duration::from_hours(90 * 24));
/// Ids of a run that began in November 2026, and of one in December.
const NOVEMBER: &str = "01a1c2c1-2400-7000-8000-000000000001";
const DECEMBER: &str = "01a25d3f-ec00-7000-8000-000000000001";

async fn execute(client: &Client) -> String {
    let run = client.post("/agents/support/execute", json!({"input": "Go"})).await;
    assert_eq!(run.status, 200, "{}", run.text);
    run.json()["id"].as_str().unwrap().to_owned()
}

async fn rows(server: &TestServer, table: &str) -> i64 {
    number(server, &format!("SELECT count(*) FROM {table}")).await
}

/// Lets the run `id` have begun as `new`.
async fn rename(server: &TestServer, id: &str, new: &str) {
    for (table, column) in [("runs", "id"), ("run_events", "run_id"), ("run_values", "run_id")] {
        in_sql(server, &format!("UPDATE {table} SET {column} = '{new}' WHERE {column} = '{id}'"))
            .await;
    }
}

async fn has_table(server: &TestServer, name: &str) -> bool {
    number(server, &format!("SELECT count(*) FROM pg_class WHERE relname = '{name}'")).await == 1
}

on_both! {
    async fn a_run_is_deleted_when_its_time_is_over(server: TestServer) {
        let receiver = Receiver::start().await;
        let settings = [
            ("AGENT_SERVER_EGRESS_ALLOW", &*receiver.origin()),
            ("WEBHOOK_SECRETS", "default=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
        ];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        server.agent("support").await;
        let admin = server.admin().await;
        let text = "a".repeat(70_000);
        let told = json!({"input": text, "webhook": {"url": receiver.origin()}});
        let old = admin.post("/agents/support/execute", told).await;
        assert_eq!(old.status, 200, "{}", old.text);
        receiver.wait_received(1).await;
        let old = old.header("location").unwrap().to_owned();
        server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
        let open = json!({"input": "Go", "background": true});
        let open = admin.post("/agents/support/execute", open).await.header("location").unwrap().to_owned();
        server.model.wait_received(2).await;
        in_sql(&server, "INSERT INTO run_events SELECT tenant_id, run_id, seq + 1000, type, at, data
             FROM run_events WHERE type = 'run.finished'").await;
        for _ in 0..8 {
            in_sql(&server, "INSERT INTO run_events SELECT tenant_id, run_id,
                 seq + (SELECT max(seq) FROM run_events), type, at, data
                 FROM run_events WHERE seq > 1000").await;
        }
        assert!(rows(&server, "run_events").await > 256 && rows(&server, "run_values").await > 0);

        server.app.clock.advance(90 * DAY);
        retention::round(&server.app.runs, KEPT).await.unwrap();
        assert_eq!(server.admin().await.get(&old).await.status, 200);
        server.app.clock.advance(Duration::from_secs(1));
        retention::round(&server.app.runs, None).await.unwrap();
        assert_eq!(server.admin().await.get(&old).await.status, 200);
        retention::round(&server.app.runs, KEPT).await.unwrap();

        assert_eq!(server.admin().await.get(&old).await.status, 404);
        assert_eq!(server.admin().await.get(&format!("{old}/events")).await.status, 404);
        assert_eq!(server.admin().await.get(&open).await.json()["status"], "running");
        assert_eq!(rows(&server, "runs").await, 1);
        assert_eq!(rows(&server, "run_events").await, 3);
        assert_eq!(rows(&server, "run_values").await, 0);
        assert_eq!(rows(&server, "webhook_deliveries").await, 0);
        server.admin().await.post(&format!("{open}/cancel"), json!({})).await;
        assert_eq!(server.admin().await.get(&format!("{open}/wait")).await.json()["status"], "canceled");
    }

    async fn many_runs_are_deleted_in_small_pieces(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        for _ in 0..60 {
            execute(&admin).await;
        }
        let commits = || server.app.db.stats().commits.load(std::sync::atomic::Ordering::Relaxed);
        server.app.clock.advance(91 * DAY);
        server.app.runs.heart().cancel();
        let before = commits();

        retention::round(&server.app.runs, KEPT).await.unwrap();

        // A run has six events here; at most 200 rows go at once.
        assert!(commits() - before >= 3, "{}", commits() - before);
        assert_eq!(rows(&server, "runs").await, 0);
        assert_eq!(rows(&server, "run_events").await, 0);
        assert_eq!(server.admin().await.get("/runs").await.json()["data"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_whose_runs_are_gone_is_dropped() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let admin = server.admin().await;
    rename(&server, &execute(&admin).await, NOVEMBER).await;
    server.app.clock.advance(20 * DAY);
    rename(&server, &execute(&server.admin().await).await, DECEMBER).await;
    assert!(rows(&server, "run_events_202611").await > 0);

    // The run is gone, but not its month.
    server.app.clock.advance(75 * DAY);
    retention::round(&server.app.runs, KEPT).await.unwrap();
    assert_eq!(server.admin().await.get(&format!("/runs/{NOVEMBER}")).await.status, 404);
    assert!(rows(&server, "run_events_202611").await > 0);
    // It is 1 March 2027.
    server.app.clock.advance(DAY);
    retention::round(&server.app.runs, KEPT).await.unwrap();

    assert!(!has_table(&server, "run_events_202611").await);
    assert!(!has_table(&server, "run_values_202611").await);
    assert!(has_table(&server, "run_events_202612").await);
    assert_eq!(server.admin().await.get(&format!("/runs/{DECEMBER}")).await.status, 200);
    let events = server.admin().await.get(&format!("/runs/{DECEMBER}/events")).await.json();
    assert!(events["data"].as_array().unwrap().len() > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_with_a_run_that_goes_on_keeps_its_events_only() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let admin = server.admin().await;
    let other = "01a1c2c1-2400-7000-8000-000000000002";
    rename(&server, &execute(&admin).await, NOVEMBER).await;
    rename(&server, &execute(&admin).await, other).await;
    let open =
        format!("UPDATE runs SET status = 'suspended', finished_at = NULL WHERE id = '{NOVEMBER}'");
    in_sql(&server, &open).await;
    let of_the_open_one =
        format!("SELECT count(*) FROM run_events_202611 WHERE run_id = '{NOVEMBER}'");
    let kept = number(&server, &of_the_open_one).await;
    assert!(rows(&server, "run_events_202611").await > kept && kept > 0);

    server.app.clock.advance(200 * DAY);
    retention::round(&server.app.runs, KEPT).await.unwrap();

    assert_eq!(number(&server, &of_the_open_one).await, kept);
    assert_eq!(rows(&server, "run_events_202611").await, kept);
    assert_eq!(
        server.admin().await.get(&format!("/runs/{NOVEMBER}")).await.json()["status"],
        "suspended"
    );
    assert_eq!(server.admin().await.get(&format!("/runs/{other}")).await.status, 404);
    // Others of that time are gone, those to come are there.
    assert!(!has_table(&server, "run_events_202612").await);
    assert!(has_table(&server, "run_events_202706").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_are_there_before_they_begin() {
    let server = TestServer::start(Dialect::Postgres).await;
    assert!(!has_table(&server, "run_events_202901").await);

    // To November 2028, and then to January 2029.
    server.app.clock.advance(720 * DAY);
    retention::round(&server.app.runs, None).await.unwrap();
    assert!(has_table(&server, "run_events_202902").await);
    assert!(!has_table(&server, "run_events_202903").await);
    server.app.clock.advance(60 * DAY);
    retention::round(&server.app.runs, None).await.unwrap();
    retention::round(&server.app.runs, None).await.unwrap();

    for month in ["202901", "202902", "202903", "202904"] {
        assert!(has_table(&server, &format!("run_events_{month}")).await, "{month}");
        assert!(has_table(&server, &format!("run_values_{month}")).await, "{month}");
    }
    assert!(has_table(&server, "run_events_202611").await);
    let bounds = "SELECT count(*) FROM pg_class WHERE relname = 'run_events_202902' AND
        pg_get_expr(relpartbound, oid) = (SELECT format('FOR VALUES FROM (%L) TO (%L)',
            first_id_of('2029-02-01'), first_id_of('2029-03-01')))";
    assert_eq!(number(&server, bounds).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_deletes_at_a_time() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let admin = server.admin().await;
    execute(&admin).await;
    server.app.clock.advance(91 * DAY);

    let lock = "SELECT pg_advisory_xact_lock(125780070067828)::text";
    let held = server.app.db.write(async |tx| {
        agent_server::on!(tx, c => sqlx::query(lock).execute(c).await)?;
        retention::round(&server.app.runs, KEPT).await
    });
    held.await.unwrap();
    assert_eq!(rows(&server, "runs").await, 1);
    retention::round(&server.app.runs, KEPT).await.unwrap();

    assert_eq!(rows(&server, "runs").await, 0);
}
