//! Checking the assertions of clients that sign (`private_key_jwt`).

mod fetched;

use auth::assertion::Assertion;
use auth::assertion::Proof;
use auth::client_keys::ClientKeys;
use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::token::Digest;
use chrono::DateTime;
use tracing::info;

use crate::db::At;
use crate::db::Db;
use crate::egress::Egress;
use crate::oauth::Client;
use crate::oauth::ClientKeySource;
use crate::oauth::keys::seconds;
use crate::oauth::store::replay;
pub use fetched::Fetched;

/// What came once, in the table of such things.
const KIND: &str = "client_assertion";

/// Who checks assertions that are for us.
#[derive(Debug)]
pub struct Assertions {
    db: Db,
    issuer: String,
    fetched: Fetched,
}

impl Assertions {
    /// Key sets elsewhere are asked for by `egress`.
    pub fn new(db: Db, issuer: String, egress: Egress) -> Self {
        Self { db, issuer, fetched: Fetched::new(egress) }
    }

    /// Refuses a URL of a key set that would not be asked.
    pub fn check(&self, uri: &str) -> Result<(), OAuthError> {
        self.fetched.check(uri).map_err(|error| {
            let description = format!("jwks_uri: {error}");
            OAuthError::new(ErrorCode::InvalidClientMetadata, description)
        })
    }

    /// Whether `assertion` proves `client`, for the first time.
    ///
    /// That it comes once is written down last, so that nobody who cannot sign writes anything.
    pub async fn prove(
        &self,
        client: &Client,
        assertion: &Assertion,
        now: At,
    ) -> Result<bool, sqlx::Error> {
        let Some(proof) = self.verify(client, assertion, seconds(now)).await else {
            return Ok(false);
        };
        let key = Digest::of(&format!("{}\n{}", client.client_id, proof.jti));
        let until = i64::try_from(proof.until).ok();
        let until = until.and_then(|until| DateTime::from_timestamp(until, 0));
        let until = until.map_or(At::NEVER, At::new);
        let first = self.db.write(async |tx| replay::insert(tx, KIND, &key, until).await).await?;
        if !first {
            info!(client_id = client.client_id, "an assertion came a second time");
        }
        Ok(first)
    }

    /// Of keys elsewhere those that were fetched lately are tried first, and then others, if there may be.
    async fn verify(&self, client: &Client, assertion: &Assertion, now: u64) -> Option<Proof> {
        let check = |keys: &ClientKeys| {
            let verified = assertion.verify(keys, &self.issuer, now);
            let client_id = &client.client_id;
            verified.inspect_err(|error| info!(client_id, %error, "an assertion was refused")).ok()
        };
        match client.keys.as_ref()? {
            ClientKeySource::Inline(keys) => check(keys),
            ClientKeySource::Uri(uri) => {
                let known = self.fetched.known(uri).await;
                if let Some(proof) = known.as_deref().and_then(check) {
                    return Some(proof);
                }
                check(self.fetched.newer(uri, known.is_some()).await.as_deref()?)
            }
        }
    }
}
