//! Embedding models of providers: asked as little as possible, and never believed.

use std::path::Path;

use agent_server::db::Dialect;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Gate;
use testkit::model::Place;
use testkit::model::Received;
use testkit::model::Reply;

use super::generations::PATH;
use super::generations::database;
use super::generations::generation;
use super::generations::left;
use super::handbook;
use super::ingested;
use super::lines;
use super::names;
use super::put_in;
use super::search;
use super::upload;
use crate::harness::TestServer;
use crate::harness::in_sql;
use crate::harness::number;

/// How many texts were embedded so far.
fn embedded(model: &FakeModel) -> usize {
    let texts = |request: Received| request.body["input"].as_array().map_or(0, Vec::len);
    model.requests().into_iter().map(texts).sum()
}

/// Spoils vectors.
type Change = fn(&mut Vec<Vec<f32>>);

/// A provider that is away, and back the next moment for who asks again.
fn away() -> Reply {
    Reply::error(503, "we are away").header("retry-after-ms", "1")
}

on_both! {
    async fn every_provider_embeds(server: TestServer) {
        let admin = server.admin().await;
        for model in ["openai/e", "openai-responses/e", "google/e", "cohere/e", "ollama/e"] {
            let made = handbook(&admin, json!({"embedding_model": model})).await;
            put_in(&admin, "leave.txt", "Parental leave lasts fourteen months.", json!({})).await;
            put_in(&admin, "pay.txt", "Pay comes monthly.", json!({})).await;

            let tested = admin.post(&format!("{PATH}/test"), json!({})).await.json();
            let found = names(&admin, json!({"query": "leave of parents lasts", "mode": "vector", "top_k": 1})).await;

            assert_eq!((&made["status"], found), (&json!("ready"), vec!["leave.txt".to_owned()]), "{model}");
            assert_eq!(tested["detail"], "vectors have 16 numbers; a search was answered");
            assert_eq!(admin.get(PATH).await.json()["dimension"], 16);
            admin.delete(PATH).await;
        }
        let unknown = admin.post("/rag/databases", json!({"name": "x", "embedding_model": "anthropic/e"})).await;
        assert_eq!(unknown.json()["errors"][0]["code"], "unknown_model");
    }

    async fn only_texts_that_differ_are_embedded(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/e", "chunk_size": 30, "chunk_overlap": 0})).await;
        let path = put_in(&admin, "a.txt", &lines(60), json!({})).await;
        assert_eq!(embedded(&server.model), 60);

        admin.put(&path, json!({"text": lines(61)})).await;
        ingested(&admin, &path).await;
        assert_eq!(embedded(&server.model), 61);
        admin.put(PATH, json!({"chunker": "markdown"})).await;
        generation(&admin, 2).await;
        put_in(&admin, "b.txt", &lines(30), json!({})).await;
        assert_eq!(embedded(&server.model), 61);
        admin.post(&format!("{PATH}/reindex"), json!({})).await;
        generation(&admin, 3).await;

        assert_eq!(embedded(&server.model), 61 + 91);
        assert_eq!(names(&admin, json!({"query": "line 7", "mode": "vector", "top_k": 100})).await.len(), 91);
        left(&server, 91).await;
    }

    async fn a_question_is_embedded_once_until_passages_are_made_anew(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/e"})).await;
        put_in(&admin, "leave.txt", "Leave lasts long.", json!({})).await;
        let ask = async |text: &str| {
            names(&admin, json!({"query": text, "mode": "vector"})).await;
            embedded(&server.model)
        };

        let once = ask("How long?").await;
        let known = ask("How long?").await;
        let other = ask("How much?").await;
        admin.post(&format!("{PATH}/reindex"), json!({})).await;
        generation(&admin, 2).await;
        let anew = ask("How long?").await;

        assert_eq!((once, known, other, anew), (2, 2, 3, 5));
    }

    async fn an_answer_that_is_not_whole_fails_its_document_and_says_why(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/e", "chunk_size": 30, "chunk_overlap": 0})).await;
        put_in(&admin, "good.txt", "Leave lasts long.", json!({})).await;
        let nan = |vectors: &mut Vec<Vec<f32>>| vectors[1][0] = f32::NAN;
        let cases: [(Change, &str); 4] = [
            (nan, "the embedding model answered something that is no number for text 1"),
            (|vectors| drop(vectors.pop()), "the embedding model answered 1 vectors for 2 texts"),
            (|vectors| vectors[0] = vec![0.0; 16], "the embedding model answered only zeros for text 0"),
            (
                |vectors| *vectors = vec![vec![1.0; 8]; 2],
                "the embedding model answered 8 numbers for a text instead of 16; `POST …/reindex` makes the vectors of \
                 all passages anew",
            ),
        ];

        for (number, (change, reason)) in cases.into_iter().enumerate() {
            let mut vectors = vec![vec![0.5; 16]; 2];
            change(&mut vectors);
            server.model.reply(Reply::vectors(vectors));
            let path = upload(&admin, "bad.txt", &format!("This is {number}.\n\nAnd this is line {number}."), json!({})).await;
            let document = ingested(&admin, &path).await;
            assert_eq!((&document["embedding_status"], &document["error_message"]), (&json!("failed"), &json!(reason)));
        }
        server.model.reply(Reply::error(400, "too long"));
        let path = upload(&admin, "bad.txt", "This is too long.", json!({})).await;
        let document = ingested(&admin, &path).await;
        assert_eq!(document["error_message"], "the embedding model could not be called: `openai` answered 400: too long (fake_error)");
        assert_eq!(names(&admin, json!({"query": "this leave"})).await, ["good.txt"]);
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 1);
    }

    async fn a_document_goes_on_when_its_embedder_is_back(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/e", "chunk_size": 30, "chunk_overlap": 0})).await;
        server.model.answer_with(|received| {
            let texts = received.body["input"].to_string();
            if texts.contains("Line 0 of") { Reply::embedding(received, 16) } else { away() }
        });

        let path = upload(&admin, "a.txt", &lines(120), json!({})).await;
        let waits = ingested(&admin, &path).await;
        let asked = server.model.received();
        server.model.answer_with(|received| Reply::embedding(received, 16));
        server.app.clock.advance(std::time::Duration::from_secs(3));
        admin.post(&format!("{path}/retry"), json!({})).await;
        let done = ingested(&admin, &path).await;

        assert_eq!((&waits["embedding_status"], &waits["progress"]), (&json!("pending"), &json!({"done": 50, "total": 120})));
        assert_eq!(waits["error_message"], "the embedding model could not be called: `openai` answered 503: we are away (fake_error)");
        assert_eq!((asked, server.model.received()), (6, 8));
        assert_eq!((&done["embedding_status"], &done["chunk_count"]), (&json!("completed"), &json!(120)));
        assert_eq!(number(&server, "SELECT count(*) FROM rag_chunks").await, 120);
    }

    async fn an_embedder_that_is_away_takes_no_document_out_of_the_search(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        server.model.answer_with(|_| away());

        admin.put(PATH, json!({"embedding_model": "openai/e"})).await;
        let many = async {
            while number(&server, "SELECT failures FROM rag_documents").await < 10 {
                server.app.clock.advance(std::time::Duration::from_mins(9));
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), many).await.unwrap();
        // Its token is too old by now.
        let admin = server.admin().await;
        let waits = database(&admin, |it| !it["last_error"].is_null()).await;
        let found = search(&admin, json!({"query": "leave"})).await;
        server.model.answer_with(|received| Reply::embedding(received, 16));
        let back = async {
            loop {
                server.app.clock.advance(std::time::Duration::from_mins(9));
                let admin = server.admin().await;
                let database = admin.get(PATH).await.json();
                if database["status"] == "ready" {
                    return (admin, database);
                }
            }
        };
        let (admin, ready) = tokio::time::timeout(std::time::Duration::from_mins(1), back).await.unwrap();

        assert_eq!((&waits["status"], &waits["reindex"]["failed"]), (&json!("reindexing"), &json!(0)));
        assert_eq!((&found["generation"], &found["data"][0]["citation"]["filename"]), (&json!(1), &json!("a.txt")));
        assert_eq!((&ready["dimension"], &ready["last_error"]), (&json!(16), &Value::Null));
        assert_eq!(names(&admin, json!({"query": "leave", "mode": "vector"})).await, ["a.txt"]);
    }

    async fn what_comes_and_goes_meanwhile_is_so_in_both_generations(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "openai/first"})).await;
        let gone = put_in(&admin, "gone.txt", "This lasts not long.", json!({})).await;
        put_in(&admin, "stays.txt", "Leave lasts long.", json!({})).await;
        let gate = Gate::new();
        let held = gate.clone();
        server.model.answer_with(move |received| {
            if received.body["model"] == "first" {
                return Reply::embedding(received, 16);
            }
            let next = Reply::embedding(received, 8);
            let is_held = received.body["input"].to_string().contains("Leave");
            if is_held { next.hold(Place::Byte(0), &held) } else { next }
        });

        admin.put(PATH, json!({"embedding_model": "openai/second"})).await;
        admin.delete(&gone).await;
        upload(&admin, "new.txt", "This lasts for ever.", json!({})).await;
        let query = json!({"query": "lasts", "mode": "vector"});
        let both = async {
            loop {
                let found = search(&admin, query.clone()).await;
                if found["data"].as_array().unwrap().len() == 2 {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_mins(1), both).await.unwrap();
        gate.open();
        let ready = generation(&admin, 2).await;

        assert_eq!(found["generation"], 1);
        assert!(!found.to_string().contains("gone.txt"));
        assert_eq!((&ready["dimension"], &ready["stats"]["documents"]), (&json!(8), &json!(2)));
        let mut names = names(&admin, query).await;
        names.sort();
        assert_eq!(names, ["new.txt", "stays.txt"]);
        left(&server, 2).await;
    }

    async fn a_model_that_changes_its_dimension_is_told_and_helped(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({"embedding_model": "ollama/e"})).await;
        put_in(&admin, "a.txt", "Leave lasts long.", json!({})).await;
        server.model.answer_with(|received| Reply::embedding(received, 8));

        let refused = admin.post(&format!("{PATH}/search"), json!({"query": "leave"})).await;
        let words = names(&admin, json!({"query": "leave", "mode": "keyword"})).await;
        admin.post(&format!("{PATH}/reindex"), json!({})).await;
        let ready = generation(&admin, 2).await;

        assert_eq!((refused.status, &refused.json()["type"]), (502, &json!("/problems/rag-embedding-failed")));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("answered 8 numbers for a text instead of 16"), "{detail}");
        assert_eq!((words, &ready["dimension"]), (vec!["a.txt".to_owned()], &json!(8)));
        assert_eq!(names(&admin, json!({"query": "leave", "mode": "vector"})).await, ["a.txt"]);
    }

    async fn a_provider_without_a_key_is_named(server: TestServer) {
        let admin = server.admin().await;
        handbook(&admin, json!({})).await;
        let (_replica, other) = server.replica_with(agent_server::App::builder(), &[("COHERE_BASE_URL", "")]).await;

        in_sql(&server, "UPDATE rag_databases SET embedding_model = 'cohere/e'").await;

        let read = async {
            loop {
                let database = other.get(PATH).await.json();
                if database["status"] == "error" {
                    return database;
                }
            }
        };
        let database = tokio::time::timeout(std::time::Duration::from_mins(1), read).await.unwrap();
        assert_eq!(database["problems"][0]["code"], "model_not_configured");
        assert_eq!(database["last_error"], "the provider `cohere` is not configured: set `COHERE_API_KEY`");
    }
}

