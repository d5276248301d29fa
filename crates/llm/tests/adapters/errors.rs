//! Answers that are none.

use std::io;
use std::time::Duration;

use llm::Account;
use llm::ErrorKind;
use llm::ModelError;
use llm::Part;
use llm::openai::OpenAi;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;
use serde_json::json;
use testkit::model::FakeModel;
use testkit::model::Reply;

use crate::support::FORMATS;
use crate::support::Format;
use crate::support::KEY;
use crate::support::STREAMS;
use crate::support::answer_to;
use crate::support::assistant;
use crate::support::call;
use crate::support::request;

async fn error_of(format: Format, reply: Reply) -> ModelError {
    answer_to(format, reply).await.end.unwrap_err()
}

#[tokio::test]
async fn only_what_may_pass_is_to_be_tried_again() {
    for format in FORMATS {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
            let error = error_of(format, Reply::error(status, "later")).await;
            assert_eq!((error.kind, error.status), (ErrorKind::Refused, Some(status)));
            assert!(error.retryable, "{status}");
            assert_eq!(error.used_nothing(), status < 500, "{status}");
        }
        for status in [302, 400, 401, 402, 403, 404, 405, 413, 422] {
            let error = error_of(format, Reply::error(status, "never")).await;
            assert_eq!((error.kind, error.status), (ErrorKind::Refused, Some(status)));
            assert!(!error.retryable, "{status}");
        }
    }
}

#[tokio::test]
async fn a_spent_quota_is_not_tried_again() {
    for code in ["insufficient_quota", "billing_hard_limit_reached"] {
        let reply = Reply::error_code(429, code, "You exceeded your current quota.");
        let error = error_of(Format::OpenAi, reply).await;
        assert!(!error.retryable);
        assert_eq!(
            error.message,
            format!("`openai` answered 429: You exceeded your current quota. ({code})")
        );
    }
}

#[tokio::test]
async fn the_provider_says_how_long_to_wait() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (headers, seconds) in [
        (vec![("retry-after", "7")], Some(7.0)),
        (vec![("retry-after", "0.5")], Some(0.5)),
        (vec![("retry-after", "7"), ("retry-after-ms", "250")], Some(0.25)),
        (vec![date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30.0)),
        (vec![date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0.0)),
        (vec![("retry-after", "soon")], None),
        (vec![("retry-after", "-1")], None),
        (vec![("retry-after", "1e300")], None),
    ] {
        let mut reply = Reply::error(429, "slow down");
        for (name, value) in &headers {
            reply = reply.header(name, value);
        }
        let error = error_of(Format::OpenAi, reply).await;
        assert_eq!(error.retry_after, seconds.map(Duration::from_secs_f64), "{headers:?}");
    }
}

#[tokio::test]
async fn the_provider_says_in_words_how_long_to_wait() {
    for (hint, milliseconds) in
        [("1.5s", 1500), ("20ms", 20), ("6m0s", 360_000), ("1h0m1s.", 3_601_000)]
    {
        let message = format!("Rate limit reached. Please try again in {hint} Thank you.");
        let error = error_of(Format::OpenAi, Reply::error(429, &message)).await;
        assert_eq!(error.retry_after, Some(Duration::from_millis(milliseconds)), "{hint}");
    }
    let details = json!([{"error": {"code": 429, "message": "busy", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "x"}, {"retryDelay": "34.5s"}]}}]);
    let reply = Reply::raw(429, "application/json", details.to_string());
    let error = error_of(Format::OpenAi, reply).await;
    assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
    assert_eq!(error.message, "`openai` answered 429: busy (RESOURCE_EXHAUSTED)");
}

#[tokio::test]
async fn the_providers_advice_wins_over_the_status() {
    let reply = Reply::error(429, "no").header("x-should-retry", "false");
    assert!(!error_of(Format::Anthropic, reply).await.retryable);
    let reply = Reply::error(400, "yes").header("x-should-retry", "true");
    assert!(error_of(Format::Anthropic, reply).await.retryable);
}

