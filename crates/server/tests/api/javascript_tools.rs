//! Tools that run scripts.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::time::Instant;

use agent_server::db::Dialect;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;

use crate::access::another_tenant;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::in_sql;

#[path = "../../../sandbox/tests/workers/harmful.rs"]
mod harmful;

const VALUE: &str = "planted-value-of-a-secret";

/// A server that may ask `receiver`, for which it has the secret `key`.
async fn server(dialect: Dialect, receiver: &Receiver) -> (TestServer, Client) {
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", &*receiver.origin())];
    let server = TestServer::start_with(dialect, &settings).await;
    let admin = server.admin().await;
    let secret = json!({"name": "key", "value": VALUE, "hosts": ["127.0.0.1"]});
    assert_eq!(admin.post("/secrets", secret).await.status, 201);
    (server, admin)
}

/// A tool of this code, that may ask this machine.
fn script(name: &str, code: &str, more: Value) -> Value {
    let mut tool = json!({
        "name": name, "description": "Runs.", "kind": "javascript", "input_schema": {"type": "object"},
        "config": {"hosts": ["127.0.0.1"], "secrets": ["key"]}, "execute_code": code,
    });
    tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tool
}

async fn make(client: &Client, tool: Value) {
    let made = client.post("/tools/definitions", tool).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

/// Makes a tool of this code, and calls it.
async fn run(client: &Client, code: &str, input: Value, more: Value) -> Value {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let name = format!("tool{}", MADE.fetch_add(1, SeqCst));
    make(client, script(&name, code, more)).await;
    let reply =
        client.post(&format!("/tools/{name}/execute"), json!({ "input": input })).await.json();
    reply.get("run").cloned().unwrap_or(reply)
}

/// What came of a run: its output, or why it has none.
fn came(run: &Value) -> String {
    match &run["error"] {
        Value::Null => run["output"].to_string(),
        error => format!("! {}", error["message"].as_str().unwrap()),
    }
}

async fn events(client: &Client, run: &Value) -> Vec<Value> {
    let path = format!("/runs/{}/events?limit=200", run["id"].as_str().unwrap());
    client.get(&path).await.json()["data"].as_array().unwrap().clone()
}

/// The types of events from the first that is a call's to its end.
fn of_call(events: &[Value]) -> String {
    let names = events.iter().map(|event| event["type"].as_str().unwrap());
    let names = names.skip_while(|name| *name != "tool.started");
    let names: Vec<_> = names.take_while(|name| *name != "step.finished").collect();
    names.join(" ")
}

on_both! {
    async fn a_row_of_the_original_is_called(server: TestServer) {
        let admin = server.admin().await;
        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema, output_schema, execute_code)
            VALUES ('double', 'Double', 'Doubles.', '{"type": "object", "properties": {"n": {"type": "number"}}}', '{}',
                    'const twice = (n) => n * 2; return { twice: twice(input.n) }')"#).await;
        in_sql(&server, r#"INSERT INTO agent_definitions (name, display_name, instructions, model, tools)
            VALUES ('counter', 'Counter', 'Count.', 'openai/fake', '["double"]')"#).await;
        server.model.reply(Reply::text("").call("double", json!({"n": 21})));
        server.model.reply(Reply::text("Done."));

        let alone = admin.post("/tools/double/execute", json!({"input": {"n": 2}})).await;
        let run = admin.post("/agents/counter/execute", json!({"input": "Go!"})).await;

        assert_eq!((alone.status, &alone.json()["output"]), (200, &json!({"twice": 4})));
        assert_eq!(run.status, 200, "{}", run.text);
        let messages = server.model.last_request().body["messages"].clone();
        assert_eq!(messages.as_array().unwrap().last().unwrap()["content"], r#"{"twice":42}"#);
    }

    async fn a_script_is_read_when_it_is_saved(server: TestServer) {
        let admin = server.admin().await;
        let mut wrong = Vec::new();
        for (code, more) in [
            ("const a = 1;\nreturn a +", json!({})),
            ("export default () => {\n  const b = 1;\n  const b = 2;\n}", json!({})),
            ("return 1", json!({"config": {"hosts": ["https://a.example", "a.example"], "memory_mb": 1024, "net": true}})),
            ("// as the caller\nreturn '{{secrets.token}}'", json!({"config": {"secrets": ["key"]}})),
            ("return '{{ secrets.token }}'", json!({"config": {"secrets": ["token"]}})),
            ("return 1 +", json!({"kind": "static", "config": {"result": 1}})),
        ] {
            let reply = admin.post("/tools/definitions", script("wrong", code, more)).await;
            assert_eq!(reply.status, 422, "{}", reply.text);
            for fault in reply.json()["errors"].as_array().unwrap() {
                let text = |name: &str| fault[name].as_str().unwrap().to_owned();
                wrong.push(format!("{} {}: {}", text("pointer"), text("code"), text("detail")));
            }
        }
        expect![[r#"
            /config/secrets/0 unknown_secret: no secret is named `key`
            /execute_code bad_script: SyntaxError: unexpected token in expression: '}' (line 2)
            /config/secrets/0 unknown_secret: no secret is named `key`
            /execute_code bad_script: SyntaxError: invalid redefinition of lexical identifier (line 3)
            /config/hosts/0 not_valid: a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port
            /config/memory_mb out_of_range: must be at most 256
            /config/net unknown_member: there is no such member
            /execute_code unlisted_secret: the secret `token` is not in `config.secrets` (line 2)
            /config/secrets/0 unknown_secret: no secret is named `token`
            /execute_code bad_script: SyntaxError: unexpected token in expression: '}' (line 1)
            /execute_code conflict: only a tool of kind `javascript` has it"#]].assert_eq(&wrong.join("\n"));

        make(&admin, script("right", "return 1", json!({"config": {}}))).await;
        let changed = admin.put("/tools/definitions/right", json!({"execute_code": "return ]"})).await;
        assert_eq!((changed.status, &changed.json()["errors"][0]["pointer"]), (422, &json!("/execute_code")));
        // What is written in SQL is read when it is called.
        in_sql(&server, r#"INSERT INTO tool_definitions (name, display_name, description, input_schema, execute_code)
            VALUES ('broken', 'Broken', 'Is none.', '{"type": "object"}', 'return ]')"#).await;
        let called = admin.post("/tools/broken/execute", json!({"input": {}})).await;
        expect!["! SyntaxError: unexpected token in expression: ']' (line 1)"].assert_eq(&came(&called.json()["run"]));
        assert_eq!(called.status, 502);
    }

    async fn a_script_asks_its_hosts_and_never_holds_a_value(server: TestServer) {
        let receiver = Receiver::start().await;
        receiver.answer(Answer::With(200, "x-echo", VALUE.into()));
        let (_server, admin) = crate::javascript_tools::server(server.app.db.dialect(), &receiver).await;
        let code = r"
            const url = `${input.at}/orders?key={{secrets.key}}`;
            const headers = { authorization: 'Bearer {{secrets.key}}', 'content-type': 'application/json' };
            const body = JSON.stringify({ key: '{{ secrets.KEY }}', note: input.note });
            console.log('asks', url, input.note);
            const made = await ctx.fetch(url, { method: 'POST', headers, body });
            const seen = await fetch(input.at, { headers: { 'x-note': input.note } });
            const refused = await fetch('https://example.com/').catch((error) => error.message);
            return { echo: made.headers.get('x-echo'), status: seen.status, refused, name: '{{secrets.key}}' }";

        let input = json!({"at": receiver.origin(), "note": "{{secrets.key}}"});
        let run = run(&admin, code, input, json!({})).await;

        let expected = json!({
            "echo": "[secret:key]", "status": 204, "name": "{{secrets.key}}",
            "refused": "the tool may not ask `example.com`: it is not in `config.hosts`",
        });
        assert_eq!(run["output"], expected, "{run:#}");
        let [made, seen] = receiver.webhooks().try_into().unwrap();
        assert_eq!(made.header("authorization"), format!("Bearer {VALUE}"));
        // What an argument says is what is sent.
        assert_eq!(made.body, json!({"key": VALUE, "note": "{{secrets.key}}"}).to_string().as_bytes());
        assert_eq!(seen.header("x-note"), "{{secrets.key}}");

        let events = events(&admin, &run).await;
        assert_eq!(of_call(&events), "tool.started log request.started request.finished tool.finished");
        let of = |name: &str| events.iter().find(|event| event["type"] == name).unwrap()["data"].clone();
        let url = format!("{}/orders?key={{{{secrets.key}}}}", receiver.origin());
        assert_eq!(of("log")["message"], format!("asks {url} {{{{secrets.key}}}}"));
        let (sent, ended) = (of("request.started"), of("request.finished"));
        assert_eq!((&sent["method"], &sent["url"], &sent["request"]), (&json!("POST"), &json!(url), &json!(1)));
        assert_eq!(sent["effect_id"], format!("{}-1", of("tool.started")["effect_id"].as_str().unwrap()));
        assert_eq!((&ended["status"], &ended["http_status"]), (&json!("done"), &json!(200)));
        assert!(!json!(events).to_string().contains(VALUE));
        assert_eq!(admin.get("/secrets/key").await.json()["used_by"][0]["kind"], "tool");
    }

    async fn what_a_script_gives_is_json_or_an_error_in_words(server: TestServer) {
        let admin = server.admin().await;
        let mut told = String::new();
        for code in [
            "return input.id",
            "return [input.id + 1n, 0.1 + 0.2, -0, 1e300]",
            "return Number(input.id)",
            "return { a: [1, NaN] }",
            "return 2n ** 70n",
            "const a = {}; a.a = a; return a",
            "return () => 1",
            "return new Map([[1, 2]])",
            "return 'x'.repeat(100 * 1024 * 1024)",
            "return Array.from({ length: 2000 }, () => 'x'.repeat(1024))",
            "return undefined",
            "return '\\u0000'",
            "throw new Error('no such order')",
            "await new Promise(() => {})",
            "return process.env",
        ] {
            let run = run(&admin, code, json!({"id": 9_007_199_254_740_993_i64}), json!({"config": {}})).await;
            told += &[code, "\n    ", &came(&run), "\n"].concat();
        }
        expect![[r#"
            return input.id
                9007199254740993
            return [input.id + 1n, 0.1 + 0.2, -0, 1e300]
                [9007199254740994,0.30000000000000004,0,1e+300]
            return Number(input.id)
                ! the result is a whole number too large to be exact: make it a BigInt or a text
            return { a: [1, NaN] }
                ! `/a/1` of the result is NaN, which JSON cannot hold
            return 2n ** 70n
                ! the result is a number with more than 64 bits: make it a text
            const a = {}; a.a = a; return a
                ! `/a` of the result is inside of itself, which JSON cannot hold
            return () => 1
                ! the result is a function, which JSON cannot hold
            return new Map([[1, 2]])
                ! the result is a Map: use Object.fromEntries
            return 'x'.repeat(100 * 1024 * 1024)
                ! the script needs more memory than the 32 MB it may have (line 1)
            return Array.from({ length: 2000 }, () => 'x'.repeat(1024))
                ! the result is larger than 1024 kB
            return undefined
                null
            return '\u0000'
                "�"
            throw new Error('no such order')
                ! Error: no such order (line 1)
            await new Promise(() => {})
                ! the script waits for something that never happens: no request or timer is left
            return process.env
                ! ReferenceError: process is not defined (line 1)
        "#]].assert_eq(&told);
    }

    async fn lines_of_the_console_are_events_of_the_run(server: TestServer) {
        let admin = server.admin().await;
        let code = "console.warn('one', { a: 1 }); for (let i = 0; i < 1000; i++) console.log(i); return null";
        let run = run(&admin, code, json!({}), json!({"config": {}})).await;

        let path = format!("/runs/{}/events?limit=200", run["id"].as_str().unwrap());
        let first = admin.get(&path).await.json();
        let next = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
        let events = [first, admin.get(&next).await.json()].map(|page| page["data"].as_array().unwrap().clone()).concat();
        let lines: Vec<_> = events.iter().filter(|event| event["type"] == "log").map(|it| &it["data"]).collect();
        assert_eq!(lines.len(), 201);
        let name = &run["definition"]["name"];
        assert_eq!(*lines[0], json!({"level": "warn", "source": name, "message": r#"one {"a":1}"#, "call_id": "c1"}));
        assert_eq!((&lines[1]["level"], &lines[1]["message"]), (&json!("info"), &json!("0")));
        assert_eq!(lines[200]["message"], "further lines are left out");
    }

    async fn a_script_says_how_far_it_is(server: TestServer) {
        let admin = server.admin().await;
        let code = "ctx.progress(1, 2, 'goes on'); await new Promise(() => setInterval(() => {}, 1000))";
        make(&admin, script("endless", code, json!({"config": {}, "timeout_ms": 600_000}))).await;
        let begun = admin.post("/tools/endless/execute", json!({"input": {}, "background": true})).await;
        let path = begun.header("location").unwrap().to_owned();

        let told = admin.stored(&path, "tool.progress", 1).await;
        admin.post(&format!("{path}/cancel"), json!({})).await;

        let said = &told.iter().find(|it| it["type"] == "tool.progress").unwrap()["data"];
        assert_eq!((&said["progress"], &said["total"], &said["message"]), (&json!(1.0), &json!(2.0), &json!("goes on")));
    }

    async fn what_is_stored_for_a_script_depends_on_what_it_may_do(server: TestServer) {
        let admin = server.admin().await;
        make(&admin, script("reads", "return 1", json!({"config": {}, "effect": "read"}))).await;
        make(&admin, script("does", "return 1", json!({"config": {}}))).await;
        let alone = server.alone().await;
        let stats = server.app.db.stats();
        let counted = || (stats.commits.load(Relaxed), stats.statements.load(Relaxed));
        let mut costs = Vec::new();
        for name in ["reads", "does"] {
            let path = format!("/tools/{name}/execute");
            alone.post(&path, json!({"input": {}})).await;
            let before = counted();
            assert_eq!(alone.post(&path, json!({"input": {}})).await.status, 200);
            let after = counted();
            costs.push(format!("{name}: {} commits, {} statements", after.0 - before.0, after.1 - before.1));
        }

        expect![[r#"
            reads: 2 commits, 4 statements
            does: 3 commits, 6 statements"#]].assert_eq(&costs.join("\n"));
    }

    async fn a_script_ends_with_its_time_or_its_run(server: TestServer) {
        let dialect = server.app.db.dialect();
        let server = TestServer::start_with(dialect, &[("TOOL_WORKERS_MAX", "1")]).await;
        let admin = server.admin().await;
        let endless = "console.log('begun'); await new Promise((end) => setTimeout(end, 1)); for (;;);";
        make(&admin, script("endless", endless, json!({"config": {}, "timeout_ms": 600_000}))).await;
        let begun = admin.post("/tools/endless/execute", json!({"input": {}, "background": true})).await;
        let path = begun.header("location").unwrap().to_owned();
        admin.stored(&path, "log", 1).await;

        let asked = Instant::now();
        assert_eq!(admin.post(&format!("{path}/cancel"), json!({})).await.status, 202);
        let run = admin.get(&format!("{path}/wait")).await.json();
        // There is one process, so that it must be another.
        let late = run_late(&admin).await;

        assert_eq!(run["status"], "canceled");
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
        expect!["! the script did not end within 300 ms"].assert_eq(&late);
    }

    async fn what_was_sent_and_not_answered_is_decided_by_a_person(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_server, admin) = crate::javascript_tools::server(server.app.db.dialect(), &receiver).await;
        let input = json!({"at": receiver.origin()});
        let hasty = json!({"timeout_ms": 700});
        let asks = async |method: &str, rest: &str| {
            receiver.answer(Answer::Never);
            let code = format!("const wait = ctx.fetch(input.at, {{ method: '{method}' }}); {rest}");
            let run = run(&admin, &code, input.clone(), hasty.clone()).await;
            let events = events(&admin, &run).await;
            (run, events)
        };

        let (read, _) = asks("GET", "await wait").await;
        let (lost, events_of_lost) = asks("POST", "await wait").await;
        let (caught, _) = asks("DELETE", "await wait.catch(() => { throw new Error('gave up') })").await;
        let (left, _) = asks("PUT", "setTimeout(() => {}, 200); await new Promise((end) => setTimeout(end, 200)); return 1").await;

        assert_eq!(read["status"], "failed", "{read:#}");
        for run in [&lost, &caught, &left] {
            assert_eq!(run["status"], "suspended", "{run:#}");
        }
        assert_eq!(of_call(&events_of_lost), "tool.started request.started request.finished tool.finished approval.requested run.waiting");
        assert_eq!(events_of_lost.iter().find(|it| it["type"] == "request.finished").unwrap()["data"]["status"], "unknown");
        // Answered, and then wrong: what was done is known.
        let code = "await ctx.fetch(input.at, { method: 'POST' }); throw new Error('after it')";
        let run = run(&admin, code, input, json!({})).await;
        assert_eq!((&run["status"], &*came(&run)), (&json!("failed"), "! Error: after it (line 1)"));
    }

    async fn a_request_is_recorded_before_it_is_sent(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_server, admin) = crate::javascript_tools::server(server.app.db.dialect(), &receiver).await;
        let answer = Gate::new();
        receiver.answer(Answer::Behind(answer.clone()));
        make(&admin, script("pay", "return (await ctx.fetch(input.at, { method: 'POST' })).status", json!({}))).await;
        let body = json!({"input": {"at": receiver.origin()}, "background": true});
        let begun = admin.post("/tools/pay/execute", body).await;
        let path = begun.header("location").unwrap().to_owned();

        receiver.wait_received(1).await;
        // It has been sent: it must be there without any waiting.
        let now = admin.get(&format!("{path}/events")).await.json();

        assert_eq!(of_call(now["data"].as_array().unwrap()), "tool.started request.started");
        answer.open();
        assert_eq!(admin.get(&format!("{path}/wait")).await.json()["output"], 204);
    }
}

async fn run_late(client: &Client) -> String {
    came(&run(client, "for (;;);", json!({}), json!({"config": {}, "timeout_ms": 300})).await)
}

/// Scripts that want to harm, through the whole server: each ends, and calls of another tenant are answered meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn harmful_scripts_of_a_tenant_are_contained() {
    let server = TestServer::start_with(Dialect::Sqlite, &[("TOOL_WORKERS_MAX", "2")]).await;
    let admin = server.admin().await;
    let theirs = another_tenant(&server).await;
    make(&theirs, script("neighbour", "return input.n * 2", json!({"config": {}}))).await;
    let neighbour = async || {
        let reply = theirs.post("/tools/neighbour/execute", json!({"input": {"n": 21}})).await;
        assert_eq!((reply.status, &reply.json()["output"]), (200, &json!(42)), "{}", reply.text);
    };
    let (mut answered, done) = (0, AtomicBool::new(false));
    let harm = async {
        let mut statuses = BTreeSet::new();
        for (number, code) in harmful::KNOWN.iter().chain(harmful::OWN).enumerate() {
            let name = format!("harm{number}");
            let config = json!({"hosts": ["a"], "memory_mb": 32});
            let harm = script(&name, code, json!({"config": config, "timeout_ms": 300}));
            // What is no body of a function is found out when it is saved.
            if admin.post("/tools/definitions", harm).await.status == 422 {
                continue;
            }
            let began = Instant::now();
            let reply = admin.post(&format!("/tools/{name}/execute"), json!({"input": {}})).await;
            assert!(began.elapsed() < Duration::from_secs(10), "{code}: {:?}", began.elapsed());
            assert!(matches!(reply.status, 200 | 502), "{code}: {}", reply.text);
            statuses.insert(reply.status);
        }
        done.store(true, SeqCst);
        statuses
    };
    let work = async {
        while !done.load(SeqCst) {
            neighbour().await;
            answered += 1;
        }
    };
    let (statuses, ()) = tokio::join!(harm, work);

    assert_eq!(statuses, BTreeSet::from([200, 502]));
    assert!(answered > 50, "{answered} calls of the neighbour were answered meanwhile");
}
