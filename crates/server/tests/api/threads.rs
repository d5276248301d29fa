//! `/threads`, and runs that go on with one.

use std::time::Duration;

use agent_server::db::Dialect;
use agent_server::on;
use agent_server::runs::recover;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

/// Makes a thread and returns its path.
pub async fn thread(client: &Client, body: Value) -> String {
    let made = client.post("/threads", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.header("location").unwrap().to_owned()
}

pub fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// Executes on a thread and returns the run as it ended.
pub async fn say(client: &Client, thread: &str, input: &str) -> Value {
    let body = json!({"input": input, "thread_id": id(thread)});
    let reply = client.post("/agents/support/execute", body).await;
    let body = reply.json();
    body.get("run").unwrap_or(&body).clone()
}

/// Begins a run on a thread in the background.
async fn begin(client: &Client, thread: &str, input: &str, on_busy: &str) -> Value {
    let thread_id = id(thread);
    let body =
        json!({"input": input, "thread_id": thread_id, "background": true, "on_busy": on_busy});
    let reply = client.post("/agents/support/execute", body).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.json()
}

/// Waits for the end of a run.
async fn end(client: &Client, run: &Value) -> Value {
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    let reply = client.get(&format!("{path}/wait")).await;
    if reply.status != 200 {
        let events = client.get(&format!("{path}/events")).await;
        panic!("{}: {} {:#}", reply.status, reply.text, events.json());
    }
    reply.json()
}

/// What the model was asked the `n`th time, a line a message, without the instructions.
pub fn asked(server: &TestServer, n: usize) -> Vec<String> {
    let body = server.model.requests()[n].body.clone();
    let messages = body["messages"].as_array().unwrap().iter();
    let line = |message: &Value| {
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls: String = calls.flat_map(|it| [" ", it["id"].as_str().unwrap()]).collect();
        let result = message["tool_call_id"].as_str().map(|it| format!(" {it}"));
        let role = message["role"].as_str().unwrap();
        let content = match &message["content"] {
            Value::Null => String::new(),
            Value::String(text) => format!(" {text}"),
            parts => format!(" {parts}"),
        };
        format!("{role}{calls}{}{content}", result.unwrap_or_default())
    };
    messages.map(line).filter(|line| !line.starts_with("system")).collect()
}

/// The messages of a thread, a line each.
pub async fn said(client: &Client, thread: &str) -> Vec<String> {
    let page = client.get(&format!("{thread}/messages?limit=200")).await.json();
    page["data"].as_array().unwrap().iter().map(line).collect()
}

fn line(message: &Value) -> String {
    let parts = message["content"].as_array().unwrap().iter();
    let part = |part: &Value| match part["type"].as_str().unwrap() {
        "text" => part["text"].as_str().unwrap().to_owned(),
        kind => format!("{kind} {}", part["call_id"].as_str().unwrap()),
    };
    let parts: Vec<_> = parts.map(part).collect();
    format!("{} {} {}", message["seq"], message["role"].as_str().unwrap(), parts.join(", "))
}

/// How many rows of a table belong to something.
async fn rows(server: &TestServer, table: &str, column: &str, id: &str) -> i64 {
    let uuid = if server.app.db.dialect() == Dialect::Postgres { "::text" } else { "" };
    let query = format!("SELECT count(*) FROM {table} WHERE {column}{uuid} = $1");
    let count = server.app.db.read(async |conn| {
        let query = || sqlx::AssertSqlSafe(query.clone());
        on!(conn, c => sqlx::query_scalar::<_, i64>(query()).bind(id).fetch_one(c).await)
    });
    count.await.unwrap()
}

on_both! {
    async fn a_thread_is_made_read_changed_and_deleted(server: TestServer) {
        let admin = server.admin().await;

        let made = admin.post("/threads", json!({"user": "u-1", "metadata": {"order": 17}})).await;

        assert_eq!(made.header("location"), Some("/threads/01900000-0000-7000-8000-000000000003"));
        made.is(expect![[r#"
            201 application/json
            {
              "active_run_id": null,
              "created_at": "2026-11-25T10:00:00Z",
              "id": "01900000-0000-7000-8000-000000000003",
              "message_count": 0,
              "metadata": {
                "order": 17
              },
              "subject": "client:admin",
              "title": null,
              "updated_at": "2026-11-25T10:00:00Z",
              "user": "u-1"
            }
        "#]]);
        let path = made.header("location").unwrap();
        assert_eq!(admin.get(path).await.json(), made.json());
        let changed = admin.put(path, json!({"title": "My order"})).await.json();
        assert_eq!((&changed["title"], &changed["metadata"]), (&json!("My order"), &json!({"order": 17})));
        let changed = admin.put(path, json!({"title": null, "metadata": null})).await.json();
        assert_eq!((&changed["title"], &changed["metadata"]), (&json!(null), &json!({})));
        assert_eq!(admin.delete(path).await.status, 204);
        assert_eq!(admin.delete(path).await.status, 404);
        admin.get(path).await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "there is no thread `01900000-0000-7000-8000-000000000003`",
              "status": 404,
              "type": "/problems/thread-not-found"
            }
        "#]]);
    }

    async fn threads_are_listed_newest_first_and_by_user(server: TestServer) {
        let admin = server.admin().await;
        for (title, user) in [("a", Some("ann")), ("b", Some("bob")), ("c", Some("ann")), ("d", None)] {
            thread(&admin, json!({"title": title, "user": user})).await;
        }
        let list = async |query: &str| {
            let page = admin.get(&format!("/threads{query}")).await.json();
            let titles = page["data"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap().to_owned());
            (titles.collect::<String>(), page["next_cursor"].as_str().map(str::to_owned))
        };

        assert_eq!(list("").await, ("dcba".to_owned(), None));
        assert_eq!(list("?user=ann").await.0, "ca");
        let (first, next) = list("?limit=3").await;
        assert_eq!(first, "dcb");
        assert_eq!(list(&format!("?limit=3&cursor={}", next.unwrap())).await.0, "a");
    }

    async fn what_is_wrong_with_a_thread_is_told(server: TestServer) {
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let mut answers = Vec::new();
        for (path, body) in [
            ("/threads", json!({"titel": "a"})),
            ("/threads", json!({"title": "a".repeat(201)})),
            ("/threads", json!({"user": ""})),
            ("/threads", json!({"metadata": {"a": "x".repeat(20_000)}})),
            (&format!("{path}/messages"), json!({"role": "user"})),
            (&format!("{path}/messages"), json!({"role": "tool", "content": "a"})),
            (&format!("{path}/messages"), json!({"role": "user", "content": [{"type": "tool_call"}]})),
            (&format!("{path}/messages"), json!({"role": "user", "content": []})),
        ] {
            let reply = admin.post(path, body).await;
            assert_eq!(reply.status, 422, "{}", reply.text);
            let errors = reply.json();
            for error in errors["errors"].as_array().unwrap() {
                answers.push(format!("{} {}: {}", error["pointer"], error["code"], error["detail"]).replace('"', ""));
            }
        }
        let missing = admin.delete("/threads").await;
        answers.push(format!("{} {}", missing.status, missing.json()["errors"][0]["pointer"]));
        expect![[r#"
            /titel unknown_member: there is no such member; did you mean `title`?
            /title too_long: must have at most 200 characters
            /user too_short: must not be empty
            /metadata too_long: must have at most 16384 bytes as JSON
            /content missing_member: is required
            /role not_one_of: must be one of `user` or `assistant`
            /content/0/type not_one_of: must be one of `text`, `image` or `file`
            /content too_short: it is empty
            422 "?user""#]].assert_eq(&answers.join("\n"));
    }

    async fn a_thread_remembers_what_was_said(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({"user": "ann"})).await;

        let first = say(&admin, &path, "I am Ann.").await;
        let second = say(&admin, &path, "Who am I?").await;

        assert_eq!((&second["status"], &second["thread_id"]), (&json!("succeeded"), &json!(id(&path))));
        // The run is the end user's whose thread it is.
        assert_eq!(second["user"], "ann");
        assert_eq!(asked(&server, 1), ["user I am Ann.", "assistant You said: I am Ann.", "user Who am I?"]);
        let events = admin.get(&format!("/runs/{}/events", second["id"].as_str().unwrap())).await.json();
        let events = events["data"].as_array().unwrap().iter().map(|it| {
            let is_memory = it["type"].as_str().unwrap().starts_with("memory.");
            let data = if is_memory { format!(" {}", it["data"]) } else { String::new() };
            format!("{}{data}", it["type"].as_str().unwrap())
        });
        expect![[r#"
            run.started
            memory.read {"messages":[{"content":[{"citations":[],"text":"I am Ann.","type":"text"}],"role":"user"},{"content":[{"citations":[],"text":"You said: I am Ann.","type":"text"}],"role":"assistant"}],"thread_id":"01900000-0000-7000-8000-000000000005","tokens":29}
            step.started
            model.started
            model.finished
            step.finished
            memory.written {"message_ids":["01900000-0000-7000-8000-00000000000a","01900000-0000-7000-8000-00000000000b"],"thread_id":"01900000-0000-7000-8000-000000000005"}
            run.finished"#]].assert_eq(&events.collect::<Vec<_>>().join("\n"));
        let page = admin.get(&format!("{path}/messages")).await;
        assert_eq!(page.json()["data"][0]["run_id"], first["id"]);
        page.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "content": [
                    {
                      "citations": [],
                      "text": "I am Ann.",
                      "type": "text"
                    }
                  ],
                  "created_at": "2026-11-25T10:00:00Z",
                  "id": "01900000-0000-7000-8000-000000000007",
                  "role": "user",
                  "run_id": "01900000-0000-7000-8000-000000000006",
                  "seq": 1,
                  "thread_id": "01900000-0000-7000-8000-000000000005"
                },
                {
                  "content": [
                    {
                      "citations": [],
                      "text": "You said: I am Ann.",
                      "type": "text"
                    }
                  ],
                  "created_at": "2026-11-25T10:00:00Z",
                  "id": "01900000-0000-7000-8000-000000000008",
                  "role": "assistant",
                  "run_id": "01900000-0000-7000-8000-000000000006",
                  "seq": 2,
                  "thread_id": "01900000-0000-7000-8000-000000000005"
                },
                {
                  "content": [
                    {
                      "citations": [],
                      "text": "Who am I?",
                      "type": "text"
                    }
                  ],
                  "created_at": "2026-11-25T10:00:00Z",
                  "id": "01900000-0000-7000-8000-00000000000a",
                  "role": "user",
                  "run_id": "01900000-0000-7000-8000-000000000009",
                  "seq": 3,
                  "thread_id": "01900000-0000-7000-8000-000000000005"
                },
                {
                  "content": [
                    {
                      "citations": [],
                      "text": "You said: Who am I?",
                      "type": "text"
                    }
                  ],
                  "created_at": "2026-11-25T10:00:00Z",
                  "id": "01900000-0000-7000-8000-00000000000b",
                  "role": "assistant",
                  "run_id": "01900000-0000-7000-8000-000000000009",
                  "seq": 4,
                  "thread_id": "01900000-0000-7000-8000-000000000005"
                }
              ],
              "next_cursor": null
            }
        "#]]);
        assert_eq!(admin.get(&path).await.json()["message_count"], 4);
        let runs = admin.get(&format!("/runs?thread_id={}", id(&path))).await.json();
        assert_eq!(runs["data"].as_array().unwrap().len(), 2);
    }

    async fn a_message_can_be_added_without_a_run(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let messages = format!("{path}/messages");
        let add = || {
            let request = admin.request("POST", &messages).header("idempotency-key", "k");
            admin.send(request.json(&json!({"role": "assistant", "content": "How can I help?"})))
        };

        let (first, again) = (add().await, add().await);

        assert_eq!((first.status, again.header("idempotency-replayed")), (201, Some("true")));
        assert_eq!(first.json(), again.json());
        first.is(expect![[r#"
            201 application/json
            {
              "content": [
                {
                  "citations": [],
                  "text": "How can I help?",
                  "type": "text"
                }
              ],
              "created_at": "2026-11-25T10:00:00Z",
              "id": "01900000-0000-7000-8000-000000000006",
              "role": "assistant",
              "run_id": null,
              "seq": 1,
              "thread_id": "01900000-0000-7000-8000-000000000005"
            }
        "#]]);
        say(&admin, &path, "Go").await;
        assert_eq!(asked(&server, 0), ["assistant How can I help?", "user Go"]);
        assert_eq!(said(&admin, &path).await, ["1 assistant How can I help?", "2 user Go", "3 assistant You said: Go"]);
    }

    async fn a_call_and_its_result_are_not_separated(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        for text in ["Three.", "Four."] {
            // The model uses one id for every call.
            server.model.reply(Reply::default().raw_call("call_1", "current_time", "{}"));
            server.model.reply(Reply::text(text));
            say(&admin, &path, "What time is it?").await;
        }

        let all = said(&admin, &path).await;
        expect![[r#"
            1 user What time is it?
            2 assistant tool_call call_1
            3 tool tool_result call_1
            4 assistant Three.
            5 user What time is it?
            6 assistant tool_call call_1_2
            7 tool tool_result call_1_2
            8 assistant Four."#]].assert_eq(&all.join("\n"));
        // Each page ends with a whole pair, whatever its length.
        for limit in 1..9 {
            let (mut pages, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = admin.get(&format!("{path}/messages?limit={limit}{cursor}")).await.json();
                let page_lines: Vec<String> = page["data"].as_array().unwrap().iter().map(line).collect();
                let last = page_lines.last().unwrap();
                assert!(!last.contains("tool_call "), "limit {limit}: {last}");
                pages.extend(page_lines);
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(pages, all, "limit {limit}");
        }
        // Nor are they before a model.
        for (last_messages, expected) in [
            (0, vec!["user Go"]),
            (1, vec!["user Go"]),
            (3, vec!["user What time is it?", "assistant Four.", "user Go"]),
        ] {
            let memory = json!({"memory": {"last_messages": last_messages}});
            assert_eq!(admin.put("/agents/definitions/support", memory).await.status, 200);
            let other = thread(&admin, json!({})).await;
            copy(&server, id(&path), id(&other)).await;
            say(&admin, &other, "Go").await;
            let requests = server.model.requests().len();
            let asked = asked(&server, requests - 1).join("\n");
            assert_eq!(asked, expected.join("\n"), "{last_messages}");
        }
    }

    async fn call_ids_of_a_thread_are_distinct_for_the_model(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        for _ in 0..2 {
            server.model.reply(Reply::default().raw_call("call_1", "current_time", "{}"));
            server.model.reply(Reply::text("Ten."));
            say(&admin, &path, "Time?").await;
        }

        let now = r#"{"now":"2026-11-25T10:00:00Z"}"#;
        assert_eq!(asked(&server, 3), [
            "user Time?", "assistant call_1", &format!("tool call_1 {now}"), "assistant Ten.",
            "user Time?", "assistant call_1_2", &format!("tool call_1_2 {now}"),
        ]);
    }

    async fn tokens_bound_what_is_remembered(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        admin.put("/agents/definitions/support", json!({"memory": {"max_tokens": 40}})).await;
        let path = thread(&admin, json!({})).await;
        for input in ["One", "Two", "Three"] {
            say(&admin, &path, input).await;
        }

        assert_eq!(asked(&server, 2), ["user Two", "assistant You said: Two", "user Three"]);
    }

    async fn the_end_of_a_run_of_a_thread_calls_for_the_next(server: TestServer) {
        server.agent("support").await;
        let thread = thread(&server.admin().await, json!({})).await;
        // Nobody looks for work any more, by whatever clock.
        let admin = server.alone().await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let first = begin(&admin, &thread, "One", "enqueue").await;
        gate.wait_reached().await;
        let second = begin(&admin, &thread, "Two", "enqueue").await;
        assert_eq!(second["status"], "queued");
        let call = server.app.runs.work().notified();
        let early = tokio::time::timeout(Duration::from_millis(1), server.app.runs.work().notified());
        assert!(early.await.is_err(), "somebody called for work before its time");

        gate.open();

        // Who asks a process that ends is not made to wait: the call comes first.
        tokio::time::timeout(Duration::from_secs(20), call).await.unwrap();
        assert_eq!(end(&admin, &first).await["status"], "succeeded");
    }

    async fn runs_of_one_thread_follow_each_other(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;

        let runs = futures::future::join_all((0..8).map(|_| say(&admin, &path, "Go"))).await;

        assert!(runs.iter().all(|run| run["status"] == "succeeded"), "{runs:?}");
        // Each saw all that came before it, and nobody was asked twice.
        let lengths: Vec<_> = (0..8).map(|n| asked(&server, n).len()).collect();
        assert_eq!(lengths, [1, 3, 5, 7, 9, 11, 13, 15]);
        assert_eq!(server.model.requests().len(), 8);
        let numbers: Vec<_> = said(&admin, &path).await.iter().map(|it| it.split(' ').next().unwrap().parse::<i32>().unwrap()).collect();
        assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    }

    async fn runs_that_wait_for_a_thread_begin_in_their_order(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let first = begin(&admin, &path, "a", "enqueue").await;
        gate.wait_reached().await;
        let second = begin(&admin, &path, "b", "enqueue").await;
        let third = begin(&admin, &path, "c", "enqueue").await;

        assert_eq!((&first["status"], &second["status"]), (&json!("running"), &json!("queued")));
        assert_eq!(admin.get(&path).await.json()["active_run_id"], first["id"]);
        // Whoever waits for a thread keeps nobody else waiting.
        let other = thread(&admin, json!({})).await;
        assert_eq!(say(&admin, &other, "d").await["status"], "succeeded");
        gate.open();
        end(&admin, &second).await;
        end(&admin, &third).await;
        assert_eq!(said(&admin, &path).await, [
            "1 user a", "2 assistant First.", "3 user b", "4 assistant You said: b", "5 user c", "6 assistant You said: c",
        ]);
        assert_eq!(admin.get(&path).await.json()["active_run_id"], Value::Null);
    }

    async fn a_run_that_waits_for_a_thread_keeps_no_queue_waiting(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "2")]).await;
        server.agent("support").await;
        let gates = [Gate::new(), Gate::new()];
        server.model.reply(Reply::text("First.").hold("First", &gates[0]));
        server.model.reply(Reply::text("Second.").hold("Second", &gates[1]));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        begin(&admin, &path, "a", "enqueue").await;
        gates[0].wait_reached().await;
        let behind = begin(&admin, &path, "b", "enqueue").await;
        let go = json!({"input": "Go", "background": true});
        let second = admin.post("/agents/support/execute", go.clone()).await.json();
        gates[1].wait_reached().await;
        let queued = admin.post("/agents/support/execute", go).await.json();
        assert_eq!(queued["status"], "queued");

        gates[1].open();

        assert_eq!(end(&admin, &second).await["status"], "succeeded");
        assert_eq!(end(&admin, &queued).await["status"], "succeeded");
        let still = admin.get(&format!("/runs/{}", behind["id"].as_str().unwrap())).await.json();
        assert_eq!(still["status"], "queued");
        gates[0].open();
        assert_eq!(end(&admin, &behind).await["status"], "succeeded");
    }

    async fn a_busy_thread_may_be_refused(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let first = begin(&admin, &path, "a", "reject").await;

        let body = json!({"input": "b", "thread_id": id(&path), "on_busy": "reject"});
        let refused = admin.post("/agents/support/execute", body.clone()).await;

        assert_eq!(refused.json()["run_id"], first["id"]);
        refused.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "the run `01900000-0000-7000-8000-000000000006` is at work on this thread, or comes next",
              "run_id": "01900000-0000-7000-8000-000000000006",
              "status": 409,
              "type": "/problems/thread-busy"
            }
        "#]]);
        gate.open();
        end(&admin, &first).await;
        assert_eq!(admin.post("/agents/support/execute", body).await.status, 200);
        assert_eq!(server.model.requests().len(), 2);
    }

    async fn of_many_that_want_a_free_thread_one_gets_it(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("One.").hold("One", &gate));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let body = json!({"input": "Go", "thread_id": id(&path), "on_busy": "reject", "background": true});

        let executes = (0..20).map(|_| admin.post("/agents/support/execute", body.clone()));
        let replies = futures::future::join_all(executes).await;

        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 202);
        assert_eq!((won.len(), lost.len()), (1, 19));
        assert!(lost.iter().all(|it| it.status == 409 && it.json()["run_id"] == won[0].json()["id"]));
        gate.open();
        end(&admin, &won[0].json()).await;
        assert_eq!(server.model.requests().len(), 1);
    }

    async fn of_many_that_want_a_free_thread_one_waits_where_there_is_no_room(server: TestServer) {
        let server = TestServer::start_with(server.app.db.dialect(), &[("RUN_CONCURRENCY", "1")]).await;
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("Busy.").hold("Busy", &gate));
        let admin = server.admin().await;
        let go = json!({"input": "Go", "background": true});
        admin.post("/agents/support/execute", go).await;
        gate.wait_reached().await;
        let path = thread(&admin, json!({})).await;
        let body = json!({"input": "Go", "thread_id": id(&path), "on_busy": "reject", "background": true});

        let executes = (0..10).map(|_| admin.post("/agents/support/execute", body.clone()));
        let replies = futures::future::join_all(executes).await;

        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 202);
        assert_eq!((won.len(), lost.len()), (1, 9));
        assert!(lost.iter().all(|it| it.status == 409 && it.json()["run_id"] == won[0].json()["id"]));
        gate.open();
        assert_eq!(end(&admin, &won[0].json()).await["status"], "succeeded");
    }

    async fn a_run_may_be_interrupted_by_the_next(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let first = begin(&admin, &path, "a", "enqueue").await;
        server.model.wait_received(1).await;

        let second = begin(&admin, &path, "b", "interrupt").await;

        assert_eq!(end(&admin, &first).await["status"], "canceled");
        assert_eq!(end(&admin, &second).await["status"], "succeeded");
        // What was asked stays; half an answer does not.
        assert_eq!(said(&admin, &path).await, ["1 user a", "2 user b", "3 assistant You said: a\nb"]);
    }

    async fn a_run_that_waits_for_its_thread_can_be_canceled(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        let first = begin(&admin, &path, "a", "enqueue").await;
        gate.wait_reached().await;
        let second = begin(&admin, &path, "b", "enqueue").await;

        let cancel = format!("/runs/{}/cancel", second["id"].as_str().unwrap());
        assert_eq!(admin.post(&cancel, json!({})).await.status, 202);

        assert_eq!(end(&admin, &second).await["status"], "canceled");
        assert_eq!(admin.get(&path).await.json()["active_run_id"], first["id"]);
        gate.open();
        end(&admin, &first).await;
        assert_eq!(said(&admin, &path).await, ["1 user a", "2 assistant First."]);
    }

    async fn a_thread_stays_whole_whatever_becomes_of_its_runs(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        // A refusal, an answer that was cut off at its length, and a limit behind a call.
        server.model.reply(Reply::error(400, "no"));
        server.model.reply(Reply::text("Half").finish_reason("length"));
        server.model.reply(Reply::default().raw_call("call_1", "current_time", "{}"));
        let mut ends = Vec::new();
        for input in ["a", "b"] {
            ends.push(say(&admin, &path, input).await["status"].clone());
        }
        let body = json!({"input": "c", "thread_id": id(&path), "limits": {"max_steps": 1}});
        ends.push(admin.post("/agents/support/execute", body).await.json()["run"]["status"].clone());
        ends.push(say(&admin, &path, "d").await["status"].clone());

        assert_eq!(ends, ["failed", "failed", "failed", "succeeded"]);
        assert_eq!(said(&admin, &path).await, [
            "1 user a", "2 user b", "3 user c", "4 assistant tool_call call_1", "5 tool tool_result call_1",
            "6 user d", "7 assistant You said: d",
        ]);
    }

    async fn a_thread_that_is_deleted_under_a_run_stays_deleted(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("Late.").hold("Late", &gate));
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        admin.post(&format!("{path}/messages"), json!({"role": "user", "content": "Before"})).await;
        let run = begin(&admin, &path, "Go", "enqueue").await;
        gate.wait_reached().await;

        assert_eq!(admin.delete(&path).await.status, 204);
        gate.open();

        assert_eq!(end(&admin, &run).await["status"], "succeeded");
        assert_eq!(admin.get(&path).await.status, 404);
        assert_eq!(rows(&server, "threads", "id", id(&path)).await, 0);
        assert_eq!(rows(&server, "messages", "thread_id", id(&path)).await, 0);
        let body = json!({"input": "Go", "thread_id": id(&path)});
        admin.post("/agents/support/execute", body).await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "there is no thread `01900000-0000-7000-8000-000000000005`",
              "status": 404,
              "type": "/problems/thread-not-found"
            }
        "#]]);
    }

    async fn a_thread_is_there_for_its_owner_only(server: TestServer) {
        server.agent("support").await;
        let scope = "agent.execute thread.read thread.write";
        let (shop, other) = (server.client(scope).await, server.client(scope).await);
        let path = thread(&shop, json!({"user": "ann"})).await;
        let execute = async |client: &Client, user: Value| {
            let body = json!({"input": "Go", "thread_id": id(&path), "user": user});
            client.post("/agents/support/execute", body).await.status
        };
        let message = json!({"role": "user", "content": "a"});

        for missing in [path.as_str(), "/threads/nothing", "/threads/01900000-0000-7000-8000-00000000ffff"] {
            let messages = format!("{missing}/messages");
            let statuses = [
                other.get(missing).await.status,
                other.put(missing, json!({})).await.status,
                other.delete(missing).await.status,
                other.get(&messages).await.status,
                other.post(&messages, message.clone()).await.status,
                other.get(&format!("{missing}/export")).await.status,
            ];
            assert_eq!(statuses, [404; 6], "{missing}");
        }
        assert_eq!(other.get("/threads").await.json()["data"], json!([]));
        assert_eq!(execute(&other, json!("ann")).await, 404);
        // Nor is it there for another end user, or for an administrator who executes.
        assert_eq!(execute(&shop, json!("bob")).await, 404);
        assert_eq!(execute(&server.admin().await, Value::Null).await, 404);
        assert_eq!(server.model.requests().len(), 0);
        assert_eq!(execute(&shop, json!("ann")).await, 200);
        // `admin.read` reads all of the tenant.
        assert_eq!(said(&server.admin().await, &path).await.len(), 2);
        assert_eq!(shop.delete("/threads?user=ann&subject=client:admin").await.status, 403);
    }

    async fn a_thread_is_exported_whole(server: TestServer) {
        let admin = server.admin().await;
        let path = thread(&admin, json!({"title": "All"})).await;
        let empty = admin.get(&format!("{path}/export")).await.json();
        assert_eq!(empty["messages"], json!([]));
        for n in 0..405 {
            let message = json!({"role": "user", "content": format!("{n}")});
            assert_eq!(admin.post(&format!("{path}/messages"), message).await.status, 201);
        }

        let export = admin.get(&format!("{path}/export")).await;

        assert!(export.header("content-disposition").unwrap().starts_with("attachment"));
        let export = export.json();
        assert_eq!(export["thread"], admin.get(&path).await.json());
        let texts: Vec<_> = export["messages"].as_array().unwrap().iter().map(line).collect();
        assert_eq!(texts, (0..405).map(|n| format!("{} user {n}", n + 1)).collect::<Vec<_>>());
        let first = admin.get(&format!("{path}/messages?limit=1")).await.json();
        assert_eq!(export["messages"][0], first["data"][0]);
        // It takes more than one transaction to delete it.
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_eq!(rows(&server, "messages", "thread_id", id(&path)).await, 0);
    }

    async fn all_of_an_end_user_can_be_deleted(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let shop = server.client("agent.execute thread.read thread.write run.read").await;
        let (ann, bob) = (thread(&shop, json!({"user": "ann"})).await, thread(&shop, json!({"user": "bob"})).await);
        let mut runs = Vec::new();
        server.model.reply(Reply::text("Noted."));
        runs.push(say(&shop, &ann, &"My address. ".repeat(6_000)).await);
        let kept = say(&shop, &bob, "Hello").await;
        let alone = json!({"input": "No thread", "user": "ann"});
        runs.push(shop.post("/agents/support/execute", alone.clone()).await.json());
        let elsewhere = admin.post("/agents/support/execute", alone).await.json();
        // One is at work, and one waits behind it.
        server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
        runs.push(begin(&shop, &ann, "Go", "enqueue").await);
        runs.push(begin(&shop, &ann, "Go", "enqueue").await);
        assert!(rows(&server, "run_values", "run_id", runs[0]["id"].as_str().unwrap()).await > 0);

        assert_eq!(shop.delete("/threads?user=ann").await.status, 204);

        for run in &runs {
            let run = run["id"].as_str().unwrap();
            assert_eq!(shop.get(&format!("/runs/{run}")).await.status, 404);
            for table in ["run_events", "run_values", "run_signals"] {
                assert_eq!(rows(&server, table, "run_id", run).await, 0, "{table}");
            }
        }
        assert_eq!(rows(&server, "messages", "thread_id", id(&ann)).await, 0);
        assert_eq!(shop.get(&ann).await.status, 404);
        // Others of the same name, and others of the same subject, keep what they have.
        assert_eq!(said(&shop, &bob).await.len(), 2);
        for run in [kept, elsewhere] {
            assert_eq!(admin.get(&format!("/runs/{}", run["id"].as_str().unwrap())).await.status, 200);
        }
        assert_eq!(shop.delete("/threads?user=ann").await.status, 204);
        // An administrator may do it for a subject.
        let subject = admin.get(&bob).await.json()["subject"].as_str().unwrap().to_owned();
        assert_eq!(admin.delete(&format!("/threads?user=bob&subject={subject}")).await.status, 204);
        assert_eq!(shop.get(&bob).await.status, 404);
    }

    async fn a_run_on_a_thread_costs_three_transactions(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        say(&admin, &path, "Warm up").await;
        server.app.runs.heart().cancel();
        let commits = || server.app.db.stats().commits.load(std::sync::atomic::Ordering::Relaxed);
        let before = commits();

        assert_eq!(say(&admin, &path, "Go").await["status"], "succeeded");

        assert_eq!(commits() - before, 3);
    }
}

