//! What runs cost, what their limits and budgets leave them, and whose turn it is.

use agent_server::db::Dialect;
use expect_test::expect;
use futures::future::join_all;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

/// Instructions, message and their form are at most 35 tokens: 9 + 2 bytes, 16 + 8.
const INPUT: u64 = 35;

async fn priced(dialect: Dialect) -> TestServer {
    let prices = [("AGENT_SERVER_PRICES", "openai/fake=in:1,out:2")];
    let server = TestServer::start_with(dialect, &prices).await;
    agent(&server, "support", json!({})).await;
    server
}

/// An agent without tools.
async fn agent(server: &TestServer, name: &str, more: Value) {
    let mut body = json!({
        "name": name, "display_name": name, "instructions": "Be brief.", "model": "openai/fake",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = server.admin().await.post("/agents/definitions", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

fn go(more: Value) -> Value {
    let mut body = json!({"input": "Go"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn limit_reached(client: &Client, run: &Value) -> Value {
    let path = format!("/runs/{}/events", run["id"].as_str().unwrap());
    let events = client.get(&path).await.json();
    let mut events = events["data"].as_array().unwrap().clone().into_iter();
    events.find(|it| it["type"] == "limit.reached").unwrap()["data"].clone()
}

on_both! {
    async fn a_run_says_what_it_has_cost(server: TestServer) {
        agent(&server, "support", json!({"model": "openai/gpt-5"})).await;
        server.model.reply(Reply::text("Yes.").usage(1_000, 100).usage_details(200, 40));

        let run = server.admin().await.post("/agents/support/execute", go(json!({}))).await.json();

        // 800 × 1.25 + 200 × 0.125 + 100 × 10, in millionths.
        assert_eq!(run["usage"]["cost_usd"], 0.002_025, "{run:#}");
    }

    async fn a_run_of_unknown_price_with_a_limit_of_cost_is_refused(server: TestServer) {
        agent(&server, "support", json!({})).await;

        let reply = server.admin().await
            .post("/agents/support/execute", go(json!({"limits": {"max_cost_usd": 1}})))
            .await;

        reply.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "what the run would cost cannot be known",
              "errors": [
                {
                  "code": "unknown_price",
                  "detail": "the price of `openai/fake` is unknown, and the cost of the run is limited: set AGENT_SERVER_PRICES",
                  "pointer": "/limits/max_cost_usd"
                }
              ],
              "status": 422,
              "type": "/problems/agent-invalid"
            }
        "#]]);
        assert!(server.model.requests().is_empty());
    }

    async fn a_call_gets_what_the_limits_leave_and_the_answer_says_which_cut_it(server: TestServer) {
        let server = priced(server.app.db.dialect()).await;
        let admin = server.admin().await;
        for (limits, output, reached) in [
            (json!({"max_tokens": 100}), 65, json!({"limit": "max_tokens", "value": 100, "used": 0, "needs": 36, "owner": "run"})),
            // 100 millionths, of which 35 are for the input; two buy a token of output.
            (json!({"max_cost_usd": 0.0001}), 32, json!({"limit": "max_cost_usd", "value": 0.0001, "used": 0.0, "needs": 0.000_037, "owner": "run"})),
        ] {
            server.model.reply(Reply::text("Well,").usage(INPUT, output).finish_reason("length"));

            let reply = admin.post("/agents/support/execute", go(json!({"limits": limits}))).await;

            assert_eq!(server.model.last_request().body["max_tokens"], output);
            assert_eq!(reply.status, 422, "{}", reply.text);
            let run = reply.json()["run"].clone();
            assert_eq!(run["error"]["kind"], "limit");
            assert_eq!(limit_reached(&admin, &run).await, reached);
        }
    }

    async fn a_call_whose_input_alone_may_be_too_much_is_not_made(server: TestServer) {
        let server = priced(server.app.db.dialect()).await;
        let admin = server.admin().await;
        for limits in [json!({"max_tokens": INPUT}), json!({"max_cost_usd": 0.000_036})] {
            let reply = admin.post("/agents/support/execute", go(json!({"limits": limits}))).await;

            assert_eq!((reply.status, &reply.json()["run"]["error"]["kind"]), (422, &json!("limit")));
        }
        assert!(server.model.requests().is_empty());
    }

    async fn attempts_without_an_answer_count_against_the_limits_of_the_run(server: TestServer) {
        agent(&server, "support", json!({})).await;
        let admin = server.admin().await;
        let body = go(json!({"limits": {"max_tokens": 1_000}}));
        server.model.reply(Reply::error(500, "no"));

        let begun = admin.post("/agents/support/execute", body).await;

        let run = admin.get(begun.header("location").unwrap()).await.json();
        assert_eq!(run["error"]["kind"], "limit");
        let reached = limit_reached(&admin, &run).await;
        assert_eq!((&reached["limit"], &reached["used"]), (&json!("max_tokens"), &json!(1_000)));
        assert_eq!(server.model.requests().len(), 1);
    }

    async fn a_budget_is_set_read_listed_and_deleted(server: TestServer) {
        let admin = server.admin().await;
        agent(&server, "support", json!({})).await;
        let body = json!({"max_tokens": 1000, "max_cost_usd": 2.5});

        let put = admin.put("/budgets/client/admin", body).await;

        put.is(expect![[r#"
            200 application/json
            {
              "max_cost_usd": 2.5,
              "max_tokens": 1000,
              "owner": {
                "id": "admin",
                "kind": "client"
              },
              "resets_at": "2026-11-26T00:00:00Z",
              "used": {
                "cost_usd": 0.0,
                "tokens": 0
              },
              "window": "day"
            }
        "#]]);
        assert_eq!(admin.get("/budgets/client/admin").await.json(), put.json());
        for path in ["user/client%3Ashop%2Fann", "user/*", "tenant/default", "agent/SUPPORT"] {
            let reply = admin.put(&format!("/budgets/{path}"), json!({"max_tokens": 5})).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        }
        let first = admin.get("/budgets?limit=3").await.json();
        let next = format!("/budgets?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
        let rest = admin.get(&next).await.json();
        let all = [first["data"].as_array().unwrap().clone(), rest["data"].as_array().unwrap().clone()].concat();
        let owners: Vec<_> = all.iter().map(|it| format!("{} {}", it["owner"]["kind"], it["owner"]["id"])).collect();
        assert_eq!(owners[1..], [
            r#""client" "admin""#, r#""tenant" "default""#, r#""user" "*""#, r#""user" "client:shop/ann""#,
        ]);
        assert_eq!(all[3]["used"], Value::Null);
        assert_eq!(admin.delete("/budgets/client/admin").await.status, 204);
        for path in ["client/admin", "tenant/other", "agent/nobody"] {
            let reply = admin.delete(&format!("/budgets/{path}")).await;
            assert_eq!((reply.status, &reply.json()["type"]), (404, &json!("/problems/budget-not-found")));
        }
        assert_eq!(admin.put("/budgets/client/admin", json!({})).await.status, 422);
        assert_eq!(admin.put("/budgets/client/admin", json!({"max_cost_usd": -1})).await.status, 422);
    }

    async fn a_budget_that_is_used_up_refuses_before_anything_begins(server: TestServer) {
        agent(&server, "support", json!({})).await;
        let admin = server.admin().await;
        admin.put("/budgets/client/admin", json!({"max_tokens": 100})).await;
        server.model.reply(Reply::text("Yes.").usage(30, 40));
        let first = admin.post("/agents/support/execute", go(json!({}))).await;
        assert_eq!(first.status, 200, "{}", first.text);

        let reply = admin.post("/agents/support/execute", go(json!({}))).await;

        assert_eq!(reply.header("retry-after"), Some("50401"));
        reply.is(expect![[r#"
            429 application/problem+json
            {
              "detail": "the client has not enough left of its max_tokens for today",
              "limit": {
                "name": "max_tokens",
                "owner": "client",
                "resets_at": "2026-11-26T00:00:00Z",
                "used": 70,
                "value": 100
              },
              "status": 429,
              "type": "/problems/limit-reached"
            }
        "#]]);
        assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), 1);
    }

    async fn a_budget_that_is_used_up_on_the_way_ends_the_run_and_says_whose_it_is(server: TestServer) {
        agent(&server, "support", json!({"tools": ["current_time"]})).await;
        let admin = server.admin().await;
        admin.put("/budgets/agent/support", json!({"max_tokens": 1000})).await;
        server.model.reply(Reply::text("").call("current_time", json!({})).usage(900, 60));

        let reply = admin.post("/agents/support/execute", go(json!({}))).await;

        assert_eq!(reply.status, 422, "{}", reply.text);
        let run = reply.json()["run"].clone();
        assert_eq!(run["error"]["kind"], "limit");
        let reached = limit_reached(&admin, &run).await;
        assert_eq!((&reached["owner"], &reached["limit"], &reached["used"]), (&json!("agent"), &json!("max_tokens"), &json!(960)));
        assert_eq!(server.model.requests().len(), 1);
    }

    async fn parallel_calls_never_use_more_than_their_budget(server: TestServer) {
        let server = priced(server.app.db.dialect()).await;
        agent(&server, "short", json!({"model_options": {"max_output_tokens": 20}})).await;
        let admin = server.admin().await;
        // At most 55 tokens a call, and 75 millionths of a dollar.
        admin.put("/budgets/tenant/default", json!({"max_tokens": 1_000})).await;
        admin.put("/budgets/client/*", json!({"max_cost_usd": 0.000_9})).await;
        let mut doors = vec![admin.clone()];
        if server.app.db.dialect() == Dialect::Postgres {
            doors.push(server.replica().await.1);
        }
        server.model.answer_with(|request| {
            let output = request.body["max_tokens"].as_u64().unwrap();
            Reply::text("Yes.").usage(INPUT, output)
        });

        let execute = |n: usize| doors[n % doors.len()].post("/agents/short/execute", go(json!({})));
        let mut replies = join_all((0..30).map(execute)).await;
        replies.push(execute(0).await);

        let count = |status| replies.iter().filter(|it| it.status == status).count();
        assert!(count(200) >= 10, "{} of {}", count(200), replies.len());
        assert_eq!(count(200) + count(429) + count(422), replies.len());
        assert_eq!(replies.last().unwrap().status, 429);
        let runs = admin.get("/runs?limit=200").await.json();
        let sum = |member: &str| -> u64 {
            let runs = runs["data"].as_array().unwrap().iter();
            runs.map(|run| run["usage"][member].as_u64().unwrap()).sum()
        };
        let tokens = sum("input_tokens") + sum("output_tokens");
        assert!(tokens <= 1_000, "{tokens}");
        let millionths = sum("input_tokens") + 2 * sum("output_tokens");
        assert!(millionths <= 900, "{millionths}");
        // All that was drawn and not used was given back.
        let used = admin.get("/budgets/tenant/default").await.json()["used"].clone();
        assert_eq!(used["tokens"], tokens);
        let cost: Value = serde_json::from_str(&format!("{millionths}e-6")).unwrap();
        assert_eq!(used["cost_usd"], cost);
    }

    async fn each_end_user_has_a_budget_of_his_own(server: TestServer) {
        agent(&server, "support", json!({})).await;
        let admin = server.admin().await;
        admin.put("/budgets/user/*", json!({"max_tokens": 100})).await;
        server.model.answer_with(|_| Reply::text("Yes.").usage(30, 40));

        let execute = |user: &str| admin.post("/agents/support/execute", go(json!({"user": user})));

        assert_eq!(execute("ann").await.status, 200);
        assert_eq!(execute("ann").await.status, 429);
        assert_eq!(execute("bob").await.status, 200);
        assert_eq!(admin.post("/agents/support/execute", go(json!({}))).await.status, 200);
    }

    async fn a_provider_that_refused_has_used_nothing(server: TestServer) {
        agent(&server, "support", json!({})).await;
        let admin = server.admin().await;
        admin.put("/budgets/client/admin", json!({"max_tokens": 10_000})).await;
        server.model.reply(Reply::error(400, "no"));

        assert_eq!(admin.post("/agents/support/execute", go(json!({}))).await.status, 502);

        assert_eq!(admin.get("/budgets/client/admin").await.json()["used"]["tokens"], 0);
    }

    async fn a_call_without_an_answer_has_used_all_that_it_might(server: TestServer) {
        agent(&server, "support", json!({"model_options": {"max_output_tokens": 500}})).await;
        let admin = server.admin().await;
        admin.put("/budgets/client/admin", json!({"max_tokens": 10_000})).await;
        let unseen = || Reply::text("").call("pay", json!({"to": "somebody"}));
        let broken = "data: {\"error\":{\"code\":429,\"message\":\"Too much\"}}\n\n";
        for (replies, calls) in [
            // What may pass is tried three times.
            (vec![Reply::error(500, "no"), Reply::error(503, "no"), Reply::error(400, "no")], 2),
            (vec![unseen().cut("somebody"), Reply::error(400, "no")], 1),
            (vec![Reply::sse(broken), Reply::error(400, "no")], 1),
        ] {
            let used = async || admin.get("/budgets/client/admin").await.json()["used"]["tokens"].as_u64().unwrap();
            let before = used().await;
            for reply in replies {
                server.model.reply(reply);
            }

            assert_eq!(admin.post("/agents/support/execute", go(json!({}))).await.status, 502);

            let used = used().await - before;
            assert!((calls * 500..=calls * (500 + INPUT)).contains(&used), "{calls}: {used}");
        }
    }

    async fn a_canceled_call_has_used_all_that_it_might(server: TestServer) {
        agent(&server, "support", json!({"model_options": {"max_output_tokens": 500}})).await;
        let admin = server.admin().await;
        admin.put("/budgets/client/admin", json!({"max_tokens": 10_000})).await;
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["Once", " upon"]).hold("Once", &gate));
        let run = admin.post("/agents/support/execute", go(json!({"background": true}))).await;
        let path = run.header("location").unwrap().to_owned();
        gate.wait_reached().await;

        admin.post(&format!("{path}/cancel"), json!({})).await;

        admin.get(&format!("{path}/wait")).await;
        let used = admin.get("/budgets/client/admin").await.json()["used"]["tokens"].as_u64().unwrap();
        assert!((500..=500 + INPUT).contains(&used), "{used}");
    }

    async fn what_a_deleted_end_user_has_used_is_forgotten_but_for_today(server: TestServer) {
        let admin = server.admin().await;
        for (owner, day) in [("ann", "2026-11-24"), ("ann", "2026-11-25"), ("bob", "2026-11-24")] {
            in_sql(&server, &format!(
                "INSERT INTO budget_usage (tenant_id, owner_kind, owner_id, day, tokens, cost, unpriced)
                 VALUES ('default', 'user', 'client:shop/{owner}', '{day}', 1, 1, 0)",
            )).await;
        }

        assert_eq!(admin.delete("/threads?user=ann&subject=client:shop").await.status, 204);

        let left = |owner: &str| format!("SELECT count(*) FROM budget_usage WHERE owner_id = 'client:shop/{owner}'");
        assert_eq!(number(&server, &left("ann")).await, 1);
        assert_eq!(number(&server, &left("bob")).await, 1);
        // Else whoever has used all of it would begin anew.
        assert_eq!(number(&server, &(left("ann") + " AND day = '2026-11-25'")).await, 1);
    }

    async fn a_budget_written_in_sql_works(server: TestServer) {
        agent(&server, "support", json!({})).await;
        in_sql(&server, "INSERT INTO budgets (owner_kind, owner_id, max_cost_usd) VALUES ('tenant', 'default', 'much')").await;
        server.app.runs.budgets.refresh().await.unwrap();

        let reply = server.admin().await.post("/agents/support/execute", go(json!({}))).await;

        // What nobody can read allows nothing, and the price of this model is unknown.
        assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (422, &json!("/model")));
    }

    async fn a_client_with_all_its_places_taken_waits_and_others_do_not(server: TestServer) {
        let settings = [("RUN_CONCURRENCY_PER_CLIENT", "1")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        agent(&server, "support", json!({})).await;
        let (one, other) = (server.client("agent.execute").await, server.client("agent.execute").await);
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let background = || go(json!({"background": true}));
        one.post("/agents/support/execute", background()).await;
        gate.wait_reached().await;

        let second = one.post("/agents/support/execute", background()).await;

        assert_eq!(second.json()["status"], "queued");
        assert_eq!(other.post("/agents/support/execute", go(json!({}))).await.status, 200);
        let path = second.header("location").unwrap().to_owned();
        assert_eq!(one.get(&path).await.json()["status"], "queued");
        gate.open();
        assert_eq!(one.get(&format!("{path}/wait")).await.json()["status"], "succeeded");
    }

    async fn clients_take_turns_in_the_queue(server: TestServer) {
        let settings = [("RUN_CONCURRENCY", "1")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        agent(&server, "support", json!({})).await;
        let (many, few) = (server.client("agent.execute").await, server.client("agent.execute").await);
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let begin = async |client: &Client, input: &str| {
            let body = json!({"input": input, "background": true});
            let begun = client.post("/agents/support/execute", body).await;
            begun.header("location").unwrap().to_owned()
        };
        begin(&many, "many 0").await;
        gate.wait_reached().await;
        let mut last = String::new();
        for n in 1..=5 {
            last = begin(&many, &format!("many {n}")).await;
        }
        let single = begin(&few, "few 1").await;

        gate.open();

        assert_eq!(few.get(&format!("{single}/wait")).await.json()["status"], "succeeded");
        assert_eq!(many.get(&format!("{last}/wait")).await.json()["status"], "succeeded");
        let asked: Vec<_> = server.model.requests().iter()
            .map(|it| it.body["messages"].as_array().unwrap().last().unwrap()["content"].clone())
            .collect();
        assert_eq!(asked.iter().position(|it| it == "few 1"), Some(2), "{asked:?}");
    }

    async fn one_client_does_not_fill_the_queue_for_all(server: TestServer) {
        let settings = [("RUN_CONCURRENCY", "1"), ("RUN_QUEUE_LIMIT", "10")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        agent(&server, "support", json!({})).await;
        let (many, few) = (server.client("agent.execute").await, server.client("agent.execute").await);
        let gate = Gate::new();
        server.model.reply(Reply::text("First.").hold("First", &gate));
        let begin = |client: &Client| {
            let client = client.clone();
            async move { client.post("/agents/support/execute", go(json!({"background": true}))).await }
        };
        for _ in 0..10 {
            assert_eq!(begin(&many).await.status, 202);
        }

        let refused = begin(&many).await;

        assert_eq!((refused.status, &refused.json()["limit"]["name"]), (429, &json!("queued_runs_of_client")));
        assert_eq!(begin(&few).await.status, 202);
        gate.open();
    }
}
