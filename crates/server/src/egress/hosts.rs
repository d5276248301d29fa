//! Sets of hosts, as secrets and tools name them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use url::Host;
use url::Url;
use utoipa::ToSchema;

/// The longest name of a host (RFC 1035).
const LENGTH: usize = 253;

/// A host such as `api.example.com`, or `*.example.com` for all hosts below that name.
///
/// Invariant: it is spelt as URLs are when they are parsed (lower case, punycode, one spelling of each
/// address), without a port: a host is the same whatever its port. `*.` stands before a name of two
/// words or more, never before an address, and does not stand for the name itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "api.example.com")]
pub struct HostPattern(String);

/// A text that names no hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host is a name such as `api.example.com`, or `*.example.com` for all below it, without a port"
)]
pub struct InvalidHost;

impl HostPattern {
    /// The host of `url`, and no other.
    pub fn of(url: &Url) -> Option<Self> {
        url.host_str()?.parse().ok()
    }

    /// Whether `host`, spelt as in a URL that was parsed, is one of these.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self.0.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == self.0,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `url` is at one of `hosts`.
pub fn covered(hosts: &[HostPattern], url: &Url) -> bool {
    url.host_str().is_some_and(|host| hosts.iter().any(|it| it.covers(host)))
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
        };
        match Host::parse(name).map_err(|_| InvalidHost)? {
            Host::Domain(name) => {
                let words = name.split('.').count();
                let is_name = name.len() <= LENGTH && name.split('.').all(is_word);
                if !is_name || below && words < 2 {
                    return Err(InvalidHost);
                }
                Ok(Self(if below { format!("*.{name}") } else { name }))
            }
            address if !below => Ok(Self(address.to_string())),
            _ => Err(InvalidHost),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(host: HostPattern) -> Self {
        host.0
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_covers_itself_and_a_star_what_is_below() {
        let covers = |pattern: &str, url: &str| {
            let url = Url::parse(url).unwrap();
            covered(&[pattern.parse().unwrap()], &url)
        };

        assert!(covers("api.example.com", "https://API.example.com:8443/x"));
        assert!(covers("API.Example.com.", "https://api.example.com./"));
        assert!(covers("*.example.com", "https://a.b.example.com/"));
        assert!(covers("bücher.example", "https://xn--bcher-kva.example/"));
        assert!(covers("127.1", "http://127.0.0.1:9/"));
        assert!(covers("[::1]", "http://[0:0::1]/"));
        for (pattern, url) in [
            ("api.example.com", "https://example.com/"),
            ("api.example.com", "https://api.example.com.evil.org/"),
            ("api.example.com", "https://xapi.example.com/"),
            ("*.example.com", "https://example.com/"),
            ("*.example.com", "https://badexample.com/"),
            ("*.example.com", "https://example.com.evil.org/"),
            ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ] {
            assert!(!covers(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn what_names_no_hosts_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "*.127.0.0.1",
            "*.[::1]",
            "a.*.com",
            "**.example.com",
            "example.com:443",
            "https://example.com",
            "example.com/x",
            "user@example.com",
            "a..b",
            ".example.com",
            "a b.example",
            "{{secrets.x}}.example.com",
            &format!("{}.example", "a".repeat(250)),
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(InvalidHost), "{text}");
        }
    }
}
