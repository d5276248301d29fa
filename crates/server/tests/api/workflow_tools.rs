//! Workflows as tools: models run them, tools of the kind `workflow` do, and whoever may call those.

use std::time::Duration;

use agent_server::db::Dialect;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

async fn made(client: &Client, place: &str, body: Value) -> Value {
    let reply = client.post(&format!("/{place}/definitions"), body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json()["problems"], json!([]), "{}", reply.text);
    reply.json()
}

async fn workflow(client: &Client, name: &str, steps: Value) -> Value {
    made(client, "workflows", json!({"name": name, "steps": steps})).await
}

/// An agent that speaks with the fake model, and runs these.
async fn agent(client: &Client, name: &str, workflows: &[&str]) -> Value {
    let body = json!({
        "name": name, "display_name": name, "instructions": format!("You are {name}."),
        "model": "openai/fake", "workflows": workflows,
    });
    made(client, "agents", body).await
}

/// A tool of the kind `workflow`.
fn tool(name: &str, workflow: &str) -> Value {
    json!({"name": name, "description": "Runs.", "kind": "workflow", "config": {"workflow": workflow},
        "input_schema": {"type": "object"}})
}

/// Gives what it is given.
fn echo() -> Value {
    json!([{"id": "echo", "type": "mapping", "output": {"$": "/input"}}])
}

/// The model calls `name` with `arguments`, and then says something.
fn call_and_say(server: &TestServer, name: &str, arguments: Value) {
    server.model.reply(Reply::text("").call(name, arguments));
    server.model.reply(Reply::text("So it is."));
}

