//! Embedding models: requests as they go out, answers as they come.

use std::time::Duration;

use llm::Account;
use llm::ErrorKind;
use llm::ModelError;
use llm::Timeouts;
use llm::cohere::Cohere;
use llm::embed::Embeddings;
use llm::embed::Purpose;
use llm::google::Google;
use llm::ollama::Ollama;
use llm::openai::OpenAi;
use serde_json::Value;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::KEY;
use crate::support::client;

type Make = fn(Account) -> Embeddings;

/// Each provider, by the end of its base URL.
const ALL: [(&str, Make); 4] = [
    ("/v1", |account| Embeddings::OpenAi(OpenAi::new(account))),
    ("", |account| Embeddings::Google(Google::new(account))),
    ("", |account| Embeddings::Cohere(Cohere::new(account))),
    ("", |account| Embeddings::Ollama(Ollama::new(account))),
];

fn embeddings(fake: &FakeModel, (end, make): (&str, Make), timeouts: Timeouts) -> Embeddings {
    let base_url = format!("{}{end}", fake.url()).parse().unwrap();
    make(Account {
        name: "work".into(),
        client: client(),
        base_url,
        key: Some(KEY.into()),
        timeouts,
    })
}

async fn answer_to(which: (&str, Make), reply: Reply) -> Result<Vec<Vec<f32>>, ModelError> {
    let fake = FakeModel::start().await;
    fake.reply(reply);
    let embeddings = embeddings(&fake, which, Timeouts::default());
    embeddings.embed("m", &["Where is my order?", "Here."], Purpose::Document).await
}

#[tokio::test]
async fn texts_go_out_as_each_provider_wants_them() {
    let task = |purpose: &str, text: &str| json!({"model": "models/m", "content": {"parts": [{"text": text}]}, "taskType": purpose});
    let cohere = |input_type: &str| {
        json!({"model": "m", "texts": ["a", "b"], "input_type": input_type, "embedding_types": ["float"],
            "truncate": "NONE"})
    };
    let cases: [(&str, &str, Value, Value); 4] = [
        (
            "/v1/embeddings",
            "authorization",
            json!({"model": "m", "input": ["a", "b"]}),
            json!({"model": "m", "input": ["a", "b"]}),
        ),
        (
            "/v1beta/models/m:batchEmbedContents",
            "x-goog-api-key",
            json!({"requests": [task("RETRIEVAL_DOCUMENT", "a"), task("RETRIEVAL_DOCUMENT", "b")]}),
            json!({"requests": [task("RETRIEVAL_QUERY", "a"), task("RETRIEVAL_QUERY", "b")]}),
        ),
        ("/v2/embed", "authorization", cohere("search_document"), cohere("search_query")),
        (
            "/api/embed",
            "authorization",
            json!({"model": "m", "input": ["a", "b"], "truncate": false}),
            json!({"model": "m", "input": ["a", "b"], "truncate": false}),
        ),
    ];
    for (which, (path, key, document, query)) in ALL.into_iter().zip(cases) {
        let fake = FakeModel::start().await;
        let embeddings = embeddings(&fake, which, Timeouts::default());

        let vectors = embeddings.embed("m", &["a", "b"], Purpose::Document).await.unwrap();
        let sent = fake.last_request();
        embeddings.embed("m", &["a", "b"], Purpose::Query).await.unwrap();

        assert_eq!((sent.path.as_str(), &sent.body), (path, &document));
        assert!(sent.header(key).unwrap().ends_with(KEY), "{path}");
        assert_eq!(fake.last_request().body, query, "{path}");
        assert!(vectors.len() == 2 && vectors[0] != vectors[1], "{path}");
    }
}

#[tokio::test]
async fn vectors_come_as_they_are_with_what_is_no_number() {
    for which in ALL {
        let vectors =
            answer_to(which, Reply::vectors(vec![vec![0.5, f32::NAN], vec![]])).await.unwrap();

        assert_eq!((vectors.len(), vectors[0][0], vectors[1].len()), (2, 0.5, 0));
        assert!(vectors[0][1].is_nan());
    }
}

#[tokio::test]
async fn vectors_are_those_of_their_texts_in_whatever_order_they_come() {
    let of = |items: Value| {
        answer_to(ALL[0], Reply::raw(200, "application/json", json!({"data": items}).to_string()))
    };

    let turned = of(json!([{"index": 1, "embedding": [1]}, {"index": 0, "embedding": [0]}])).await;
    let plain = of(json!([{"embedding": [0]}, {"embedding": [1]}])).await;
    let twice = of(json!([{"index": 0, "embedding": [0]}, {"index": 0, "embedding": [1]}])).await;

    assert_eq!(turned.unwrap(), [[0.0], [1.0]]);
    assert_eq!(plain.unwrap(), [[0.0], [1.0]]);
    let error = twice.unwrap_err();
    assert_eq!(error.message, "`work` answered with something that is no vector for each text");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_key_and_the_texts() {
    for which in ALL {
        let words = format!("no such thing as 'Where is my order?' with {KEY}");
        let echo = answer_to(which, Reply::error(400, &words)).await.unwrap_err();
        let slow = Reply::error(429, "slow down").header("retry-after", "7");
        let slow = answer_to(which, slow).await.unwrap_err();

        assert_eq!((echo.status, echo.retryable), (Some(400), false));
        assert!(!echo.message.contains("order") && !echo.message.contains(KEY), "{}", echo.message);
        assert!(slow.message.starts_with("`work` answered 429: slow down"), "{}", slow.message);
        assert_eq!((slow.retryable, slow.retry_after), (true, Some(Duration::from_secs(7))));
    }
}

#[tokio::test]
async fn what_is_no_list_of_vectors_is_no_answer() {
    for which in ALL {
        for body in [
            "",
            "{}",
            "[]",
            "{\"data\": [{\"embedding\": [NaN]}]}",
            "<html>",
            "{\"embeddings\": \"x\"}",
        ] {
            let error =
                answer_to(which, Reply::raw(200, "application/json", body)).await.unwrap_err();
            assert_eq!((error.kind, error.status), (ErrorKind::Protocol, Some(200)), "{body}");
            assert_eq!(
                error.message, "`work` answered with something that is no list of vectors",
                "{body}"
            );
        }
        let said =
            Reply::raw(200, "application/json", "{\"error\": {\"message\": \"not loaded\"}}");
        let error = answer_to(which, said).await.unwrap_err();
        assert_eq!(error.message, "`work` broke off with an error: not loaded");
        let cut = Reply::vectors(vec![vec![1.0], vec![1.0]]).abort(10);
        assert_eq!(answer_to(which, cut).await.unwrap_err().kind, ErrorKind::Truncated);
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let timeouts = Timeouts { first_token: Duration::from_millis(50), ..Timeouts::default() };
    for which in ALL {
        let fake = FakeModel::start().await;
        fake.reply(Reply::silence());
        let error = embeddings(&fake, which, timeouts)
            .embed("m", &["a"], Purpose::Query)
            .await
            .unwrap_err();

        assert_eq!((error.kind, error.retryable), (ErrorKind::Timeout, true));
        fake.wait_cancelled(1).await;
    }
}
