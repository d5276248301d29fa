//! From what came back to the result of the call, or to what kept it from having one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::Method;
use http::StatusCode;
use http::header;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::config::Response;
use super::plan::is_json;
use crate::egress::Answer;
use crate::egress::EgressError;
use crate::egress::Secrets;
use crate::http::Invalid;
use crate::tools::ToolFailure;

/// So many characters of an answer that is no success are shown.
const EXCERPT: usize = 500;
/// What of the headers a HEAD shows.
const SHOWN: [header::HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::LAST_MODIFIED,
    header::ETAG,
    header::LOCATION,
];

/// What of an answer is the result.
#[derive(Debug)]
pub struct Reading {
    pointer: String,
    /// The first and the last status of each range that is a success.
    success: Vec<(u16, u16)>,
}

impl Reading {
    pub fn new(config: &Response) -> Result<Self, Invalid> {
        if !config.pointer.is_empty() && !config.pointer.starts_with('/') {
            return Err(Invalid::new("/pointer", "bad_pointer", "a pointer begins with `/`"));
        }
        let read = config.success.iter().enumerate().map(|(index, text)| {
            statuses(text).ok_or_else(|| {
                let detail = "a status is such as `200`, or `2xx` for all that begin with 2";
                Invalid::new(format!("/success/{index}"), "bad_format", detail)
            })
        });
        let success: Vec<_> = read.collect::<Result<_, _>>()?;
        if success.is_empty() {
            return Err(Invalid::new("/success", "too_short", "must name a status at least"));
        }
        Ok(Self { pointer: config.pointer.clone(), success })
    }

    pub fn is_success(&self, status: StatusCode) -> bool {
        self.success.iter().any(|(first, last)| (*first..=*last).contains(&status.as_u16()))
    }

    /// What the model gets of an answer. The far side has spoken: what is no success was not done.
    pub fn read(
        &self,
        method: &Method,
        answer: &Answer,
        only_reads: bool,
        secrets: &Secrets,
    ) -> Result<Value, ToolFailure> {
        if !self.is_success(answer.status) {
            return Err(ToolFailure::Failed(refused(answer, secrets)));
        }
        if method == Method::HEAD {
            return Ok(head(answer));
        }
        let content = content(answer);
        if self.pointer.is_empty() {
            return Ok(content);
        }
        if let Some(part) = content.pointer(&self.pointer) {
            return Ok(part.clone());
        }
        let (status, pointer) = (answer.status, &self.pointer);
        if only_reads {
            let why = format!(
                "the far side answered {status}, but there is nothing at `{pointer}` of its answer"
            );
            return Err(ToolFailure::Failed(why));
        }
        // It is done, and saying anything else would have it done again.
        let why = format!("there is nothing at `{pointer}` of the answer");
        Ok(json!({"status": status.as_u16(), "omitted": why}))
    }

    /// What it means that there is no answer to a request that `only_reads` or not.
    pub fn failure(&self, error: &EgressError, only_reads: bool) -> Result<Value, ToolFailure> {
        let why = error.to_string();
        match error {
            EgressError::TooLarge { status, .. } if self.is_success(*status) && !only_reads => {
                // It is done, and saying anything else would have it done again.
                Ok(json!({"status": status.as_u16(), "omitted": why}))
            }
            EgressError::TooLarge { status, .. } => {
                Err(ToolFailure::Failed(format!("the far side answered {status}: {why}")))
            }
            EgressError::TimedOut(_) | EgressError::Broken(_) if !only_reads => {
                Err(ToolFailure::Unknown(why))
            }
            _ => Err(ToolFailure::Failed(why)),
        }
    }
}

/// `200`, or `2xx`.
fn statuses(text: &str) -> Option<(u16, u16)> {
    let hundreds: u16 = text.get(..1)?.parse().ok().filter(|it| (1..=5).contains(it))?;
    match (text.get(1..)?, text.parse::<u16>()) {
        ("xx" | "XX", _) => Some((hundreds * 100, hundreds * 100 + 99)),
        (rest, Ok(status)) if rest.len() == 2 => Some((status, status)),
        _ => None,
    }
}

