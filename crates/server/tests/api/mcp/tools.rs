//! Tools and agents, called by MCP.

use std::sync::Arc;

use agent_server::Agent;
use agent_server::App;
use agent_server::Builder;
use agent_server::Progress;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use expect_test::expect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply as Answer;
use tokio::sync::Semaphore;

use crate::harness::TestServer;
use crate::mcp::door::names;
use crate::mcp::speak::Session;
use crate::mcp::speak::ask;
use crate::mcp::speak::create;
use crate::mcp::speak::fixed;
use crate::mcp::speak::messages;
use crate::mcp::speak::modern;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute agent.execute";

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// A tool that says how far it is, and ends when it `may_end`.
fn copier(may_end: &Arc<Semaphore>) -> Builder {
    let may_end = Arc::clone(may_end);
    let copy = move |context: ToolContext, _: Nothing| {
        let may_end = Arc::clone(&may_end);
        async move {
            context.report(Progress::new(1.0).of(3.0).saying("the first file is copied"));
            may_end.acquire().await.map_err(ToolFailure::unknown)?.forget();
            Ok("copied")
        }
    };
    let agent = Agent::new("helper").instructions("Help.").model("openai/fake");
    App::builder().tool(Tool::read("copy", "Copies.", copy)).agent(agent)
}

async fn runs(server: &TestServer) -> Vec<Value> {
    server.admin().await.get("/runs").await.json()["data"].as_array().unwrap().clone()
}

/// The status of the only run there is, as soon as it is over.
async fn end_of_the_only_run(server: &TestServer) -> Value {
    let admin = server.admin().await;
    loop {
        if let [run] = &runs(server).await[..] {
            let id = run["id"].as_str().unwrap();
            let reply = admin.get(&format!("/runs/{id}/wait")).await;
            if reply.status == 200 {
                return reply.json()["status"].clone();
            }
        }
    }
}

/// Reads an answer that is a stream until it says `text`, and gives what is left of it.
async fn heard(mut stream: reqwest::Response, text: &str) -> reqwest::Response {
    let mut seen = String::new();
    while !seen.contains(text) {
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("the end: {seen}"));
        seen += std::str::from_utf8(&chunk).unwrap();
    }
    stream
}

fn greeting() -> Value {
    json!({
        "name": "greeting", "display_name": "Greeting", "description": "Greets somebody.", "kind": "template",
        "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "config": {"template": "Hello {{ input.name }}!"},
    })
}

fn point() -> Value {
    json!({
        "name": "point", "description": "A point.", "kind": "static", "input_schema": {"type": "object"},
        "output_schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "config": {"result": {"x": 1}},
    })
}

