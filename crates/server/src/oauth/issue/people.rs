//! Tokens with which a client acts for a person: by a code, and then by refresh tokens (RFC 6749, 4.1 and 6).

use std::time::Duration;

use auth::claims::AccessClaims;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::form::Params;
use auth::grant;
use auth::pkce::Challenge;
use auth::registration::GrantType;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use serde_json::json;
use tracing::info;
use tracing::warn;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::Keys;
use crate::oauth::OAuthFailure;
use crate::oauth::People;
use crate::oauth::authorize::Code;
use crate::oauth::caller::Subject;
use crate::oauth::grants;
use crate::oauth::grants::Family;
use crate::oauth::grants::Which;
use crate::oauth::holders::Holder;
use crate::oauth::issue::IssuedToken;
use crate::oauth::keys::seconds;
use crate::oauth::resource;
use crate::oauth::sessions;
use crate::oauth::store::codes;
use crate::oauth::store::grants as store;

/// For so long after its use a refresh token gives the same answer again: the first one may have been lost.
const GRACE: Duration = Duration::from_secs(30);
/// One person allows one client so many things at once at most; one more ends the oldest.
const MOST: i64 = 20;

/// Issues tokens to one client, as one request of it wants.
pub struct Issuer<'a> {
    pub keys: &'a Keys,
    pub clients: &'a Clients,
    pub people: &'a People,
    pub client: &'a Client,
    /// From where the request comes.
    pub origin: &'a Origin,
    /// The id of the access token.
    pub id: Id,
    pub now: At,
}

/// What a transaction over a grant came to. A refusal is committed: it uses up what was shown.
type Decided<T> = Result<T, OAuthError>;

