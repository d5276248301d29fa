//! `/agents` and `/agents/definitions`: what agents are, and who may see and write them.

use std::time::Duration;

use agent_server::db::Dialect;
use agent_server::db::TenantId;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::in_sql;

const DEFINITIONS: &str = "/agents/definitions";
const SUPPORT: &str = "/agents/definitions/support";

/// The agent of the original server's README, but for its tools.
fn original() -> Value {
    json!({
        "name": "dynamic-agent",
        "display_name": "Dynamic Agent",
        "instructions": "You are a dynamic agent",
        "model": "gpt-5",
        "tools": ["current_time"],
        "scopes": ["agent.execute"],
        "is_active": true
    })
}

fn named(name: &str) -> Value {
    json!({"name": name, "display_name": name, "instructions": "Be brief."})
}

/// `value` with the members of `more`.
fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

async fn create(client: &Client, agent: Value) -> Value {
    let reply = client.post(DEFINITIONS, agent).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

async fn put_if(client: &Client, if_match: &str, body: Value) -> Reply {
    let request = client.request("PUT", SUPPORT).header("if-match", if_match).json(&body);
    client.send(request).await
}

/// What is wrong, one fault a line.
fn faults(value: &Value) -> String {
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    let line = |it: &Value| {
        format!("{} {}: {}", text(it, "pointer"), text(it, "code"), text(it, "detail"))
    };
    value.as_array().unwrap().iter().map(line).collect::<Vec<_>>().join("\n")
}

fn names(page: &Reply) -> Vec<String> {
    let data = page.json()["data"].as_array().unwrap().clone();
    data.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until `is_so`, for which a replica has a second; a busy machine gets more.
async fn soon(mut is_so: impl AsyncFnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        while !is_so().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test]
async fn a_row_that_only_sqlite_holds_hides_no_other() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let admin = server.admin().await;
    create(&admin, named("support")).await;
    in_sql(
        &server,
        "INSERT INTO agent_definitions (name, display_name, instructions)
        VALUES ('nul', 'a' || char(0) || 'b', '')",
    )
    .await;
    in_sql(
        &server,
        "INSERT INTO agent_definitions (name, display_name, instructions, created_at)
        VALUES ('timeless', 'X', '', 'yesterday')",
    )
    .await;

    assert_eq!(names(&admin.get(DEFINITIONS).await), ["nul", "support"]);
    let agent = admin.get("/agents/definitions/nul").await.json();
    assert_eq!(agent["display_name"], "a\u{fffd}b");
    expect!["/display_name nul: text may not hold the character U+0000"]
        .assert_eq(&faults(&agent["problems"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_only_postgres_holds_hides_no_other() {
    let server = TestServer::start(Dialect::Postgres).await;
    let admin = server.admin().await;
    create(&admin, named("support")).await;
    in_sql(
        &server,
        "INSERT INTO agent_definitions (name, display_name, instructions, created_at, updated_at)
        VALUES ('timeless', 'X', '', 'infinity', '-infinity'), ('late', 'X', '', '280000-01-01', now())",
    )
    .await;

    assert_eq!(names(&admin.get(DEFINITIONS).await), ["support"]);
    assert_eq!(admin.get("/ready").await.status, 200);
}

on_both! {
    async fn the_same_idempotency_key_creates_once(server: TestServer) {
        let admin = server.admin().await;
        let create = |name: &str| {
            let request = admin.request("POST", DEFINITIONS).header("idempotency-key", "k");
            admin.send(request.json(&named(name)))
        };

        let many = futures::future::join_all((0..10).map(|_| create("one"))).await;
        let again = create("one").await;
        let other = create("two").await;

        let made = many.iter().filter(|it| it.status == 201 && it.header("idempotency-replayed").is_none());
        assert_eq!(made.count(), 1, "{many:?}");
        assert!(many.iter().all(|it| matches!(it.status, 201 | 409)), "{many:?}");
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
        assert_eq!(again.header("etag"), Some("\"1\""));
        assert_eq!(again.json()["name"], "one");
        assert_eq!(other.json()["type"], "/problems/idempotency-key-reused");
        // A refused request leaves its key free.
        let refused = admin.request("POST", DEFINITIONS).header("idempotency-key", "l");
        assert_eq!(admin.send(refused.json(&named("one"))).await.status, 409);
        let mended = admin.request("POST", DEFINITIONS).header("idempotency-key", "l");
        assert_eq!(admin.send(mended.json(&named("three"))).await.status, 201);
    }

    async fn a_version_that_cannot_be_read_hides_no_agent(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        create(&admin, named("other")).await;
        in_sql(&server, "UPDATE definition_versions SET content = 'no JSON'").await;
        in_sql(&server, "UPDATE agent_definitions SET instructions = 'Help.' WHERE name = 'support'").await;

        assert_eq!(names(&admin.get(DEFINITIONS).await), ["other", "support"]);
        assert_eq!(admin.get(SUPPORT).await.json()["version"], 2);
        let change = json!({"instructions": "Help more."});
        assert_eq!(admin.put(SUPPORT, change).await.json()["version"], 3);
    }

    async fn a_version_that_cannot_be_read_is_listed_with_its_problems(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        for instructions in ["Two.", "Three."] {
            admin.put(SUPPORT, json!({"instructions": instructions})).await;
        }
        in_sql(&server, "UPDATE definition_versions SET created_at = 'infinity' WHERE version = 1").await;
        in_sql(&server, "UPDATE definition_versions SET content = 'no JSON' WHERE version = 2").await;

        let list = admin.get(&format!("{SUPPORT}/versions")).await.json();

        let versions = list["data"].as_array().unwrap().iter();
        let lines = versions.map(|it| format!("{} {} {}", it["version"], it["created_at"], faults(&it["problems"])).trim_end().to_owned());
        expect![[r#"
            3 "2026-11-25T10:00:00Z"
            2 "2026-11-25T10:00:00Z" /content not_json: it is no JSON object
            1 null /created_at unreadable: it is no time that we know"#]].assert_eq(&lines.collect::<Vec<_>>().join("\n"));
        admin.get(&format!("{SUPPORT}?version=2")).await.is(expect![[r#"
            422 application/problem+json
            {
              "detail": "version 2 of the agent cannot be read",
              "errors": [
                {
                  "code": "not_json",
                  "detail": "it is no JSON object",
                  "pointer": "/content"
                }
              ],
              "status": 422,
              "type": "/problems/agent-invalid"
            }
        "#]]);
        assert_eq!(admin.get(&format!("{SUPPORT}?version=1")).await.status, 422);
        assert_eq!(admin.post(&format!("{SUPPORT}/versions/2/restore"), json!({})).await.status, 422);
        let pinned = json!({"input": "Go", "version": 2});
        assert_eq!(admin.post("/agents/support/execute", pinned).await.status, 422);
        assert_eq!(admin.post(&format!("{SUPPORT}/versions/3/restore"), json!({})).await.status, 200);
    }

    async fn rows_written_in_sql_and_by_the_api_at_once_all_count(server: TestServer) {
        let (_other, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        let many: Vec<_> = (0..20).map(|n| format!("('sql{n}', 'X', '')")).collect();
        for n in 0..4 {
            create(&admin, named(&format!("api{n}"))).await;
        }
        in_sql(&server, &format!("INSERT INTO agent_definitions (name, display_name, instructions) VALUES {}", many.join(", "))).await;

        let change = |n: usize| {
            let admin = &admin;
            async move {
                let path = format!("{DEFINITIONS}/sql{}", 19 - n);
                admin.put(&path, json!({"instructions": "x"})).await.status
            }
        };
        let (one, two, three, four, here, there) = tokio::join!(
            change(0), change(5), change(10), change(15), admin.get(DEFINITIONS), elsewhere.get(DEFINITIONS));

        assert_eq!([one, two, three, four, here.status, there.status], [200; 6]);
    }

    async fn a_version_that_is_no_number_is_refused(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;

        let reply = admin.post("/agents/definitions/support/versions/abc/restore", json!({})).await;

        assert_eq!(reply.status, 422, "{}", reply.text);
    }

    async fn a_new_agent_is_answered_whole(server: TestServer) {
        let admin = server.admin().await;

        let reply = admin.post(DEFINITIONS, original()).await;

        assert_eq!(reply.header("etag"), Some("\"1\""));
        let read = admin.get(reply.header("location").unwrap()).await;
        assert_eq!((read.status, read.header("etag"), read.json()), (200, Some("\"1\""), reply.json()));
        reply.is(expect![[r#"
            201 application/json
            {
              "agents": [],
              "content_hash": "sha256:655504a3e66d4d86ab0b622057c54332ff60c0efe60ae3a64271412f43348f5e",
              "context_schema": null,
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "description": "",
              "display_name": "Dynamic Agent",
              "id": "01900000-0000-7000-8000-000000000003",
              "instructions": "You are a dynamic agent",
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
              "model": "gpt-5",
              "model_options": {
                "max_output_tokens": null,
                "parallel_tool_calls": true,
                "provider": {},
                "reasoning_effort": null,
                "temperature": null,
                "tool_choice": "auto",
                "top_p": null
              },
              "name": "dynamic-agent",
              "output_schema": null,
              "problems": [],
              "rag_databases": [],
              "scopes": [
                "agent.execute"
              ],
              "shadows": null,
              "source": "database",
              "tools": [
                "current_time"
              ],
              "updated_at": "2026-11-25T10:00:00Z",
              "version": 1,
              "workflows": []
            }
        "#]]);
    }

    async fn everything_wrong_with_a_definition_is_said_at_once(server: TestServer) {
        let admin = server.admin().await;
        let wrong = with(named("support"), json!({
            "display_nmae": "Support", "tools": ["tool1"], "agents": ["nobody"], "workflows": ["w"],
            "rag_databases": ["d"], "model": ["nobody/gemini", "openai/fake"], "limits": {"max_steps": 0},
            "scopes": ["Agent"], "version": 3,
        }));

        let reply = admin.post(DEFINITIONS, wrong).await;

        assert_eq!((reply.status, &reply.json()["type"]), (422, &json!("/problems/invalid-request")));
        expect![[r#"
            /agents/0 unknown_agent: no agent is named `nobody`
            /display_nmae unknown_member: there is no such member; did you mean `display_name`?
            /limits/max_steps out_of_range: must be at least 1
            /model/0 unknown_model: there is no provider `nobody`; there are `anthropic`, `demo`, `google`, `ollama`, `openai`, `openai-responses`
            /rag_databases/0 unknown_rag_database: no rag database is named `d`
            /scopes/0 bad_scope: a scope is two or more words of a-z, 0-9, _ and - with dots between; the last one may be *
            /tools/0 unknown_tool: no tool is named `tool1`
            /version read_only: cannot be set; leave it out, or send it as it is
            /workflows/0 unknown_workflow: no workflow is named `w`"#]].assert_eq(&faults(&reply.json()["errors"]));
        assert_eq!(admin.get(SUPPORT).await.status, 404);
    }

    async fn text_that_no_database_holds_is_refused(server: TestServer) {
        let admin = server.admin().await;
        for (text, code) in [(r"a\u0000b", "nul"), (r"a\ud83d", "lone_surrogate")] {
            let body = format!(r#"{{"name": "support", "display_name": "{text}", "instructions": ""}}"#);
            let request = admin.request("POST", DEFINITIONS).header("content-type", "application/json");
            let reply = admin.send(request.body(body)).await;

            assert_eq!((reply.status, &reply.json()["errors"][0]["code"]), (400, &json!(code)));
        }
        assert!(names(&admin.get(DEFINITIONS).await).is_empty());
    }

    async fn a_name_is_taken_whatever_its_case(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        create(&admin, named("other")).await;

        admin.post(DEFINITIONS, named("Support")).await.is(expect![[r#"
            409 application/problem+json
            {
              "detail": "an agent named `Support` already exists",
              "status": 409,
              "type": "/problems/agent-name-taken"
            }
        "#]]);
        assert_eq!(admin.put("/agents/definitions/other", json!({"name": "SUPPORT"})).await.status, 409);
    }

    async fn an_agent_has_an_id_and_a_name_in_paths(server: TestServer) {
        let admin = server.admin().await;
        let agent = create(&admin, named("support")).await;

        for key in [agent["id"].as_str().unwrap(), "support", "SUPPORT"] {
            assert_eq!(admin.get(&format!("{DEFINITIONS}/{key}")).await.json(), agent);
        }
        admin.get("/agents/definitions/nobody").await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "no agent has the name or id `nobody`",
              "status": 404,
              "type": "/problems/agent-not-found"
            }
        "#]]);
    }

    async fn a_put_changes_what_it_is_given(server: TestServer) {
        let admin = server.admin().await;
        let agent = create(&admin, with(named("support"), json!({"description": "Old", "model": "openai/fake"}))).await;

        let reply = admin.put(SUPPORT, json!({"instructions": "Help.", "description": null})).await;

        assert_eq!((reply.status, reply.header("etag")), (200, Some("\"2\"")));
        let expected = json!({"instructions": "Help.", "description": "", "version": 2,
            "content_hash": reply.json()["content_hash"]});
        assert_eq!(reply.json(), with(agent, expected));
    }

    async fn the_same_content_makes_no_new_version(server: TestServer) {
        let admin = server.admin().await;
        let agent = create(&admin, with(named("support"), json!({"tools": ["current_time"]}))).await;

        let same = json!({"tools": [{"name": "current_time", "approval": "never"}], "model": null});
        assert_eq!(admin.put(SUPPORT, same).await.json(), agent);
        assert_eq!(admin.put(SUPPORT, json!({})).await.json(), agent);
        assert_eq!(admin.put(SUPPORT, agent.clone()).await.json(), agent);
    }

    async fn what_nobody_sets_may_come_back_only_as_it_is(server: TestServer) {
        let admin = server.admin().await;
        let agent = create(&admin, named("support")).await;

        let same = with(agent.clone(), json!({"instructions": "Help."}));
        assert_eq!(admin.put(SUPPORT, same).await.status, 200);
        let other = json!({"version": 1, "id": "x", "source": "code", "nmae": "y"});
        let reply = admin.put(SUPPORT, other).await;

        expect![[r#"
            /id read_only: cannot be set; leave it out, or send it as it is
            /nmae unknown_member: there is no such member; did you mean `name`?
            /source read_only: cannot be set; leave it out, or send it as it is
            /version read_only: cannot be set; leave it out, or send it as it is"#]].assert_eq(&faults(&reply.json()["errors"]));
    }

    async fn a_change_can_be_made_to_depend_on_the_version(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        let change = |text: &str| json!({"instructions": text});

        assert_eq!(put_if(&admin, "\"1\"", change("two")).await.status, 200);
        put_if(&admin, "\"1\"", change("lost")).await.is(expect![[r#"
            412 application/problem+json
            {
              "detail": "the agent is at version 2 now",
              "status": 412,
              "type": "/problems/version-changed",
              "version": 2
            }
        "#]]);
        assert_eq!(put_if(&admin, "\"1\", W/\"2\"", change("three")).await.status, 200);
        assert_eq!(put_if(&admin, "*", change("four")).await.status, 200);
        assert_eq!(put_if(&admin, "4", change("five")).await.status, 400);
        let request = admin.request("DELETE", SUPPORT).header("if-match", "\"1\"");
        assert_eq!(admin.send(request).await.status, 412);
        let request = admin.request("POST", &format!("{SUPPORT}/deactivate")).header("if-match", "\"1\"");
        assert_eq!(admin.send(request).await.status, 412);

        let agent = admin.get(SUPPORT).await.json();
        assert_eq!((&agent["instructions"], &agent["version"]), (&json!("four"), &json!(4)));
    }

    async fn of_two_changes_to_one_version_one_is_made(server: TestServer) {
        let (_other, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        create(&admin, named("support")).await;

        let (here, there) = tokio::join!(
            put_if(&admin, "\"1\"", json!({"instructions": "here"})),
            put_if(&elsewhere, "\"1\"", json!({"instructions": "there"})),
        );

        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        assert_eq!(admin.get(SUPPORT).await.json()["version"], 2);
    }

    async fn of_two_new_agents_of_one_name_one_is_made(server: TestServer) {
        let (_other, elsewhere) = server.replica().await;
        let admin = server.admin().await;

        let (here, there) = tokio::join!(
            admin.post(DEFINITIONS, named("support")),
            elsewhere.post(DEFINITIONS, named("Support")),
        );

        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }

    async fn every_content_is_in_the_history_and_can_be_restored(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        admin.put(SUPPORT, json!({"instructions": "Help."})).await;

        let restored = admin.post(&format!("{SUPPORT}/versions/1/restore"), json!({})).await;

        let text = |reply: Reply| reply.json()["instructions"].clone();
        assert_eq!((restored.status, restored.header("etag")), (200, Some("\"3\"")));
        assert_eq!(text(restored), "Be brief.");
        assert_eq!(text(admin.get(&format!("{SUPPORT}?version=2")).await), "Help.");
        admin.get(&format!("{SUPPORT}/versions")).await.is(expect![[r#"
            200 application/json
            {
              "data": [
                {
                  "content_hash": "sha256:ad351077fbe1e5b2885a788633a57cbe72e456abc518e0b18272516a3f4f8c0d",
                  "created_at": "2026-11-25T10:00:00Z",
                  "created_by": "client:admin",
                  "note": "restored from version 1",
                  "problems": [],
                  "version": 3
                },
                {
                  "content_hash": "sha256:d9091c0106e20e2b32e0cf5983d776c458e3a44cf8fd9938343c7ababddbc857",
                  "created_at": "2026-11-25T10:00:00Z",
                  "created_by": "client:admin",
                  "note": null,
                  "problems": [],
                  "version": 2
                },
                {
                  "content_hash": "sha256:ad351077fbe1e5b2885a788633a57cbe72e456abc518e0b18272516a3f4f8c0d",
                  "created_at": "2026-11-25T10:00:00Z",
                  "created_by": "client:admin",
                  "note": null,
                  "problems": [],
                  "version": 1
                }
              ],
              "next_cursor": null
            }
        "#]]);
        let page = admin.get(&format!("{SUPPORT}/versions?limit=2")).await.json();
        let rest = format!("{SUPPORT}/versions?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
        assert_eq!(admin.get(&rest).await.json()["data"][0]["version"], 1);
    }

    async fn a_version_that_there_is_not_is_not_found(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;

        admin.get(&format!("{SUPPORT}?version=2")).await.is(expect![[r#"
            404 application/problem+json
            {
              "detail": "the agent has no version 2",
              "status": 404,
              "type": "/problems/agent-version-not-found"
            }
        "#]]);
        assert_eq!(admin.post(&format!("{SUPPORT}/versions/7/restore"), json!({})).await.status, 404);
        assert_eq!(admin.get(&format!("{SUPPORT}?version=two")).await.status, 422);
    }

    async fn switching_makes_no_version(server: TestServer) {
        let admin = server.admin().await;
        let agent = create(&admin, named("support")).await;
        let reader = server.client("agent.read").await;

        let off = admin.post(&format!("{SUPPORT}/deactivate"), json!({})).await;

        assert_eq!(off.json(), with(agent.clone(), json!({"is_active": false})));
        assert!(names(&reader.get("/agents").await).is_empty());
        assert_eq!(reader.get("/agents/support").await.status, 404);
        assert_eq!(names(&admin.get("/agents").await), ["support"]);
        assert_eq!(admin.post(&format!("{SUPPORT}/activate"), json!({})).await.json(), agent);
    }

    async fn an_agent_that_others_name_is_not_deleted_by_accident(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        create(&admin, with(named("desk"), json!({"agents": ["Support"]}))).await;

        assert_eq!(admin.put(SUPPORT, json!({"name": "other"})).await.json()["type"], "/problems/agent-in-use");
        assert_eq!(admin.put(SUPPORT, json!({"name": "Support"})).await.status, 200);
        admin.delete(SUPPORT).await.is(expect![[r#"
            409 application/problem+json
            {
              "dependents": [
                {
                  "kind": "agent",
                  "name": "desk"
                }
              ],
              "detail": "others name it: the agent `desk`",
              "status": 409,
              "type": "/problems/agent-in-use"
            }
        "#]]);
        assert_eq!(admin.delete(&format!("{SUPPORT}?force=true")).await.status, 204);
        assert_eq!(admin.delete(SUPPORT).await.status, 404);

        let desk = admin.get("/agents/definitions/desk").await.json();
        expect!["/agents/0 unknown_agent: no agent is named `Support`"].assert_eq(&faults(&desk["problems"]));
    }

    async fn callers_see_the_agents_that_they_may_execute(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, with(named("everybody"), json!({"scopes": ["agent.execute"]}))).await;
        create(&admin, with(named("weather"), json!({"scopes": ["agent.execute", "weather.read"]}))).await;
        let plain = server.client("agent.execute").await;
        let special = server.client("agent.execute weather.read").await;

        assert_eq!(names(&plain.get("/agents").await), ["everybody"]);
        assert_eq!(plain.get("/agents/weather").await.status, 404);
        assert_eq!(names(&special.get("/agents").await), ["weather", "everybody"]);
        special.get("/agents/weather").await.is(expect![[r#"
            200 application/json
            {
              "description": "",
              "display_name": "weather",
              "id": "01900000-0000-7000-8000-000000000004",
              "input_schema": {
                "type": [
                  "string",
                  "array"
                ]
              },
              "is_active": true,
              "name": "weather",
              "output_schema": null,
              "scopes": [
                "agent.execute",
                "weather.read"
              ],
              "source": "database",
              "updated_at": "2026-11-25T10:00:00Z",
              "version": 1
            }
        "#]]);
        // Who only reads sees what he could execute with `agent.execute`, and executes nothing.
        let reader = server.client("agent.read").await;
        assert_eq!(names(&reader.get("/agents").await), ["everybody"]);
        assert_eq!(reader.get("/agents/weather").await.status, 404);
        assert_eq!(reader.post("/agents/everybody/execute", json!({"input": "Hi"})).await.status, 403);
        assert_eq!(plain.get(DEFINITIONS).await.status, 403);
        assert_eq!(plain.post(DEFINITIONS, named("mine")).await.status, 403);
        assert_eq!(plain.without_token().get("/agents").await.status, 401);
    }

    async fn lists_come_in_pages_with_the_newest_first(server: TestServer) {
        let admin = server.admin().await;
        for name in ["one", "two", "three"] {
            create(&admin, named(name)).await;
        }

        for path in ["/agents", DEFINITIONS] {
            let page = admin.get(&format!("{path}?limit=2")).await;
            assert_eq!(names(&page), ["three", "two"]);
            let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
            let rest = admin.get(&format!("{path}?limit=2&cursor={cursor}")).await;
            assert_eq!((names(&rest), &rest.json()["next_cursor"]), (vec!["one".into()], &Value::Null));
        }
    }

    async fn an_author_names_only_what_he_may_use(server: TestServer) {
        create(&server.admin().await, with(named("weather"), json!({"scopes": ["weather.read"]}))).await;
        let author = server.client("agent.write").await;

        let reply = author.post(DEFINITIONS, with(named("mine"), json!({"agents": ["weather"]}))).await;

        assert_eq!(reply.status, 422);
        expect!["/agents/0 missing_scope: its use needs the scope `weather.read`, which you do not hold"].assert_eq(&faults(&reply.json()["errors"]));
    }

    async fn an_author_changes_only_agents_that_he_may_use(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, with(named("support"), json!({"scopes": ["agent.execute"]}))).await;
        create(&admin, with(named("weather"), json!({"scopes": ["weather.read"]}))).await;
        let author = server.client("agent.*").await;
        let of_weather = server.client("agent.write weather.read").await;
        let path = format!("{DEFINITIONS}/weather");

        author.put(&path, json!({"scopes": []})).await.is(expect![[r#"
            403 application/problem+json
            {
              "detail": "this needs the scope `weather.read`",
              "required_scope": "weather.read",
              "status": 403,
              "type": "/problems/insufficient-scope"
            }
        "#]]);
        for reply in [
            author.post(&format!("{path}/versions/1/restore"), json!({})).await,
            author.post(&format!("{path}/deactivate"), json!({})).await,
            author.delete(&path).await,
        ] {
            assert_eq!(reply.status, 403, "{}", reply.text);
        }
        assert_eq!(author.put(SUPPORT, json!({"description": "x"})).await.status, 200);
        assert_eq!(of_weather.put(&path, json!({"description": "x"})).await.status, 200);
        assert_eq!(admin.delete(&path).await.status, 204);
    }

    async fn of_two_renames_to_one_name_one_is_made(server: TestServer) {
        let (_other, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        create(&admin, named("one")).await;
        create(&admin, named("two")).await;

        let rename = json!({"name": "support"});
        let (here, there) = tokio::join!(
            admin.put("/agents/definitions/one", rename.clone()),
            elsewhere.put("/agents/definitions/two", rename.clone()),
        );

        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }

    async fn a_query_with_unknown_parameters_is_refused(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, named("support")).await;
        let versions = format!("{SUPPORT}/versions");
        for path in ["/agents", DEFINITIONS, versions.as_str(), "/oauth/clients"] {
            let reply = admin.get(&format!("{path}?limit=1&nmae=x")).await;
            assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (422, &json!("?nmae")), "{path}");
            assert_eq!(admin.get(&format!("{path}?limit=1")).await.status, 200, "{path}");
        }
    }

    async fn what_is_written_in_sql_counts_at_once_and_everywhere(server: TestServer) {
        let admin = server.admin().await;
        let (_other, elsewhere) = server.replica().await;
        let mut statements = include_str!("../../../../docs/DEFINITIONS_IN_SQL.md").split("```sql\n").skip(1)
            .map(|text| text.split("```").next().unwrap());
        let mut next = async || in_sql(&server, statements.next().unwrap()).await;

        next().await;
        let greeter = admin.get("/agents/definitions/greeter").await.json();
        assert_eq!((&greeter["version"], &greeter["problems"]), (&json!(1), &json!([])));
        assert_eq!(elsewhere.get("/agents/definitions/greeter").await.json(), greeter);

        next().await;
        let made = admin.get("/agents/definitions/concierge").await.json();
        expect!["sha256:c27f0501624b0cf58882711272a2f60209ba4a1609caca4b9e734488abb1832f"].assert_eq(made["content_hash"].as_str().unwrap());

        next().await;
        let changed = elsewhere.get("/agents/definitions/concierge").await.json();
        assert_eq!((&changed["version"], &changed["limits"]["max_steps"]), (&json!(2), &json!(5)));
        let versions = admin.get("/agents/definitions/concierge/versions").await.json();
        assert_eq!(versions["data"][0]["note"], "written in SQL");
        assert_eq!(versions["data"][1]["content_hash"], made["content_hash"]);

        next().await;
        assert_eq!(admin.get("/agents/definitions/greeter").await.json()["is_active"], false);

        next().await;
        let broken = admin.get("/agents/definitions/broken").await.json();
        expect!["/tools/0 unknown_tool: no tool is named `tool1`"].assert_eq(&faults(&broken["problems"]));

        next().await;
        let tool = admin.get("/tools/definitions/opening_hours").await.json();
        assert_eq!((&tool["version"], &tool["problems"]), (&json!(1), &json!([])));
        next().await;
        let added = admin.post("/tools/add/execute", json!({"input": {"a": 1, "b": 2}})).await.json();
        assert_eq!(added["output"], json!({"sum": 3}), "{added:#}");
        next().await;
        let changed = admin.get("/agents/definitions/concierge").await.json();
        assert_eq!((&changed["version"], &changed["problems"][0]["pointer"]), (&json!(3), &Value::Null));

        next().await;
        assert_eq!(admin.get("/agents/definitions/greeter").await.status, 404);
        next().await;
        assert!(statements.next().is_none());
    }

    async fn a_row_that_cannot_be_used_is_listed_and_can_be_mended(server: TestServer) {
        let admin = server.admin().await;
        in_sql(&server, r#"INSERT INTO agent_definitions (name, display_name, instructions, model, tools, limits, context_schema, metadata)
            VALUES ('support', '', 'Hi {{ nmae }}', '["nobody/x"]', '{"a": 1, "a": 2}', '{"max_steps": 0}', '{}', '{"a": "\ud83d"}')"#).await;
        in_sql(&server, "INSERT INTO agent_definitions (name, display_name, instructions) VALUES ('not a name', 'X', '')").await;

        let agent = admin.get(SUPPORT).await.json();

        expect![[r#"
            /display_name too_short: must not be empty
            /instructions unknown_variable: the template speaks of `nmae`, which nothing gives a value
            /limits/max_steps out_of_range: must be at least 1
            /metadata/a lone_surrogate: an escape is half of a surrogate pair
            /model unknown_model: there is no provider `nobody`; there are `anthropic`, `demo`, `google`, `ollama`, `openai`, `openai-responses`
            /tools/a duplicate_member: this member comes twice"#]].assert_eq(&faults(&agent["problems"]));
        assert_eq!(names(&admin.get(DEFINITIONS).await).len(), 2);
        let half = admin.put(SUPPORT, json!({"tools": [], "model": null, "limits": {}, "metadata": null})).await;
        expect![[r#"
            /display_name too_short: must not be empty
            /instructions unknown_variable: the template speaks of `nmae`, which nothing gives a value"#]].assert_eq(&faults(&half.json()["errors"]));
        let whole = json!({"tools": [], "model": null, "limits": {}, "metadata": {}, "display_name": "Support", "context_schema": null});
        let mended = admin.put(SUPPORT, whole).await.json();
        assert_eq!((&mended["problems"], &mended["version"]), (&json!([]), &json!(2)));
    }

    async fn a_row_that_comes_with_a_version_of_its_own_gets_a_true_one(server: TestServer) {
        let admin = server.admin().await;
        in_sql(&server, "INSERT INTO agent_definitions (name, display_name, instructions, version, content_hash)
            VALUES ('support', 'S', '', 7, 'sha256:x')").await;

        let agent = admin.get(SUPPORT).await.json();

        let versions = admin.get(&format!("{SUPPORT}/versions")).await.json();
        assert_eq!(versions["data"][0]["version"], agent["version"]);
        assert_eq!(versions["data"][0]["content_hash"], agent["content_hash"]);
    }

    async fn what_one_process_writes_the_others_soon_see(server: TestServer) {
        let admin = server.admin().await;
        let (other, _) = server.replica().await;
        let tenant = TenantId::default();
        let find = async || other.agents.find(&tenant, "support").await.unwrap();
        create(&admin, named("support")).await;

        assert_eq!(find().await.unwrap().version, 1);
        admin.put(SUPPORT, json!({"instructions": "Help."})).await;
        soon(async || find().await.unwrap().version == 2).await;
        admin.delete(SUPPORT).await;
        soon(async || find().await.is_none()).await;
    }

    async fn replicas_that_see_a_new_row_together_make_one_version(server: TestServer) {
        let (_other, elsewhere) = server.replica().await;
        let admin = server.admin().await;
        for name in ["a", "b", "c"] {
            in_sql(&server, &format!("INSERT INTO agent_definitions (name, display_name, instructions) VALUES ('{name}', 'X', '')")).await;
        }

        let (here, there) = tokio::join!(admin.get(DEFINITIONS), elsewhere.get(DEFINITIONS));

        assert_eq!(here.json()["data"], there.json()["data"]);
        for name in ["a", "b", "c"] {
            let versions = admin.get(&format!("{DEFINITIONS}/{name}/versions")).await.json();
            assert_eq!(versions["data"].as_array().unwrap().len(), 1);
        }
    }
}