on_both! {
    async fn tools_are_listed_as_they_are(server: TestServer) {
        create(&server, greeting()).await;
        create(&server, point()).await;
        create(&server, json!({
            "name": "numbers", "description": "Some.", "kind": "static", "input_schema": {"type": "object"},
            "output_schema": {"type": "array"}, "config": {"result": [1]},
        })).await;
        server.agent("support").await;
        let admin = server.admin().await;
        fixed(&server, "off", json!(1), &[]).await;
        admin.post("/tools/definitions/off/deactivate", json!({})).await;
        let client = server.mcp_client(ALL).await;

        let listed = result(&client, "tools/list", json!({})).await;

        assert_eq!(names(&listed["tools"]), ["ask_support", "current_time", "greeting", "numbers", "point"]);
        assert_eq!((&listed["cacheScope"], &listed["resultType"]), (&json!("private"), &json!("complete")));
        let shown = listed["tools"].as_array().unwrap();
        expect![[r#"
            {
              "annotations": {
                "destructiveHint": true,
                "idempotentHint": false,
                "openWorldHint": true,
                "readOnlyHint": false,
                "title": "support"
              },
              "description": "Asks the agent support.",
              "inputSchema": {
                "additionalProperties": false,
                "properties": {
                  "input": {
                    "description": "What to ask.",
                    "minLength": 1,
                    "type": "string"
                  },
                  "thread_id": {
                    "description": "The conversation to go on with, which remembers what was said before.",
                    "type": "string"
                  }
                },
                "required": [
                  "input"
                ],
                "type": "object"
              },
              "name": "ask_support",
              "title": "support"
            }
            {
              "annotations": {
                "destructiveHint": false,
                "idempotentHint": true,
                "openWorldHint": false,
                "readOnlyHint": true,
                "title": "Greeting"
              },
              "description": "Greets somebody.",
              "inputSchema": {
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
              "name": "greeting",
              "title": "Greeting"
            }
            {
              "annotations": {
                "destructiveHint": false,
                "idempotentHint": true,
                "openWorldHint": false,
                "readOnlyHint": true,
                "title": "numbers"
              },
              "description": "Some.",
              "inputSchema": {
                "type": "object"
              },
              "name": "numbers",
              "outputSchema": {
                "type": "array"
              },
              "title": "numbers"
            }"#]].assert_eq(&format!("{:#}\n{:#}\n{:#}", shown[0], shown[2], shown[3]));
        // Clients of former revisions refuse a list in which a result is no object.
        let session = Session::begin(&client).await;
        let listed = session.ask("tools/list", json!({})).await["result"].clone();
        let shown = listed["tools"].as_array().unwrap();
        assert_eq!(shown[3]["outputSchema"], Value::Null);
        assert_eq!(shown[4]["outputSchema"]["type"], "object");
        assert_eq!(listed["resultType"], Value::Null);
        let other = server.mcp_client("mcp.access agent.execute").await;
        let listed = result(&other, "tools/list", json!({})).await;
        assert_eq!(names(&listed["tools"]), ["ask_support"]);
    }

    async fn a_tool_is_called_by_mcp_as_a_run(server: TestServer) {
        create(&server, greeting()).await;
        create(&server, point()).await;
        let client = server.mcp_client(ALL).await;
        let session = Session::begin(&client).await;
        let call = json!({"name": "greeting", "arguments": {"name": "Ann"}});

        let modern = result(&client, "tools/call", call.clone()).await;
        let legacy = session.ask("tools/call", call).await["result"].clone();

        let made = runs(&server).await;
        assert_eq!(modern["_meta"]["agent-server/run_id"], made[1]["id"]);
        assert_eq!(legacy["_meta"]["agent-server/run_id"], made[0]["id"]);
        for called in [&modern, &legacy] {
            assert_eq!(called["content"], json!([{"type": "text", "text": "Hello Ann!"}]));
            assert_eq!(called["isError"], false);
            assert_eq!(called["structuredContent"], Value::Null);
        }
        assert_eq!((&made[0]["kind"], &made[0]["definition"]["name"]), (&json!("tool"), &json!("greeting")));
        assert_eq!(made[0]["status"], "succeeded");
        let called = result(&client, "tools/call", json!({"name": "point"})).await;
        assert_eq!(called["structuredContent"], json!({"x": 1}));
        assert_eq!(called["content"][0]["text"], r#"{"x":1}"#);
        // What the model may do better is told to it, and is no error of the protocol.
        let called = result(&client, "tools/call", json!({"name": "greeting", "arguments": {"name": 7}})).await;
        assert_eq!(called["isError"], true);
        expect!["/name: must be a string, not a number"].assert_eq(called["content"][0]["text"].as_str().unwrap());
        assert_eq!(runs(&server).await.len(), 3);
    }

    async fn a_call_of_a_tool_that_reads_costs_one_transaction(server: TestServer) {
        fixed(&server, "seven", json!(7), &[]).await;
        let client = server.mcp_client(ALL).await;
        let session = Session::begin(&client).await;
        let params = json!({"name": "seven", "arguments": {}});
        result(&client, "tools/call", params.clone()).await;
        session.ask("tools/call", params.clone()).await;
        // Its beats are commits too, once a second on PostgreSQL.
        server.app.runs.heart().cancel();
        let commits = || server.app.db.stats().commits.load(std::sync::atomic::Ordering::Relaxed);
        let before = commits();

        result(&client, "tools/call", params.clone()).await;
        let between = commits();
        session.ask("tools/call", params).await;

        assert_eq!((between - before, commits() - between), (1, 1));
    }

    async fn a_workflow_is_run_by_mcp(server: TestServer) {
        let admin = server.admin().await;
        let steps = json!([{"id": "a", "type": "mapping", "output": {"got": {"$": "/input"}}}]);
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        for workflow in [
            json!({"name": "count", "description": "Counts.", "steps": steps, "input_schema": schema, "output_schema": {"type": "object"}}),
            json!({"name": "list", "steps": steps, "input_schema": {"type": "array"}}),
            json!({"name": "ask", "steps": [{"id": "ok", "type": "approval", "message": "Go on?"}]}),
        ] {
            assert_eq!(admin.post("/workflows/definitions", workflow).await.status, 201);
        }
        let client = server.mcp_client("mcp.access workflow.execute").await;

        let tools = result(&client, "tools/list", json!({})).await["tools"].clone();

        let shown = |it: &Value| format!("{} {:?} {} {}", it["name"].as_str().unwrap(), it["description"].as_str().unwrap(), it["inputSchema"], it["outputSchema"]);
        let shown: Vec<_> = tools.as_array().unwrap().iter().map(shown).collect();
        expect![[r#"
            run_ask "Runs the workflow ask." {"type":"object"} null
            run_count "Runs the workflow count: Counts." {"properties":{"n":{"type":"integer"}},"required":["n"],"type":"object"} {"type":"object"}
            run_list "Runs the workflow list." {"additionalProperties":false,"properties":{"input":{"type":"array"}},"required":["input"],"type":"object"} null"#]].assert_eq(&shown.join("\n"));
        let call = async |name: &str, arguments: Value| {
            result(&client, "tools/call", json!({"name": name, "arguments": arguments})).await
        };
        assert_eq!(call("run_count", json!({"n": 1})).await["structuredContent"], json!({"got": {"n": 1}}));
        assert_eq!(call("run_list", json!({"input": [1]})).await["structuredContent"], json!({"got": [1]}));
        let wrong = call("run_count", json!({"n": "x"})).await;
        assert_eq!(wrong["isError"], true, "{wrong}");
        assert!(wrong["content"][0]["text"].as_str().unwrap().starts_with("/n: "), "{wrong}");
        let stranger = server.mcp_client("mcp.access tool.execute").await;
        let tools = result(&stranger, "tools/list", json!({})).await["tools"].to_string();
        assert!(tools.contains("current_time") && !tools.contains("run_"), "{tools}");
        assert_eq!(runs(&server).await[0]["kind"], "workflow");
    }

    async fn an_agent_is_asked_by_mcp(server: TestServer) {
        server.agent("support").await;
        let client = server.mcp_client(ALL).await;
        server.model.reply(Answer::tokens(["It is ", "on its way."]));
        server.model.reply(Answer::text("Yes."));

        let call = json!({"name": "ask_support", "arguments": {"input": "Where?"}, "_meta": {"progressToken": "p"}});
        let reply = ask(&client, "tools/call", call).await;

        let mut said = messages(&reply);
        let answer = said.pop().unwrap();
        assert_eq!(answer["result"]["content"], json!([{"type": "text", "text": "It is on its way."}]));
        let text: String = said.iter().map(|it| it["params"]["message"].as_str().unwrap()).collect();
        assert_eq!(text, "It is on its way.");
        let told: Vec<_> = said.iter().map(|it| it["params"]["progress"].as_f64().unwrap()).collect();
        assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
        assert_eq!(said[0]["params"]["progressToken"], "p");
        assert_eq!(runs(&server).await[0]["kind"], "agent");
        let thread = server.admin().await.post("/threads", json!({})).await.json();
        let foreign = json!({"name": "ask_support", "arguments": {"input": "And?", "thread_id": thread["id"]}});
        let called = result(&client, "tools/call", foreign).await;
        assert_eq!(called["isError"], true);
        for wrong in [json!({}), json!({"input": ""}), json!({"input": "x", "stream": true})] {
            let called = result(&client, "tools/call", json!({"name": "ask_support", "arguments": wrong})).await;
            assert_eq!(called["isError"], true, "{called}");
        }
        assert_eq!(runs(&server).await.len(), 1);
    }

    async fn whoever_calls_hears_how_far_it_is_and_may_give_it_up(server: TestServer) {
        let dialect = server.app.db.dialect();
        let may_end = Arc::new(Semaphore::new(0));
        let ends = Arc::clone(&may_end);
        let server = TestServer::start_code(dialect, &[], move || copier(&ends)).await;
        let client = server.mcp_client(ALL).await;
        let call = json!({"name": "copy", "arguments": {}, "_meta": {"progressToken": 9}});

        // Without sessions, who hangs up has given up.
        let stream = modern(&client, "tools/call", call.clone()).send().await.unwrap();
        drop(heard(stream, r#""progress":1"#).await);

        assert_eq!(end_of_the_only_run(&server).await, "canceled");
    }

    async fn in_a_session_a_call_goes_on_until_it_is_given_up(server: TestServer) {
        let dialect = server.app.db.dialect();
        let may_end = Arc::new(Semaphore::new(0));
        let ends = Arc::clone(&may_end);
        let server = TestServer::start_code(dialect, &[], move || copier(&ends)).await;
        let client = server.mcp_client(ALL).await;
        let session = Session::begin(&client).await;
        let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
            "params": {"name": "copy", "arguments": {}, "_meta": {"progressToken": 9}}});
        let stream = session.message(&call).send().await.unwrap();
        let stream = heard(stream, r#""progress":1"#).await;

        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
        assert_eq!(session.send(&cancel).await.status, 202);

        assert_eq!(end_of_the_only_run(&server).await, "canceled");
        drop(stream);
    }

    async fn long_lists_come_page_by_page(server: TestServer) {
        let client = server.mcp_client(ALL).await;
        for number in 0..201 {
            crate::harness::in_sql(&server, &insert(number)).await;
        }

        let first = result(&client, "tools/list", json!({})).await;
        let second = result(&client, "tools/list", json!({"cursor": first["nextCursor"]})).await;

        assert_eq!(first["tools"].as_array().unwrap().len(), 200);
        assert_eq!(names(&second["tools"]), ["t199", "t200"]);
        assert_eq!(second["nextCursor"], Value::Null);
    }

    async fn headers_of_arguments_say_what_the_arguments_say(server: TestServer) {
        let region = json!({"type": "string", "x-mcp-header": "Region"});
        create(&server, json!({
            "name": "near", "description": "Near.", "kind": "template", "config": {"template": "In {{ input.region }}"},
            "input_schema": {"type": "object", "properties": {"region": region}, "required": ["region"]},
        })).await;
        let client = server.mcp_client(ALL).await;
        let call = || modern(&client, "tools/call", json!({"name": "near", "arguments": {"region": "Kyōto"}}));

        let encoded = "=?base64?S3nFjXRv?=";
        for (header, status) in [(Some(encoded), 200), (Some("Osaka"), 400), (None, 400)] {
            let request = header.into_iter().fold(call(), |it, value| it.header("mcp-param-region", value));
            let reply = client.send(request).await;
            assert_eq!(reply.status, status, "{header:?} {}", reply.text);
            assert_eq!(reply.json()["error"]["code"].is_null(), status == 200);
        }
    }
}

fn insert(number: usize) -> String {
    format!(
        "INSERT INTO tool_definitions (name, display_name, description, kind, input_schema, config)
         VALUES ('t{number:03}', 'One', 'One of many.', 'static', '{{\"type\": \"object\"}}', '{{\"result\": 1}}')"
    )
}
