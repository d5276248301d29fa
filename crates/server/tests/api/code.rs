//! Agents and tools that are defined in code: the examples, and what the API says of such things.

use std::future::pending;
use std::time::Duration;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use agent_server::db::Dialect;
use agent_server::db::TenantId;
use agent_server::definitions::code_id;
use agent_server::definitions::store as definitions;
use agent_server::runs::recover;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;

#[expect(dead_code, reason = "a test has a `main` of its own")]
#[path = "../../examples/order_status.rs"]
mod order_status;
#[expect(dead_code, reason = "a test has a `main` of its own")]
#[path = "../../examples/refunds.rs"]
mod refunds;

const SUPPORT: &str = "/agents/definitions/support";

#[derive(Deserialize, JsonSchema)]
struct How {
    how: String,
}

/// Ends as it is told to.
async fn end(_: ToolContext, How { how }: How) -> Result<Value, ToolFailure> {
    match how.as_str() {
        "refused" => Err(ToolFailure::failed("the far side said no")),
        "lost" => Err(ToolFailure::unknown("the line was cut")),
        "panic" => panic!("a mistake in a tool"),
        "slow" => pending().await,
        how => Ok(json!({ "ended": how })),
    }
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    count: u32,
}

fn endings() -> Builder {
    let patience = Duration::from_millis(30);
    App::builder()
        .tool(Tool::read("look", "Looks.", end).timeout(patience))
        .tool(Tool::idempotent("put", "Puts.", end).timeout(patience))
        .tool(Tool::effect("pay", "Pays.", end).timeout(patience))
        .tool(Tool::read("count", "Counts.", async |_, Count { count }| Ok(count)))
        .agent(
            Agent::new("teller")
                .instructions("Try.")
                .model("demo/scripted")
                .tool("look")
                .tool("put")
                .tool("pay")
                .tool("count"),
        )
}

/// A release whose agent says `instructions`.
fn release(instructions: &str) -> Builder {
    let agent = Agent::new("support").instructions(instructions).model("openai/fake");
    App::builder().agent(agent)
}

