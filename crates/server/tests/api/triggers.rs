//! Triggers of workflows: schedules and events begin runs, once for each occasion, and tell what they did.

use std::time::Duration;

use agent_server::App;
use agent_server::app::Clock;
use agent_server::db::Dialect;
use chrono::TimeDelta;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;
use crate::recovery::turn_clock;

const DEFINITIONS: &str = "/workflows/definitions";
/// How ids begin that a server under test counts.
const COUNTED: &str = "01900000-0000-7000-8000-";
const MINUTE: Duration = Duration::from_mins(1);

/// A workflow that gives what it was given and what it was told.
fn echo(name: &str, triggers: Value) -> Value {
    let output = json!({"input": {"$": "/input"}, "trigger": {"$": "/context/trigger"}});
    json!({"name": name, "triggers": triggers, "steps": [{"id": "a", "type": "mapping", "output": output}]})
}

pub async fn create(client: &Client, name: &str, triggers: Value) -> Value {
    let reply = client.post(DEFINITIONS, echo(name, triggers)).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

pub fn cron(id: &str, cron: &str) -> Value {
    json!({"type": "cron", "id": id, "cron": cron})
}

/// What the triggers of a workflow are and do.
pub async fn triggers(client: &Client, workflow: &str) -> Vec<Value> {
    let reply = client.get(&format!("/workflows/{workflow}/triggers")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["data"].as_array().unwrap().clone()
}

/// What a trigger has done, as soon as that is `count`, the oldest first.
pub async fn firings(client: &Client, workflow: &str, trigger: &str, count: usize) -> Vec<Value> {
    let path = format!("/workflows/{workflow}/triggers/{trigger}/firings?limit=200");
    let done = async {
        loop {
            let reply = client.get(&path).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let mut firings = reply.json()["data"].as_array().unwrap().clone();
            if firings.len() >= count {
                firings.reverse();
                return firings;
            }
        }
    };
    let done = tokio::time::timeout(MINUTE, done).await;
    done.unwrap_or_else(|_| panic!("no {count} firings of {workflow}/{trigger}"))
}

/// One firing a line: when it was for, what came of it, and why.
pub fn brief(firings: &[Value]) -> String {
    let line = |it: &Value| {
        let at = it["at"].as_str().unwrap_or("-");
        let code = it["error"]["code"].as_str().unwrap_or_default();
        format!("{at} {} {code}", it["status"].as_str().unwrap()).trim_end().to_owned()
    };
    firings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The run of a firing, at its end.
pub async fn run(client: &Client, firing: &Value) -> Value {
    loop {
        let path = format!("/runs/{}/wait?timeout_ms=10000", firing["run_id"].as_str().unwrap());
        let reply = client.get(&path).await;
        assert!(reply.status < 300, "{firing}: {}", reply.text);
        let run = reply.json();
        if run["finished_at"] != Value::Null {
            return run;
        }
    }
}

/// A workflow that fires every minute: when it has fired twice more, all that was due before was dealt with.
struct Pulse<'p> {
    client: &'p Client,
    clock: Clock,
    beats: usize,
}

impl<'p> Pulse<'p> {
    async fn begin(server: &TestServer, client: &'p Client) -> Self {
        create(client, "pulse", json!([cron("pulse", "* * * * *")])).await;
        triggers(client, "pulse").await;
        Self { client, clock: server.app.clock.clone(), beats: 0 }
    }

    /// Lets two minutes pass.
    async fn beat(&mut self) {
        for _ in 0..2 {
            self.clock.advance(MINUTE);
            self.beats += 1;
            firings(self.client, "pulse", "pulse", self.beats).await;
        }
    }
}

on_both! {
    async fn a_schedule_begins_runs_on_time_and_tells_of_them(server: TestServer) {
        let admin = server.admin().await;
        let trigger = json!({"type": "cron", "cron": "5,35 11 * * *", "timezone": "Europe/Berlin", "input": {"a": 1}});
        let workflow = create(&admin, "daily", json!([trigger])).await;
        assert_eq!(workflow["triggers"][0]["id"], "cron");

        admin.get("/workflows/daily/triggers").await.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "cron": "5,35 11 * * *",
                  "id": "cron",
                  "input": {
                    "a": 1
                  },
                  "key": null,
                  "last_firing": null,
                  "method": null,
                  "missed": "skip",
                  "name": null,
                  "next_at": [
                    "2026-11-25T10:05:00Z",
                    "2026-11-25T10:35:00Z",
                    "2026-11-26T10:05:00Z",
                    "2026-11-26T10:35:00Z",
                    "2026-11-27T10:05:00Z"
                  ],
                  "path": null,
                  "paused": false,
                  "paused_at": null,
                  "problem": null,
                  "signature": null,
                  "timezone": "Europe/Berlin",
                  "type": "cron",
                  "url": null
                }
              ],
              "next_cursor": null
            }
        "#]]);
        server.app.clock.advance(5 * MINUTE);

        let fired = firings(&admin, "daily", "cron", 1).await;
        assert_eq!(brief(&fired), "2026-11-25T10:05:00Z started");
        let run = run(&admin, &fired[0]).await;
        assert_eq!((&run["status"], &run["trigger"]), (&json!("succeeded"), &json!("cron")), "{run:#}");
        assert_eq!((&run["subject"], &run["client_id"]), (&json!("client:admin"), &json!("admin")));
        let told = json!({"id": "cron", "type": "cron", "at": "2026-11-25T10:05:00Z"});
        assert_eq!(run["output"], json!({"input": {"a": 1}, "trigger": told}));
        let state = triggers(&admin, "daily").await.remove(0);
        assert_eq!((&state["last_firing"], &state["next_at"][0]), (&fired[0], &json!("2026-11-25T10:35:00Z")));
    }

    async fn the_history_comes_in_pages_and_is_forgotten_with_the_runs(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "often", json!([cron("a", "* * * * *")])).await;
        triggers(&admin, "often").await;
        for count in 1..=3 {
            server.app.clock.advance(MINUTE);
            firings(&admin, "often", "a", count).await;
        }

        let path = "/workflows/often/triggers/a/firings?limit=2";
        let first = admin.get(path).await.json();
        let second = admin.get(&format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();

        let pages = [first["data"].as_array().unwrap(), second["data"].as_array().unwrap()].map(|it| brief(it));
        assert_eq!(pages[0], "2026-11-25T10:03:00Z started\n2026-11-25T10:02:00Z started");
        assert_eq!((&*pages[1], &second["next_cursor"]), ("2026-11-25T10:01:00Z started", &Value::Null));

        let day = Duration::from_hours(24);
        admin.post("/workflows/often/triggers/a/pause", json!({})).await;
        server.app.clock.advance(day);
        agent_server::runs::retention::round(&server.app.runs, Some(day / 2)).await.unwrap();
        let admin = server.admin().await;
        assert_eq!(admin.get(path).await.json()["data"], json!([]));
    }

    async fn what_was_missed_happens_as_the_policy_says(server: TestServer) {
        let admin = server.admin().await;
        let missed = |id: &str, missed: &str| json!({"type": "cron", "id": id, "cron": "*/2 * * * *", "missed": missed});
        let all = json!([missed("a", "skip"), missed("b", "once"), missed("c", "all")]);
        create(&admin, "missed", all).await;
        triggers(&admin, "missed").await;

        turn_clock(&server.app.clock, TimeDelta::seconds(7 * 60 + 30));

        assert_eq!(brief(&firings(&admin, "missed", "a", 1).await), "- skipped missed");
        expect![[r#"
            - skipped missed
            2026-11-25T10:06:00Z started"#]].assert_eq(&sorted(&firings(&admin, "missed", "b", 2).await));
        expect![[r#"
            2026-11-25T10:02:00Z started
            2026-11-25T10:04:00Z started
            2026-11-25T10:06:00Z started"#]].assert_eq(&brief(&firings(&admin, "missed", "c", 3).await));
        let fired = firings(&admin, "missed", "a", 1).await;
        assert_eq!(fired[0]["error"]["message"],
            "3 occurrences between 2026-11-25T10:00:00Z and 2026-11-25T10:07:30Z were missed and are left out");
        // From then on it goes on as usual.
        turn_clock(&server.app.clock, TimeDelta::seconds(30));
        assert_eq!(brief(&firings(&admin, "missed", "a", 2).await[1..]), "2026-11-25T10:08:00Z started");
    }

    async fn a_paused_trigger_begins_nothing_and_never_makes_up_for_it(server: TestServer) {
        let admin = server.admin().await;
        let trigger = json!({"type": "cron", "id": "a", "cron": "*/2 * * * *", "missed": "all", "input": {"n": 1}});
        create(&admin, "stopped", json!([trigger])).await;
        let mut pulse = Pulse::begin(&server, &admin).await;
        let turn = async |what: &str| {
            let reply = admin.post(&format!("/workflows/stopped/triggers/a/{what}"), json!({})).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply.json()
        };
        let paused = turn("pause").await;
        assert_eq!((&paused["paused"], &paused["next_at"]), (&json!(true), &json!([])));
        assert_eq!(turn("pause").await, paused);
        pulse.beat().await;
        pulse.beat().await;

        let by_hand = admin.post("/workflows/stopped/triggers/a/run", json!({})).await;
        assert_eq!((by_hand.status, &by_hand.json()["trigger"]), (202, &json!("api")), "{}", by_hand.text);
        let other = admin.post("/workflows/stopped/triggers/a/run", json!({"input": {"n": 2}})).await;
        assert_eq!(other.status, 202, "{}", other.text);
        let resumed = turn("resume").await;
        assert_eq!((&resumed["paused"], &resumed["next_at"][0]), (&json!(false), &json!("2026-11-25T10:06:00Z")));
        pulse.beat().await;

        let fired = firings(&admin, "stopped", "a", 3).await;
        assert_eq!(brief(&fired), "- started\n- started\n2026-11-25T10:06:00Z started");
        assert_eq!([&fired[0]["by"], &fired[2]["by"]], [&json!("client:admin"), &Value::Null]);
        assert_eq!(run(&admin, &fired[0]).await["input"], json!({"n": 1}));
        let other = run(&admin, &fired[1]).await;
        let told = json!({"id": "a", "type": "cron"});
        assert_eq!(other["output"], json!({"input": {"n": 2}, "trigger": told}));
        let acts = admin.get("/audit?target=stopped/a").await.json();
        let acts: Vec<_> = acts["data"].as_array().unwrap().iter().map(|it| it["action"].clone()).collect();
        assert_eq!(acts, ["trigger.resume", "trigger.pause"]);
    }

    async fn only_what_the_active_version_says_is_at_work(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "changing", json!([cron("a", "5 * * * *"), cron("b", "5 * * * *")])).await;
        let mut pulse = Pulse::begin(&server, &admin).await;
        let put = async |body: Value| {
            let reply = admin.put("/workflows/definitions/changing", body).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        };
        admin.post("/workflows/changing/triggers/b/pause", json!({})).await;

        // Another schedule begins now, another input leaves it as it is, and what was paused stays so.
        let other = json!({"type": "cron", "id": "b", "cron": "5 * * * *", "input": {"x": 1}});
        put(json!({"triggers": [cron("a", "1 * * * *"), other, cron("c", "2 * * * *")]})).await;
        let next: Vec<_> = triggers(&admin, "changing").await.iter().map(|it| it["next_at"][0].clone()).collect();
        assert_eq!(json!(next), json!(["2026-11-25T10:01:00Z", null, "2026-11-25T10:02:00Z"]));
        assert_eq!(admin.post("/workflows/definitions/changing/deactivate", json!({})).await.status, 200);
        pulse.beat().await;
        let problem = triggers(&admin, "changing").await[0]["problem"].clone();
        assert_eq!(problem, "the workflow is not active");
        assert_eq!(admin.post("/workflows/definitions/changing/activate", json!({})).await.status, 200);
        triggers(&admin, "changing").await;
        put(json!({"triggers": [cron("a", "3 * * * *"), cron("d", "3 * * * *")]})).await;
        triggers(&admin, "changing").await;
        pulse.beat().await;

        for trigger in ["a", "d"] {
            assert_eq!(brief(&firings(&admin, "changing", trigger, 1).await), "2026-11-25T10:03:00Z started");
        }
        let fired = number(&server, "SELECT count(*) FROM workflow_firings f JOIN workflow_definitions d
            ON d.id = f.workflow_id WHERE d.name = 'changing'").await;
        assert_eq!(fired, 2);
        assert_eq!(admin.get("/workflows/changing/triggers/c/firings").await.status, 404);
        assert_eq!(admin.delete("/workflows/definitions/changing").await.status, 204);
        pulse.beat().await;
        let left = "SELECT count(*) FROM workflow_triggers t WHERE NOT EXISTS
            (SELECT 1 FROM workflow_definitions d WHERE d.id = t.workflow_id)";
        assert_eq!(number(&server, left).await, 0);
    }

    async fn a_clock_that_jumps_lets_no_occurrence_happen_twice(server: TestServer) {
        let admin = server.admin().await;
        let trigger = json!({"type": "cron", "id": "a", "cron": "*/2 * * * *", "missed": "all"});
        create(&admin, "jumping", json!([trigger])).await;
        triggers(&admin, "jumping").await;

        turn_clock(&server.app.clock, TimeDelta::minutes(7));
        firings(&admin, "jumping", "a", 3).await;
        turn_clock(&server.app.clock, TimeDelta::minutes(-7));
        // It goes on from where the clock is now, as soon as that is noticed.
        let noticed = async {
            while triggers(&admin, "jumping").await[0]["next_at"][0] != "2026-11-25T10:02:00Z" {}
        };
        tokio::time::timeout(MINUTE, noticed).await.unwrap();
        turn_clock(&server.app.clock, TimeDelta::minutes(7));
        let passed = async {
            while triggers(&admin, "jumping").await[0]["next_at"][0] != "2026-11-25T10:08:00Z" {}
        };
        tokio::time::timeout(MINUTE, passed).await.unwrap();
        turn_clock(&server.app.clock, TimeDelta::minutes(1));

        expect![[r#"
            2026-11-25T10:02:00Z started
            2026-11-25T10:04:00Z started
            2026-11-25T10:06:00Z started
            2026-11-25T10:08:00Z started"#]].assert_eq(&brief(&firings(&admin, "jumping", "a", 4).await));
    }

    async fn a_run_acts_as_whoever_saved_the_version_and_with_no_more_than_he_holds_now(server: TestServer) {
        let admin = server.admin().await;
        let author = server.client("workflow.write workflow.execute workflow.read").await;
        create(&author, "his", json!([cron("a", "* * * * *")])).await;
        triggers(&author, "his").await;
        let mut pulse = Pulse::begin(&server, &admin).await;
        pulse.beat().await;
        let fired = firings(&author, "his", "a", 2).await;
        let run = run(&admin, &fired[0]).await;
        let client = run["client_id"].as_str().unwrap().to_owned();
        assert_eq!(run["subject"], format!("client:{client}"));

        let change = json!({"scope": "workflow.write workflow.read"});
        let path = format!("/oauth/clients/{client}");
        let reply = admin.send(admin.request("PATCH", &path).json(&change)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        pulse.beat().await;
        let fired = firings(&admin, "his", "a", 4).await;
        assert_eq!(fired[3]["error"], json!({"code": "missing_scope",
            "message": format!("it runs as `client:{client}`, who has written version 1, and does not hold `workflow.execute`")}));
        assert_eq!(admin.delete(&path).await.status, 204);
        pulse.beat().await;
        let fired = firings(&admin, "his", "a", 6).await;
        assert_eq!((&fired[5]["status"], &fired[5]["error"]["code"]), (&json!("refused"), &json!("author_gone")));
        let problem = triggers(&admin, "his").await[0]["problem"].clone();
        assert!(problem.as_str().unwrap().contains("is gone or may do nothing any more"), "{problem}");

        // Whoever saves it anew is the one.
        let again = admin.put("/workflows/definitions/his", json!({"description": "mine"})).await;
        assert_eq!(again.status, 200, "{}", again.text);
        pulse.beat().await;
        let fired = firings(&admin, "his", "a", 8).await;
        assert_eq!(self::run(&admin, &fired[7]).await["subject"], "client:admin");
    }

    async fn a_row_written_in_sql_fires_as_the_client_that_it_names_or_the_settings_do(server: TestServer) {
        let admin = server.admin().await;
        let author = server.client("workflow.execute").await;
        let client = author.get("/me").await.json()["client_id"].as_str().unwrap().to_owned();
        let steps = r#"[{"id": "a", "type": "mapping", "output": 1}]"#;
        let triggers_in_sql = r#"[{"type": "cron", "cron": "* * * * *"}]"#;
        let mut pulse = Pulse::begin(&server, &admin).await;
        in_sql(&server, &format!("INSERT INTO workflow_definitions (name, display_name, steps, triggers, created_by) VALUES
            ('byhand', '', '{steps}', '{triggers_in_sql}', NULL), ('his', '', '{steps}', '{triggers_in_sql}', 'client:{client}')")).await;
        // Without anybody having asked for it.
        let armed = async { while number(&server, "SELECT count(*) FROM workflow_triggers").await < 3 {} };
        tokio::time::timeout(MINUTE, armed).await.unwrap();
        pulse.beat().await;

        let fired = firings(&admin, "byhand", "cron", 2).await;
        assert_eq!(run(&admin, &fired[0]).await["subject"], "client:admin");
        let fired = firings(&admin, "his", "cron", 2).await;
        assert_eq!(run(&admin, &fired[0]).await["client_id"], client);
        in_sql(&server, r#"UPDATE workflow_definitions SET triggers = '[{"type": "cron", "cron": "0 0 30 2 *"}]'
            WHERE name = 'byhand'"#).await;
        let state = triggers(&admin, "byhand").await.remove(0);
        assert_eq!(state["problem"], "/triggers/0/cron: never happens: none of its months has such a day");
        assert_eq!(state["next_at"], json!([]));
        in_sql(&server, "UPDATE workflow_definitions SET triggers = '5' WHERE name = 'his'").await;
        assert_eq!(triggers(&admin, "his").await, Vec::<Value>::new());
        let problems = admin.get("/workflows/definitions/his").await.json()["problems"].clone();
        assert_eq!(problems[0]["pointer"], "/triggers");
        pulse.beat().await;
        assert_eq!(firings(&admin, "byhand", "cron", 2).await.len(), 2);
    }

    async fn an_event_begins_a_run_of_each_workflow_that_has_a_trigger_for_it(server: TestServer) {
        let admin = server.admin().await;
        let paid = |key: Value| json!([{"type": "event", "name": "paid", "key": key}]);
        create(&admin, "any", json!([{"type": "event", "name": "paid"}])).await;
        create(&admin, "one", paid(json!("A-17"))).await;
        create(&admin, "other", paid(json!("A-18"))).await;
        let waits = json!({"name": "waits", "steps": [
            {"id": "wait", "type": "wait_for_event", "event": "paid", "key": "A-17"}]});
        assert_eq!(admin.post(DEFINITIONS, waits).await.status, 201);
        let waiting = admin.post("/workflows/waits/execute", json!({"background": true})).await;
        let waiting = waiting.header("location").unwrap().to_owned();
        let waits = async { while admin.get(&waiting).await.json()["status"] != "waiting" {} };
        tokio::time::timeout(MINUTE, waits).await.unwrap();
        let bring = async |key: &str| {
            let event = json!({"name": "paid", "key": key, "payload": {"amount": 40}});
            let request = admin.request("POST", "/workflows/events").header("idempotency-key", key);
            let reply = admin.send(request.json(&event)).await;
            assert_eq!(reply.status, 202, "{}", reply.text);
            reply.json()
        };

        assert_eq!(bring("A-17").await, json!({"delivered": 1, "started": 2}));
        assert_eq!(bring("A-17").await, json!({"delivered": 1, "started": 2}));
        assert_eq!(bring("A-19").await, json!({"delivered": 0, "started": 1}));
        for workflow in ["any", "one", "other"] {
            assert_eq!(admin.post(&format!("/workflows/{workflow}/triggers/event/pause"), json!({})).await.status, 200);
        }
        assert_eq!(bring("A-18").await, json!({"delivered": 0, "started": 0}));

        let fired = firings(&admin, "any", "event", 2).await;
        assert_eq!((fired.len(), &fired[0]["by"]), (2, &json!("client:admin")));
        let run = run(&admin, &fired[0]).await;
        let told = json!({"id": "event", "type": "event", "name": "paid", "key": "A-17"});
        assert_eq!(run["output"], json!({"input": {"amount": 40}, "trigger": told}), "{run:#}");
        assert_eq!(run["trigger"], "event");
        assert_eq!(firings(&admin, "one", "event", 1).await.len(), 1);
        // What has begun a run, or was waited for, is not kept for who comes later.
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_events").await, 1);
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_firings").await, 3);
    }

    async fn what_an_event_cannot_begin_is_in_the_history(server: TestServer) {
        let admin = server.admin().await;
        let mut workflow = echo("strict", json!([{"type": "event", "name": "paid"}]));
        workflow["input_schema"] = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        assert_eq!(admin.post(DEFINITIONS, workflow).await.status, 201);

        let event = json!({"name": "paid", "payload": {"n": "x"}});
        let reply = admin.post("/workflows/events", event).await;

        assert_eq!(reply.json(), json!({"delivered": 0, "started": 0}));
        let fired = firings(&admin, "strict", "event", 1).await;
        assert_eq!((&fired[0]["status"], &fired[0]["run_id"]), (&json!("refused"), &Value::Null));
        assert_eq!(fired[0]["error"]["code"], "invalid_input");
        assert_eq!(number(&server, "SELECT count(*) FROM workflow_events").await, 1);
    }

    async fn triggers_that_are_wrong_are_refused_with_their_places(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "first", json!([{"type": "api", "path": "taken"}, {"type": "api", "path": "taken", "method": "GET"}])).await;
        let mut wrong = echo("wrong", json!([
            {"type": "cron", "cron": "0 9 31 2 *", "timezone": "Europe/Berlim", "input": 5},
            {"type": "api", "path": "a/b", "id": "1"},
            {"type": "api", "path": "taken"},
            {"type": "webhook", "path": "hook", "secret": "nowhere"},
            {"type": "webhook", "path": "hook", "signature": "none", "secret": "nowhere"},
            {"type": "webhook", "path": "open"},
            {"type": "event", "name": "paid"},
            {"type": "event", "name": "paid", "id": "event"},
            {"type": "api", "path": "free", "id": "event"},
        ]));
        wrong["input_schema"] = json!({"type": "object"});
        let reply = admin.post(DEFINITIONS, wrong).await;
        assert_eq!(reply.status, 422);
        expect![[r#"
            /triggers/0/cron bad_cron: never happens: none of its months has such a day
            /triggers/0/input wrong_type: must be an object, not a number
            /triggers/0/timezone unknown_timezone: must be the name of a time zone of the IANA database, such as `Europe/Berlin` or `UTC`
            /triggers/1/id bad_format: is a letter, then letters, digits, `_` and `-`
            /triggers/1/path bad_format: is letters, digits, `_`, `-`, `.` and `~`, the first of them a letter or a digit
            /triggers/2/path not_unique: the workflow `first` has POST /hooks/taken already
            /triggers/3/secret unknown_secret: no secret is named `nowhere`
            /triggers/4/path not_unique: another trigger has this path and method
            /triggers/4/secret conflict: a webhook without a signature has no secret
            /triggers/5/secret missing_member: is required; only `"signature": "none"` needs none, and is open to everybody who knows the path
            /triggers/7/name not_unique: another trigger has this name and key
            /triggers/8/id not_unique: another trigger has this id"#]].assert_eq(&faults(&reply.json()["errors"]));
        let strange = echo("strange", json!([{"type": "cron", "cron": "@daily", "misssed": "all"}, {"type": "ftp"}, {"type": "event", "name": ""}]));
        let reply = admin.post(DEFINITIONS, strange).await;
        expect![[r#"
            /triggers/0/misssed unknown_member: there is no such member; did you mean `missed`?
            /triggers/1/type not_one_of: must be one of `api`, `webhook`, `cron` or `event`
            /triggers/2/name too_short: must not be empty"#]].assert_eq(&faults(&reply.json()["errors"]));
        let many: Vec<_> = (0..21).map(|n| json!({"type": "event", "name": format!("e{n}")})).collect();
        let reply = admin.post(DEFINITIONS, echo("many", json!(many))).await;
        expect![[r#"
            /triggers too_many: must have at most 20 items"#]].assert_eq(&faults(&reply.json()["errors"]));
    }

    async fn what_is_misspelt_or_would_begin_two_runs_is_refused(server: TestServer) {
        let admin = server.admin().await;
        let refused = async |triggers: Value| {
            let reply = admin.post(DEFINITIONS, echo("wrong", triggers)).await;
            assert_eq!(reply.status, 422, "{}", reply.text);
            faults(&reply.json()["errors"])
        };

        let misspelt = refused(json!([{"type": "cron", "cron": "@daily", "misssed": "all"}])).await;
        let twice = refused(json!([{"type": "event", "name": "paid", "key": "A-17"}, {"type": "event", "name": "paid"}])).await;

        assert_eq!(misspelt, "/triggers/0/misssed unknown_member: there is no such member; did you mean `missed`?");
        assert_eq!(twice, "/triggers/0/key conflict: another trigger has this name and any key");
        let apart = json!([{"type": "event", "name": "paid", "key": "A-17"}, {"type": "event", "name": "sent"}]);
        create(&admin, "apart", apart).await;
    }

    async fn a_hundred_triggers_of_a_tenant_are_for_events_of_a_name(server: TestServer) {
        let admin = server.admin().await;
        let busy = |keys: std::ops::Range<usize>| {
            let trigger = |key| json!({"type": "event", "name": "busy", "key": format!("{key}")});
            Value::Array(keys.map(trigger).collect())
        };
        for number in 0..5 {
            create(&admin, &format!("busy{number}"), busy(0..20)).await;
        }

        let reply = admin.post(DEFINITIONS, echo("more", busy(0..1))).await;

        assert_eq!((reply.status, &*faults(&reply.json()["errors"])),
            (422, "/triggers/0/name too_many: 100 triggers are for this event, and no more may"));
        let put = async |workflow: &str, body: Value| admin.put(&format!("{DEFINITIONS}/{workflow}"), body).await.status;
        assert_eq!(put("busy4", json!({"description": "as it was"})).await, 200);
        assert_eq!(put("busy0", json!({"triggers": busy(0..19)})).await, 200);
        create(&admin, "more", busy(0..1)).await;
        assert_eq!(put("busy0", json!({"triggers": busy(0..20)})).await, 422);
        create(&another_tenant(&server).await, "theirs", busy(0..1)).await;
    }

    async fn a_workflow_takes_its_path_along_to_another_name(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "first", json!([{"type": "api", "path": "mine"}])).await;
        create(&admin, "other", json!([{"type": "api", "path": "theirs"}])).await;

        let renamed = admin.put(&format!("{DEFINITIONS}/first"), json!({"name": "second"})).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        assert_eq!(admin.post("/hooks/mine", json!({})).await.json()["definition"]["name"], "second");
        let restored = admin.post(&format!("{DEFINITIONS}/second/versions/1/restore"), json!({})).await;
        assert_eq!((restored.status, &restored.json()["name"]), (200, &json!("first")), "{}", restored.text);
        assert_eq!(admin.post("/hooks/mine", json!({})).await.json()["definition"]["name"], "first");

        let both = json!({"name": "third", "triggers": [{"type": "api", "path": "theirs"}]});
        let reply = admin.put(&format!("{DEFINITIONS}/first"), both).await;
        assert_eq!(faults(&reply.json()["errors"]),
            "/triggers/0/path not_unique: the workflow `other` has POST /hooks/theirs already");
    }

    async fn whoever_saves_the_same_is_the_one_from_then_on(server: TestServer) {
        let admin = server.admin().await;
        let author = server.client("workflow.write workflow.execute workflow.read").await;
        let triggers_of_his = json!([cron("a", "* * * * *"), {"type": "api", "path": "his"}]);
        create(&author, "his", triggers_of_his.clone()).await;
        let client = author.get("/me").await.json()["client_id"].as_str().unwrap().to_owned();
        assert_eq!(admin.delete(&format!("/oauth/clients/{client}")).await.status, 204);
        let problem = triggers(&admin, "his").await[0]["problem"].clone();
        assert!(problem.as_str().unwrap().ends_with("save the workflow anew"), "{problem}");
        let put = async |body: Value| {
            let reply = admin.put(&format!("{DEFINITIONS}/his"), body).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            reply.json()["version"].clone()
        };

        // Switching it off and on is no reason to answer for it.
        assert_eq!(put(json!({"is_active": false})).await, 1);
        assert_eq!(put(json!({"is_active": true})).await, 1);
        assert_eq!(put(json!({"triggers": triggers_of_his})).await, 2);
        assert_eq!(put(json!({"triggers": triggers_of_his})).await, 2);

        assert_eq!(triggers(&admin, "his").await[0]["problem"], Value::Null);
        server.app.clock.advance(MINUTE);
        let fired = firings(&admin, "his", "a", 1).await;
        assert_eq!(run(&admin, &fired[0]).await["subject"], "client:admin");
        // Where nothing is done in his name, the same is the same.
        create(&admin, "asked", json!([{"type": "api", "path": "asked"}])).await;
        let other = server.client("workflow.write").await;
        let again = other.put(&format!("{DEFINITIONS}/asked"), json!({"description": ""})).await;
        assert_eq!(again.json()["version"], 1, "{}", again.text);
    }

    async fn who_has_filled_his_share_of_the_queue_keeps_no_event_from_others(server: TestServer) {
        let settings = [("RUN_CONCURRENCY", "1"), ("RUN_QUEUE_LIMIT", "10")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        server.agent("support").await;
        let (admin, greedy) = (server.admin().await, server.client("agent.execute workflow.write workflow.execute").await);
        create(&greedy, "greedy", json!([{"type": "event", "name": "paid"}])).await;
        create(&admin, "modest", json!([{"type": "event", "name": "paid"}])).await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        for _ in 0..10 {
            let go = json!({"input": "Go", "background": true});
            assert_eq!(greedy.post("/agents/support/execute", go).await.status, 202);
        }

        let brought = admin.post("/workflows/events", json!({"name": "paid"})).await;

        assert_eq!((brought.status, brought.json()), (202, json!({"delivered": 0, "started": 1})));
        assert_eq!(brief(&firings(&admin, "greedy", "event", 1).await), "- refused queue_full");
        assert_eq!(brief(&firings(&admin, "modest", "event", 1).await), "- started");
        let full = admin.post("/workflows/events", json!({"name": "paid"})).await;
        assert_eq!((full.status, &full.json()["limit"]["name"]), (429, &json!("queued_runs")));
        gate.open();
    }

    async fn an_author_who_may_not_execute_it_lets_nothing_happen_by_itself(server: TestServer) {
        let author = server.client("workflow.write").await;

        let reply = author.post(DEFINITIONS, echo("sly", json!([cron("a", "@daily"), {"type": "api", "path": "sly"}]))).await;

        assert_eq!(faults(&reply.json()["errors"]),
            "/triggers/0 missing_scope: its use needs the scope `workflow.execute`, which you do not hold");
        assert_eq!(author.post(DEFINITIONS, echo("plain", json!([{"type": "api", "path": "sly"}]))).await.status, 201);
    }

    async fn triggers_are_restored_with_their_version(server: TestServer) {
        let admin = server.admin().await;
        let first = create(&admin, "kept", json!([cron("a", "@daily")])).await;
        admin.put("/workflows/definitions/kept", json!({"triggers": null})).await;
        assert_eq!(triggers(&admin, "kept").await, Vec::<Value>::new());

        let restored = admin.post("/workflows/definitions/kept/versions/1/restore", json!({})).await.json();

        assert_eq!((&restored["triggers"], &restored["version"]), (&first["triggers"], &json!(3)));
        assert_eq!(triggers(&admin, "kept").await[0]["next_at"][0], "2026-11-26T00:00:00Z");
    }

    async fn a_tenant_sees_no_triggers_of_others_and_has_paths_and_events_of_its_own(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, "ours", json!([{"type": "event", "name": "paid"}, {"type": "api", "path": "x"}])).await;
        let theirs = another_tenant(&server).await;

        create(&theirs, "theirs", json!([{"type": "event", "name": "paid"}, {"type": "api", "path": "x"}])).await;

        assert_eq!(theirs.get("/workflows/ours/triggers").await.status, 404);
        let event = json!({"name": "paid"});
        assert_eq!(theirs.post("/workflows/events", event).await.json()["started"], 1);
        assert_eq!(firings(&theirs, "theirs", "event", 1).await.len(), 1);
        assert_eq!(admin.get("/workflows/ours/triggers/event/firings").await.json()["data"], json!([]));
        assert_eq!(triggers(&theirs, "theirs").await[1]["url"], "http://server.test/hooks/other/x");
        assert_eq!(triggers(&admin, "ours").await[1]["url"], "http://server.test/hooks/x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_occurrences_of_a_schedule() {
    let server = TestServer::start(Dialect::Postgres).await;
    let (other, _) = server.replica_of(App::builder()).await;
    let admin = server.admin().await;
    let trigger = json!({"type": "cron", "id": "a", "cron": "* * * * *", "missed": "all"});
    create(&admin, "shared", json!([trigger])).await;
    triggers(&admin, "shared").await;

    for minutes in 1..=60 {
        let admin = server.admin().await;
        server.app.clock.advance(MINUTE);
        other.clock.advance(MINUTE);
        firings(&admin, "shared", "a", minutes).await;
    }

    let fired = firings(&server.admin().await, "shared", "a", 60).await;
    assert_eq!(fired.len(), 60);
    assert_eq!(number(&server, "SELECT count(DISTINCT at) FROM workflow_firings").await, 60);
    assert_eq!(number(&server, "SELECT count(*) FROM runs").await, 60);
    // The one counts its ids, and those of the other are of its own time.
    let counted = |it: &&Value| it["id"].as_str().unwrap().starts_with(COUNTED);
    let by_one = fired.iter().filter(counted).count();
    assert!((1..60).contains(&by_one), "{by_one} were fired by one of them");
}

fn sorted(firings: &[Value]) -> String {
    let mut lines: Vec<_> = brief(firings).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

/// What is wrong, one fault a line.
pub fn faults(value: &Value) -> String {
    let line = |it: &Value| {
        let text = |name: &str| it[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("pointer"), text("code"), text("detail"))
    };
    value.as_array().unwrap().iter().map(line).collect::<Vec<_>>().join("\n")
}
