//! `POST /workflows/events`: none is lost, and none is given twice, whatever runs do meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_server::db::Dialect;
use futures::future::join_all;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;
use crate::workflow_runs::Slow;
use crate::workflow_runs::begin;
use crate::workflow_runs::create;
use crate::workflow_runs::end;
use crate::workflow_runs::of;
use crate::workflow_runs::once;

/// Brings the event `paid`, and says to how many runs.
async fn bring(client: &Client, key: &str, payload: Value) -> Value {
    let event = json!({"name": "paid", "key": key, "payload": payload});
    let reply = client.post("/workflows/events", event).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.json()["delivered"].clone()
}

/// A workflow that gives the first event `paid` for the key that it is given.
async fn make(client: &Client) {
    let come =
        json!({"id": "come", "type": "wait_for_event", "event": "paid", "key": {"$": "/input"}});
    of(client, "wait", json!([come])).await;
}

async fn waiting(client: &Client, key: &str) -> String {
    let path = begin(client, "wait", json!(key)).await;
    once(client, &path, "waiting").await;
    path
}

/// How many events are kept for the key.
async fn kept(server: &TestServer, key: &str) -> i64 {
    number(server, &format!("SELECT count(*) FROM workflow_events WHERE key = '{key}'")).await
}

/// No process takes runs up, as if all had much to do.
async fn hold(server: &TestServer) {
    in_sql(server, "UPDATE runs SET engine = 99").await;
}

async fn release(server: &TestServer) {
    in_sql(server, "UPDATE runs SET engine = 8").await;
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// Does this in the transaction of an event of that type.
async fn when(server: &TestServer, event: &str, statements: &str) {
    let trigger = match server.app.db.dialect() {
        Dialect::Sqlite => format!(
            "CREATE TRIGGER meanwhile AFTER INSERT ON run_events WHEN NEW.type = '{event}' BEGIN {statements} END"
        ),
        Dialect::Postgres => format!(
            "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.type = '{event}' THEN {statements} END IF; RETURN NULL; END $$;
             CREATE TRIGGER meanwhile AFTER INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION meanwhile()"
        ),
    };
    in_sql(server, &trigger).await;
}

/// Has runs wait for the event, of which there are only the ids, before those of any other run.
async fn wait_in_sql(server: &TestServer, runs: u32, key: &str) {
    let id = match server.app.db.dialect() {
        Dialect::Sqlite => "printf('01800000-0000-7000-8000-%012x', i)",
        Dialect::Postgres => "('01800000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid",
    };
    let statement = format!(
        "INSERT INTO workflow_waits (tenant_id, run_id, name, key)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {runs})
         SELECT 'default', {id}, 'paid', '{key}' FROM n"
    );
    in_sql(server, &statement).await;
}

/// As if a process died each time that it has told some of an event; gives what ends that.
async fn cut(server: &TestServer) -> &'static str {
    let (made, dropped) = match server.app.db.dialect() {
        Dialect::Sqlite => (
            "CREATE TRIGGER cut BEFORE UPDATE ON workflow_deliveries
             BEGIN SELECT RAISE(ABORT, 'cut'); END",
            "DROP TRIGGER cut",
        ),
        Dialect::Postgres => (
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'cut'; END $$;
             CREATE TRIGGER cut BEFORE UPDATE ON workflow_deliveries
             FOR EACH ROW EXECUTE FUNCTION cut()",
            "DROP TRIGGER cut ON workflow_deliveries",
        ),
    };
    in_sql(server, made).await;
    dropped
}

