//! What a provider says when it refuses, in any of the forms that are met in the field.

use std::time::Duration;

use chrono::DateTime;
use reqwest::header::DATE;
use reqwest::header::HeaderMap;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use crate::ErrorKind;
use crate::ModelError;
use crate::clean::tolerant;
use crate::redact::Redactor;

/// Words for "not before the next payment": no retry helps.
const SPENT: [&str; 4] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
];

/// Words in the body of a stream for "this request will never do".
const LASTING: [&str; 7] = [
    "context_length_exceeded",
    "authentication_error",
    "permission_error",
    "billing_error",
    "not_found_error",
    "request_too_large",
    "content_policy_violation",
];

/// A provider's error.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status, or the number that stands for one in an error within a stream.
    status: Option<u16>,
    /// The provider's names for what went wrong: `code`, `type`, `status`.
    words: Vec<String>,
    message: Option<String>,
    retry_after: Option<Duration>,
    /// What the provider itself thinks of another try.
    advised: Option<bool>,
}

impl Refusal {
    /// The refusal in an HTTP answer. Headers win over hints in the body.
    pub fn of_response(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = Self::of_text(&String::from_utf8_lossy(body)).unwrap_or_default();
        Self {
            status: Some(status),
            retry_after: retry_after(headers).or(body.retry_after),
            advised: headers
                .get("x-should-retry")
                .and_then(|value| value.to_str().ok()?.parse().ok()),
            ..body
        }
    }

    /// The refusal in a JSON text; `None` when that is no error.
    pub fn of_text(json: &str) -> Option<Self> {
        let value: Value = tolerant(json, |json| serde_json::from_str(json)).ok()?;
        // Some put the error into a list of one.
        let value = value.get(0).unwrap_or(&value);
        match value.get("error") {
            Some(error) if !error.is_null() => Some(Self::of_error(error)),
            _ => {
                let plain = ["message", "detail"].iter().any(|name| value.get(name).is_some());
                plain.then(|| Self::of_error(value))
            }
        }
    }

    /// The refusal in the `error` member of some JSON.
    pub fn of_error(error: &Value) -> Self {
        let message = ["message", "detail"].iter().find_map(|name| error.get(name)?.as_str());
        let message = message.or(error.as_str()).map(str::to_owned);
        let words = ["code", "type", "status"].iter().filter_map(|name| error.get(name)?.as_str());
        let status = error.get("code").and_then(Value::as_u64);
        Self {
            status: status
                .and_then(|code| u16::try_from(code).ok())
                .filter(|code| (400..600).contains(code)),
            words: words.map(str::to_owned).collect(),
            retry_after: retry_delay(error).or_else(|| message.as_deref().and_then(retry_hint)),
            message,
            advised: None,
        }
    }

    pub fn into_error(self, provider: &str, redactor: &Redactor) -> ModelError {
        let mut message = match self.status {
            Some(status) => format!("`{provider}` answered {status}"),
            None => format!("`{provider}` broke off with an error"),
        };
        if let Some(said) = self.message.as_deref().and_then(|said| redactor.safe(said)) {
            message = format!("{message}: {said}");
        }
        if let Some(word) = self.words.first().and_then(|word| redactor.safe(word)) {
            message = format!("{message} ({word})");
        }
        ModelError {
            kind: ErrorKind::Refused,
            message,
            status: self.status,
            retryable: self.is_retryable(),
            retry_after: self.retry_after,
            partial: None,
        }
    }

    fn is_retryable(&self) -> bool {
        let says = |words: &[&str]| self.words.iter().any(|word| words.contains(&word.as_str()));
        if says(&SPENT) {
            return false;
        }
        if let Some(advised) = self.advised {
            return advised;
        }
        match self.status {
            Some(status) => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            None => !says(&LASTING) && !self.words.iter().any(|word| word.starts_with("invalid_")),
        }
    }
}

/// How long the headers ask us to wait.
///
/// A date is taken relative to the provider's own `Date`, so that no two clocks must agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = after.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = DateTime::parse_from_rfc2822(after).ok()?;
    let now = DateTime::parse_from_rfc2822(text(DATE.as_str())?).ok()?;
    Some((until - now).to_std().unwrap_or_default())
}

/// The `retryDelay` among Google's `details`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| duration(detail.get("retryDelay")?.as_str()?))
}

/// The time in `… try again in 1m20.5s …`.
fn retry_hint(message: &str) -> Option<Duration> {
    let (_, hint) = message.split_once("try again in ")?;
    let hint = hint.split_whitespace().next()?;
    duration(hint.trim_end_matches(['.', ',']))
}

/// Parses `7.66s`, `20ms`, `1m20.5s`, `1h0m0s`.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).ok()
}