/// A model that runs here, as small as can be: numbers that look like chance, for four words.
fn small_model(folder: &Path) {
    let config = json!({"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 0, "num_attention_heads": 1,
        "intermediate_size": 4, "max_position_embeddings": 16});
    let vocab = json!({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "leave": 3, "pay": 4});
    let tokenizer = json!({"model": {"type": "WordPiece", "vocab": vocab}, "normalizer": {"type": "BertNormalizer", "lowercase": true}});
    let (mut table, mut data) = (json!({}), Vec::new());
    for (name, shape) in [
        ("word_embeddings.weight", vec![5, 4]),
        ("position_embeddings.weight", vec![16, 4]),
        ("token_type_embeddings.weight", vec![1, 4]),
        ("LayerNorm.weight", vec![4]),
        ("LayerNorm.bias", vec![4]),
    ] {
        let from = data.len();
        for place in 0..shape.iter().product::<u16>() {
            let number = if name.starts_with("LayerNorm.w") {
                1.0
            } else {
                f32::from(place * 7 % 11) / 11.0
            };
            data.extend(number.to_le_bytes());
        }
        table[format!("embeddings.{name}")] =
            json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]});
    }
    let table = table.to_string();
    let weights = [&(table.len() as u64).to_le_bytes()[..], table.as_bytes(), &data].concat();
    std::fs::create_dir(folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_in_a_folder_embeds_and_one_that_is_broken_says_why() {
    let models = tempfile::tempdir().unwrap();
    small_model(&models.path().join("small"));
    small_model(&models.path().join("broken"));
    std::fs::write(models.path().join("broken/model.safetensors"), "x").unwrap();
    let settings = [("RAG_MODELS_DIR", models.path().to_str().unwrap())];
    let server = TestServer::start_with(Dialect::Sqlite, &settings).await;
    let admin = server.admin().await;
    for name in ["gone", "..", "a/b"] {
        let model = format!("local/{name}");
        let refused =
            admin.post("/rag/databases", json!({"name": "x", "embedding_model": model})).await;
        assert_eq!(refused.json()["errors"][0]["code"], "unknown_model", "{name}");
    }

    handbook(&admin, json!({"embedding_model": "local/small"})).await;
    put_in(&admin, "leave.txt", "Leave leave leave.", json!({})).await;
    put_in(&admin, "pay.txt", "Pay pay pay.", json!({})).await;
    let found =
        names(&admin, json!({"query": "leave leave leave", "mode": "vector", "top_k": 1})).await;
    let long = upload(&admin, "long.txt", &"pay ".repeat(20), json!({})).await;
    let long = ingested(&admin, &long).await;
    admin.put(PATH, json!({"embedding_model": "local/broken"})).await;
    let broken = database(&admin, |it| !it["last_error"].is_null()).await;

    let by_tokens = json!({"name": "tokens", "embedding_model": "local/small", "chunk_unit": "tokens", "chunk_size": 5, "chunk_overlap": 0});
    admin.post("/rag/databases", by_tokens).await;
    // Of an estimate a word that nobody knows would be four.
    let text = json!({"filename": "a.txt", "text": "Leave unpronounceable pay leave internationals pay pay leave pay pay"});
    let made = admin.post("/rag/databases/tokens/documents", text).await;
    let path = made.header("location").unwrap();
    ingested(&admin, path).await;
    let chunks = admin.get(&format!("{path}/chunks")).await.json();
    let texts: Vec<&str> =
        chunks["data"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap()).collect();

    assert_eq!(texts, ["Leave unpronounceable pay leave internationals", "pay pay leave pay pay"]);
    assert_eq!(found, ["leave.txt"]);
    assert_eq!(
        (&long["embedding_status"], &long["error_message"]),
        (
            &json!("failed"),
            &json!(
                "the embedding model could not be called: a text has 22 tokens, and the model takes 16; make passages smaller"
            )
        )
    );
    assert_eq!(
        (&broken["generation"], &broken["dimension"], &broken["status"]),
        (&json!(1), &json!(4), &json!("reindexing"))
    );
    let why = "the embedding model could not be called: the model is not of a kind that is known here: its weights are no safetensors";
    assert_eq!(broken["last_error"], why);
}
