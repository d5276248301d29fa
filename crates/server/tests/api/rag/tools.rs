//! Tools of kind `rag`: databases that models search.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;

use super::handbook;
use super::put_in;

fn finder(databases: Value) -> Value {
    json!({
        "name": "find", "description": "Finds passages of the handbook.", "kind": "rag",
        "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        "config": {"databases": databases, "top_k": 2, "mode": "keyword"},
    })
}

on_both! {
    async fn a_tool_searches_for_whom_it_is_called(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "open.txt", "Leave is for all.", json!({})).await;
        put_in(&admin, "board.txt", "Leave of the board.", json!({"scopes": ["board.read"]})).await;
        assert_eq!(admin.post("/tools/definitions", finder(json!(["Handbook"]))).await.status, 201);
        let some = server.client("tool.execute").await;
        let board = server.client("tool.execute board.read").await;

        let mut found = Vec::new();
        for client in [&some, &board] {
            let run = client.post("/tools/find/execute", json!({"input": {"query": "leave"}})).await.json();
            let passages = run["output"]["passages"].as_array().unwrap_or_else(|| panic!("{run:#}")).clone();
            let texts = passages.iter().map(|it| it["text"].as_str().unwrap().to_owned());
            assert_eq!(passages[0]["citation"]["database"], "handbook");
            let mut texts: Vec<_> = texts.collect();
            texts.sort();
            found.push(texts);
        }

        assert_eq!(found, [vec!["Leave is for all."], vec!["Leave is for all.", "Leave of the board."]]);
    }

    async fn a_tool_names_databases_that_there_are(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"scopes": ["hr.read"]})).await;
        let writer = server.client("tool.write").await;

        let unknown = admin.post("/tools/definitions", finder(json!(["handbook", "nothing"]))).await;
        let beyond = writer.post("/tools/definitions", finder(json!(["handbook"]))).await;
        let mut none = finder(json!([]));
        none["input_schema"] = json!({"type": "object"});
        let none = admin.post("/tools/definitions", none).await;

        let faults = [unknown, beyond, none].map(|reply| {
            let problem = reply.json();
            let faults = problem["errors"].as_array().unwrap().iter();
            faults.map(|it| format!("{} {}", it["pointer"], it["code"])).collect::<Vec<_>>().join(", ")
        });
        expect![[r#"
            "/config/databases/1" "unknown_rag_database"
            "/config/databases/0" "missing_scope"
            "/config/databases" "too_few""#]].assert_eq(&faults.join("\n"));
    }

    async fn a_database_that_tools_search_is_not_deleted(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        admin.post("/tools/definitions", finder(json!(["handbook"]))).await;

        let refused = admin.delete("/rag/databases/handbook").await.json();
        assert_eq!(admin.delete("/rag/databases/handbook?force=true").await.status, 204);

        assert_eq!(refused["dependents"], json!([{"kind": "tool", "name": "find"}]));
        let tool = admin.get("/tools/definitions/find").await.json();
        assert_eq!(tool["problems"][0]["code"], "unknown_rag_database");
    }
}
