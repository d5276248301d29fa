//! `POST /agents/{id}/execute`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Frame;
use crate::harness::TestServer;

on_both! {
    async fn an_agent_answers_with_its_run(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::text("It is on its way.").usage(412, 31));

        let reply = server.admin().await
            .post("/agents/Support/execute", json!({"input": "Where is my order?", "metadata": {"n": 2_512_292_042_121_000_001_u64}}))
            .await;

        let location = reply.header("location").unwrap().to_owned();
        assert_eq!(location, format!("/runs/{}", reply.json()["id"].as_str().unwrap()));
        reply.is(expect![[r#"
            200 application/json
            {
              "attempt": 1,
              "client_id": "admin",
              "created_at": "2026-11-25T10:00:00Z",
              "definition": {
                "id": "01900000-0000-7000-8000-000000000003",
                "name": "support",
                "version": 1
              },
              "error": null,
              "finished_at": "2026-11-25T10:00:00Z",
              "forked_from": null,
              "id": "01900000-0000-7000-8000-000000000005",
              "input": "Where is my order?",
              "kind": "agent",
              "last_seq": 6,
              "limits": {
                "max_cost_usd": null,
                "max_parallel_tool_calls": 8,
                "max_steps": 20,
                "max_tokens": null,
                "timeout_ms": 600000
              },
              "metadata": {
                "n": 2512292042121000001
              },
              "output": {
                "citations": [],
                "object": null,
                "text": "It is on its way."
              },
              "parent_run_id": null,
              "started_at": "2026-11-25T10:00:00Z",
              "status": "succeeded",
              "steps": 1,
              "subject": "client:admin",
              "thread_id": null,
              "trigger": "api",
              "usage": {
                "cache_write_tokens": 0,
                "cached_tokens": 0,
                "cost_usd": null,
                "input_tokens": 412,
                "output_tokens": 31,
                "reasoning_tokens": 0
              },
              "user": null,
              "waiting_for": []
            }
        "#]]);
        assert_eq!(server.admin().await.get(&location).await.json(), reply.json());
    }

    async fn a_tool_turn_is_streamed_as_it_happens(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::text("").call("current_time", json!({})));
        server.model.reply(Reply::tokens(["It is", " 10:00."]));
        let admin = server.admin().await;

        let body = json!({"input": "What time is it?", "stream": true});
        let request = admin.request("POST", "/agents/support/execute").json(&body);
        let frames = admin.frames(request).await;

        let text: String = frames.iter().map(Frame::delta).collect();
        assert_eq!(text, "It is 10:00.");
        let stored = frames.iter().filter(|frame| frame.delta().is_empty());
        let lines: Vec<_> = stored.map(|frame| format!("{} {}", frame.id, frame.event)).collect();
        expect![[r#"
            1 run.started
            2 step.started
            3 model.started
            4 model.finished
            5 tool.started
            6 tool.finished
            7 step.finished
            8 step.started
            9 model.started
            10 model.finished
            11 step.finished
            12 run.finished"#]].assert_eq(&lines.join("\n"));
        let result = frames.iter().find(|frame| frame.event == "tool.finished").unwrap();
        assert_eq!(result.data["data"]["result"], json!({"now": "2026-11-25T10:00:00Z"}));
    }

    async fn an_agent_may_name_its_model_by_an_alias(server: TestServer) {
        let settings = [("AGENT_SERVER_MODEL_ALIASES", "fast=openai/fake, other=demo/scripted")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        server.agent("support").await;
        let admin = server.admin().await;
        let saved = admin.put("/agents/definitions/support", json!({"model": "fast"})).await;
        assert_eq!((saved.status, &saved.json()["model"]), (200, &json!("fast")));
        assert_eq!(saved.json()["problems"], json!([]));

        let reply = admin.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(server.model.last_request().body["model"], "fake");
        let path = format!("{}/events", reply.header("location").unwrap());
        let events = admin.get(&path).await.json();
        let started = events["data"].as_array().unwrap().iter().find(|it| it["type"] == "model.started");
        assert_eq!(started.unwrap()["data"]["model"], "openai/fake");
    }

    async fn a_run_in_the_background_is_there_at_once_and_can_be_waited_for(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::text("Done.").hold("Done", &gate));
        let admin = server.admin().await;

        let begun = admin.post("/agents/support/execute", json!({"input": "Go", "background": true})).await;
        assert_eq!((begun.status, &begun.json()["status"]), (202, &json!("running")));
        let path = begun.header("location").unwrap().to_owned();

        let early = admin.get(&format!("{path}/wait?timeout_ms=0")).await;
        assert_eq!((early.status, &early.json()["status"]), (202, &json!("running")));
        gate.open();
        let ended = admin.get(&format!("{path}/wait")).await;
        assert_eq!((ended.status, &ended.json()["output"]["text"]), (200, &json!("Done.")));
    }

    async fn a_client_that_goes_away_does_not_stop_its_run(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["One", " two"]).hold("One", &gate));
        let admin = server.admin().await;

        let body = json!({"input": "Go", "stream": true});
        let mut watched = admin.request("POST", "/agents/support/execute").json(&body).send().await.unwrap();
        let path = watched.headers()["location"].to_str().unwrap().to_owned();
        watched.chunk().await.unwrap();
        gate.wait_reached().await;
        drop(watched);
        gate.open();

        let ended = admin.get(&format!("{path}/wait")).await;
        assert_eq!(ended.json()["output"]["text"], "One two");
        assert_eq!(server.model.cancelled(), 0);
    }

    async fn a_client_that_goes_away_finds_its_run_by_its_idempotency_key(server: TestServer) {
        server.agent("support").await;
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["One", " two"]).hold("One", &gate));
        let admin = server.admin().await;
        let execute = || {
            let request = admin.request("POST", "/agents/support/execute");
            request.header("idempotency-key", "k").json(&json!({"input": "Go"}))
        };

        // The request is dropped in the middle, and its connection with it.
        tokio::select! {
            reply = execute().send() => panic!("it was answered: {reply:?}"),
            () = gate.wait_reached() => {}
        }
        let again = admin.send(execute()).await;
        gate.open();
        let path = again.header("location").unwrap();
        let ended = admin.get(&format!("{path}/wait")).await;
        let last = admin.send(execute()).await;

        assert_eq!((again.status, again.header("idempotency-replayed")), (202, Some("true")));
        assert_eq!((ended.status, &ended.json()["output"]["text"]), (200, &json!("One two")));
        assert_eq!((last.status, last.json()), (200, ended.json()));
        assert_eq!((server.model.requests().len(), server.model.cancelled()), (1, 0));
        assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), 1);
    }

    async fn the_same_idempotency_key_is_the_same_run(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let execute = |input: &str| {
            let request = admin.request("POST", "/agents/support/execute");
            admin.send(request.header("idempotency-key", "order 17").json(&json!({"input": input})))
        };

        let first = execute("Go").await;
        let again = execute("Go").await;
        let other = execute("Stop").await;

        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.json(), first.json());
        assert_eq!(server.model.requests().len(), 1);
        other.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "this idempotency key was used for another request",
              "status": 422,
              "type": "/problems/idempotency-key-reused"
            }
        "#]]);
    }

    async fn of_many_with_one_idempotency_key_one_begins(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let executes = (0..20).map(|_| {
            let request = admin.request("POST", "/agents/support/execute");
            admin.send(request.header("idempotency-key", "k").json(&json!({"input": "Go"})))
        });

        let replies = futures::future::join_all(executes).await;

        let mut runs: Vec<_> = replies.iter().map(|reply| reply.json()["id"].clone()).collect();
        runs.dedup();
        assert_eq!(runs.len(), 1, "{replies:?}");
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 202)), "{replies:?}");
        assert_eq!(server.model.requests().len(), 1);
    }

    async fn an_error_of_the_provider_is_a_failed_run_and_leaks_nothing(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::error(401, "Incorrect API key provided: sk-a-key-that-must-not-leak"));

        let reply = server.admin().await.post("/agents/support/execute", json!({"input": "My secret question"})).await;

        assert!(!reply.text.contains("must-not-leak"), "{}", reply.text);
        assert_eq!(reply.status, 502);
        let run = &reply.json()["run"];
        assert_eq!(run["status"], "failed");
        expect![[r#"
            {
              "kind": "provider",
              "message": "`openai` answered 401: Incorrect API key provided: *** (fake_error)",
              "provider_status": 401,
              "retryable": false
            }"#]].assert_eq(&format!("{:#}", run["error"]));
    }

    async fn a_busy_provider_is_asked_again(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::error(429, "slow down").header("retry-after-ms", "1"));
        server.model.reply(Reply::text("Now."));

        let reply = server.admin().await.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.json()["output"]["text"], "Now.");
        let path = format!("{}/events", reply.header("location").unwrap());
        let events = server.admin().await.get(&path).await.json();
        let names: Vec<_> = events["data"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
        expect![[r#"
            run.started
            step.started
            model.started
            model.failed
            model.started
            model.finished
            step.finished
            run.finished"#]].assert_eq(&names.join("\n"));
    }

    async fn an_answer_that_breaks_off_is_no_answer(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::tokens(["Half", " an answer"]).cut("Half"));

        let reply = server.admin().await.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.status, 502);
        let run = &reply.json()["run"];
        assert_eq!((&run["status"], &run["output"]["text"]), (&json!("failed"), &json!("Half")));
        assert_eq!(server.model.requests().len(), 1, "what was seen must not be repeated");
    }

    async fn a_cancel_closes_the_request_to_the_provider(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::tokens(["Half", " an answer"]).hang("Half"));
        let admin = server.admin().await;
        let begun = admin.post("/agents/support/execute", json!({"input": "Go", "background": true})).await;
        let path = begun.header("location").unwrap().to_owned();
        server.model.wait_received(1).await;

        let asked = admin.post(&format!("{path}/cancel"), json!({"reason": "changed my mind"})).await;
        assert_eq!(asked.status, 202);
        server.model.wait_cancelled(1).await;
        let ended = admin.get(&format!("{path}/wait")).await;

        assert_eq!(ended.json()["status"], "canceled");
        let again = admin.post(&format!("{path}/cancel"), json!({})).await;
        assert_eq!((again.status, &again.json()["status"]), (200, &json!("canceled")));
    }

    async fn a_run_costs_two_transactions(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        admin.post("/agents/support/execute", json!({"input": "Warm up"})).await;
        // Its beats are commits too, once a second on PostgreSQL.
        server.app.runs.heart().cancel();
        let commits = || server.app.db.stats().commits.load(std::sync::atomic::Ordering::Relaxed);
        let before = commits();

        let reply = admin.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.status, 200);
        assert_eq!(commits() - before, 2);
    }

    async fn a_run_costs_no_more_statements_than_it_needs(server: TestServer) {
        server.agent("support").await;
        let alone = server.alone().await;
        let stats = server.app.db.stats();
        let counted = || {
            let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
            (count(&stats.commits), count(&stats.statements))
        };
        let mut costs = Vec::new();
        for (what, replies) in [
            ("first", vec![Reply::text("Warm.")]),
            ("plain", vec![Reply::text("Hello.")]),
            ("one tool", vec![Reply::text("").call("current_time", json!({})), Reply::text("Ten.")]),
            ("with a key", vec![Reply::text("Hello.")]),
        ] {
            for reply in replies {
                server.model.reply(reply);
            }
            let before = counted();
            let mut request = alone.request("POST", "/agents/support/execute").json(&json!({"input": "Go"}));
            if what == "with a key" {
                request = request.header("idempotency-key", what);
            }
            let reply = alone.send(request).await;
            let after = counted();
            assert_eq!(reply.status, 200, "{}", reply.text);
            costs.push(format!("{what}: {} commits, {} statements", after.0 - before.0, after.1 - before.1));
        }

        expect![[r#"
            first: 2 commits, 4 statements
            plain: 2 commits, 4 statements
            one tool: 3 commits, 6 statements
            with a key: 2 commits, 6 statements"#]].assert_eq(&costs.join("\n"));
    }

    async fn what_is_not_valid_is_refused_and_begins_nothing(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let bodies = [
            json!({}),
            json!({"input": ""}),
            json!({"input": 7}),
            json!({"input": []}),
            json!({"input": [{"type": "text"}]}),
            json!({"input": [{"type": "image", "url": "http://example.com/a.png"}]}),
            json!({"input": "a", "messages": [{"role": "user", "content": "b"}]}),
            json!({"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}),
            json!({"messages": [{"role": "system", "content": "b"}]}),
            json!({"input": "a", "stream": true, "background": true}),
            json!({"input": "a", "limits": {"max_steps": 21}}),
            json!({"input": "a", "limits": {"max_steps": 0, "max_stepz": 1}}),
            json!({"input": "a", "model_options": {"temperature": 3}}),
            json!({"input": "a", "thread_id": "t"}),
            json!({"input": "a", "version": 99}),
            json!({"inpt": "a"}),
        ];
        let mut answers = Vec::new();
        for body in bodies {
            let reply = admin.post("/agents/support/execute", body.clone()).await;
            answers.push(format!("{body}\n  {}", reply.status));
            for error in reply.json()["errors"].as_array().unwrap_or(&Vec::new()) {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                answers.push(format!("  {} {}: {}", text("pointer"), text("code"), text("detail")));
            }
        }

        expect![[r#"
            {}
              422
              /input missing_member: exactly one of `input` and `messages` is needed
            {"input":""}
              422
              /input too_short: it is empty
            {"input":7}
              422
              /input wrong_type: must be a string, a list or null, not a number
            {"input":[]}
              422
              /input too_short: it is empty
            {"input":[{"type":"text"}]}
              422
              /input/0/text missing_member: is required
            {"input":[{"type":"image","url":"http://example.com/a.png"}]}
              422
              /input/0/url bad_format: expected an `https:` or `data:` URL
            {"input":"a","messages":[{"content":"b","role":"user"}]}
              422
              /input conflict: `input` and `messages` exclude each other
            {"messages":[{"content":"b","role":"user"},{"content":"c","role":"assistant"}]}
              422
              /messages not_one_of: the last message must be one of the user
            {"messages":[{"content":"b","role":"system"}]}
              422
              /messages/0/role not_one_of: must be one of `user` or `assistant`
            {"background":true,"input":"a","stream":true}
              422
              /stream conflict: `stream` and `background` exclude each other
            {"input":"a","limits":{"max_steps":21}}
              422
              /limits/max_steps out_of_range: the agent allows at most 20
            {"input":"a","limits":{"max_steps":0,"max_stepz":1}}
              422
              /limits/max_steps out_of_range: must be at least 1
              /limits/max_stepz unknown_member: there is no such member; did you mean `max_steps`?
            {"input":"a","model_options":{"temperature":3}}
              422
              /model_options/temperature out_of_range: must be at most 2
            {"input":"a","thread_id":"t"}
              404
            {"input":"a","version":99}
              422
              /version unknown_version: the agent has no version 99
            {"inpt":"a"}
              422
              /inpt unknown_member: there is no such member; did you mean `input`?"#]].assert_eq(&answers.join("\n"));
        assert_eq!(admin.get("/runs").await.json()["data"], Value::Array(Vec::new()));
        assert!(server.model.requests().is_empty());
    }

    async fn bytes_that_are_no_json_are_refused(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let bodies: [&[u8]; 7] = [
            b"{\"input\": ",
            b"{\"input\": \"a\", \"input\": \"b\"}",
            b"{\"input\": \"a\\u0000b\"}",
            b"{\"input\": \"a\\ud83d\"}",
            b"{\"input\": \"\xff\"}",
            b"[]",
            b"",
        ];
        let mut answers = Vec::new();
        for body in bodies {
            let request = admin.request("POST", "/agents/support/execute");
            let request = request.header("content-type", "application/json").body(body.to_vec());
            let reply = admin.send(request).await;
            answers.push(format!("{} {} {}", reply.status, body.escape_ascii(), reply.json()["detail"]));
        }

        expect![[r#"
            400 {\"input\":  "the body cannot be read: it ends within a value (line 1, column 10)"
            400 {\"input\": \"a\", \"input\": \"b\"} "the body cannot be read: this member comes twice"
            400 {\"input\": \"a\\u0000b\"} "the body cannot be read: text may not hold the character U+0000"
            400 {\"input\": \"a\\ud83d\"} "the body cannot be read: an escape is half of a surrogate pair"
            400 {\"input\": \"\xff\"} "the body cannot be read: byte 12 is not UTF-8"
            422 [] "1 member is not valid"
            400  "the body is empty, but should be JSON""#]].assert_eq(&answers.join("\n"));
    }

    async fn an_agent_that_is_not_there_or_not_active_is_not_found(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        admin.post("/agents/definitions/support/deactivate", json!({})).await;

        admin.post("/agents/support/execute", json!({"input": "Go"})).await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "there is no active agent `support`",
              "status": 404,
              "type": "/problems/agent-not-found"
            }
        "#]]);
        assert_eq!(admin.post("/agents/nobody/execute", json!({"input": "Go"})).await.status, 404);
    }

    async fn who_may_not_execute_an_agent_as_it_is_may_not_as_it_was(server: TestServer) {
        server.agent("support").await;
        let shop = server.client("agent.execute").await;
        let tightened = json!({"scopes": ["agent.execute", "run.read"]});
        server.admin().await.put("/agents/definitions/support", tightened).await;

        let body = json!({"input": "Go", "version": 1});
        let reply = shop.post("/agents/support/execute", body).await;

        assert_eq!(reply.status, 403, "{}", reply.text);
        assert!(server.model.requests().is_empty());
    }

    async fn a_repeated_key_is_answered_whatever_became_of_the_agent(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let execute = || {
            let request = admin.request("POST", "/agents/support/execute");
            admin.send(request.header("idempotency-key", "k").json(&json!({"input": "Go"})))
        };
        let first = execute().await;
        admin.delete("/agents/definitions/support").await;

        let again = execute().await;

        assert_eq!((again.status, again.json()), (200, first.json()));
    }

    async fn an_answer_is_a_value_of_the_schema_that_it_must_have(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let schema = json!({"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]});
        let change = json!({"output_schema": schema});
        assert_eq!(admin.put("/agents/definitions/support", change).await.status, 200);
        server.model.reply(Reply::text("In three days."));
        server.model.reply(Reply::text("```json\n{\"days\": 3}\n```"));
        server.model.reply(Reply::text("[3]"));

        let run = admin.post("/agents/support/execute", json!({"input": "When?"})).await;
        let other = json!({"input": "When?", "output_schema": {"type": "array"}});
        let by_request = admin.post("/agents/support/execute", other).await.json();

        assert_eq!((run.status, &run.json()["output"]["object"]), (200, &json!({"days": 3})), "{:#}", run.json());
        assert_eq!(run.json()["steps"], 2);
        assert_eq!(by_request["output"]["object"], json!([3]));
        let asked = server.model.requests();
        let told = |n: usize, message: usize| asked[n].body["messages"][message]["content"].to_string();
        assert!(told(0, 0).contains(r#"\"days\""#), "{}", told(0, 0));
        assert!(told(1, 3).contains("it is no JSON"), "{}", told(1, 3));
        assert!(told(2, 0).contains(r#"{\"type\":\"array\"}"#), "{}", told(2, 0));
    }

    async fn instructions_are_filled_in_from_the_context_that_their_schema_accepts(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let schema = json!({"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]});
        let change = async |instructions: &str, schema: &Value| {
            let change = json!({"instructions": instructions, "context_schema": schema});
            let reply = admin.put("/agents/definitions/support", change).await;
            (reply.status, reply.json()["errors"][0]["code"].clone())
        };
        let execute = async |more: Value| {
            let mut body = json!({"input": "Go"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            admin.post("/agents/support/execute", body).await
        };
        let told = || server.model.last_request().body["messages"][0]["content"].clone();

        let unknown = (422, json!("unknown_variable"));
        assert_eq!(change("Help {{ context.custmer }}.", &schema).await, unknown);
        assert_eq!(change("Help {{ customer }}.", &schema).await, unknown);
        assert_eq!(change("Help {{ secrets.key }}.", &schema).await, unknown);
        assert_eq!(change("Keep {{ customer }}.", &Value::Null).await.0, 200);
        assert_eq!(execute(json!({"context": {"customer": "Ann"}})).await.status, 200);
        assert_eq!(told(), "Keep {{ customer }}.");

        assert_eq!(change("Help {{ context.customer }} ({{ user }}, {{ now }}).", &schema).await.0, 200);
        let context = json!({"customer": "Ann {{ context.customer }}"});
        assert_eq!(execute(json!({"context": context, "user": "u-1"})).await.status, 200);
        assert_eq!(told(), "Help Ann {{ context.customer }} (u-1, 2026-11-25T10:00:00Z).");
        let asked = server.model.received();
        for wrong in [json!({}), json!({"context": {"customer": 5}}), json!({"context": {"customer": null}})] {
            let refused = execute(wrong).await;
            assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/context/customer")), "{}", refused.text);
        }
        assert_eq!(server.model.received(), asked);
    }

    async fn why_a_model_is_not_bound_to_a_schema_is_in_the_log(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let schema = json!({"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]});
        let mut said = Vec::new();
        for (change, schema) in [
            (json!({}), Value::Null),
            (json!({}), schema.clone()),
            (json!({"model": "ollama/fake"}), schema.clone()),
            (json!({"tools": []}), schema),
        ] {
            assert_eq!(admin.put("/agents/definitions/support", change).await.status, 200);
            server.model.reply(Reply::text(r#"{"days": 3}"#));
            let body = json!({"input": "When?", "output_schema": schema});
            let run = admin.post("/agents/support/execute", body).await;
            assert_eq!(run.status, 200, "{}", run.text);
            let path = run.header("location").unwrap().to_owned();
            let events = admin.stored(&path, "model.started", 1).await;
            let started = events.iter().find(|event| event["type"] == "model.started").unwrap();
            said.push(started["data"].get("unbound").cloned());
        }

        let told = |why: &str| Some(json!(why));
        assert_eq!(said, [
            None,
            told("its server may know no schemas of answers"),
            told("a model that is bound to a schema cannot call its tools"),
            None,
        ]);
        assert_eq!(server.model.last_request().body["format"]["type"], "object");
    }

    async fn an_answer_that_never_fits_is_none(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        for _ in 0..3 {
            server.model.reply(Reply::text("No."));
        }

        let body = json!({"input": "When?", "output_schema": {"type": "object"}});
        let failed = admin.post("/agents/support/execute", body).await;
        let body = json!({"input": "When?", "output_schema": {"type": "objekt"}});
        let refused = admin.post("/agents/support/execute", body).await;

        assert_eq!((failed.status, &failed.json()["run"]["error"]["kind"]), (422, &json!("output")));
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/output_schema/type")));
        assert_eq!(server.model.requests().len(), 3);
    }

    async fn a_failed_run_has_an_address_too(server: TestServer) {
        server.agent("support").await;
        server.model.reply(Reply::error(400, "no"));

        let reply = server.admin().await.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.status, 502);
        let path = format!("/runs/{}", reply.json()["run"]["id"].as_str().unwrap());
        assert_eq!(reply.header("location"), Some(path.as_str()));
    }

    async fn who_may_not_execute_is_told_what_he_lacks(server: TestServer) {
        server.agent("support").await;
        let reader = server.client("agent.read").await;

        let reply = reader.post("/agents/support/execute", json!({"input": "Go"})).await;

        assert_eq!(reply.status, 403);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("agent.execute"), "{challenge}");
    }
}
