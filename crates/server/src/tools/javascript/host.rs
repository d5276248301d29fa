//! What is done for a script while it runs.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use engine::Effect;
use engine::LogLevel;
use engine::RequestFinished;
use engine::RequestStarted;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header;
use llm::ToolStatus;
use sandbox::javascript;
use sandbox::javascript::Level;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Plan;
use super::names::Names;
use crate::egress;
use crate::egress::Answer;
use crate::egress::Body;
use crate::egress::EgressError;
use crate::egress::Escape;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Wanted;
use crate::tools::Progress;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::http::is_json;

/// What a script may ask with.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
/// No answer is longer, in bytes.
const LONGEST: usize = 4 << 20;
/// Requests of one call.
const REQUESTS: u32 = 1000;

/// Does for the script of one call what its definition permits.
pub struct Host<'a> {
    plan: &'a Plan,
    context: &'a ToolContext,
    secrets: Secrets,
    names: Names,
    deadline: Instant,
    counts: Mutex<Counts>,
}

/// What a script has asked for.
#[derive(Debug, Default)]
struct Counts {
    /// Requests.
    all: u32,
    /// Those of them that may change something; only these count below.
    changing: u32,
    /// Those that were sent and have no answer yet.
    open: u32,
    answered: u32,
    /// Those that were sent and will never have an answer.
    lost: u32,
}

/// A request that may change something: its end is recorded however it ends.
struct Errand<'h> {
    host: &'h Host<'h>,
    number: u32,
    began: Instant,
    status: ToolStatus,
    http_status: Option<u16>,
    error: Option<String>,
}

impl<'a> Host<'a> {
    pub fn new(
        plan: &'a Plan,
        context: &'a ToolContext,
        secrets: Secrets,
        names: Names,
        deadline: Instant,
    ) -> Self {
        Self { plan, context, secrets, names, deadline, counts: Mutex::default() }
    }

    /// Whether a request that may change something was sent.
    pub fn has_sent(&self) -> bool {
        let counts = self.counts();
        counts.open + counts.answered + counts.lost > 0
    }

    /// Whether one was sent whose answer nobody has waited for.
    pub fn is_under_way(&self) -> bool {
        self.counts().open > 0
    }

    /// Whether one was sent, and nobody knows what came of it.
    pub fn has_lost(&self) -> bool {
        self.counts().lost > 0
    }

    /// What the script gave, without any value of a secret.
    pub fn result(&self, json: &RawValue) -> Result<Value, ToolFailure> {
        let mut text = json.get().to_owned();
        self.names.show(&mut text);
        let mut result = serde_json::from_str(&text).map_err(ToolFailure::failed)?;
        self.secrets.redactors().for_each(|it| it.value(&mut result));
        Ok(result)
    }

    /// Takes the values of secrets, and what stands for them in the script, out of a text.
    pub fn clean(&self, text: &mut String) {
        self.names.show(text);
        self.secrets.redactors().for_each(|it| it.replace(text));
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, asked: javascript::Request) -> Result<javascript::Response, String> {
        let mut request = self.request(&asked)?;
        let answer = if request.method.is_safe() || self.plan.effect == Effect::Read {
            self.plan.services.egress.send(request).await
        } else {
            self.begin(&mut request).await?.send(request).await
        };
        let answer = answer.map_err(|error| error.to_string())?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let (status, headers) = (answer.status.as_u16(), headers.collect());
        Ok(javascript::Response { status, url: asked.url, headers, body: answer.body })
    }

    /// What the script asks for as a request of ours, or why it may not.
    fn request(&self, asked: &javascript::Request) -> Result<Request, String> {
        let method = METHODS.into_iter().find(|it| it.as_str() == asked.method);
        let method = method.ok_or("there is no such method")?;
        let url = self.names.read(&asked.url);
        let egress = &self.plan.services.egress;
        let target =
            egress.check(&url.to_string()).map_err(|why| format!("the URL was refused: {why}"))?;
        if !egress::covered(&self.plan.hosts, &target) {
            let host = target.host_str().unwrap_or_default();
            return Err(format!("the tool may not ask `{host}`: it is not in `config.hosts`"));
        }
        let mut counts = self.counts();
        counts.all += 1;
        if counts.all > REQUESTS {
            return Err(format!("a call sends at most {REQUESTS} requests"));
        }
        drop(counts);
        let time = self.deadline.saturating_duration_since(Instant::now());
        let response = if method == Method::HEAD { Wanted::Head } else { Wanted::Body(LONGEST) };
        let limits = Limits { time, response, hosts: Some(self.plan.hosts.clone()) };
        let mut request = Request::new(method, url, limits);
        for (name, value) in &asked.headers {
            self.header(&mut request, name, value)?;
        }
        request.body = self.body(asked, &request);
        request.secrets = self.secrets.clone();
        Ok(request)
    }

