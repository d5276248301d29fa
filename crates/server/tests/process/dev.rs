//! `agent-server dev` in an empty folder: the first minute of a newcomer.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdout;
use tokio::process::Command;

#[tokio::test]
async fn a_newcomer_needs_nothing_to_execute_the_demo_agent() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut lines, base) = start(folder.path()).await;

    let keys = folder.path().join("data/dev.env");
    let hello = read_until(&mut lines, "Ctrl-C").await;
    assert!(hello.contains("  . ./data/dev.env\n"), "{hello}");
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let run = execute_demo(&base, &keys, "use tool current_time with {}").await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(run["steps"], 2);

    terminate(&mut server).await;
}

#[tokio::test]
async fn a_second_start_keeps_keys_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("data/dev.env");
    let (mut server, _lines, base) = start(folder.path()).await;
    let run = execute_demo(&base, &keys, "Hello!").await;
    terminate(&mut server).await;
    let before = std::fs::read_to_string(&keys).unwrap();

    let (mut server, _lines, base) = start(folder.path()).await;
    let again = execute_demo(&base, &keys, "Hello!").await;

    assert_eq!(std::fs::read_to_string(&keys).unwrap(), before);
    assert_eq!(again["definition"], run["definition"]);
    terminate(&mut server).await;
}

pub async fn start(folder: &Path) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_agent-server"))
        .arg("dev")
        .current_dir(folder)
        .env_clear()
        .envs([("PORT", "0"), ("LOG_FORMAT", "json")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let text = read_until(&mut lines, "listening on ").await;
    let (_, rest) = text.split_once("listening on ").unwrap();
    let base = rest.split(',').next().unwrap().to_owned();
    (server, lines, base)
}

async fn read_until(lines: &mut Lines<BufReader<ChildStdout>>, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        text += &lines.next_line().await.unwrap().unwrap();
        text.push('\n');
    }
    text
}

async fn execute_demo(base: &str, keys: &Path, input: &str) -> Value {
    let keys = std::fs::read_to_string(keys).unwrap();
    let secret = keys.lines().find_map(|line| line.strip_prefix("MANAGEMENT_CLIENT_SECRET="));
    let secret = secret.map(|secret| secret.trim_matches('\''));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let grant = [("grant_type", "client_credentials")];
    let token = http.post(format!("{base}/oauth/token")).basic_auth("admin", secret).form(&grant);
    let token: Value = token.send().await.unwrap().json().await.unwrap();
    let execute = http
        .post(format!("{base}/agents/demo/execute"))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .json(&json!({"input": input}));
    execute.send().await.unwrap().json().await.unwrap()
}

pub async fn terminate(server: &mut Child) {
    let id = i32::try_from(server.id().unwrap()).unwrap();
    let process = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().await.unwrap().success());
}