/// What is said of an answer that is no success. Secrets in JSON are found only now, if it escapes them in a
/// way of its own.
fn refused(answer: &Answer, secrets: &Secrets) -> String {
    let mut text = String::from_utf8_lossy(&answer.body);
    if let Ok(said) = serde_json::from_str::<Value>(&text) {
        let mut clean = said.clone();
        secrets.redactors().for_each(|it| it.value(&mut clean));
        if clean != said {
            text = clean.to_string().into();
        }
    }
    let words: Vec<&str> = text.split(|it: char| it.is_whitespace() || it.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let excerpt: String = line.chars().take(EXCERPT).collect();
    let dots = if excerpt.len() < line.len() { "…" } else { "" };
    let colon = if excerpt.is_empty() { "" } else { ": " };
    let hint = if answer.status.is_redirection() {
        " (if that is a success, `response.success` must name it)"
    } else {
        ""
    };
    format!("the far side answered {}{hint}{colon}{excerpt}{dots}", answer.status)
}

fn head(answer: &Answer) -> Value {
    let shown = SHOWN.iter().filter_map(|name| {
        let value = answer.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), Value::from(value)))
    });
    json!({"status": answer.status.as_u16(), "headers": shown.collect::<Map<_, _>>()})
}

/// The body by its type: JSON as it is, text as a text, all else in base64.
fn content(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    let kind = kind(&answer.headers);
    let text = str::from_utf8(&answer.body);
    if let Ok(text) = text
        && (is_json(&kind) || kind.is_empty())
        && let Ok(value) = serde_json::from_str(&with_all_digits(text))
    {
        return value;
    }
    if is_text(&kind) || kind.is_empty() && text.is_ok() {
        return Value::from(String::from_utf8_lossy(&answer.body).replace('\0', "\u{fffd}"));
    }
    json!({"content_type": kind, "bytes": answer.body.len(), "base64": STANDARD.encode(&answer.body)})
}

fn kind(headers: &HeaderMap) -> String {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
        || is_json(kind)
        || kind.ends_with("+xml")
        || matches!(
            kind,
            "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
                | "application/yaml"
                | "application/x-ndjson"
        )
}

/// The same JSON, where numbers of more digits than ours can hold are texts with all their digits.
fn with_all_digits(json: &str) -> String {
    let (mut written, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(start) = rest.find(|it: char| it == '"' || it == '-' || it.is_ascii_digit()) {
        written.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = if rest.starts_with('"') { end_of_text(rest) } else { end_of_number(rest) };
        let (token, behind) = rest.split_at(end);
        if token.starts_with('"') || holds(token) {
            written.push_str(token);
        } else {
            written.push('"');
            written.push_str(token);
            written.push('"');
        }
        rest = behind;
    }
    written.push_str(rest);
    written
}

fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    let closes = |(_, byte): &(usize, u8)| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    };
    json.bytes().enumerate().skip(1).find(closes).map_or(json.len(), |(at, _)| at + 1)
}

fn end_of_number(json: &str) -> usize {
    json.find(|it: char| !(it.is_ascii_digit() || "+-.eE".contains(it))).unwrap_or(json.len())
}

