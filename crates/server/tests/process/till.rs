//! A server with tools of each class, and the far side of these tools, which counts.
//!
//! The far side is in the process of the test: whatever happens to a server, what reached it is known.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use agent_server::config::Config;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::database::TestDatabase;
use testkit::model::FakeModel;
use testkit::model::Reply;
use testkit::receiver::Receiver;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::server;
use crate::server::Server;

/// Where the far side is; only the process that is to be the server has it.
const FAR_SIDE: &str = "TILL_FAR_SIDE";
/// How long the far side's answer is on its way: a kill finds it there often enough.
const WAY_BACK: Duration = Duration::from_millis(8);

#[derive(Deserialize, JsonSchema)]
struct Order {
    #[expect(dead_code, reason = "it tells calls apart")]
    number: u32,
}

/// Calls the far side, with the effect id as the key by which it can tell.
async fn call(request: reqwest::RequestBuilder, call: ToolContext) -> Result<Value, ToolFailure> {
    let request = request.header("idempotency-key", &call.effect_id);
    let reply = request.send().await.map_err(ToolFailure::unknown)?;
    tokio::time::sleep(WAY_BACK).await;
    Ok(json!({ "status": reply.status().as_u16() }))
}

fn program(far_side: &str) -> Builder {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = |path: &str| {
        let (http, url) = (http.clone(), format!("{far_side}/{path}"));
        move |context, _: Order| call(http.post(&url), context)
    };
    App::builder()
        .tool(Tool::read("look", "Looks.", at("look")))
        .tool(Tool::idempotent("put", "Puts, once for each key.", at("put")))
        .tool(Tool::effect("pay", "Pays, each time.", at("pay")))
        .worker_program(server::PROGRAM)
}

