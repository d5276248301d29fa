//! Processes that stop, sleep or lose their database, several over one PostgreSQL.

use std::time::Duration;
use std::time::Instant;

use futures::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use testkit::database::DatabaseKind;
use testkit::model::Gate;
use testkit::model::Reply;
use testkit::receiver::Answer;
use tokio::process::Command;

use crate::postgres::Postgres;
use crate::server;
use crate::server::PROGRAM;
use crate::server::Server;
use crate::till::Till;
use crate::till::turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_writes_nothing_when_it_wakes() {
    let till = Till::open(DatabaseKind::Postgres).await;
    till.model.answer_with(|request| turn(&request.body).every(Duration::from_millis(40)));
    let (asleep, awake) = (till.server().await, till.server().await);
    // One run is stopped while an effect is under way, the others wherever they are.
    let answer = Gate::new();
    till.model.reply(Reply::text("Now.").call("pay", json!({"number": 0})));
    till.far_side.answer(Answer::Behind(answer.clone()));
    let paying = asleep.begin("Pay").await;
    answer.wait_reached().await;
    let runs = join_all((0..10).map(|_| asleep.begin("Go"))).await;
    till.far_side.wait_received(12).await;

    asleep.signal(Signal::STOP);
    let lost = awake.wait(&paying).await;
    assert_eq!(lost["status"], "suspended", "{lost:#}");
    let ends = till.settle(&awake, &runs).await;
    assert!(ends.interrupted > 0, "no run was under way when its process was stopped");
    assert_eq!(awake.wait(&paying).await["status"], "succeeded");
    let logs = async || join_all(runs.iter().chain([&paying]).map(|run| awake.events(run))).await;
    let before = logs().await;
    answer.open();
    asleep.signal(Signal::CONT);
    // It answers, and when it has ended it has done all that it ever will.
    asleep.get("/health").await;
    asleep.stop().await;

    assert_eq!(logs().await, before);
    // No attempt was made that is not in the log.
    till.settle(&awake, &runs).await;
    awake.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_replaced_one_by_one_under_load_and_nothing_is_lost() {
    const RUNS: usize = 50;
    let till = Till::open(DatabaseKind::Postgres).await;
    till.model.answer_with(|request| turn(&request.body).every(Duration::from_millis(40)));
    // Many runs take longer than this, and are handed over.
    let hasty = [("SHUTDOWN_GRACE_MS", "300")];
    let old = [till.server_with(&hasty).await, till.server_with(&hasty).await];
    let runs = join_all((0..RUNS).map(|run| old[run % 2].begin("Go"))).await;
    // Each client waits on the process that does not have its run.
    let waiting = join_all(runs.iter().enumerate().map(|(run, path)| {
        let path = format!("{path}/wait");
        let server = &old[(run + 1) % 2];
        async move { server.try_get(&path).await.map(|reply| reply.status()) }
    }));
    let replace = async {
        till.far_side.wait_received(RUNS).await;
        old[0].terminate();
        let first = till.server().await;
        till.far_side.wait_received(RUNS * 2).await;
        old[1].terminate();
        [first, till.server().await]
    };
    let (replies, new) = tokio::join!(waiting, replace);

    // A process that stops answers who waits there: with the run as it is.
    for reply in replies {
        assert!(matches!(reply.unwrap().as_u16(), 200 | 202));
    }
    let ends = till.settle(&new[0], &runs).await;
    assert_eq!(ends.decided, 0, "an effect that was under way was given up");
    assert!(ends.interrupted > 0, "no run was handed over");
    for server in old {
        assert!(server.ended().await.success());
    }
    for server in new {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_breaks_all_connections_loses_nothing() {
    let till = Till::open(DatabaseKind::Postgres).await;
    let servers = [till.server().await, till.server().await];
    let mut shell = PgConnection::connect(till.database.url()).await.unwrap();
    let mut runs = Vec::new();
    for round in 0..8 {
        let begun = join_all((0..6).map(|run| try_begin(&servers[run % 2])));
        let wanted = till.far_side.received() + 1 + 3 * round % 7;
        let break_all = async {
            let _ = tokio::time::timeout(Duration::from_secs(1), async {
                till.far_side.wait_received(wanted).await;
            })
            .await;
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .execute(&mut shell)
            .await
            .unwrap();
        };
        let (begun, ()) = tokio::join!(begun, break_all);
        runs.extend(begun.into_iter().flatten());
    }

    let ends = till.settle(&servers[0], &runs).await;

    // Also those of which no client knows.
    let listed = servers[1].list("/runs?limit=200").await;
    let listed: Vec<String> =
        listed.iter().map(|run| format!("/runs/{}", run["id"].as_str().unwrap())).collect();
    assert!(runs.iter().all(|run| listed.contains(run)));
    till.settle(&servers[1], &listed).await;
    // The database was away for moments only: what the far side answered was kept.
    assert_eq!(ends.decided, 0, "the answer of an effect was lost");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_restarted_under_load_loses_nothing() {
    let mut postgres = Postgres::start().await;
    let till = Till::on(server::migrated(postgres.database()).await).await;
    till.model.answer_with(|request| turn(&request.body).every(Duration::from_millis(20)));
    let servers = [till.server().await, till.server().await];
    let mut runs = Vec::new();
    for round in 1..=3 {
        let received = till.far_side.received();
        runs.extend(join_all((0..20).map(|run| begin_in_time(&servers[run % 2]))).await);
        // In the middle of many calls.
        till.far_side.wait_received(received + 20 * round).await;
        postgres.stop().await;
        let meanwhile = join_all((0..6).map(|run| begin_in_time(&servers[run % 2])));
        let ((), meanwhile) = tokio::join!(postgres.start_again(), meanwhile);
        runs.extend(meanwhile);
    }

    let ends = till.settle(&servers[0], &runs).await;

    // It was away for seconds only: what the far side answered was kept.
    assert_eq!(ends.decided, 0, "the answer of an effect was lost");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_away_callers_are_told_and_runs_go_on_when_it_is_back() {
    let mut postgres = Postgres::start().await;
    let till = Till::on(server::migrated(postgres.database()).await).await;
    till.model.answer_with(|request| turn(&request.body).every(Duration::from_millis(20)));
    let servers = [till.server().await, till.server().await];
    let runs = join_all((0..20).map(|run| servers[run % 2].begin("Go"))).await;
    till.far_side.wait_received(10).await;

    postgres.stop().await;
    let asked = Instant::now();
    for server in &servers {
        assert_eq!(try_begin(server).await, None);
        assert_eq!(server.get(&runs[0]).await.status(), 503);
        let ready = server.get("/ready").await;
        assert_eq!(ready.status(), 503);
        let ready: Value = ready.json().await.unwrap();
        assert_eq!(ready["checks"]["database"], "unreachable");
        assert_eq!(server.get("/health").await.status(), 200);
    }
    // Nobody waits for a pool that cannot fill, which would take ten seconds each.
    assert!(asked.elapsed() < Duration::from_secs(30), "it took {:?}", asked.elapsed());
    postgres.start_again().await;
    for server in &servers {
        while server.get("/ready").await.status() != 200 {}
    }

    let ends = till.settle(&servers[0], &runs).await;

    // However long it takes: what the far side answered waits until it can be stored.
    assert_eq!(ends.decided, 0, "the answer of an effect was lost");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_more_loses_nothing_and_needs_no_restart() {
    let till = Till::open(DatabaseKind::Sqlite).await;
    till.model.answer_with(|request| turn(&request.body).every(Duration::from_millis(20)));
    let server = till.server().await;
    let runs = join_all((0..20).map(|_| server.begin("Go"))).await;
    till.far_side.wait_received(10).await;

    server.fill_disk();
    assert_eq!(try_begin(&server).await, None);
    // What is there can be read.
    assert_eq!(server.get(&runs[0]).await.status(), 200);
    let ready = server.get("/ready").await;
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["database"], "unwritable");
    let doctor = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 0; exec "$0" doctor"#, PROGRAM])
        .env_clear()
        .env("DATABASE_URL", till.database.url())
        .output();
    let doctor = String::from_utf8(doctor.await.unwrap().stdout).unwrap();
    assert!(doctor.contains("the database cannot be written"), "{doctor}");

    server.empty_disk();
    while server.get("/ready").await.status() != 200 {}
    let ends = till.settle(&server, &runs).await;

    assert_eq!(ends.decided, 0, "the answer of an effect was lost");
    server.stop().await;
}

/// Begins a run, and asks again as often as the server says that it cannot just now.
async fn begin_in_time(server: &Server) -> String {
    loop {
        if let Some(run) = try_begin(server).await {
            return run;
        }
    }
}

/// Begins a run, unless the server says that it cannot just now.
async fn try_begin(server: &Server) -> Option<String> {
    let go = json!({"input": "Go", "background": true});
    let reply = server.post("/agents/slow/execute", go).await;
    if reply.status() == 202 {
        return Some(reply.headers()["location"].to_str().unwrap().to_owned());
    }
    assert_eq!(reply.status(), 503);
    assert!(reply.headers().contains_key("retry-after"));
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/unavailable");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_on_another_process_closes_the_request_to_the_provider_soon() {
    let till = Till::open(DatabaseKind::Postgres).await;
    let (one, other) = (till.server().await, till.server().await);
    till.model.answer_with(|_| Reply::tokens(["Half", " an answer"]).hang("Half"));
    let mut took = Vec::new();
    for cancels in 1..=5 {
        let run = one.begin("Go").await;
        till.model.wait_received(cancels).await;

        let asked = Instant::now();
        assert_eq!(other.post(&format!("{run}/cancel"), json!({})).await.status(), 202);
        till.model.wait_cancelled(cancels).await;

        took.push(asked.elapsed());
        assert_eq!(other.wait(&run).await["status"], "canceled");
    }

    // A second is promised; what a machine that does much beside needs is not looked at.
    took.sort_unstable();
    assert!(took[2] < Duration::from_secs(1), "it took {took:?}");
    for server in [one, other] {
        server.stop().await;
    }
}
