//! How long the far side wants to be waited.

use std::time::Duration;

use chrono::DateTime;
use chrono::Utc;
use http::HeaderMap;
use http::header;

/// How long the far side wants to be waited, in seconds or until a date.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };

        assert_eq!(read(" 120 "), Some(Duration::from_mins(2)));
        assert_eq!(read("Wed, 25 Nov 2026 10:01:00 GMT"), Some(Duration::from_mins(1)));
        for text in ["Wed, 25 Nov 2026 09:00:00 GMT", "-1", "soon", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
