//! Asking a person whether a client may act for him (RFC 6749, section 4.1; OAuth 2.1).
//!
//! Nothing is kept between the pages: each form carries the whole request, which is checked anew each time, and the
//! browser says that it comes from one of our pages.

pub mod routes;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::authorize;
use auth::authorize::Asked;
use auth::authorize::Prompt;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::form::Params;
use auth::redirect::RedirectUri;
use auth::registration::GrantType;
use auth::registration::is_document_url;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use tracing::info;

use crate::audit;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::At;
use crate::db::Id;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::People;
use crate::oauth::documents::Described;
use crate::oauth::documents::is_local_only;
use crate::oauth::grants::Family;
use crate::oauth::grants::Grant;
use crate::oauth::resource;
use crate::oauth::sessions::Who;
use crate::oauth::store::codes as store;
use crate::oauth::store::documents;

/// A code is redeemed within so long, or not at all.
const CODE: Duration = Duration::from_mins(1);
/// For how long something can be allowed, the usual first: the word in the form, what people read, and the time.
pub const LIFETIMES: [(&str, &str, Duration); 3] = [
    ("month", "30 days, unless I take it back", Duration::from_hours(30 * 24)),
    ("day", "8 hours", Duration::from_hours(8)),
    ("year", "a year, unless I take it back", Duration::from_hours(365 * 24)),
];

/// An authorization code, as it is kept.
#[derive(Debug)]
pub struct Code {
    /// The grant that comes of it.
    pub family: Family,
    pub redirect_uri: String,
    pub challenge: String,
    pub expires_at: At,
}

/// A request of which it is known who asks, and where the answer goes.
#[derive(Debug, Clone)]
pub struct Request {
    pub client: Arc<Client>,
    /// Of one that describes itself.
    described: Option<Arc<Described>>,
    /// From where it comes.
    address: IpAddr,
    pub to: RedirectUri,
    state: Option<String>,
    issuer: String,
}

/// What a person would allow.
#[derive(Debug)]
pub struct Terms {
    pub scopes: Scopes,
    audience: String,
    asked: Asked,
}

/// What follows from a request.
#[derive(Debug)]
pub enum Step {
    /// The browser goes back to the client with the answer.
    Back(String),
    SignIn,
    Ask(Terms),
}

impl Request {
    /// Finds out who asks. An error is for the person: nobody knows for sure to whom it could be told.
    pub async fn of(
        clients: &Clients,
        params: &Params,
        issuer: &str,
        address: IpAddr,
    ) -> Result<Self, OAuthFailure> {
        let id = params.require("client_id")?;
        let known = clients.look_up(id).await?;
        let found = match known.filter(|client| client.publisher.is_none()) {
            Some(client) => Some((client, None)),
            None if is_document_url(id) => {
                let described = clients.described(id, address).await?;
                described.map(|(client, described)| (client, Some(Arc::new(described))))
            }
            None => None,
        };
        let unknown = || OAuthError::new(ErrorCode::InvalidClient, "no such client is registered");
        let (client, described) = found.ok_or_else(unknown)?;
        let to = authorize::addressed(params, &client.redirect_uris)?;
        let state = params.get("state").map(str::to_owned);
        Ok(Self { client, described, address, to, state, issuer: issuer.to_owned() })
    }

    /// Whether any program on the person's machine can say that it is this client.
    pub fn is_local_only(&self) -> bool {
        self.client.publisher.is_some() && is_local_only(&self.client.redirect_uris)
    }

    fn back(&self, pairs: &[(&str, &str)]) -> Step {
        Step::Back(authorize::answer(&self.to, pairs, self.state.as_deref(), &self.issuer))
    }

    /// Tells the client why not.
    pub fn refuse(&self, error: &OAuthError) -> Step {
        let pairs = [("error", error.code().as_str()), ("error_description", error.description())];
        self.back(&pairs)
    }

