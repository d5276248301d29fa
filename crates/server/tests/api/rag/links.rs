//! Documents that are fetched from where a URL says.

use agent_server::App;
use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::receiver::Answer;
use testkit::receiver::Receiver;

use super::handbook;
use super::ingested;
use super::names;
use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;

const DOCUMENTS: &str = "/rag/databases/handbook/documents";

/// The management client of a process that may ask `receiver`, and takes small files.
async fn beside(server: &TestServer, receiver: &Receiver) -> (App, Client) {
    let origin = receiver.origin();
    let settings = [("AGENT_SERVER_EGRESS_ALLOW", &*origin), ("RAG_FILE_LIMIT", "2000")];
    let (app, admin) = server.replica_with(App::builder(), &settings).await;
    handbook(&admin, json!({})).await;
    (app, admin)
}

on_both! {
    async fn a_document_is_fetched_from_its_url(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_app, admin) = beside(&server, &receiver).await;
        let url = format!("{}/hr/rules", receiver.origin());
        let file = Answer::File("text/markdown; charset=utf-8", "# Cats\n\nCats are allowed.".into());
        receiver.answer(Answer::With(302, "location", "/hr/Rules".to_owned())).answer(file.clone()).answer(file);

        let made = admin.post(DOCUMENTS, json!({"url": url, "metadata": {"team": "hr"}})).await;
        let again = admin.post(DOCUMENTS, json!({"url": url})).await;

        assert_eq!((made.status, again.status), (201, 200), "{}", made.text);
        assert_eq!(again.json()["id"], made.json()["id"]);
        let path = made.header("location").unwrap();
        let done = ingested(&admin, path).await;
        assert_eq!((&done["source_url"], &done["filename"]), (&json!(url), &json!("rules.md")));
        assert_eq!((&done["file_type"], &done["metadata"]), (&json!("text/markdown"), &json!({"team": "hr"})));
        assert_eq!(names(&admin, json!({"query": "cats"})).await, ["rules.md"]);

        receiver.answer(Answer::File("text/plain", "Dogs are allowed.".into()));
        let changed = admin.put(path, json!({"url": format!("{url}?dogs"), "filename": "dogs.txt"})).await.json();
        assert_eq!((&changed["source_url"], &changed["filename"]), (&json!(format!("{url}?dogs")), &json!("dogs.txt")));
        let changed = admin.put(path, json!({"text": "None are."})).await.json();
        assert_eq!(changed["source_url"], Value::Null);
    }

    async fn what_cannot_be_fetched_is_refused_and_leaves_nothing(server: TestServer) {
        let receiver = Receiver::start().await;
        let (_app, admin) = beside(&server, &receiver).await;
        receiver
            .answer(Answer::Status(404))
            .answer(Answer::File("image/png", "png".into()))
            .answer(Answer::File("text/plain", "x".repeat(2001).into()))
            .answer(Answer::With(302, "location", "http://169.254.169.254/latest".to_owned()));
        let here = format!("{}/a", receiver.origin());

        let mut said = Vec::new();
        for url in [&here, &here, &here, &here, "https://127.0.0.1/", "http://example.com/", "no url"] {
            let refused = admin.post(DOCUMENTS, json!({ "url": url })).await.json();
            said.push(format!("{} {}", refused["errors"][0]["pointer"], refused["errors"][0]["detail"]));
        }

        expect![[r#"
            "/url" "the far side answered 404 Not Found"
            "/url" "what is there is `image/png`, which is no document"
            "/url" "the file has more than 2000 bytes"
            "/url" "a redirect was refused: it must begin with `https://`"
            "/url" "the URL was refused: its host is not on the public Internet"
            "/url" "the URL was refused: it must begin with `https://`"
            "/url" "the URL was refused: it is not an absolute URL""#]].assert_eq(&said.join("\n"));
        assert_eq!(number(&server, "SELECT count(*) FROM rag_documents").await, 0);
    }
}
