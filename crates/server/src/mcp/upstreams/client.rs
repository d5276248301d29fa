//! Asking an upstream: with whose credentials, in which session, and not too often while it is away.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use auth::scope::Scopes;
use http::HeaderName;
use http::header;
use secrecy::SecretString;
use serde_json::Value;
use serde_json::json;
use url::Url;

use super::Upstream;
use super::UpstreamAuth;
use super::UpstreamDefinitions;
use super::UpstreamRows;
use super::message;
use super::message::MODERN;
use super::message::WITH_SESSIONS;
use super::wire::Ask;
use super::wire::Hear;
use super::wire::Session;
use super::wire::Wire;
use super::wire::WireError;
use super::wire::session_id;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Definitions;
use crate::definitions::InCode;
use crate::egress::Egress;
use crate::egress::HostPattern;
use crate::egress::Secret;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Text;
use crate::mcp::REVISIONS;
use crate::oauth::Behalf;
use crate::oauth::Onward;
use crate::secrets::Vault;
use crate::tools::http::Grant;
use crate::tools::http::Tokens;

/// Sessions that are kept at once; with more of them all are begun anew.
const SESSIONS: usize = 1_000;
/// How long a server may take to say whether it knows the revision without sessions.
const DISCOVERY: Duration = Duration::from_secs(10);
/// What a server may say of itself, in bytes.
const ABOUT: usize = 256 << 10;
/// How long an upstream that cannot be reached is left alone: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The upstreams of all tenants, and the way to them. Clones share it.
#[derive(Debug, Clone)]
pub struct Upstreams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: UpstreamDefinitions,
    egress: Egress,
    vault: Vault,
    onward: Onward,
    tasks: Tasks,
    tokens: Tokens,
    sessions: Mutex<HashMap<String, Session>>,
    away: Mutex<HashMap<Id, Away>>,
    /// Requests are told apart by it, here.
    count: AtomicU64,
}

/// An upstream that could not be reached.
#[derive(Debug, Clone, Copy)]
struct Away {
    pause: Duration,
    until: Instant,
}

/// On whose behalf an upstream is asked.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    pub tenant: &'a TenantId,
    pub subject: &'a str,
    pub client_id: &'a str,
    pub scopes: &'a Scopes,
}

/// What is asked, and until when somebody waits.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub method: &'a str,
    pub params: &'a Value,
    pub wants_progress: bool,
    pub until: Instant,
    /// The longest answer, in bytes.
    pub most: usize,
}

/// The way to an upstream for one caller.
struct Access {
    wire: Wire,
    /// What is only for requests by this way: sessions of one caller are not for another.
    key: String,
    /// The token of client credentials that it goes with.
    token: Option<SecretString>,
}

impl Upstreams {
    pub fn new(
        (db, clock, ids): (&Db, &Clock, &Ids),
        (egress, vault): (&Egress, &Vault),
        onward: &Onward,
        tasks: &Tasks,
    ) -> Self {
        let kind = UpstreamRows { egress: egress.clone(), onward: onward.clone() };
        let none = InCode::Versioned(BTreeMap::new());
        Self(Arc::new(Inner {
            rows: Definitions::new(db.clone(), clock.clone(), ids.clone(), kind, none),
            egress: egress.clone(),
            vault: vault.clone(),
            onward: onward.clone(),
            tasks: tasks.clone(),
            tokens: Tokens::default(),
            sessions: Mutex::default(),
            away: Mutex::default(),
            count: AtomicU64::new(1),
        }))
    }

    pub fn rows(&self) -> &UpstreamDefinitions {
        &self.0.rows
    }

    /// Asks `upstream`, and reads until the answer is there. The revision that it was asked in comes with it.
    pub async fn ask(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        question: Question<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, String), WireError> {
        self.refuse_while_away(upstream)?;
        let named = upstream.content.auth.secret();
        let secrets = self.0.vault.secrets_named(whose.tenant, named).await;
        let secrets =
            secrets.map_err(|_| WireError::NotSent("secrets cannot be read now".to_owned()))?;
        let mut refused: Option<SecretString> = None;
        loop {
            let access = self.access(upstream, whose, &secrets, refused.as_ref(), question).await?;
            let answer = self.ask_by(&access, question, hear).await;
            self.note(upstream, &answer);
            match (answer, access.token) {
                (Err(WireError::Unauthorized), Some(token)) if refused.is_none() => {
                    refused = Some(token);
                }
                (answer, _) => return answer,
            }
        }
    }

