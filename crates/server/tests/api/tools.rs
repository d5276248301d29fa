//! `/tools` and `/tools/definitions`: tools that are data, and what a model gets of them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply as Answer;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::harness::in_sql;

const DEFINITIONS: &str = "/tools/definitions";
const GREETING: &str = "/tools/definitions/greeting";

fn greeting() -> Value {
    json!({
        "name": "greeting", "description": "Greets somebody.", "kind": "template",
        "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "config": {"template": "Hello {{ input.name }}!"},
    })
}

fn fixed(name: &str, result: Value) -> Value {
    json!({
        "name": name, "description": "Always the same.", "kind": "static",
        "input_schema": {"type": "object"}, "config": {"result": result},
    })
}

/// `value` with the members of `more`.
fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

async fn create(client: &Client, tool: Value) -> Value {
    let reply = client.post(DEFINITIONS, tool).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

/// An agent that speaks with the fake model.
async fn agent(client: &Client, tools: Value) -> Value {
    let agent = json!({
        "name": "support", "display_name": "Support", "instructions": "Be brief.", "model": "openai/fake",
        "tools": tools,
    });
    let reply = client.post("/agents/definitions", agent).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

/// What the model was told of the call that it made last.
fn told(server: &TestServer) -> String {
    let messages = server.model.last_request().body["messages"].clone();
    messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

/// Has the model of `support` call `tool`, and gives what it is told, and the run.
async fn call(server: &TestServer, tool: &str, arguments: Value) -> (String, Value) {
    server.model.reply(Answer::text("").call(tool, arguments));
    server.model.reply(Answer::text("Done."));
    let reply = server.admin().await.post("/agents/support/execute", json!({"input": "Go!"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    (told(server), reply.json())
}

async fn events(client: &Client, run: &Value, name: &str) -> Vec<Value> {
    let path = format!("/runs/{}/events?limit=200", run["id"].as_str().unwrap());
    let page = client.get(&path).await.json();
    let data = page["data"].as_array().unwrap().iter();
    data.filter(|it| it["type"] == name).map(|it| it["data"].clone()).collect()
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

on_both! {
    async fn a_new_tool_is_answered_whole(server: TestServer) {
        let admin = server.admin().await;

        admin.post(DEFINITIONS, greeting()).await.is(expect![[r#"
            201 application/json
            {
              "approval": "never",
              "config": {
                "template": "Hello {{ input.name }}!"
              },
              "content_hash": "sha256:f7023d1f5bd7aa07b6093a8861005e876874dbd09989b27c4fe5e5d4f18d9f8c",
              "created_at": "2026-11-25T10:00:00Z",
              "created_by": "client:admin",
              "description": "Greets somebody.",
              "display_name": "greeting",
              "effect": "read",
              "execute_code": null,
              "id": "01900000-0000-7000-8000-000000000003",
              "input_schema": {
                "properties": {
                  "name": {
                    "type": "string"
                  }
                },
                "required": [
                  "name"
                ],
                "type": "object"
              },
              "is_active": true,
              "kind": "template",
              "metadata": {},
              "name": "greeting",
              "output_schema": null,
              "problems": [],
              "retry": {
                "backoff_ms": 500,
                "max": 0
              },
              "scopes": [],
              "shadows": null,
              "source": "database",
              "timeout_ms": 30000,
              "updated_at": "2026-11-25T10:00:00Z",
              "version": 1
            }
        "#]]);
        assert_eq!(names(&admin.get("/tools").await), ["current_time", "greeting"]);
        let tool = admin.get(GREETING).await;
        assert_eq!(tool.headers["etag"], "\"1\"");
        assert_eq!(admin.get(&format!("{DEFINITIONS}/{}", tool.json()["id"].as_str().unwrap())).await.json(), tool.json());
    }

    async fn everything_wrong_with_a_tool_is_said_at_once(server: TestServer) {
        let reply = server.admin().await.post(DEFINITIONS, json!({
            "name": "my tool", "description": "", "kind": "static", "config": {"reslt": 1}, "nmae": 1,
            "input_schema": {"type": "objekt"}, "output_schema": {"$ref": "https://example.com/schema"},
            "execute_code": "return 1", "effect": "effect", "retry": {"max": 1}, "timeout_ms": 0,
            "approval": {"when": {"op": "is"}}, "scopes": ["tool.run"], "metadata": 5,
        })).await;

        assert_eq!(reply.status, 422);
        expect![[r#"
            /approval/when/op bad_predicate: must be one of eq, ne, lt, lte, gt, gte, in, contains, exists, truthy, and, or, not
            /config/reslt unknown_member: there is no such member; did you mean `result`?
            /config/result missing_member: is required
            /description too_short: must not be empty
            /execute_code conflict: only a tool of kind `javascript` has it
            /input_schema/type bad_schema: this is not a JSON Schema: must be one of `array`, `boolean`, `integer`, `null`, `number`, `object` or `string`, or a list; did you mean `object`?
            /metadata wrong_type: must be an object or null, not a number
            /name bad_format: a name is a letter, then letters, digits, `_` and `-`
            /nmae unknown_member: there is no such member; did you mean `name`?
            /output_schema bad_schema: a `$ref` of this schema leads to nothing inside it
            /retry/max out_of_range: must be 0: a call that has effects is never made again
            /scopes/0 bad_scope: tool has no such action; it has read, write, execute
            /timeout_ms out_of_range: must be at least 1"#]].assert_eq(&faults(&reply.json()["errors"]));
    }

    async fn a_tool_says_what_it_does_in_the_words_of_its_kind(server: TestServer) {
        let admin = server.admin().await;
        let mut wrong = Vec::new();
        for more in [
            json!({"kind": null, "config": null}),
            json!({"kind": "javascript", "config": null}),
            json!({"kind": "builtin", "config": null}),
            json!({"kind": "mcp", "config": null}),
            json!({"kind": "agent", "config": {"agent": "nobody"}}),
            json!({"kind": "agent", "config": {}}),
            json!({"config": {"template": "{{ input.nmae }}"}}),
            json!({"config": {"template": "{{ output }}"}}),
            json!({"config": {"template": "{{ input.name"}}),
            json!({"input_schema": {"type": "string"}}),
            json!({"input_schema": {"type": "object", "description": "x".repeat(70_000)}}),
            json!({"name": "definitions"}),
        ] {
            let reply = admin.post(DEFINITIONS, with(greeting(), more)).await;
            assert_eq!(reply.status, 422, "{}", reply.text);
            wrong.push(faults(&reply.json()["errors"]));
        }

        expect![[r#"
            /kind missing_member: is required
            /execute_code missing_member: a tool of kind `javascript` has it
            /kind not_one_of: only the program has such tools
            /kind not_one_of: such tools come with the server that they are of
            /config/agent unknown_agent: no agent is named `nobody`
            /config/agent missing_member: is required
            /config/template unknown_variable: the template speaks of `input.nmae`, which nothing gives a value
            /config/template unknown_variable: the template speaks of `output`, which nothing gives a value
            /config/template bad_template: this is not a template: syntax error: unexpected end of input, expected end of variable block (line 1)
            /config/template unknown_variable: the template speaks of `input.name`, which nothing gives a value
            /input_schema/type bad_schema: arguments are an object: `type` must be `object`
            /config/template unknown_variable: the template speaks of `input.name`, which nothing gives a value
            /input_schema too_long: must have at most 65,536 bytes as JSON
            /name reserved: this word stands for something else in a path"#]].assert_eq(&wrong.join("\n"));
        assert_eq!(names(&admin.get(DEFINITIONS).await), ["current_time"]);
    }

    async fn tools_have_versions_that_are_guarded_and_restored(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, greeting()).await;
        let put = async |if_match: &str, body: Value| {
            admin.send(admin.request("PUT", GREETING).header("if-match", if_match).json(&body)).await
        };

        assert_eq!(put("\"1\"", json!({"description": "Greets."})).await.json()["version"], 2);
        assert_eq!(put("\"2\"", json!({"description": "Greets."})).await.json()["version"], 2);
        let late = put("\"1\"", json!({"description": "Greets nobody."})).await;
        assert_eq!((late.status, late.json()["type"].clone()), (412, json!("/problems/version-changed")));
        assert_eq!(admin.post(&format!("{GREETING}/deactivate"), json!({})).await.json()["is_active"], false);
        let restored = admin.post(&format!("{GREETING}/versions/1/restore"), json!({})).await.json();

        assert_eq!((&restored["version"], &restored["description"]), (&json!(3), &json!("Greets somebody.")));
        assert_eq!(restored["is_active"], false);
        let versions = admin.get(&format!("{GREETING}/versions")).await.json();
        let notes: Vec<_> = versions["data"].as_array().unwrap().iter().map(|it| it["note"].clone()).collect();
        assert_eq!(notes, [json!("restored from version 1"), Value::Null, Value::Null]);
        assert_eq!(admin.get(&format!("{GREETING}?version=2")).await.json()["description"], "Greets.");
        assert_eq!(admin.get(&format!("{GREETING}?version=9")).await.json()["type"], "/problems/tool-version-not-found");
    }

    async fn a_tool_that_agents_name_is_not_deleted_by_accident(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, greeting()).await;
        agent(&admin, json!([{"name": "Greeting", "approval": "always"}])).await;

        assert_eq!(admin.put(GREETING, json!({"name": "other"})).await.json()["type"], "/problems/tool-in-use");
        admin.delete(GREETING).await.is(expect![[r#"
            409 application/problem+json
            {
              "dependents": [
                {
                  "kind": "agent",
                  "name": "support"
                }
              ],
              "detail": "others name it: the agent `support`",
              "status": 409,
              "type": "/problems/tool-in-use"
            }
        "#]]);
        assert_eq!(admin.delete(&format!("{GREETING}?force=true")).await.status, 204);
        assert_eq!(admin.delete(GREETING).await.json()["type"], "/problems/tool-not-found");

        let agent = admin.get("/agents/definitions/support").await.json();
        expect!["/tools/0 unknown_tool: no tool is named `Greeting`"].assert_eq(&faults(&agent["problems"]));
        create(&admin, greeting()).await;
        assert_eq!(admin.get("/agents/definitions/support").await.json()["problems"], json!([]));
    }

    async fn a_row_goes_before_a_tool_of_the_program(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, json!(["current_time"])).await;

        let made = create(&admin, fixed("Current_Time", json!("noon"))).await;

        assert_eq!(made["shadows"], "code");
        assert_eq!(names(&admin.get(DEFINITIONS).await), ["Current_Time"]);
        assert_eq!(call(&server, "Current_Time", json!({})).await.0, "noon");
        assert_eq!(admin.post(DEFINITIONS, fixed("current_time", json!(1))).await.json()["type"], "/problems/tool-name-taken");
        // The agent has the one of the program then.
        assert_eq!(admin.delete("/tools/definitions/current_time").await.status, 204);
        assert_eq!(names(&admin.get(DEFINITIONS).await), ["current_time"]);
        assert_eq!(admin.delete("/tools/definitions/current_time").await.json()["type"], "/problems/read-only");
    }

    async fn a_tool_written_in_sql_counts_at_once_and_everywhere(server: TestServer) {
        let admin = server.admin().await;
        let (_replica, elsewhere) = server.replica().await;
        agent(&admin, json!([])).await;
        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema, kind, config)
            VALUES ('answer', 'Answer', 'Tells the answer.', '{"type": "object"}', 'static', '{"result": 42}')"#).await;

        in_sql(&server, r#"UPDATE agent_definitions SET tools = '["answer"]'"#).await;

        soon(async || elsewhere.get("/agents/definitions/support").await.json()["tools"] == json!(["answer"])).await;
        assert_eq!(admin.get("/agents/definitions/support").await.json()["problems"], json!([]));
        let (told, run) = call(&server, "answer", json!({})).await;
        assert_eq!(told, "42");
        assert_eq!(events(&admin, &run, "tool.started").await[0]["version"], 1);
        let tool = elsewhere.get("/tools/definitions/answer").await.json();
        assert_eq!((&tool["version"], &tool["effect"], &tool["problems"]), (&json!(1), &json!("read"), &json!([])));

        in_sql(&server, "DELETE FROM tool_definitions").await;
        soon(async || elsewhere.get("/agents/definitions/support").await.json()["problems"] != json!([])).await;
        assert_eq!(elsewhere.post("/agents/support/execute", json!({"input": "Go!"})).await.status, 422);
    }

    async fn a_tool_of_the_original_is_kept_as_it_is(server: TestServer) {
        let admin = server.admin().await;

        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema, output_schema, execute_code)
            VALUES ('double', 'Double', 'Doubles.', '{"type": "object"}', '{}', 'return input.n * 2')"#).await;
        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema)
            VALUES ('empty', 'Empty', 'Does nothing.', '{"type": "object"}')"#).await;

        let tool = admin.get("/tools/definitions/double").await.json();
        assert_eq!((&tool["kind"], &tool["execute_code"]), (&json!("javascript"), &json!("return input.n * 2")));
        expect!["/kind missing_member: is required"].assert_eq(&faults(&admin.get("/tools/definitions/empty").await.json()["problems"]));
    }

    async fn an_author_names_only_an_agent_that_he_may_ask(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, json!([])).await;
        admin.put("/agents/definitions/support", json!({"scopes": ["approval.decide"]})).await;
        let ask = with(greeting(), json!({"kind": "agent", "config": {"agent": "Support"}}));

        let reply = server.client("tool.write").await.post(DEFINITIONS, ask.clone()).await;

        expect!["/config/agent missing_scope: its use needs the scope `approval.decide`, which you do not hold"].assert_eq(&faults(&reply.json()["errors"]));
        create(&admin, ask).await;
        admin.delete("/agents/definitions/support").await.is(expect![[r#"
            409 application/problem+json
            {
              "dependents": [
                {
                  "kind": "tool",
                  "name": "greeting"
                }
              ],
              "detail": "others name it: the tool `greeting`",
              "status": 409,
              "type": "/problems/agent-in-use"
            }
        "#]]);
    }

    async fn a_tool_may_ask_an_agent(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, json!([])).await;
        let schema = json!({"type": "object", "properties": {"topic": {"type": "string"}}});
        create(&admin, json!({
            "name": "research", "description": "Finds out.", "kind": "agent", "config": {"agent": "support"},
            "input_schema": schema,
        })).await;
        let boss = json!({
            "name": "boss", "display_name": "Boss", "instructions": "Lead.", "model": "openai/fake", "tools": ["research"],
        });
        admin.post("/agents/definitions", boss).await;
        server.model.reply(Answer::text("").call("research", json!({"topic": "owls"})));
        server.model.reply(Answer::text("They hoot."));
        server.model.reply(Answer::text("Thanks."));

        let run = admin.post("/agents/boss/execute", json!({"input": "Go!"})).await.json();

        assert_eq!(run["output"]["text"], "Thanks.");
        assert_eq!(told(&server), r#"{"text":"They hoot."}"#);
        let asked = server.model.requests()[1].body["messages"].clone();
        assert_eq!(asked.as_array().unwrap().last().unwrap()["content"], r#"{"topic":"owls"}"#);
        let child = &events(&admin, &run, "child.started").await[0];
        assert_eq!(child["name"], "support");
    }

    async fn what_a_tool_gives_is_what_its_schema_says_or_an_error(server: TestServer) {
        let admin = server.admin().await;
        let schema = json!({"output_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}});
        create(&admin, with(fixed("wrong", json!({"n": "x"})), schema)).await;
        create(&admin, greeting()).await;
        agent(&admin, json!(["wrong", "greeting"])).await;

        expect![[r#"{"error":"the tool was called, but its result is not what its `output_schema` says: must be a whole number, not a string (at `/n`)"}"#]].assert_eq(&call(&server, "wrong", json!({})).await.0);
        assert_eq!(call(&server, "greeting", json!({"name": "Ann"})).await.0, "Hello Ann!");
        expect![[r#"{"error":"\"name\" is a required property (at ``)"}"#]].assert_eq(&call(&server, "greeting", json!({"nam": "Ann"})).await.0);
    }

    async fn a_tool_that_a_provider_cannot_take_is_left_out_and_the_run_says_why(server: TestServer) {
        let admin = server.admin().await;
        let schema = json!({"input_schema": {"type": "object", "properties": {"größe": {"type": "integer"}}}});
        create(&admin, with(fixed("size", json!(1)), schema)).await;
        create(&admin, greeting()).await;
        agent(&admin, json!(["size", "greeting"])).await;
        let change = json!({"model": ["anthropic/fake", "openai/fake"]});
        assert_eq!(admin.put("/agents/definitions/support", change).await.status, 200);
        server.model.reply(Answer::error(400, "Not today."));

        let run = admin.post("/agents/support/execute", json!({"input": "Go!"})).await.json();

        let started = events(&admin, &run, "model.started").await;
        let why = "the name of its property `größe` is not 1 to 64 letters, digits, `_`, `.` and `-`";
        assert_eq!(started[0]["left_out"], json!([{"tool": "size", "reason": why}]), "{started:#?}");
        assert_eq!((started.len(), started[1].get("left_out")), (2, None));
        let [first, second] = server.model.requests().try_into().unwrap();
        let offered = |tools: &Value, name: &str| tools.as_array().unwrap().iter().map(|it| it.pointer(name).unwrap().clone()).collect::<Vec<_>>();
        assert_eq!(offered(&first.body["tools"], "/name"), ["greeting"]);
        assert_eq!(offered(&second.body["tools"], "/function/name"), ["size", "greeting"]);
    }

    async fn a_tool_that_is_switched_off_is_not_called(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, greeting()).await;
        agent(&admin, json!(["greeting"])).await;

        admin.post(&format!("{GREETING}/deactivate"), json!({})).await;

        expect![[r#"{"error":"the tool `greeting` is switched off"}"#]].assert_eq(&call(&server, "greeting", json!({"name": "Ann"})).await.0);
    }

    async fn the_stricter_of_two_approvals_counts(server: TestServer) {
        let admin = server.admin().await;
        let over = |n: i64| json!({"when": {"op": "gt", "left": {"$": "/arguments/n"}, "right": n}});
        create(&admin, with(fixed("pay", json!("paid")), json!({"approval": over(100)}))).await;
        agent(&admin, json!([{"name": "pay", "approval": {"when": {"op": "eq", "left": {"$": "/arguments/n"}, "right": 7}}}])).await;

        let mut statuses = Vec::new();
        for n in [5, 7, 101] {
            server.model.reply(Answer::text("").call("pay", json!({"n": n})));
            if n == 5 {
                server.model.reply(Answer::text("Done."));
            }
            let run = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await.json();
            statuses.push(run["status"].as_str().unwrap().to_owned());
        }

        assert_eq!(statuses, ["succeeded", "suspended", "suspended"]);
    }

    async fn what_was_approved_is_what_is_called(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, with(fixed("pay", json!("the old way")), json!({"effect": "effect"}))).await;
        agent(&admin, json!([{"name": "pay", "approval": "always"}])).await;
        server.model.reply(Answer::text("").call("pay", json!({})));
        server.model.reply(Answer::text("Done."));
        let run = admin.post("/agents/support/execute", json!({"input": "Pay!"})).await.json();
        let approval = admin.get("/approvals?status=pending").await.json()["data"][0].clone();

        let edited = admin.put("/tools/definitions/pay", json!({"config": {"result": "the new way"}})).await;
        assert_eq!(edited.json()["version"], 2);
        let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
        let decision = json!({"decision": "approve", "arguments_hash": approval["arguments_hash"]});
        assert_eq!(admin.post(&path, decision).await.status, 200);
        admin.get(&format!("/runs/{}/wait", run["id"].as_str().unwrap())).await;

        assert_eq!(told(&server), "the old way");
        assert_eq!(approval["tool"], json!({"name": "pay", "version": 1}));
        assert_eq!(events(&admin, &run, "tool.started").await[0]["version"], 1);
        // What begins now has the new one.
        admin.put("/agents/definitions/support", json!({"tools": ["pay"]})).await;
        assert_eq!(call(&server, "pay", json!({})).await.0, "the new way");
    }
}

on_both! {
    async fn a_tool_is_executed_as_a_run(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, greeting()).await;

        let reply = admin.post("/tools/greeting/execute", json!({"input": {"name": "Ann"}})).await;

        reply.is(expect![[r#"
            200 application/json
            {
              "attempt": 1,
              "client_id": "admin",
              "created_at": "2026-11-25T10:00:00Z",
              "definition": {
                "id": "01900000-0000-7000-8000-000000000003",
                "name": "greeting",
                "version": 1
              },
              "error": null,
              "finished_at": "2026-11-25T10:00:00Z",
              "forked_from": null,
              "id": "01900000-0000-7000-8000-000000000004",
              "input": {
                "name": "Ann"
              },
              "kind": "tool",
              "last_seq": 6,
              "limits": {
                "max_cost_usd": null,
                "max_parallel_tool_calls": 8,
                "max_steps": 20,
                "max_tokens": null,
                "timeout_ms": 600000
              },
              "metadata": {},
              "output": "Hello Ann!",
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
                "cost_usd": 0.0,
                "input_tokens": 0,
                "output_tokens": 0,
                "reasoning_tokens": 0
              },
              "user": null,
              "waiting_for": []
            }
        "#]]);
        let path = reply.header("location").unwrap().to_owned();
        let events = admin.get(&format!("{path}/events")).await.json();
        let events: Vec<_> = events["data"].as_array().unwrap().iter().map(|it| {
            format!("{} {}", it["type"].as_str().unwrap(), it["data"])
        }).collect();
        expect![[r#"
            run.started {"definition":{"id":"01900000-0000-7000-8000-000000000003","name":"greeting","version":1},"forked_from":null,"input":{"name":"Ann"},"kind":"tool","limits":{"max_cost_usd":null,"max_parallel_tool_calls":8,"max_steps":20,"max_tokens":null,"timeout_ms":600000},"parent_run_id":null,"thread_id":null}
            step.started {"kind":"tool","name":"greeting","step":"1"}
            tool.started {"arguments":{"name":"Ann"},"arguments_hash":"sha256:fb782b5cf1b735bfe202a30415a038c4ed123eed33e98f6d40211a8955e63203","attempt":1,"call_id":"c1","effect":"read","effect_id":"9f656cca05509be663087008354965eaa6ac810bdef516be544a8fadfc5934b9","step":"1","tool":"greeting","version":1}
            tool.finished {"call_id":"c1","duration_ms":0,"error":null,"result":"Hello Ann!","status":"done"}
            step.finished {"attempt":1,"duration_ms":0,"error":null,"output":null,"status":"done","step":"1"}
            run.finished {"error":null,"output":"Hello Ann!","status":"succeeded","usage":{"cache_write_tokens":0,"cached_tokens":0,"cost_usd":0.0,"input_tokens":0,"output_tokens":0,"reasoning_tokens":0}}"#]].assert_eq(&events.join("\n"));
        let tree = admin.get(&format!("{path}/tree")).await.json();
        let spans: Vec<_> = tree["spans"].as_array().unwrap().iter().map(|it| {
            format!("{} {} {}", it["kind"], it["name"], it["status"])
        }).collect();
        expect![[r#"
            "run" "greeting" "succeeded"
            "step" "1" "done"
            "tool" "greeting" "done""#]].assert_eq(&spans.join("\n"));
        assert_eq!(admin.get("/runs?kind=tool").await.json()["data"].as_array().unwrap().len(), 1);
    }

    async fn a_tool_is_executed_in_every_way_that_an_agent_is(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, greeting()).await;
        let body = json!({"input": {"name": "Ann"}, "metadata": {"a": 1}});
        let execute = |more: Value| {
            let request = admin.request("POST", "/tools/greeting/execute").json(&with(body.clone(), more));
            request.header("idempotency-key", "once")
        };

        let frames = admin.frames(execute(json!({"stream": true}))).await;
        assert_eq!(frames.last().unwrap().event, "run.finished");
        let again = admin.send(execute(json!({"stream": true})).header("accept", "application/json")).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(admin.send(execute(json!({}))).await.json()["type"], "/problems/idempotency-key-reused");
        let begun = admin.post("/tools/greeting/execute", with(body.clone(), json!({"background": true}))).await;
        assert_eq!(begun.status, 202);
        let run = admin.get(&format!("{}/wait", begun.header("location").unwrap())).await.json();
        assert_eq!((&run["output"], &run["metadata"]), (&json!("Hello Ann!"), &json!({"a": 1})));
        assert_eq!(admin.post("/tools/current_time/execute", json!({})).await.json()["output"]["now"], "2026-11-25T10:00:00Z");
        admin.put(GREETING, json!({"config": {"template": "Bye {{ input.name }}!"}})).await;
        let old = admin.post("/tools/greeting/execute", with(body.clone(), json!({"version": 1}))).await.json();
        assert_eq!((&old["output"], &old["definition"]["version"]), (&json!("Hello Ann!"), &json!(1)));
    }

    async fn a_tool_is_not_executed_wrongly(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, with(greeting(), json!({"scopes": ["approval.decide"]}))).await;
        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema, kind, config)
            VALUES ('later', 'Later', 'Runs.', '{"type": "object"}', 'workflow', '{"workflow": "gone"}')"#).await;
        let mut answers = Vec::new();
        for (path, body) in [
            ("/tools/greeting/execute", json!({"input": {"nam": "Ann"}})),
            ("/tools/greeting/execute", json!({"input": "Ann"})),
            ("/tools/greeting/execute", json!({"input": {"name": "Ann"}, "thread_id": "x", "version": 9})),
            ("/tools/greeting/execute", json!({"input": {"name": "Ann"}, "version": 9})),
            ("/tools/greeting/execute", json!({"input": {"name": "Ann"}, "limits": {"timeout_ms": 600_001}})),
            ("/tools/later/execute", json!({})),
            ("/tools/nothing/execute", json!({})),
        ] {
            let reply = admin.post(path, body).await;
            let wrong = reply.json().get("errors").map(faults).unwrap_or_default();
            answers.push(format!("{} {} {wrong}", reply.status, reply.json()["type"]));
        }
        let client = server.client("tool.execute").await;
        let reply = client.post("/tools/greeting/execute", json!({"input": {"name": "Ann"}})).await;
        answers.push(format!("{} {}", reply.status, reply.json()["required_scope"]));

        expect![[r#"
            422 "/problems/invalid-request" /input/name missing_member: is required
            422 "/problems/invalid-request" /input wrong_type: must be an object, not a string
            422 "/problems/invalid-request" /thread_id unknown_member: there is no such member
            422 "/problems/invalid-request" /version unknown_version: the tool has no version 9
            422 "/problems/invalid-request" /limits/timeout_ms out_of_range: must be at most 600000
            422 "/problems/tool-invalid" /config/workflow unknown_workflow: no workflow is named `gone`
            404 "/problems/tool-not-found" 
            403 "approval.decide""#]].assert_eq(&answers.join("\n"));
        assert_eq!(admin.get("/runs").await.json()["data"], json!([]));
        assert_eq!(client.post("/tools/current_time/execute", json!({})).await.status, 200);
        let run = client.get("/runs").await.json()["data"][0]["id"].as_str().unwrap().to_owned();
        let retry = admin.post(&format!("/runs/{run}/retry"), json!({})).await;
        assert_eq!((retry.status, faults(&retry.json()["errors"])), (422, " not_supported: a run of a tool does not go on elsewhere: the tool is executed again".into()));
    }

    async fn a_tool_that_gives_nothing_is_a_run_that_failed(server: TestServer) {
        let admin = server.admin().await;
        let template = json!({"config": {"template": "{{ input.name.first }}"}});
        create(&admin, with(greeting(), template)).await;

        let reply = admin.post("/tools/greeting/execute", json!({"input": {"name": "Ann"}})).await;

        assert_eq!((reply.status, &reply.json()["type"]), (502, &json!("/problems/run-failed")));
        expect![[r#"{"kind":"tool","message":"the template cannot be filled in: undefined value: `input.name.first` is undefined (line 1)","provider_status":null,"retryable":false}"#]].assert_eq(&reply.json()["run"]["error"].to_string());
        assert_eq!(reply.json()["run"]["output"], Value::Null);
    }

    async fn a_call_that_nobody_asked_a_model_for_is_approved_as_well(server: TestServer) {
        let admin = server.admin().await;
        create(&admin, with(fixed("pay", json!("paid")), json!({"approval": "always", "effect": "effect"}))).await;

        let begun = admin.post("/tools/pay/execute", json!({"input": {"amount": 4}})).await;

        assert_eq!((begun.status, &begun.json()["status"]), (202, &json!("suspended")));
        admin.put("/tools/definitions/pay", json!({"config": {"result": "paid twice"}})).await;
        let approval = admin.get("/approvals?status=pending").await.json()["data"][0].clone();
        let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
        let decision = json!({"decision": "approve", "arguments_hash": approval["arguments_hash"]});
        assert_eq!(admin.post(&path, decision).await.status, 200);
        let run = admin.get(&format!("{}/wait", begun.header("location").unwrap())).await.json();
        assert_eq!((&run["status"], &run["output"]), (&json!("succeeded"), &json!("paid")));
    }

    async fn a_tool_asks_its_agent_also_without_another_one(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, json!([])).await;
        create(&admin, json!({
            "name": "research", "description": "Finds out.", "kind": "agent", "config": {"agent": "support"},
            "input_schema": {"type": "object"},
        })).await;
        server.model.reply(Answer::text("They hoot."));

        let run = admin.post("/tools/research/execute", json!({"input": {"input": "Owls?"}})).await.json();

        assert_eq!((&run["kind"], &run["output"]), (&json!("tool"), &json!({"text": "They hoot."})));
        let client = server.client("tool.execute").await;
        assert_eq!(client.post("/tools/research/execute", json!({})).await.json()["required_scope"], "agent.execute");
    }

    async fn a_run_of_a_tool_costs_one_transaction(server: TestServer) {
        create(&server.admin().await, greeting()).await;
        let alone = server.alone().await;
        let body = json!({"input": {"name": "Ann"}});
        alone.post("/tools/greeting/execute", body.clone()).await;
        let stats = server.app.db.stats();
        let counted = || {
            let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
            (count(&stats.commits), count(&stats.statements))
        };
        let before = counted();

        let reply = alone.post("/tools/greeting/execute", body).await;

        assert_eq!(reply.status, 200, "{}", reply.text);
        let after = counted();
        expect!["1 commits, 2 statements"].assert_eq(&format!("{} commits, {} statements", after.0 - before.0, after.1 - before.1));
    }

    async fn a_run_of_a_tool_that_is_cut_after_any_event_ends_the_same(server: TestServer) {
        let admin = server.admin().await;
        let like_a_conversation = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]});
        create(&admin, with(fixed("echo", json!({"text": "a"})), json!({"effect": "idempotent"}))).await;
        let begun = admin.post("/tools/echo/execute", json!({"input": like_a_conversation})).await;
        let (whole, path) = (begun.json(), begun.header("location").unwrap().to_owned());
        assert_eq!((&whole["input"], &whole["output"]), (&like_a_conversation, &json!({"text": "a"})));
        admin.put("/tools/definitions/echo", json!({"config": {"result": "another"}})).await;
        let log = admin.get(&format!("{path}/events")).await.json()["data"].as_array().unwrap().clone();
        let id = whole["id"].as_str().unwrap();
        in_sql(&server, &format!("CREATE TABLE kept AS SELECT * FROM run_events WHERE run_id = '{id}'")).await;

        for cut in 1..log.len() {
            in_sql(&server, &format!(
                "BEGIN;
                 DELETE FROM run_events WHERE run_id = '{id}';
                 INSERT INTO run_events SELECT * FROM kept WHERE seq <= {cut};
                 UPDATE runs SET status = 'running', worker_id = NULL, output = NULL, error = NULL,
                 finished_at = NULL, last_seq = {cut} WHERE id = '{id}';
                 COMMIT",
            )).await;
            soon(async || admin.get(&path).await.json()["finished_at"] != Value::Null).await;
            let ended = admin.get(&path).await.json();
            for member in ["status", "input", "output", "error", "steps"] {
                assert_eq!(ended[member], whole[member], "cut after event {cut}: {ended:#}");
            }
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Size {
    bytes: usize,
}

async fn text_of(_: ToolContext, Size { bytes }: Size) -> Result<String, ToolFailure> {
    Ok("x".repeat(bytes))
}

fn with_text() -> Builder {
    App::builder().tool(Tool::read("text", "Gives a text of some size.", text_of))
}

on_both! {
    with with_text;

    async fn a_result_is_as_large_as_it_may_be_and_no_larger(server: TestServer) {
        let admin = server.admin().await;

        let reply = admin.post("/tools/text/execute", json!({"input": {"bytes": 100_000_000}})).await;

        assert_eq!(reply.status, 502);
        expect![[r#"{"kind":"tool","message":"the tool was called, but its result has more than 8388608 bytes","provider_status":null,"retryable":false}"#]].assert_eq(&reply.json()["run"]["error"].to_string());
        let run = admin.post("/tools/text/execute", json!({"input": {"bytes": 100_000}})).await.json();
        assert_eq!(run["output"].as_str().unwrap().len(), 100_000);
        let finished = &events(&admin, &run, "tool.finished").await[0];
        assert_eq!((&finished["result"]["truncated"], &finished["result"]["size"]), (&json!(true), &json!(100_002)));
        let value = admin.get(finished["result"]["url"].as_str().unwrap()).await;
        assert_eq!(value.json(), run["output"]);
    }
}