on_both! {
    async fn who_has_lost_a_run_does_not_change_what_it_waits_for(server: TestServer) {
        let Slow { server, .. } = Slow::open(server.app.db.dialect()).await;
        let admin = server.admin().await;
        of(&admin, "both", json!([{"id": "both", "type": "parallel", "branches": {
            "work": [{"id": "slow", "type": "tool", "tool": "slow"}],
            "wait": [{"id": "come", "type": "wait_for_event", "event": "paid", "key": "own"}]}}])).await;
        // Its call is stored. Before it says what it waits for, another process has the run, and has said it.
        when(&server, "tool.started", "
            INSERT INTO workers (id, beat, started_at) VALUES ('0199c000-0000-7000-8000-000000000001', 1, '2026-11-25T10:00:00.000000Z');
            UPDATE runs SET worker_id = '0199c000-0000-7000-8000-000000000001' WHERE id = NEW.run_id;
            INSERT INTO workflow_waits (tenant_id, run_id, name, key) VALUES (NEW.tenant_id, NEW.run_id, 'paid', 'others');").await;

        let path = begin(&admin, "both", json!({})).await;

        let own = "SELECT count(*) FROM workflow_waits WHERE key = 'own'";
        while server.app.runs.live(id(&path).parse().unwrap()).is_some() {
            assert_eq!(number(&server, own).await, 0, "written by who is not its owner");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(number(&server, own).await, 0);
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_waits WHERE key = 'others'").await, 1);
    }

    async fn an_event_that_comes_too_late_for_its_entry_is_kept(server: TestServer) {
        let admin = server.admin().await;
        make(&admin).await;
        of(&admin, "late", json!([
            {"id": "come", "type": "wait_for_event", "event": "paid", "key": "A", "timeout_ms": 1000, "on_error": "continue"},
            {"id": "out", "type": "mapping", "output": {"$": "/steps/come/status"}}])).await;
        let path = begin(&admin, "late", json!({})).await;
        once(&admin, &path, "waiting").await;
        // Nobody looks at the clock for it.
        in_sql(&server, "UPDATE runs SET run_after = '9999-12-31T23:59:59.000000Z'").await;
        server.app.clock.advance(Duration::from_secs(2));

        assert_eq!(bring(&admin, "A", json!(7)).await, 1);

        assert_eq!(end(&admin, &path).await["output"], "failed");
        assert_eq!(kept(&server, "A").await, 1);
        let next = begin(&admin, "wait", json!("A")).await;
        assert_eq!(end(&admin, &next).await["output"], 7);
    }

    async fn an_event_that_none_of_those_had_use_for_is_kept(server: TestServer) {
        let admin = server.admin().await;
        make(&admin).await;
        // How many runs wait for it, and how many of them are canceled before they see it.
        for (number_of, canceled) in [(1, 1), (2, 1), (2, 2)] {
            let key = format!("{number_of} {canceled}");
            let mut paths = Vec::new();
            for _ in 0..number_of {
                paths.push(waiting(&admin, &key).await);
            }
            hold(&server).await;
            assert_eq!(bring(&admin, &key, json!(key)).await, number_of);
            for path in &paths[..canceled] {
                admin.post(&format!("{path}/cancel"), json!({})).await;
            }
            release(&server).await;
            for (index, path) in paths.iter().enumerate() {
                let expected = if index < canceled { "canceled" } else { "succeeded" };
                once(&admin, path, expected).await;
            }

            let is_unused = number_of == i32::try_from(canceled).unwrap();
            assert_eq!(kept(&server, &key).await, i64::from(is_unused), "{key}");
            if is_unused {
                let next = begin(&admin, "wait", json!(key)).await;
                assert_eq!(end(&admin, &next).await["output"], key);
            }
        }
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_waits").await, 0);
        assert_eq!(number(&server, "SELECT count(*) FROM run_signals").await, 0);
    }

    async fn a_run_that_has_its_event_takes_no_second_one(server: TestServer) {
        let slow = Slow::open(server.app.db.dialect()).await;
        let server = &slow.server;
        let admin = server.admin().await;
        of(&admin, "both", json!([{"id": "both", "type": "parallel", "branches": {
            "work": [{"id": "slow", "type": "tool", "tool": "slow"},
                     {"id": "more", "type": "wait_for_event", "event": "paid", "key": "B"}],
            "wait": [{"id": "come", "type": "wait_for_event", "event": "paid", "key": "A"}]}}])).await;
        let path = begin(&admin, "both", json!({})).await;
        slow.came.notified().await;
        while number(server, "SELECT count(*) FROM workflow_waits").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Another process gives it one, of which it does not know yet when it begins to wait for more.
        let given = json!({"event": {"name": "paid", "key": "A", "payload": 1, "by": "admin", "at": "2026-11-25T10:00:00Z", "expires_at": "2026-11-26T10:00:00Z"}});
        when(server, "tool.finished", &format!("
            UPDATE workflow_waits SET event_id = '0199c000-0000-7000-8000-000000000001' WHERE key = 'A';
            INSERT INTO run_signals (tenant_id, run_id, id, kind, data, created_at)
            VALUES (NEW.tenant_id, NEW.run_id, '0199c000-0000-7000-8000-000000000001', 'event', '{given}', '2026-11-25T10:00:00.000000Z');
            UPDATE runs SET engine = 99;")).await;
        slow.answers.add_permits(1);
        while number(server, "SELECT count(*) FROM workflow_waits WHERE key = 'B'").await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        assert_eq!(bring(&admin, "A", json!(2)).await, 0);
        release(server).await;
        bring(&admin, "B", json!(3)).await;

        assert_eq!(end(&admin, &path).await["output"], json!({"wait": 1, "work": 3}));
        assert_eq!(kept(server, "A").await, 1);
    }

    async fn a_run_whose_version_cannot_be_read_leaves_nothing_behind(server: TestServer) {
        let admin = server.admin().await;
        of(&admin, "below", json!([{"id": "hour", "type": "sleep", "duration_ms": 3_600_000}])).await;
        let all = create(&admin, json!({"name": "all", "steps": [{"id": "all", "type": "parallel", "branches": {
            "wait": [{"id": "come", "type": "wait_for_event", "event": "paid", "key": "A"}],
            "more": [{"id": "never", "type": "wait_for_event", "event": "paid", "key": "B"}],
            "ask": [{"id": "ok", "type": "approval", "message": "Go on?"}],
            "run": [{"id": "run", "type": "workflow", "workflow": "below"}]}}]})).await;
        let path = begin(&admin, "all", json!({})).await;
        once(&admin, &path, "suspended").await;
        let child = admin.get(&format!("/runs?parent_run_id={}", id(&path))).await.json()["data"][0]["id"].as_str().unwrap().to_owned();
        let child = format!("/runs/{child}");
        once(&admin, &child, "waiting").await;
        in_sql(&server, &format!("UPDATE definition_versions SET content = 'no JSON' WHERE definition_id = '{}'", all["id"].as_str().unwrap())).await;

        assert_eq!(bring(&admin, "A", json!(1)).await, 1);

        let run = once(&admin, &path, "failed").await;
        assert_eq!(run["error"]["kind"], "definition", "{run:#}");
        once(&admin, &child, "canceled").await;
        let approval = admin.get("/approvals").await.json()["data"][0].clone();
        assert_eq!(approval["status"], "canceled", "{approval:#}");
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_waits").await, 0);
        assert_eq!(kept(&server, "A").await, 1);
        assert_eq!(bring(&admin, "B", json!(2)).await, 0);
    }

    async fn an_event_that_is_waited_for_comes_however_many_are_kept(server: TestServer) {
        let admin = server.admin().await;
        make(&admin).await;
        let path = waiting(&admin, "A").await;
        let id = match server.app.db.dialect() {
            Dialect::Sqlite => "printf('0199c000-0000-7000-8000-%012x', i)",
            Dialect::Postgres => "('0199c000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid",
        };
        in_sql(&server, &format!("
            INSERT INTO workflow_events (tenant_id, id, name, key, payload, created_by, created_at, expires_at)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            SELECT 'default', {id}, 'paid', 'many', '1', 'x', '2026-11-25T10:00:00.000000Z', '2026-11-25T11:00:00.000000Z' FROM n")).await;

        let refused = admin.post("/workflows/events", json!({"name": "paid", "key": "B"})).await;
        assert_eq!((refused.status, &refused.json()["limit"]["name"]), (429, &json!("kept_events")), "{}", refused.text);
        assert_eq!(bring(&admin, "A", json!(1)).await, 1);
        assert_eq!(end(&admin, &path).await["output"], 1);

        // Those whose time is over do not count.
        server.app.clock.advance(Duration::from_hours(1));
        assert_eq!(bring(&server.admin().await, "B", json!(2)).await, 0);
    }

    async fn a_large_event_is_brought_to_few_at_once(server: TestServer) {
        let admin = server.admin().await;
        wait_in_sql(&server, 9, "A").await;
        cut(&server).await;

        assert_eq!(bring(&admin, "A", json!("x".repeat(1_000_000))).await, 9);
        assert_eq!(number(&server, "SELECT count(*) FROM run_signals").await, 4);
    }

    async fn many_are_told_of_an_event_by_and_by_also_if_a_process_dies_over_it(server: TestServer) {
        let admin = server.admin().await;
        make(&admin).await;
        let mut paths = Vec::new();
        for _ in 0..3 {
            paths.push(waiting(&admin, "A").await);
        }
        // More than are told at once, and before these.
        wait_in_sql(&server, 400, "A").await;
        let restored = cut(&server).await;

        assert_eq!(bring(&admin, "A", json!(1)).await, 403);
        assert_eq!(number(&server, "SELECT count(*) FROM run_signals").await, 200);
        // Who begins to wait now waits for the next.
        let late = waiting(&admin, "A").await;
        in_sql(&server, restored).await;

        for path in &paths {
            assert_eq!(end(&admin, path).await["output"], 1);
        }
        assert_eq!(number(&server, "SELECT count(*) FROM run_signals").await, 400);
        while number(&server, "SELECT count(*) FROM workflow_deliveries WHERE payload IS NOT NULL").await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bring(&admin, "A", json!(2)).await, 1);
        assert_eq!(end(&admin, &late).await["output"], 2);
    }

    async fn who_ends_a_run_and_who_brings_an_event_take_their_locks_in_one_order(server: TestServer) {
        // SQLite has one writer.
        if server.app.db.dialect() == Dialect::Sqlite { return; }
        let admin = server.admin().await;
        make(&admin).await;
        let path = waiting(&admin, "A").await;
        // Somebody is about to bring an event.
        let mut shell = PgConnection::connect(server.database.url()).await.unwrap();
        let mut bringing = shell.begin().await.unwrap();
        sqlx::raw_sql("SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(hashtextextended('workflow_events/default/paid/A', 0))")
            .execute(&mut *bringing).await.unwrap();

        admin.post(&format!("{path}/cancel"), json!({})).await;
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while number(&server, waits).await == 0 {
            assert_eq!(admin.get(&path).await.json()["finished_at"], Value::Null, "it did not wait");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        // It holds no row that he wants.
        let done = sqlx::query("UPDATE workflow_waits SET event_id = NULL WHERE key = 'A'").execute(&mut *bringing).await;
        assert_eq!(done.unwrap().rows_affected(), 1);
        bringing.commit().await.unwrap();
        once(&admin, &path, "canceled").await;
    }

    async fn no_event_is_lost_and_none_is_both_used_and_kept(server: TestServer) {
        const EVENTS: usize = 120;
        let admin = server.admin().await;
        of(&admin, "again", json!([{"id": "again", "type": "loop", "max_iterations": 40, "until": {"op": "gte", "left": {"$": "/index"}, "right": 39}, "do": [
            {"id": "two", "type": "parallel", "branches": {
                "a": [{"id": "first", "type": "wait_for_event", "event": "paid", "key": "A", "timeout_ms": 500, "on_error": "continue"}],
                "b": [{"id": "second", "type": "wait_for_event", "event": "paid", "key": "B", "timeout_ms": 700, "on_error": "continue"}]}}]}])).await;
        let paths = join_all((0..12).map(|_| begin(&admin, "again", json!({})))).await;

        let all = join_all((0..6).map(|of| {
            let admin = admin.clone();
            async move {
                for number in (of..EVENTS).step_by(6) {
                    bring(&admin, if number % 2 == 0 { "A" } else { "B" }, json!(number)).await;
                }
            }
        }));
        let clock = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                server.app.clock.advance(Duration::from_millis(100));
            }
        };
        tokio::select! { _ = all => {}, () = clock => {} }
        for path in &paths {
            admin.post(&format!("{path}/cancel"), json!({})).await;
        }

        let mut used = BTreeSet::new();
        for path in &paths {
            while admin.get(path).await.json()["finished_at"] == Value::Null {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let mut seen = BTreeSet::new();
            for number in received(&admin, path).await {
                assert!(seen.insert(number), "{number} came twice to one run");
                used.insert(number);
            }
        }
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_waits").await, 0);
        let kept: BTreeSet<u64> = kept_payloads(&server).await;
        assert!(used.is_disjoint(&kept), "{used:?} {kept:?}");
        assert_eq!(used.union(&kept).count(), EVENTS, "{used:?} {kept:?}");
        assert!(used.len() > 10, "{used:?}");
    }
}

/// The payloads of the events that a run has recorded, which are numbers.
async fn received(client: &Client, path: &str) -> Vec<u64> {
    let (mut received, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = client.get(&format!("{path}/events?limit=200&after={after}")).await.json();
        let came =
            page["data"].as_array().unwrap().iter().filter(|it| it["type"] == "event.received");
        received.extend(came.map(|it| it["data"]["payload"].as_u64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return received,
        }
    }
}

/// The payloads of all events that are kept, which are numbers.
async fn kept_payloads(server: &TestServer) -> BTreeSet<u64> {
    let mut kept = BTreeSet::new();
    let count = number(server, "SELECT count(*) FROM workflow_events").await;
    for offset in 0..count {
        let query = format!(
            "SELECT CAST(payload AS BIGINT) FROM workflow_events ORDER BY id LIMIT 1 OFFSET {offset}"
        );
        let payload = u64::try_from(number(server, &query).await).unwrap();
        assert!(kept.insert(payload), "{payload} is kept twice");
    }
    kept
}
