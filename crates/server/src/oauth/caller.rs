//! The proof that a request may do what it asks for.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use auth::challenge::Bearer;
use auth::scope::Scopes;
use axum::extract::FromRequestParts;
use axum::extract::MatchedPath;
use http::HeaderMap;
use http::StatusCode;
use http::header;
use http::request::Parts;
use metrics::counter;
use serde_json::Map;

use crate::app::App;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::audit::Refusal;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Author;
use crate::definitions::DefinitionError;
use crate::http::Invalid;
use crate::http::KeysOf;
use crate::http::Problem;
use crate::http::RequestId;
use crate::http::address;
use crate::http::bare;
use crate::http::once::Owner;
use crate::oauth::access;
use crate::oauth::access::AccessError;
use crate::oauth::discovery;
use crate::oauth::resource::Resource;
use crate::oauth::scopes::ScopeSet;
use crate::oauth::sessions::calls;

/// On whose behalf something is done, as tokens, runs and logs name him: `client:<client_id>` or
/// `user:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

/// A text that names neither a client nor a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a subject is `client:` and the id of a client, or `user:` and the id of a user")]
pub struct InvalidSubject;

/// Who is calling: what an access token, an API key or a session proves, as of now.
#[derive(Debug, Clone)]
pub struct Principal {
    pub tenant: TenantId,
    pub subject: Subject,
    pub client_id: String,
    /// What the token allows and its client still holds, or who is signed in.
    pub scopes: Scopes,
    pub origin: Origin,
}

/// What somebody is told who shows no token that opens what he wants.
#[derive(Debug)]
pub(in crate::oauth) struct Door {
    /// Where its metadata is (RFC 9728).
    metadata: String,
    /// What to ask for.
    scope: Option<&'static str>,
}

/// A [`Principal`] who holds one of the scopes of `S`.
///
/// A handler that has one among its arguments cannot be called without: it is the check. It stands
/// before whatever reads the request, so that strangers learn nothing about what is read. Parameters
/// of an operation that has none are refused here.
pub struct Caller<S> {
    principal: Principal,
    scopes: PhantomData<fn() -> S>,
}

impl Subject {
    pub fn client(client_id: &str) -> Self {
        Self(format!("client:{client_id}"))
    }

    pub fn user(id: Id) -> Self {
        Self(format!("user:{id}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Principal {
    /// Him as one who writes definitions.
    pub fn author(&self) -> Author<'_> {
        Author {
            tenant: &self.tenant,
            subject: self.subject.as_str(),
            client_id: Some(&self.client_id),
            scopes: &self.scopes,
            origin: &self.origin,
        }
    }

    /// Him as one of whose acts the audit trail tells.
    pub fn actor(&self) -> Actor<'_> {
        Actor {
            tenant: &self.tenant,
            subject: self.subject.as_str(),
            client_id: Some(&self.client_id),
            origin: &self.origin,
        }
    }

    /// Whose idempotency keys his are.
    pub fn owner(&self) -> Owner<'_> {
        Owner { tenant: &self.tenant, client_id: &self.client_id }
    }

    /// Whether he may do what `scope` demands.
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.covers(scope)
    }

    /// Whether he may know of a thing that demands `scopes` of whoever executes it: for what executes things of a
    /// kind of ours, he may instead hold what reads them.
    pub fn may_know_of(&self, scopes: &[String]) -> bool {
        let reads = |scope: &str| match scope {
            "agent.execute" => self.holds("agent.read"),
            "tool.execute" => self.holds("tool.read"),
            "workflow.execute" => self.holds("workflow.read"),
            _ => false,
        };
        scopes.iter().all(|scope| self.holds(scope) || reads(scope))
    }
}

impl Door {
    /// That of our API.
    pub(in crate::oauth) fn api(issuer: &str) -> Self {
        Self { metadata: discovery::resource_metadata(issuer), scope: None }
    }

