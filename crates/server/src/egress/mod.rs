//! The clients for requests that leave the server.
//!
//! [`Egress`] is for whatever a caller or a definition names: it asks public `https` only, and what
//! `AGENT_SERVER_EGRESS_ALLOW` permits. [`client`] is for model providers, whose URLs the operator sets
//! and may therefore be anywhere. Neither takes a proxy from the environment, and both work where
//! there are no CA files.

mod address;
mod allow;
mod names;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::Method;
use http::StatusCode;
use http::header;
use reqwest::Client;
use reqwest::ClientBuilder;
use reqwest::Response;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use rustls::RootCertStore;
use url::Url;

pub use allow::Allow;
pub use allow::Permit;
pub use allow::Reach;
pub use allow::Refusal;
use names::Guarded;
pub use names::Names;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Unused connections are kept so long.
const IDLE: Duration = Duration::from_mins(1);
/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// What proves to one origin who is asking, and is no business of another.
const CREDENTIALS: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Asks what callers and definitions name, and nothing that only we could reach.
///
/// A name is resolved once, its addresses are checked, and the connection is made to one of them; each
/// redirect is checked like the first URL.
#[derive(Debug, Clone)]
pub struct Egress {
    public: Client,
    anywhere: Client,
    allow: Allow,
}

/// One request that leaves the server.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub limits: Limits,
}

/// What a request may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first look-up to the last byte, redirects included.
    pub time: Duration,
    pub response: Wanted,
    /// Hosts that may be asked; `None`: any.
    pub hosts: Option<Vec<String>>,
}

/// What of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its body, of at most so many bytes (after decompression).
    Body(usize),
    /// Status and headers only.
    Head,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer. The texts may be shown to who named the URL: they tell nothing of what is
/// inside our network.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("the URL was refused: {0}")]
    Refused(#[source] Refusal),
    #[error("a redirect was refused: {0}")]
    RedirectRefused(#[source] Refusal),
    #[error("it redirects more than {REDIRECTS} times")]
    TooManyRedirects,
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("there was no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Nothing was sent.
    #[error("no connection could be made")]
    Unreachable(#[source] reqwest::Error),
    /// The far side may have got the request.
    #[error("the connection broke before the answer was there")]
    Broken(#[source] reqwest::Error),
}

impl Egress {
    /// A client that asks public `https` and what `allow` permits. Done once, at the start.
    pub fn new(allow: Allow) -> Result<Self, reqwest::Error> {
        Self::with(allow, Names::System)
    }

    /// The same, where `names` tells the addresses of hosts.
    pub fn with(allow: Allow, names: Names) -> Result<Self, reqwest::Error> {
        let guarded = Guarded { names: names.clone(), allow: allow.clone() };
        Ok(Self {
            public: builder().dns_resolver(guarded).build()?,
            anywhere: builder().dns_resolver(names).build()?,
            allow,
        })
    }

    /// Whether `url` may be asked, as far as can be said without resolving its host.
    pub fn check(&self, url: &str) -> Result<Url, Refusal> {
        self.allow.check(url).map(|(url, _)| url)
    }

    /// Sends `request` and follows redirects.
    ///
    /// A request stays what it is: a redirect that would turn a `POST` into a `GET` is not followed,
    /// it is the answer.
    pub async fn send(&self, request: Request) -> Result<Answer, EgressError> {
        let time = request.limits.time;
        let answer = tokio::time::timeout(time, self.follow(request)).await;
        answer.unwrap_or(Err(EgressError::TimedOut(time)))
    }

    async fn follow(&self, mut request: Request) -> Result<Answer, EgressError> {
        let (mut url, mut reach) = self.allow.check(&request.url).map_err(EgressError::Refused)?;
        request.limits.check_host(&url).map_err(EgressError::Refused)?;
        for _ in 0..=REDIRECTS {
            let response = self.ask(&request, &url, reach).await?;
            let Some(next) = redirect(&request.method, &url, &response) else {
                return read(response, request.limits.response).await;
            };
            reach = self.allow.reach(&next).map_err(EgressError::RedirectRefused)?;
            request.limits.check_host(&next).map_err(EgressError::RedirectRefused)?;
            if next.origin() != url.origin() {
                for name in CREDENTIALS {
                    request.headers.remove(name);
                }
            }
            url = next;
        }
        Err(EgressError::TooManyRedirects)
    }

    async fn ask(
        &self,
        request: &Request,
        url: &Url,
        reach: Reach,
    ) -> Result<Response, EgressError> {
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Anywhere => &self.anywhere,
        };
        let asked = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone());
        asked.send().await.map_err(failure)
    }
}

impl Limits {
    fn check_host(&self, url: &Url) -> Result<(), Refusal> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let is_listed = url.host_str().is_some_and(|host| hosts.iter().any(|it| it == host));
        if is_listed { Ok(()) } else { Err(Refusal::OtherHost) }
    }
}

/// Where the redirect in `response` leads, if it is one that is followed.
fn redirect(method: &Method, url: &Url, response: &Response) -> Option<Url> {
    let keeps_method = match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
            method.is_safe()
        }
        _ => false,
    };
    let location = response.headers().get(header::LOCATION).filter(|_| keeps_method)?;
    url.join(location.to_str().ok()?).ok()
}

async fn read(mut response: Response, wanted: Wanted) -> Result<Answer, EgressError> {
    let mut body = BytesMut::new();
    if let Wanted::Body(most) = wanted {
        while let Some(chunk) = response.chunk().await.map_err(EgressError::Broken)? {
            if body.len() + chunk.len() > most {
                return Err(EgressError::TooLarge(most));
            }
            body.extend_from_slice(&chunk);
        }
    }
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    Ok(Answer { status, headers, body: body.freeze() })
}

/// What it means that no answer came: the resolver may have refused.
fn failure(error: reqwest::Error) -> EgressError {
    let mut cause = error.source();
    while let Some(deeper) = cause {
        if let Some(refusal) = deeper.downcast_ref() {
            return EgressError::Refused(*refusal);
        }
        cause = deeper.source();
    }
    if error.is_connect() { EgressError::Unreachable(error) } else { EgressError::Broken(error) }
}

/// Makes the client for model providers. Done once, at the start.
pub fn client() -> Result<Client, reqwest::Error> {
    builder().build()
}

fn builder() -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls())
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("agent-server/", env!("CARGO_PKG_VERSION")))
}

/// The roots of the system or, in an image that has none, those of Mozilla.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}