    /// What follows, if `who` is signed in.
    pub async fn next(
        &self,
        people: &People,
        params: &Params,
        who: Option<&Who>,
        (id, now): (Id, At),
    ) -> Result<Step, OAuthFailure> {
        let asked = match self.read(params) {
            Ok(asked) => asked,
            Err(error) => return Ok(self.refuse(&error)),
        };
        let prompt = asked.prompt;
        let Some(who) = who.filter(|_| prompt != Prompt::Login) else {
            let must_not = OAuthError::new(ErrorCode::LoginRequired, "nobody is signed in");
            return Ok(if prompt == Prompt::None { self.refuse(&must_not) } else { Step::SignIn });
        };
        let terms = match self.terms(params, asked, who) {
            Ok(terms) => terms,
            Err(error) => return Ok(self.refuse(&error)),
        };
        let client_id = &self.client.client_id;
        let agreed = people.db.read(async |conn| store::find_consent(conn, who, client_id).await);
        // What was agreed to was another client, if its document says something else by now.
        let is_same = self.described.as_ref().is_none_or(|described| !described.is_changed());
        let is_agreed = is_same && self.is_assured() && agreed.await?.covers_all(&terms.scopes);
        match (prompt, is_agreed) {
            (Prompt::Any | Prompt::None, true) => {
                self.allow(people, &terms, who, LIFETIMES[0].2, (id, now)).await
            }
            (Prompt::None, false) => {
                let error = OAuthError::new(ErrorCode::ConsentRequired, "nobody has agreed to it");
                Ok(self.refuse(&error))
            }
            _ => Ok(Step::Ask(terms)),
        }
    }

    /// What a person decided on the page.
    pub async fn decide(
        &self,
        people: &People,
        params: &Params,
        who: &Who,
        lifetime: Option<Duration>,
        (id, now): (Id, At),
    ) -> Result<Step, OAuthFailure> {
        let terms = self.read(params).and_then(|asked| self.terms(params, asked, who));
        let terms = match terms {
            Ok(terms) => terms,
            Err(error) => return Ok(self.refuse(&error)),
        };
        let Some(lifetime) = lifetime else {
            info!(client_id = self.client.client_id, subject = %who.subject, "somebody refused");
            return Ok(self.refuse(&OAuthError::new(ErrorCode::AccessDenied, "the person refused")));
        };
        self.allow(people, &terms, who, lifetime, (id, now)).await
    }