    async fn ask_by(
        &self,
        access: &Access,
        question: Question<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, String), WireError> {
        let Question { method, params, wants_progress, .. } = question;
        for _ in 0..2 {
            let session = self.session(access).await?;
            let ask =
                Ask { id: self.0.count.fetch_add(1, Relaxed), method, params, wants_progress };
            let mut abandoned =
                Abandoned { upstreams: self, access, session: &session, id: Some(ask.id) };
            let answer = access.wire.ask(Some(&session), ask, hear).await;
            if !matches!(answer, Err(WireError::Lost(_))) {
                abandoned.id = None;
            }
            drop(abandoned);
            match answer {
                Err(WireError::SessionGone) => drop(self.lock_sessions().remove(&access.key)),
                answer => return answer.map(|(result, _)| (result, session.version)),
            }
        }
        Err(WireError::NotSent("the server forgets its sessions at once".to_owned()))
    }

    /// The session for requests by this way; a new one if there is none.
    async fn session(&self, access: &Access) -> Result<Session, WireError> {
        let known = self.lock_sessions().get(&access.key).cloned();
        if let Some(session) = known {
            return Ok(session);
        }
        // The call itself is not sent yet, so it is known that nothing was done.
        let session = self.begin(&access.wire).await.map_err(|error| match error {
            WireError::Unauthorized => WireError::Unauthorized,
            other => WireError::NotSent(other.to_string()),
        })?;
        let mut sessions = self.lock_sessions();
        if sessions.len() >= SESSIONS {
            sessions.clear();
        }
        sessions.insert(access.key.clone(), session.clone());
        Ok(session)
    }

    /// Finds out what the server speaks: the revision without sessions, or one of those before it.
    async fn begin(&self, wire: &Wire) -> Result<Session, WireError> {
        let ask = |method, params| Ask {
            id: self.0.count.fetch_add(1, Relaxed),
            method,
            params,
            wants_progress: false,
        };
        let (modern, nothing) = (Session::modern(), json!({}));
        // What a server says of itself is no result.
        let mut wire = wire.clone();
        wire.most = wire.most.max(ABOUT);
        let mut brief = wire.clone();
        brief.until = brief.until.min(Instant::now() + DISCOVERY);
        match brief.ask(Some(&modern), ask("server/discover", &nothing), &|_, _| {}).await {
            Ok((result, _)) => {
                let versions = result["supportedVersions"].as_array();
                if versions.is_some_and(|it| it.iter().any(|it| it == MODERN)) {
                    return Ok(modern);
                }
            }
            Err(error @ (WireError::Unauthorized | WireError::NotSent(_))) => return Err(error),
            // One that knows nothing of it says so in some way.
            Err(_) => {}
        }
        let params = json!({"protocolVersion": WITH_SESSIONS, "capabilities": {},
            "clientInfo": message::about_us()});
        let (result, headers) = wire.ask(None, ask("initialize", &params), &|_, _| {}).await?;
        let version = result["protocolVersion"].as_str().unwrap_or_default();
        if !REVISIONS.contains(&version) || version == MODERN {
            let version = message::excerpt(version);
            let why = format!("it speaks the revision `{version}`, which is not known here");
            return Err(WireError::NotSent(why));
        }
        let session = Session { version: version.to_owned(), id: session_id(&headers) };
        wire.tell(&session, &message::notice("notifications/initialized", &json!({}))).await?;
        Ok(session)
    }