#[tokio::test]
async fn errors_are_understood_in_every_form() {
    for (body, message) in [
        (r#"{"error": "model not loaded"}"#, "`openai` answered 400: model not loaded"),
        (r#"{"message": "no such route"}"#, "`openai` answered 400: no such route"),
        (r#"{"detail": "Not Found"}"#, "`openai` answered 400: Not Found"),
        (
            r#"{"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}"#,
            "`openai` answered 400: too long (BadRequestError)",
        ),
        (r#"{"error": {"message": "a\n\u0000 b \ud83d"}}"#, "`openai` answered 400: a b \u{fffd}"),
        ("<html>Bad Request</html>", "`openai` answered 400"),
        ("", "`openai` answered 400"),
        (r#"{"error": null}"#, "`openai` answered 400"),
    ] {
        let error = error_of(Format::OpenAi, Reply::raw(400, "application/json", body)).await;
        assert_eq!(error.message, message, "{body}");
    }
}

#[tokio::test]
async fn no_error_shows_the_key_or_the_request() {
    for format in FORMATS {
        let fake = FakeModel::start().await;
        fake.answer_with(|received| {
            let credentials = format!(
                "{:?} {:?} {:?}",
                received.header("authorization"),
                received.header("x-api-key"),
                received.header("x-goog-api-key")
            );
            Reply::error(401, &format!("Incorrect API key {credentials}"))
        });
        let error = call(&*format.model(&fake), request("Hello")).await.end.unwrap_err();
        assert!(error.message.contains("Incorrect API key"), "{}", error.message);
        assert!(!error.message.contains(KEY), "{}", error.message);

        fake.answer_with(|received| {
            Reply::error(400, &format!("cannot read {}", String::from_utf8_lossy(&received.raw)))
        });
        let mut request = request("What did the board decide about the merger?");
        request.instructions = Some("You are the confidential advisor of the board.".to_owned());
        let error = call(&*format.model(&fake), request).await.end.unwrap_err();
        assert!(!error.message.contains("merger"), "{}", error.message);
        assert!(!error.message.contains("confidential"), "{}", error.message);
    }
}

#[tokio::test]
async fn the_body_of_an_error_is_read_only_as_far_as_it_matters() {
    let fake = FakeModel::start().await;
    let endless = vec![b'x'; 1 << 20];
    fake.reply(Reply::raw(500, "text/plain", endless).hang(900_000));
    let error = call(&*Format::OpenAi.model(&fake), request("Hello")).await.end.unwrap_err();
    assert_eq!(error.message, "`openai` answered 500");
    fake.wait_cancelled(1).await;
}

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_none() {
    for format in FORMATS {
        let error = error_of(format, Reply::html()).await;
        assert_eq!((error.kind, error.retryable), (ErrorKind::Protocol, false));

        let body = json!({"error": {"message": "Overloaded", "type": "overloaded_error"}});
        let reply = Reply::raw(200, "application/json", body.to_string());
        let error = error_of(format, reply).await;
        assert_eq!((error.kind, error.retryable), (ErrorKind::Protocol, true));
        assert!(error.message.ends_with("Overloaded (overloaded_error)"), "{}", error.message);
    }
}

#[tokio::test]
async fn garbage_within_a_stream_is_not_of_the_protocol() {
    for format in FORMATS {
        for body in [
            "data: <html>\n\n",
            "data: {\"choices\": 7}\n\ndata: {\"type\": 7}\n\ndata: {\"candidates\": 7}\n\n",
            "data: [1]\n\n",
        ] {
            let error = error_of(format, Reply::sse(body)).await;
            assert_eq!(
                (error.kind, error.retryable),
                (ErrorKind::Protocol, false),
                "{format:?} {body}"
            );
        }
    }
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it() {
    for (code, retryable) in [
        (json!("overloaded_error"), true),
        (json!("server_error"), true),
        (json!(null), true),
        (json!("insufficient_quota"), false),
        (json!("invalid_request_error"), false),
        (json!(502), true),
        (json!(400), false),
    ] {
        let error = json!({"error": {"type": "x", "code": code, "message": "Broken"}});
        let body = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"Half\"}}}}]}}\n\ndata: {error}\n\n"
        );
        let outcome = answer_to(Format::OpenAi, Reply::sse(body)).await;
        let error = outcome.end.unwrap_err();
        assert_eq!((error.kind, error.used_nothing()), (ErrorKind::BrokenOff, false));
        assert_eq!(error.retryable, retryable, "{code}");
        assert!(error.message.contains("Broken"), "{}", error.message);
        assert_eq!(error.partial.unwrap().text(), "Half");
    }
    let body = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let error = error_of(Format::Anthropic, Reply::sse(body)).await;
    assert!(error.retryable);
    assert_eq!(error.message, "`anthropic` broke off with an error: Overloaded (overloaded_error)");
    let body = "event: error\ndata: {\"message\": \"plain\"}\n\n";
    let error = error_of(Format::OpenAi, Reply::sse(body)).await;
    assert_eq!(error.message, "`openai` broke off with an error: plain");
}

#[tokio::test]
async fn half_an_answer_is_an_error_with_what_was_said() {
    for format in FORMATS {
        let whole = || {
            Reply::text("Let me look at that.")
                .call("weather", json!({"city": "Bern"}))
                .call("time", json!({"zone": "Europe/Zurich"}))
        };
        for reply in [
            whole().cut("look"),
            whole().abort("look"),
            whole().cut("Bern"),
            whole().abort("Bern"),
            whole().abort("\"time\""),
        ] {
            let outcome = answer_to(format, reply.clone()).await;
            let error = outcome.end.unwrap_err();
            assert_eq!((error.kind, error.retryable), (ErrorKind::Truncated, true), "{reply:?}");
            let partial = *error.partial.unwrap();
            assert!("Let me look at that.".starts_with(&partial.text()));
            assert_eq!(partial, assistant(vec![Part::text(partial.text())]), "no calls");
            assert_eq!(outcome.deltas[0].text, partial.text());
        }
    }
    for format in STREAMS {
        let empty = error_of(format, Reply::sse("")).await;
        assert_eq!((empty.kind, empty.partial), (ErrorKind::Truncated, None));
    }
    let empty = error_of(Format::Ollama, Reply::lines("")).await;
    assert_eq!((empty.kind, empty.partial), (ErrorKind::Truncated, None));
}

#[tokio::test]
async fn an_end_marker_alone_is_no_answer() {
    let error = error_of(Format::OpenAi, Reply::sse("data: [DONE]\n\n")).await;
    assert_eq!(error.kind, ErrorKind::Truncated);
}

#[tokio::test]
async fn a_provider_that_is_not_there_cannot_be_reached() {
    let fake = FakeModel::start().await;
    for format in FORMATS {
        let model = format.model(&fake);
        fake.reply(Reply::text("x"));
        call(&*model, request("Hello")).await.end.unwrap();
    }
    let url = &format!("{}?key=secret", fake.openai_url());
    drop(fake);
    let model = OpenAi::new(Format::OpenAi.account(url));
    let error = call(&model, request("Hello")).await.end.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Connect, true));
    assert_eq!(error.message, "`openai` cannot be reached");
}

/// A resolver as a guarded client has it.
struct Guard;

impl Resolve for Guard {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async { Err(io::Error::from(io::ErrorKind::PermissionDenied).into()) })
    }
}

#[tokio::test]
async fn an_address_that_is_forbidden_is_not_tried_again() {
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().dns_resolver(Guard);
    let account = Format::OpenAi.account("http://internal.example/v1");
    let model = OpenAi::new(Account { client: client.build().unwrap(), ..account });
    let error = call(&model, request("Hello")).await.end.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::NotConfigured, false));
    assert_eq!(error.message, "`openai` is at an address that this server may not call");
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    for (format, base_url) in [
        (Format::OpenAi, llm::openai::BASE_URL),
        (Format::Responses, llm::openai::BASE_URL),
        (Format::Anthropic, llm::anthropic::BASE_URL),
        (Format::Google, llm::google::BASE_URL),
    ] {
        let name = format.provider();
        let model = format.model_of(format.account(base_url));
        let error = call(&*model, request("Hello")).await.end.unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::NotConfigured, false));
        assert_eq!(error.message, format!("there is no key for `{name}`"));
    }
}

#[tokio::test]
async fn a_key_that_fits_in_no_header_is_named_without_being_shown() {
    let fake = FakeModel::start().await;
    let account = Format::OpenAi.account(&fake.openai_url());
    let model = OpenAi::new(Account { key: Some("sk-\nbroken".into()), ..account });
    let error = call(&model, request("Hello")).await.end.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotConfigured);
    assert_eq!(error.message, "the key for `openai` has characters that no header can hold");
    assert!(fake.requests().is_empty());
}
