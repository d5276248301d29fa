//! Triggers that change while what they are for is under way: nothing happens by what is over.

use std::time::Duration;

use agent_server::App;
use agent_server::db::Dialect;
use agent_server::db::TenantId;
use agent_server::runs::happen::Happening;
use agent_server::runs::triggers::event;
use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;
use crate::recovery::turn_clock;
use crate::triggers::brief;
use crate::triggers::create;
use crate::triggers::cron;
use crate::triggers::firings;
use crate::triggers::run;
use crate::triggers::triggers;

/// A delivery of which the server has read all but the body: its trigger was looked up.
struct Slow(TcpStream);

impl Slow {
    async fn begin(server: &TestServer, path: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: server.test\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
        Self(stream)
    }

    /// The status and the body of the answer.
    async fn end(mut self) -> (u16, Value) {
        self.0.write_all(b"{}").await.unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
    }
}

async fn client_id(client: &Client) -> String {
    client.get("/me").await.json()["client_id"].as_str().unwrap().to_owned()
}

on_both! {
    async fn a_webhook_counts_as_it_is_when_the_body_has_come(server: TestServer) {
        let admin = server.admin().await;
        let other = server.client("workflow.write workflow.execute workflow.read").await;
        create(&admin, "open", json!([{"type": "webhook", "path": "open", "signature": "none"}])).await;

        let slow = Slow::begin(&server, "/hooks/open").await;
        assert_eq!(admin.post("/workflows/open/triggers/webhook/pause", json!({})).await.status, 200);
        let (status, problem) = slow.end().await;
        assert_eq!((status, &problem["type"]), (409, &json!("/problems/trigger-paused")));
        assert_eq!(admin.post("/workflows/open/triggers/webhook/resume", json!({})).await.status, 200);

        // Whoever wrote what is executed is the one as whom that is done.
        let slow = Slow::begin(&server, "/hooks/open").await;
        let steps = json!([{"id": "a", "type": "mapping", "output": "his"}]);
        assert_eq!(other.put("/workflows/definitions/open", json!({"steps": steps})).await.status, 200);
        let (status, taken) = slow.end().await;
        assert_eq!(status, 202, "{taken}");
        let run = run(&admin, &taken).await;
        let subject = format!("client:{}", client_id(&other).await);
        assert_eq!((&run["output"], &run["subject"]), (&json!("his"), &json!(subject)));

        let slow = Slow::begin(&server, "/hooks/open").await;
        assert_eq!(admin.post("/workflows/definitions/open/deactivate", json!({})).await.status, 200);
        assert_eq!(slow.end().await.0, 401);
        assert_eq!(number(&server, "SELECT count(*) FROM runs").await, 1);
    }

    async fn an_event_begins_nothing_by_what_is_over(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "paid", json!([{"type": "event", "name": "paid"}])).await;
        let happening = Happening { name: "paid".to_owned(), key: String::new(), payload: json!({}) };
        let runs = &server.app.runs;
        let prepare = async || event::prepare(runs, &TenantId::default(), &happening, "client:admin").await.unwrap();
        let carry_out = async |answer| server.app.db.write(async |tx| event::carry_out(tx, &answer).await).await.unwrap();

        let answer = prepare().await;
        assert_eq!(admin.put("/workflows/definitions/paid", json!({"description": "other"})).await.status, 200);
        // Nobody has dealt with the change yet, or somebody has: both is seen.
        assert_eq!(carry_out(answer).await, None);
        let answer = prepare().await;
        assert_eq!(admin.post("/workflows/paid/triggers/event/pause", json!({})).await.status, 200);
        assert_eq!(carry_out(answer).await, None);

        assert_eq!(admin.post("/workflows/paid/triggers/event/resume", json!({})).await.status, 200);
        assert_eq!(carry_out(prepare().await).await, Some(1));
    }

    async fn no_event_is_lost_for_a_trigger_that_is_saved_at_the_same_moment(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "paid", json!([{"type": "event", "name": "paid"}])).await;

        for round in 0..20 {
            let change = json!({"description": format!("{round}")});
            let save = admin.put("/workflows/definitions/paid", change);
            let bring = admin.post("/workflows/events", json!({"name": "paid"}));
            let (saved, brought) = tokio::join!(save, bring);
            assert_eq!((saved.status, brought.json()), (200, json!({"delivered": 0, "started": 1})));
        }

        assert_eq!(firings(&admin, "paid", "event", 20).await.len(), 20);
    }

    async fn rows_that_cannot_be_read_hide_no_schedule(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "hidden", json!([cron("a", "* * * * *")])).await;
        triggers(&admin, "hidden").await;
        in_sql(&server, "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 150)
            INSERT INTO workflow_triggers (tenant_id, workflow_id, trigger_id, spec, version, is_active, subject, client_id, handled_at, next_at)
            SELECT tenant_id, workflow_id, 'strange' || n, '5', version, is_active, subject, client_id, handled_at, handled_at
            FROM workflow_triggers, numbers WHERE trigger_id = 'a'").await;

        server.app.clock.advance(Duration::from_mins(1));

        assert_eq!(brief(&firings(&admin, "hidden", "a", 1).await), "2026-11-25T10:01:00Z started");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_whose_clocks_differ_leave_each_other_in_peace() {
    let server = TestServer::start(Dialect::Postgres).await;
    let (behind, _) = server.replica_of(App::builder()).await;
    let admin = server.admin().await;
    create(&admin, "shared", json!([cron("a", "* * * * *")])).await;
    triggers(&admin, "shared").await;

    turn_clock(&server.app.clock, TimeDelta::minutes(3));
    firings(&server.admin().await, "shared", "a", 2).await;
    for minutes in 1..=12 {
        server.app.clock.advance(Duration::from_mins(1));
        behind.clock.advance(Duration::from_mins(1));
        firings(&server.admin().await, "shared", "a", 2 + minutes).await;
    }

    let fired = firings(&server.admin().await, "shared", "a", 14).await;
    let (skipped, started): (Vec<_>, Vec<_>) =
        fired.into_iter().partition(|it| it["status"] == "skipped");
    assert_eq!((skipped.len(), started.len()), (1, 13), "{}", brief(&skipped));
}
