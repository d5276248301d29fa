//! Redirect URIs that a client may register (RFC 7591, RFC 8252, RFC 9700).

use std::fmt;

use serde::Serialize;

/// Where a person may be sent back to, byte for byte as it was registered.
///
/// Invariant: `https` with a host, or `http` on a loopback address, or a private-use scheme with
/// a dot in it (`com.example.app:/cb`); no fragment, no user, no wildcard, and only characters
/// that no URL parser removes or turns into others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedirectUri(String);

/// Why a text is no redirect URI that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    #[error("a redirect URI has at most {MAX_LENGTH} characters")]
    TooLong,
    #[error("a redirect URI has characters that do not belong in a URI")]
    Character,
    #[error("a redirect URI is absolute, with the scheme https")]
    Scheme,
    #[error("http is allowed for 127.0.0.1, [::1] and localhost only")]
    NotLoopback,
    #[error("a redirect URI has neither a fragment nor a user nor a wildcard")]
    Part,
}

const MAX_LENGTH: usize = 2048;

impl RedirectUri {
    pub fn parse(text: &str) -> Result<Self, RedirectError> {
        if text.len() > MAX_LENGTH {
            return Err(RedirectError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_graphic() && !br#"\"<>^`{|}"#.contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(RedirectError::Character);
        }
        if text.contains(['#', '*']) {
            return Err(RedirectError::Part);
        }
        let (scheme, rest) = text.split_once(':').ok_or(RedirectError::Scheme)?;
        let authority = rest.strip_prefix("//").map(authority);
        match (scheme, authority) {
            (_, Some(authority)) if authority.contains('@') => Err(RedirectError::Part),
            ("https", Some(authority)) if !host(authority).is_empty() => Ok(()),
            ("http", Some(authority)) if is_loopback(host(authority)) => Ok(()),
            ("http", Some(_)) => Err(RedirectError::NotLoopback),
            (private, _) if is_private_use(private) && rest.starts_with('/') => Ok(()),
            _ => Err(RedirectError::Scheme),
        }?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn authority(after_slashes: &str) -> &str {
    after_slashes.split(['/', '?']).next().unwrap_or_default()
}

/// The host of an authority without a user: what is before the port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

fn is_private_use(scheme: &str) -> bool {
    let inner =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.contains('.')
        && scheme.bytes().all(inner)
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_loopback_and_app_addresses_are_kept_as_they_are() {
        for uri in [
            "https://a.example/cb?x=1",
            "https://a.example:8443",
            "http://127.0.0.1:53219/callback",
            "http://[::1]/callback",
            "http://localhost/callback",
            "com.example.app:/cb",
        ] {
            assert_eq!(RedirectUri::parse(uri).unwrap().as_str(), uri);
        }
    }

    #[test]
    fn dangerous_addresses_are_refused_with_their_reason() {
        use RedirectError::Character;
        use RedirectError::NotLoopback;
        use RedirectError::Part;
        use RedirectError::Scheme;

        for (uri, reason) in [
            ("javascript:alert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("//evil.example/cb", Scheme),
            ("/cb", Scheme),
            ("", Scheme),
            ("https:a.example", Scheme),
            ("https://", Scheme),
            ("https://:443/cb", Scheme),
            ("com.example.app:alert(1)", Scheme),
            ("HTTPS://a.example/cb", Scheme),
            ("http://evil.example/cb", NotLoopback),
            ("http://127.0.0.1.evil.example/cb", NotLoopback),
            ("http://localhost:80.evil.example/cb", NotLoopback),
            ("https://evil.example/cb#frag", Part),
            ("https://*.example.com/cb", Part),
            ("https://user@evil.example/cb", Part),
            ("http://127.0.0.1:80@evil.example/cb", Part),
            ("https://a.example/\\..\\b", Character),
            ("https://a.example/c b", Character),
            ("https://a.example/\tcb", Character),
            ("https://ä.example/cb", Character),
        ] {
            assert_eq!(RedirectUri::parse(uri), Err(reason), "{uri}");
        }
        let long = format!("https://a.example/{}", "a".repeat(2048));
        assert_eq!(RedirectUri::parse(&long), Err(RedirectError::TooLong));
    }
}
