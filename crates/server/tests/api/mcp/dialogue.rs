//! What clients are asked while they wait for an answer themselves.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use agent_server::App;
use agent_server::Builder;
use agent_server::Tool;
use agent_server::ToolContext;
use agent_server::ToolFailure;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply as Answer;

use crate::harness::Client;
use crate::harness::Reply;
use crate::harness::TestServer;
use crate::mcp::speak::Session;
use crate::mcp::speak::create;
use crate::mcp::speak::message;
use crate::mcp::speak::messages;
use crate::mcp::speak::modern_of;
use crate::mcp::speak::result;

const ALL: &str = "mcp.access tool.execute agent.execute approval.decide";

type Paid = Arc<Mutex<Vec<u32>>>;

#[derive(Deserialize, JsonSchema)]
struct Amount {
    amount: u32,
}

fn pay(paid: &Paid) -> Builder {
    let paid = Arc::clone(paid);
    let pay = move |_: ToolContext, Amount { amount }: Amount| {
        let paid = Arc::clone(&paid);
        async move {
            paid.lock().unwrap().push(amount);
            Ok::<_, ToolFailure>("paid")
        }
    };
    App::builder().tool(Tool::effect("pay", "Pays.", pay))
}

/// A server whose agent `support` asks before it pays, and what it has paid.
async fn shop(server: &TestServer) -> (TestServer, Paid) {
    let paid = Paid::default();
    let book = Arc::clone(&paid);
    let code = move || -> Builder { pay(&book) };
    let server = TestServer::start_code(server.app.db.dialect(), &[], code).await;
    let agent = json!({
        "name": "support", "display_name": "Support", "instructions": "Pay.",
        "model": "openai/fake", "tools": [{"name": "pay", "approval": "always"}],
    });
    let made = server.admin().await.post("/agents/definitions", agent).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (server, paid)
}

fn booked(paid: &Paid) -> Vec<u32> {
    paid.lock().unwrap().clone()
}

fn wants_to_pay(server: &TestServer, amounts: &[u32]) {
    for amount in amounts {
        server.model.reply(Answer::text("").call("pay", json!({"amount": amount})));
    }
    server.model.reply(Answer::text("It is done."));
}

fn asks(name: &str, properties: Value, required: &[&str], asks: Value) -> Value {
    json!({
        "name": name, "description": "Asks.", "kind": "template",
        "input_schema": {"type": "object", "properties": properties, "required": required},
        "config": {"template": "{{ input }}"}, "metadata": {"mcp": {"asks": asks}},
    })
}

