//! Upstreams that want to know that a person agrees: OAuth 2.1 with authorization code and PKCE, for each person.
//!
//! The person goes to [`Consents::url`] in a browser in which he is signed in here, and from there to the authorization
//! server of the upstream ([`journey`]). What he brings back are tokens, kept sealed for him and this upstream alone
//! ([`tokens`]). Without them a call is not made: its run waits until they are there.

mod client;
mod far;
mod journey;
mod tokens;
mod watch;

use std::sync::Arc;

use auth::random::NoRandomness;
use auth::seal::OpenError;
use auth::seal::Place;
use auth::seal::SealError;
use auth::token::Digest;
use engine::Consent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Upstream;
use super::UpstreamAuth;
use crate::app::Clock;
use crate::app::Tasks;
use crate::db::Db;
use crate::egress::Egress;
use crate::mcp::store::consents::Key;
use crate::secrets::Vault;

pub use journey::Away;
pub use watch::watch;

/// The consents of all people. Clones share them.
#[derive(Debug, Clone)]
pub struct Consents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    tasks: Tasks,
    egress: Egress,
    vault: Vault,
    /// Our own address.
    issuer: String,
}

/// Why a person could not consent. The texts may be shown to him.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    #[error("it was begun elsewhere, or too long ago: begin anew")]
    NotBegunHere,
    #[error("another server has answered than the one that was asked")]
    OtherIssuer,
    /// What the other side says, in its word.
    #[error("the other side refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Far(String),
    #[error("what it needs cannot be made")]
    Random(#[from] NoRandomness),
    #[error("what it needs cannot be sealed")]
    Seal(#[from] SealError),
    #[error("what is kept of it cannot be opened")]
    Open(#[from] OpenError),
    #[error("what is kept of it cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("a run that waits for it could not be told")]
    Runs(#[from] crate::runs::RunsError),
    #[error("the database refused a query of consents")]
    Database(#[from] sqlx::Error),
}

impl ConsentError {
    fn far(why: &str) -> Self {
        Self::Far(why.to_owned())
    }
}

impl Consents {
    pub fn new(
        (db, clock, tasks): (&Db, &Clock, &Tasks),
        (egress, vault): (&Egress, &Vault),
        issuer: &str,
    ) -> Self {
        Self(Arc::new(Inner {
            db: db.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            egress: egress.clone(),
            vault: vault.clone(),
            issuer: issuer.to_owned(),
        }))
    }

    /// Where a person consents. It holds no secret, and is the same for everybody.
    pub fn url(&self, upstream: &str) -> String {
        format!("{}/mcp/consent/{upstream}", self.0.issuer)
    }

    /// What is asked of a person.
    fn consent(&self, upstream: &Upstream) -> Consent {
        let upstream = upstream.content.name.clone();
        Consent { url: self.url(&upstream), upstream }
    }

    fn seal<T: Serialize>(&self, value: &T, place: Place<'_>) -> Result<String, ConsentError> {
        Ok(self.0.vault.sealer().seal(&serde_json::to_vec(value)?, place)?)
    }

    fn open<T: DeserializeOwned>(&self, sealed: &str, place: Place<'_>) -> Result<T, ConsentError> {
        Ok(serde_json::from_slice(&self.0.vault.sealer().open(sealed, place)?)?)
    }
}

/// What of an upstream a consent is for: if it changes, the person is asked again.
fn basis(upstream: &Upstream) -> String {
    let content = &upstream.content;
    let auth = serde_json::to_string(&content.auth).unwrap_or_default();
    Digest::of(&format!("{}\n{auth}", content.url)).to_hex()
}

/// The row of a key, as sealed values know it.
fn row(key: Key<'_>) -> String {
    format!("{}|{}|{}", key.tenant.as_str(), key.subject, key.upstream)
}

/// What the definition says of the client that we are, if people consent to it.
fn settings(upstream: &Upstream) -> Option<Settings<'_>> {
    let UpstreamAuth::Consent { issuer, client_id, secret, scope } = &upstream.content.auth else {
        return None;
    };
    let (issuer, client_id) = (issuer.as_deref(), client_id.as_deref());
    Some(Settings { issuer, client_id, secret: secret.as_deref(), scope: scope.as_deref() })
}

#[derive(Debug, Clone, Copy)]
struct Settings<'u> {
    issuer: Option<&'u str>,
    client_id: Option<&'u str>,
    secret: Option<&'u str>,
    scope: Option<&'u str>,
}
