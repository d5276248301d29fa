//! Webhooks: a run's end, told to a URL that the caller named.
//!
//! What must be told is a row that is written in the transaction of `run.finished`, so it is as sure as
//! the end itself. [`deliver`] tells it, by the rules of [Standard Webhooks], until somebody answers 2xx
//! or [`schedule`] has no more attempts. An attempt that nobody knows the end of is made again with the
//! same `webhook-id`.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

pub mod deliver;
mod schedule;
mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use auth::scope::Scopes;
use secrecy::ExposeSecret;
use secrecy::SecretSlice;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use url::Url;
use utoipa::ToSchema;

use crate::config::SigningKeys;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Egress;
use crate::http::Invalid;
use crate::oauth::caller::Principal;
use crate::secrets;
use crate::secrets::Vault;

/// The key that signs where none is named.
const DEFAULT_KEY: &str = "default";
/// Attempts that are under way at once in one process, and of these to one host.
const CONCURRENCY: usize = 64;
const PER_HOST: usize = 8;

/// Where to tell of the end of a run.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookAsked {
    /// An `https` URL on the public Internet, or one that the operator permits.
    #[schema(max_length = 2048)]
    url: String,
    /// The name of the key that signs it: of `WEBHOOK_SECRETS`, or else of a secret that is for the URL's host;
    /// `default` if absent.
    #[schema(max_length = 56)]
    secret: Option<String>,
}

/// A webhook that may be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    pub url: Url,
    pub secret: String,
}

/// The end of a run, to be told.
#[derive(Debug)]
pub struct NewDelivery {
    pub tenant: TenantId,
    pub id: Id,
    pub run_id: Id,
    pub webhook: Webhook,
    pub created_at: At,
}

/// What came of a webhook so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// The same in each attempt, as `webhook-id`.
    pub id: Id,
    pub url: String,
    pub secret: String,
    pub state: DeliveryState,
    /// Attempts that were begun.
    pub attempts: i64,
    /// The status of the last answer, if there was one.
    pub last_status: Option<i64>,
    /// Why the last attempt did not succeed.
    pub last_error: Option<String>,
    /// `null` when there is none to come.
    pub next_attempt_at: Option<At>,
    pub created_at: At,
    pub delivered_at: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// It is not tried any more.
    Failed,
}

/// What webhooks need, and which are under way in this process.
#[derive(Debug)]
pub struct Webhooks {
    egress: Egress,
    keys: SigningKeys,
    vault: Vault,
    /// How long a receiver may take to answer.
    time: Duration,
    permits: Arc<Semaphore>,
    /// Attempts that are under way, by host.
    busy: Mutex<HashMap<String, usize>>,
    /// There may be something to do.
    wake: Notify,
}

/// Why nothing can be signed with a key.
#[derive(Debug, thiserror::Error)]
enum KeyFault {
    #[error(
        "no key is named `{0}`, neither in WEBHOOK_SECRETS nor among the secrets that may be used"
    )]
    Unknown(String),
    #[error("the secret `{0}` is not for this host")]
    OtherHost(String),
    #[error("the secret `{0}` is no key: `whsec_` and 24 to 64 bytes in base64")]
    NotAKey(String),
}

impl KeyFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_secret",
            Self::OtherHost(_) => "secret_not_for_host",
            Self::NotAKey(_) => "bad_secret",
        }
    }
}

impl DeliveryState {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl Webhook {
    /// Its host with the port.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.url.port_or_known_default().unwrap_or_default())
    }
}

impl Webhooks {
    pub fn new(egress: Egress, keys: SigningKeys, vault: Vault, time: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENCY));
        Self { egress, keys, vault, time, permits, busy: Mutex::default(), wake: Notify::new() }
    }

    /// Checks what `caller` asks for, if it is anything.
    pub async fn accept(
        &self,
        caller: &Principal,
        asked: Option<WebhookAsked>,
    ) -> Result<Result<Option<Webhook>, Invalid>, sqlx::Error> {
        let Some(asked) = asked else { return Ok(Ok(None)) };
        let url = match self.egress.check(&asked.url) {
            Ok(url) => url,
            Err(why) => return Ok(Err(Invalid::new("/webhook/url", "url_not_allowed", why))),
        };
        let name = asked.secret.unwrap_or_else(|| DEFAULT_KEY.to_owned());
        let keys = self.keys(&caller.tenant, &caller.scopes, &name, &url).await?;
        let fault = |why: KeyFault| Invalid::new("/webhook/secret", why.code(), why);
        Ok(keys.map(|_| Some(Webhook { url, secret: name })).map_err(fault))
    }

    /// The keys of this name, as they are now, for `url` and who holds `scopes`.
    async fn keys(
        &self,
        tenant: &TenantId,
        scopes: &Scopes,
        name: &str,
        url: &Url,
    ) -> Result<Result<Vec<SecretSlice<u8>>, KeyFault>, sqlx::Error> {
        let set = self.set_keys(tenant, name);
        if !set.is_empty() {
            return Ok(Ok(set.to_vec()));
        }
        let shown = || name.chars().take(56).collect();
        if !scopes.covers(secrets::USE) {
            return Ok(Err(KeyFault::Unknown(shown())));
        }
        let secrets = self.vault.secrets_named(tenant, [name]).await?;
        let Some(secret) = secrets.find(name) else { return Ok(Err(KeyFault::Unknown(shown()))) };
        if !secret.is_for(url) {
            return Ok(Err(KeyFault::OtherHost(shown())));
        }
        secret.note_used();
        let keys = SigningKeys::of_secret(secret.value.expose_secret());
        Ok(keys.ok_or_else(|| KeyFault::NotAKey(shown())))
    }

    /// Those of the settings, which belong to the tenant `default`.
    fn set_keys(&self, tenant: &TenantId, name: &str) -> &[SecretSlice<u8>] {
        if *tenant == TenantId::default() { self.keys.get(name) } else { &[] }
    }

    /// Somebody has left something to deliver.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
