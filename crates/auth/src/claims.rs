//! What an access token says, and what must be true of it to be believed.

use serde::Deserialize;
use serde::Serialize;

use crate::jose::TokenError;
use crate::scope::Scopes;
use crate::scope::space_separated;

/// The claims of an access token (RFC 9068), as we issue them.
///
/// Times are seconds since 1970. Reading is exact about types: a number is not a string, an
/// issuer or audience is not a list. Claims that we do not know are ignored, so that replicas of
/// two versions can read each other's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    /// `client:<client_id>` or `user:<id>`.
    pub sub: String,
    /// One audience: the API, or the MCP endpoint.
    pub aud: String,
    pub exp: u64,
    pub iat: u64,
    /// Kept if there; we set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    pub jti: String,
    pub client_id: String,
    #[serde(with = "space_separated")]
    pub scope: Scopes,
    pub tenant: String,
    /// Which registration of the client it was issued to: another that gets the same id later is another client. Tokens of
    /// clients that are not registered, and of earlier versions, have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// Of what a person allowed it came: with that it is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// Who acts for `sub`, in exchanged tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

/// Who acts for the subject of a token, and who acted before him (RFC 8693).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

/// As many may have acted one after the other. More of them would let a token grow without an end.
pub const MAX_ACTORS: usize = 5;

impl Actor {
    /// `sub`, who acts for those who acted `before` him; `None`: they would be too many.
    pub fn after(sub: String, before: Option<Box<Self>>) -> Option<Box<Self>> {
        let chain = std::iter::successors(before.as_deref(), |actor| actor.act.as_deref());
        let has_room = chain.count() < MAX_ACTORS;
        has_room.then(|| Box::new(Self { sub, act: before }))
    }
}

/// What one listener demands of a token.
///
/// There is no verification without a profile and no profile without all its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    typ: &'static str,
    issuer: String,
    audience: String,
    leeway: u64,
}

impl Profile {
    /// Access tokens of `issuer` for `audience`, both compared character for character.
    ///
    /// Five seconds of difference are forgiven between the clocks of our own replicas.
    pub fn access_token(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { typ: ACCESS_TOKEN, issuer: issuer.into(), audience: audience.into(), leeway: 5 }
    }

    pub(crate) fn typ(&self) -> &str {
        self.typ
    }

    /// Checks the claims of a token whose signature is right.
    pub fn check(&self, claims: &AccessClaims, now: u64) -> Result<(), TokenError> {
        if claims.iss != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::WrongAudience);
        }
        if claims.exp.saturating_add(self.leeway) <= now {
            return Err(TokenError::Expired { ago: now - claims.exp });
        }
        let begin = claims.nbf.unwrap_or_default().max(claims.iat);
        if begin > now.saturating_add(self.leeway) {
            return Err(TokenError::NotYetValid { ahead: begin - now });
        }
        Ok(())
    }
}

/// The `typ` of an access token (RFC 9068).
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ISSUER: &str = "https://agents.example";
    pub(crate) const NOW: u64 = 1_795_600_000;

    pub(crate) fn profile() -> Profile {
        Profile::access_token(ISSUER, ISSUER)
    }

    pub(crate) fn claims() -> AccessClaims {
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: "client:shop".to_owned(),
            aud: ISSUER.to_owned(),
            exp: NOW + 600,
            iat: NOW,
            nbf: None,
            jti: "0199aa".to_owned(),
            client_id: "shop".to_owned(),
            scope: "agent.read agent.execute".parse().unwrap(),
            tenant: "default".to_owned(),
            registration_id: None,
            grant_id: None,
            act: None,
        }
    }

    #[test]
    fn a_chain_of_actors_ends() {
        let mut actors = None;
        for number in 0..MAX_ACTORS {
            actors = Some(Actor::after(format!("client:{number}"), actors).unwrap());
        }

        assert_eq!(actors.as_ref().unwrap().act.as_ref().unwrap().sub, "client:3");
        assert_eq!(Actor::after("client:6".to_owned(), actors), None);
    }

    #[test]
    fn a_token_is_valid_until_its_end_and_five_seconds() {
        let claims = claims();

        assert!(profile().check(&claims, NOW - 5).is_ok());
        assert_eq!(profile().check(&claims, NOW - 6), Err(TokenError::NotYetValid { ahead: 6 }));
        assert!(profile().check(&claims, NOW + 604).is_ok());
        assert_eq!(profile().check(&claims, NOW + 605), Err(TokenError::Expired { ago: 5 }));
    }

    #[test]
    fn a_time_to_begin_is_respected() {
        let claims = AccessClaims { nbf: Some(NOW + 60), ..claims() };

        assert_eq!(profile().check(&claims, NOW), Err(TokenError::NotYetValid { ahead: 60 }));
        assert!(profile().check(&claims, NOW + 55).is_ok());
    }

    #[test]
    fn times_at_the_end_of_the_world_do_not_overflow() {
        let claims = AccessClaims { exp: u64::MAX, ..claims() };

        assert!(profile().check(&claims, u64::MAX - 1).is_ok());
        assert_eq!(profile().check(&claims, u64::MAX), Err(TokenError::Expired { ago: 0 }));
        assert_eq!(profile().check(&claims, 0), Err(TokenError::NotYetValid { ahead: NOW }));
    }

    #[test]
    fn issuer_and_audience_are_compared_whole() {
        for wrong in
            ["", "https://agents.example/", "https://agents.example.evil", "https://agents"]
        {
            let issuer = AccessClaims { iss: wrong.to_owned(), ..claims() };
            let audience = AccessClaims { aud: wrong.to_owned(), ..claims() };

            assert_eq!(profile().check(&issuer, NOW), Err(TokenError::WrongIssuer));
            assert_eq!(profile().check(&audience, NOW), Err(TokenError::WrongAudience));
        }
    }
}
