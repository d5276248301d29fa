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

    /// Whether who asks with this one may be sent to it, because `registered` is registered.
    ///
    /// They are compared as texts, for parsers forgive differences. Only the port of a loopback address does not
    /// matter (RFC 8252, section 7.3): a program on somebody's own machine takes whichever is free.
    pub fn is_allowed_by(&self, registered: &str) -> bool {
        self.0 == registered
            || loopback(&self.0).is_some_and(|asked| Some(asked) == loopback(registered))
    }

    /// Where it leads, as people read it: host and port, or the scheme of an app.
    pub fn place(&self) -> &str {
        match self.0.split_once("://") {
            Some((_, rest)) => authority(rest),
            None => self.0.split(':').next().unwrap_or_default(),
        }
    }

    /// As a source in a Content-Security-Policy.
    pub fn source(&self) -> String {
        match self.0.split_once("://") {
            Some((scheme @ ("https" | "http"), rest)) => format!("{scheme}://{}", authority(rest)),
            _ => format!("{}:", self.0.split(':').next().unwrap_or_default()),
        }
    }

    /// Whether nobody else can receive what is sent there: the web sees to it, which no machine does for its apps.
    pub fn is_assured(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// Host and path of a loopback address by number, without its port.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let authority = authority(rest);
    let path = &rest[authority.len()..];
    let host = host(authority);
    let port = authority[host.len()..].strip_prefix(':');
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_whole = authority == host || port.is_some_and(is_port);
    (matches!(host, "127.0.0.1" | "[::1]") && is_whole).then_some((host, path))
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
    fn only_the_port_of_a_loopback_address_may_differ() {
        let allowed = |asked: &str, registered: &str| {
            RedirectUri::parse(asked).is_ok_and(|asked| asked.is_allowed_by(registered))
        };
        let (web, own) = ("https://a.example/cb?x=1", "http://127.0.0.1:8999/cb");

        for (asked, registered) in [
            (web, web),
            (own, own),
            ("http://127.0.0.1:53211/cb", own),
            ("http://127.0.0.1/cb", own),
            ("http://[::1]:1/cb", "http://[::1]/cb"),
            ("http://localhost:3000/cb", "http://localhost:3000/cb"),
            ("com.example.app:/cb", "com.example.app:/cb"),
        ] {
            assert!(allowed(asked, registered), "{asked}");
        }
        for (asked, registered) in [
            ("https://a.example/cb", web),
            ("https://a.example/cb?x=1&y=2", web),
            ("https://a.example:443/cb?x=1", web),
            ("https://A.example/cb?x=1", web),
            ("https://a.example.evil.example/cb?x=1", web),
            ("https://a.example/cb/../cb?x=1", web),
            ("http://a.example/cb?x=1", web),
            ("http://127.0.0.1:8999/cb/", own),
            ("http://127.0.0.1:8999/CB", own),
            ("http://127.0.0.1:8999/cb?x", own),
            ("http://127.0.0.1:8999\t/cb", own),
            ("http://127.0.0.1:8999\n/cb", own),
            ("http://127.0.0.1:0/cb", own),
            ("http://127.0.0.1:99999/cb", own),
            ("http://127.0.0.1:/cb", own),
            ("http://127.0.0.1:8999@evil.example/cb", own),
            ("http://127.0.0.1:8999.evil.example/cb", own),
            ("http://127.0.0.2:8999/cb", own),
            ("http://[::1]:8999/cb", own),
            ("http://localhost:8999/cb", own),
            ("https://127.0.0.1:8999/cb", own),
            ("http://localhost:3001/cb", "http://localhost:3000/cb"),
        ] {
            assert!(!allowed(asked, registered), "{asked}");
        }
    }

    #[test]
    fn people_and_policies_are_told_where_it_leads() {
        for (uri, place, source) in [
            ("https://a.example/cb", "a.example", "https://a.example"),
            ("http://127.0.0.1:8999/cb", "127.0.0.1:8999", "http://127.0.0.1:8999"),
            ("com.example.app:/cb", "com.example.app", "com.example.app:"),
        ] {
            let uri = RedirectUri::parse(uri).unwrap();
            assert_eq!((uri.place(), uri.source().as_str()), (place, source));
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
