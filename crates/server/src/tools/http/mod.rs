//! Tools that send an HTTP request.
//!
//! What is sent and what comes of it is pure: [`plan`] understands the configuration, `request` puts the
//! arguments in, [`response`] reads the answer. Only this file sends, by [`crate::egress`], which fills in
//! the secrets.

mod config;
mod plan;
mod request;
mod response;
mod template;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use auth::scope::Scopes;
use engine::Effect;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use secrecy::SecretString;
use serde_json::Value;

use crate::egress::Answer;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Escape;
use crate::egress::HostPattern;
use crate::egress::IDEMPOTENCY_KEY;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::Secret;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Text;
use crate::egress::Wanted;
use crate::egress::retry_after;
use crate::http::Invalid;
use crate::oauth::Behalf;
use crate::oauth::Onward;
use crate::secrets::Reference;
use crate::secrets::Vault;
use crate::secrets::references;
use crate::tools::Does;
use crate::tools::Maker;
use crate::tools::SecretUse;
use crate::tools::Tool;
use crate::tools::ToolContent;
use crate::tools::ToolContext;
use crate::tools::ToolFailure;
use crate::tools::ToolKind;
use crate::tools::kinds;

use config::Auth;
pub use config::Config;
use plan::Plan;
pub(in crate::tools) use plan::is_json;
use plan::token_host;
pub use token::Grant;
pub use token::Tokens;

/// No answer is longer, in bytes.
const LONGEST: usize = 4 << 20;
/// The name that a token of the caller has among the secrets of a request.
const CALLER: &str = "caller.token";
/// The longest that is waited between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What all tools of this kind need. Clones share it.
#[derive(Debug, Clone)]
pub struct Http(Arc<Services>);

#[derive(Debug)]
struct Services {
    egress: Egress,
    vault: Vault,
    tokens: Tokens,
    onward: Onward,
}

/// How a tool may be called, beside its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub effect: Effect,
    /// For all attempts together.
    pub timeout: Duration,
    /// How often a call that may be repeated is made again.
    pub retries: u32,
    pub backoff: Duration,
}

/// A tool of this kind, made ready for its calls.
#[derive(Debug)]
pub struct HttpTool {
    services: Arc<Services>,
    plan: Plan,
    terms: Terms,
    secrets: Vec<SecretUse>,
}

/// What came of one attempt.
struct Attempt {
    outcome: Result<Value, ToolFailure>,
    /// Whether another may come to something better, and how long the far side wants to be waited.
    again: Option<Duration>,
}

impl Http {
    pub fn new(egress: Egress, vault: Vault, onward: Onward) -> Self {
        Self(Arc::new(Services { egress, vault, tokens: Tokens::default(), onward }))
    }

    /// A tool with this configuration, whose arguments `schema` describes, or all that is wrong with it, with
    /// pointers into the definition. `references` are the secrets that it names.
    pub fn plan(
        &self,
        config: Config,
        references: &[Reference],
        schema: &Value,
        terms: Terms,
    ) -> Result<HttpTool, Vec<Invalid>> {
        let plan = Plan::new(config, schema, &self.0.egress);
        let under = |fault: Invalid| fault.under("/config");
        let plan = plan.map_err(|faults| faults.into_iter().map(under).collect::<Vec<_>>())?;
        if let Auth::Exchange { audience, .. } = &plan.auth
            && self.0.onward.is_own(audience)
        {
            let detail = "there are no such tokens for this server itself";
            return Err(vec![Invalid::new("/config/auth/audience", "not_allowed", detail)]);
        }
        let token_host = token_host(&plan.auth);
        let secrets = references.iter().map(|Reference { pointer, name }| {
            // What is got with a secret is worth as much: it goes where the secret itself may go, too.
            let for_token = token_host.iter().filter(|_| pointer == "/auth/secret");
            let hosts = for_token.chain(plan.hosts.first()).cloned().collect();
            SecretUse { pointer: format!("/config{pointer}"), name: name.clone(), hosts }
        });
        let (services, secrets) = (Arc::clone(&self.0), secrets.collect());
        Ok(HttpTool { services, plan, terms, secrets })
    }
}

impl Maker for Http {
    fn kind(&self) -> ToolKind {
        ToolKind::Http
    }

    fn make(&self, content: &ToolContent) -> Result<Does, Vec<Invalid>> {
        let found = references(&Value::Object(content.config.clone()));
        let terms = Terms {
            effect: content.effect,
            timeout: Duration::from_millis(content.timeout_ms),
            retries: content.retry.max,
            backoff: Duration::from_millis(content.retry.backoff_ms),
        };
        let tool = self.plan(kinds::config(content)?, &found, &content.input_schema, terms)?;
        Ok(Does::Call(Arc::new(tool)))
    }
}