/// Gives a thread what was said in another.
async fn copy(server: &TestServer, from: &str, to: &str) {
    let (from, to): (uuid::Uuid, uuid::Uuid) = (from.parse().unwrap(), to.parse().unwrap());
    let (from, to) = (agent_server::db::Id::new(from), agent_server::db::Id::new(to));
    let done = server.app.db.write(async |tx| {
        on!(tx, c => sqlx::query(
                "INSERT INTO messages (tenant_id, thread_id, seq, id, role, content, created_at)
                 SELECT tenant_id, $2, seq, id, role, content, created_at FROM messages WHERE thread_id = $1",
            )
            .bind(from).bind(to).execute(c).await)?;
        on!(tx, c => sqlx::query(
                "UPDATE threads SET message_count = (SELECT count(*) FROM messages WHERE thread_id = $1) WHERE id = $1",
            )
            .bind(to).execute(c).await)
    });
    done.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_taken_up_knows_what_it_knew() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let admin = server.admin().await;
    let path = thread(&admin, json!({})).await;
    let messages = format!("{path}/messages");
    // So long that it is kept beside its event.
    let long = json!({"role": "user", "content": "long ".repeat(20_000)});
    assert_eq!(admin.post(&messages, long).await.status, 201);
    let gate = Gate::new();
    server.model.reply(Reply::tokens(["Old", " answer"]).hold("Old", &gate));
    server.model.reply(Reply::text("New answer"));
    let run = begin(&admin, &path, "Go", "enqueue").await;
    gate.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;
    let later = json!({"role": "user", "content": "Later"});
    assert_eq!(admin.post(&messages, later).await.status, 201);

    recover::stop(&server.app.runs).await.unwrap();
    let ended = end(&elsewhere, &run).await;
    gate.open();

    assert_eq!((&ended["output"]["text"], &ended["attempt"]), (&json!("New answer"), &json!(2)));
    assert!(asked(&server, 0)[0].contains("long long"));
    assert_eq!(asked(&server, 0), asked(&server, 1));
    let said = said(&elsewhere, &path).await;
    assert_eq!(said[1..], ["2 user Later", "3 user Go", "4 assistant New answer"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_has_one_run_over_all_processes() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let here = server.admin().await;
    let (_replica, there) = server.replica().await;
    let path = thread(&here, json!({})).await;

    let runs = (0..10).map(|n| say(if n % 2 == 0 { &here } else { &there }, &path, "Go"));
    let runs = futures::future::join_all(runs).await;

    assert!(runs.iter().all(|run| run["status"] == "succeeded"), "{runs:?}");
    let lengths: Vec<_> = (0..10).map(|n| asked(&server, n).len()).collect();
    assert_eq!(lengths, (0..10).map(|n| 2 * n + 1).collect::<Vec<_>>());

    // Interrupted from elsewhere.
    server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
    let first = begin(&here, &path, "a", "enqueue").await;
    server.model.wait_received(11).await;
    let second = begin(&there, &path, "b", "interrupt").await;
    assert_eq!(end(&there, &first).await["status"], "canceled");
    assert_eq!(end(&here, &second).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_interrupt_begins_nothing() {
    let server = TestServer::start(Dialect::Sqlite).await;
    server.agent("support").await;
    let gate = Gate::new();
    server.model.reply(Reply::text("First.").hold("First", &gate));
    let admin = server.admin().await;
    let path = thread(&admin, json!({})).await;
    let first = begin(&admin, &path, "a", "enqueue").await;
    gate.wait_reached().await;
    in_sql(
        &server,
        "CREATE TRIGGER no_orders BEFORE INSERT ON run_signals
         BEGIN SELECT RAISE(ABORT, 'this cannot be written'); END",
    )
    .await;

    let body = json!({"input": "b", "thread_id": id(&path), "on_busy": "interrupt"});
    let refused = admin.post("/agents/support/execute", body).await;

    assert_eq!(refused.status, 500, "{}", refused.text);
    gate.open();
    assert_eq!(end(&admin, &first).await["status"], "succeeded");
    assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_asked_for_with_a_key_is_done_once_though_he_hangs_up() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    let path = thread(&admin, json!({})).await;
    let add = async || {
        let body = json!({"role": "user", "content": "Hello"});
        let request = admin.request("POST", &format!("{path}/messages")).json(&body);
        admin.send(request.header("idempotency-key", "one")).await
    };
    let mut shell = PgConnection::connect(server.database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT 1 FROM threads FOR UPDATE").execute(&mut shell).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    tokio::select! {
        reply = add() => panic!("{}", reply.text),
        () = async { while number(&server, waiting).await == 0 {} } => {}
    }
    // It is at work still, for whoever asks meanwhile.
    assert_eq!(add().await.status, 409);
    sqlx::raw_sql("ROLLBACK").execute(&mut shell).await.unwrap();

    let kept = async {
        loop {
            let reply = add().await;
            if reply.status != 409 {
                return reply;
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(30), kept).await.unwrap();

    assert_eq!((reply.status, reply.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(said(&admin, &path).await, ["1 user Hello"]);
}