on_both! {
    with order_status::server;

    async fn the_smallest_example_calls_its_tool(server: TestServer) {
        let body = json!({"input": r#"use tool order_status with {"number": 7}"#});

        let run = server.admin().await.post("/agents/support/execute", body).await.json();

        let answer = r#"The tool `order_status` answered "Order 7 is on its way."."#;
        assert_eq!(run["output"]["text"], answer, "{run:#}");
    }

    async fn an_agent_in_code_is_shown_like_any_other(server: TestServer) {
        let admin = server.admin().await;
        server.app.clock.advance(Duration::from_mins(1));

        admin.get(SUPPORT).await.is(expect![[r#"
            200 application/json
            {
              "agents": [],
              "content_hash": "sha256:5e0b40752b52f9d92b42a73f67c7b7441349bf5b2c770acc953c0dc3ce66ecc2",
              "context_schema": null,
              "created_at": "2026-11-25T10:01:00Z",
              "created_by": null,
              "description": "",
              "display_name": "support",
              "id": "b58d38a3-1aa7-880b-b803-ad10dbc9df8e",
              "instructions": "You help customers of a shop.",
              "is_active": true,
              "limits": {
                "max_cost_usd": null,
                "max_parallel_tool_calls": 8,
                "max_steps": 20,
                "max_tokens": null,
                "timeout_ms": 600000
              },
              "memory": {
                "last_messages": 20,
                "max_tokens": null
              },
              "metadata": {},
              "model": "demo/scripted",
              "model_options": {
                "max_output_tokens": null,
                "parallel_tool_calls": true,
                "provider": {},
                "reasoning_effort": null,
                "temperature": null,
                "tool_choice": "auto",
                "top_p": null
              },
              "name": "support",
              "output_schema": null,
              "problems": [],
              "rag_databases": [],
              "scopes": [],
              "shadows": null,
              "source": "code",
              "tools": [
                "order_status"
              ],
              "updated_at": "2026-11-25T10:01:00Z",
              "version": 1,
              "workflows": []
            }
        "#]]);

        let listed = admin.get("/agents/definitions").await.json();
        assert_eq!(listed["data"], json!([admin.get(SUPPORT).await.json()]));
        let summary = admin.get("/agents/SUPPORT").await.json();
        assert_eq!(summary["source"], "code");
        assert_eq!(admin.get("/agents").await.json()["data"][0]["id"], summary["id"]);
    }

    async fn only_the_program_changes_what_is_in_code(server: TestServer) {
        let admin = server.admin().await;
        admin.get(SUPPORT).await;

        for reply in [
            admin.put(SUPPORT, json!({"instructions": "Be rude."})).await,
            admin.delete(SUPPORT).await,
            admin.post(&format!("{SUPPORT}/activate"), json!({})).await,
            admin.post(&format!("{SUPPORT}/deactivate"), json!({})).await,
            admin.post(&format!("{SUPPORT}/versions/1/restore"), json!({})).await,
        ] {
            reply.is(expect![[r#"
                409 application/problem+json
                {
                  "detail": "the agent `support` is defined in code, and only changed there",
                  "status": 409,
                  "type": "/problems/read-only"
                }
            "#]]);
        }
    }

    async fn a_row_goes_before_an_agent_in_code(server: TestServer) {
        let admin = server.admin().await;
        let agent = json!({"name": "Support", "display_name": "Ours", "instructions": "Hi."});

        let made = admin.post("/agents/definitions", agent).await;

        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["shadows"], "code");
        let listed = admin.get("/agents/definitions").await.json();
        assert_eq!(listed["data"], json!([made.json()]));
        assert_eq!(admin.get(SUPPORT).await.json(), made.json());
        let (_replica, elsewhere) = server.replica().await;
        assert_eq!(elsewhere.get(SUPPORT).await.json(), made.json());
        // Without the row, the one in code is there again.
        assert_eq!(admin.delete(SUPPORT).await.status, 204);
        let again = admin.get(SUPPORT).await.json();
        assert_eq!((&again["source"], &again["shadows"]), (&json!("code"), &Value::Null));
        assert_eq!(admin.get("/agents").await.json()["data"].as_array().unwrap().len(), 1);
    }
}

on_both! {
    with refunds::server;

    async fn an_effect_of_the_example_is_recorded_before_and_after_it_is_made(server: TestServer) {
        let input = r#"use tool refund with {"order": "A-7", "amount": 1250}"#;
        let (run, events) = execute(&server.admin().await, "cashier", input).await;

        assert_eq!(run["status"], "succeeded", "{run:#}");
        let (started, finished) = (data(&events, "tool.started"), data(&events, "tool.finished"));
        assert_eq!((&started["tool"], &started["effect"]), (&json!("refund"), &json!("effect")));
        assert_eq!(finished["status"], "done");
        let receipt =
            json!({"order": "A-7", "paid": 1250, "reference": started["effect_id"]});
        assert_eq!(finished["result"], receipt);
        assert_eq!(data(&events, "model.started")["model"], "house/clerk");
    }

    async fn tools_are_listed_for_whom_may_use_them(server: TestServer) {
        server.admin().await.get("/tools/definitions").await.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "approval": "never",
                  "config": {},
                  "content_hash": "sha256:da2e118bfdd772b1d776dcc20367af7176ceceb8f577a67a0633b3473896a665",
                  "created_at": null,
                  "created_by": null,
                  "description": "Tells the current date and time.",
                  "display_name": "current_time",
                  "effect": "read",
                  "execute_code": null,
                  "id": "e0ca2615-c3e8-86a1-844e-fb3d596d3ff8",
                  "input_schema": {
                    "additionalProperties": false,
                    "properties": {
                      "timezone": {
                        "description": "An offset from UTC such as `+02:00`; UTC if left out.",
                        "pattern": "^(UTC|Z|[+-][0-9]{2}:[0-9]{2})$",
                        "type": [
                          "string",
                          "null"
                        ]
                      }
                    },
                    "type": "object"
                  },
                  "is_active": true,
                  "kind": "builtin",
                  "metadata": {},
                  "name": "current_time",
                  "output_schema": null,
                  "problems": [],
                  "retry": {
                    "backoff_ms": 500,
                    "max": 0
                  },
                  "scopes": [],
                  "shadows": null,
                  "source": "code",
                  "timeout_ms": 30000,
                  "updated_at": null,
                  "version": null
                },
                {
                  "approval": "never",
                  "config": {},
                  "content_hash": "sha256:f3968f8c2f149b8ffc409ece4b138ea7d72aa9b5540e1332e5de78dcc202ea73",
                  "created_at": null,
                  "created_by": null,
                  "description": "Pays an order back.",
                  "display_name": "refund",
                  "effect": "effect",
                  "execute_code": null,
                  "id": "734322e7-1bc8-85dc-9804-cc237087d25a",
                  "input_schema": {
                    "additionalProperties": false,
                    "properties": {
                      "amount": {
                        "description": "In cents.",
                        "format": "uint32",
                        "minimum": 0,
                        "type": "integer"
                      },
                      "order": {
                        "description": "The order to be paid back.",
                        "type": "string"
                      }
                    },
                    "required": [
                      "order",
                      "amount"
                    ],
                    "type": "object"
                  },
                  "is_active": true,
                  "kind": "builtin",
                  "metadata": {},
                  "name": "refund",
                  "output_schema": null,
                  "problems": [],
                  "retry": {
                    "backoff_ms": 500,
                    "max": 0
                  },
                  "scopes": [
                    "tool.execute"
                  ],
                  "shadows": null,
                  "source": "code",
                  "timeout_ms": 10000,
                  "updated_at": null,
                  "version": null
                }
              ],
              "next_cursor": null
            }
        "#]]);
        let (clerk, cashier) =
            (server.client("tool.read").await, server.client("tool.execute").await);

        // Who only reads sees what he could use with `tool.execute`, and uses nothing.
        for client in [&clerk, &cashier] {
            assert_eq!(names(client, "/tools").await, ["current_time", "refund"]);
        }
        assert_eq!(clerk.post("/tools/refund/execute", json!({"input": {}})).await.status, 403);
        cashier.get("/tools/REFUND").await.is(expect![[r#"
            200 application/json
            {
              "description": "Pays an order back.",
              "display_name": "refund",
              "id": "734322e7-1bc8-85dc-9804-cc237087d25a",
              "input_schema": {
                "additionalProperties": false,
                "properties": {
                  "amount": {
                    "description": "In cents.",
                    "format": "uint32",
                    "minimum": 0,
                    "type": "integer"
                  },
                  "order": {
                    "description": "The order to be paid back.",
                    "type": "string"
                  }
                },
                "required": [
                  "order",
                  "amount"
                ],
                "type": "object"
              },
              "is_active": true,
              "name": "refund",
              "output_schema": null,
              "scopes": [
                "tool.execute"
              ],
              "source": "code",
              "updated_at": null,
              "version": null
            }
        "#]]);
        assert_eq!(clerk.get("/tools/definitions").await.status, 403);
    }

    async fn tools_are_found_by_name_and_id_and_page_by_page(server: TestServer) {
        let admin = server.admin().await;

        let page = admin.get("/tools?limit=1").await.json();
        assert_eq!(page["data"][0]["name"], "current_time");
        let next = format!("/tools?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
        let rest = admin.get(&next).await.json();

        assert_eq!((&rest["data"][0]["name"], &rest["next_cursor"]), (&json!("refund"), &Value::Null));
        let id = rest["data"][0]["id"].as_str().unwrap();
        assert_eq!(admin.get(&format!("/tools/{id}")).await.json()["name"], "refund");
        let definition = admin.get("/tools/definitions/refund").await.json();
        assert_eq!(admin.get(&format!("/tools/definitions/{id}")).await.json(), definition);
        admin.get("/tools/definitions/refnd").await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "no tool has the name or id `refnd`",
              "status": 404,
              "type": "/problems/tool-not-found"
            }
        "#]]);
    }

    async fn who_may_not_use_a_tool_has_it_not_offered(server: TestServer) {
        let client = server.client("agent.execute").await;

        let body = json!({"input": r#"use tool refund with {"order": "A-7", "amount": 1}"#});
        let run = client.post("/agents/cashier/execute", body).await.json();

        assert_eq!(run["output"]["text"], "I have no tool named `refund`.", "{run:#}");
    }
}

on_both! {
    with endings;

    async fn a_call_without_a_result_says_whether_anything_can_have_happened(server: TestServer) {
        let admin = server.admin().await;
        let mut ends = Vec::new();
        for tool in ["look", "put", "pay"] {
            for how in ["refused", "lost", "panic", "slow", "well"] {
                let input = format!(r#"use tool {tool} with {{"how": "{how}"}}"#);
                let (run, events) = execute(&admin, "teller", &input).await;
                let end = data(&events, "tool.finished");
                let (status, error) = (end["status"].as_str().unwrap(), &end["error"]["message"]);
                let then = run["status"].as_str().unwrap();
                ends.push(format!("{tool} {how}: {status} {error}, {then}"));
            }
        }

        expect![[r#"
            look refused: failed "the far side said no", succeeded
            look lost: failed "the line was cut", succeeded
            look panic: failed "the tool broke down", succeeded
            look slow: failed "the tool did not answer within 30 ms", succeeded
            look well: done null, succeeded
            put refused: failed "the far side said no", succeeded
            put lost: unknown "the line was cut", succeeded
            put panic: unknown "the tool broke down", succeeded
            put slow: unknown "the tool did not answer within 30 ms", succeeded
            put well: done null, succeeded
            pay refused: failed "the far side said no", succeeded
            pay lost: unknown "the line was cut", suspended
            pay panic: unknown "the tool broke down", suspended
            pay slow: unknown "the tool did not answer within 30 ms", suspended
            pay well: done null, succeeded"#]].assert_eq(&ends.join("\n"));
    }

    async fn arguments_that_fit_the_schema_and_not_the_type_are_words_for_the_model(server: TestServer) {
        let input = r#"use tool count with {"count": 5000000000}"#;

        let (_, events) = execute(&server.admin().await, "teller", input).await;

        let error = &data(&events, "tool.finished")["error"];
        expect![[r#"
            {
              "kind": "failed",
              "message": "must be a whole number from 0 to 4294967295 (at `/count`)"
            }"#]].assert_eq(&format!("{error:#}"));
    }
}

on_both! {
    with || release("One.");

    async fn each_content_of_an_agent_in_code_is_one_version(server: TestServer) {
        assert_eq!(count_versions(&server.app).await, 0, "nothing is written at start");
        let admin = server.admin().await;
        let one = admin.get(SUPPORT).await.json();
        server.app.clock.advance(Duration::from_mins(1));

        let (_next, newer) = server.replica_of(release("Two.")).await;
        let two = newer.get(SUPPORT).await.json();
        let (_last, older) = server.replica().await;

        assert_eq!((&one["version"], &two["version"]), (&json!(1), &json!(2)));
        assert_eq!(two["id"], one["id"]);
        assert_eq!(older.get(SUPPORT).await.json(), one);
        assert_eq!(admin.get(SUPPORT).await.json(), one);
        admin.get(&format!("{SUPPORT}/versions")).await.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "content_hash": "sha256:7d5a2637dff0fad88340fd031d3b52cbeff82c120ae4a863ac0fda4eca7b22da",
                  "created_at": "2026-11-25T10:00:00Z",
                  "created_by": null,
                  "note": "defined in code",
                  "problems": [],
                  "version": 2
                },
                {
                  "content_hash": "sha256:d71ca2bc138cb7ae315281090c2f440e97e27f14d575c4723fdeac90d5622fcc",
                  "created_at": "2026-11-25T10:00:00Z",
                  "created_by": null,
                  "note": "defined in code",
                  "problems": [],
                  "version": 1
                }
              ],
              "next_cursor": null
            }
        "#]]);
    }

    async fn a_run_goes_on_with_the_version_that_it_began_with(server: TestServer) {
        let gate = Gate::new();
        server.model.reply(Reply::tokens(["Old", " answer"]).hold("Old", &gate));
        server.model.reply(Reply::text("New answer"));
        let go = json!({"input": "Go", "background": true});
        let begun = server.admin().await.post("/agents/support/execute", go).await;
        let path = begun.header("location").unwrap().to_owned();
        gate.wait_reached().await;
        let (_replica, elsewhere) = server.replica_of(release("Two.")).await;

        // To everybody else the process is gone.
        recover::stop(&server.app.runs).await.unwrap();
        let ended = elsewhere.get(&format!("{path}/wait")).await.json();

        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("succeeded"), &json!(2)));
        assert_eq!(ended["definition"]["version"], 1);
        assert!(server.model.last_request().body.to_string().contains("One."));
        let next = elsewhere.post("/agents/support/execute", json!({"input": "Go"})).await.json();
        assert_eq!(next["definition"]["version"], 2, "{next:#}");
        assert!(server.model.last_request().body.to_string().contains("Two."));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_code_belongs_to_one_tenant() {
    let server = TestServer::start_code(Dialect::Sqlite, &[], refunds::server).await;
    let theirs = crate::access::another_tenant(&server).await;

    assert_eq!(theirs.get("/agents").await.json()["data"], json!([]));
    assert_eq!(theirs.get("/agents/cashier").await.status, 404);
    let held = theirs.get("/tools/definitions").await.json();
    assert_eq!(held["data"].as_array().unwrap().len(), 1, "{held:#}");
}

/// How many versions the history of the agent `support` has.
async fn count_versions(app: &App) -> usize {
    let (tenant, id) = (TenantId::default(), code_id("agent", "support"));
    let found = app.db.read(async |conn| {
        definitions::list_versions(conn, &tenant, "agent", id, i64::MAX, 10).await
    });
    found.await.unwrap().len()
}

/// Has an agent do something; the run and its events.
async fn execute(client: &Client, agent: &str, input: &str) -> (Value, Vec<Value>) {
    let reply = client.post(&format!("/agents/{agent}/execute"), json!({ "input": input })).await;
    let run = reply.json();
    let path = format!("{}/events", reply.header("location").unwrap());
    let events = client.get(&path).await.json()["data"].as_array().unwrap().clone();
    (run, events)
}

/// What the first event of a type says.
fn data(events: &[Value], kind: &str) -> Value {
    events.iter().find(|event| event["type"] == kind).unwrap()["data"].clone()
}

async fn names(client: &Client, path: &str) -> Vec<String> {
    let list = client.get(path).await.json();
    let names = list["data"].as_array().unwrap().iter();
    names.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}
