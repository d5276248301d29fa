//! The tokens of a person for an upstream: kept sealed, renewed by one process at a time, forgotten when they are of no
//! use any more.

use std::time::Duration;
use std::time::Instant;

use auth::seal::Place;
use chrono::TimeDelta;
use engine::Consent;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Deserialize;
use serde::Serialize;
use tracing::warn;

use super::ConsentError;
use super::Consents;
use super::basis;
use super::client::Client;
use super::far;
use super::row;
use crate::db::At;
use crate::db::TenantId;
use crate::mcp::store::consents as store;
use crate::mcp::store::consents::Key;
use crate::mcp::store::consents::Next;
use crate::mcp::upstreams::Upstream;
use crate::mcp::upstreams::client::Whose;
use crate::mcp::upstreams::wire::WireError;

/// So long before its end a token is renewed.
const SPARE: TimeDelta = TimeDelta::seconds(60);
/// For so long nobody else renews what a process says that it renews.
const TURN: TimeDelta = TimeDelta::seconds(30);
/// How often it is looked whether another process has renewed a token.
const LOOK: Duration = Duration::from_millis(50);
/// A token of which nobody says how long it lives is not believed to live longer.
const LONGEST: u64 = 10 * 365 * 24 * 60 * 60;

/// So long the scopes are that a server may want one after the other, in bytes.
const SCOPES: usize = 4096;

/// What a person has let us have, as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    access: String,
    refresh: Option<String>,
    pub from: Source,
}

/// Where they come from.
#[derive(Clone, Serialize, Deserialize)]
pub struct Source {
    pub token_endpoint: String,
    pub revocation_endpoint: Option<String>,
    pub client: Client,
    pub resource: String,
}

/// Tokens, and what was said of them.
pub struct Given {
    pub tokens: Tokens,
    pub scope: Option<String>,
    pub expires_at: Option<At>,
}

/// Why there is no token. Nothing was sent to the upstream then.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The person must consent first.
    #[error("{0}")]
    Consent(Box<Consent>),
    #[error("{0}")]
    NotNow(String),
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answered {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// What came of renewing a token.
enum Renewed {
    Token(SecretString),
    /// The person has to be asked again.
    Refused,
    NotNow(String),
}

/// All the scopes of `lists`, each once.
pub(super) fn union<'a>(lists: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for scope in lists.into_iter().flat_map(str::split_whitespace) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all.join(" ")
}

pub(super) fn place(row: &str) -> Place<'_> {
    Place { table: "mcp_consents", row, column: "tokens" }
}

impl From<NoToken> for WireError {
    fn from(error: NoToken) -> Self {
        match error {
            NoToken::Consent(consent) => Self::Consent(consent),
            NoToken::NotNow(why) => Self::NotSent(why),
        }
    }
}

