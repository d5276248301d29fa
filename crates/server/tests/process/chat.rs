//! `agent-server chat`, at a server that runs.

use std::process::Output;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;
use testkit::database::DatabaseKind;
use testkit::model::FakeModel;
use testkit::model::Reply;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;

use crate::server;
use crate::server::PROGRAM;
use crate::server::SECRET;
use crate::server::Server;

/// A server with these agents.
async fn start(model: &FakeModel, agents: &[Value]) -> (Server, testkit::database::TestDatabase) {
    let database = server::database(DatabaseKind::Sqlite).await;
    let server = Server::start(database.url(), model).await;
    for agent in agents {
        let reply = server.post("/agents/definitions", agent.clone()).await;
        assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
    }
    (server, database)
}

fn agent(name: &str, model: &str, tool: Value) -> Value {
    json!({
        "name": name, "display_name": name, "instructions": "Answer.", "model": model, "tools": [tool],
    })
}

fn chat(server: &Server, arguments: &[&str]) -> Child {
    Command::new(PROGRAM)
        .arg("chat")
        .args(arguments)
        .args(["--url", server.base()])
        .env_clear()
        .env("MANAGEMENT_CLIENT_SECRET", SECRET)
        .env("AGENT_SERVER_DATA_DIR", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What comes of saying `lines`, and then nothing more.
async fn say(server: &Server, arguments: &[&str], lines: &str) -> Output {
    let mut chat = chat(server, arguments);
    let mut input = chat.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).await.unwrap();
    drop(input);
    chat.wait_with_output().await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_shows_text_calls_and_approvals() {
    let model = FakeModel::start().await;
    let free = agent("free", "demo/scripted", json!("current_time"));
    let asks =
        agent("asks", "demo/scripted", json!({"name": "current_time", "approval": "always"}));
    let (server, _database) = start(&model, &[free, asks]).await;

    let spoken = say(&server, &["free"], "Hello!\n\nuse tool current_time with {}\n").await;

    let text = out(&spoken);
    assert_eq!(spoken.status.code(), Some(0), "{}", err(&spoken));
    assert!(text.contains("You said: Hello!\n"), "{text}");
    assert!(text.contains("→ current_time {}\n← done {\"") && !text.contains('\u{1b}'), "{text}");

    let order = "use tool current_time with {}\n";
    let lines = format!("{order}maybe\nreject not today\n{order}yes\n");
    let spoken = say(&server, &["asks"], &lines).await;

    let text = out(&spoken);
    assert_eq!(spoken.status.code(), Some(0), "{}", err(&spoken));
    assert_eq!(text.matches("? current_time {}\n").count(), 2, "{text}");
    assert!(text.contains("← rejected the call was not approved: not today\n"), "{text}");
    assert!(text.contains("→ current_time {}\n← done"), "{text}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_belongs_to_the_conversation() {
    let model = FakeModel::start().await;
    model.reply(Reply::text("Hello, Ann."));
    model.reply(Reply::text("Ann."));
    let (server, _database) = start(&model, &[agent("a", "openai/a", json!("current_time"))]).await;

    let spoken = say(&server, &["a"], "I am Ann.\nWho am I?\n").await;

    assert_eq!(spoken.status.code(), Some(0), "{}", err(&spoken));
    let asked = model.last_request().body["messages"].to_string();
    for text in ["I am Ann.", "Hello, Ann.", "Who am I?"] {
        assert!(asked.contains(text), "{asked}");
    }

    // Another process goes on with it.
    let text = out(&spoken);
    let thread = text.lines().next().unwrap().strip_prefix("thread ").unwrap();
    model.reply(Reply::text("Still Ann."));
    let spoken = say(&server, &["a", "--thread", thread, "--once", "And now?"], "").await;

    assert_eq!(out(&spoken), "Still Ann.\n", "{}", err(&spoken));
    let asked = model.last_request().body["messages"].to_string();
    assert!(asked.contains("I am Ann.") && asked.contains("And now?"), "{asked}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_question_gives_the_answer_alone_and_says_how_it_went() {
    let model = FakeModel::start().await;
    let free = agent("free", "demo/scripted", json!("current_time"));
    let approval = json!({"name": "current_time", "approval": "always"});
    let asks = agent("asks", "demo/scripted", approval);
    let broken = agent("broken", "openai/broken", json!("current_time"));
    let mut late = agent("late", "demo/scripted", json!("current_time"));
    late["limits"] = json!({"timeout_ms": 200});
    let (server, _database) = start(&model, &[free, asks, broken, late]).await;
    model.reply(Reply::error(400, "no such thing"));

    let order = "use tool current_time with {}";
    let cases = [
        ("free", "Hi", 0, "You said: Hi\n"),
        ("broken", "Hi", 1, ""),
        ("nobody", "Hi", 1, ""),
        ("asks", order, 3, ""),
        ("late", "say 1000 words every 10 ms", 5, ""),
    ];
    for (agent, text, code, answer) in cases {
        let spoken = say(&server, &[agent, "--once", text], "").await;
        assert_eq!(spoken.status.code(), Some(code), "{agent}: {}", err(&spoken));
        assert_eq!(out(&spoken), answer, "{agent}");
        assert_eq!(err(&spoken).is_empty(), code == 0, "{agent}");
    }
    let stranger = ["free", "--once", "Hi", "--client-id", "admin", "--client-secret", "wrong"];
    assert_eq!(say(&server, &stranger, "").await.status.code(), Some(1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_cancels_the_answer_and_the_conversation_goes_on() {
    let model = FakeModel::start().await;
    let free = agent("free", "demo/scripted", json!("current_time"));
    let (server, _database) = start(&model, &[free]).await;
    let mut chat = chat(&server, &["free"]);
    let mut input = chat.stdin.take().unwrap();
    let mut output = BufReader::new(chat.stdout.take().unwrap());
    input.write_all(b"say 1000 words every 20 ms\n").await.unwrap();
    let mut text = Vec::new();
    // Its thread is told first, and may have any digit in its id.
    while !String::from_utf8_lossy(&text).contains("word2") {
        assert_ne!(output.read_until(b'2', &mut text).await.unwrap(), 0, "it ended");
    }

    let id = i32::try_from(chat.id().unwrap()).unwrap();
    let process = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    input.write_all(b"Still there?\n").await.unwrap();
    drop(input);

    let mut lines = output.lines();
    let mut rest = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest += &line;
        rest.push('\n');
    }
    assert!(rest.contains("! canceled: the run was canceled\n"), "{rest}");
    assert!(rest.contains("You said: Still there?\n") && !rest.contains("word1000"), "{rest}");
    assert_eq!(chat.wait().await.unwrap().code(), Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_waited_for_while_the_server_is_gone() {
    let model = FakeModel::start().await;
    let was_asked = AtomicBool::new(false);
    model.answer_with(move |_| {
        let reply = Reply::tokens(["one", " two"]);
        if was_asked.swap(true, Ordering::SeqCst) { reply } else { reply.hang(" two") }
    });
    let (server, database) = start(&model, &[agent("a", "openai/a", json!("current_time"))]).await;
    let chat = chat(&server, &["a", "--once", "Go"]);
    model.wait_received(1).await;
    let port = server.base().rsplit_once(':').unwrap().1.to_owned();

    server.kill().await;
    let again = Server::start_with(database.url(), &model, &[("PORT", &port)]).await;

    let spoken = chat.wait_with_output().await.unwrap();
    assert_eq!(
        (spoken.status.code(), out(&spoken).as_str()),
        (Some(0), "one two\n"),
        "{}",
        err(&spoken)
    );
    again.stop().await;
}
