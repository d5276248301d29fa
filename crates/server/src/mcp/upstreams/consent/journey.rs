//! A person is sent to the authorization server of an upstream, and comes back with a code.

use std::time::Duration;

use auth::form::Params;
use auth::pkce::Challenge;
use auth::random;
use auth::seal::Place;
use auth::token::Digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::ConsentError;
use super::Consents;
use super::basis;
use super::far;
use super::far::Far;
use super::row;
use super::settings;
use super::tokens;
use super::tokens::Given;
use super::tokens::Source;
use super::tokens::Tokens;
use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::At;
use crate::mcp::store::consents as store;
use crate::mcp::store::consents::Key;
use crate::mcp::store::consents::Next;
use crate::mcp::upstreams::Upstream;
use crate::oauth::sessions::Who;
use crate::runs::approvals;
use crate::runs::signal::Signal;

/// Somebody is away for so long at most.
const AWAY: Duration = Duration::from_mins(10);
/// The longest code that is taken, in bytes.
const CODE: usize = 4096;

/// Where a person is asked.
#[derive(Debug)]
pub struct Away {
    pub url: String,
    /// The origin of it.
    pub place: String,
}

/// What is remembered of him meanwhile, sealed.
#[derive(Serialize, Deserialize)]
struct Remembered {
    verifier: String,
    basis: String,
    issuer: String,
    /// Whether the server says who it is when it sends him back.
    names_itself: bool,
    from: Source,
}

fn place(row: &str) -> Place<'_> {
    Place { table: "mcp_consent_requests", row, column: "data" }
}

