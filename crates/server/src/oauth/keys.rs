//! The keys that sign and check access tokens.
//!
//! One may stand in the settings, as it always could; all others are rows, sealed. Which of them signs
//! follows from their times ([`auth::rotation`]): every process finds out for itself.

mod manage;
pub mod routes;
mod store;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use auth::claims::AccessClaims;
use auth::claims::Profile;
use auth::jose::TokenError;
use auth::jwk::JwkError;
use auth::jwk::PrivateJwk;
use auth::jwk::PublicJwk;
use auth::keys::KeyError;
use auth::keys::KeySet;
use auth::keys::SignError;
use auth::keys::SigningKey;
use auth::rotation::Entry;
use auth::rotation::Plan;
use auth::rotation::State;
use auth::seal::OpenError;
use auth::seal::Place;
use auth::seal::Sealer;
use chrono::DateTime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use tracing::info;
use tracing::warn;

use crate::app::Clock;
use crate::config::Config;
use crate::db::At;
use crate::db::Db;
use crate::oauth::genuine::Genuine;
use crate::oauth::resource::Resource;

pub use manage::Begin;
pub use manage::KeyInfo;
pub use manage::ManageError;
pub use manage::ResealedKeys;

/// How often the keys in memory are compared with the database and with the time.
const FRESHNESS: Duration = Duration::from_millis(500);
/// For so long somebody waits who asks for the keys, at most.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The key set of an issuer, and what a token must say to open what.
#[derive(Debug)]
pub struct Keys {
    db: Db,
    clock: Clock,
    sealer: Arc<Sealer>,
    /// That of the settings, which began before all others.
    setting: Option<Arc<PrivateJwk>>,
    current: ArcSwapOption<Current>,
    /// How many comparisons with the database were begun.
    begun: AtomicU64,
    seen: Mutex<Seen>,
    /// What a token for each [`Resource`] says.
    profiles: [Profile; 2],
    issuer: String,
    lifetime: Duration,
}

/// The keys as of now.
#[derive(Debug)]
struct Current {
    set: KeySet,
    /// Tokens of this set.
    genuine: Genuine,
}

/// What the last comparison found.
#[derive(Debug, Default)]
struct Seen {
    revision: Option<i64>,
    keys: Vec<Member>,
    /// The second in which the keys have to be looked at anew.
    until: u64,
    /// The number of the comparison.
    comparison: u64,
}

/// A key of the table, or that of the settings.
#[derive(Debug, Clone)]
struct Member {
    kid: String,
    /// None: it is withdrawn, or cannot be opened.
    pair: Option<Arc<PrivateJwk>>,
    begins_at: At,
    /// None: it is that of the settings.
    row: Option<store::Row>,
}

/// Why there are no keys to sign and verify with. No text holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("TOKEN_SERVICE_PRIVATE_KEY: {0}; `agent-server setup-auth` makes one")]
    Private(JwkError),
    #[error("TOKEN_SERVICE_PUBLIC_KEY: {0}; leave it out, it follows from the private key")]
    Public(JwkError),
    #[error("TOKEN_SERVICE_PRIVATE_KEY: {0}")]
    Unusable(#[from] KeyError),
    #[error(
        "no key can sign: set TOKEN_SERVICE_PRIVATE_KEY (`agent-server setup-auth` makes one), or make one in the \
         database with `agent-server keys rotate --now`"
    )]
    None,
    #[error("the database could not be asked for its signing keys")]
    Database(#[from] sqlx::Error),
}