    fn mcp(issuer: &str) -> Self {
        let metadata = discovery::resource_metadata(&Resource::Mcp.url(issuer));
        Self { metadata, scope: Some(discovery::MCP_SCOPES) }
    }

    fn challenge<'a>(&'a self, refusal: Bearer<'a>) -> Bearer<'a> {
        let refusal = refusal.with_resource_metadata(&self.metadata);
        match self.scope {
            Some(scope) => refusal.with_scope(scope),
            None => refusal,
        }
    }
}

/// Who calls what speaks MCP, with a token for it: one for the API does not open it, nor does an API key.
pub async fn speaks_mcp(parts: &Parts, app: &App) -> Result<Principal, Problem> {
    let door = Door::mcp(&app.config.issuer);
    let token = bearer_token(&parts.headers, parts.uri.query(), &door)?;
    let (now, token) = (app.clock.now(), (token, Resource::Mcp));
    let access = access::check(&app.keys, &app.clients, token, now).await;
    let access = access.map_err(|error| disbelieved(&error, &door))?;
    Ok(Principal { origin: origin(parts, app), ..access.principal() })
}

/// 403: who speaks MCP at `place` lacks some of `wanted`, all of which it takes. A client may ask for them and come
/// again.
pub fn insufficient_for_mcp(
    app: &App,
    caller: &Principal,
    wanted: &[&str],
    place: &str,
) -> Problem {
    failed("insufficient_scope");
    let lacks = wanted.iter().copied().find(|scope| !caller.holds(scope));
    app.refusals.note(refusal(caller.clone(), place.to_owned(), lacks.unwrap_or_default()));
    let wanted = wanted.join(" ");
    let metadata = Door::mcp(&app.config.issuer).metadata;
    let challenge = Bearer::insufficient_scope(&wanted).with_resource_metadata(&metadata);
    Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", format!("this needs `{wanted}`"))
        .header(header::WWW_AUTHENTICATE, challenge)
}

impl<S> Caller<S> {
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<S: ScopeSet> FromRequestParts<App> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut principal = if calls::shows_session(parts, app) {
            calls::principal(parts, app).await?
        } else {
            by_token(parts, app).await?
        };
        principal.origin = origin(parts, app);
        if !S::ANY_OF.is_empty() && !S::ANY_OF.iter().any(|scope| principal.holds(scope)) {
            let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
            let operation = format!("{} {route}", parts.method);
            let lacks = S::ANY_OF.first().copied().unwrap_or_default();
            app.refusals.note(refusal(principal, operation, lacks));
            return Err(insufficient(S::ANY_OF));
        }
        bare::refuse_query(parts)?;
        if principal.subject != Subject::client(&principal.client_id) {
            parts.extensions.insert(KeysOf(principal.subject.to_string()));
        }
        Ok(Self { principal, scopes: PhantomData })
    }
}

async fn by_token(parts: &Parts, app: &App) -> Result<Principal, Problem> {
    let door = Door::api(&app.config.issuer);
    let token = bearer_token(&parts.headers, parts.uri.query(), &door)?;
    access::principal(&app.keys, &app.clients, token, app.clock.now())
        .await
        .map_err(|error| disbelieved(&error, &door))
}

/// From where a request comes.
pub(in crate::oauth) fn origin(parts: &Parts, app: &App) -> Origin {
    Origin {
        address: Some(address::caller(parts, &app.config.trusted_proxies)),
        request_id: parts.extensions.get::<RequestId>().cloned(),
    }
}

fn refusal(principal: Principal, operation: String, lacks: &str) -> Refusal {
    Refusal {
        tenant: principal.tenant,
        subject: principal.subject.to_string(),
        client_id: Some(principal.client_id),
        origin: principal.origin,
        action: "access.refused",
        operation,
        detail: Map::from_iter([("required_scope".to_owned(), lacks.into())]),
    }
}