/// Whether a number keeps its digits: a whole one of 64 bits, or one of 17 digits at most.
fn holds(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let is_finite = number.parse::<f64>().is_ok_and(f64::is_finite);
    is_finite && digits.trim_matches('0').len() <= 17
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16, kind: &str, body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        let body = bytes::Bytes::copy_from_slice(body);
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body }
    }

    fn reading(pointer: &str, success: &[&str]) -> Reading {
        let success = success.iter().map(|it| (*it).to_owned()).collect();
        Reading::new(&Response { pointer: pointer.to_owned(), success }).unwrap()
    }

    fn read(kind: &str, body: &[u8]) -> Value {
        reading("", &["2xx"])
            .read(&Method::GET, &answer(200, kind, body), true, &Secrets::default())
            .unwrap()
    }

    #[test]
    fn an_answer_is_read_by_its_type() {
        assert_eq!(read("application/json", b"{\"a\": [1]}"), json!({"a": [1]}));
        assert_eq!(read("application/problem+json; charset=utf-8", b"null"), json!(null));
        assert_eq!(read("", b"{\"a\": 1}"), json!({"a": 1}));
        assert_eq!(read("text/html; charset=utf-8", b"<p>\xffx\0"), json!("<p>\u{fffd}x\u{fffd}"));
        assert_eq!(read("application/json", b"{\"a\": "), json!("{\"a\": "));
        assert_eq!(read("text/plain", b""), json!(null));
        let image = read("image/png", b"\x89PNG");
        assert_eq!(image, json!({"content_type": "image/png", "bytes": 4, "base64": "iVBORw=="}));
        let deep = "[".repeat(1000);
        assert_eq!(read("application/json", deep.as_bytes()), json!(deep));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let json = b"[9007199254740993, 18446744073709551615, 18446744073709551616, -9223372036854775809, 1.5, 1e5,
            0.12345678901234567891, 1e999, \"1\\\"8446744073709551616\", {\"k9\": 0.1}]";
        let expected = json!([9_007_199_254_740_993_u64, u64::MAX, "18446744073709551616", "-9223372036854775809", 1.5, 1e5,
            "0.12345678901234567891", "1e999", "1\"8446744073709551616", {"k9": 0.1}]);
        assert_eq!(read("application/json", json), expected);
    }

    #[test]
    fn a_pointer_chooses_a_part() {
        let chosen = |pointer: &str| {
            let answer = answer(200, "application/json", b"{\"data\": [{\"a/b\": 1}]}");
            reading(pointer, &["2xx"]).read(&Method::GET, &answer, true, &Secrets::default())
        };

        assert_eq!(chosen("/data/0/a~1b"), Ok(json!(1)));
        let why = "the far side answered 200 OK, but there is nothing at `/none` of its answer";
        assert_eq!(chosen("/none"), Err(ToolFailure::failed(why)));
        let done = answer(201, "application/json", b"{}");
        let done =
            reading("/none", &["2xx"]).read(&Method::POST, &done, false, &Secrets::default());
        let omitted = "there is nothing at `/none` of the answer";
        assert_eq!(done, Ok(json!({"status": 201, "omitted": omitted})));
    }

    #[test]
    fn what_is_no_success_has_failed_and_says_why() {
        let read = |success: &[&str], status, body: &str| {
            reading("", success).read(
                &Method::POST,
                &answer(status, "text/plain", body.as_bytes()),
                false,
                &Secrets::default(),
            )
        };

        assert_eq!(read(&["2xx", "404"], 404, "none"), Ok(json!("none")));
        let failed = read(&["2xx"], 422, " no\n such\tthing ");
        assert_eq!(
            failed,
            Err(ToolFailure::failed(
                "the far side answered 422 Unprocessable Entity: no such thing"
            ))
        );
        assert_eq!(
            read(&["201"], 200, ""),
            Err(ToolFailure::failed("the far side answered 200 OK"))
        );
        let Err(ToolFailure::Failed(moved)) = read(&["2xx"], 303, "") else { panic!() };
        assert!(
            moved
                .ends_with("303 See Other (if that is a success, `response.success` must name it)")
        );
        let Err(ToolFailure::Failed(long)) = read(&["2xx"], 500, &"é".repeat(1000)) else {
            panic!()
        };
        assert_eq!(long.chars().filter(|it| *it == 'é').count(), 500);
        for bad in ["", "2", "2x", "20", "600", "0xx", "2xxx", "abc", "ébc"] {
            let config = Response { pointer: String::new(), success: vec![bad.to_owned()] };
            assert!(Reading::new(&config).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_may_have_been_done_is_unknown() {
        let reading = reading("", &["2xx"]);
        let late = EgressError::TimedOut(Duration::from_secs(1));
        let large = |status| EgressError::TooLarge { most: 5, status };

        assert!(matches!(reading.failure(&late, false), Err(ToolFailure::Unknown(_))));
        assert!(matches!(reading.failure(&late, true), Err(ToolFailure::Failed(_))));
        let done = reading.failure(&large(StatusCode::OK), false);
        assert_eq!(done, Ok(json!({"status": 200, "omitted": "the answer has more than 5 bytes"})));
        assert!(matches!(
            reading.failure(&large(StatusCode::OK), true),
            Err(ToolFailure::Failed(_))
        ));
        assert!(matches!(
            reading.failure(&large(StatusCode::BAD_GATEWAY), false),
            Err(ToolFailure::Failed(_))
        ));
        let refused = EgressError::Refused(crate::egress::Refusal::Scheme);
        assert!(matches!(reading.failure(&refused, false), Err(ToolFailure::Failed(_))));
    }
}
