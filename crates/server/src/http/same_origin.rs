//! Whether a request was sent from one of our own pages.
//!
//! A browser says where a request comes from, and no page can make it say otherwise. That is all it takes against
//! forged requests: there are no tokens in forms.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;

/// Whether a browser sent this from a page of `own`, an origin. What says nothing is refused.
///
/// `Sec-Fetch-Site` is the browser's own judgement; old browsers, and all where there is no https, send `Origin`.
pub fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    match whence(headers) {
        Whence::Site(site) => site == b"same-origin",
        Whence::Origin(origin) => origin == own.as_bytes(),
        Whence::Unsaid | Whence::Ambiguous => false,
    }
}

/// Whether a call may count on the cookie that came with it: it must be sent from a page of `own`. What only reads
/// may also have been typed into the address bar, or come from a browser that says nothing where there is no https:
/// no other page could read the answer.
pub fn may_use_cookie(method: &Method, headers: &HeaderMap, own: &str) -> bool {
    let only_reads = matches!(*method, Method::GET | Method::HEAD);
    match whence(headers) {
        Whence::Site(b"none") | Whence::Unsaid => only_reads,
        _ => is_same_origin(headers, own),
    }
}

/// From where a browser says that a request comes.
enum Whence<'h> {
    Site(&'h [u8]),
    Origin(&'h [u8]),
    Unsaid,
    Ambiguous,
}

fn whence(headers: &HeaderMap) -> Whence<'_> {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(HeaderValue::as_bytes);
        (first, values.next().is_some())
    };
    match (only("sec-fetch-site"), only(header::ORIGIN.as_str())) {
        ((_, true), _) | (_, (_, true)) => Whence::Ambiguous,
        ((Some(site), _), _) => Whence::Site(site),
        ((None, _), (Some(origin), _)) => Whence::Origin(origin),
        ((None, _), (None, _)) => Whence::Unsaid,
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

    #[test]
    fn a_cookie_counts_for_our_own_pages_and_for_what_is_typed_to_be_read() {
        let own = "https://agents.example";
        let judged = |method: Method, headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            may_use_cookie(&method, &map, own)
        };

        for (headers, reads, changes) in [
            (&[("sec-fetch-site", "same-origin")][..], true, true),
            (&[("origin", own)], true, true),
            (&[("sec-fetch-site", "none")], true, false),
            (&[], true, false),
            (&[("sec-fetch-site", "same-site")], false, false),
            (&[("sec-fetch-site", "cross-site"), ("origin", own)], false, false),
            (&[("origin", "null")], false, false),
            (&[("origin", "https://evil.example")], false, false),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")], false, false),
        ] {
            assert_eq!(judged(Method::GET, headers), reads, "{headers:?}");
            assert_eq!(judged(Method::HEAD, headers), reads, "{headers:?}");
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(judged(method, headers), changes, "{headers:?}");
            }
        }
    }
}