impl Issuer<'_> {
    /// A token for a code.
    ///
    /// A code is used up by whoever of its client shows it, also with the wrong verifier. Shown again, it ends all that
    /// came of it: one of the two has stolen it. To another client it is no code.
    pub async fn redeem(&self, params: &Params) -> Result<IssuedToken, OAuthFailure> {
        let code = opaque(params, "code", TokenKind::Code)?;
        let verifier = params.require("code_verifier")?;
        let may_refresh = self.client.grant_types.contains(&GrantType::RefreshToken);
        let refresh = may_refresh.then(|| OpaqueToken::generate(TokenKind::Refresh)).transpose()?;
        let (digest, now) = (code.digest(), self.now);
        let decided = self.people.db.write(async |tx| {
            let Some(code) = codes::take(tx, &digest, &self.client.client_id, now).await? else {
                let taken = codes::find_taken(tx, &digest, &self.client.client_id).await?;
                if let Some((tenant, grant)) = &taken {
                    self.end_stolen(tx, "code", (tenant, *grant)).await?;
                }
                return Ok::<_, OAuthFailure>(Decided::Err(no_such("code")));
            };
            if let Err(refused) = self.check_code(&code, params, verifier) {
                return Ok(Err(refused));
            }
            store::insert(tx, &code.family).await?;
            for older in store::list_older(tx, &code.family, MOST).await? {
                grants::end(tx, &code.family.tenant, Which::One(older), now).await?;
            }
            if let Some(refresh) = &refresh {
                store::insert_refresh(tx, &refresh.digest(), code.family.grant.id, now).await?;
            }
            Ok(Ok(code.family))
        });
        let family = self.settle(decided.await?).await?;
        let scopes = family.grant.scope.clone();
        self.token(&family, scopes, refresh).await
    }

    fn check_code(&self, code: &Code, params: &Params, verifier: &str) -> Result<(), OAuthError> {
        let is_proven = Challenge::parse(&code.challenge).is_some_and(|it| it.matches(verifier));
        let is_there = params.get("redirect_uri").is_none_or(|uri| uri == code.redirect_uri);
        if code.expires_at <= self.now || !is_proven || !is_there {
            return Err(no_such("code"));
        }
        self.check_resource(&code.family, params)
    }

    fn check_resource(&self, family: &Family, params: &Params) -> Result<(), OAuthError> {
        let Some(wanted) = params.get("resource") else { return Ok(()) };
        if resource::audience(self.keys.issuer(), Some(wanted))? == family.audience {
            return Ok(());
        }
        Err(OAuthError::new(ErrorCode::InvalidTarget, "it was allowed for another resource"))
    }

    /// The next token for a refresh token, and the next refresh token, which follows from the one before it.
    ///
    /// Whoever did not get the answer may ask once more within half a minute, and gets the same refresh token, as long
    /// as that was not used. Otherwise two have the token, and one of them has stolen it: all is over.
    pub async fn refresh(&self, params: &Params) -> Result<IssuedToken, OAuthFailure> {
        let token = opaque(params, "refresh_token", TokenKind::Refresh)?;
        let next = self.people.successor(&token);
        let (digest, after, now) = (token.digest(), next.digest(), self.now);
        let decided = self.people.db.write(async |tx| {
            let found = store::find_refresh(tx, &digest).await?;
            let own = found.filter(|it| it.family.grant.client_id == self.client.client_id);
            let Some(found) = own.filter(|it| it.family.grant.expires_at > now) else {
                return Ok::<_, OAuthFailure>(Decided::Err(no_such("refresh_token")));
            };
            self.check_resource(&found.family, params)?;
            let scopes = grant::scopes(&found.family.grant.scope, params.get("scope"))?;
            let grant = found.family.grant.id;
            if store::use_refresh(tx, &digest, now).await? {
                store::insert_refresh(tx, &after, grant, now).await?;
                store::update_used(tx, grant, now).await?;
                return Ok(Ok((found.family, scopes)));
            }
            // Read again: it may have been used while this one waited for its turn.
            let used = store::find_refresh(tx, &digest).await?.and_then(|it| it.used_at);
            let is_retry = used.is_some_and(|used| now.time() - GRACE <= used.time());
            let next = store::find_refresh(tx, &after).await?;
            if is_retry && next.is_some_and(|next| next.used_at.is_none()) {
                return Ok(Ok((found.family, scopes)));
            }
            self.end_stolen(tx, "refresh_token", (&found.family.tenant, grant)).await?;
            Ok(Err(no_such("refresh_token")))
        });
        let (family, scopes) = self.settle(decided.await?).await?;
        self.token(&family, scopes, Some(next)).await
    }

    /// Ends what somebody allowed, because a proof of it came a second time: one of the two has stolen it.
    async fn end_stolen(
        &self,
        tx: &mut Conn<'_>,
        what: &str,
        (tenant, grant): (&TenantId, Id),
    ) -> Result<(), sqlx::Error> {
        let client_id = &self.client.client_id;
        warn!(%grant, client_id, what, "a proof of a grant came a second time");
        if !grants::end(tx, tenant, Which::One(grant), self.now).await? {
            return Ok(());
        }
        let subject = Subject::client(client_id);
        let subject = subject.as_str();
        let by = Actor { tenant, subject, client_id: Some(client_id), origin: self.origin };
        let target = grant.to_string();
        let act = Act::new("grant.reuse", &target, json!({"shown_again": what}));
        audit::record(tx, by, act, self.now).await
    }

    /// What was decided counts here at once.
    async fn settle<T>(&self, decided: Decided<T>) -> Result<T, OAuthFailure> {
        if decided.is_err() {
            self.clients.catch_up().await;
        }
        Ok(decided?)
    }

    /// An access token for `scopes`, as far as the client and the person may still do it.
    async fn token(
        &self,
        family: &Family,
        scopes: Scopes,
        refresh: Option<OpaqueToken>,
    ) -> Result<IssuedToken, OAuthFailure> {
        let holder = self.clients.holder(self.client, &family.grant.subject).await?;
        let is_gone = match &family.credential {
            None => matches!(holder, Holder::Gone),
            credential => sessions::management(self.clients, credential.as_deref()).is_none(),
        };
        if is_gone {
            return Err(OAuthError::new(ErrorCode::InvalidGrant, "who allowed it is gone").into());
        }
        let scope = holder.bound(self.client.scopes.intersection(&scopes));
        if scope.is_empty() {
            let text = "nothing is left of what was allowed";
            return Err(OAuthError::new(ErrorCode::InvalidGrant, text).into());
        }
        let (iat, expires_in) = (seconds(self.now), self.keys.lifetime().as_secs());
        let claims = AccessClaims {
            iss: self.keys.issuer().to_owned(),
            sub: family.grant.subject.clone(),
            aud: family.audience.clone(),
            exp: iat + expires_in,
            iat,
            nbf: None,
            jti: self.id.to_string(),
            client_id: self.client.client_id.clone(),
            scope,
            tenant: self.client.tenant.to_string(),
            registration_id: self.client.registration.clone(),
            grant_id: Some(family.grant.id.to_string()),
            act: None,
        };
        let access_token = self.keys.sign(&claims)?;
        info!(
            client_id = self.client.client_id,
            sub = claims.sub,
            grant = %family.grant.id,
            "a client got a token for a person"
        );
        let refresh_token = refresh.map(|refresh| refresh.expose().to_owned());
        Ok(IssuedToken { refresh_token, ..IssuedToken::of(access_token, claims.scope, expires_in) })
    }
}

/// A token of ours in a parameter. What is none is answered like one that is not there.
fn opaque(params: &Params, name: &'static str, kind: TokenKind) -> Result<OpaqueToken, OAuthError> {
    let token = OpaqueToken::parse(params.require(name)?).ok();
    token.filter(|token| token.kind() == kind).ok_or_else(|| no_such(name))
}

fn no_such(name: &str) -> OAuthError {
    let text = format!("the {name} is unknown, over, used already, or not for this request");
    OAuthError::new(ErrorCode::InvalidGrant, text)
}
