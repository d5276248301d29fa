//! Runs whose process is gone at any point, or hands them over, and clocks that jump.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::app::Clock;
use agent_server::db::Dialect;
use agent_server::runs::recover;
use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use testkit::model::Gate;
use testkit::model::Reply;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// Which calls reached their tool, by their ids.
type Made = Arc<Mutex<Vec<String>>>;

struct Desk {
    server: TestServer,
    made: Made,
    /// How many calls may be answered, and a sign of each that came.
    answers: Arc<Semaphore>,
    came: Arc<Notify>,
}

impl Desk {
    /// A server whose agent `desk` has a tool of each class.
    async fn open(dialect: Dialect) -> Self {
        let (made, came) = (Made::default(), Arc::new(Notify::new()));
        let answers = Arc::new(Semaphore::new(0));
        let parts = (Arc::clone(&made), Arc::clone(&answers), Arc::clone(&came));
        let code = move || -> Builder {
            let function = || {
                let (made, answers, came) = parts.clone();
                move |call: ToolContext, _: Nothing| {
                    let (answers, came) = (Arc::clone(&answers), Arc::clone(&came));
                    made.lock().unwrap().push(call.call_id.clone());
                    async move {
                        came.notify_one();
                        answers.acquire().await.unwrap().forget();
                        Ok(format!("{} is done", call.call_id))
                    }
                }
            };
            App::builder()
                .tool(Tool::read("look", "Looks.", function()))
                .tool(Tool::idempotent("put", "Puts.", function()))
                .tool(Tool::effect("pay", "Pays.", function()))
                .agent(
                    Agent::new("desk")
                        .instructions("Serve.")
                        .model("openai/fake")
                        .tool("look")
                        .tool("put")
                        .tool("pay"),
                )
        };
        let server = TestServer::start_code(dialect, &[], code).await;
        server.model.answer_with(|request| {
            let messages = request.body["messages"].as_array().unwrap();
            match messages.iter().filter(|it| it["role"] == "tool").count() {
                0 => Reply::text("First.").raw_call("a", "look", "{}").raw_call("b", "put", "{}"),
                2 => Reply::text("Then.").raw_call("c", "pay", "{}"),
                _ => Reply::text("All is done."),
            }
        });
        Self { server, made, answers, came }
    }
}

/// The end of a run. If somebody must say what came of a lost effect, he wants it made again.
async fn end(client: &Client, path: &str) -> Value {
    loop {
        let run = client.get(&format!("{path}/wait")).await.json();
        match run["status"].as_str().unwrap() {
            "suspended" => {
                let id = run["waiting_for"][0]["approval_id"].as_str().unwrap();
                let approval = client.get(&format!("/approvals/{id}")).await.json();
                assert_eq!(approval["kind"], "unknown_effect");
                let retry =
                    json!({"decision": "retry", "arguments_hash": approval["arguments_hash"]});
                client.post(&format!("/approvals/{id}"), retry).await;
            }
            "succeeded" | "failed" | "canceled" | "timed_out" => return run,
            _ => {}
        }
    }
}

/// Sets a clock that stands still to another time.
pub fn turn_clock(clock: &Clock, by: TimeDelta) {
    let Clock::Frozen(at) = clock else { panic!("this clock cannot be set") };
    *at.lock().unwrap() += by;
}