impl Consents {
    /// Sends `who` away to be asked for `upstream`.
    pub async fn begin(&self, who: &Who, upstream: &Upstream) -> Result<Away, ConsentError> {
        let settings = settings(upstream).ok_or(ConsentError::NotBegunHere)?;
        let (egress, content) = (&self.0.egress, &upstream.content);
        let found = far::find(egress, &content.url, settings.issuer).await?;
        let Far { resource, scope, server } = found;
        let name = upstream.content.name.as_str();
        let client = self.client(settings, (&who.tenant, upstream.id, name), &server).await?;
        let (state, verifier) = (secret()?, secret()?);
        let challenge = Challenge::of(&verifier);
        let redirect_uri = self.redirect_uri(name);
        let own = settings.scope.or(scope.as_deref()).unwrap_or_default();
        let key = key(who, upstream);
        let wanted = self.0.db.read(async |conn| store::wanted(conn, key).await).await?;
        let offline = server.scopes_supported.iter().find(|it| *it == "offline_access");
        let more = wanted.iter().chain(offline).map(String::as_str);
        let scope = tokens::union([own].into_iter().chain(more));
        let endpoint = self.0.egress.check(&server.authorization_endpoint);
        let mut url = endpoint
            .map_err(|_| ConsentError::Far("an address of it may not be asked".to_owned()))?;
        url.set_fragment(None);
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", client.id.as_str()),
            ("redirect_uri", redirect_uri.as_str()),
            ("state", state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("resource", resource.as_str()),
        ]);
        if !scope.is_empty() {
            url.query_pairs_mut().append_pair("scope", &scope);
        }
        let remembered = Remembered {
            verifier,
            basis: basis(upstream),
            issuer: server.issuer,
            names_itself: server.authorization_response_iss_parameter_supported,
            from: Source {
                token_endpoint: server.token_endpoint,
                revocation_endpoint: server.revocation_endpoint,
                client,
                resource,
            },
        };
        self.remember(who, upstream, &state, &remembered).await?;
        Ok(Away { place: url.origin().ascii_serialization(), url: url.into() })
    }

    async fn remember(
        &self,
        who: &Who,
        upstream: &Upstream,
        state: &str,
        remembered: &Remembered,
    ) -> Result<(), ConsentError> {
        let key = key(who, upstream);
        let sealed = self.seal(remembered, place(&row(key)))?;
        let (state, now) = (Digest::of(state).to_hex(), self.0.clock.now());
        let until = At::new(now.time() + AWAY);
        let kept = self.0.db.write(async |tx| {
            store::delete_old_requests(tx, now).await?;
            store::upsert_request(tx, key, (&state, &sealed), until).await
        });
        Ok(kept.await?)
    }

    /// Takes back `who` comes from the authorization server of `upstream`, and keeps what he brings. What waits for it
    /// goes on: these signals are for its runs.
    pub async fn finish(
        &self,
        who: &Who,
        upstream: &Upstream,
        params: &Params,
        by: Actor<'_>,
    ) -> Result<Vec<Signal>, ConsentError> {
        let (key, now) = (key(who, upstream), self.0.clock.now());
        let state = params.get("state").ok_or(ConsentError::NotBegunHere)?;
        let state = Digest::of(state).to_hex();
        let taken = self.0.db.write(async |tx| store::take_request(tx, key, &state, now).await);
        let sealed = taken.await?.ok_or(ConsentError::NotBegunHere)?;
        let remembered: Remembered = self.open(&sealed, place(&row(key)))?;
        if remembered.basis != basis(upstream) {
            return Err(ConsentError::NotBegunHere);
        }
        match params.get("iss") {
            Some(issuer) if issuer == remembered.issuer => {}
            None if !remembered.names_itself => {}
            _ => return Err(ConsentError::OtherIssuer),
        }
        if let Some(error) = params.get("error") {
            let word = |it: &char| it.is_ascii_alphanumeric() || *it == '_';
            return Err(ConsentError::Refused(error.chars().filter(word).take(60).collect()));
        }
        let code = params.get("code").filter(|it| it.len() <= CODE);
        let redirect_uri = self.redirect_uri(&upstream.content.name);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.ok_or(ConsentError::NotBegunHere)?),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", remembered.verifier.as_str()),
        ];
        let given = self.ask(&who.tenant, &remembered.from, &form, None).await;
        if let Err(ConsentError::Refused(word)) = &given {
            self.forget_client(key, word).await?;
        }
        self.keep(who, upstream, given?, by).await
    }

    /// Keeps what somebody has let us have, and lets what waits for it go on, in one transaction.
    async fn keep(
        &self,
        who: &Who,
        upstream: &Upstream,
        given: Given,
        by: Actor<'_>,
    ) -> Result<Vec<Signal>, ConsentError> {
        let (key, now) = (key(who, upstream), self.0.clock.now());
        let sealed = self.seal(&given.tokens, tokens::place(&row(key)))?;
        let next =
            Next { tokens: &sealed, scope: given.scope.as_deref(), expires_at: given.expires_at };
        let (name, basis) = (upstream.content.name.as_str(), basis(upstream));
        let kept = self.0.db.write(async |tx| {
            store::upsert(tx, key, who.user, &basis, &next, now).await?;
            audit::record(tx, by, Act::new("mcp_consent.create", name, Value::Null), now).await?;
            let subject = who.subject.as_str();
            approvals::consented(tx, &who.tenant, subject, name, now).await
        });
        Ok(kept.await?)
    }

    /// Takes back what `key` has consented to; says whether that was anything.
    pub async fn take_back(
        &self,
        key: Key<'_>,
        name: &str,
        by: Actor<'_>,
    ) -> Result<bool, ConsentError> {
        let now = self.0.clock.now();
        let taken = self.0.db.write(async |tx| {
            let tokens = store::delete(tx, key).await?;
            let any = store::delete_wanted(tx, key).await? || tokens.is_some();
            if any {
                let act = Act::new("mcp_consent.delete", name, Value::Null);
                audit::record(tx, by, act, now).await?;
            }
            Ok::<_, sqlx::Error>((tokens, any))
        });
        let (sealed, any) = taken.await?;
        let place = row(key);
        let opened = sealed.map(|it| self.open::<Tokens>(&it, tokens::place(&place)));
        if let Some(Ok(tokens)) = opened {
            self.revoke_soon(key.tenant, tokens);
        }
        Ok(any)
    }

    /// Lets runs go on whose consent came between their look at it and their rest.
    pub async fn let_go_on(&self) -> Result<Vec<Signal>, ConsentError> {
        let met = self.0.db.read(async |conn| store::list_met(conn).await).await?;
        let (mut signals, now) = (Vec::new(), self.0.clock.now());
        for (tenant, subject, upstream) in met {
            let some = self.0.db.write(async |tx| {
                approvals::consented(tx, &tenant, &subject, &upstream, now).await
            });
            signals.extend(some.await?);
        }
        Ok(signals)
    }
}

fn key<'a>(who: &'a Who, upstream: &Upstream) -> Key<'a> {
    Key { tenant: &who.tenant, subject: who.subject.as_str(), upstream: upstream.id }
}

/// A text that nobody guesses.
fn secret() -> Result<String, ConsentError> {
    let bytes = random::bytes()?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}