/// What is data: tools that send a request and run a script, with the key that the model gives them, and the agent.
fn rows(far_side: &str) -> [(&'static str, Value); 3] {
    let host = json!(["127.0.0.1"]);
    let schema = json!({"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]});
    let script = format!(
        "const headers = {{ 'idempotency-key': input.order }};
         const reply = await ctx.fetch('{far_side}/bill', {{ method: 'POST', headers }});
         await new Promise((end) => setTimeout(end, {}));
         return {{ status: reply.status }}",
        WAY_BACK.as_millis(),
    );
    let ship = json!({
        "name": "ship", "description": "Ships, each time.", "kind": "http", "input_schema": schema,
        "config": {"method": "POST", "url": format!("{far_side}/ship"), "allow_http": true,
            "headers": {"idempotency-key": "{{ input.order }}"}},
    });
    let bill = json!({
        "name": "bill", "description": "Bills, each time.", "kind": "javascript", "input_schema": schema,
        "config": {"hosts": host}, "execute_code": script,
    });
    let agent = json!({
        "name": "slow", "display_name": "Slow", "instructions": "Serve.", "model": "openai/till",
        "tools": ["look", "put", "pay", "ship", "bill"],
    });
    [("/tools/definitions", ship), ("/tools/definitions", bill), ("/agents/definitions", agent)]
}

/// No test, but the program that the tests start: this one, told by its environment to be the server.
/// In any other process it only checks that there would be one.
#[test]
fn the_server_of_these_tests() {
    #[expect(clippy::disallowed_methods, reason = "this is the server's environment")]
    let setting = |name: &str| std::env::var(name).ok();
    let Some(far_side) = setting(FAR_SIDE) else {
        assert!(format!("{:?}", program("http://far.test")).contains("pay"));
        return;
    };
    tracing_subscriber::fmt().with_ansi(false).init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = runtime.block_on(async {
        let app = program(&far_side).start(Config::load(setting)?).await?;
        app.serve().await
    });
    ended.unwrap();
    std::process::exit(0);
}

/// What a server of these tests needs, and all that was ever asked of it.
pub struct Till {
    pub database: TestDatabase,
    pub model: FakeModel,
    pub far_side: Receiver,
    /// Whether there are the rows that it needs.
    has_rows: OnceCell<()>,
}

impl Till {
    pub async fn open(kind: DatabaseKind) -> Self {
        Self::on(server::database(kind).await).await
    }

    pub async fn on(database: TestDatabase) -> Self {
        let (model, far_side) = (FakeModel::start().await, Receiver::start().await);
        model.answer_with(|request| turn(&request.body).every(Duration::from_millis(3)));
        Self { database, model, far_side, has_rows: OnceCell::new() }
    }

    pub async fn server(&self) -> Server {
        self.server_with(&[]).await
    }

    pub async fn server_with(&self, own: &[(&str, &str)]) -> Server {
        // A file that must not grow is an error for it, and not its end.
        let mut program = Command::new("sh");
        program
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
            .arg(std::env::current_exe().unwrap());
        program.args(["till::the_server_of_these_tests", "--exact", "--nocapture"]);
        let origin = self.far_side.origin();
        // All know themselves by one name, so that a token of one is good for the others.
        let mut all = vec![
            (FAR_SIDE, &*origin),
            ("AGENT_SERVER_EGRESS_ALLOW", &*origin),
            ("TOKEN_SERVICE_URL", "http://till.test"),
        ];
        all.extend_from_slice(own);
        let server = Server::start_program(program, self.database.url(), &self.model, &all).await;
        let make = async || {
            for (path, row) in rows(&origin) {
                let reply = server.post(path, row).await;
                assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
            }
        };
        self.has_rows.get_or_init(make).await;
        server
    }

    /// How often each effect reached the far side.
    fn hits(&self) -> BTreeMap<String, usize> {
        let mut hits = BTreeMap::new();
        for call in self.far_side.webhooks() {
            *hits.entry(call.header("idempotency-key").to_owned()).or_default() += 1;
        }
        hits
    }

    /// Lets all of `runs` end, deciding what must be decided, and checks each against what has reached the
    /// far side.
    pub async fn settle(&self, server: &Server, runs: &[String]) -> Ends {
        let mut ends = Ends::default();
        let mut open: Vec<&String> = runs.iter().collect();
        while !open.is_empty() {
            ends.decided += decide_all(server).await;
            let now = join_all(open.iter().map(|run| server.wait(run))).await;
            let rests = |run: &Value| run["status"] == "suspended";
            open =
                open.into_iter().zip(&now).filter(|(_, run)| rests(run)).map(|it| it.0).collect();
        }
        let hits = self.hits();
        for run in runs {
            let (ended, events) = (server.wait(run).await, server.events(run).await);
            ends.interrupted += usize::from(ended["attempt"].as_u64().unwrap() > 1);
            check(&ended, &events, &hits);
        }
        ends
    }
}

/// What became of many runs.
#[derive(Debug, Default)]
pub struct Ends {
    /// Runs that were taken up again.
    pub interrupted: usize,
    pub decided: usize,
}

/// Decides on all that nobody knows what came of it, each in another way; says on how many.
pub async fn decide_all(server: &Server) -> usize {
    let approvals = server.list("/approvals?status=pending&limit=200").await;
    for approval in &approvals {
        assert_eq!(approval["kind"], "unknown_effect", "{approval:#}");
        let id = approval["id"].as_str().unwrap();
        let way = usize::from(*id.as_bytes().last().unwrap()) % 3;
        let decision = ["retry", "done", "reject"][way];
        let mut body = json!({
            "decision": decision,
            "arguments_hash": approval["arguments_hash"],
        });
        if decision == "done" {
            body["result"] = json!({"seen": "by a person"});
        }
        let reply = server.post(&format!("/approvals/{id}"), body).await;
        assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
    }
    approvals.len()
}

/// Checks one run: that it ended well, and that nothing recorded was done again.
fn check(run: &Value, events: &[Value], hits: &BTreeMap<String, usize>) {
    let log = || events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(run["status"], "succeeded", "{run:#}\n{}", log());
    assert_eq!(run["output"]["text"], "All is done.", "{run:#}");
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let count = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert_eq!((count("run.finished"), count("model.finished")), (1, 3), "{}", log());
    let mut calls: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in events {
        if let Some(call) = event["data"]["call_id"].as_str().filter(|_| is_of_a_tool(event)) {
            calls.entry(call).or_default().push(event);
        }
    }
    assert_eq!(calls.len(), 7, "{}", log());
    for events_of_call in calls.values() {
        check_call(&decided(events_of_call, events), hits, &log());
    }
}

fn is_of_a_tool(event: &Value) -> bool {
    let of_a_tool = ["tool.started", "request.started", "tool.finished", "approval.requested"];
    event["type"].as_str().is_some_and(|name| of_a_tool.contains(&name))
}

/// The events of one call, with the decisions on it.
fn decided<'a>(of_call: &[&'a Value], all: &'a [Value]) -> Vec<&'a Value> {
    let asked: Vec<&Value> = of_call
        .iter()
        .filter(|it| it["type"] == "approval.requested")
        .map(|it| &it["data"]["id"])
        .collect();
    let is_decision = |event: &&Value| asked.contains(&&event["data"]["approval_id"]);
    let mut events: Vec<&Value> =
        of_call.iter().copied().chain(all.iter().filter(is_decision)).collect();
    events.sort_by_key(|event| event["seq"].as_u64());
    events
}

/// Checks one call by its class.
fn check_call(events: &[&Value], hits: &BTreeMap<String, usize>, log: &str) {
    let of = |name: &'static str| events.iter().filter(move |it| it["type"] == name);
    let first = &events[0]["data"];
    let (effect, id) = (first["effect"].as_str().unwrap(), first["effect_id"].as_str().unwrap());
    // What is data knows no effect id: the model gave it a key.
    let key = first["arguments"]["order"].as_str().unwrap_or(id);
    let (started, made) = (of("tool.started").count(), hits.get(key).copied().unwrap_or_default());
    let last = events.last().unwrap();
    let why = format!("call {first}, {made} times at the far side, in\n{log}");
    assert!(of("tool.started").all(|it| it["data"]["effect_id"] == *id), "{why}");
    assert_eq!(last["type"], "tool.finished", "{why}");
    // What is done is not begun again.
    assert!(of("tool.finished").filter(|it| it["data"]["status"] == "done").count() <= 1, "{why}");
    let decided = |how: &str| events.iter().filter(|it| it["data"]["decision"] == how).count();
    if last["data"]["status"] == "done" && decided("done") == 0 {
        assert!(made >= 1, "recorded as done, and never made: {why}");
    }
    if effect == "read" {
        return;
    }
    // Each attempt was committed before it was sent, and sent once at most.
    assert!(made <= started, "{why}");
    if first["tool"] == "bill" {
        assert!(made <= of("request.started").count(), "{why}");
    }
    if effect == "idempotent" {
        assert_eq!(of("approval.requested").count(), 0, "{why}");
        return;
    }
    // No second attempt without somebody who wants it.
    assert!(started <= 1 + decided("retry"), "{why}");
    for pair in events.windows(2) {
        check_decision(pair[0], pair[1], &why);
    }
}

/// Checks what follows from a decision, if the first of two events is one.
fn check_decision(event: &Value, next: &Value, why: &str) {
    let (kind, status) = (next["type"].as_str().unwrap(), next["data"]["status"].as_str());
    match event["data"]["decision"].as_str() {
        Some("retry") => assert_eq!(kind, "tool.started", "{why}"),
        Some("done") => {
            assert_eq!((kind, status), ("tool.finished", Some("done")), "{why}");
            assert_eq!(next["data"]["result"], json!({"seen": "by a person"}), "{why}");
        }
        Some("reject") => assert_eq!((kind, status), ("tool.finished", Some("unknown")), "{why}"),
        _ => {}
    }
}

/// A key that no other call has.
fn order() -> String {
    static ORDERS: AtomicU64 = AtomicU64::new(0);
    format!("order-{}", ORDERS.fetch_add(1, Ordering::SeqCst))
}

/// The model calls all tools of the program at once, then two of them again with those that are data, and is done.
pub fn turn(request: &Value) -> Reply {
    let messages = request["messages"].as_array().unwrap();
    match messages.iter().filter(|message| message["role"] == "tool").count() {
        0 => Reply::tokens(["Let", " me", " see."])
            .call("look", json!({"number": 1}))
            .call("put", json!({"number": 2}))
            .call("pay", json!({"number": 3})),
        3 => Reply::tokens(["And", " again."])
            .call("pay", json!({"number": 4}))
            .call("put", json!({"number": 5}))
            .call("ship", json!({"order": order()}))
            .call("bill", json!({"order": order()})),
        _ => Reply::tokens(["All", " is", " done."]),
    }
}
