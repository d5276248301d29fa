//! Changes that are wanted only if nobody was faster.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header;
use http::request::Parts;

use crate::http::Problem;

/// Which versions of a thing the caller is ready to change, by the header `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// The header is not there, or `*`.
    Any,
    Versions(Vec<i64>),
}

impl IfMatch {
    pub fn allows(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// Reads a list of entity tags. A weak tag counts like a strong one: compression on the way
    /// weakens tags, and ours count contents, not bytes.
    fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut versions = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            for tag in value.to_str().ok()?.split(',').map(str::trim).filter(|tag| !tag.is_empty())
            {
                if tag == "*" {
                    return Some(Self::Any);
                }
                let tag = tag.strip_prefix("W/").unwrap_or(tag);
                let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
                // A tag that is no number is none of ours, so it matches nothing.
                versions.extend(inner.parse::<i64>());
            }
        }
        Some(Self::Versions(versions))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Ok(Self::Any);
        }
        let refuse =
            || Problem::bad_header("If-Match", "must be `*` or a list of tags such as `\"3\"`");
        Self::parse(&parts.headers).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tags_are_read_in_all_their_forms() {
        assert_eq!(read(&[]).await, Some(IfMatch::Any));
        assert_eq!(read(&["*"]).await, Some(IfMatch::Any));
        assert_eq!(read(&["\"3\""]).await, Some(IfMatch::Versions(vec![3])));
        assert_eq!(read(&["W/\"3\" , \"4\"", "\"x\""]).await, Some(IfMatch::Versions(vec![3, 4])));
        assert_eq!(read(&["3"]).await, None);
        assert_eq!(read(&["\"3"]).await, None);
    }

    #[test]
    fn a_tag_of_somebody_else_matches_nothing() {
        assert!(!IfMatch::Versions(vec![]).allows(1));
        assert!(IfMatch::Versions(vec![1, 2]).allows(2));
        assert!(IfMatch::Any.allows(7));
    }

    async fn read(values: &[&str]) -> Option<IfMatch> {
        let mut request = http::Request::builder();
        for value in values {
            request = request.header(header::IF_MATCH, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        IfMatch::from_request_parts(&mut parts, &()).await.ok()
    }
}
