//! One request to a provider, and the ways in which it fails before there is a stream.

use std::error::Error;
use std::io;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::Response;
use reqwest::header::ACCEPT;
use reqwest::header::AUTHORIZATION;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio::time::timeout_at;
use url::Url;

use crate::ErrorKind;
use crate::ModelError;
use crate::reader::Framing;
use crate::redact::Redactor;
use crate::refusal::Refusal;

/// The most that is read of the body of an error.
const MAX_ERROR_BODY: usize = 64 << 10;

/// The most that is read of an answer that comes whole.
const MAX_ANSWER: usize = 64 << 20;

/// How long the body of an error may take; what has come by then must do.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How long a whole answer may wait for what only belongs to it loosely, like its usage.
const TRAILER_TIME: Duration = Duration::from_secs(5);

/// How long a model call may take, phase by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands. This one is kept by the client, not by the adapters: give it
    /// to `reqwest::ClientBuilder::connect_timeout`.
    pub connect: Duration,
    /// From the request to the first event of the answer. Signs of life do not count.
    pub first_token: Duration,
    /// Silence after that. Any byte ends it, signs of life too.
    pub between_tokens: Duration,
    /// From the request to the end of the answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_token: Duration::from_mins(1),
            between_tokens: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}

/// An account with a provider: where that is, and who we are there.
#[derive(Debug, Clone)]
pub struct Account {
    /// What it is called here, as in `provider/model`. What a provider gives us for itself goes back
    /// to the account that got it, and to no other.
    pub name: Arc<str>,
    pub client: Client,
    pub base_url: Url,
    pub key: Option<SecretString>,
    pub timeouts: Timeouts,
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Call {
    pub account: Arc<Account>,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer whose body is a stream, and what is needed to read it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub response: Response,
    pub deadlines: Deadlines,
    pub redactor: Redactor,
}

/// A piece of a body; `None` at its end.
type Piece = reqwest::Result<Option<Bytes>>;

/// When to give up.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    provider: Arc<str>,
    timeouts: Timeouts,
    first_token: Instant,
    total: Instant,
}

