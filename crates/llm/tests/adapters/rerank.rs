//! Rerankers: requests as they go out, answers as the documentation of each provider has them.

use llm::Account;
use llm::ErrorKind;
use llm::ModelError;
use llm::Timeouts;
use llm::cohere::Cohere;
use llm::openai::OpenAi;
use llm::rerank::Reranker;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::KEY;
use crate::support::client;

type Make = fn(Account) -> Reranker;

const COHERE: (&str, Make) = ("", |account| Reranker::Cohere(Cohere::new(account)));
const OPENAI: (&str, Make) = ("/v1", |account| Reranker::OpenAi(OpenAi::new(account)));

const TEXTS: [&str; 3] =
    ["Carson City is a capital.", "Saipan is another.", "Washington, D.C. is it."];

async fn answer_to(
    (end, make): (&str, Make),
    fake: &FakeModel,
    reply: Reply,
) -> Result<Vec<f32>, ModelError> {
    fake.reply(reply);
    let reranker = make(Account {
        name: "work".into(),
        client: client(),
        base_url: format!("{}{end}", fake.url()).parse().unwrap(),
        key: Some(KEY.into()),
        timeouts: Timeouts::default(),
    });
    reranker.rerank("rerank-m", "What is the capital?", &TEXTS).await
}

fn json_reply(body: &str) -> Reply {
    Reply::raw(200, "application/json", body)
}

#[tokio::test]
async fn scores_are_those_of_their_texts_as_each_provider_says_them() {
    let cohere = r#"{"results": [{"index": 2, "relevance_score": 0.999071}, {"index": 0, "relevance_score": 0.32713068},
        {"index": 1, "relevance_score": 0.1867867}], "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
        "meta": {"api_version": {"version": "2", "is_experimental": false}, "billed_units": {"search_units": 1}}}"#;
    let jina = r#"{"model": "jina-reranker-v2-base-multilingual", "object": "list", "usage": {"total_tokens": 815},
        "results": [{"index": 2, "relevance_score": 0.999071}, {"index": 0, "relevance_score": 0.32713068},
        {"index": 1, "relevance_score": 0.1867867}]}"#;
    let voyage = r#"{"object": "list", "data": [{"relevance_score": 0.999071, "index": 2},
        {"relevance_score": 0.32713068, "index": 0}, {"relevance_score": 0.1867867, "index": 1}],
        "model": "rerank-2.5", "usage": {"total_tokens": 26}}"#;
    let vllm = r#"{"id": "rerank-fae51b2b", "model": "BAAI/bge-reranker-base", "usage": {"total_tokens": 56},
        "results": [{"index": 2, "document": {"text": "Washington, D.C. is it."}, "relevance_score": 0.999071},
        {"index": 0, "document": {"text": "Carson City is a capital."}, "relevance_score": 0.32713068},
        {"index": 1, "document": {"text": "Saipan is another."}, "relevance_score": 0.1867867}]}"#;
    let body = json!({"model": "rerank-m", "query": "What is the capital?", "documents": TEXTS});
    let mut told = body.clone();
    told["return_documents"] = json!(false);
    for (which, path, body, answer) in [
        (COHERE, "/v2/rerank", &body, cohere),
        (COHERE, "/v2/rerank", &body, vllm),
        (OPENAI, "/v1/rerank", &told, jina),
        (OPENAI, "/v1/rerank", &told, voyage),
        (OPENAI, "/v1/rerank", &told, vllm),
    ] {
        let fake = FakeModel::start().await;

        let scores = answer_to(which, &fake, json_reply(answer)).await.unwrap();

        assert_eq!(scores, [0.327_130_68, 0.186_786_7, 0.999_071], "{answer}");
        let sent = fake.last_request();
        assert_eq!((sent.path.as_str(), &sent.body), (path, body));
        assert!(sent.header("authorization").unwrap().ends_with(KEY));
    }
}

#[tokio::test]
async fn what_has_no_score_for_each_text_is_no_answer() {
    let score = |index: i64| format!(r#"{{"index": {index}, "relevance_score": 0.5}}"#);
    let all = |scores: &[String]| format!(r#"{{"results": [{}]}}"#, scores.join(", "));
    let words = ["score for each text", "list of scores"];
    for (answer, words) in [
        (all(&[score(0), score(1)]), words[0]),
        (all(&[score(0), score(1), score(1)]), words[0]),
        (all(&[score(0), score(1), score(3)]), words[0]),
        (
            all(&[score(0), score(1), r#"{"index": 2, "relevance_score": 1e300}"#.to_owned()]),
            words[1],
        ),
        (all(&[score(0), score(1), score(-2)]), words[1]),
        (all(&[r#"{"index": 0, "relevance_score": null}"#.to_owned()]), words[1]),
        ("[]".to_owned(), words[1]),
        (String::new(), words[1]),
    ] {
        for which in [COHERE, OPENAI] {
            let fake = FakeModel::start().await;
            let error = answer_to(which, &fake, json_reply(&answer)).await.unwrap_err();
            let message = format!("`work` answered with something that is no {words}");
            assert_eq!((error.kind, error.message), (ErrorKind::Protocol, message), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_reranker_that_refuses_says_why_without_the_key_and_the_texts() {
    for which in [COHERE, OPENAI] {
        let fake = FakeModel::start().await;
        let words = format!("no 'Carson City is a capital.' for {KEY}");
        let error = answer_to(which, &fake, Reply::error(400, &words)).await.unwrap_err();

        assert_eq!((error.status, error.retryable), (Some(400), false));
        assert!(!error.message.contains("Carson") && !error.message.contains(KEY), "{error}");
    }
}
