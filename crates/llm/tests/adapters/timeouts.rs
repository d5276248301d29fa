//! Providers that do not come to an end, and callers who do not wait for it.

use std::time::Duration;

use futures::StreamExt;
use llm::Chunk;
use llm::ErrorKind;
use llm::Timeouts;
use testkit::model::FakeModel;
use testkit::model::Gate;
use testkit::model::Reply;

use crate::support::FORMATS;
use crate::support::Format;
use crate::support::STREAMS;
use crate::support::call;
use crate::support::request;

/// So short that no test waits long.
const SOON: Duration = Duration::from_millis(100);

/// So long that no busy machine trips over it.
const NEVER: Duration = Duration::from_mins(5);

const PATIENT: Timeouts =
    Timeouts { connect: NEVER, first_token: NEVER, between_tokens: NEVER, total: NEVER };

/// The error of a call that is answered by `reply`, once the provider saw it given up.
async fn given_up(timeouts: Timeouts, reply: Reply, provider_says: &str) {
    each_given_up(&FORMATS, timeouts, reply, provider_says).await;
}

async fn each_given_up(formats: &[Format], timeouts: Timeouts, reply: Reply, provider_says: &str) {
    for format in formats {
        let fake = FakeModel::start().await;
        fake.reply(reply.clone());
        let model = format.model_with(&fake, timeouts);
        let error = call(&*model, request("Hello")).await.end.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout);
        assert!(error.message.ends_with(provider_says), "{}", error.message);
        // A call that takes too long as a whole will do so again.
        assert_eq!(error.retryable, !provider_says.starts_with("did not end"));
        fake.wait_cancelled(1).await;
    }
}

#[tokio::test]
async fn no_head_within_the_time_for_the_first_token() {
    let timeouts = Timeouts { first_token: SOON, ..PATIENT };
    given_up(timeouts, Reply::silence(), "sent no first token within 0.1 s").await;
}

#[tokio::test]
async fn no_event_within_the_time_for_the_first_token() {
    let timeouts = Timeouts { first_token: SOON, ..PATIENT };
    given_up(timeouts, Reply::text("x").hang(0), "sent no first token within 0.1 s").await;
}

#[tokio::test]
async fn signs_of_life_are_no_first_token() {
    let alive = ": working\n\n".repeat(50);
    let timeouts = Timeouts { first_token: SOON, ..PATIENT };
    let says = "sent no first token within 0.1 s";
    each_given_up(&STREAMS, timeouts, Reply::sse(alive).hang(500), says).await;
}

#[tokio::test]
async fn silence_between_tokens() {
    let timeouts = Timeouts { between_tokens: SOON, ..PATIENT };
    given_up(timeouts, Reply::text("One two").hang("One"), "fell silent within 0.1 s").await;
}

#[tokio::test]
async fn an_answer_without_end() {
    let timeouts = Timeouts { total: SOON, ..PATIENT };
    let endless = Reply::tokens(vec!["x"; 1000]).every(Duration::from_millis(20));
    given_up(timeouts, endless, "did not end its answer within 0.1 s").await;
}

#[tokio::test]
async fn dropping_the_stream_closes_the_request() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        fake.reply(Reply::text("One two").hang("One"));
        let model = format.model_with(&fake, PATIENT);
        let mut stream = model.stream(request("Hello"));
        let first = stream.next().await.unwrap().unwrap();
        assert!(matches!(first, Chunk::Delta(delta) if delta.text == "One "));
        assert_eq!(fake.cancelled(), 0);
        drop(stream);
        fake.wait_cancelled(1).await;
    }
}

#[tokio::test]
async fn dropping_the_stream_before_the_answer_closes_the_request() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        fake.reply(Reply::silence());
        let model = format.model_with(&fake, PATIENT);
        let mut stream = model.stream(request("Hello"));
        let waiting = async {
            fake.wait_received(1).await;
        };
        tokio::select! {
            _ = stream.next() => panic!("a silent provider said something"),
            () = waiting => {}
        }
        drop(stream);
        fake.wait_cancelled(1).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_stream_is_polled() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        let model = format.model(&fake);
        let unpolled = model.stream(request("One"));
        call(&*model, request("Two")).await.end.unwrap();
        assert_eq!(fake.requests().len(), 1);
        drop(unpolled);
    }
}

#[tokio::test]
async fn each_token_arrives_as_soon_as_it_is_sent() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        let gate = Gate::new();
        fake.reply(Reply::text("One two").hold("One", &gate));
        let model = format.model(&fake);
        let mut stream = model.stream(request("Hello"));
        let first = stream.next().await.unwrap().unwrap();
        assert!(matches!(first, Chunk::Delta(delta) if delta.text == "One "));
        gate.open();
        let second = stream.next().await.unwrap().unwrap();
        assert!(matches!(second, Chunk::Delta(delta) if delta.text == "two"));
    }
}
