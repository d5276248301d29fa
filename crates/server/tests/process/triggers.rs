//! Schedules of workflows, by processes that are killed while they catch up with what was missed.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;

use crate::kills::count;
use crate::server;
use crate::server::Server;

const WORKFLOWS: i64 = 50;
/// Occurrences of each that were missed.
const MISSED: i64 = 20;

const FIRED: &str = "SELECT count(*) FROM workflow_firings";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_fire_a_thousand_occurrences_once_each() {
    fire(DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_fires_a_thousand_occurrences_once_each_on_sqlite() {
    fire(DatabaseKind::Sqlite).await;
}

/// Lets fifty schedules have missed twenty minutes, as if no process had been there, and kills one of those that make
/// up for them.
async fn fire(kind: DatabaseKind) {
    let database = server::database(kind).await;
    let model = FakeModel::start().await;
    let one = Server::start(database.url(), &model).await;
    join_all((0..WORKFLOWS).map(|number| create(&one, number))).await;
    until(&database, "SELECT count(*) FROM workflow_triggers", WORKFLOWS).await;
    one.stop().await;
    // Those of the minute in which they were made are none of the thousand.
    server::in_sql(&database, forget(kind)).await;

    let mut servers = vec![Server::start(database.url(), &model).await];
    if kind == DatabaseKind::Postgres {
        servers.push(Server::start(database.url(), &model).await);
    }
    until(&database, FIRED, 100).await;
    servers.remove(0).kill().await;
    let fired = count(database.url(), FIRED).await;
    assert!(fired < WORKFLOWS * MISSED, "{fired} were fired before the process was killed");
    servers.push(Server::start(database.url(), &model).await);
    until(&database, FIRED, WORKFLOWS * MISSED).await;
    let unfinished = "SELECT count(*) FROM runs WHERE finished_at IS NULL";
    let ended = async { while count(database.url(), unfinished).await > 0 {} };
    tokio::time::timeout(Duration::from_mins(3), ended).await.unwrap();

    // For each minute each has one run, which has been told which minute it is for.
    let runs = "SELECT count(*) FROM runs WHERE trigger = 'cron' AND status = 'succeeded'";
    let started = "SELECT count(*) FROM workflow_firings f JOIN runs r
        ON r.tenant_id = f.tenant_id AND r.id = f.run_id AND r.definition_id = f.workflow_id";
    let all = "SELECT count(*) FROM runs";
    let minutes = "SELECT count(*) FROM (SELECT DISTINCT definition_id, request FROM runs) AS told";
    let gaps = "SELECT count(*) FROM (SELECT workflow_id FROM workflow_firings GROUP BY workflow_id
        HAVING count(DISTINCT at) <> count(*)) AS twice";
    let counts = join_all([runs, started, all, minutes, FIRED].map(|it| count(database.url(), it)));
    let counts = counts.await;
    assert!(counts[0] >= WORKFLOWS * MISSED);
    assert_eq!(
        counts, [counts[0]; 5],
        "runs that succeeded, firings of them, runs, occasions, firings"
    );
    assert_eq!(count(database.url(), gaps).await, 0);
    for server in servers {
        server.stop().await;
    }
}

async fn create(server: &Server, number: i64) {
    let trigger = json!({"type": "cron", "cron": "* * * * *", "missed": "all"});
    let step = json!({"id": "a", "type": "mapping", "output": {"$": "/context/trigger/at"}});
    let workflow = json!({"name": format!("w{number}"), "triggers": [trigger], "steps": [step]});
    let reply = server.post("/workflows/definitions", workflow).await;
    assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
}

/// Waits until a query gives at least so many.
async fn until(database: &TestDatabase, query: &'static str, least: i64) {
    let there = async { while count(database.url(), query).await < least {} };
    let there = tokio::time::timeout(Duration::from_mins(3), there).await;
    assert!(there.is_ok(), "not {least}: {query}");
}

/// Sets all schedules back by twenty minutes.
fn forget(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Postgres => {
            "DELETE FROM workflow_firings; DELETE FROM run_events; DELETE FROM runs;
             UPDATE workflow_triggers SET handled_at = date_trunc('minute', now()) - interval '20 minutes',
                 next_at = date_trunc('minute', now()) - interval '19 minutes'"
        }
        DatabaseKind::Sqlite => {
            "DELETE FROM workflow_firings; DELETE FROM run_events; DELETE FROM runs;
             UPDATE workflow_triggers SET handled_at = strftime('%Y-%m-%dT%H:%M:00.000000Z', 'now', '-20 minutes'),
                 next_at = strftime('%Y-%m-%dT%H:%M:00.000000Z', 'now', '-19 minutes')"
        }
    }
}