impl Tool for HttpTool {
    fn secrets(&self) -> &[SecretUse] {
        &self.secrets
    }

    fn repeats_itself(&self) -> bool {
        true
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn call<'a>(
        &'a self,
        context: &'a ToolContext,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, ToolFailure>> {
        async move { self.send(context, &arguments).await }.boxed()
    }
}

/// All that is wrong with a configuration, with pointers into it.
pub fn check(config: Config, schema: &Value, egress: &Egress) -> Result<(), Vec<Invalid>> {
    Plan::new(config, schema, egress).map(drop)
}

impl HttpTool {
    /// Makes one call: as often as it takes and may be.
    pub async fn send(&self, context: &ToolContext, input: &Value) -> Result<Value, ToolFailure> {
        let began = Instant::now();
        let left = || self.terms.timeout.saturating_sub(began.elapsed());
        let names = self.secrets.iter().map(|it| it.name.as_str());
        let secrets = self.services.vault.secrets_named(&context.tenant, names).await;
        let secrets = secrets.map_err(|_| ToolFailure::failed("secrets cannot be read now"))?;
        let mut backoff = self.terms.backoff;
        for _ in 0..self.retries() {
            let attempt = self.attempt(context, input, &secrets, left()).await;
            let Some(asked) = attempt.again else { return attempt.outcome };
            let wait = backoff.max(asked);
            if wait >= left() || wait > LONGEST_WAIT {
                return attempt.outcome;
            }
            tokio::time::sleep(wait).await;
            backoff = backoff.saturating_mul(2);
        }
        self.attempt(context, input, &secrets, left()).await.outcome
    }

    fn retries(&self) -> u32 {
        if self.terms.effect == Effect::Effect { 0 } else { self.terms.retries }
    }

    fn only_reads(&self) -> bool {
        self.terms.effect == Effect::Read
    }

    /// Makes one attempt, and takes out of what is told of it what the client could not find: values that
    /// the far side wrote in a way of its own.
    async fn attempt(
        &self,
        context: &ToolContext,
        input: &Value,
        secrets: &Secrets,
        time: Duration,
    ) -> Attempt {
        let mut secrets = secrets.clone();
        let mut attempt = self.make(context, input, &mut secrets, time).await;
        secrets.redactors().for_each(|it| match &mut attempt.outcome {
            Ok(result) => it.value(result),
            Err(ToolFailure::Failed(why) | ToolFailure::Unknown(why)) => it.replace(why),
            Err(ToolFailure::Consent(_)) => {}
        });
        attempt
    }

    async fn make(
        &self,
        context: &ToolContext,
        input: &Value,
        secrets: &mut Secrets,
        time: Duration,
    ) -> Attempt {
        let response =
            if self.plan.method == Method::HEAD { Wanted::Head } else { Wanted::Body(LONGEST) };
        let limits = Limits { time, response, hosts: Some(self.plan.hosts.clone()) };
        let mut request = match self.plan.request(input, limits) {
            Ok(request) => request,
            Err(unfit) => return Attempt::failed(unfit),
        };
        request.secrets = secrets.clone();
        if self.terms.effect == Effect::Idempotent
            && let Ok(key) = HeaderValue::from_str(&context.effect_id)
        {
            request.headers.entry(IDEMPOTENCY_KEY).or_insert(key);
        }
        let answer = match &self.plan.auth {
            Auth::Oauth { .. } => match self.with_token(context, request, secrets, time).await {
                Ok(answer) => answer,
                Err(failure) => return failure,
            },
            Auth::Exchange { audience, scope } => {
                match self.for_caller(context, audience, scope) {
                    Ok(token) => sign(&mut request, CALLER, token, self.own_host()),
                    Err(failure) => return failure,
                }
                secrets.clone_from(&request.secrets);
                self.services.egress.send(request).await
            }
            auth => {
                request.secret_headers.extend(credential(auth));
                self.services.egress.send(request).await
            }
        };
        self.judge(context, secrets, answer)
    }

