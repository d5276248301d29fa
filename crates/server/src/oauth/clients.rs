//! All clients and their revoked tokens, in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use arc_swap::ArcSwap;
use auth::client_auth::Credentials;
use auth::registration::GrantType;
use auth::scope::Scopes;
use auth::token::Digest;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::Clock;
use crate::audit::Refusals;
use crate::config::ManagementClient;
use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::ClientSecret;
use crate::oauth::Registration;
use crate::oauth::api_keys::KnownKey;
use crate::oauth::api_keys::KnownKeys;
use crate::oauth::api_keys::find_known;
use crate::oauth::assertions::Assertions;
use crate::oauth::documents::Documents;
use crate::oauth::guesses;
use crate::oauth::guesses::Guesses;
use crate::oauth::keys::seconds;
use crate::oauth::revoked::AFTER_END;
use crate::oauth::revoked::Revoked;
use crate::oauth::revoked::RevokedToken;
use crate::oauth::store;
use crate::oauth::store::Revisions;
use crate::oauth::users::Person;
use crate::oauth::uses::Uses;

/// How often the clients in memory are compared with the database.
const FRESHNESS: Duration = Duration::from_millis(500);
/// For how long clients are believed in that could not be compared with the database.
const TRUST: Duration = Duration::from_secs(30);
/// How often it is written down when clients got tokens, and forgotten what is over.
const TIDY_EVERY: Duration = Duration::from_mins(1);
/// For so long a code that is over is known, so that it is noticed when it comes again.
const CODES_AFTER_END: Duration = Duration::from_hours(1);
/// So many rows of a kind are deleted at once, so that no transaction is long.
const AT_ONCE: i64 = 100;

/// The management client, the active registered ones, and what of their tokens is revoked: as of half a
/// second ago at most.
#[derive(Debug)]
pub struct Clients {
    pub(in crate::oauth) db: Db,
    management: Arc<Client>,
    known: ArcSwap<Known>,
    /// How many comparisons with the database were begun.
    begun: AtomicU64,
    seen: Mutex<Seen>,
    revoked: Revoked,
    uses: Uses,
    pub(in crate::oauth) assertions: Assertions,
    pub(in crate::oauth) documents: Documents,
    pub(in crate::oauth) guesses: Guesses,
    /// Codes and tokens that are none.
    pub(in crate::oauth) proofs: Guesses,
    /// Who did not prove himself, for the audit trail.
    pub(in crate::oauth) refusals: Refusals,
    /// Registrations by strangers.
    pub(in crate::oauth) registrations: Guesses,
    /// Compared with the secret of who is unknown, so that he waits as long as who is known.
    nobody: Digest,
}

/// The active registered clients.
#[derive(Debug, Clone, Default)]
struct Known {
    by_id: Arc<HashMap<String, Arc<Client>>>,
    api_keys: Arc<KnownKeys>,
    users: Arc<HashMap<Id, Arc<Person>>>,
    /// When the last comparison with the database that succeeded was begun.
    as_of: Option<Instant>,
}

/// What the last successful comparison with the database found.
#[derive(Debug, Default)]
struct Seen {
    clients: Option<i64>,
    api_keys: Option<i64>,
    users: Option<i64>,
    /// The first revocation has the revision 1.
    revoked: i64,
    /// The number of the comparison.
    comparison: u64,
}

/// What of the database is newer than what is known.
#[derive(Debug)]
struct News {
    revisions: Revisions,
    /// `None`: they are as they were.
    registrations: Option<Vec<Registration>>,
    api_keys: Option<Vec<(String, KnownKey)>>,
    users: Option<Vec<(Id, Person)>>,
    revoked: Vec<RevokedToken>,
}

impl Clients {
    /// The management client alone; [`Clients::refresh`] adds the registered ones of `db`.
    pub fn new(
        management: &ManagementClient,
        db: Db,
        (assertions, documents): (Assertions, Documents),
    ) -> Self {
        Self {
            db,
            management: Arc::new(management_client(management)),
            known: ArcSwap::default(),
            begun: AtomicU64::default(),
            seen: Mutex::default(),
            revoked: Revoked::default(),
            uses: Uses::default(),
            assertions,
            documents,
            guesses: Guesses::new(guesses::WRONG_SECRETS),
            proofs: Guesses::new(guesses::WRONG_SECRETS),
            refusals: Refusals::default(),
            registrations: Guesses::new(guesses::REGISTRATIONS),
            nobody: Digest::of("nobody"),
        }
    }