    /// With what `upstream` is asked for this caller; `refused` is a token that it did not take.
    async fn access(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        secrets: &Secrets,
        refused: Option<&SecretString>,
        question: Question<'_>,
    ) -> Result<Access, WireError> {
        let content = &upstream.content;
        let mut wire = Wire {
            egress: self.0.egress.clone(),
            url: content.url.clone(),
            credential: None,
            secrets: secrets.clone(),
            most: question.most,
            until: question.until,
        };
        let mut key = format!("{}/{}", upstream.id, upstream.content_hash);
        let mut token = None;
        match &content.auth {
            UpstreamAuth::None => {}
            UpstreamAuth::Bearer { secret } => wire.credential = Some(bearer(secret)),
            UpstreamAuth::Header { name, secret } => {
                let name: HeaderName = name
                    .parse()
                    .map_err(|_| WireError::NotSent("its header is none".to_owned()))?;
                let mut text = Text::default();
                text.push_secret(secret);
                wire.credential = Some((name, SecretHeader::Value(text)));
            }
            UpstreamAuth::Oauth { token_url, client_id, secret, scope } => {
                let scope = scope.as_deref();
                let grant = Grant { tenant: whose.tenant, token_url, client_id, secret, scope };
                let left = question.until.saturating_duration_since(Instant::now());
                let got = self.0.tokens.get(&self.0.egress, secrets, grant, refused, left).await;
                let got = got.map_err(|why| WireError::NotSent(why.to_string()))?;
                sign(&mut wire, &format!("{secret}.token"), got.clone());
                token = Some(got);
            }
            UpstreamAuth::Exchange { scope } => {
                let got = self.exchanged(whose, &content.url, scope)?;
                sign(&mut wire, "caller.token", got);
                key = format!("{key}/{}/{}", whose.subject, whose.client_id);
            }
        }
        Ok(Access { wire, key, token })
    }

    /// A token of ours for whoever calls, which is good at `audience` only.
    fn exchanged(
        &self,
        whose: Whose<'_>,
        audience: &str,
        scope: &Scopes,
    ) -> Result<SecretString, WireError> {
        if let Some(missing) = scope.iter().find(|it| !whose.scopes.covers(it)) {
            return Err(WireError::NotSent(format!("the caller does not hold `{missing}`")));
        }
        let Whose { tenant, subject, client_id, .. } = whose;
        let token =
            self.0.onward.token(Behalf { tenant, subject, client_id }, audience, scope.clone());
        token.map_err(|why| WireError::NotSent(why.to_string()))
    }

    fn refuse_while_away(&self, upstream: &Upstream) -> Result<(), WireError> {
        let away = self.0.away.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(away) = away.get(&upstream.id) else { return Ok(()) };
        let left = away.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let name = &upstream.content.name;
        let seconds = left.as_secs() + 1;
        Err(WireError::NotSent(format!(
            "the server `{name}` could not be reached; it is asked again in {seconds} s"
        )))
    }

    /// Makes calls of an upstream that is away wait, longer each time.
    fn note<T>(&self, upstream: &Upstream, answer: &Result<T, WireError>) {
        let mut away = self.0.away.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Err(WireError::NotSent(_)) => {
                let pause = longer(away.get(&upstream.id).map(|it| it.pause));
                away.insert(upstream.id, Away { pause, until: Instant::now() + pause });
            }
            _ => drop(away.remove(&upstream.id)),
        }
    }

    /// Makes the next call of an upstream try, whatever came of the last one.
    pub fn forgive(&self, id: Id) {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn lock_sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that nobody waits for any more: a server that keeps sessions is told so. One that keeps none sees it.
struct Abandoned<'a> {
    upstreams: &'a Upstreams,
    access: &'a Access,
    session: &'a Session,
    /// `None`: it was answered.
    id: Option<u64>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.filter(|_| !self.session.is_modern()) else { return };
        let (wire, session) = (self.access.wire.clone(), self.session.clone());
        self.upstreams.0.tasks.spawn(async move {
            let params = json!({"requestId": id, "reason": "nobody waits for it any more"});
            let _ = wire.tell(&session, &message::notice("notifications/cancelled", &params)).await;
        });
    }
}

/// How long an upstream is left alone that was left alone for `pause` before.
fn longer(pause: Option<Duration>) -> Duration {
    pause.map_or(SHORTEST_PAUSE, |it| it.saturating_mul(2).min(LONGEST_PAUSE))
}

/// Puts a token into requests, as a secret that is for the host of the upstream only.
fn sign(wire: &mut Wire, name: &str, token: SecretString) {
    let own = Url::parse(&wire.url).ok().as_ref().and_then(HostPattern::of);
    let hosts = own.into_iter().collect();
    wire.secrets = wire.secrets.with(Secret::new(name.to_owned(), token, hosts));
    wire.credential = Some(bearer(name));
}

fn bearer(secret: &str) -> (HeaderName, SecretHeader) {
    let mut text = Text::from("Bearer ");
    text.push_secret(secret);
    (header::AUTHORIZATION, SecretHeader::Value(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stays_away_is_asked_less_and_less() {
        let pauses = (0..8).scan(None, |pause, _| {
            *pause = Some(longer(*pause));
            pause.map(|it| it.as_secs())
        });

        assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
