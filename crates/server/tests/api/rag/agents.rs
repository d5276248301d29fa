//! Agents that search databases of documents, and where their answers come from.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use super::handbook;
use super::put_in;
use crate::harness::Client;
use crate::harness::TestServer;

/// Creates an agent that may search `handbook`.
pub async fn reader(client: &Client, name: &str, more: Value) -> Value {
    let mut body = json!({
        "name": name, "display_name": name, "instructions": "Look it up.", "model": "openai/fake",
        "rag_databases": ["handbook"],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post("/agents/definitions", body).await.json()
}

/// The model searches for each of these, and then answers.
fn model_searches(server: &TestServer, queries: &[&str]) {
    for query in queries {
        server.model.reply(Reply::text("").call("search_handbook", json!({ "query": query })));
    }
    server.model.reply(Reply::text("It is so."));
}

pub fn quotes(run: &Value) -> Vec<&str> {
    let citations = run["output"]["citations"].as_array().unwrap_or_else(|| panic!("{run:#}"));
    citations.iter().map(|it| it["quote"].as_str().unwrap()).collect()
}

/// The tools that the model was offered in its request number `n`.
fn offered(server: &TestServer, n: usize) -> Vec<Value> {
    let tools = server.model.requests()[n].body["tools"].clone();
    tools.as_array().into_iter().flatten().map(|it| it["function"]["name"].clone()).collect()
}

fn faults(problem: &Value) -> String {
    let faults = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem:#}")).iter();
    faults.map(|it| format!("{} {}", it["pointer"], it["code"])).collect::<Vec<_>>().join(", ")
}

on_both! {
    async fn an_answer_says_where_it_comes_from(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"display_name": "The handbook", "search": {"mode": "keyword"}})).await;
        let leave = "# Leave\n\nParental leave lasts a year.";
        let document = put_in(&admin, "leave.md", leave, json!({})).await;
        put_in(&admin, "cats.txt", "Cats are allowed.", json!({})).await;
        reader(&admin, "reader", json!({})).await;
        model_searches(&server, &["parental leave", "leave", "cats"]);
        let client = server.client("agent.execute").await;

        let run = client.post("/agents/reader/execute", json!({"input": "How long?"})).await.json();

        // What two searches found is there once.
        assert_eq!(quotes(&run), ["# Leave\n\nParental leave lasts a year.", "Cats are allowed."]);
        let citation = &run["output"]["citations"][0];
        assert_eq!((&citation["database"], &citation["filename"]), (&json!("handbook"), &json!("leave.md")));
        assert!(leave.contains(citation["quote"].as_str().unwrap()));
        assert_eq!(document.rsplit('/').next(), citation["document_id"].as_str());
        let requests = server.model.requests();
        let tool = &requests[0].body["tools"][0]["function"];
        assert_eq!((&tool["name"], &tool["description"]),
            (&json!("search_handbook"), &json!("Searches the documents of The handbook.")));
        let told = requests[1].body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        expect![[r##"{"passages":[{"filename":"leave.md","heading_path":["Leave"],"page":null,"text":"# Leave\n\nParental leave lasts a year."}]}"##]]
            .assert_eq(told.as_str().unwrap());
    }

    async fn searches_are_events_of_the_run_and_spans_of_its_tree(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "leave.txt", "Parental leave lasts a year.", json!({})).await;
        reader(&admin, "reader", json!({})).await;
        model_searches(&server, &["leave"]);

        let asked = admin.request("POST", "/agents/reader/execute").json(&json!({"input": "?", "stream": true}));
        let frames = admin.frames(asked).await;

        let data = |name: &str| {
            frames.iter().find(|it| it.event == name).unwrap_or_else(|| panic!("no {name}")).data.clone()
        };
        let (search, end) = (data("retrieval.finished"), data("run.finished"));
        assert_eq!(search["data"]["query"], "leave");
        assert_eq!(search["data"]["databases"], json!(["handbook"]));
        assert_eq!(search["data"]["citations"], end["data"]["output"]["citations"]);
        assert_eq!(quotes(&end["data"]), ["Parental leave lasts a year."]);
        let id = end["run_id"].as_str().unwrap();
        let run = admin.get(&format!("/runs/{id}")).await.json();
        assert_eq!(run["output"], end["data"]["output"]);
        let stored = admin.stored(&format!("/runs/{id}"), "retrieval.finished", 1).await;
        let stored = stored.iter().find(|it| it["type"] == "retrieval.finished").unwrap();
        assert_eq!(stored["data"], search["data"]);
        let tree = admin.get(&format!("/runs/{id}/tree")).await.json();
        let spans = tree["spans"].as_array().unwrap();
        let span = |kind: &str| spans.iter().find(|it| it["kind"] == kind).unwrap();
        let searched = span("retrieval");
        assert_eq!((&searched["name"], &searched["status"]), (&json!("handbook"), &json!("done")));
        assert_eq!((&searched["parent_id"], &searched["seq"]), (&span("tool")["id"], &search["seq"]));
    }

    async fn a_model_searches_for_whom_it_answers(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"scopes": ["hr.read"], "search": {"mode": "keyword"}})).await;
        put_in(&admin, "open.txt", "Leave is for all.", json!({})).await;
        put_in(&admin, "board.txt", "Leave of the board.", json!({"scopes": ["board.read"]})).await;
        reader(&admin, "reader", json!({})).await;
        let clients = [
            server.client("agent.execute").await,
            server.client("agent.execute hr.read").await,
            server.client("agent.execute hr.read board.read").await,
        ];

        let mut found = Vec::new();
        for client in &clients {
            let before = server.model.requests().len();
            model_searches(&server, &["leave"]);
            let run = client.post("/agents/reader/execute", json!({"input": "?"})).await.json();
            let mut quotes: Vec<_> = quotes(&run).into_iter().map(str::to_owned).collect();
            quotes.sort();
            found.push((offered(&server, before).len(), quotes));
        }

        let text = str::to_owned;
        assert_eq!(found, [
            (0, vec![]),
            (1, vec![text("Leave is for all.")]),
            (1, vec![text("Leave is for all."), text("Leave of the board.")]),
        ]);
    }

    async fn an_agent_names_databases_that_its_author_may_search(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"scopes": ["hr.read"]})).await;
        let tool = json!({
            "name": "search_Handbook", "description": "Finds it.", "kind": "static", "input_schema": {"type": "object"},
            "config": {"result": 1},
        });
        assert_eq!(admin.post("/tools/definitions", tool).await.status, 201);
        let writer = server.client("agent.write hr.read").await;

        let replies = [
            reader(&admin, "a", json!({"rag_databases": ["Handbook", "nothing", "handbook"]})).await,
            reader(&writer, "b", json!({})).await,
            reader(&admin, "c", json!({"tools": ["search_Handbook"]})).await,
        ];

        expect![[r#"
            "/rag_databases/1" "unknown_rag_database", "/rag_databases/2" "not_unique"
            "/rag_databases/0" "missing_scope"
            "/rag_databases/0" "not_unique""#]].assert_eq(&replies.map(|it| faults(&it)).join("\n"));
    }

    async fn an_agent_whose_database_is_gone_says_so(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        reader(&admin, "reader", json!({})).await;

        let refused = admin.delete("/rag/databases/handbook").await.json();
        assert_eq!(admin.delete("/rag/databases/handbook?force=true").await.status, 204);

        assert_eq!(refused["dependents"], json!([{"kind": "agent", "name": "reader"}]));
        let agent = admin.get("/agents/definitions/reader").await.json();
        assert_eq!(agent["problems"][0]["code"], "unknown_rag_database");
        let refused = admin.post("/agents/reader/execute", json!({"input": "?"})).await;
        assert_eq!(refused.status, 422);
        assert_eq!(faults(&refused.json()), r#""/rag_databases/0" "unknown_rag_database""#);
    }

    async fn a_search_that_is_not_possible_is_told_to_the_model(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"is_active": false})).await;
        reader(&admin, "reader", json!({})).await;
        model_searches(&server, &["leave"]);

        let run = admin.post("/agents/reader/execute", json!({"input": "?"})).await.json();

        assert_eq!((&run["status"], quotes(&run)), (&json!("succeeded"), vec![]));
        let told = server.model.requests()[1].body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
        assert_eq!(told, r#"{"error":"the database `handbook` cannot be used as it is defined"}"#);
    }

    async fn what_an_agent_was_told_by_another_comes_from_there(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "leave.txt", "Parental leave lasts a year.", json!({})).await;
        reader(&admin, "reader", json!({})).await;
        reader(&admin, "boss", json!({"rag_databases": [], "agents": ["reader"]})).await;
        server.model.reply(Reply::text("").call("ask_reader", json!({"input": "How long?"})));
        model_searches(&server, &["leave"]);
        server.model.reply(Reply::text("A year."));

        let run = admin.post("/agents/boss/execute", json!({"input": "How long?"})).await.json();

        assert_eq!(run["output"]["text"], "A year.");
        assert_eq!(quotes(&run), ["Parental leave lasts a year."]);
    }
}
