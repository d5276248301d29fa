//! The one way to the values: those of the tenants that need them in memory, never a second behind the
//! database.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::seal::OpenError;
use auth::seal::Sealer;
use auth::secret::MacKey;
use auth::token::Digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::db::Db;
use crate::db::TenantId;
use crate::definitions::store as definitions;
use crate::egress::HostPattern;
use crate::egress::Secret;
use crate::egress::Secrets;
use crate::http::Invalid;
use crate::secrets::place;
use crate::secrets::place_row;
use crate::secrets::store;
use crate::secrets::store::Row;

/// How often we look whether somebody else changed something.
const POLL: Duration = Duration::from_millis(500);
/// How often it is written down which secrets were used: after so many looks.
const USES_EVERY: u32 = 120;
/// How many uses are written down in one transaction, so that none is long.
const AT_ONCE: usize = 200;
/// Of so many tenants the values are kept at once. More of them are read anew when they are needed.
const TENANTS: usize = 256;

const TABLE: &str = "secrets";

/// The secrets of all tenants. Clones share them.
#[derive(Debug, Clone)]
pub struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    sealer: Arc<Sealer>,
    /// Tells bodies of requests apart without keeping anything that a value could be guessed by.
    mac: MacKey,
    open: ArcSwap<HashMap<TenantId, Open>>,
    /// Held while values are read, so that no read undoes another.
    gate: Mutex<()>,
    /// Counts how often secrets were asked for.
    asks: AtomicU64,
}

/// The values of a tenant.
#[derive(Debug, Clone)]
struct Open {
    /// All of it is as it was when `revisions` said this, or newer.
    revision: i64,
    /// Of the rows that they were made of.
    rows: String,
    secrets: Secrets,
    /// When they were asked for last, as the vault counts.
    asked: Arc<AtomicU64>,
}

impl Vault {
    pub fn new(db: Db, clock: Clock, ids: Ids, sealer: Arc<Sealer>, mac: MacKey) -> Self {
        let (open, gate) = (ArcSwap::default(), Mutex::default());
        let asks = AtomicU64::new(0);
        Self(Arc::new(Inner { db, clock, ids, sealer, mac, open, gate, asks }))
    }

