//! Tokens for client credentials (RFC 6749, section 4.4), kept until they expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use auth::token::Digest;
use http::HeaderValue;
use http::Method;
use http::header;
use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Deserialize;

use crate::db::TenantId;
use crate::egress::Body;
use crate::egress::Egress;
use crate::egress::EgressError;
use crate::egress::Escape;
use crate::egress::HostPattern;
use crate::egress::Limits;
use crate::egress::Request;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Text;
use crate::egress::UNRESERVED;
use crate::egress::Wanted;

/// No answer with a token is longer.
const LONGEST: usize = 64 << 10;
/// How long a token lives that does not say.
const LIFETIME: Duration = Duration::from_mins(5);
/// So long before its end a token is not used any more.
const SPARE: Duration = Duration::from_secs(30);
/// As many tokens are kept.
const MOST: usize = 1_000;

/// Whose token it is, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'g> {
    pub tenant: &'g TenantId,
    pub token_url: &'g str,
    pub client_id: &'g str,
    /// The name of the client's secret.
    pub secret: &'g str,
    pub scope: Option<&'g str>,
}

/// The tokens that this process has.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<HashMap<String, Arc<Slot>>>);

/// The place of a token. Whoever gets one holds it, so that others wait and do not get it too.
type Slot = tokio::sync::Mutex<Option<Token>>;

#[derive(Debug, Clone)]
struct Token {
    value: SecretString,
    until: Instant,
}

/// Why there is no token. Nothing was sent to the far side of the tool then.
#[derive(Debug, thiserror::Error)]
pub enum TokenFailure {
    #[error("no token could be got: {0}")]
    Egress(#[from] EgressError),
    #[error("no token could be got within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("no token was given: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Tokens {
    /// A token that is good for a while; `refused` is one that the far side did not take.
    pub async fn get(
        &self,
        egress: &Egress,
        secrets: &Secrets,
        grant: Grant<'_>,
        refused: Option<&SecretString>,
        time: Duration,
    ) -> Result<SecretString, TokenFailure> {
        let got =
            tokio::time::timeout(time, self.get_in_turn(egress, secrets, grant, refused, time));
        got.await.unwrap_or(Err(TokenFailure::Late(time)))
    }

    async fn get_in_turn(
        &self,
        egress: &Egress,
        secrets: &Secrets,
        grant: Grant<'_>,
        refused: Option<&SecretString>,
        time: Duration,
    ) -> Result<SecretString, TokenFailure> {
        let slot = self.slot(key(grant, secrets));
        let mut token = slot.lock().await;
        let is_good = |token: &&Token| {
            token.until > Instant::now()
                && refused.is_none_or(|it| it.expose_secret() != token.value.expose_secret())
        };
        if let Some(known) = token.as_ref().filter(is_good) {
            return Ok(known.value.clone());
        }
        *token = None;
        let new = ask(egress, secrets, grant, time).await?;
        let value = new.value.clone();
        *token = Some(new);
        Ok(value)
    }

    fn slot(&self, key: String) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

/// All that a token depends on, the value of the secret included.
fn key(grant: Grant<'_>, secrets: &Secrets) -> String {
    let secret = secrets.find(grant.secret).map(|it| it.value.expose_secret()).unwrap_or_default();
    let parts = [
        grant.tenant.as_str(),
        grant.token_url,
        grant.client_id,
        grant.secret,
        grant.scope.unwrap_or_default(),
        secret,
    ];
    Digest::of(&serde_json::to_string(&parts).unwrap_or_default()).to_hex()
}

async fn ask(
    egress: &Egress,
    secrets: &Secrets,
    grant: Grant<'_>,
    time: Duration,
) -> Result<Token, TokenFailure> {
    let own = url::Url::parse(grant.token_url).ok().as_ref().and_then(HostPattern::of);
    let limits =
        Limits { time, response: Wanted::Body(LONGEST), hosts: Some(own.into_iter().collect()) };
    let mut request = Request::new(Method::POST, grant.token_url, limits);
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut body = "grant_type=client_credentials".to_owned();
    if let Some(scope) = grant.scope {
        body = format!("{body}&scope={}", encode(scope));
    }
    request.body = Body::Bytes(body.into());
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(header::CONTENT_TYPE, form);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let mut password = Text::default();
    password.push_secret(grant.secret);
    let username = encode(grant.client_id).as_str().into();
    // RFC 6749, section 2.3.1: both are encoded as in a form.
    let basic = SecretHeader::Basic { username, password, escape: Escape::Percent };
    request.secret_headers.push((header::AUTHORIZATION, basic));
    request.secrets = secrets.clone();
    let answer = egress.send(request).await?;
    if !answer.status.is_success() {
        let error = serde_json::from_slice::<Refusal>(&answer.body).map(|it| it.error);
        let mut error = error.unwrap_or_default();
        secrets.redactors().for_each(|it| it.replace(&mut error));
        let word: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
        return Err(TokenFailure::Refused(format!(
            "the token endpoint answered {} {word}",
            answer.status
        )));
    }
    let refuse = |why: &str| TokenFailure::Refused(why.to_owned());
    let given: Given = serde_json::from_slice(&answer.body)
        .map_err(|_| refuse("the answer of the token endpoint has no token in it"))?;
    if given.token_type.is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
        return Err(refuse("the token is of a type that is not known here"));
    }
    let lifetime = given.expires_in.map_or(LIFETIME, Duration::from_secs);
    let until = Instant::now() + lifetime.saturating_sub(SPARE).min(Duration::from_hours(24));
    Ok(Token { value: given.access_token, until })
}
