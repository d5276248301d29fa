//! Requests of MCP over Streamable HTTP, in both eras, by the guarded client.
//!
//! One request is one POST, whose answer is JSON or a stream of events that has it in the end. What is read is bounded, and
//! no value of a secret is in it.

use std::time::Duration;
use std::time::Instant;

use engine::Consent;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use llm::sse::Decoder;
use serde_json::Value;
use url::Url;

use super::challenge::Challenge;
use super::headers::header_value;
use super::message;
use super::message::Fault;
use super::message::MODERN;
use super::message::Said;
use crate::egress::Body;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::HostPattern;
use crate::egress::Limits;
use crate::egress::Opened;
use crate::egress::Request;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Wanted;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: &str = "text/event-stream";

/// What may come beside the answer, in bytes: how far a call is, for instance.
const BESIDE: usize = 1 << 20;
/// No refusal is read further.
const REFUSAL: usize = 64 << 10;
/// So many questions of a server are answered within one request of ours.
const QUESTIONS: u32 = 16;
/// How often a stream that broke off is taken up again, and how long that waits.
const RESUMES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// How long a word that needs no answer may take.
const WORD: Duration = Duration::from_secs(5);

/// How a server is spoken with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The revision that both know.
    pub version: String,
    /// Of a server that keeps sessions.
    pub id: Option<HeaderValue>,
}

/// The way to a server for one caller.
#[derive(Debug, Clone)]
pub struct Wire {
    pub egress: Egress,
    pub url: String,
    pub credential: Option<(HeaderName, SecretHeader)>,
    pub secrets: Secrets,
    /// The longest answer, in bytes.
    pub most: usize,
    /// When nobody waits any more.
    pub until: Instant,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nothing was done.
    #[error("{0}")]
    NotSent(String),
    /// It was sent, and nobody knows what came of it.
    #[error("{0}")]
    Lost(String),
    /// The server has answered with an error of its own.
    #[error("the server answered: {} ({})", .0.message, .0.code)]
    Refused(Fault),
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// It knows nothing of the session: nothing was done.
    #[error("the server has forgotten the session")]
    SessionGone,
    #[error("the server does not let us in (401)")]
    Unauthorized,
    /// Nothing was done: the token does not allow it.
    #[error("the server wants a token with the scope `{0}` (403)")]
    InsufficientScope(String),
    /// Nothing was sent: the person must consent first.
    #[error("{0}")]
    Consent(Box<Consent>),
    /// It was done, but what came of it is more than is taken.
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

impl Session {
    /// How servers of the revision without sessions are spoken with.
    pub fn modern() -> Self {
        Self { version: MODERN.to_owned(), id: None }
    }

    pub fn is_modern(&self) -> bool {
        self.version == MODERN
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub id: u64,
    pub method: &'a str,
    pub params: &'a Value,
    /// Whether how far it is shall be told.
    pub wants_progress: bool,
    /// Arguments that are headers as well, in the revision without sessions.
    pub headers: &'a HeaderMap,
}

/// Who hears what a server says beside its answer.
pub type Hear<'h> = &'h (dyn Fn(&str, &Value) + Send + Sync);

impl Wire {
    /// Asks, and reads until the answer is there. `None` for a session: there is none yet. The headers of the
    /// answer come with it.
    pub async fn ask(
        &self,
        session: Option<&Session>,
        ask: Ask<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, HeaderMap), WireError> {
        let left = self.left();
        let asked = tokio::time::timeout(left, self.ask_on(session, ask, hear)).await;
        asked.unwrap_or_else(|_| {
            Err(WireError::Lost(format!("it did not answer within {} ms", left.as_millis())))
        })
    }

    async fn ask_on(
        &self,
        session: Option<&Session>,
        ask: Ask<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, HeaderMap), WireError> {
        let opened = self.send(session, ask).await?;
        let answered = opened.headers().clone();
        let result = self.read(session, ask.id, opened, hear).await?;
        Ok((result, answered))
    }

    /// Sends a request, and gives its answer as it begins.
    pub async fn send(&self, session: Option<&Session>, ask: Ask<'_>) -> Result<Opened, WireError> {
        let is_modern = session.is_some_and(Session::is_modern);
        let body = message::request(ask.id, ask.method, ask.params, is_modern, ask.wants_progress);
        let mut headers = headers(session);
        if is_modern {
            headers.extend(header_value(ask.method).map(|it| (METHOD, it)));
            let name = ask.params.get("name").and_then(Value::as_str);
            headers.extend(name.and_then(header_value).map(|it| (NAME, it)));
            headers.extend(ask.headers.clone());
        }
        self.open(Method::POST, headers, &body).await
    }

    /// Says something that is not answered.
    pub async fn tell(&self, session: &Session, message: &Value) -> Result<(), WireError> {
        let mut wire = self.clone();
        wire.until = Instant::now() + WORD;
        let mut headers = headers(Some(session));
        if session.is_modern() {
            let method = message["method"].as_str().and_then(header_value);
            headers.extend(method.map(|it| (METHOD, it)));
        }
        let opened = wire.open(Method::POST, headers, message).await?;
        if opened.status().is_success() { Ok(()) } else { Err(WireError::Status(opened.status())) }
    }

    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub async fn open(
        &self,
        method: Method,
        headers: HeaderMap,
        body: &Value,
    ) -> Result<Opened, WireError> {
        let own = Url::parse(&self.url).ok().as_ref().and_then(HostPattern::of);
        let hosts = Some(own.into_iter().collect());
        let limits = Limits { time: self.left(), response: Wanted::Body(self.most), hosts };
        let mut request = Request::new(method.clone(), self.url.as_str(), limits);
        request.headers = headers;
        request.headers.insert(header::ACCEPT, ACCEPT);
        if method == Method::POST {
            request.headers.insert(header::CONTENT_TYPE, JSON);
            request.body = Body::Bytes(body.to_string().into());
        }
        request.secret_headers.extend(self.credential.clone());
        request.secrets = self.secrets.clone();
        self.egress.open(request).await.map_err(|error| self.failure(&error))
    }

