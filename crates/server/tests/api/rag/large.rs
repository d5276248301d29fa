//! Files of many pieces: kept as they come, and not at all if they do not come whole.

use agent_server::App;
use futures::stream;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::handbook;
use super::ingested;
use super::names;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;

const DOCUMENTS: &str = "/rag/databases/handbook/documents";
/// Two pieces and a half.
const SIZE: usize = 5 << 19;

/// A page of little text and more than `SIZE` bytes, of which each line is there once.
fn page(name: &str) -> String {
    let line = |line| format!("{line:09} of {name}\n");
    let comment: String = (0..SIZE / 16).map(line).collect();
    format!("<p>Cats of {name} are allowed.</p><!-- {comment} -->")
}

/// The head of a form, before its file.
const HEAD: &str =
    "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.html\"\r\n\r\n";

fn form(client: &Client, method: &str, path: &str) -> reqwest::RequestBuilder {
    client.request(method, path).header("content-type", "multipart/form-data; boundary=x")
}

fn whole(file: &str) -> String {
    format!("{HEAD}{file}\r\n--x--\r\n")
}

/// Waits until nothing is left of any file.
async fn nothing_is_left(server: &TestServer) {
    let gone = async {
        while number(
            server,
            "SELECT (SELECT count(*) FROM rag_files) + (SELECT count(*) FROM rag_uploads)",
        )
        .await
            > 0
        {}
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), gone).await.unwrap();
}

/// Sends the head of a request that announces more than it will ever send, and gives the first line of the answer.
async fn announce(client: &Client, bytes: u64) -> String {
    let request = form(client, "POST", DOCUMENTS).build().unwrap();
    let (url, token) = (request.url(), request.headers()["authorization"].to_str().unwrap());
    let place = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(place).await.unwrap();
    let head = format!(
        "POST {DOCUMENTS} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-length: {bytes}\r\n\
         content-type: multipart/form-data; boundary=x\r\n\r\n{HEAD}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    read.unwrap();
    line
}

on_both! {
    async fn a_file_that_claims_ten_gigabytes_is_refused_at_once(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;

        let line = announce(&admin, 10 << 30).await;

        assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
        nothing_is_left(&server).await;
    }

    async fn a_large_file_is_kept_piece_by_piece_and_given_back_as_it_was(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let (first, second) = (page("one"), page("two"));

        let made = admin.send(form(&admin, "POST", DOCUMENTS).body(whole(&first))).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let path = made.header("location").unwrap().to_owned();
        let again = admin.send(form(&admin, "POST", DOCUMENTS).body(whole(&first))).await;
        assert_eq!((again.status, &again.json()["id"]), (200, &made.json()["id"]));
        let done = ingested(&admin, &path).await;
        assert_eq!((&done["embedding_status"], &done["file_size"]), (&json!("completed"), &json!(first.len())), "{done:#}");
        let content = admin.get(&format!("{path}/content")).await;
        assert!(content.text == first, "it came back otherwise");
        assert_eq!(names(&admin, json!({"query": "cats of one"})).await[0], "a.html");

        // The file before is there until the new one is whole, and not after.
        let changed = admin.send(form(&admin, "PUT", &path).body(whole(&second))).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert!(admin.get(&format!("{path}/content")).await.text == second, "it came back otherwise");
        assert_eq!(ingested(&admin, &path).await["embedding_status"], "completed");
        let left = async { while number(&server, "SELECT count(*) FROM rag_uploads").await > 0 {} };
        tokio::time::timeout(std::time::Duration::from_mins(1), left).await.unwrap();
        assert_eq!(number(&server, "SELECT count(*) FROM rag_files").await, 3);

        assert_eq!(admin.delete(&path).await.status, 204);
        nothing_is_left(&server).await;
    }

    async fn a_file_that_does_not_come_whole_leaves_nothing(server: TestServer) {
        let (_replica, admin) = server.replica_with(App::builder(), &[("RAG_FILE_LIMIT", "3000000")]).await;
        handbook(&admin, json!({})).await;
        // It breaks off in its third piece; it is larger than may be, which is seen there, too; it is no form.
        let broken = stream::iter([Ok(whole(&page("one"))[..SIZE].to_owned()), Err("gone")]);
        let broken = form(&admin, "POST", DOCUMENTS).body(reqwest::Body::wrap_stream(broken));
        assert!(broken.send().await.is_err());
        let endless = stream::iter([Ok::<_, String>(HEAD.to_owned()), Ok("x".repeat(3_000_001))]);
        let endless = form(&admin, "POST", DOCUMENTS).body(reqwest::Body::wrap_stream(endless));
        assert_eq!(admin.send(endless).await.status, 413);
        let cut = form(&admin, "POST", DOCUMENTS).body(format!("{HEAD}{}", page("two")));
        assert_eq!(admin.send(cut).await.status, 400);
        let unknown = whole(&page("one")).replace("--x--", "--x\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n--x--");
        assert_eq!(admin.send(form(&admin, "POST", DOCUMENTS).body(unknown)).await.status, 422);

        nothing_is_left(&server).await;
        assert_eq!(number(&server, "SELECT count(*) FROM rag_documents").await, 0);
    }
}