    fn header(&self, request: &mut Request, name: &str, value: &str) -> Result<(), String> {
        let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header"))?;
        if egress::is_of_the_connection(&name) {
            return Err(format!("the header `{name}` is written from the rest of the request"));
        }
        let text = self.names.read(value);
        if text.secrets().next().is_some() {
            request.secret_headers.push((name, SecretHeader::Value(text)));
            return Ok(());
        }
        let value = HeaderValue::from_bytes(value.as_bytes());
        let value = value.map_err(|_| format!("the header `{name}` has a line break"))?;
        request.headers.append(name, value);
        Ok(())
    }

    /// The body, with values written as its type wants them.
    fn body(&self, asked: &javascript::Request, request: &Request) -> Body {
        let text = str::from_utf8(&asked.body).map(|body| self.names.read(body)).ok();
        let Some(text) = text.filter(|text| text.secrets().next().is_some()) else {
            return Body::Bytes(asked.body.clone());
        };
        let kind = request.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let escape = match kind.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Escape::Percent,
            kind if is_json(kind) => Escape::Json,
            _ => Escape::None,
        };
        Body::Text(text, escape)
    }

    /// Has it recorded that a request is sent, before it is.
    async fn begin(&self, request: &mut Request) -> Result<Errand<'_>, String> {
        let number = {
            let mut counts = self.counts();
            counts.changing += 1;
            counts.changing
        };
        let effect_id = format!("{}-{number}", self.context.effect_id);
        if self.plan.effect == Effect::Idempotent
            && let Ok(key) = HeaderValue::from_str(&effect_id)
        {
            request.headers.entry(egress::IDEMPOTENCY_KEY).or_insert(key);
        }
        let mut url = request.url.to_string();
        self.clean(&mut url);
        let errand = Errand {
            host: self,
            number,
            began: Instant::now(),
            status: ToolStatus::Failed,
            http_status: None,
            error: Some("it was not sent".to_owned()),
        };
        let (call_id, method) = (self.context.call_id.clone(), request.method.to_string());
        let started = RequestStarted { call_id, request: number, method, url, effect_id };
        self.context.reports.store(started).await.map_err(|why| why.to_string())?;
        Ok(errand)
    }
}

impl Errand<'_> {
    async fn send(mut self, request: Request) -> Result<Answer, EgressError> {
        self.host.counts().open += 1;
        self.status = ToolStatus::Unknown;
        self.error = Some("the call was over before it was answered".to_owned());
        let answer = self.host.plan.services.egress.send(request).await;
        (self.status, self.http_status) = match &answer {
            Ok(Answer { status, .. }) | Err(EgressError::TooLarge { status, .. }) => {
                (ToolStatus::Done, Some(status.as_u16()))
            }
            Err(EgressError::TimedOut(_) | EgressError::Broken(_)) => (ToolStatus::Unknown, None),
            Err(_) => (ToolStatus::Failed, None),
        };
        self.error = answer.as_ref().err().map(ToString::to_string);
        let mut counts = self.host.counts();
        counts.open -= 1;
        match self.status {
            ToolStatus::Done => counts.answered += 1,
            ToolStatus::Unknown => counts.lost += 1,
            ToolStatus::Failed | ToolStatus::Rejected => {}
        }
        answer
    }
}

impl Drop for Errand<'_> {
    fn drop(&mut self) {
        self.host.context.reports.note(RequestFinished {
            call_id: self.host.context.call_id.clone(),
            request: self.number,
            status: self.status,
            http_status: self.http_status,
            error: self.error.take(),
            duration_ms: self.began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        });
    }
}

impl javascript::Host for Host<'_> {
    fn fetch(
        &self,
        request: javascript::Request,
    ) -> BoxFuture<'_, Result<javascript::Response, String>> {
        self.send(request).boxed()
    }

    fn log(&self, level: Level, mut line: String) {
        self.clean(&mut line);
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.context.reports.say(&self.context.call_id, &self.plan.name, level, line);
    }

    fn progress(&self, said: javascript::Progress) {
        let mut progress = Progress::new(said.done);
        if let Some(total) = said.total {
            progress = progress.of(total);
        }
        if let Some(mut message) = said.message {
            self.clean(&mut message);
            progress = progress.saying(message);
        }
        self.context.report(progress);
    }
}
