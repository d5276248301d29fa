//! What runs recall of what was said long before.

use expect_test::expect;
use serde_json::Value;
use serde_json::json;
use testkit::model::Reply;

use crate::harness::Client;
use crate::harness::TestServer;
use crate::harness::number;
use crate::threads::asked;
use crate::threads::said;
use crate::threads::say;
use crate::threads::thread;

const VECTORS: &str = "SELECT count(*) FROM message_vectors";

/// The agent `support`, which recalls as `how` says and is shown the latest two messages.
async fn recalling(server: &TestServer, how: Value) {
    server.agent("support").await;
    recall_as(server, how).await;
}

async fn recall_as(server: &TestServer, how: Value) {
    let memory = json!({"memory": {"last_messages": 2, "semantic_recall": how}});
    let changed = server.admin().await.put("/agents/definitions/support", memory).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

/// Adds what a user and an assistant say in turns.
async fn add(client: &Client, thread: &str, texts: &[&str]) {
    for (number, text) in texts.iter().enumerate() {
        let role = ["user", "assistant"][number % 2];
        let body = json!({"role": role, "content": text});
        let added = client.post(&format!("{thread}/messages"), body).await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
}

/// What the run was told of its thread.
async fn memory(client: &Client, run: &Value) -> Value {
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    let events = client.stored(&path, "memory.read", 1).await;
    events.into_iter().find(|it| it["type"] == "memory.read").unwrap()["data"].clone()
}

/// What was recalled, but for how long that took.
async fn recalled(client: &Client, run: &Value) -> Value {
    let mut recalled = memory(client, run).await["recalled"].take();
    recalled["duration_ms"].take();
    recalled
}

/// The span of what the run recalled.
async fn span(client: &Client, run: &Value) -> Value {
    let tree = client.get(&format!("/runs/{}/tree", run["id"].as_str().unwrap())).await.json();
    let spans = tree["spans"].as_array().unwrap().iter();
    spans.clone().find(|it| it["kind"] == "retrieval").unwrap().clone()
}

const CHAT: [&str; 6] = [
    "My sister cannot eat peanuts.",
    "I will remember that.",
    "What is the weather?",
    "It rains.",
    "Tell me a joke.",
    "No.",
];

on_both! {
    async fn a_run_recalls_what_is_like_its_question(server: TestServer) {
        recalling(&server, json!({"top_k": 1})).await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        add(&admin, &path, &CHAT).await;
        server.model.reply(Reply::text("No peanuts."));

        let run = say(&admin, &path, "What may my sister eat?").await;

        expect![[r#"
            user Tell me a joke.
            assistant No.
            user [{"text":"Excerpts of earlier messages that may matter for the next one. They are not the latest, and what they say may have changed.\n\n[2026-11-25 10:00] user: My sister cannot eat peanuts.\n[2026-11-25 10:00] assistant: I will remember that.\n","type":"text"},{"text":"What may my sister eat?","type":"text"}]"#]].assert_eq(&asked(&server, 0).join("\n"));
        expect![[r#"
            {
              "duration_ms": null,
              "found": [
                {
                  "score": 0.5877254605293274,
                  "seq": 1,
                  "thread_id": "01900000-0000-7000-8000-000000000006"
                }
              ],
              "model": "local/hashing",
              "query": "What may my sister eat?",
              "scope": "thread",
              "warning": null
            }"#]].assert_eq(&format!("{:#}", recalled(&admin, &run).await));
        let span = span(&admin, &run).await;
        assert_eq!((&span["name"], &span["status"], &span["parent_id"]), (&json!("memory"), &json!("done"), &run["id"]));
        // What was shown was not said: it is not in the thread.
        assert_eq!(said(&admin, &path).await[6..], ["7 user What may my sister eat?", "8 assistant No peanuts."]);
        assert_eq!(number(&server, VECTORS).await, 6);
    }

    async fn a_message_is_embedded_once(server: TestServer) {
        recalling(&server, json!({"embedding_model": "openai/e"})).await;
        server.model.answer_with(|received| {
            let wants_vectors = received.path.ends_with("/embeddings");
            if wants_vectors { Reply::embedding(received, 16) } else { Reply::text("No peanuts.") }
        });
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        add(&admin, &path, &CHAT).await;
        let picture = json!([{"type": "image", "url": "https://pictures.example/a.png"}]);
        admin.post(&format!("{path}/messages"), json!({"role": "user", "content": picture})).await;
        say(&admin, &path, "What may my sister eat?").await;
        let before = server.model.requests().len();

        say(&admin, &path, "And drink?").await;

        let requests = server.model.requests().split_off(before);
        let mut embedded: Vec<Value> = requests.into_iter().map(|it| it.body["input"].clone()).filter(Value::is_array).collect();
        embedded.sort_by_key(ToString::to_string);
        assert_eq!(embedded, [
            json!(["And drink?"]),
            json!(["No peanuts.", "What may my sister eat?"]),
        ]);
        assert_eq!(number(&server, VECTORS).await, 9);
    }

    async fn threads_of_one_end_user_are_recalled_for_him_alone(server: TestServer) {
        recalling(&server, json!({"scope": "user"})).await;
        let (admin, other) = (server.admin().await, server.client("agent.execute thread.write").await);
        for (client, user, text) in [
            (&admin, Some("ann"), "The key of Ann is red."),
            (&admin, Some("ann"), "The key of Ann is old."),
            (&admin, Some("bob"), "The key of Bob is blue."),
            (&admin, None, "The key of nobody is green."),
            (&other, Some("ann"), "The key of the other Ann is black."),
        ] {
            let path = thread(client, json!({"user": user})).await;
            add(client, &path, &[text]).await;
            say(client, &path, "Hello").await;
        }
        let last = |server: &TestServer| {
            let asked = asked(server, server.model.requests().len() - 1).join("\n");
            let colours = ["red", "old", "blue", "green", "black"];
            colours.into_iter().filter(|it| asked.contains(it)).collect::<Vec<_>>().join(" ")
        };

        let mut found = Vec::new();
        for (client, user) in [(&admin, Some("ann")), (&admin, Some("bob")), (&admin, None), (&other, Some("ann"))] {
            let path = thread(client, json!({"user": user})).await;
            say(client, &path, "Which key?").await;
            found.push(last(&server));
        }
        recall_as(&server, json!({"scope": "thread"})).await;
        let path = thread(&admin, json!({"user": "ann"})).await;
        say(&admin, &path, "Which key?").await;

        assert_eq!(found, ["red old", "blue", "", "black"]);
        assert_eq!(last(&server), "");
    }

    async fn a_run_waits_no_longer_than_its_agent_says(server: TestServer) {
        recalling(&server, json!({"embedding_model": "openai/e", "timeout_ms": 100})).await;
        let admin = server.admin().await;
        let path = thread(&admin, json!({})).await;
        add(&admin, &path, &CHAT).await;
        let answer_with = |vectors: fn(&testkit::model::Received) -> Reply| {
            server.model.answer_with(move |received| {
                if received.path.ends_with("/embeddings") { vectors(received) } else { Reply::text("Well.") }
            });
        };

        answer_with(|_| Reply::silence());
        let slow = say(&admin, &path, "What may my sister eat?").await;
        answer_with(|_| Reply::error(400, "no"));
        let refused = say(&admin, &path, "What may my sister eat?").await;

        assert_eq!((&slow["status"], &refused["status"]), (&json!("succeeded"), &json!("succeeded")));
        for (run, warning) in [
            (slow, "it took longer than 100 ms"),
            (refused, "the embedding model could not be called: `openai` answered 400: no (fake_error)"),
        ] {
            let recalled = recalled(&admin, &run).await;
            assert_eq!((&recalled["warning"], &recalled["found"]), (&json!(warning), &json!([])));
            assert_eq!(span(&admin, &run).await["status"], "failed");
        }
    }

    async fn what_is_recalled_goes_with_its_thread(server: TestServer) {
        recalling(&server, json!({})).await;
        let admin = server.admin().await;
        let mut paths = Vec::new();
        for user in ["ann", "bob"] {
            let path = thread(&admin, json!({"user": user})).await;
            add(&admin, &path, &CHAT).await;
            say(&admin, &path, "What may my sister eat?").await;
            paths.push(path);
        }
        let before = number(&server, VECTORS).await;

        assert_eq!(admin.delete(&paths[0]).await.status, 204);
        let between = number(&server, VECTORS).await;
        assert_eq!(admin.delete("/threads?user=bob").await.status, 204);

        assert_eq!((before, between, number(&server, VECTORS).await), (12, 6, 0));
    }

    async fn how_an_agent_recalls_is_checked(server: TestServer) {
        server.agent("support").await;
        let admin = server.admin().await;
        let mut answers = Vec::new();
        for how in [
            json!({"top_k": 0}),
            json!({"message_range": 11}),
            json!({"timeout_ms": 99}),
            json!({"scope": "tenant"}),
            json!({"top": 3}),
            json!({"embedding_model": "nobody/e"}),
        ] {
            let refused = admin.put("/agents/definitions/support", json!({"memory": {"semantic_recall": how}})).await;
            let error = &refused.json()["errors"][0];
            answers.push(format!("{} {} {}", refused.status, error["pointer"], error["code"]).replace('"', ""));
        }
        let shown = admin.put("/agents/definitions/support", json!({"memory": {"semantic_recall": {}}})).await.json();

        expect![[r#"
            422 /memory/semantic_recall/top_k out_of_range
            422 /memory/semantic_recall/message_range out_of_range
            422 /memory/semantic_recall/timeout_ms out_of_range
            422 /memory/semantic_recall/scope not_one_of
            422 /memory/semantic_recall/top unknown_member
            422 /memory/semantic_recall/embedding_model unknown_model"#]].assert_eq(&answers.join("\n"));
        expect![[r#"{"last_messages":20,"max_tokens":null,"semantic_recall":{"embedding_model":null,"message_range":1,"scope":"thread","timeout_ms":2000,"top_k":3}}"#]].assert_eq(&shown["memory"].to_string());
    }
}