    async fn read(
        &self,
        session: Option<&Session>,
        id: u64,
        mut opened: Opened,
        hear: Hear<'_>,
    ) -> Result<Value, WireError> {
        let has_session = session.is_some_and(|it| it.id.is_some());
        let (mut decoder, mut budget, mut questions) = (Decoder::default(), self.most + BESIDE, 0);
        for _ in 0..=RESUMES {
            let status = opened.status();
            if status == StatusCode::NOT_FOUND && has_session {
                return Err(WireError::SessionGone);
            }
            if status == StatusCode::UNAUTHORIZED {
                return Err(WireError::Unauthorized);
            }
            if status == StatusCode::FORBIDDEN
                && let Some(scope) = Challenge::of(opened.headers()).missing()
            {
                return Err(WireError::InsufficientScope(scope));
            }
            if !is_events(opened.headers()) || !status.is_success() {
                return self.read_whole(id, opened).await;
            }
            while let Some(piece) = opened.piece().await.map_err(|error| self.failure(&error))? {
                budget = budget.checked_sub(piece.len()).ok_or(WireError::TooLarge(self.most))?;
                let mut events = decoder.events(&piece);
                while let Some(event) = events.next().map_err(|_| WireError::TooLarge(self.most))? {
                    match self.understand(event.data.as_bytes(), id)? {
                        Said::Answer(answer) => return self.judge(answer),
                        Said::Notice { method, params } => hear(&method, &params),
                        Said::Asks(reply) if questions < QUESTIONS => {
                            questions += 1;
                            if let Some(session) = session.filter(|it| !it.is_modern()) {
                                let _ = self.tell(session, &reply).await;
                            }
                        }
                        Said::Asks(_) | Said::Other => {}
                    }
                }
            }
            // A stream of an older revision may break off and go on elsewhere.
            let last = HeaderValue::from_str(decoder.last_id()).ok().filter(|it| !it.is_empty());
            let (Some(session), Some(last)) = (session.filter(|it| !it.is_modern()), last) else {
                break;
            };
            tokio::time::sleep(decoder.retry().unwrap_or(PAUSE)).await;
            let mut headers = headers(Some(session));
            headers.insert(LAST_EVENT, last);
            opened = self.open(Method::GET, headers, &Value::Null).await.map_err(|error| {
                WireError::Lost(format!("the stream broke off before the answer: {error}"))
            })?;
            decoder = Decoder::default();
        }
        Err(WireError::Lost("the stream ended before the answer was there".to_owned()))
    }

    /// Reads an answer that is one message.
    async fn read_whole(&self, id: u64, mut opened: Opened) -> Result<Value, WireError> {
        let status = opened.status();
        let most = if status.is_success() { self.most } else { REFUSAL };
        let mut body = Vec::new();
        while let Some(piece) = opened.piece().await.map_err(|error| self.failure(&error))? {
            if body.len() + piece.len() > most {
                let refused = WireError::Status(status);
                return Err(if status.is_success() { WireError::TooLarge(most) } else { refused });
            }
            body.extend_from_slice(&piece);
        }
        match self.understand(&body, id) {
            Ok(Said::Answer(answer)) => self.judge(answer),
            _ if !status.is_success() => Err(WireError::Status(status)),
            Ok(_) => Err(WireError::Lost("it answered something else".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// One message, without any value of a secret.
    pub fn understand(&self, text: &[u8], id: u64) -> Result<Said, WireError> {
        let garbled =
            || WireError::Lost("it answered what is no message of the protocol".to_owned());
        let mut message: Value = serde_json::from_slice(text).map_err(|_| garbled())?;
        self.secrets.redactors().for_each(|it| it.value(&mut message));
        message::read(message, id).ok_or_else(garbled)
    }

    fn judge(&self, answer: Result<Value, Fault>) -> Result<Value, WireError> {
        let result = answer.map_err(WireError::Refused)?;
        if result.to_string().len() > self.most {
            return Err(WireError::TooLarge(self.most));
        }
        Ok(result)
    }

    pub fn failure(&self, error: &EgressError) -> WireError {
        let why = error.to_string();
        match error {
            EgressError::TimedOut(_) | EgressError::Broken(_) => WireError::Lost(why),
            EgressError::TooLarge { .. } => WireError::TooLarge(self.most),
            _ => WireError::NotSent(why),
        }
    }
}

pub fn headers(session: Option<&Session>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(Session { version, id }) = session {
        headers.extend(HeaderValue::from_str(version).ok().map(|it| (VERSION, it)));
        headers.extend(id.clone().map(|it| (SESSION, it)));
    }
    headers
}

/// The id of the session that an answer begins.
pub fn session_id(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(SESSION).cloned()
}

pub fn is_events(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    media_type.is_some_and(|it| it.trim_start().to_ascii_lowercase().starts_with(EVENTS))
}
