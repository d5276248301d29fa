//! Which URLs may be asked: public `https`, and what the operator permits beyond that.

use std::net::IpAddr;
use std::str::FromStr;

use url::Host;
use url::Position;
use url::Url;

use super::address;
use super::address::Range;

/// The longest URL that is asked, in bytes.
const LENGTH: usize = 2048;

/// What `AGENT_SERVER_EGRESS_ALLOW` permits beyond public `https`.
#[derive(Debug, Clone, Default)]
pub struct Allow(Vec<Permit>);

/// One entry of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// `http://127.0.0.1:9000`: exactly this scheme, host and port, wherever it is.
    Origin(url::Origin),
    /// `hooks.internal`: this name by `https`, on any port, wherever it is.
    Host(String),
    /// `10.0.0.0/8`: these addresses by `https`, whichever name leads to them.
    Range(Range),
}

/// Why a URL is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is not an absolute URL")]
    NotAUrl,
    #[error("it is longer than {LENGTH} bytes")]
    TooLong,
    #[error("it must begin with `https://`")]
    Scheme,
    #[error("it must not hold a user or a password")]
    Userinfo,
    #[error("its host is not on the public Internet")]
    NotPublic,
    #[error("its host is not among those that may be asked")]
    OtherHost,
}

/// Where the connection for a URL may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses, and those of permitted ranges.
    Public,
    /// Anywhere: the operator has named this host.
    Anywhere,
}

impl Allow {
    pub fn new(permits: Vec<Permit>) -> Self {
        Self(permits)
    }

    /// Reads a URL and says where its connection may lead. No name is resolved.
    pub fn check(&self, text: &str) -> Result<(Url, Reach), Refusal> {
        if text.len() > LENGTH {
            return Err(Refusal::TooLong);
        }
        let url = Url::parse(text).map_err(|_| Refusal::NotAUrl)?;
        let reach = self.reach(&url)?;
        Ok((url, reach))
    }

    /// Where the connection for `url` may lead.
    pub fn reach(&self, url: &Url) -> Result<Reach, Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Userinfo);
        }
        let is_named = self.0.iter().any(|permit| match permit {
            Permit::Origin(origin) => *origin == url.origin(),
            Permit::Host(name) => url.scheme() == "https" && url.host_str() == Some(name),
            Permit::Range(_) => false,
        });
        if is_named {
            return Ok(Reach::Anywhere);
        }
        if url.scheme() != "https" {
            return Err(Refusal::Scheme);
        }
        let is_reachable = match url.host() {
            Some(Host::Domain(name)) => !is_local(name),
            Some(Host::Ipv4(address)) => self.is_reachable(address.into()),
            Some(Host::Ipv6(address)) => self.is_reachable(address.into()),
            None => false,
        };
        if is_reachable { Ok(Reach::Public) } else { Err(Refusal::NotPublic) }
    }

    /// Whether anybody may be led to `address`.
    pub fn is_reachable(&self, address: IpAddr) -> bool {
        let in_range = |permit: &Permit| match permit {
            Permit::Range(range) => range.contains(address),
            _ => false,
        };
        address::is_public(address) || self.0.iter().any(in_range)
    }
}

impl FromStr for Permit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "`{text}` must be a host such as `hooks.internal`, an origin such as `http://127.0.0.1:9000`, \
                 or a range of addresses such as `10.0.0.0/8`"
            )
        };
        if text.contains("://") {
            // The text may hold a password, so it is not repeated.
            let fault =
                || "an origin is `http://` or `https://`, a host and a port, and nothing more";
            let url = Url::parse(text).map_err(|_| fault())?;
            let is_origin = matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && matches!(&url[Position::BeforePath..], "" | "/");
            return if is_origin { Ok(Self::Origin(url.origin())) } else { Err(fault().into()) };
        }
        if let Ok(range) = text.parse() {
            return Ok(Self::Range(range));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !text.contains(['/', '*']) => Ok(Self::Host(name)),
            _ => Err(fault()),
        }
    }
}