impl Consents {
    /// The token of whoever calls for `upstream`; `refused` is one that it did not take.
    pub async fn token(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        refused: Option<&SecretString>,
        until: Instant,
    ) -> Result<SecretString, NoToken> {
        let key = Key { tenant: whose.tenant, subject: whose.subject, upstream: upstream.id };
        let not_now = |cause: sqlx::Error| {
            warn!(error = &cause as &dyn std::error::Error, "consents cannot be read");
            NoToken::NotNow("consents cannot be read now".to_owned())
        };
        loop {
            let found = self.0.db.read(async |conn| store::find(conn, key).await).await;
            let Some(found) = found.map_err(not_now)? else {
                return Err(self.missing(upstream, whose.subject));
            };
            let tokens = self.open::<Tokens>(&found.tokens, place(&row(key)));
            let Some(tokens) = tokens.ok().filter(|_| found.basis == basis(upstream)) else {
                self.forget(key, found.generation).await.map_err(not_now)?;
                continue;
            };
            let access = SecretString::from(tokens.access.as_str());
            let is_refused = refused.is_some_and(|it| it.expose_secret() == tokens.access);
            let left = found.expires_at.map(|at| at.time() - self.0.clock.now().time());
            if !is_refused && left.is_none_or(|left| left > SPARE) {
                return Ok(access);
            }
            let is_good = !is_refused && left.is_some_and(|left| left > TimeDelta::zero());
            if tokens.refresh.is_none() {
                if is_good {
                    return Ok(access);
                }
                self.forget(key, found.generation).await.map_err(not_now)?;
                continue;
            }
            match self.renew_in_turn(key, found.generation, tokens).await.map_err(not_now)? {
                Some(Renewed::Token(token)) => return Ok(token),
                Some(Renewed::NotNow(_)) | None if is_good => return Ok(access),
                Some(Renewed::NotNow(why)) => return Err(NoToken::NotNow(why)),
                Some(Renewed::Refused) => {}
                None if Instant::now() + LOOK > until => {
                    let why = "another process is renewing the token".to_owned();
                    return Err(NoToken::NotNow(why));
                }
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Forgets the tokens of whoever calls: the upstream takes none of them. Gives what he has to consent to.
    pub async fn none_taken(&self, upstream: &Upstream, whose: Whose<'_>) -> NoToken {
        let key = Key { tenant: whose.tenant, subject: whose.subject, upstream: upstream.id };
        match self.0.db.write(async |tx| store::delete(tx, key).await).await {
            Ok(_) => self.missing(upstream, whose.subject),
            Err(_) => NoToken::NotNow("consents cannot be read now".to_owned()),
        }
    }

    /// The upstream wants `scope`, which `token` does not have: whoever calls is asked for it as well, once.
    pub async fn wanted(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        token: &SecretString,
        scope: &str,
    ) -> WireError {
        let key = Key { tenant: whose.tenant, subject: whose.subject, upstream: upstream.id };
        let is_used = |row: &store::Row| {
            let tokens = self.open::<Tokens>(&row.tokens, place(&self::row(key)));
            tokens.is_ok_and(|it| it.access == token.expose_secret())
        };
        let asked = self.0.db.write(async |tx| {
            // Another call may have been faster, and its person, too.
            if !store::find(tx, key).await?.as_ref().is_some_and(is_used) {
                return Ok::<_, sqlx::Error>(true);
            }
            let before = store::wanted(tx, key).await?.unwrap_or_default();
            let all = union([before.as_str(), scope]);
            if all == before || all.len() > SCOPES {
                return Ok(false);
            }
            store::upsert_wanted(tx, key, &all).await?;
            store::delete(tx, key).await?;
            Ok(true)
        });
        match asked.await {
            Ok(true) => self.missing(upstream, whose.subject).into(),
            Ok(false) => WireError::NotSent(format!(
                "the server wants the scope `{scope}`, which was asked for and does not help"
            )),
            Err(_) => WireError::NotSent("consents cannot be read now".to_owned()),
        }
    }

    /// Only people are asked: nobody else looks at a page.
    fn missing(&self, upstream: &Upstream, subject: &str) -> NoToken {
        let consent = self.consent(upstream);
        if subject.starts_with("user:") {
            return NoToken::Consent(Box::new(consent));
        }
        let Consent { upstream, url } = consent;
        NoToken::NotNow(format!(
            "`{upstream}` is used in the name of a person who has consented to it, and `{subject}` has not: {url}"
        ))
    }

    /// Renews `tokens`, if nobody else does. `None`: somebody else does, or has.
    async fn renew_in_turn(
        &self,
        key: Key<'_>,
        generation: i64,
        tokens: Tokens,
    ) -> Result<Option<Renewed>, sqlx::Error> {
        let now = self.0.clock.now();
        let turn = (now, At::new(now.time() + TURN));
        let is_ours = self.0.db.write(async |tx| store::claim(tx, key, generation, turn).await);
        if !is_ours.await? {
            return Ok(None);
        }
        // What was begun is ended, whoever waits: the token that is sent is good for once.
        let (own, tenant, subject) = (self.clone(), key.tenant.clone(), key.subject.to_owned());
        let upstream = key.upstream;
        let renewed = self.0.tasks.spawn(async move {
            let key = Key { tenant: &tenant, subject: &subject, upstream };
            own.renew(key, generation, tokens).await
        });
        let broken = Renewed::NotNow("the token could not be renewed".to_owned());
        renewed.await.map_or(Ok(Some(broken)), |it| it.map(Some))
    }

    async fn renew(
        &self,
        key: Key<'_>,
        generation: i64,
        tokens: Tokens,
    ) -> Result<Renewed, sqlx::Error> {
        let refresh = tokens.refresh.clone().unwrap_or_default();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let asked = self.ask(key.tenant, &tokens.from, &form, Some(refresh.as_str())).await;
        let sealed = match asked {
            Ok(given) => self.seal(&given.tokens, place(&row(key))).map(|sealed| (given, sealed)),
            Err(error) => Err(error),
        };
        match sealed {
            Ok((Given { tokens, scope, expires_at }, sealed)) => {
                let next = Next { tokens: &sealed, scope: scope.as_deref(), expires_at };
                let now = self.0.clock.now();
                let kept =
                    self.0.db.write(async |tx| store::renew(tx, key, generation, &next, now).await);
                kept.await?;
                Ok(Renewed::Token(tokens.access.into()))
            }
            Err(ConsentError::Refused(word)) => {
                self.forget(key, generation).await?;
                self.forget_client(key, &word).await?;
                Ok(Renewed::Refused)
            }
            Err(error) => {
                self.0.db.write(async |tx| store::release(tx, key, generation).await).await?;
                Ok(Renewed::NotNow(format!("the token could not be renewed: {error}")))
            }
        }
    }

    /// After `word` the server does not know us: the next time we register anew.
    pub(super) async fn forget_client(&self, key: Key<'_>, word: &str) -> Result<(), sqlx::Error> {
        if word != "invalid_client" {
            return Ok(());
        }
        let (tenant, upstream) = (key.tenant, key.upstream);
        self.0.db.write(async |tx| store::delete_registration(tx, tenant, upstream).await).await
    }

    async fn forget(&self, key: Key<'_>, generation: i64) -> Result<(), sqlx::Error> {
        self.0.db.write(async |tx| store::delete_generation(tx, key, generation).await).await
    }

    /// Asks a token endpoint. `Refused`: it will not be otherwise the next time. `before` is the refresh token that stays
    /// good if no other is given.
    pub(super) async fn ask(
        &self,
        tenant: &TenantId,
        from: &Source,
        form: &[(&str, &str)],
        before: Option<&str>,
    ) -> Result<Given, ConsentError> {
        let form = [form, &[("resource", from.resource.as_str())]].concat();
        let answer = self.send(tenant, &from.token_endpoint, &from.client, &form).await?;
        let status = answer.status;
        let word = far::word(&answer.body);
        // Whoever answers in other words than those of OAuth stands in between.
        if status.is_client_error() && !word.is_empty() && word != "temporarily_unavailable" {
            return Err(ConsentError::Refused(word));
        }
        if !status.is_success() {
            return Err(ConsentError::Far(format!("its token endpoint answered {status}")));
        }
        let answered: Answered = serde_json::from_slice(&answer.body)
            .map_err(|_| ConsentError::far("its token endpoint gave no token"))?;
        if answered.token_type.is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
            return Err(ConsentError::far("the token is of a type that is not known here"));
        }
        let is_token =
            |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
        if !is_token(&answered.access_token) {
            return Err(ConsentError::far("its token endpoint gave no token"));
        }
        let lifetime = answered.expires_in.filter(|it| *it <= LONGEST);
        let lifetime = lifetime.and_then(|it| i64::try_from(it).ok()).map(TimeDelta::seconds);
        let now = self.0.clock.now().time();
        Ok(Given {
            tokens: Tokens {
                access: answered.access_token,
                refresh: answered.refresh_token.or_else(|| before.map(str::to_owned)),
                from: from.clone(),
            },
            scope: answered.scope,
            expires_at: lifetime.map(|it| At::new(now + it)),
        })
    }

    /// Tells the authorization server that tokens are not used any more (RFC 7009), beside everything else. That they are
    /// forgotten here does not wait for it.
    pub(super) fn revoke_soon(&self, tenant: &TenantId, tokens: Tokens) {
        let Some(endpoint) = tokens.from.revocation_endpoint.clone() else { return };
        let (own, tenant) = (self.clone(), tenant.clone());
        self.0.tasks.spawn(async move {
            let token = tokens.refresh.as_deref().unwrap_or(&tokens.access);
            let told = own.send(&tenant, &endpoint, &tokens.from.client, &[("token", token)]).await;
            if let Err(error) = told {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "tokens could not be revoked at their server"
                );
            }
        });
    }
}
