//! The real program, started, signalled and killed, on both databases.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bridge;
mod chat;
mod crash;
mod definitions;
mod dev;
mod faults;
mod import;
mod kills;
mod original;
mod postgres;
mod rag;
mod readme;
mod server;
mod till;
mod triggers;
mod webhook;

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures::future::join_all;
use serde_json::Value;
use serde_json::json;
use server::Server;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use testkit::model::Gate;
use testkit::model::Reply;

/// Runs that are under way when something happens to their process.
const RUNS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_event_and_every_run_ends_on_sqlite() {
    kill(server::database(DatabaseKind::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_event_and_every_run_ends_on_postgres() {
    kill(server::database(DatabaseKind::Postgres).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_finishes_its_streams_on_sqlite() {
    terminate(server::database(DatabaseKind::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_finishes_its_streams_on_postgres() {
    terminate(server::database(DatabaseKind::Postgres).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_outlasts_the_grace_of_its_process_goes_on_on_another() {
    let database = server::database(DatabaseKind::Postgres).await;
    let model = FakeModel::start().await;
    let was_asked = AtomicBool::new(false);
    model.answer_with(move |request| {
        let reply = turn(&request.body);
        let hangs = is_second(&request.body) && !was_asked.swap(true, Ordering::SeqCst);
        if hangs { reply.hang(" two") } else { reply }
    });
    let one = Server::start_with(database.url(), &model, &[("SHUTDOWN_GRACE_MS", "200")]).await;
    one.create_agent().await;
    let other = Server::start(database.url(), &model).await;
    let run = one.begin("Go").await;
    model.wait_received(2).await;

    let told = Instant::now();
    one.terminate();
    assert!(one.ended().await.success());
    let ended = other.wait(&run).await;

    assert!(told.elapsed() < Duration::from_secs(10), "it took {:?}", told.elapsed());
    assert_eq!(
        (&ended["status"], &ended["attempt"]),
        (&json!("succeeded"), &json!(2)),
        "{ended:#}"
    );
    assert_eq!(ended["output"]["text"], "one two three four five");
    let events = other.events(&run).await;
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    // The tool was called once; only the model call that was cut is made again.
    expect_test::expect![[r#"
        run.started
        step.started
        model.started
        model.finished
        tool.started
        tool.finished
        step.finished
        step.started
        model.started
        run.resumed
        model.started
        model.finished
        step.finished
        run.finished"#]]
    .assert_eq(&names.join("\n"));
    assert_eq!(model.requests().len(), 3);
    other.stop().await;
}

/// Kills a server in the middle of many runs with a tool turn each, and starts another: a third of
/// them is in its first turn, a third in its second, a third has ended or is about to.
async fn kill(database: TestDatabase) {
    let gate = Gate::new();
    let model = held_model(&gate).await;
    let server = Server::start(database.url(), &model).await;
    server.create_agent().await;
    let inputs: Vec<_> = (0..RUNS).map(|run| format!("Go {run}")).collect();
    let runs = join_all(inputs.iter().map(|input| server.begin(input))).await;
    model.wait_received(RUNS + RUNS / 3 * 2).await;
    let before = join_all(runs.iter().map(|run| server.events(run))).await;

    server.kill().await;
    gate.open();
    let again = Server::start(database.url(), &model).await;

    let ended = join_all(runs.iter().map(|run| again.wait(run))).await;
    let after = join_all(runs.iter().map(|run| again.events(run))).await;
    for ((ended, before), after) in ended.iter().zip(before).zip(after) {
        assert_eq!(ended["status"], "succeeded", "{ended:#}");
        assert_eq!(ended["output"]["text"], "one two three four five");
        assert_eq!(after[..before.len()], before, "what was stored has changed");
        let numbers: Vec<_> = after.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=after.len() as u64).collect::<Vec<_>>());
        let finished = after.iter().filter(|event| event["type"] == "run.finished").count();
        assert_eq!(finished, 1);
        // A recorded answer is never asked for again.
        let answers = after.iter().filter(|event| event["type"] == "model.finished").count();
        assert_eq!(answers, 2);
    }
    let interrupted = ended.iter().filter(|run| run["attempt"].as_u64().unwrap() > 1).count();
    assert!(interrupted >= RUNS / 3 * 2, "only {interrupted} runs were interrupted");
    again.stop().await;
}

/// Tells a server to stop while it streams a hundred runs.
async fn terminate(database: TestDatabase) {
    let model = slow_model().await;
    let server = Server::start(database.url(), &model).await;
    server.create_agent().await;
    let streams = join_all((0..100).map(|_| server.stream("Go"))).await;

    server.terminate();
    let texts = join_all(streams.into_iter().map(reqwest::Response::text)).await;

    for text in texts {
        let text = text.unwrap();
        assert!(text.contains("event: run.finished"), "a stream broke off: {text}");
        assert!(text.contains(r#""status":"succeeded""#), "{text}");
    }
    assert!(server.ended().await.success());
}

/// Calls a tool in the first turn and answers slowly in the second.
async fn slow_model() -> FakeModel {
    let model = FakeModel::start().await;
    model.answer_with(|request| turn(&request.body).every(Duration::from_millis(30)));
    model
}

/// The same, but before `gate` opens every third run stands still in its first turn, and the next one
/// in its second.
async fn held_model(gate: &Gate) -> FakeModel {
    let model = FakeModel::start().await;
    let gate = gate.clone();
    model.answer_with(move |request| {
        let input = request.body["messages"].to_string();
        let run = input.split("Go ").nth(1).unwrap().split('"').next().unwrap();
        let reply = turn(&request.body);
        match (run.parse::<usize>().unwrap() % 3, is_second(&request.body)) {
            (0, false) => reply.hold(" me", &gate),
            (1, true) => reply.hold(" two", &gate),
            _ => reply,
        }
    });
    model
}

fn turn(request: &Value) -> Reply {
    if is_second(request) {
        return Reply::tokens(["one", " two", " three", " four", " five"]);
    }
    Reply::tokens(["let", " me", " see"]).call("current_time", json!({}))
}

fn is_second(request: &Value) -> bool {
    let messages = request["messages"].as_array().unwrap();
    messages.iter().any(|message| message["role"] == "tool")
}