    /// The client of that id, if it is known here and active.
    pub fn find(&self, client_id: &str) -> Option<Arc<Client>> {
        if self.is_management(client_id) {
            return Some(Arc::clone(&self.management));
        }
        self.known.load().by_id.get(client_id).map(Arc::clone)
    }

    /// The same, but one that is unknown here is asked of the database: another replica may have
    /// registered it a moment ago. Fails when the database could not be asked for long: a client
    /// that is known here may have been deleted since.
    pub async fn look_up(&self, client_id: &str) -> Result<Option<Arc<Client>>, sqlx::Error> {
        self.ensure_trust(client_id).await?;
        if let Some(client) = self.find(client_id) {
            return Ok(Some(client));
        }
        self.refresh().await?;
        Ok(self.find(client_id))
    }

    /// Compares with the database now, if what is known of the client is too old to believe in. Of the
    /// management client only its revoked tokens are in the database: one look at them is enough.
    pub async fn ensure_trust(&self, client_id: &str) -> Result<(), sqlx::Error> {
        if self.is_management(client_id) && self.known.load().as_of.is_some() {
            return Ok(());
        }
        self.ensure_known().await
    }

    /// The same of whatever is known.
    pub async fn ensure_known(&self) -> Result<(), sqlx::Error> {
        let as_of = self.known.load().as_of;
        let is_old = as_of.is_none_or(|as_of| as_of.elapsed() > TRUST);
        if is_old { self.refresh().await } else { Ok(()) }
    }

    /// The tokens that are void before their end.
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// Who was refused lately.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The client that the settings name.
    pub fn management(&self) -> &Client {
        &self.management
    }

    /// Whether the settings name this client; no registered one can have its id.
    pub fn is_management(&self, client_id: &str) -> bool {
        client_id == self.management.client_id
    }

    /// The API key that a caller shows, if it is known here.
    pub fn api_key(&self, text: &str) -> Option<Arc<KnownKey>> {
        find_known(&self.known.load().api_keys, text).map(Arc::clone)
    }

    /// Who a user is and what he may do, if he is active. One who is unknown here is asked of the database.
    pub async fn person(&self, id: Id) -> Result<Option<Arc<Person>>, sqlx::Error> {
        self.ensure_known().await?;
        let known = || self.known.load().users.get(&id).map(Arc::clone);
        if let Some(person) = known() {
            return Ok(Some(person));
        }
        self.refresh().await?;
        Ok(known())
    }

    /// The client that the secret of `credentials` proves at `now`, as far as it is known here.
    pub fn proven(&self, credentials: &Credentials, now: At) -> Option<Arc<Client>> {
        credentials.secrets().find_map(|presented| {
            let client = self.find(presented.client_id());
            let secrets = client.as_ref().map_or(&[][..], |client| &client.secrets);
            if secrets.is_empty() {
                self.nobody.matches(presented.expose());
            }
            let matches = secrets.iter().any(|secret| secret.proves(presented.expose(), now));
            client.filter(|_| matches)
        })
    }

