//! Asking an upstream: with whose credentials, in which session, and not too often while it is away.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use auth::scope::Scopes;
use http::HeaderMap;
use http::HeaderName;
use secrecy::SecretString;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;

use super::Upstream;
use super::UpstreamAuth;
use super::UpstreamDefinitions;
use super::UpstreamRows;
use super::away::Away;
use super::changes::Changes;
use super::consent::Consents;
use super::credential::bearer;
use super::credential::sign;
use super::message;
use super::programs::Programs;
use super::wire::Ask;
use super::wire::Hear;
use super::wire::Session;
use super::wire::Wire;
use super::wire::WireError;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::config::Program;
use crate::db::Db;
use crate::db::TenantId;
use crate::definitions::Definitions;
use crate::definitions::InCode;
use crate::egress::Egress;
use crate::egress::SecretHeader;
use crate::egress::Secrets;
use crate::egress::Text;
use crate::oauth::Behalf;
use crate::oauth::Onward;
use crate::secrets::Vault;
use crate::tools::http::Grant;
use crate::tools::http::Tokens;

/// Sessions that are kept at once; with more of them all are begun anew.
const SESSIONS: usize = 1_000;

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
    consents: Consents,
    sessions: Mutex<HashMap<String, Session>>,
    away: Away,
    /// Requests are told apart by it, here.
    count: AtomicU64,
    programs: Programs,
    changes: Arc<Changes>,
    looked: Notify,
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
    /// Arguments that are headers as well.
    pub headers: &'a HeaderMap,
    pub until: Instant,
    /// The longest answer, in bytes.
    pub most: usize,
}

/// The way to an upstream for one caller.
pub struct Access {
    pub wire: Wire,
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
        programs: &[Program],
    ) -> Self {
        let kind = UpstreamRows::new(egress, onward, programs);
        let (code, changes) = (InCode::Versioned(kind.documents(programs)), Arc::default());
        Self(Arc::new(Inner {
            rows: Definitions::new(db.clone(), clock.clone(), ids.clone(), kind, code),
            programs: Programs::new(programs, vault, tasks, &changes),
            changes,
            looked: Notify::new(),
            egress: egress.clone(),
            vault: vault.clone(),
            onward: onward.clone(),
            tasks: tasks.clone(),
            tokens: Tokens::default(),
            consents: Consents::new((db, clock, tasks), (egress, vault), onward.issuer()),
            sessions: Mutex::default(),
            away: Away::default(),
            count: AtomicU64::new(1),
        }))
    }

    pub fn rows(&self) -> &UpstreamDefinitions {
        &self.0.rows
    }

    /// The names of those that are programs, in lower case.
    pub fn programs(&self) -> BTreeSet<String> {
        self.0.programs.names()
    }

    /// Those that say that their tools have changed.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// Rings when one of them has been looked at here.
    pub fn looked(&self) -> &Notify {
        &self.0.looked
    }

    /// Lets the programs among them end.
    pub async fn end(&self) {
        self.0.programs.end().await;
    }

    /// What people have consented to.
    pub fn consents(&self) -> &Consents {
        &self.0.consents
    }

    /// Asks `upstream`, and reads until the answer is there. The revision that it was asked in comes with it.
    pub async fn ask(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        question: Question<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, String), WireError> {
        if upstream.content.is_program() {
            return self.0.programs.ask(&upstream.content.name, question, hear).await;
        }
        self.0.away.refuse(upstream)?;
        let secrets = self.secrets(upstream, whose.tenant).await?;
        let mut refused: Option<SecretString> = None;
        loop {
            let access = self.access(upstream, whose, &secrets, refused.as_ref(), question).await?;
            let answer = self.ask_by(&access, question, hear).await;
            self.0.away.note(upstream.id, &answer);
            match (answer, access.token) {
                (Err(WireError::Unauthorized), Some(token)) if refused.is_none() => {
                    refused = Some(token);
                }
                (Err(WireError::Unauthorized), _) if upstream.content.auth.is_personal() => {
                    return Err(self.0.consents.none_taken(upstream, whose).await.into());
                }
                (Err(WireError::InsufficientScope(scope)), Some(token))
                    if upstream.content.auth.is_personal() =>
                {
                    return Err(self.0.consents.wanted(upstream, whose, &token, &scope).await);
                }
                (answer, _) => return answer,
            }
        }
    }

    /// The way to an upstream by which it can be listened to, and the session there.
    pub async fn way(
        &self,
        upstream: &Upstream,
        whose: Whose<'_>,
        question: Question<'_>,
    ) -> Result<(Access, Session), WireError> {
        let secrets = self.secrets(upstream, whose.tenant).await?;
        let access = self.access(upstream, whose, &secrets, None, question).await?;
        let session = self.session(&access).await?;
        Ok((access, session))
    }

    async fn secrets(&self, upstream: &Upstream, tenant: &TenantId) -> Result<Secrets, WireError> {
        let secrets = self.0.vault.secrets_named(tenant, upstream.content.auth.secret()).await;
        secrets.map_err(|_| WireError::NotSent("secrets cannot be read now".to_owned()))
    }

    /// A number that no other request of this process has.
    pub fn next_id(&self) -> u64 {
        self.0.count.fetch_add(1, Relaxed)
    }

    /// Forgets a session, unless another one has been begun in its place.
    pub fn forget_session(&self, access: &Access, session: &Session) {
        let mut sessions = self.lock_sessions();
        if sessions.get(&access.key) == Some(session) {
            sessions.remove(&access.key);
        }
    }

    async fn ask_by(
        &self,
        access: &Access,
        question: Question<'_>,
        hear: Hear<'_>,
    ) -> Result<(Value, String), WireError> {
        let Question { method, params, wants_progress, headers, .. } = question;
        for _ in 0..2 {
            let session = self.session(access).await?;
            let ask = Ask { id: self.next_id(), method, params, wants_progress, headers };
            let mut abandoned =
                Abandoned { upstreams: self, access, session: &session, id: Some(ask.id) };
            let answer = access.wire.ask(Some(&session), ask, hear).await;
            if !matches!(answer, Err(WireError::Lost(_))) {
                abandoned.id = None;
            }
            drop(abandoned);
            match answer {
                Err(WireError::SessionGone) => self.forget_session(access, &session),
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
            known @ (WireError::Unauthorized | WireError::InsufficientScope(_)) => known,
            other => WireError::NotSent(other.to_string()),
        })?;
        let mut sessions = self.lock_sessions();
        if sessions.len() >= SESSIONS {
            sessions.clear();
        }
        sessions.insert(access.key.clone(), session.clone());
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
            UpstreamAuth::Consent { .. } => {
                let consents = &self.0.consents;
                let got = consents.token(upstream, whose, refused, question.until).await?;
                sign(&mut wire, "consent.token", got.clone());
                key = format!("{key}/{}", whose.subject);
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

    /// Makes the next call of an upstream try, whatever came of the last one.
    pub fn forgive(&self, upstream: &Upstream) {
        self.0.away.forgive(upstream.id);
        self.0.programs.forgive(&upstream.content.name);
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
