//! What a server wants of whoever it does not let in: the `WWW-Authenticate` of RFC 6750 and RFC 9728.

use http::HeaderMap;
use http::header;

/// The challenges of an answer, those for bearer tokens.
#[derive(Debug, Default, PartialEq)]
pub struct Challenge {
    /// Where the server says who gives tokens for it.
    pub metadata: Option<String>,
    /// What a token must allow, with spaces between.
    pub scope: Option<String>,
    error: Option<String>,
}

impl Challenge {
    pub fn of(headers: &HeaderMap) -> Self {
        let all = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let texts = all.filter_map(|it| it.to_str().ok());
        let bearer = texts.filter(|it| it.trim_start().to_ascii_lowercase().starts_with("bearer"));
        let mut challenge = Self::default();
        for text in bearer {
            let Self { metadata, scope, error } = &mut challenge;
            let members = [(metadata, "resource_metadata"), (scope, "scope"), (error, "error")];
            for (member, name) in members {
                *member = member.take().or_else(|| parameter(text, name));
            }
        }
        challenge
    }

    /// The scopes that a token did not have, if that is why it was not enough.
    pub fn missing(self) -> Option<String> {
        self.scope.filter(|_| self.error.is_some_and(|it| it == "insufficient_scope"))
    }
}

/// The value of a parameter of a challenge, in quotes or not.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    while let Some(at) = rest.find('=') {
        let before = rest[..at].trim_end();
        let begin = before.rfind([' ', ',']).map_or(0, |it| it + 1);
        let (found, after) = (&before[begin..], rest[at + 1..].trim_start());
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find([',', ' ']).unwrap_or(after.len())),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value.to_owned()).filter(|it| !it.is_empty());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(text: &'static str) -> Challenge {
        Challenge::of(&HeaderMap::from_iter([(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(text),
        )]))
    }

    #[test]
    fn a_challenge_says_where_the_metadata_is() {
        let is = |text, metadata: Option<&str>, scope: Option<&str>| {
            let found = of(text);
            assert_eq!(found.metadata.as_deref(), metadata, "{text}");
            assert_eq!(found.scope.as_deref(), scope, "{text}");
        };

        is(
            "Bearer error=\"invalid_token\", resource_metadata=\"https://a.example/x?y=z\", scope=\"a b\"",
            Some("https://a.example/x?y=z"),
            Some("a b"),
        );
        is("bearer Resource_Metadata=https://a.example", Some("https://a.example"), None);
        is("Bearer error_description=\"resource_metadata=x\", scope=a", None, Some("a"));
        for nothing in [
            "Bearer",
            "Basic scope=\"a\"",
            "Bearer scope=\"a",
            "Bearer scope=",
            "Bearer =",
            "Bearer scope=\"\"",
        ] {
            assert_eq!(of(nothing), Challenge::default(), "{nothing}");
        }
    }

    #[test]
    fn scopes_are_missing_only_if_that_is_said() {
        let missing = |text| of(text).missing();

        let told = "Bearer error=\"insufficient_scope\", scope=\"files.write\"";
        assert_eq!(missing(told).as_deref(), Some("files.write"));
        assert_eq!(missing("Bearer error=\"invalid_token\", scope=\"a\""), None);
        assert_eq!(missing("Bearer error=\"insufficient_scope\""), None);
    }
}