on_both! {
    async fn a_run_that_is_cut_after_any_event_of_its_log_ends_the_same(server: TestServer) {
        let desk = Desk::open(server.app.db.dialect()).await;
        desk.answers.add_permits(1_000);
        let (server, admin) = (&desk.server, desk.server.admin().await);
        let begun = admin.post("/agents/desk/execute", json!({"input": "Go"})).await;
        let (whole, path) = (begun.json(), begun.header("location").unwrap().to_owned());
        assert_eq!(whole["output"]["text"], "All is done.", "{whole:#}");
        let log = admin.get(&format!("{path}/events")).await.json()["data"].as_array().unwrap().clone();
        let asked = server.model.last_request().body;
        let id = whole["id"].as_str().unwrap();
        in_sql(server, &format!("CREATE TABLE kept AS SELECT * FROM run_events WHERE run_id = '{id}'")).await;

        for cut in 1..log.len() {
            desk.made.lock().unwrap().clear();
            // As it is when the process died that had just stored this event.
            in_sql(server, &format!(
                "BEGIN;
                 DELETE FROM approvals WHERE run_id = '{id}';
                 DELETE FROM run_events WHERE run_id = '{id}';
                 INSERT INTO run_events SELECT * FROM kept WHERE seq <= {cut};
                 UPDATE runs SET status = 'running', worker_id = NULL, output = NULL, error = NULL,
                 finished_at = NULL, last_seq = {cut} WHERE id = '{id}';
                 COMMIT",
            )).await;
            let ended = end(&admin, &path).await;

            let place = format!("cut after event {cut}, {}: {ended:#}", log[cut - 1]["type"]);
            for member in ["status", "output", "error", "usage", "steps"] {
                assert_eq!(ended[member], whole[member], "{place}");
            }
            assert_eq!(server.model.last_request().body, asked, "{place}");
            let events = admin.get(&format!("{path}/events")).await.json()["data"].as_array().unwrap().clone();
            assert_eq!(events[..cut], log[..cut], "{place}");
            let mut expected: Vec<_> = ["a", "b", "c"].into_iter().filter(|call| {
                !log[..cut].iter().any(|it| it["type"] == "tool.finished" && it["data"]["call_id"] == *call)
            }).collect();
            let mut made = desk.made.lock().unwrap().clone();
            made.sort();
            expected.sort_unstable();
            assert_eq!(made, expected, "{place}");
        }
    }

    async fn a_clock_that_jumps_leaves_no_run_behind(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "1")]).await;
        server.agent("support").await;
        let (gate, next) = (Gate::new(), Gate::new());
        server.model.reply(Reply::text("First.").hold("First", &gate));
        server.model.reply(Reply::text("Second."));
        server.model.reply(Reply::text("Third.").hold("Third", &next));
        let go = json!({"input": "Go", "background": true});
        let begin = async || {
            let begun = server.admin().await.post("/agents/support/execute", go.clone()).await;
            begun.header("location").unwrap().to_owned()
        };
        let ended = async |path: &str| {
            server.admin().await.get(&format!("{path}/wait?timeout_ms=10000")).await.json()["status"].clone()
        };
        let (first, second) = (begin().await, begin().await);
        gate.wait_reached().await;

        turn_clock(&server.app.clock, -TimeDelta::hours(1));
        gate.open();
        assert_eq!(ended(&first).await, "succeeded");
        // It was put into the queue in what is the future now.
        assert_eq!(ended(&second).await, "succeeded");

        let third = begin().await;
        next.wait_reached().await;
        turn_clock(&server.app.clock, TimeDelta::hours(2));
        next.open();
        // By the clock its ten minutes are over.
        assert_eq!(ended(&third).await, "timed_out");
        assert_eq!(ended(&begin().await).await, "succeeded");
    }

    async fn an_effect_that_is_under_way_is_waited_for_before_its_run_is_handed_over(server: TestServer) {
        let desk = Desk::open(server.app.db.dialect()).await;
        let admin = desk.server.admin().await;
        let go = json!({"input": "Go", "background": true});
        let begun = admin.post("/agents/desk/execute", go).await;
        let path = begun.header("location").unwrap().to_owned();
        desk.came.notified().await;

        desk.server.app.runs.hand_over().cancel();
        // The answers come when everybody has heard of that.
        tokio::task::yield_now().await;
        desk.answers.add_permits(2);
        let events = admin.stored(&path, "tool.finished", 2).await;

        let mut ends = events.iter().filter(|event| event["type"] == "tool.finished");
        assert!(ends.all(|it| it["data"]["status"] == "done"), "{events:#?}");
        assert_eq!(desk.made.lock().unwrap().len(), 2, "a call was made again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_up_after_his_run_was_deleted_writes_and_does_nothing() {
    let desk = Desk::open(Dialect::Postgres).await;
    desk.answers.add_permits(1_000);
    let (server, admin) = (&desk.server, desk.server.admin().await);
    let gate = Gate::new();
    let pay = Reply::text("Late.").raw_call("late", "pay", "{}").hold("Late.", &gate);
    server.model.reply(pay);
    let go = json!({"input": "Go", "user": "ann", "background": true});
    let begun = admin.post("/agents/desk/execute", go).await;
    let (run, path) = (begun.json(), begun.header("location").unwrap().to_owned());
    gate.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;
    // It sleeps, and another process goes on with its run to the end.
    recover::stop(&server.app.runs).await.unwrap();
    assert_eq!(elsewhere.get(&format!("{path}/wait")).await.json()["status"], "succeeded");
    let subject = run["subject"].as_str().unwrap();
    let erase = format!("/threads?user=ann&subject={subject}");
    assert_eq!(elsewhere.delete(&erase).await.status, 204);
    let id = run["id"].as_str().unwrap();
    let asleep = server.app.runs.live(id.parse().unwrap()).unwrap();

    gate.open();
    asleep.ended().await;

    assert_eq!(*desk.made.lock().unwrap(), ["a", "b", "c"]);
    for (table, key) in [("runs", "id"), ("run_events", "run_id")] {
        let left = format!("SELECT count(*) FROM {table} WHERE {key} = '{id}'");
        assert_eq!(number(server, &left).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_of_a_process_that_is_gone_go_on_beside_each_other() {
    const RUNS: usize = 60;
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let admin = server.admin().await;
    let gate = Gate::new();
    for _ in 0..RUNS {
        server.model.reply(Reply::tokens(["Old", " answer"]).hold("Old", &gate));
    }
    let go = json!({"input": "Go", "background": true});
    let begun = (0..RUNS).map(|_| admin.post("/agents/support/execute", go.clone()));
    let begun = futures::future::join_all(begun).await;
    let paths: Vec<_> = begun.iter().map(|it| it.header("location").unwrap()).collect();
    server.model.wait_received(RUNS).await;
    server.model.answer_with(|_| Reply::text("New answer"));
    let (_replica, elsewhere) = server.replica().await;
    // Somebody holds the row of the first of them for as long as the others take.
    let first = begun[0].json()["id"].as_str().unwrap().to_owned();
    let mut shell = PgConnection::connect(server.database.url()).await.unwrap();
    let lock = format!("BEGIN; SELECT 1 FROM runs WHERE id = '{first}' FOR UPDATE");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut shell).await.unwrap();

    recover::stop(&server.app.runs).await.unwrap();

    let ended = async |path: &&str| loop {
        let run = elsewhere.get(&format!("{path}/wait")).await.json();
        if run["status"] != "running" {
            return run;
        }
    };
    let ends = futures::future::join_all(paths[1..].iter().map(&ended));
    for end in tokio::time::timeout(Duration::from_secs(100), ends).await.unwrap() {
        assert_eq!(end["output"]["text"], "New answer");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut shell).await.unwrap();
    let end = ended(&paths[0]).await;
    assert_eq!((&end["output"]["text"], &end["attempt"]), (&json!("New answer"), &json!(2)));
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_keeps_its_deadline_whoever_goes_on_with_it() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let gate = Gate::new();
    server.model.reply(Reply::tokens(["Old", " answer"]).hold("Old", &gate));
    let go = json!({"input": "Go", "background": true});
    server.admin().await.post("/agents/support/execute", go).await;
    gate.wait_reached().await;
    let (replica, _) = server.replica().await;
    // Its ten minutes are over when the other process takes it up.
    turn_clock(&replica.clock, TimeDelta::minutes(11));

    recover::stop(&server.app.runs).await.unwrap();

    let over = "SELECT count(*) FROM runs WHERE status = 'timed_out' AND attempt = 2";
    let ended = async { while number(&server, over).await == 0 {} };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    assert_eq!(server.model.received(), 1, "the model was asked again");
    gate.open();
}