impl Account {
    /// The base URL with `path` behind its own; a query of the base stays.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A header that holds the key, never shown in logs.
    pub(crate) fn secret_header(&self, text: &str) -> Result<HeaderValue, ModelError> {
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            let message =
                format!("the key for `{}` has characters that no header can hold", self.name);
            ModelError::lasting(ErrorKind::NotConfigured, message)
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The key as `Authorization: Bearer`, if there is one.
    pub(crate) fn bearer(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            let value = self.secret_header(&format!("Bearer {}", key.expose_secret()))?;
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    pub(crate) fn lacks_key(&self) -> ModelError {
        let message = format!("there is no key for `{}`", self.name);
        ModelError::lasting(ErrorKind::NotConfigured, message)
    }

    /// A part of a message that the provider has no form for.
    pub(crate) fn takes_no_file(&self, media_type: &str, why: &str) -> ModelError {
        let message = format!("`{}` takes no file of type `{media_type}` {why}", self.name);
        ModelError::lasting(ErrorKind::Refused, message)
    }

    /// An answer of 200 that is not `what` was asked for.
    pub(crate) fn is_not(&self, what: &str) -> ModelError {
        self.error(ErrorKind::Protocol, &format!("answered with something that is no {what}"))
    }

    fn error(&self, kind: ErrorKind, what: &str) -> ModelError {
        ModelError::lasting(kind, format!("`{}` {what}", self.name))
    }
}

impl Call {
    /// Sends the request and waits for the head of a stream.
    pub async fn send(self, framing: Framing) -> Result<Opened, ModelError> {
        let account = Arc::clone(&self.account);
        let mut opened = self.open(framing.media_type()).await?;
        if !is_of(framing, opened.response.headers()) {
            return Err(no_event_stream(&account, opened.response, &opened.redactor).await);
        }
        opened.redactor.shrink();
        Ok(opened)
    }

    /// Sends the request and reads the answer, which comes whole and in JSON. `what` it should be is said of
    /// one that is something else.
    pub async fn fetch<T: DeserializeOwned>(self, what: &str) -> Result<T, ModelError> {
        let account = Arc::clone(&self.account);
        let Opened { mut response, deadlines, redactor } = self.open("application/json").await?;
        let status = Some(response.status().as_u16());
        let mut body = Vec::new();
        loop {
            match deadlines.next_piece(&mut response).await? {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(_) => {
                    let error = account.error(ErrorKind::Truncated, "broke off its answer");
                    return Err(ModelError { retryable: true, ..error });
                }
            }
            if body.len() > MAX_ANSWER {
                return Err(account.error(ErrorKind::Protocol, "answered with far too much"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| {
            let refusal = Refusal::of_text(&String::from_utf8_lossy(&body));
            let error = match refusal {
                Some(refusal) => refusal.into_error(&account.name, &redactor),
                None => account.is_not(what),
            };
            ModelError { kind: ErrorKind::Protocol, status, ..error }
        })
    }

    async fn open(self, accept: &'static str) -> Result<Opened, ModelError> {
        let Self { account, url, mut headers, body } = self;
        let deadlines = Deadlines::from_now(&account);
        let redactor = Redactor::new(account.key.clone(), body.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(accept));

        let request = account.client.post(url).headers(headers).body(body);
        let response = timeout_at(deadlines.head(), request.send())
            .await
            .map_err(|_| deadlines.missed_head())?
            .map_err(|error| unsent(&account, &error))?;
        if !response.status().is_success() {
            return Err(refused(&account, response, &redactor).await);
        }
        Ok(Opened { response, deadlines, redactor })
    }
}

/// Why `error` kept us from getting any answer. The error itself stays here: it names the URL.
///
/// A client that guards its addresses says no with [`io::ErrorKind::PermissionDenied`].
fn unsent(account: &Account, error: &reqwest::Error) -> ModelError {
    if error.is_builder() {
        return account
            .error(ErrorKind::NotConfigured, "cannot be called at its configured address");
    }
    if is_forbidden(error) {
        return account
            .error(ErrorKind::NotConfigured, "is at an address that this server may not call");
    }
    let (kind, what) = match (error.is_timeout(), error.is_connect()) {
        (true, true) => (ErrorKind::Connect, "took too long to connect to"),
        (true, false) => (ErrorKind::Timeout, "did not answer in time"),
        (false, true) => (ErrorKind::Connect, "cannot be reached"),
        (false, false) => (ErrorKind::Truncated, "broke off the connection before it answered"),
    };
    ModelError { retryable: true, ..account.error(kind, what) }
}

fn is_forbidden(error: &reqwest::Error) -> bool {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let mut denials = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    denials.any(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

async fn refused(account: &Account, response: Response, redactor: &Redactor) -> ModelError {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = beginning(response).await;
    Refusal::of_response(status, &headers, &body).into_error(&account.name, redactor)
}

/// Answered 200, but not with a stream: a page of some proxy, or an error in JSON.
async fn no_event_stream(account: &Account, response: Response, redactor: &Redactor) -> ModelError {
    let status = response.status().as_u16();
    let body = beginning(response).await;
    match Refusal::of_text(&String::from_utf8_lossy(&body)) {
        Some(refusal) => {
            let error = refusal.into_error(&account.name, redactor);
            ModelError { kind: ErrorKind::Protocol, status: Some(status), ..error }
        }
        None => ModelError { status: Some(status), ..account.is_not("stream of answers") },
    }
}

/// As much of the body of an error as we care to read.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let deadline = Instant::now() + ERROR_BODY_TIME;
    while let Ok(Ok(Some(bytes))) = timeout_at(deadline, response.chunk()).await {
        body.extend_from_slice(&bytes);
        if body.len() >= MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    body
}

/// A missing content type is forgiven: several small servers send none.
fn is_of(framing: Framing, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(framing.media_type())
}

impl Deadlines {
    fn from_now(account: &Account) -> Self {
        let now = Instant::now();
        Self {
            provider: Arc::clone(&account.name),
            timeouts: account.timeouts,
            first_token: now + account.timeouts.first_token,
            total: now + account.timeouts.total,
        }
    }

    pub fn provider(&self) -> &str {
        &self.provider
    }

    fn head(&self) -> Instant {
        self.first_token.min(self.total)
    }

    fn missed_head(&self) -> ModelError {
        self.missed(self.first_token, "sent no first token", self.timeouts.first_token)
    }

    /// The first piece of the body with an answer in it.
    ///
    /// # Errors
    /// A timeout; whether the body itself broke is in the value.
    pub async fn first_piece(&self, response: &mut Response) -> Result<Piece, ModelError> {
        let piece = timeout_at(self.head(), response.chunk()).await;
        piece.map_err(|_| self.missed_head())
    }

    /// The next piece after that.
    ///
    /// # Errors
    /// As above.
    pub async fn next_piece(&self, response: &mut Response) -> Result<Piece, ModelError> {
        let silence = Instant::now() + self.timeouts.between_tokens;
        let piece = timeout_at(silence.min(self.total), response.chunk()).await;
        piece.map_err(|_| self.missed(silence, "fell silent", self.timeouts.between_tokens))
    }

    /// What comes behind a whole answer; the end if nothing comes soon.
    pub async fn trailer(&self, response: &mut Response) -> Piece {
        let patience = TRAILER_TIME.min(self.timeouts.between_tokens);
        timeout_at(Instant::now() + patience, response.chunk()).await.unwrap_or(Ok(None))
    }

    fn missed(&self, limit: Instant, what: &str, allowed: Duration) -> ModelError {
        let provider = &self.provider;
        if self.total < limit {
            let seconds = self.timeouts.total.as_secs_f64();
            let message = format!("`{provider}` did not end its answer within {seconds} s");
            return ModelError::lasting(ErrorKind::Timeout, message);
        }
        let seconds = allowed.as_secs_f64();
        ModelError::passing(ErrorKind::Timeout, format!("`{provider}` {what} within {seconds} s"))
    }
}