/// The token of a request: exactly one, in the header.
pub(in crate::oauth) fn bearer_token<'h>(
    headers: &'h HeaderMap,
    query: Option<&str>,
    door: &Door,
) -> Result<&'h str, Problem> {
    let is_in_query = query.is_some_and(names_access_token);
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let header = match (given.next(), given.next(), is_in_query) {
        (None, _, false) => return Err(no_token("this needs an access token", door)),
        (None, _, true) => {
            let detail =
                "an access token belongs in the header `Authorization`, not in the address";
            return Err(no_token(detail, door));
        }
        (Some(header), None, false) => header.as_bytes(),
        (Some(_), Some(_), _) => return Err(ambiguous("two `Authorization` headers")),
        (Some(_), None, true) => {
            return Err(ambiguous("an `Authorization` header and an `access_token` parameter"));
        }
    };
    let token = after_bearer(header)
        .ok_or_else(|| no_token("this needs `Authorization: Bearer` and an access token", door))?;
    // Of these characters RFC 6750 makes a token; nothing that has others can be one of ours.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    str::from_utf8(token)
        .ok()
        .filter(|token| !token.is_empty() && token.bytes().all(is_token))
        .ok_or_else(|| invalid_token("the header has no access token in it", door))
}

fn names_access_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// What follows the scheme, if it is `Bearer`, in any case.
fn after_bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked("bearer".len())?;
    let separated = rest.is_empty() || rest.starts_with(b" ");
    (scheme.eq_ignore_ascii_case(b"bearer") && separated).then(|| rest.trim_ascii())
}

fn ambiguous(what: &str) -> Problem {
    failed("two_credentials");
    let detail = format!("the request has {what}; one credential is enough");
    let fault = Invalid::new("Authorization", "bad_header", &detail);
    Problem::malformed(detail, vec![fault])
}

fn no_token(detail: &str, door: &Door) -> Problem {
    failed("no_token");
    unauthenticated(detail, &door.challenge(Bearer::no_token()))
}

/// 401: what was shown is not what is wanted.
pub(in crate::oauth) fn invalid_token(detail: &str, door: &Door) -> Problem {
    unauthenticated(detail, &door.challenge(Bearer::invalid_token(detail)))
}

fn unauthenticated(detail: &str, challenge: &Bearer<'_>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        .header(header::WWW_AUTHENTICATE, challenge)
}

fn disbelieved(error: &AccessError, door: &Door) -> Problem {
    failed(error.reason());
    if let AccessError::Database(cause) = error {
        tracing::error!(error = %cause, "a client could not be looked up");
        return Problem::unavailable(Duration::from_secs(1));
    }
    invalid_token(&error.to_string(), door)
}

/// 403: the caller is known and holds none of `wanted`, of which any would do.
pub fn insufficient(wanted: &[&str]) -> Problem {
    failed("insufficient_scope");
    let ask_for = wanted.first().copied().unwrap_or_default();
    let names: Vec<String> = wanted.iter().map(|scope| format!("`{scope}`")).collect();
    let detail = format!("this needs the scope {}", names.join(" or "));
    Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", detail)
        .with("required_scope", ask_for)
        .header(header::WWW_AUTHENTICATE, Bearer::insufficient_scope(ask_for))
}

impl From<DefinitionError> for Problem {
    fn from(error: DefinitionError) -> Self {
        match error {
            DefinitionError::MissingScope { ref scope, .. } => insufficient(&[scope]),
            other => other.problem(),
        }
    }
}

pub(in crate::oauth) fn failed(reason: &'static str) {
    counter!("auth_failures_total", "reason" => reason).increment(1);
}

impl<S> Deref for Caller<S> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<S> fmt::Debug for Caller<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.principal).finish()
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let id = text.strip_prefix("client:").or_else(|| text.strip_prefix("user:"));
        match id {
            Some(id) if !id.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(InvalidSubject),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
