//! `/runs`: lists, limits of time, and runs that lose their process.

use agent_server::db::Dialect;
use agent_server::runs::recover;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::TestServer;

on_both! {
    async fn runs_are_listed_newest_first_and_narrowed(server: TestServer) {
        server.agent("support").await;
        server.agent("sales").await;
        let admin = server.admin().await;
        for (agent, user) in [("support", "ann"), ("sales", "ann"), ("support", "bob")] {
            let body = json!({"input": "Go", "user": user});
            assert_eq!(admin.post(&format!("/agents/{agent}/execute"), body).await.status, 200);
        }
        let list = async |query: &str| {
            let page = admin.get(&format!("/runs{query}")).await.json();
            let runs = page["data"].as_array().unwrap().iter();
            let line = |run: &Value| format!("{} {}", run["definition"]["name"], run["user"]);
            runs.map(line).collect::<Vec<_>>().join(", ").replace('"', "")
        };

        assert_eq!(list("").await, "support bob, sales ann, support ann");
        assert_eq!(list("?user=ann").await, "sales ann, support ann");
        assert_eq!(list("?definition=Support").await, "support bob, support ann");
        assert_eq!(list("?status=failed").await, "");
        assert_eq!(list("?created_after=2026-11-25T10:00:00Z").await, "");
        let first = admin.get("/runs?limit=2").await.json();
        let next = first["next_cursor"].as_str().unwrap();
        assert_eq!(list(&format!("?limit=2&cursor={next}")).await, "support ann");
        admin.get("/runs?status=lost").await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "1 member is not valid",
              "errors": [
                {
                  "code": "not_one_of",
                  "detail": "must be one of `queued`, `running`, `waiting`, `suspended`, `succeeded`, `failed`, `canceled`, `timed_out`",
                  "pointer": "?status"
                }
              ],
              "status": 422,
              "type": "/problems/invalid-request"
            }
        "#]]);
        assert!(first["data"][0].get("input").is_none());
    }

    async fn runs_are_found_by_words_in_them(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        server.model.reply(Reply::text("It is on its way."));
        server.model.reply(Reply::text("Half of it: 50%."));
        server.model.reply(Reply::error(400, "no such model"));
        for input in ["Where is my Order?", "Say \"half\"!", "And now?"] {
            admin.post("/agents/support/execute", json!({"input": input})).await;
        }
        let found = async |text: &str| {
            let page = admin.get(&format!("/runs?text={text}")).await.json();
            page["data"].as_array().unwrap().len()
        };

        assert_eq!(found("my%20order").await, 1);
        assert_eq!(found("ON%20ITS").await, 1);
        assert_eq!(found("say%20%22half%22!").await, 1);
        assert_eq!(found("50%25").await, 1);
        assert_eq!(found("5_%25").await, 0);
        assert_eq!(found("such%20model").await, 1);
        assert_eq!(admin.get(&format!("/runs?text={}", "x".repeat(201))).await.status, 422);
        let other = server.client("run.read").await;
        assert_eq!(other.get("/runs?text=order").await.json()["data"], json!([]));
    }

    async fn a_run_that_takes_too_long_is_over(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));

        let body = json!({"input": "Go", "limits": {"timeout_ms": 50}});
        let reply = server.admin().await.post("/agents/support/execute", body).await;

        assert_eq!(reply.status, 504);
        assert_eq!(reply.json()["run"]["status"], "timed_out");
        server.model.wait_cancelled(1).await;
    }

    async fn a_run_without_room_waits_in_the_queue(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "1")]).await;
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let admin = server.admin().await;
        let go = json!({"input": "Go", "background": true});
        let first = admin.post("/agents/support/execute", go.clone()).await;
        let second = admin.post("/agents/support/execute", go.clone()).await;
        let third = admin.post("/agents/support/execute", go).await;
        let path = |reply: &crate::harness::Reply| reply.header("location").unwrap().to_owned();

        assert_eq!(first.json()["status"], "running");
        assert_eq!(second.json()["status"], "queued");
        // One that is canceled in the queue ends there.
        admin.post(&format!("{}/cancel", path(&third)), json!({})).await;
        let canceled = admin.get(&format!("{}/wait", path(&third))).await.json();
        assert_eq!(canceled["status"], "canceled");
        gate.open();
        let ended = admin.get(&format!("{}/wait", path(&second))).await.json();
        assert_eq!(ended["status"], "succeeded");
        assert_eq!(server.model.requests().len(), 2);
    }

    async fn a_run_for_which_the_queue_has_no_room_is_refused_and_not_stored(server: TestServer) {
        let settings = [("RUN_CONCURRENCY", "1"), ("RUN_QUEUE_LIMIT", "2")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let admin = server.admin().await;
        let execute = |key: &str| {
            let request = admin.request("POST", "/agents/support/execute").header("idempotency-key", key);
            admin.send(request.json(&json!({"input": "Go", "background": true})))
        };
        for key in ["one", "two", "three"] {
            assert_eq!(execute(key).await.status, 202, "{key}");
        }

        let refused = execute("four").await;

        assert_eq!(refused.header("retry-after"), Some("5"));
        refused.is(expect![[r#"
            429 application/problem+json
            {
              "detail": "2 runs wait in the queue, and no more may",
              "limit": {
                "name": "queued_runs",
                "resets_at": null,
                "used": 2,
                "value": 2
              },
              "status": 429,
              "type": "/problems/limit-reached"
            }
        "#]]);
        assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), 3);
        // Who has a place already is not refused.
        let again = execute("three").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (202, Some("true")));
        gate.open();
        for run in admin.get("/runs").await.json()["data"].as_array().unwrap() {
            let ended = admin.get(&format!("/runs/{}/wait", run["id"].as_str().unwrap())).await;
            assert_eq!(ended.json()["status"], "succeeded");
        }
        assert_eq!(execute("four").await.status, 202);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_process_is_gone_goes_on_elsewhere_and_its_old_owner_lets_go() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let gate = Gate::new();
    server.model.reply(Reply::tokens(["Old", " answer"]).hold("Old", &gate));
    server.model.reply(Reply::text("New answer"));
    let begun = server
        .admin()
        .await
        .post("/agents/support/execute", json!({"input": "Go", "background": true}))
        .await;
    let path = begun.header("location").unwrap().to_owned();
    gate.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;

    // To everybody else the process is gone, though it only sleeps: its heart has stopped.
    recover::stop(&server.app.runs).await.unwrap();
    let ended = elsewhere.get(&format!("{path}/wait")).await.json();
    gate.open();

    assert_eq!((&ended["output"]["text"], &ended["attempt"]), (&json!("New answer"), &json!(2)));
    let here = server.admin().await;
    let frames = here.frames(here.request("GET", &format!("{path}/events"))).await;
    let events: Vec<_> =
        frames.iter().filter(|it| it.delta().is_empty()).map(|it| it.event.as_str()).collect();
    expect![[r#"
        run.started
        step.started
        model.started
        run.resumed
        model.started
        model.finished
        step.finished
        run.finished"#]]
    .assert_eq(&events.join("\n"));
    assert_eq!(here.get(&path).await.json()["output"]["text"], "New answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_can_be_watched_and_canceled_on_any_process() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
    let begun = server
        .admin()
        .await
        .post("/agents/support/execute", json!({"input": "Go", "background": true}))
        .await;
    let path = begun.header("location").unwrap().to_owned();
    server.model.wait_received(1).await;
    let (_replica, elsewhere) = server.replica().await;

    assert_eq!(elsewhere.post(&format!("{path}/cancel"), json!({})).await.status, 202);
    server.model.wait_cancelled(1).await;
    let frames = elsewhere.frames(elsewhere.request("GET", &format!("{path}/events"))).await;

    assert_eq!(frames.last().unwrap().data["data"]["status"], "canceled");
}
