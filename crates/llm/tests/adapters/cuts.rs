//! Recorded streams over a real connection, cut at every byte. `replay` does the same for more of
//! them without one.

use llm::ErrorKind;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::Format;
use crate::support::Outcome;
use crate::support::answer_to;
use crate::support::call;
use crate::support::request;

const RECORDINGS: [(Format, &[u8]); 2] = [
    (Format::OpenAi, include_bytes!("../streams/openai_azure.sse")),
    (Format::Anthropic, include_bytes!("../streams/anthropic_text.sse")),
];

/// What comes of each of `replies`, over one connection after the other.
async fn outcomes(format: Format, replies: impl Iterator<Item = Reply>) -> Vec<Outcome> {
    let fake = FakeModel::start().await;
    let model = format.model(&fake);
    let mut outcomes = Vec::new();
    for reply in replies {
        fake.reply(reply);
        outcomes.push(call(&*model, request("Hello")).await);
    }
    outcomes
}

#[tokio::test]
async fn a_cut_at_any_byte_changes_nothing() {
    for (format, body) in RECORDINGS {
        let whole = answer_to(format, Reply::sse(body)).await;
        assert!(whole.end.is_ok());
        let split = (0..body.len()).step_by(3).map(|at| Reply::sse(body).split(at));
        for outcome in outcomes(format, split.chain([Reply::sse(body).dribble()])).await {
            assert_eq!(outcome, whole);
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_at_any_byte_is_never_half_an_answer() {
    for (format, body) in RECORDINGS {
        let whole = answer_to(format, Reply::sse(body)).await.end.unwrap();
        let ended = (0..body.len()).step_by(3).map(|at| Reply::sse(body).cut(at));
        let broken = (1..body.len()).step_by(7).map(|at| Reply::sse(body).abort(at));
        for outcome in outcomes(format, ended.chain(broken)).await {
            match outcome.end {
                Ok(answer) => assert_eq!(answer.message, whole.message),
                Err(error) => {
                    assert_eq!((error.kind, error.retryable), (ErrorKind::Truncated, true));
                    let partial = error.partial.map(|partial| partial.text()).unwrap_or_default();
                    assert!(whole.message.text().starts_with(&partial));
                }
            }
        }
    }
}