/// One that asks a person for an address, and then whether it is right.
fn address() -> Value {
    let form = |member: &str, kind: &str| json!({"type": "object", "properties": {member: {"type": kind}}, "required": [member]});
    let properties = json!({
        "item": {"type": "string"}, "address": form("street", "string"), "check": form("ok", "boolean"), "mood": {"type": "object"},
    });
    asks(
        "order",
        properties,
        &["item", "address", "check"],
        json!([
            {
                "address": {"elicit": {"message": "Where to with {{ input.item }}?"}},
                "mood": {"sample": {"text": "How is it?", "max_tokens": 5}},
            },
            {"check": {"elicit": {"message": "To {{ input.address.street }}?"}}},
        ]),
    )
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// Asks without a session, as a client that shows forms.
async fn send(client: &Client, params: Value) -> Reply {
    let capabilities = json!({"elicitation": {}});
    client.send(modern_of(client, "tools/call", params, &capabilities)).await
}

async fn call(client: &Client, params: Value) -> Value {
    let reply = send(client, params).await;
    let answer = messages(&reply).pop().unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// The code of the error, and its words.
async fn refused(client: &Client, params: Value) -> (i64, String) {
    let error = messages(&send(client, params).await).pop().unwrap()["error"].clone();
    (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
}

fn with(mut call: Value, more: &Value) -> Value {
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}

/// Makes a call in a session, and answers what is asked meanwhile by `answer`; gives the result.
async fn converse(
    session: &Session,
    at: &Client,
    call: &Value,
    answer: impl Fn(&Value) -> Value,
) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": call});
    let mut stream = session.message(&body).send().await.unwrap();
    let (mut seen, mut read) = (String::new(), 0);
    loop {
        let lines = seen.lines().filter_map(|line| line.strip_prefix("data:"));
        let said: Vec<Value> =
            lines.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect();
        for message in &said[read..] {
            if message["id"] == 7 {
                return message["result"].clone();
            }
            if message.get("method").is_some() && message.get("id").is_some() {
                let answered =
                    with(json!({"jsonrpc": "2.0", "id": message["id"]}), &answer(message));
                assert_eq!(session.of(at).send(&answered).await.status, 202);
            }
        }
        read = said.len();
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("the end: {seen}"));
        seen += std::str::from_utf8(&chunk).unwrap();
    }
}

on_both! {
    async fn a_tool_asks_its_client_round_by_round(server: TestServer) {
        create(&server, address()).await;
        let client = server.mcp_client(ALL).await;
        let listed = result(&client, "tools/list", json!({})).await;
        let shown = listed["tools"].as_array().unwrap().iter().find(|it| it["name"] == "order").unwrap();
        assert_eq!(shown["inputSchema"], json!({"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}));
        let order = json!({"name": "order", "arguments": {"item": "tea"}});

        let first = call(&client, order.clone()).await;

        // What cannot be asked of this client, and is not needed, is left out.
        assert_eq!((&first["resultType"], first["inputRequests"].as_object().unwrap().len()), (&json!("input_required"), 1));
        assert_eq!(first["inputRequests"]["address"]["params"]["message"], "Where to with tea?");
        let state = |it: &Value| json!({"requestState": it["requestState"]});
        let answered = json!({"inputResponses": {"address": accept(json!({"street": "Elm St"})), "x": accept(json!({}))}});
        let second = call(&client, with(with(order.clone(), &answered), &state(&first))).await;
        assert_eq!(second["inputRequests"]["check"]["params"]["message"], "To Elm St?");
        assert_ne!(first["requestState"], second["requestState"]);
        let checked = json!({"inputResponses": {"check": accept(json!({"ok": true}))}});
        let done = call(&client, with(with(order.clone(), &checked), &state(&second))).await;
        let text = done["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("Elm St") && text.contains("ok"), "{done}");

        // Whoever brings something else is asked again, or told what is wrong with it.
        let again = call(&client, with(order.clone(), &json!({"inputResponses": {"y": accept(json!({}))}}))).await;
        assert_eq!(again["inputRequests"], first["inputRequests"]);
        for wrong in [json!(12345), accept(json!({"street": 7}))] {
            let (code, _) = refused(&client, with(order.clone(), &json!({"inputResponses": {"address": wrong}}))).await;
            assert_eq!(code, -32602);
        }
        let declined = call(&client, with(order.clone(), &json!({"inputResponses": {"address": {"action": "decline"}}}))).await;
        assert_eq!((&declined["isError"], &declined["content"][0]["text"]), (&json!(true), &json!("`address` was not given: the person declined")));
        let given = call(&client, json!({"name": "order", "arguments": {"item": "tea", "address": {"street": "mine"}}})).await;
        assert_eq!(given["content"][0]["text"], "`address` is asked for, and not given with a call");
        // One that shows no forms cannot call it.
        let reply = client.send(modern_of(&client, "tools/call", order, &json!({"sampling": {}}))).await;
        let answer = messages(&reply).pop().unwrap();
        assert_eq!((reply.status, &answer["error"]["code"]), (400, &json!(-32021)));
        assert_eq!(answer["error"]["data"]["requiredCapabilities"], json!({"elicitation": {}}));
    }

    async fn a_state_is_good_for_its_caller_and_its_call_only(server: TestServer) {
        create(&server, address()).await;
        let body = json!({"client_name": "Test", "grant_types": ["client_credentials"], "scope": ALL});
        let made = server.admin().await.post("/oauth/register", body).await.json();
        let stranger = server.stranger();
        let come_in = async || {
            let token = stranger.mcp_token(made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap(), None).await;
            stranger.with_token(&token)
        };
        let (ann, bob) = (come_in().await, server.mcp_client(ALL).await);
        let order = json!({"name": "order", "arguments": {"item": "tea"}});
        let first = call(&ann, order.clone()).await;
        let state = first["requestState"].as_str().unwrap();
        let answers = json!({"address": accept(json!({"street": "Elm St"}))});
        let back = |order: &Value, state: &str| with(order.clone(), &json!({"inputResponses": answers, "requestState": state}));

        let other = json!({"name": "order", "arguments": {"item": "coffee"}});
        let (code, why) = refused(&ann, back(&other, state)).await;

        assert_eq!((code, why.as_str()), (-32602, "the state belongs to another call or caller"));
        assert_eq!(refused(&bob, back(&order, state)).await.1, "the state belongs to another call or caller");
        for forged in [format!("{state}-TAMPERED"), String::new(), "x".repeat(10_000), state.to_uppercase()] {
            assert_eq!(refused(&ann, back(&order, &forged)).await, (-32602, "the state is not one of this server".to_owned()));
        }
        assert!(call(&ann, back(&order, state)).await["inputRequests"]["check"].is_object());
        server.app.clock.advance(Duration::from_hours(1));
        let ann = come_in().await;
        assert_eq!(refused(&ann, back(&order, state)).await, (-32602, "the state is too old; begin again without it".to_owned()));
    }

    async fn a_client_with_a_session_is_asked_while_it_waits(server: TestServer) {
        create(&server, address()).await;
        let client = server.mcp_client(ALL).await;
        let order = json!({"name": "order", "arguments": {"item": "tea"}});
        let session = Session::with(&client, &json!({"elicitation": {}, "sampling": {}})).await;
        let answer = |message: &Value| {
            let result = match message["method"].as_str().unwrap() {
                "sampling/createMessage" => json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Fine."}}),
                _ if message["params"]["message"] == "To Elm St?" => accept(json!({"ok": true})),
                _ => accept(json!({"street": "Elm St"})),
            };
            json!({"result": result})
        };

        let done = converse(&session, &client, &order, answer).await;

        let text = done["content"][0]["text"].as_str().unwrap();
        assert!(["Elm St", "ok", "Fine."].iter().all(|it| text.contains(it)), "{done}");
        let refusing = |_: &Value| json!({"error": {"code": -1, "message": "not now"}});
        let done = converse(&session, &client, &order, refusing).await;
        assert_eq!(done["content"][0]["text"], "the client does not answer: not now");
        let plain = Session::begin(&client).await;
        let done = plain.ask("tools/call", order).await;
        assert_eq!(done["result"]["content"][0]["text"], "the client cannot be asked: it lacks `elicitation`");
    }

    async fn whoever_calls_may_approve_within_the_call(server: TestServer) {
        let (server, paid) = shop(&server).await;
        let client = server.mcp_client(ALL).await;
        let ask = json!({"name": "ask_support", "arguments": {"input": "Pay!"}});
        wants_to_pay(&server, &[40, 2]);

        let first = call(&client, ask.clone()).await;

        let key = |it: &Value| it["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
        let question = |it: &Value| it["inputRequests"][key(it)]["params"]["message"].clone();
        assert_eq!(question(&first), r#"May `pay` be called with {"amount":40}?"#);
        assert!(paid.lock().unwrap().is_empty());
        let come = |it: &Value, answer: Value| {
            with(ask.clone(), &json!({"requestState": it["requestState"], "inputResponses": {key(it): answer}}))
        };
        // Who comes without an answer is asked again.
        let again = call(&client, with(ask.clone(), &json!({"requestState": first["requestState"]}))).await;
        assert_eq!(key(&again), key(&first));
        let second = call(&client, come(&first, accept(json!({"approve": true})))).await;
        assert_eq!((question(&second), booked(&paid)), (json!(r#"May `pay` be called with {"amount":2}?"#), vec![40]));
        let done = call(&client, come(&second, accept(json!({"approve": false, "reason": "Too little."})))).await;
        assert_eq!((&done["content"][0]["text"], booked(&paid)), (&json!("It is done."), vec![40]));
        // All that was one run. Who comes again is told what became of it.
        let runs = server.admin().await.get("/runs").await.json();
        assert_eq!(runs["data"].as_array().unwrap().len(), 1);
        let late = call(&client, come(&first, accept(json!({"approve": true})))).await;
        assert_eq!((&late["content"][0]["text"], booked(&paid)), (&json!("It is done."), vec![40]));
    }

    async fn in_a_session_approvals_are_asked_on_the_stream_of_the_call(server: TestServer) {
        let (server, paid) = shop(&server).await;
        let client = server.mcp_client(ALL).await;
        let ask = json!({"name": "ask_support", "arguments": {"input": "Pay!"}});
        let session = Session::with(&client, &json!({"elicitation": {"form": {}}})).await;
        wants_to_pay(&server, &[40, 2]);
        let small = |message: &Value| {
            let is_small = message["params"]["message"].as_str().unwrap().contains(":2}");
            json!({"result": accept(json!({"approve": is_small}))})
        };

        let done = converse(&session, &client, &ask, small).await;

        assert_eq!((&done["content"][0]["text"], booked(&paid)), (&json!("It is done."), vec![2]));
        // Who closes the form has not decided: it waits for somebody else.
        wants_to_pay(&server, &[7]);
        let done = converse(&session, &client, &ask, |_| json!({"result": {"action": "cancel"}})).await;
        assert!(done["content"][0]["text"].as_str().unwrap().starts_with("the run is suspended"), "{done}");
        let open = server.admin().await.get("/approvals?status=pending").await.json();
        assert_eq!(open["data"].as_array().unwrap().len(), 1);
        assert_eq!(booked(&paid), [2]);
    }

    async fn approvals_of_agents_below_are_asked_as_well(server: TestServer) {
        let (server, paid) = shop(&server).await;
        for (name, below) in [("boss", "support"), ("owner", "boss")] {
            let agent = json!({"name": name, "display_name": name, "instructions": "Ask.", "model": "openai/fake", "agents": [below]});
            assert_eq!(server.admin().await.post("/agents/definitions", agent).await.status, 201);
        }
        let wants = |amount: u32| {
            server.model.reply(Answer::text("").call("ask_boss", json!({"input": "Pay!"})));
            server.model.reply(Answer::text("").call("ask_support", json!({"input": "Pay!"})));
            server.model.reply(Answer::text("").call("pay", json!({"amount": amount})));
            for said in ["Paid.", "It is paid.", "All is paid."] {
                server.model.reply(Answer::text(said));
            }
        };
        let client = server.mcp_client(ALL).await;
        let ask = json!({"name": "ask_owner", "arguments": {"input": "Pay!"}});
        wants(40);

        let first = call(&client, ask.clone()).await;

        let (key, asked) = first["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(asked["params"]["message"], r#"May `pay` be called with {"amount":40}?"#);
        let answers = json!({"requestState": first["requestState"], "inputResponses": {key.as_str(): accept(json!({"approve": true}))}});
        let done = call(&client, with(ask.clone(), &answers)).await;
        assert_eq!((&done["content"][0]["text"], booked(&paid)), (&json!("All is paid."), vec![40]));
        let session = Session::with(&client, &json!({"elicitation": {"form": {}}})).await;
        wants(2);
        let yes = |_: &Value| json!({"result": accept(json!({"approve": true}))});
        let done = converse(&session, &client, &ask, yes).await;
        assert_eq!((&done["content"][0]["text"], booked(&paid)), (&json!("All is paid."), vec![40, 2]));
        // Who leaves it open is told of the run, which waits for somebody else.
        wants(7);
        let done = converse(&session, &client, &ask, |_| json!({"result": {"action": "cancel"}})).await;
        assert!(done["content"][0]["text"].as_str().unwrap().starts_with("the run is waiting"), "{done}");
        let open = server.admin().await.get("/approvals?status=pending").await.json();
        assert_eq!((open["data"].as_array().unwrap().len(), booked(&paid)), (1, vec![40, 2]));
    }

    async fn only_who_may_decide_is_asked(server: TestServer) {
        let (server, paid) = shop(&server).await;
        let ask = json!({"name": "ask_support", "arguments": {"input": "Pay!"}});
        let may_not = server.mcp_client("mcp.access agent.execute").await;
        let shows_pages = server.mcp_client(ALL).await;
        server.model.reply(Answer::text("").call("pay", json!({"amount": 1})));
        let done = call(&may_not, ask.clone()).await;
        assert!(done["content"][0]["text"].as_str().unwrap().starts_with("the run is suspended"), "{done}");
        server.model.reply(Answer::text("").call("pay", json!({"amount": 1})));

        let request = modern_of(&shows_pages, "tools/call", ask, &json!({"elicitation": {"url": {}}}));
        let done = messages(&shows_pages.send(request).await).pop().unwrap();

        assert!(done["result"]["content"][0]["text"].as_str().unwrap().starts_with("the run is suspended"), "{done}");
        assert!(paid.lock().unwrap().is_empty());
    }

    async fn prompts_and_resources_ask_as_well(server: TestServer) {
        let context = json!({"context": {"elicit": {"message": "Of what?"}}});
        let shown = |name: &str, mcp: Value| {
            let tool = asks(name, json!({"context": {"type": "object", "properties": {}}}), &["context"], json!([context]));
            let mcp = with(tool["metadata"]["mcp"].clone(), &mcp);
            with(tool, &json!({"metadata": {"mcp": mcp}, "effect": "read"}))
        };
        create(&server, shown("review", json!({"as": "prompt"}))).await;
        create(&server, shown("note", json!({"as": "resource", "uri": "note://one"}))).await;
        let client = server.mcp_client(ALL).await;
        let capabilities = json!({"elicitation": {}});
        for (method, named, member) in [
            ("prompts/get", json!({"name": "review"}), "messages"),
            ("resources/read", json!({"uri": "note://one"}), "contents"),
        ] {
            let send = async |params: Value| {
                let reply = client.send(modern_of(&client, method, params, &capabilities)).await;
                messages(&reply).pop().unwrap()["result"].clone()
            };

            let first = send(named.clone()).await;

            assert_eq!(first["resultType"], "input_required", "{first}");
            let answers = json!({"inputResponses": {"context": accept(json!({"a": "sea"}))}, "requestState": first["requestState"]});
            let done = send(with(named, &answers)).await;
            assert!(done[member][0].to_string().contains("sea"), "{done}");
        }
        // In a session too, and nothing else is answered to a question.
        let session = Session::with(&client, &capabilities).await;
        let stray = json!({"jsonrpc": "2.0", "id": "x", "result": accept(json!({}))});
        assert_eq!(session.send(&stray).await.status, 202);
        assert_eq!(client.send(message(&client, &stray)).await.status, 400);
    }
}
