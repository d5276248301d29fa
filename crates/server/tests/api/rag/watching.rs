//! Documents that are watched while they are ingested.

use serde_json::json;

use super::handbook;
use super::lines;
use super::upload;
use crate::harness::Frame;

/// The parts of a stream that do not depend on how fast something is.
fn check(frames: &[Frame]) {
    let (last, before) = frames.split_last().unwrap();
    assert!(before.iter().all(|it| it.event == "document.progress"), "{before:?}");
    assert!(frames.windows(2).all(|pair| pair[0].id != pair[1].id), "{frames:?}");
    assert_eq!(
        (&*last.event, &last.data["embedding_status"]),
        ("document.completed", &json!("completed"))
    );
}

on_both! {
    async fn whoever_watches_a_document_sees_its_ingestion_to_the_end(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"chunk_size": 40, "chunk_overlap": 0})).await;
        let (_replica, other) = server.replica().await;
        let path = upload(&admin, "long.txt", &lines(400), json!({})).await;
        let events = format!("{path}/events");

        let (here, there) = tokio::join!(
            admin.frames(admin.request("GET", &events)),
            other.frames(other.request("GET", &events)),
        );

        check(&here);
        check(&there);
        let last = here.last().unwrap();
        assert_eq!(Some(last), there.last());
        assert_eq!(last.data, admin.get(&path).await.json());
        // Who knows the end is told that there is nothing more; who knows something else, the end.
        assert_eq!(admin.get(&format!("{events}?after={}", last.id)).await.status, 204);
        let resumed = admin.request("GET", &events).header("last-event-id", "0123456789abcdef");
        assert_eq!(admin.frames(resumed).await, std::slice::from_ref(last));
    }

    async fn a_document_that_cannot_be_read_ends_its_stream(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = upload(&admin, "empty.txt", "", json!({})).await;

        let frames = admin.frames(admin.request("GET", &format!("{path}/events"))).await;

        let last = frames.last().unwrap();
        assert_eq!((&*last.event, &last.data["error_message"]), ("document.failed", &json!("the file is empty")));
        assert_eq!(admin.get("/rag/databases/handbook/documents/none/events").await.status, 404);
    }

    async fn only_who_may_read_a_document_watches_it(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let path = upload(&admin, "board.txt", "Leave of the board.", json!({"scopes": ["board.read"]})).await;
        let reader = server.client("rag.read").await;

        assert_eq!(reader.get(&format!("{path}/events")).await.status, 404);
    }
}
