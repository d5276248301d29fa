//! Passages that a model looks at again.

use serde_json::Value;
use serde_json::json;
use testkit::model::Received;
use testkit::model::Reply;

use super::agents::quotes;
use super::agents::reader;
use super::handbook;
use super::names;
use super::put_in;
use super::search;
use crate::harness::TestServer;

/// Scores documents: those with `fourteen` are better than others.
fn scores(received: &Received) -> Reply {
    let documents = received.body["documents"].as_array().unwrap().iter().enumerate();
    let score = |(index, text): (usize, &Value)| {
        let is_better = text.as_str().unwrap().contains("fourteen");
        json!({"index": index, "relevance_score": if is_better { 0.75 } else { 0.25 }})
    };
    let mut results: Vec<Value> = documents.map(score).collect();
    results.reverse();
    Reply::raw(200, "application/json", json!({"results": results}).to_string())
}

/// Three documents that have `leave`; the one that says it least often answers best, and one is not for all.
async fn leaves(server: &TestServer, more: Value) {
    let admin = server.admin().await;
    handbook(&admin, more).await;
    put_in(&admin, "often.txt", "Leave, leave, leave.", json!({})).await;
    put_in(&admin, "long.txt", "Our leave lasts fourteen months.", json!({})).await;
    put_in(
        &admin,
        "board.txt",
        "Leave of the board: fourteen years.",
        json!({"scopes": ["board.read"]}),
    )
    .await;
}

/// What rerankers were asked.
fn asked(server: &TestServer) -> Vec<Received> {
    server.model.requests().into_iter().filter(|it| it.path.ends_with("/rerank")).collect()
}

on_both! {
    async fn a_model_looks_again_at_what_was_found(server: TestServer) {
        leaves(&server, json!({})).await;
        let some = server.client("rag.search").await;
        server.model.answer_with(scores);

        let mut found = Vec::new();
        for rerank in [Value::Null, json!({"model": "cohere/r"}), json!({"model": "openai/r", "timeout_ms": 30_000})] {
            let body = json!({"query": "leave", "mode": "keyword", "top_k": 1, "rerank": rerank});
            let answer = search(&some, body).await;
            assert_eq!(answer["warnings"], json!([]));
            let hit = &answer["data"][0];
            found.push(format!("{} {}", hit["citation"]["filename"], hit["scores"]["rerank"]));
        }
        let several = json!({"databases": ["handbook"], "query": "leave", "rerank": {"model": "cohere/r"}});
        let several = some.post("/rag/search", several).await.json();
        let diverse = json!({"query": "leave", "diversity": 0.5, "rerank": {"model": "cohere/r"}});

        assert_eq!(found, ["\"often.txt\" null", "\"long.txt\" 0.75", "\"long.txt\" 0.75"]);
        assert_eq!(several["data"][0]["citation"]["filename"], "long.txt");
        assert_eq!((&several["data"][0]["score"], &several["data"][1]["score"]), (&json!(0.75), &json!(0.25)));
        assert_eq!(names(&some, diverse).await, ["long.txt", "often.txt"]);
        // What the caller may not find goes to nobody for him.
        let mut documents = asked(&server)[0].body["documents"].as_array().unwrap().clone();
        documents.sort_by_key(ToString::to_string);
        assert_eq!(documents, ["Leave, leave, leave.", "Our leave lasts fourteen months."]);
        assert_eq!(names(&some, json!({"query": "nothing", "mode": "keyword", "rerank": {"model": "cohere/r"}})).await, Vec::<String>::new());
        assert_eq!(asked(&server).len(), 4);
    }

    async fn without_its_model_an_answer_comes_as_it_was_found(server: TestServer) {
        leaves(&server, json!({})).await;
        let admin = server.admin().await;
        let body = |timeout_ms: u32| {
            json!({"query": "leave", "mode": "keyword", "top_k": 1, "rerank": {"model": "cohere/r", "timeout_ms": timeout_ms}})
        };
        let mut answers = Vec::new();
        for (reply, timeout_ms) in [
            (Reply::silence(), 50),
            (Reply::error(503, "we are away"), 30_000),
            (Reply::raw(200, "application/json", r#"{"results": []}"#), 30_000),
        ] {
            server.model.reply(reply);
            let answer = search(&admin, body(timeout_ms)).await;
            let hit = &answer["data"][0];
            assert_eq!((&hit["citation"]["filename"], &hit["scores"]["rerank"]), (&json!("often.txt"), &Value::Null));
            answers.push(answer["warnings"][0].as_str().unwrap().to_owned());
        }

        assert_eq!(answers, [
            "the passages were not reranked: it took longer than 50 ms",
            "the passages were not reranked: `cohere` answered 503: we are away",
            "the passages were not reranked: `cohere` answered with something that is no score for each text",
        ]);
    }

    async fn a_database_and_a_tool_say_who_looks_again(server: TestServer) {
        let rerank = json!({"model": "cohere/r", "timeout_ms": 30_000});
        leaves(&server, json!({"search": {"mode": "keyword", "top_k": 1, "rerank": rerank}})).await;
        let admin = server.admin().await;
        let tool = json!({
            "name": "find", "description": "Finds it.", "kind": "rag", "effect": "read",
            "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
            "config": {"databases": ["handbook"], "mode": "keyword", "top_k": 1, "rerank": rerank},
        });
        let mut wrong = tool.clone();
        wrong["config"]["rerank"]["model"] = json!("google/r");
        assert_eq!(admin.post("/tools/definitions", tool).await.status, 201);
        server.model.answer_with(|received| {
            if received.path.ends_with("/rerank") {
                return scores(received);
            }
            let is_done = received.body["messages"].to_string().contains(r#""role":"tool""#);
            let search = Reply::text("").call("search_handbook", json!({"query": "leave"}));
            if is_done { Reply::text("It is so.") } else { search }
        });
        let some = server.client("rag.search tool.execute agent.execute").await;

        let plain = names(&some, json!({"query": "leave"})).await;
        let called = some.post("/tools/find/execute", json!({"input": {"query": "leave"}})).await.json();
        reader(&admin, "reader", json!({})).await;
        let run = some.post("/agents/reader/execute", json!({"input": "?"})).await.json();

        assert_eq!(plain, ["long.txt"]);
        assert_eq!(called["output"]["passages"][0]["citation"]["filename"], "long.txt", "{called:#}");
        assert_eq!(quotes(&run), ["Our leave lasts fourteen months."]);
        let refused = admin.post("/tools/definitions", wrong).await.json();
        assert_eq!((&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]), (&json!("/config/rerank/model"), &json!("unknown_model")));
        let search = json!({"search": {"rerank": {"model": "nobody/r"}}});
        let refused = admin.put("/rag/databases/handbook", search).await.json();
        assert_eq!((&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]), (&json!("/search/rerank/model"), &json!("unknown_model")));
    }
}
