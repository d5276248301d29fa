//! Many readers, on whichever process: all of them see the same.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_server::db::Dialect;
use futures::future::join_all;
use reqwest::Response;
use serde_json::json;
use testkit::model::Gate;
use testkit::model::Reply;
use tokio::time::timeout;

use crate::events::read;
use crate::events::told;
use crate::harness::Client;
use crate::harness::Frame;
use crate::harness::TestServer;
use crate::harness::frames;
use crate::harness::in_sql;
use crate::harness::number;

/// What listens for this test's servers.
const LISTENERS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_seen_on_another_process_before_the_model_call_ends() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let (first, second) = (Gate::new(), Gate::new());
    let reply = Reply::tokens(["Öne 🌍", " two", " three"]).hold("Öne 🌍", &first);
    server.model.reply(reply.hold(" two", &second));
    let path = begin(&server).await;
    first.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;

    let mut stream = Stream::of(&elsewhere, &path, "0").await;
    stream.until("Öne 🌍").await;
    // One that comes later, in the middle of the text.
    let mut late = Stream::of(&elsewhere, &path, "3.4").await;
    late.until(r#""offset":4,"text":"🌍""#).await;
    first.open();
    stream.until(" two").await;
    second.open();

    for (cursor, stream) in [("0", stream), ("3.4", late)] {
        let seen = frames(&stream.end().await);
        let later = read(&server.admin().await, &path, cursor).await;
        assert_eq!(told(&seen), told(&later), "after {cursor}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_gives_the_same_after_any_cursor() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let gate = Gate::new();
    let answer = Reply::tokens(["那个", " é", " 🌍!"]).hold("那个", &gate);
    server.model.reply(Reply::text("Let me see.").call("current_time", json!({}))).reply(answer);
    let path = begin(&server).await;
    gate.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;
    let here = server.admin().await;

    let cursors = ["0", "3", "3.4", "4", "7", "9", "9.1", "9.2"];
    let readers = [&here, &elsewhere].into_iter().flat_map(|client| cursors.map(|it| (client, it)));
    let readers = readers.map(async |(client, cursor)| (cursor, read(client, &path, cursor).await));
    let watching = async {
        // Those elsewhere are there before the text goes on.
        Stream::of(&elsewhere, &path, "9").await.until("那个").await;
        gate.open();
    };
    let (live, ()) = futures::join!(join_all(readers), watching);

    let whole = read(&here, &path, "0").await;
    for (cursor, frames) in live {
        assert_eq!(told(&frames), told(&read(&here, &path, cursor).await), "after {cursor}");
    }
    for frame in &whole {
        let (one, other) = (read(&here, &path, &frame.id), read(&elsewhere, &path, &frame.id));
        let (one, other) = futures::join!(one, other);
        assert_eq!(told(&one), told(&other), "after {}", frame.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed_loses_nothing_and_comes_back() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let (first, second) = (Gate::new(), Gate::new());
    let reply = Reply::tokens(["One", " two", " three"]).hold("One", &first);
    server.model.reply(reply.hold(" two", &second));
    let path = begin(&server).await;
    let (_replica, elsewhere) = server.replica().await;
    let mut stream = Stream::of(&elsewhere, &path, "0").await;
    stream.until("One").await;

    assert_eq!(number(&server, &format!("SELECT count(*) {LISTENERS}")).await, 2);
    in_sql(&server, &format!("SELECT pg_terminate_backend(pid) {LISTENERS}")).await;
    first.open();
    // Both hear again.
    stream.until(" two").await;
    in_sql(&server, &format!("SELECT pg_terminate_backend(pid) {LISTENERS}")).await;
    second.open();

    let seen = frames(&stream.end().await);
    assert_eq!(told(&seen), told(&read(&server.admin().await, &path, "0").await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_listening_nothing_is_lost() {
    let settings = [("DATABASE_LISTEN_URL", "off")];
    let server = TestServer::start_with(Dialect::Postgres, &settings).await;
    server.agent("support").await;
    let gate = Gate::new();
    server.model.reply(Reply::tokens(["One", " two"]).hold("One", &gate));
    let path = begin(&server).await;
    gate.wait_reached().await;
    let (_replica, elsewhere) = server.replica().await;
    let mut stream = Stream::of(&elsewhere, &path, "0").await;
    stream.until("model.started").await;
    let wait = path.replace("/events", "/wait");

    let (waited, ()) = futures::join!(elsewhere.get(&wait), async { gate.open() });

    assert_eq!(waited.json()["status"], "succeeded");
    let seen = frames(&stream.end().await);
    assert_eq!(told(&seen), told(&read(&server.admin().await, &path, "0").await));
    assert_eq!(number(&server, &format!("SELECT count(*) {LISTENERS}")).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_a_run_see_the_same_on_its_process() {
    let server = TestServer::start(Dialect::Sqlite).await;
    let here = server.admin().await;
    a_thousand_readers_see_the_same(&server, &here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_a_run_see_the_same_on_another_process() {
    let server = TestServer::start(Dialect::Postgres).await;
    let (_replica, elsewhere) = server.replica().await;
    a_thousand_readers_see_the_same(&server, &elsewhere).await;
}

async fn a_thousand_readers_see_the_same(server: &TestServer, client: &Client) {
    server.agent("support").await;
    let gate = Gate::new();
    server.model.reply(Reply::tokens(["One", " two", " three"]).hold("One", &gate));
    let path = begin(server).await;
    gate.wait_reached().await;
    let mut readers = Vec::new();
    for _ in 0..1000 {
        readers.push(Stream::of(client, &path, "0").await);
    }

    // The last of them never reads before the run is over.
    let slow = readers.pop().unwrap();
    join_all(readers.iter_mut().map(|reader| reader.until("One"))).await;
    gate.open();
    let texts = join_all(readers.into_iter().map(Stream::end)).await;
    let texts = texts.into_iter().chain([slow.end().await]);

    let (mut stored, mut said) = (BTreeSet::new(), BTreeSet::new());
    for text in texts {
        said.insert(frames(&text).iter().map(Frame::delta).collect::<String>());
        let events =
            text.split_inclusive("\n\n").filter(|it| !it.contains("\nevent: text.delta\n"));
        stored.insert(events.collect::<String>());
    }
    // On a busy machine the model may have been silent for too long meanwhile: all see that, too.
    let later: String = read(client, &path, "0").await.iter().map(Frame::delta).collect();
    assert_eq!(said, BTreeSet::from([later]));
    assert_eq!(stored.len(), 1, "{stored:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_with_a_reader_each_on_another_process_all_end() {
    let server = TestServer::start(Dialect::Postgres).await;
    server.agent("support").await;
    let (_replica, elsewhere) = server.replica().await;
    let here = server.admin().await;

    let ends = (0..1000).map(async |_| {
        let body = json!({"input": "Go", "background": true});
        let begun = here.post("/agents/support/execute", body).await;
        let path = format!("{}/events", begun.header("location").unwrap());
        let frames = read(&elsewhere, &path, "0").await;
        let said: String = frames.iter().map(Frame::delta).collect();
        (said, frames.last().unwrap().data["data"]["status"].clone())
    });

    for end in join_all(ends).await {
        assert_eq!(end, ("You said: Go".to_owned(), json!("succeeded")));
    }
}

/// Begins a run on the server's own process, and returns the path of its events.
async fn begin(server: &TestServer) -> String {
    let body = json!({"input": "Go", "background": true});
    let begun = server.admin().await.post("/agents/support/execute", body).await;
    format!("{}/events", begun.header("location").unwrap())
}

/// An event stream that is read piece by piece.
struct Stream {
    response: Response,
    text: Vec<u8>,
}

impl Stream {
    async fn of(client: &Client, path: &str, cursor: &str) -> Self {
        let request = client.request("GET", path).header("last-event-id", cursor);
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: Vec::new() }
    }

    /// Reads until `text` was there. The run does not go on by itself: to wait long is to have failed.
    async fn until(&mut self, text: &str) {
        let read = async {
            while !String::from_utf8_lossy(&self.text).contains(text) {
                let Some(piece) = self.response.chunk().await.unwrap() else {
                    panic!("no `{text}` in {}", String::from_utf8_lossy(&self.text));
                };
                self.text.extend_from_slice(&piece);
            }
        };
        let came = timeout(Duration::from_mins(1), read).await.is_ok();
        assert!(came, "no `{text}` in {}", String::from_utf8_lossy(&self.text));
    }

    /// All of it, read to its end.
    async fn end(mut self) -> String {
        while let Some(piece) = self.response.chunk().await.unwrap() {
            self.text.extend_from_slice(&piece);
        }
        String::from_utf8(self.text).unwrap()
    }
}