    /// Keeps what is in memory new, and writes uses down, until the server stops.
    pub fn start(&self, tasks: &Tasks) {
        let vault = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(POLL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut looks = 0_u32;
            while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = vault.refresh().await {
                    warn!(error = &error as &dyn Error, "secrets were not refreshed");
                }
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(USES_EVERY) {
                    vault.write_uses_down().await;
                }
            }
            vault.write_uses_down().await;
        });
    }

    /// The secrets of a tenant. One that was changed elsewhere may be as it was half a second ago.
    pub async fn secrets(&self, tenant: &TenantId) -> Result<Secrets, sqlx::Error> {
        match self.known(tenant) {
            Some(secrets) => Ok(secrets),
            None => self.reload(tenant).await,
        }
    }

    /// The same, where one of these `names` that was made elsewhere a moment ago is always found.
    pub async fn secrets_named<'n>(
        &self,
        tenant: &TenantId,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Secrets, sqlx::Error> {
        let known = self.secrets(tenant).await?;
        if names.into_iter().all(|name| known.find(name).is_some()) {
            return Ok(known);
        }
        self.reload(tenant).await
    }

    /// Makes a change that was just committed count here; other replicas see it in half a second.
    pub(in crate::secrets) async fn catch_up(&self, tenant: &TenantId) {
        if let Err(error) = self.reload(tenant).await {
            warn!(%error, "a change to a secret is saved, and will count a little later");
        }
    }

    pub(in crate::secrets) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(in crate::secrets) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(in crate::secrets) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// What seals values at rest.
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// A tag of a text that tells nothing of it to who has not our key.
    pub(in crate::secrets) fn tag(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.mac.sign(text.as_bytes()))
    }

    /// The value of a row, or what keeps it from being used.
    pub(in crate::secrets) fn open(
        &self,
        tenant: &TenantId,
        row: &Row,
    ) -> Result<SecretString, Invalid> {
        let sealed_for = place_row(tenant, row.id, &row.hosts);
        let bytes = self.0.sealer.open(&row.value, place(&sealed_for)).map_err(|error| {
            let why = match error {
                OpenError::UnknownKey(_) => format!("{error}; put it into AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS, or set the value anew"),
                _ => "it was changed in SQL, or its hosts were; set both anew".to_owned(),
            };
            Invalid::new("/value", "unreadable", why)
        })?;
        let text = str::from_utf8(&bytes);
        text.map(Into::into).map_err(|_| Invalid::new("/value", "unreadable", "it is no text"))
    }

    async fn refresh(&self) -> Result<(), sqlx::Error> {
        let open = self.0.open.load_full();
        if open.is_empty() {
            return Ok(());
        }
        let revision =
            self.db().read(async |conn| definitions::find_revision(conn, &[TABLE]).await);
        let revision = revision.await?;
        for (tenant, _) in open.iter().filter(|(_, it)| it.revision != revision) {
            self.reload(tenant).await?;
        }
        Ok(())
    }

    fn known(&self, tenant: &TenantId) -> Option<Secrets> {
        let open = self.0.open.load();
        let known = open.get(tenant)?;
        known.asked.store(self.0.asks.fetch_add(1, Relaxed), Relaxed);
        Some(known.secrets.clone())
    }

    async fn reload(&self, tenant: &TenantId) -> Result<Secrets, sqlx::Error> {
        let _turn = self.0.gate.lock().await;
        // In this order: rows that are newer than the revision are only read once more.
        let read = self.db().read(async |conn| {
            let revision = definitions::find_revision(conn, &[TABLE]).await?;
            Ok::<_, sqlx::Error>((revision, store::list_all(conn, tenant).await?))
        });
        let (revision, rows) = read.await?;
        let mut open = HashMap::clone(&self.0.open.load());
        let digest = digest(&rows);
        if let Some(known) = open.get_mut(tenant).filter(|known| known.rows == digest) {
            known.revision = revision;
            let secrets = known.secrets.clone();
            self.0.open.store(Arc::new(open));
            return Ok(secrets);
        }
        let before = self.known(tenant).unwrap_or_default();
        let secrets = Secrets::new(rows.iter().filter_map(|row| {
            let secret = self.secret(tenant, row)?;
            if before.find(&row.name).is_some_and(Secret::take_used) {
                secret.note_used();
            }
            Some(Arc::new(secret))
        }));
        if open.len() >= TENANTS && !open.contains_key(tenant) {
            let asked = |(_, it): &(&TenantId, &Open)| it.asked.load(Relaxed);
            let longest_ago = open.iter().min_by_key(asked).map(|(tenant, _)| tenant.clone());
            let gone = longest_ago.and_then(|tenant| open.remove_entry(&tenant));
            self.write_down(
                gone.iter().flat_map(|(tenant, open)| used_of((tenant, open))).collect(),
            )
            .await;
        }
        let asked = Arc::new(AtomicU64::new(self.0.asks.fetch_add(1, Relaxed)));
        open.insert(
            tenant.clone(),
            Open { revision, rows: digest, secrets: secrets.clone(), asked },
        );
        self.0.open.store(Arc::new(open));
        Ok(secrets)
    }

    /// What is sent of a row. One that cannot be used is not there for who would send it.
    fn secret(&self, tenant: &TenantId, row: &Row) -> Option<Secret> {
        let opened = self.open(tenant, row);
        let value = opened.inspect_err(|fault| {
            warn!(secret = row.name, "a secret cannot be used: {}", fault.detail);
        });
        let hosts: Vec<HostPattern> = serde_json::from_str(&row.hosts).ok()?;
        Some(Secret::new(row.name.clone(), value.ok()?, hosts))
    }

    /// Writes down which secrets were used. What cannot be written is forgotten: the next use comes soon.
    async fn write_uses_down(&self) {
        let open = self.0.open.load_full();
        self.write_down(open.iter().flat_map(used_of).collect()).await;
    }

    async fn write_down(&self, used: Vec<(TenantId, String)>) {
        let now = self.clock().now();
        for some in used.chunks(AT_ONCE) {
            let written = self.db().write_behind(async |tx| {
                for (tenant, name) in some {
                    store::update_last_used(tx, tenant, name, now).await?;
                }
                Ok::<_, sqlx::Error>(())
            });
            if let Err(error) = written.await {
                warn!(%error, "the last use of some secrets was not written down");
            }
        }
    }
}

/// The secrets of a tenant that were used since this was asked last.
fn used_of<'o>((tenant, open): (&'o TenantId, &'o Open)) -> Vec<(TenantId, String)> {
    let used = open.secrets.all().filter(|it| it.take_used());
    used.map(|it| (tenant.clone(), it.name.clone())).collect()
}

/// Of all that values depend on.
fn digest(rows: &[Row]) -> String {
    let parts: Vec<_> = rows.iter().map(|it| (it.id, &it.name, &it.value, &it.hosts)).collect();
    Digest::of(&serde_json::to_string(&parts).unwrap_or_default()).to_hex()
}
