//! What leaves the server, and what of it reaches which host.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header;
use url::Url;
use zeroize::Zeroizing;

use super::Refusal;
use super::fill::Escape;
use super::fill::FillError;
use super::fill::Secrets;
use super::fill::Text;
use super::hosts;
use super::hosts::HostPattern;

/// What proves to one origin who is asking, and is no business of another.
pub(super) const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// By which the far side tells attempts of one request from another.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Redirects that are followed.
pub(super) const REDIRECTS: usize = 5;

/// Headers that belong to the connection, or are written from the rest of the request.
const OF_THE_CONNECTION: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "accept-encoding",
];

/// One request that leaves the server.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Values of secrets may stand behind its host.
    pub url: Text,
    pub headers: HeaderMap,
    /// Headers with secrets in them; in the place of others of the same name.
    pub secret_headers: Vec<(HeaderName, SecretHeader)>,
    pub body: Body,
    /// Those that may be named.
    pub secrets: Secrets,
    pub limits: Limits,
    /// How many are followed.
    pub redirects: usize,
}

/// The value of a header that has secrets in it.
#[derive(Debug, Clone)]
pub enum SecretHeader {
    Value(Text),
    /// `Basic`, as RFC 7617 writes it.
    Basic {
        username: Text,
        password: Text,
        /// How the password is written; RFC 6749 wants both encoded.
        escape: Escape,
    },
}

/// What is sent behind the headers.
#[derive(Debug, Clone)]
pub enum Body {
    Bytes(Bytes),
    Text(Text, Escape),
}

/// What a request may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first look-up to the last byte, redirects included.
    pub time: Duration,
    pub response: Wanted,
    /// Hosts that may be asked; `None`: any.
    pub hosts: Option<Vec<HostPattern>>,
}

/// What of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its body, of at most so many bytes (after decompression).
    Body(usize),
    /// Status and headers only.
    Head,
}

/// Whether a header belongs to the connection, or is written from the rest of the request: no definition sets it.
pub fn is_of_the_connection(name: &HeaderName) -> bool {
    OF_THE_CONNECTION.contains(&name.as_str())
}

impl Request {
    /// A request that has nothing but this.
    pub fn new(method: Method, url: impl Into<Text>, limits: Limits) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            secret_headers: Vec::new(),
            body: Body::Bytes(Bytes::new()),
            secrets: Secrets::default(),
            limits,
            redirects: REDIRECTS,
        }
    }

    /// The same, of which a redirect is the answer.
    #[must_use]
    pub fn without_redirects(self) -> Self {
        Self { redirects: 0, ..self }
    }

    /// Its URL with all values in it.
    pub(super) fn filled_url(&self) -> Result<Zeroizing<String>, FillError> {
        let written = self.url.to_string();
        // Where it leads is said without any value; what is no URL, or may not be asked, is found later.
        let Ok(url) = Url::parse(&written) else { return Ok(Zeroizing::new(written)) };
        if self.url.secrets().next().is_some() && url.host_str().is_none_or(|it| it.contains('{')) {
            return Err(FillError::InHost);
        }
        self.url.fill(&self.secrets, &url, Escape::Percent)
    }

    /// The headers for `url`, with all values in them.
    pub(super) fn headers_for(&self, url: &Url, hop: Hop) -> Result<HeaderMap, FillError> {
        let mut headers = self.headers.clone();
        for (name, header) in &self.secret_headers {
            let value = match header.fill(&self.secrets, url) {
                Ok(value) if hop != Hop::Downgraded => value,
                Err(refused) if hop == Hop::First => return Err(refused),
                // It is for where we were sent first, and not for where we were sent to from there.
                _ => {
                    headers.remove(name);
                    continue;
                }
            };
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| FillError::NotAHeader(name.to_string()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The body for `url`, with all values in it.
    pub(super) fn body_for(&self, url: &Url, hop: Hop) -> Result<Bytes, FillError> {
        match &self.body {
            Body::Bytes(bytes) => Ok(bytes.clone()),
            Body::Text(text, escape) => {
                if let (Hop::Downgraded, Some(name)) = (hop, text.secrets().next()) {
                    return Err(FillError::OtherHost(name.to_owned()));
                }
                let filled = text.fill(&self.secrets, url, *escape)?;
                Ok(Bytes::copy_from_slice(filled.as_bytes()))
            }
        }
    }
}

/// How a URL was come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    First,
    Redirected,
    /// From `https` to what anybody on the way can read.
    Downgraded,
}

impl Hop {
    /// What it is to be sent on from `url` to `next`.
    pub(super) fn next(self, url: &Url, next: &Url) -> Self {
        let is_downgrade = url.scheme() == "https" && next.scheme() != "https";
        if is_downgrade || self == Self::Downgraded { Self::Downgraded } else { Self::Redirected }
    }
}

impl SecretHeader {
    fn fill(&self, secrets: &Secrets, url: &Url) -> Result<Zeroizing<String>, FillError> {
        match self {
            Self::Value(text) => text.fill(secrets, url, Escape::None),
            Self::Basic { username, password, escape } => {
                let mut pair = username.fill(secrets, url, Escape::None)?;
                pair.push(':');
                pair.push_str(&password.fill(secrets, url, *escape)?);
                Ok(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
            }
        }
    }
}

impl Limits {
    pub(super) fn check_host(&self, url: &Url) -> Result<(), Refusal> {
        match &self.hosts {
            Some(hosts) if !hosts::covered(hosts, url) => Err(Refusal::OtherHost),
            _ => Ok(()),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
