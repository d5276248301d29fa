//! The clients for requests that leave the server.
//!
//! [`Egress`] is for whatever a caller or a definition names: it asks public `https` only, and what
//! `AGENT_SERVER_EGRESS_ALLOW` permits. [`client`] is for model providers, whose URLs the operator sets
//! and may therefore be anywhere. Neither takes a proxy from the environment, and both work where
//! there are no CA files.

mod address;
mod allow;
#[cfg(test)]
pub mod canary;
mod fill;
mod hosts;
mod names;
mod redact;
mod request;
#[cfg(test)]
mod tests;
mod wait;

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::HeaderValue;
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
pub use fill::Escape;
pub use fill::FillError;
pub use fill::Secret;
pub use fill::Secrets;
pub use fill::Text;
pub use hosts::HostPattern;
pub use hosts::covered;
use names::Guarded;
pub use names::Names;
pub use redact::Redactor;
pub use redact::SHORTEST;
pub use redact::UNRESERVED;
pub use request::Body;
use request::CREDENTIALS;
use request::Hop;
pub use request::IDEMPOTENCY_KEY;
pub use request::Limits;
use request::REDIRECTS;
pub use request::Request;
pub use request::SecretHeader;
pub use request::Wanted;
pub use request::is_of_the_connection;
pub use wait::retry_after;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Unused connections are kept so long.
const IDLE: Duration = Duration::from_mins(1);

/// Asks what callers and definitions name, and nothing that only we could reach.
///
/// A name is resolved once, its addresses are checked, and the connection is made to one of them; each
/// redirect is checked like the first URL. This is the only place where values of secrets are put into
/// requests, and they are taken out of the answers before anybody sees these.
#[derive(Debug, Clone)]
pub struct Egress {
    public: Client,
    anywhere: Client,
    allow: Allow,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Opened(Response);

impl Opened {
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next bytes of its body, after decompression; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, EgressError> {
        self.0.chunk().await.map_err(failure)
    }
}

/// Why there is no answer. The texts may be shown to who named the URL: they tell nothing of what is
/// inside our network.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("the URL was refused: {0}")]
    Refused(#[source] Refusal),
    #[error("a redirect was refused: {0}")]
    RedirectRefused(#[source] Refusal),
    #[error("{0}")]
    Secret(#[source] FillError),
    /// The redirect cannot be asked without a secret, which is not for its host.
    #[error("a redirect was refused: {0}")]
    RedirectSecret(#[source] FillError),
    #[error("it redirects more than {REDIRECTS} times")]
    TooManyRedirects,
    /// It was answered, by more than is read.
    #[error("the answer has more than {most} bytes")]
    TooLarge { most: usize, status: StatusCode },
    #[error("there was no answer within {:.1} s", .0.as_secs_f32())]
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

    /// The same for a request without secrets, as far as the head of the answer: its body is read piece by piece, by
    /// who keeps its size and its time.
    pub async fn open(&self, request: Request) -> Result<Opened, EgressError> {
        let time = request.limits.time;
        let answer = tokio::time::timeout(time, self.arrive(request)).await;
        let answer = answer.unwrap_or(Err(EgressError::TimedOut(time)));
        answer.map(|(response, _)| Opened(response))
    }

    async fn follow(&self, request: Request) -> Result<Answer, EgressError> {
        let (response, request) = self.arrive(request).await?;
        read(response, &request).await
    }

    /// The answer at the end of all redirects, and the request as it was sent there.
    async fn arrive(&self, mut request: Request) -> Result<(Response, Request), EgressError> {
        let filled = request.filled_url().map_err(EgressError::Secret)?;
        let (mut url, mut reach) = self.allow.check(&filled).map_err(EgressError::Refused)?;
        request.limits.check_host(&url).map_err(EgressError::Refused)?;
        let mut hop = Hop::First;
        for _ in 0..=request.redirects {
            let response = self.ask(&request, &url, reach, hop).await?;
            let next = redirect(&request.method, &url, &response);
            let Some(next) = next.filter(|_| request.redirects > 0) else {
                return Ok((response, request));
            };
            reach = self.allow.reach(&next).map_err(EgressError::RedirectRefused)?;
            request.limits.check_host(&next).map_err(EgressError::RedirectRefused)?;
            if let Some(name) = request.secrets.leak(&next) {
                return Err(EgressError::RedirectSecret(FillError::OtherHost(name.to_owned())));
            }
            if next.origin() != url.origin() {
                for name in CREDENTIALS {
                    request.headers.remove(name);
                }
            }
            hop = hop.next(&url, &next);
            url = next;
        }
        Err(EgressError::TooManyRedirects)
    }

    async fn ask(
        &self,
        request: &Request,
        url: &Url,
        reach: Reach,
        hop: Hop,
    ) -> Result<Response, EgressError> {
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Anywhere => &self.anywhere,
        };
        let refused = |error| match hop {
            Hop::First => EgressError::Secret(error),
            _ => EgressError::RedirectSecret(error),
        };
        let asked = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers_for(url, hop).map_err(refused)?)
            .body(request.body_for(url, hop).map_err(refused)?);
        asked.send().await.map_err(failure)
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

/// Reads what is wanted of an answer, without any value of a secret.
async fn read(mut response: Response, request: &Request) -> Result<Answer, EgressError> {
    let (status, mut headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = BytesMut::new();
    if let Wanted::Body(most) = request.limits.response {
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > most {
                return Err(EgressError::TooLarge { most, status });
            }
            body.extend_from_slice(&chunk);
        }
    }
    let mut body = body.freeze();
    for redactor in request.secrets.redactors() {
        if let Cow::Owned(clean) = redactor.bytes(&body) {
            body = clean.into();
        }
        for value in headers.values_mut() {
            if let Cow::Owned(clean) = redactor.bytes(value.as_bytes())
                && let Ok(clean) = HeaderValue::from_bytes(&clean)
            {
                *value = clean;
            }
        }
    }
    Ok(Answer { status, headers, body })
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
    // Its URL may have a secret in it.
    let (is_connect, error) = (error.is_connect(), error.without_url());
    if is_connect { EgressError::Unreachable(error) } else { EgressError::Broken(error) }
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