/// Why a row is no key.
#[derive(Debug, thiserror::Error)]
enum UnusableRow {
    #[error("{0}")]
    Sealed(#[from] OpenError),
    #[error("it is no text")]
    NotText,
    #[error("{0}")]
    NotAKey(#[from] JwkError),
    #[error("it is the key `{0}`")]
    OtherKey(String),
}

/// The key of the settings, if there is one and its public half belongs to it.
pub fn setting_key(config: &Config) -> Result<Option<PrivateJwk>, KeysError> {
    let Some(private) = &config.identity.private_key else { return Ok(None) };
    let private = PrivateJwk::parse(private).map_err(KeysError::Private)?;
    if let Some(public) = &config.identity.public_key {
        PublicJwk::parse(public)
            .and_then(|public| private.check(&public))
            .map_err(KeysError::Public)?;
    }
    Ok(Some(private))
}

impl Keys {
    /// With the key of the settings; [`Keys::refresh`] adds those of `db`.
    pub fn new(
        config: &Config,
        db: Db,
        clock: Clock,
        sealer: Arc<Sealer>,
    ) -> Result<Self, KeysError> {
        let mut keys = Self {
            db,
            clock,
            sealer,
            setting: setting_key(config)?.map(Arc::new),
            current: ArcSwapOption::empty(),
            begun: AtomicU64::default(),
            seen: Mutex::default(),
            profiles: Resource::ALL
                .map(|it| Profile::access_token(&config.issuer, it.url(&config.issuer))),
            issuer: config.issuer.clone(),
            lifetime: config.identity.access_token_ttl,
        };
        let alone = keys.with_setting(Vec::new());
        let until = keys.use_keys(&alone)?;
        keys.seen = Mutex::new(Seen { keys: alone, until, ..Seen::default() });
        Ok(keys)
    }

    /// Who signs: the public URL of this server, and also the audience of tokens for its API.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How long a token lives.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SignError> {
        self.current.load().as_ref().ok_or(SignError::Refused)?.set.active().sign(claims)
    }

    /// The claims of a token that opens `resource` at `now`. Says nothing about its client.
    pub fn verify(
        &self,
        token: &str,
        resource: Resource,
        now: At,
    ) -> Result<Arc<AccessClaims>, TokenError> {
        let (now, profile) = (seconds(now), &self.profiles[resource as usize]);
        let current = self.current.load();
        let Current { set, genuine } = current.as_deref().ok_or(TokenError::UnknownKey)?;
        let claims = genuine.claims(token, || set.verify(token, profile, now))?;
        // It may have been remembered for long.
        profile.check(&claims, now)?;
        Ok(claims)
    }

    /// The public halves, as the JSON of RFC 7517.
    pub fn jwks(&self) -> Result<String, serde_json::Error> {
        match self.current.load().as_deref() {
            Some(current) => current.set.jwks(),
            None => Ok(r#"{"keys":[]}"#.to_owned()),
        }
    }

    /// Compares with the database once more, for who asks for our keys or shows a token of one that is unknown here: nobody
    /// shall see a token before its key. A database that does not answer keeps nobody waiting for long.
    pub async fn look_again(&self) {
        if let Ok(Err(error)) = tokio::time::timeout(LOOK_AGAIN, self.refresh()).await {
            debug!(error = &error as &dyn std::error::Error, "the signing keys are as they were");
        }
    }

    /// Compares with the database and the time. Afterwards all that was committed before the call counts here.
    ///
    /// However many ask at once, one query runs at a time, and each serves all who asked before it.
    pub async fn refresh(&self) -> Result<(), KeysError> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut seen = self.seen.lock().await;
        if seen.comparison > before {
            return Ok(());
        }
        let comparison = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let read = self.db.read(async |conn| {
            let revision = store::revision(conn).await?;
            let rows =
                if seen.revision == Some(revision) { None } else { Some(store::list(conn).await?) };
            Ok::<_, sqlx::Error>((revision, rows))
        });
        let read = read.await;
        if let Ok((revision, Some(rows))) = &read {
            seen.keys = self.with_setting(rows.clone());
            seen.revision = Some(*revision);
            seen.until = 0;
        }
        // The time goes on without the database, too.
        if seen.until <= seconds(self.clock.now()) {
            seen.until = self.use_keys(&seen.keys)?;
        }
        read?;
        seen.comparison = comparison;
        if self.current.load().is_none() { Err(KeysError::None) } else { Ok(()) }
    }

    /// Refreshes again and again, until the server stops.
    pub async fn keep_fresh(self: Arc<Self>, stopping: CancellationToken) {
        let mut was_well = true;
        while !stopping.is_cancelled() {
            let refreshed = self.refresh().await;
            if let (Err(error), true) = (&refreshed, was_well) {
                warn!(
                    error = error as &dyn std::error::Error,
                    "the signing keys are not refreshed"
                );
            }
            was_well = refreshed.is_ok();
            let _ = tokio::time::timeout(FRESHNESS, stopping.cancelled()).await;
        }
    }

    /// The keys of `rows` and of the settings, in the order in which they begin.
    fn with_setting(&self, rows: Vec<store::Row>) -> Vec<Member> {
        let setting = self.setting.as_ref().filter(|setting| {
            let kid = setting.public().kid();
            rows.iter().all(|row| row.kid != kid)
        });
        let setting = setting.map(|pair| Member {
            kid: pair.public().kid().to_owned(),
            pair: Some(Arc::clone(pair)),
            begins_at: beginning(),
            row: None,
        });
        let mut members: Vec<Member> =
            setting.into_iter().chain(rows.into_iter().map(|row| self.member(row))).collect();
        members.sort_by(|a, b| (a.begins_at, &a.kid).cmp(&(b.begins_at, &b.kid)));
        members
    }

    fn member(&self, row: store::Row) -> Member {
        let opened = row.private.as_deref().map(|private| self.open(&row.kid, private));
        let pair = opened.and_then(|opened| {
            opened
                .inspect_err(|error| warn!(kid = row.kid, %error, "a signing key cannot be used"))
                .ok()
        });
        let (kid, begins_at) = (row.kid.clone(), row.begins_at);
        Member { kid, pair: pair.map(Arc::new), begins_at, row: Some(row) }
    }

    fn open(&self, kid: &str, sealed: &str) -> Result<PrivateJwk, UnusableRow> {
        let bytes = self.sealer.open(sealed, place(kid))?;
        let text = str::from_utf8(&bytes).map_err(|_| UnusableRow::NotText)?;
        let pair = PrivateJwk::parse(&text.into())?;
        match pair.public().kid() {
            own if own == kid => Ok(pair),
            other => Err(UnusableRow::OtherKey(other.to_owned())),
        }
    }

    /// Signs and verifies with these keys from now on, and says until when that is right.
    fn use_keys(&self, keys: &[Member]) -> Result<u64, KeysError> {
        let now = self.clock.now();
        let plan = plan(keys, now);
        let pairs = |states: &dyn Fn(State) -> bool| {
            let members = plan.states.iter().zip(keys).filter(|(state, _)| states(**state));
            members.filter_map(|(_, member)| member.pair.as_deref()).collect::<Vec<_>>()
        };
        let current = match pairs(&|state| state == State::Active).first() {
            None => None,
            Some(active) => {
                let published = pairs(&|state| state.verifies(seconds(now)));
                let published = published.into_iter().map(|pair| pair.public().clone());
                let set = KeySet::new(SigningKey::new(active)?, published)?;
                info!(keys = ?set, "the signing keys are in use");
                Some(Arc::new(Current { set, genuine: Genuine::default() }))
            }
        };
        self.current.store(current);
        Ok(plan.until)
    }
}

/// What these keys are at `now`.
fn plan(keys: &[Member], now: At) -> Plan {
    let entry =
        |key: &Member| Entry { begins: seconds(key.begins_at), is_withdrawn: key.pair.is_none() };
    Plan::of(&keys.iter().map(entry).collect::<Vec<_>>(), seconds(now))
}

/// Where the pair of a key is sealed for.
fn place(kid: &str) -> Place<'_> {
    Place { table: "signing_keys", row: kid, column: "private" }
}

/// When the key of the settings began: before all others.
fn beginning() -> At {
    At::new(DateTime::UNIX_EPOCH)
}

/// Seconds since 1970, as tokens count time.
pub fn seconds(at: At) -> u64 {
    u64::try_from(at.time().timestamp()).unwrap_or_default()
}