/// Names of this machine (RFC 6761), which no resolver needs to be asked for.
fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This machine, its network and its neighbours, as attackers spell them.
    const LOCAL: [&str; 41] = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "127.000.000.001",
        "0x7F.0x0.0x0.0x1",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "192.168.0.1:8443",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "ｌｏｃａｌｈｏｓｔ",
        "%6cocalhost",
    ];

    fn allow(permits: &[&str]) -> Allow {
        Allow::new(permits.iter().map(|it| it.parse().unwrap()).collect())
    }

    #[test]
    fn hostile_urls_are_refused_in_every_spelling() {
        let refused = |url: &str, why| assert_eq!(allow(&[]).check(url).err(), Some(why), "{url}");
        for host in LOCAL {
            refused(&format!("https://{host}/x"), Refusal::NotPublic);
        }
        refused("http://example.com/", Refusal::Scheme);
        refused("ftp://example.com/", Refusal::Scheme);
        refused("file:///etc/passwd", Refusal::Scheme);
        refused("gopher://127.0.0.1:6379/_x", Refusal::Scheme);
        refused("data:text/plain,x", Refusal::Scheme);
        refused("unix:/run/docker.sock", Refusal::Scheme);
        refused("https://user@example.com/", Refusal::Userinfo);
        refused("https://:password@example.com/", Refusal::Userinfo);
        refused("https://example.com@127.0.0.1/", Refusal::Userinfo);
        for text in [
            "",
            "/x",
            "//example.com",
            "example.com",
            "https://",
            "https://[::1",
            "https://1.2.3.256",
        ] {
            refused(text, Refusal::NotAUrl);
        }
        refused(&format!("https://example.com/{}", "a".repeat(LENGTH)), Refusal::TooLong);
    }

    #[test]
    fn public_https_may_be_asked() {
        for url in [
            "https://example.com/hook?x=1",
            "HTTPS://Example.com:8443",
            "https://1.1.1.1/",
            "https:\\\\example.com",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(allow(&[]).check(url).map(|it| it.1), Ok(Reach::Public), "{url}");
        }
    }

    #[test]
    fn what_the_operator_permits_is_permitted_and_nothing_beside_it() {
        let allow = allow(&["http://127.0.0.1:9000", "Hooks.internal", "10.1.0.0/16", "fd00::/8"]);
        let reach = |url: &str| allow.check(url).map(|it| it.1);

        assert_eq!(reach("http://127.0.0.1:9000/x"), Ok(Reach::Anywhere));
        assert_eq!(reach("http://127.1:9000/x"), Ok(Reach::Anywhere));
        assert_eq!(reach("http://127.0.0.1:9001/x"), Err(Refusal::Scheme));
        assert_eq!(reach("https://127.0.0.1:9000/x"), Err(Refusal::NotPublic));
        assert_eq!(reach("https://hooks.internal:8443/x"), Ok(Reach::Anywhere));
        assert_eq!(reach("http://hooks.internal/x"), Err(Refusal::Scheme));
        assert_eq!(reach("https://a.hooks.internal/x"), Ok(Reach::Public));
        assert_eq!(reach("https://10.1.2.3/x"), Ok(Reach::Public));
        assert_eq!(reach("https://[::ffff:10.1.2.3]/x"), Ok(Reach::Public));
        assert_eq!(reach("https://[fd00::1]/x"), Ok(Reach::Public));
        assert_eq!(reach("https://10.2.0.1/x"), Err(Refusal::NotPublic));
        assert_eq!(reach("http://user@127.0.0.1:9000/x"), Err(Refusal::Userinfo));
    }

    #[test]
    fn a_permit_that_means_nothing_is_said_to() {
        for text in [
            "http://a/x",
            "ftp://a",
            "http://u:hunter2@a",
            "10.0.0.1/8",
            "*.a",
            "a/b",
            "a b",
            "http://",
        ] {
            let fault = text.parse::<Permit>().unwrap_err();
            assert!(fault.contains("such as") || fault.contains("nothing more"), "{text}: {fault}");
            assert!(!fault.contains("hunter2"));
        }
    }
}
