//! Whether a form was sent from one of our own pages.
//!
//! A browser says where a request comes from, and no page can make it say otherwise. That is all it takes against
//! forged requests: there are no tokens in forms.

use http::HeaderMap;
use http::HeaderValue;
use http::header;

/// Whether a browser sent this from a page of `own`, an origin. What says nothing is refused.
///
/// `Sec-Fetch-Site` is the browser's own judgement; old browsers, and all where there is no https, send `Origin`.
pub fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(HeaderValue::as_bytes);
        (first, values.next().is_some())
    };
    match (only("sec-fetch-site"), only(header::ORIGIN.as_str())) {
        ((_, true), _) | (_, (_, true)) => false,
        ((Some(site), _), _) => site == b"same-origin",
        ((None, _), (origin, _)) => origin == Some(own.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn only_our_own_pages_send_forms() {
        let own = "https://agents.example";
        let judged = |headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            is_same_origin(&map, own)
        };

        for good in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:3000")],
            &[("origin", own)],
        ] {
            assert!(judged(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("referer", "https://agents.example/sign-in")],
            &[("sec-fetch-site", "cross-site"), ("origin", own)],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", "null")],
            &[("origin", "https://agents.example.evil.example")],
            &[("origin", "http://agents.example")],
            &[("origin", own), ("origin", "https://evil.example")],
        ] {
            assert!(!judged(bad), "{bad:?}");
        }
    }
}