    /// Sends with a token, which is one of the `secrets` from then on; with a new one if the far side does
    /// not take the one that was kept.
    async fn with_token(
        &self,
        context: &ToolContext,
        request: Request,
        secrets: &mut Secrets,
        time: Duration,
    ) -> Result<Result<Answer, EgressError>, Attempt> {
        let Auth::Oauth { token_url, client_id, secret, scope } = &self.plan.auth else {
            return Err(Attempt::failed("it has no tokens"));
        };
        let scope = scope.as_deref();
        let grant = Grant { tenant: &context.tenant, token_url, client_id, secret, scope };
        let (own, mut refused) = (secrets.clone(), None::<SecretString>);
        let hosts = self.hosts_of(own.find(secret));
        let began = Instant::now();
        loop {
            let Services { egress, tokens, .. } = &*self.services;
            let left = time.saturating_sub(began.elapsed());
            let token = tokens.get(egress, &own, grant, refused.as_ref(), left).await;
            let token = token.map_err(Attempt::failed)?;
            let mut request = request.clone();
            request.limits.time = time.saturating_sub(began.elapsed());
            sign(&mut request, &format!("{secret}.token"), token.clone(), hosts.clone());
            secrets.clone_from(&request.secrets);
            let answer = egress.send(request).await;
            let is_refused = matches!(&answer, Ok(it) if it.status == StatusCode::UNAUTHORIZED);
            if !is_refused || refused.is_some() {
                return Ok(answer);
            }
            refused = Some(token);
        }
    }

    /// A token for whoever calls, at the far side.
    fn for_caller(
        &self,
        context: &ToolContext,
        audience: &str,
        scope: &Scopes,
    ) -> Result<SecretString, Attempt> {
        if let Some(missing) = scope.iter().find(|scope| !context.scopes.covers(scope)) {
            return Err(Attempt::failed(format!("the caller does not hold `{missing}`")));
        }
        let ToolContext { tenant, subject, client_id, .. } = context;
        let whose = Behalf { tenant, subject, client_id };
        let token = self.services.onward.token(whose, audience, scope.clone());
        token.map_err(Attempt::failed)
    }

    fn own_host(&self) -> Vec<HostPattern> {
        self.plan.hosts.first().cloned().into_iter().collect()
    }

    /// Where requests may go of those hosts that a secret is for.
    fn hosts_of(&self, secret: Option<&Secret>) -> Vec<HostPattern> {
        let covers = |host: &&HostPattern| {
            secret.is_some_and(|it| it.hosts.iter().any(|own| own.covers(host.as_str())))
        };
        self.plan.hosts.iter().filter(covers).cloned().collect()
    }

    fn judge(
        &self,
        context: &ToolContext,
        secrets: &Secrets,
        answer: Result<Answer, EgressError>,
    ) -> Attempt {
        let reading = &self.plan.reading;
        match answer {
            Ok(answer) => {
                let only_reads = self.only_reads();
                let outcome = reading.read(&self.plan.method, &answer, only_reads, secrets);
                let asked = || retry_after(&answer.headers, context.now.time()).unwrap_or_default();
                let may_pass = matches!(answer.status.as_u16(), 408 | 429 | 500 | 502..=504);
                let again = (outcome.is_err() && may_pass).then(asked);
                Attempt { outcome, again }
            }
            Err(error) => {
                let may_pass = matches!(
                    error,
                    EgressError::TimedOut(_) | EgressError::Unreachable(_) | EgressError::Broken(_)
                );
                let outcome = reading.failure(&error, self.only_reads());
                Attempt { outcome, again: may_pass.then_some(Duration::ZERO) }
            }
        }
    }
}

impl Attempt {
    /// Nothing was sent, and another attempt would be the same.
    fn failed(why: impl std::fmt::Display) -> Self {
        Self { outcome: Err(ToolFailure::failed(why)), again: None }
    }
}

/// Puts a token into a request, and among its secrets for these hosts.
fn sign(request: &mut Request, name: &str, token: SecretString, hosts: Vec<HostPattern>) {
    let mut bearer = Text::from("Bearer ");
    bearer.push_secret(name);
    request.secret_headers.push((header::AUTHORIZATION, SecretHeader::Value(bearer)));
    request.secrets = request.secrets.with(Secret::new(name.to_owned(), token, hosts));
}

/// The header that proves whose a request is, but for tokens.
fn credential(auth: &Auth) -> Option<(HeaderName, SecretHeader)> {
    let mut text = Text::default();
    match auth {
        Auth::Bearer { secret } => {
            text.push("Bearer ");
            text.push_secret(secret);
            Some((header::AUTHORIZATION, SecretHeader::Value(text)))
        }
        Auth::Basic { username, secret } => {
            text.push_secret(secret);
            let username = username.as_str().into();
            let basic = SecretHeader::Basic { username, password: text, escape: Escape::None };
            Some((header::AUTHORIZATION, basic))
        }
        Auth::Header { name, secret } => {
            text.push_secret(secret);
            Some((name.parse().ok()?, SecretHeader::Value(text)))
        }
        Auth::None | Auth::Oauth { .. } | Auth::Exchange { .. } => None,
    }
}
