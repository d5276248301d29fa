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
    /// The name of the key that signs it; `default` if absent.
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
    /// How long a receiver may take to answer.
    time: Duration,
    permits: Arc<Semaphore>,
    /// Attempts that are under way, by host.
    busy: Mutex<HashMap<String, usize>>,
    /// There may be something to do.
    wake: Notify,
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
    pub fn new(egress: Egress, keys: SigningKeys, time: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENCY));
        Self { egress, keys, time, permits, busy: Mutex::default(), wake: Notify::new() }
    }

    /// Checks what a caller of `tenant` asks for.
    pub fn accept(&self, tenant: &TenantId, asked: WebhookAsked) -> Result<Webhook, Invalid> {
        let url = self.egress.check(&asked.url);
        let url = url.map_err(|why| Invalid::new("/webhook/url", "url_not_allowed", why))?;
        let secret = asked.secret.unwrap_or_else(|| DEFAULT_KEY.to_owned());
        if self.keys(tenant, &secret).is_empty() {
            let name: String = secret.chars().take(56).collect();
            let detail = format!(
                "no key is named `{name}`; an operator adds one to WEBHOOK_SECRETS as `{name}=whsec_…`"
            );
            return Err(Invalid::new("/webhook/secret", "unknown_secret", detail));
        }
        Ok(Webhook { url, secret })
    }

    /// The keys of this name. Those from the settings belong to the tenant `default`.
    fn keys(&self, tenant: &TenantId, name: &str) -> &[SecretSlice<u8>] {
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