/// What the model was told last.
fn told(server: &TestServer) -> String {
    let messages = server.model.last_request().body["messages"].clone();
    messages.as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

async fn children(client: &Client, run: &Value) -> Vec<Value> {
    let id = run["id"].as_str().unwrap();
    let runs = client.get(&format!("/runs?parent_run_id={id}")).await.json();
    runs["data"].as_array().unwrap().clone()
}

async fn execute(client: &Client, agent: &str) -> Value {
    let reply = client.post(&format!("/agents/{agent}/execute"), json!({"input": "Go!"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

/// Begins a run of `agent` in the background, and says where it is.
async fn begin(client: &Client, agent: &str, metadata: Value) -> Option<String> {
    let body = json!({"input": "Go!", "background": true, "metadata": metadata});
    let reply = client.post(&format!("/agents/{agent}/execute"), body).await;
    // What is cut before it is stored has not begun.
    (reply.status == 202).then(|| reply.header("location").unwrap().to_owned())
}

/// The run, as soon as it is so.
async fn once(client: &Client, path: &str, status: &str) -> Value {
    loop {
        let run = client.get(path).await.json();
        if run["status"] == status {
            return run;
        }
        assert_eq!(run["finished_at"], Value::Null, "not {status}: {run:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The only run below the one at `path`, as soon as it is so.
async fn below(client: &Client, path: &str, status: &str) -> Value {
    let run = json!({"id": path.trim_start_matches("/runs/")});
    loop {
        if let [child] = &children(client, &run).await[..] {
            return once(client, &format!("/runs/{}", child["id"].as_str().unwrap()), status).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Places and codes.
fn faults(reply: &Value) -> String {
    let fault = |it: &Value| {
        let text = |member: &str| it[member].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("pointer"), text("code"), text("detail"))
    };
    let faults = reply["errors"].as_array().unwrap_or_else(|| panic!("{reply:#}"));
    faults.iter().map(fault).collect::<Vec<_>>().join("\n")
}

on_both! {
    async fn an_agent_runs_a_workflow_and_is_told_what_it_gives(server: TestServer) {
        let admin = server.admin().await;
        let schema = json!({"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]});
        let refund = json!({"name": "refund", "display_name": "Refund", "description": "Pays an order back.",
            "input_schema": schema, "steps": [{"id": "a", "type": "mapping", "output": {"paid": {"$": "/input/order"}, "to": {"$": "/context/who"}}}]});
        made(&admin, "workflows", refund).await;
        let clerk = json!({"name": "clerk", "display_name": "Clerk", "instructions": "Help {{ context.who }}.", "model": "openai/fake",
            "workflows": ["Refund"], "context_schema": {"type": "object", "properties": {"who": {"type": "string"}}}});
        made(&admin, "agents", clerk).await;
        call_and_say(&server, "run_refund", json!({"order": "A-7"}));

        let body = json!({"input": "Pay!", "user": "ann", "context": {"who": "Ann"}});
        let run = admin.post("/agents/clerk/execute", body).await.json();

        assert_eq!((&run["status"], &run["output"]["text"]), (&json!("succeeded"), &json!("So it is.")), "{run:#}");
        assert_eq!(told(&server), r#"{"paid":"A-7","to":"Ann"}"#);
        let offered = server.model.requests()[0].body["tools"][0]["function"].clone();
        assert_eq!((&offered["name"], &offered["parameters"]), (&json!("run_refund"), &schema));
        assert_eq!(offered["description"], "Runs the workflow Refund: Pays an order back.");
        let [child] = &children(&admin, &run).await[..] else { panic!("one run below") };
        assert_eq!((&child["kind"], &child["definition"]["name"], &child["trigger"]), (&json!("workflow"), &json!("refund"), &json!("run")));
        assert_eq!((&child["subject"], &child["user"]), (&run["subject"], &json!("ann")));
        // An earlier release must not go on with it; others it may.
        let engine = async |id: &Value| number(&server, &format!("SELECT CAST(engine AS BIGINT) FROM runs WHERE id = '{}'", id.as_str().unwrap())).await;
        assert_eq!((engine(&run["id"]).await, engine(&child["id"]).await), (8, 8));
        agent(&admin, "plain", &[]).await;
        server.model.reply(Reply::text("Well."));
        assert_eq!(engine(&execute(&admin, "plain").await["id"]).await, 7);
        let tree = admin.get(&format!("/runs/{}/tree", run["id"].as_str().unwrap())).await.json();
        let spans: Vec<_> = tree["spans"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(spans.contains(&"run_refund") && spans.contains(&"refund"), "{tree:#}");
    }

    async fn what_takes_no_object_is_given_the_argument_input(server: TestServer) {
        let admin = server.admin().await;
        let list = json!({"name": "list", "steps": echo(), "input_schema": {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}});
        made(&admin, "workflows", list).await;
        workflow(&admin, "any", echo()).await;
        agent(&admin, "clerk", &["list", "any"]).await;
        call_and_say(&server, "run_list", json!({"input": [1, 2]}));

        execute(&admin, "clerk").await;

        assert_eq!(told(&server), "[1,2]");
        let tools = server.model.last_request().body["tools"].clone();
        expect![[r##"{"$defs":{"n":{"type":"integer"}},"additionalProperties":false,"properties":{"input":{"items":{"$ref":"#/$defs/n"},"type":"array"}},"required":["input"],"type":"object"}"##]]
            .assert_eq(&tools[0]["function"]["parameters"].to_string());
        assert_eq!(tools[1]["function"]["parameters"], json!({"type": "object", "properties": {}}));
        call_and_say(&server, "run_any", json!({"a": {"b": null}}));
        execute(&admin, "clerk").await;
        assert_eq!(told(&server), r#"{"a":{"b":null}}"#);
        // The model learns what is wrong before anything begins.
        call_and_say(&server, "run_list", json!({"input": ["x"]}));
        let run = execute(&admin, "clerk").await;
        assert!(told(&server).contains("is not of type \\\"integer\\\""), "{}", told(&server));
        assert_eq!(children(&admin, &run).await.len(), 0);
    }

    async fn a_workflow_that_fails_is_told_to_the_model(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "wrong", json!([{"id": "no", "type": "fail", "message": "the shop is closed"}])).await;
        agent(&admin, "clerk", &["wrong"]).await;
        call_and_say(&server, "run_wrong", json!({}));

        let run = execute(&admin, "clerk").await;

        assert_eq!(run["status"], "succeeded");
        assert_eq!(told(&server), r#"{"error":"the workflow did not succeed: the shop is closed"}"#);
        assert_eq!(children(&admin, &run).await[0]["status"], "failed");
    }

    async fn an_agent_waits_for_days_for_a_workflow_and_a_cancel_goes_down(server: TestServer) {
        let admin = server.admin().await;
        let nap = json!([{"id": "nap", "type": "sleep", "duration_ms": 259_200_000}, {"id": "up", "type": "mapping", "output": "awake"}]);
        workflow(&admin, "nap", nap).await;
        agent(&admin, "clerk", &["nap"]).await;
        call_and_say(&server, "run_nap", json!({}));

        let path = begin(&admin, "clerk", json!({})).await.unwrap();
        let run = once(&admin, &path, "waiting").await;
        let child = below(&admin, &path, "waiting").await;
        assert_eq!(run["waiting_for"], json!([{"kind": "child", "run_id": child["id"]}]));
        server.app.clock.advance(Duration::from_hours(72));
        let admin = server.admin().await;

        let run = once(&admin, &path, "succeeded").await;
        assert_eq!((&run["output"]["text"], told(&server)), (&json!("So it is."), "awake".to_owned()));

        call_and_say(&server, "run_nap", json!({}));
        let path = begin(&admin, "clerk", json!({})).await.unwrap();
        once(&admin, &path, "waiting").await;
        below(&admin, &path, "waiting").await;
        admin.post(&format!("{path}/cancel"), json!({})).await;
        once(&admin, &path, "canceled").await;
        below(&admin, &path, "canceled").await;
    }

    async fn an_approval_within_is_decided_and_the_agent_goes_on(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "ask", json!([{"id": "ok", "type": "approval", "message": "Pay?"}])).await;
        agent(&admin, "clerk", &["ask"]).await;
        call_and_say(&server, "run_ask", json!({}));
        let path = begin(&admin, "clerk", json!({})).await.unwrap();
        let child = below(&admin, &path, "suspended").await;
        once(&admin, &path, "waiting").await;

        let pending = admin.get("/approvals?status=pending").await.json()["data"].clone();
        assert_eq!((&pending[0]["run_id"], &pending[0]["message"]), (&child["id"], &json!("Pay?")));
        let decision = json!({"decision": "approve", "arguments_hash": pending[0]["arguments_hash"]});
        let decided = admin.post(&format!("/approvals/{}", pending[0]["id"].as_str().unwrap()), decision).await;

        assert_eq!(decided.status, 200, "{}", decided.text);
        once(&admin, &path, "succeeded").await;
        assert!(told(&server).starts_with(r#"{"by":"client:"#), "{}", told(&server));
    }

    async fn a_workflow_has_what_is_left_of_the_limits_and_what_it_costs_counts(server: TestServer) {
        let admin = server.admin().await;
        agent(&admin, "writer", &[]).await;
        workflow(&admin, "write", json!([{"id": "w", "type": "agent", "agent": "writer", "input": "Write."}])).await;
        agent(&admin, "clerk", &["write"]).await;
        server.model.reply(Reply::text("").call("run_write", json!({})).usage(400, 100));
        server.model.reply(Reply::text("Done.").usage(9_000, 600));
        server.model.reply(Reply::text("").call("run_write", json!({})).usage(50, 10));
        let body = json!({"input": "Go!", "limits": {"max_tokens": 20_000, "timeout_ms": 5_000}});

        let reply = admin.post("/agents/clerk/execute", body).await.json();

        let run = if reply["run"].is_null() { &reply } else { &reply["run"] };
        let child = children(&admin, run).await.pop().unwrap();
        assert_eq!((&child["limits"]["max_tokens"], &child["limits"]["timeout_ms"]), (&json!(19_500), &json!(5_000)));
        let writer = children(&admin, &child).await[0].clone();
        assert_eq!(writer["limits"]["max_tokens"], 19_500);
        // 500, 9,600 and 60: the second run below has the rest.
        let begun = children(&admin, run).await;
        assert_eq!(begun[0]["limits"]["max_tokens"], 20_000 - 10_160, "{reply:#}");
    }

    async fn nobody_runs_a_workflow_through_an_agent_that_he_may_not_run(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "open", echo()).await;
        made(&admin, "workflows", json!({"name": "closed", "steps": echo(), "scopes": ["secret.write"]})).await;
        agent(&admin, "clerk", &["open", "closed"]).await;
        let names = || {
            let tools = server.model.last_request().body["tools"].clone();
            let name = |it: &Value| it["function"]["name"].as_str().unwrap().to_owned();
            tools.as_array().map(|it| it.iter().map(name).collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };
        for (scope, offered) in [
            ("agent.execute", ""),
            ("agent.execute workflow.execute", "run_open"),
            ("agent.execute workflow.execute secret.write", "run_open run_closed"),
        ] {
            server.model.reply(Reply::text("Well."));
            execute(&server.client(scope).await, "clerk").await;
            assert_eq!(names(), offered, "{scope}");
        }

        // Nor may who writes the agent or a tool name it.
        let author = server.client("agent.write tool.write").await;
        let boss = json!({"name": "boss", "display_name": "Boss", "instructions": "", "workflows": ["open", "closed"]});
        let refused = author.post("/agents/definitions", boss).await.json();
        expect!["/workflows/1 missing_scope: its use needs the scope `secret.write`, which you do not hold"].assert_eq(&faults(&refused));
        let refused = author.post("/tools/definitions", tool("run", "closed")).await.json();
        expect!["/config/workflow missing_scope: its use needs the scope `secret.write`, which you do not hold"].assert_eq(&faults(&refused));
    }

    async fn a_right_that_is_gone_begins_no_workflow(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "open", echo()).await;
        agent(&admin, "clerk", &["open"]).await;
        let gate = testkit::model::Gate::new();
        server.model.reply(Reply::text("So.").call("run_open", json!({})).hold("So.", &gate));
        server.model.reply(Reply::text("So it is."));
        let caller = server.client("agent.execute workflow.execute").await;
        let path = begin(&caller, "clerk", json!({})).await.unwrap();
        gate.wait_reached().await;

        let run = admin.get(&path).await.json();
        let client = format!("/oauth/clients/{}", run["client_id"].as_str().unwrap());
        admin.send(admin.request("PATCH", &client).json(&json!({"scope": "agent.execute"}))).await;
        gate.open();

        once(&admin, &path, "succeeded").await;
        assert_eq!(told(&server), r#"{"error":"the caller may not execute `open` any more"}"#);
    }

    async fn a_tool_of_the_kind_workflow_runs_it_wherever_it_is_called(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "echo", echo()).await;
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        let mut run_it = tool("twice", "Echo");
        run_it["output_schema"] = schema.clone();
        made(&admin, "tools", run_it).await;
        made(&admin, "agents", json!({"name": "clerk", "display_name": "Clerk", "instructions": "", "model": "openai/fake", "tools": ["twice"]})).await;
        workflow(&admin, "outer", json!([{"id": "a", "type": "tool", "tool": "twice", "input": {"n": 5}}])).await;

        // By an agent,
        call_and_say(&server, "twice", json!({"n": 3}));
        let run = execute(&admin, "clerk").await;
        assert_eq!((told(&server), children(&admin, &run).await[0]["kind"].clone()), (r#"{"n":3}"#.to_owned(), json!("workflow")));
        // which is told if it gives what the tool does not say,
        call_and_say(&server, "twice", json!({"m": 3}));
        execute(&admin, "clerk").await;
        assert!(told(&server).contains("not what its `output_schema` says"), "{}", told(&server));
        // alone, and by a workflow.
        let alone = admin.post("/tools/twice/execute", json!({"input": {"n": 4}})).await.json();
        assert_eq!((&alone["kind"], &alone["output"]), (&json!("tool"), &json!({"n": 4})), "{alone:#}");
        let outer = admin.post("/workflows/outer/execute", json!({})).await.json();
        assert_eq!(outer["output"], json!({"n": 5}), "{outer:#}");
        for run in [&run, &alone, &outer] {
            let pinned = format!("SELECT CAST(engine AS BIGINT) FROM runs WHERE id = '{}'", run["id"].as_str().unwrap());
            assert_eq!(number(&server, &pinned).await, 8);
        }

        let caller = server.client("tool.execute").await;
        let refused = caller.post("/tools/twice/execute", json!({"input": {"n": 4}})).await;
        assert_eq!((refused.status, &refused.json()["required_scope"]), (403, &json!("workflow.execute")));
    }

    async fn what_would_wait_for_itself_through_workflows_is_refused(server: TestServer) {
        let admin = server.admin().await;
        let asks = |agent: &str| json!([{"id": "ask", "type": "agent", "agent": agent, "input": "?"}]);
        let calls = |tool: &str| json!([{"id": "each", "type": "foreach", "items": [1], "do": [{"id": "call", "type": "tool", "tool": tool}]}]);
        workflow(&admin, "w", echo()).await;
        agent(&admin, "a", &["W"]).await;
        made(&admin, "tools", tool("t", "w")).await;
        let change = async |place: &str, change: Value| {
            let reply = admin.put(place, change).await;
            if reply.status == 200 { String::new() } else { faults(&reply.json()) }
        };
        let (w, a, t) = ("/workflows/definitions/w", "/agents/definitions/a", "/tools/definitions/t");

        // w → a → w, w → t → w
        expect!["/steps/0/agent cycle: `A` would run `w` in turn, which waits for it"].assert_eq(&change(w, json!({"steps": asks("A")})).await);
        expect!["/steps/0/do/0/tool cycle: `t` would run `w` in turn, which waits for it"].assert_eq(&change(w, json!({"steps": calls("t")})).await);
        // b → t → v → b, and v → b → t → v from all sides.
        agent(&admin, "b", &[]).await;
        workflow(&admin, "v", asks("b")).await;
        expect!["/workflows/0 cycle: `v` would ask `b` in turn, which waits for it"].assert_eq(&change("/agents/definitions/b", json!({"workflows": ["v"]})).await);
        assert_eq!(change("/agents/definitions/b", json!({"tools": ["T"]})).await, "");
        expect!["/config/workflow cycle: `v` would call `t` in turn, which waits for it"].assert_eq(&change(t, json!({"config": {"workflow": "v"}})).await);
        expect!["/steps/0/do/0/tool cycle: `t` would run `w` in turn, which waits for it"].assert_eq(&change(w, json!({"steps": calls("t")})).await);
        // What is in no circle is no fault.
        assert_eq!(change(a, json!({"workflows": ["w", "v"], "tools": ["t"]})).await, "");
    }

    async fn a_circle_that_came_by_sql_is_told_to_the_model(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "w", echo()).await;
        agent(&admin, "a", &["w"]).await;
        in_sql(&server, r#"UPDATE workflow_definitions SET steps = '[{"id": "ask", "type": "agent", "agent": "a", "input": "?"}]' WHERE name = 'w'"#).await;
        while admin.get("/workflows/definitions/w").await.json()["version"] != 2 {}
        call_and_say(&server, "run_w", json!({}));

        let run = execute(&admin, "a").await;

        assert!(told(&server).contains("waits for this answer itself"), "{}", told(&server));
        assert_eq!(children(&admin, &run).await[0]["status"], "failed");
    }

    async fn runs_of_all_kinds_are_so_deep_below_each_other_and_no_deeper(server: TestServer) {
        let admin = server.admin().await;
        // w5 ← a4 ← w3 ← a2 ← w1 ← a0
        workflow(&admin, "w5", echo()).await;
        for level in [4, 2, 0] {
            agent(&admin, &format!("a{level}"), &[&format!("w{}", level + 1)]).await;
            if level > 0 {
                let ask = json!([{"id": "ask", "type": "agent", "agent": format!("a{level}"), "input": "?"}]);
                workflow(&admin, &format!("w{}", level - 1), ask).await;
            }
        }
        for level in [1, 3, 5] {
            server.model.reply(Reply::text("").call(&format!("run_w{level}"), json!({})));
        }
        server.model.answer_with(|_| Reply::text("So it is."));

        execute(&admin, "a0").await;

        let asked = server.model.requests();
        let last = asked[3].body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        assert!(last.as_str().unwrap().contains("at most 5 deep"), "{last}");
        assert_eq!(admin.get("/runs").await.json()["data"].as_array().unwrap().len(), 5);
    }

    async fn a_workflow_that_agents_and_tools_name_is_not_deleted_by_accident(server: TestServer) {
        let admin = server.admin().await;
        workflow(&admin, "w", echo()).await;
        agent(&admin, "a", &["W"]).await;
        made(&admin, "tools", tool("t", "w")).await;
        let w = "/workflows/definitions/w";

        for reply in [admin.delete(w).await, admin.put(w, json!({"name": "other"})).await] {
            let dependents = json!([{"kind": "agent", "name": "a"}, {"kind": "tool", "name": "t"}]);
            assert_eq!((reply.status, &reply.json()["dependents"]), (409, &dependents), "{}", reply.text);
        }
        assert_eq!(admin.delete(&format!("{w}?force=true")).await.status, 204);
        for (place, pointer) in [("/agents/definitions/a", "/workflows/0"), ("/tools/definitions/t", "/config/workflow")] {
            let problem = admin.get(place).await.json()["problems"][0].clone();
            assert_eq!((&problem["pointer"], &problem["code"]), (&json!(pointer), &json!("unknown_workflow")));
        }
        let refused = admin.post("/agents/definitions", json!({"name": "b", "display_name": "B", "instructions": "", "workflows": ["w"]})).await.json();
        expect!["/workflows/0 unknown_workflow: no workflow is named `w`"].assert_eq(&faults(&refused));
        let refused = admin.post("/tools/definitions", tool("u", "w")).await.json();
        expect!["/config/workflow unknown_workflow: no workflow is named `w`"].assert_eq(&faults(&refused));
        workflow(&admin, "w", echo()).await;
        assert_eq!(admin.get("/agents/definitions/a").await.json()["problems"], json!([]));
        // Each tool of an agent has its own name.
        made(&admin, "tools", tool("run_w", "w")).await;
        let refused = admin.put("/agents/definitions/a", json!({"tools": ["run_w"]})).await.json();
        expect!["/workflows/0 not_unique: it is used by a tool `run_W`, and there is another of this name"].assert_eq(&faults(&refused));
    }
}

/// Refuses the event of a run that its metadata name as `cut`, or those of the run above as `below`, and so all that is
/// stored together with it: as if the process had died before.
const CUT: &str = "(SELECT COALESCE(own.metadata->>'cut', up.metadata->>'below')
    FROM runs own LEFT JOIN runs up ON up.id = own.parent_run_id WHERE own.id = NEW.run_id)";

async fn arm(server: &TestServer) {
    let trigger = match server.app.db.dialect() {
        Dialect::Sqlite => format!(
            "CREATE TRIGGER cut BEFORE INSERT ON run_events WHEN NEW.seq = {CUT}
             BEGIN SELECT RAISE(ABORT, 'cut'); END"
        ),
        Dialect::Postgres => {
            let cut = CUT.replace("metadata->>", "metadata::json->>");
            format!(
                "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.seq = {cut}::bigint THEN RAISE EXCEPTION 'cut'; END IF;
                    RETURN NEW;
                 END $$;
                 CREATE TRIGGER cut BEFORE INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION cut()"
            )
        }
    };
    in_sql(server, &trigger).await;
}

/// What others do until the run at `path` is over: people decide, and another process goes on when one has died.
async fn tend(server: &TestServer, admin: &Client, path: &str) -> (Value, Value) {
    let mut seen = Vec::new();
    loop {
        let run = admin.get(path).await.json();
        let below = children(admin, &run).await;
        if run["finished_at"] != Value::Null {
            let [child] = &below[..] else { panic!("one run below {run:#}") };
            let child = format!("/runs/{}", child["id"].as_str().unwrap());
            return (run, admin.get(&child).await.json());
        }
        let is_left = |run: &&Value| {
            let id = run["id"].as_str().unwrap().parse().unwrap();
            run["status"] == "running" && server.app.runs.live(id).is_none()
        };
        let left: Vec<_> = below
            .iter()
            .chain([&run])
            .filter(is_left)
            .map(|it| (it["id"].clone(), it["last_seq"].clone()))
            .collect();
        for (id, _) in left.iter().filter(|it| seen.contains(*it)) {
            let id = id.as_str().unwrap();
            in_sql(
                server,
                &format!(
                    "UPDATE runs SET metadata = '{{\"was\": \"cut\"}}' WHERE id = '{}'",
                    run["id"].as_str().unwrap()
                ),
            )
            .await;
            in_sql(
                server,
                &format!(
                    "UPDATE runs SET worker_id = NULL WHERE id = '{id}' AND status = 'running'"
                ),
            )
            .await;
        }
        seen = left;
        for asked in admin.get("/approvals?status=pending").await.json()["data"].as_array().unwrap()
        {
            let mut wish =
                json!({"decision": "approve", "arguments_hash": asked["arguments_hash"]});
            if asked["kind"] == "unknown_effect" {
                wish["decision"] = json!("done");
                wish["result"] = json!("paid");
            }
            admin.post(&format!("/approvals/{}", asked["id"].as_str().unwrap()), wish).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.app.clock.advance(Duration::from_millis(200));
    }
}

on_both! {
    async fn an_agent_that_runs_a_workflow_ends_the_same_wherever_its_process_dies(server: TestServer) {
        let admin = server.admin().await;
        let pay = json!({"name": "pay", "description": "Pays.", "kind": "static", "effect": "effect", "input_schema": {"type": "object"}, "config": {"result": "paid"}});
        made(&admin, "tools", pay).await;
        workflow(&admin, "refund", json!([
            {"id": "ok", "type": "approval", "message": "Pay?"}, {"id": "nap", "type": "sleep", "duration_ms": 100},
            {"id": "pay", "type": "tool", "tool": "pay", "input": {}}])).await;
        agent(&admin, "clerk", &["refund"]).await;
        server.model.answer_with(|request| {
            let messages = request.body["messages"].as_array().unwrap();
            match messages.iter().filter(|it| it["role"] == "tool").count() {
                0 => Reply::text("").raw_call("a", "run_refund", "{}"),
                _ => Reply::text("It is paid."),
            }
        });
        arm(&server).await;
        let path = begin(&admin, "clerk", json!({})).await.unwrap();
        let (whole, child) = tend(&server, &admin, &path).await;
        assert_eq!((&whole["output"]["text"], &child["output"]), (&json!("It is paid."), &json!("paid")), "{whole:#} {child:#}");
        let mut cuts = 0;

        for (which, last) in [("cut", &whole["last_seq"]), ("below", &child["last_seq"])] {
            for seq in 1..=last.as_u64().unwrap() {
                let mut cut = json!({});
                cut[which] = json!(seq);
                let Some(path) = begin(&admin, "clerk", cut).await else { continue };
                let (run, below) = tend(&server, &admin, &path).await;
                let place = format!("{which} before event {seq}: {run:#}");
                cuts += usize::from(run["metadata"]["was"] == "cut");
                for member in ["status", "output", "error", "steps"] {
                    assert_eq!(run[member], whole[member], "{place}");
                }
                assert_eq!((&below["status"], &below["output"]), (&child["status"], &child["output"]), "{place}");
                let log = admin.get(&format!("/runs/{}/events?limit=200", below["id"].as_str().unwrap())).await.json();
                let begun = log["data"].as_array().unwrap().iter().filter(|it| it["type"] == "tool.started").count();
                assert_eq!(begun, 1, "{place}");
            }
        }
        // As long as nobody waits, what is said in one breath is stored in one transaction.
        assert!(cuts > 15, "{cuts}");
    }
}