    /// Catches up with the database. Afterwards all that was committed before the call is known.
    ///
    /// However many ask at once, one query runs at a time, and each serves all who asked before it.
    pub async fn refresh(&self) -> Result<(), sqlx::Error> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut seen = self.seen.lock().await;
        if seen.comparison > before {
            return Ok(());
        }
        let comparison = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let mut known = Known { as_of: Some(Instant::now()), ..Known::clone(&self.known.load()) };
        let News { revisions, registrations, api_keys, users, revoked } =
            self.news_since(&seen).await?;
        if let Some(registrations) = registrations {
            let clients = registrations.into_iter().filter_map(|it| self.documents.believed(it));
            let by_id = clients.map(|client| (client.client_id.clone(), Arc::new(client)));
            known.by_id = Arc::new(by_id.collect());
            seen.clients = Some(revisions.clients);
        }
        if let Some(keys) = api_keys {
            let keys = keys.into_iter().map(|(digest, key)| (digest, Arc::new(key)));
            known.api_keys = Arc::new(keys.collect());
            seen.api_keys = Some(revisions.api_keys);
        }
        if let Some(users) = users {
            let users = users.into_iter().map(|(id, person)| (id, Arc::new(person)));
            known.users = Arc::new(users.collect());
            seen.users = Some(revisions.users);
        }
        self.revoked.add(revoked);
        seen.revoked = revisions.revoked;
        self.known.store(Arc::new(known));
        seen.comparison = comparison;
        Ok(())
    }

    /// What was committed after `seen`. What is read is as new as its revision, or newer.
    async fn news_since(&self, seen: &Seen) -> Result<News, sqlx::Error> {
        self.db
            .read(async |conn| {
                let revisions = store::revisions(conn).await?;
                let registrations = match seen.clients {
                    Some(seen) if seen == revisions.clients => None,
                    _ => Some(store::list_active(conn).await?),
                };
                let api_keys = match seen.api_keys {
                    Some(seen) if seen == revisions.api_keys => None,
                    _ => Some(store::api_keys::list_known(conn).await?),
                };
                let users = match seen.users {
                    Some(seen) if seen == revisions.users => None,
                    _ => Some(store::users::list_known(conn).await?),
                };
                let revoked = match revisions.revoked {
                    same if same == seen.revoked => Vec::new(),
                    _ => store::revoked::list_after(conn, seen.revoked).await?,
                };
                Ok(News { revisions, registrations, api_keys, users, revoked })
            })
            .await
    }

    /// Makes a client unknown here until the next comparison with the database, which its next use
    /// waits for: whether or not that succeeds, what was taken from the client is gone.
    pub async fn forget(&self, client_id: &str) {
        let mut seen = self.seen.lock().await;
        let mut known = Known::clone(&self.known.load());
        Arc::make_mut(&mut known.by_id).remove(client_id);
        self.known.store(Arc::new(known));
        seen.clients = None;
    }

    /// The same of a user.
    pub async fn forget_user(&self, id: Id) {
        let mut seen = self.seen.lock().await;
        let mut known = Known::clone(&self.known.load());
        Arc::make_mut(&mut known.users).remove(&id);
        self.known.store(Arc::new(known));
        seen.users = None;
    }

    /// Makes a change that was just committed count here; other replicas see it in half a second.
    pub async fn catch_up(&self) {
        if let Err(error) = self.refresh().await {
            warn!(%error, "a change to a client is saved, and will count a little later");
        }
    }

    /// Refreshes again and again, until the server stops.
    pub async fn keep_fresh(self: Arc<Self>, stopping: CancellationToken) {
        let mut was_reached = true;
        while !stopping.is_cancelled() {
            let refreshed = self.refresh().await;
            if let (Err(error), true) = (&refreshed, was_reached) {
                warn!(%error, "the clients in memory cannot be compared with the database");
            }
            was_reached = refreshed.is_ok();
            pause(FRESHNESS, &stopping).await;
        }
    }

    /// Notes that a client got a token. The settings' own client has no row to note it in.
    pub fn note_use(&self, client: &Client, at: At) {
        if !self.is_management(&client.client_id) {
            self.uses.note(client, at);
        }
    }

    /// Notes that an API key was used.
    pub fn note_key(&self, key: &KnownKey, at: At) {
        self.uses.note_key(key, at);
    }

    /// Writes uses down and forgets what is over, each minute and once more when the server stops.
    pub async fn tidy(self: Arc<Self>, stopping: CancellationToken, clock: Clock) {
        while !stopping.is_cancelled() {
            pause(TIDY_EVERY, &stopping).await;
            if let Err(error) = self.uses.write_down(&self.db).await {
                warn!(%error, "the last use of some clients was not written down");
            }
            if let Err(error) = self.forget_ended(clock.now()).await {
                warn!(%error, "revoked tokens and assertions that are over were not deleted");
            }
        }
    }

    /// Forgets revoked tokens, what may come once, sessions and grants that were over a minute before `now`.
    async fn forget_ended(&self, now: At) -> Result<(), sqlx::Error> {
        self.revoked.forget_ended(seconds(now));
        let before = At::new(now.time() - Duration::from_secs(AFTER_END));
        let codes_before = At::new(now.time() - CODES_AFTER_END);
        loop {
            let done = self.db.write_behind(async |tx| {
                let done = [
                    store::revoked::delete_ended(tx, before, AT_ONCE).await?,
                    store::replay::delete_ended(tx, before, AT_ONCE).await?,
                    store::sessions::delete_ended(tx, before, AT_ONCE).await?,
                    store::grants::delete_ended(tx, before, AT_ONCE).await?,
                    store::codes::delete_ended(tx, codes_before, AT_ONCE).await?,
                ];
                Ok::<_, sqlx::Error>(done.into_iter().max().unwrap_or_default())
            });
            if done.await? < AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

fn management_client(settings: &ManagementClient) -> Client {
    let secrets = [Some(&settings.secret), settings.secret_previous.as_ref()];
    let secrets = secrets.into_iter().flatten();
    Client {
        client_id: settings.id.clone(),
        registration: None,
        tenant: TenantId::default(),
        name: String::new(),
        scopes: Scopes::all_types(),
        grant_types: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
        redirect_uris: Vec::new(),
        is_public: false,
        is_unchecked: false,
        publisher: None,
        may_act: Vec::new(),
        secrets: secrets
            .map(|secret| ClientSecret { digest: Digest::of(secret.expose_secret()), until: None })
            .collect(),
        keys: None,
    }
}

/// Waits for `time`, or until the server stops.
async fn pause(time: Duration, stopping: &CancellationToken) {
    let _ = tokio::time::timeout(time, stopping.cancelled()).await;
}

#[cfg(test)]
mod tests {
    use testkit::database::DatabaseKind;
    use testkit::database::TestDatabase;

    use super::*;
    use crate::config::Registration;
    use crate::config::RegistrationPolicy;
    use crate::db::DatabaseSettings;
    use crate::db::Sync;
    use crate::db::migrate::Migrator;
    use crate::db::migrate::Source;
    use crate::egress::Allow;
    use crate::egress::Egress;
    use crate::on;

    #[tokio::test]
    async fn a_client_is_not_believed_in_for_long_without_its_database() {
        let (_database, clients) = clients().await;
        clients.refresh().await.unwrap();
        clients.db.close().await;
        assert!(clients.look_up("shop").await.unwrap().is_some());

        let known = Known::clone(&clients.known.load());
        let as_of = Instant::now().checked_sub(TRUST + Duration::from_secs(1));
        clients.known.store(Arc::new(Known { as_of, ..known }));

        assert!(clients.look_up("shop").await.is_err());
        assert!(clients.look_up("admin").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_client_that_was_forgotten_stays_so_without_the_database() {
        let (_database, clients) = clients().await;
        clients.refresh().await.unwrap();
        clients.db.close().await;

        clients.forget("shop").await;
        clients.catch_up().await;

        assert!(clients.find("shop").is_none());
        assert!(clients.look_up("shop").await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_was_forgotten_is_known_again_if_it_is_there() {
        let (_database, clients) = clients().await;
        clients.refresh().await.unwrap();

        clients.forget("shop").await;

        assert!(clients.look_up("shop").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_hides_no_client() {
        let (_database, clients) = clients().await;
        in_sql(
            &clients,
            "INSERT INTO client_registrations (client_id, created_at) VALUES ('odd', 'yesterday')",
        )
        .await;

        clients.refresh().await.unwrap();

        assert!(clients.find("shop").is_some() && clients.find("odd").is_none());
    }

    /// With one registered client, `shop`.
    async fn clients() -> (TestDatabase, Clients) {
        let database = TestDatabase::empty(DatabaseKind::Sqlite).await;
        let url = database.url().to_owned().into();
        let settings = DatabaseSettings { url, pool: 2, sync: Sync::Normal };
        let migrator = Migrator::new(settings.clone(), Source::Embedded, Clock::System).unwrap();
        migrator.up(None, &mut |_| {}).await.unwrap();
        let db = Db::open(&settings).await.unwrap();
        let secret = "a-management-secret".to_owned().into();
        let management = ManagementClient { id: "admin".to_owned(), secret, secret_previous: None };
        let egress = Egress::new(Allow::default()).unwrap();
        let settings = Registration {
            policy: RegistrationPolicy::Admin,
            scopes: Scopes::default(),
            documents: Vec::new(),
        };
        let documents = Documents::new(egress.clone(), &settings);
        let assertions = Assertions::new(db.clone(), "https://a.example".to_owned(), egress);
        let clients = Clients::new(&management, db, (assertions, documents));
        in_sql(&clients, "INSERT INTO client_registrations (client_id) VALUES ('shop')").await;
        (database, clients)
    }

    async fn in_sql(clients: &Clients, sql: &'static str) {
        let done = clients.db.write(async |tx| on!(tx, c => sqlx::query(sql).execute(c).await));
        done.await.unwrap();
    }
}