    fn read(&self, params: &Params) -> Result<Asked, OAuthError> {
        if !self.client.grant_types.contains(&GrantType::AuthorizationCode) {
            let text = "the client is not registered for authorization_code";
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, text));
        }
        let asked = authorize::read(params)?;
        resource::audience(&self.issuer, params.get("resource"))?;
        Ok(asked)
    }

    /// What of the request both the client and the person may do.
    fn terms(&self, params: &Params, asked: Asked, who: &Who) -> Result<Terms, OAuthError> {
        if who.tenant != self.client.tenant {
            let text = "the client belongs to others than the person";
            return Err(OAuthError::new(ErrorCode::AccessDenied, text));
        }
        let held = who.scopes.intersection(&self.client.scopes);
        let scopes = match &asked.scope {
            Some(scope) => held.intersection(scope),
            None => held,
        };
        if scopes.is_empty() {
            let text = "the person and the client may do nothing of it together";
            return Err(OAuthError::new(ErrorCode::InvalidScope, text));
        }
        let audience = resource::audience(&self.issuer, params.get("resource"))?;
        Ok(Terms { scopes, audience, asked })
    }

    /// Whether nobody but the client can get the answer. Of a program on somebody's own machine that is not certain:
    /// any other may listen there, so it is never answered without asking (RFC 8252, section 8.6).
    fn is_assured(&self) -> bool {
        !self.client.is_public || self.to.is_assured()
    }

    async fn allow(
        &self,
        people: &People,
        terms: &Terms,
        who: &Who,
        lifetime: Duration,
        (id, now): (Id, At),
    ) -> Result<Step, OAuthFailure> {
        let client_id = &self.client.client_id;
        let code = OpaqueToken::generate(TokenKind::Code)?;
        let grant = Grant {
            id,
            client_id: client_id.clone(),
            subject: who.subject.to_string(),
            scope: terms.scopes.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: At::new(now.time() + lifetime),
        };
        let family = Family {
            tenant: who.tenant.clone(),
            user: who.user,
            credential: who.credential.clone(),
            audience: terms.audience.clone(),
            grant,
        };
        let kept = Code {
            family,
            redirect_uri: self.to.as_str().to_owned(),
            challenge: terms.asked.challenge.as_str().to_owned(),
            expires_at: At::new(now.time() + CODE),
        };
        let row = self.described.as_ref().and_then(|it| Some((it, it.unwritten(id, now)?)));
        let origin = Origin { address: Some(self.address), request_id: None };
        let subject = who.subject.as_str();
        let by = Actor { tenant: &who.tenant, subject, client_id: None, origin: &origin };
        let stored = people.db.write(async |tx| {
            if let Some((described, row)) = &row {
                documents::upsert(tx, row).await?;
                store::delete_consents(tx, &row.tenant, client_id).await?;
                let act = described.act(row);
                audit::record(tx, by, act, now).await?;
            }
            let before = store::find_consent(tx, who, client_id).await?;
            if !before.covers_all(&terms.scopes) {
                let all = before.iter().chain(terms.scopes.iter()).cloned().collect();
                store::upsert_consent(tx, who, client_id, &all, now).await?;
            }
            store::insert(tx, &code.digest(), &kept).await
        });
        stored.await?;
        info!(client_id, subject = %who.subject, grant = %id, "somebody allowed a client to act for him");
        Ok(self.back(&[("code", code.expose())]))
    }
}

/// What a scope allows, as people say it, and whether it is about who may do what.
pub fn in_words(scope: &str) -> (String, bool) {
    let (kind, action) = scope.split_once('.').unwrap_or((scope, ""));
    let is_strong = ["admin", "audit", "client", "key", "user"].contains(&kind);
    let things = match kind {
        "agent" => "agents",
        "workflow" => "workflows",
        "tool" => "tools",
        "rag" => "documents",
        "run" => "runs",
        "thread" => "conversations",
        "approval" => "approvals",
        "secret" => "secrets",
        "client" => "programs that may come in",
        "user" => "people who may sign in",
        "key" => "the keys that sign tokens",
        "audit" => "the audit trail",
        "mcp" => "MCP",
        "admin" => "the whole server",
        _ => return (format!("Use what is marked {scope}"), false),
    };
    let words = match (kind, action) {
        ("agent", "execute") => "Talk to agents, and have them work".to_owned(),
        ("run", "write") => "Cancel and retry runs".to_owned(),
        ("admin", "read") => "See everything on the whole server".to_owned(),
        ("admin", "write") => "Change everything on the whole server".to_owned(),
        ("approval", "decide") => "Decide what people are asked".to_owned(),
        ("mcp", _) => "Connect by MCP".to_owned(),
        (_, "read") => format!("See {things}"),
        (_, "write") => format!("Make and change {things}"),
        (_, "execute") => format!("Use {things}"),
        (_, "search") => format!("Search {things}"),
        _ => format!("Do everything with {things}"),
    };
    (words, is_strong)
}

#[cfg(test)]
mod tests {
    use auth::scope::Scope;

    use super::*;

    #[test]
    fn every_scope_has_words_of_its_own() {
        let words: Vec<String> = Scope::known().map(|scope| in_words(scope.as_str()).0).collect();
        let mut different = words.clone();
        different.sort();
        different.dedup();

        assert!(different.len() + 2 >= words.len(), "{words:?}");
        assert_eq!(in_words("rfp.process").0, "Use what is marked rfp.process");
        assert!(in_words("user.write").1 && !in_words("agent.write").1);
    }
}
