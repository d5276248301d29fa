//! Who wants to hear when something changes that can be called.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::Peer;
use rmcp::service::SubscriptionSink;
use tracing::warn;

use crate::app::App;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::mcp::offers;
use crate::mcp::protocol::resources;
use crate::mcp::store::subscriptions;
use crate::mcp::store::subscriptions::Subscription;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;

/// How often it is looked whether something has changed.
const PACE: Duration = Duration::from_millis(300);

/// Of so many sessions it is asked at once what they hear of.
const SESSIONS: usize = 500;

/// Why it is not known whether a resource has changed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Definitions(#[from] DefinitionError),
    #[error(transparent)]
    Runs(#[from] RunsError),
    #[error("the database could not be asked what sessions hear of")]
    Database(#[from] sqlx::Error),
}

/// Those of this process.
#[derive(Debug, Default)]
pub struct Watchers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    all: BTreeMap<u64, Watcher>,
    /// What each tenant that is watched had when it was looked at last.
    seen: HashMap<TenantId, u64>,
}

#[derive(Debug, Clone)]
struct Watcher {
    tenant: TenantId,
    subject: String,
    ear: Ear,
    /// Of which resources he hears, and how each was when he heard of it last.
    resources: BTreeMap<String, String>,
}

/// How he is told.
#[derive(Debug, Clone)]
pub enum Ear {
    /// He has asked for it, and listens.
    Subscribed(SubscriptionSink),
    /// He has the session with this id.
    Session(Option<String>, Peer<RoleServer>),
}

impl Watchers {
    /// Lets `caller` hear of all changes from now on; `None`: he has too many ears already.
    pub async fn add(
        &self,
        app: &App,
        caller: &Principal,
        ear: Ear,
        resources: BTreeMap<String, String>,
    ) -> Result<Option<u64>, DefinitionError> {
        let (tenant, subject) = (caller.tenant.clone(), caller.subject.to_string());
        let is_seen = self.lock().seen.contains_key(&tenant);
        let digest = if is_seen { None } else { Some(digest(app, &tenant).await?) };
        let mut state = self.lock();
        state.all.retain(|_, watcher| watcher.ear.is_there());
        let own = state.all.values().filter(|it| it.tenant == tenant && it.subject == subject);
        if own.count() >= app.config.mcp.sessions_of_one as usize {
            return Ok(None);
        }
        if let Some(digest) = digest {
            state.seen.entry(tenant.clone()).or_insert(digest);
        }
        state.last += 1;
        let key = state.last;
        state.all.insert(key, Watcher { tenant, subject, ear, resources });
        Ok(Some(key))
    }

    pub fn remove(&self, key: u64) {
        self.lock().all.remove(&key);
    }

    /// Tells of changes, until the server stops.
    pub async fn watch(app: App) {
        let stopping = app.tasks.stopping().clone();
        while stopping.run_until_cancelled(tokio::time::sleep(PACE)).await.is_some() {
            for tenant in app.mcp.service.watchers.tenants() {
                if let Err(cause) = app.mcp.service.watchers.look(&app, &tenant).await {
                    let cause: &dyn std::error::Error = &cause;
                    warn!(error = cause, %tenant, "it is not known what can be called by MCP");
                }
            }
            if let Err(cause) = app.mcp.service.watchers.look_at_resources(&app).await {
                let cause: &dyn std::error::Error = &cause;
                warn!(error = cause, "it is not known what can be read by MCP");
            }
        }
    }

    /// The tenants that somebody watches.
    fn tenants(&self) -> Vec<TenantId> {
        let mut state = self.lock();
        state.all.retain(|_, watcher| watcher.ear.is_there());
        let State { all, seen, .. } = &mut *state;
        seen.retain(|tenant, _| all.values().any(|it| it.tenant == *tenant));
        seen.keys().cloned().collect()
    }

    async fn look(&self, app: &App, tenant: &TenantId) -> Result<(), DefinitionError> {
        let digest = digest(app, tenant).await?;
        let told: Vec<Watcher> = {
            let mut state = self.lock();
            if state.seen.insert(tenant.clone(), digest) == Some(digest) {
                return Ok(());
            }
            state.all.values().filter(|it| it.tenant == *tenant).cloned().collect()
        };
        for watcher in told {
            // Who does not read does not keep the others from hearing.
            app.tasks.spawn(async move { watcher.ear.tell().await });
        }
        Ok(())
    }

    /// Tells of resources that have changed.
    async fn look_at_resources(&self, app: &App) -> Result<(), LookError> {
        self.recall(app).await?;
        let watched: BTreeMap<TenantId, BTreeSet<String>> = {
            let mut watched = BTreeMap::<_, BTreeSet<String>>::new();
            for watcher in self.lock().all.values().filter(|it| !it.resources.is_empty()) {
                let uris = watched.entry(watcher.tenant.clone()).or_default();
                uris.extend(watcher.resources.keys().cloned());
            }
            watched
        };
        for (tenant, uris) in watched {
            let kept = app.mcp.servers.find(&tenant).await?;
            let offers = offers::of_tenant(app, &tenant, &kept.server.expose).await?;
            for uri in uris {
                let state = resources::state(app, &tenant, &offers, &uri).await?;
                self.tell_of(app, &tenant, &uri, &state.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Tells whoever has not heard that what is at `uri` is in this `state`.
    fn tell_of(&self, app: &App, tenant: &TenantId, uri: &str, state: &str) {
        for watcher in self.lock().all.values_mut().filter(|it| it.tenant == *tenant) {
            let Some(heard) = watcher.resources.get_mut(uri) else { continue };
            if heard != state {
                state.clone_into(heard);
                let (ear, uri) = (watcher.ear.clone(), uri.to_owned());
                app.tasks.spawn(async move { ear.tell_of(uri).await });
            }
        }
    }

    /// Looks of which resources sessions hear: any process may have been told.
    async fn recall(&self, app: &App) -> Result<(), sqlx::Error> {
        let sessions: Vec<String> =
            self.lock().all.values().filter_map(|it| it.ear.session().map(str::to_owned)).collect();
        for sessions in sessions.chunks(SESSIONS) {
            let found = app.db.read(async |conn| subscriptions::of(conn, sessions).await).await?;
            let mut wanted = HashMap::<String, BTreeMap<String, String>>::new();
            for Subscription { session_id, uri, seen } in found {
                wanted.entry(session_id).or_default().insert(uri, seen);
            }
            for watcher in self.lock().all.values_mut() {
                let Some(id) = watcher.ear.session() else { continue };
                if !sessions.iter().any(|it| it == id) {
                    continue;
                }
                let mut wanted = wanted.remove(id).unwrap_or_default();
                // What he has heard of meanwhile is newer than what was there when he asked.
                for (uri, seen) in &mut wanted {
                    if let Some(heard) = watcher.resources.get(uri) {
                        seen.clone_from(heard);
                    }
                }
                watcher.resources = wanted;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    fn is_there(&self) -> bool {
        match self {
            // It is taken away by whoever listens.
            Self::Subscribed(_) => true,
            Self::Session(_, peer) => !peer.is_transport_closed(),
        }
    }

    fn session(&self) -> Option<&str> {
        match self {
            Self::Subscribed(_) => None,
            Self::Session(id, _) => id.as_deref(),
        }
    }

    /// One that is gone hears nothing, which is no fault.
    async fn tell_of(self, uri: String) {
        match self {
            Self::Subscribed(sink) => drop(sink.notify_resource_updated(uri).await),
            Self::Session(_, peer) => {
                let changed = ResourceUpdatedNotificationParam::new(uri);
                drop(peer.notify_resource_updated(changed).await);
            }
        }
    }

    /// One that is gone hears nothing, which is no fault.
    async fn tell(self) {
        match self {
            Self::Subscribed(sink) => {
                let _ = sink.notify_tool_list_changed().await;
                let _ = sink.notify_prompt_list_changed().await;
                let _ = sink.notify_resource_list_changed().await;
            }
            Self::Session(_, peer) => {
                let _ = peer.notify_tool_list_changed().await;
                let _ = peer.notify_prompt_list_changed().await;
                let _ = peer.notify_resource_list_changed().await;
            }
        }
    }
}

/// What can be called of a tenant, in a number.
async fn digest(app: &App, tenant: &TenantId) -> Result<u64, DefinitionError> {
    let kept = app.mcp.servers.find(tenant).await?;
    let mut hasher = DefaultHasher::new();
    for offer in offers::of_tenant(app, tenant, &kept.server.expose).await? {
        (offer.name(), offer.content_hash()).hash(&mut hasher);
    }
    Ok(hasher.finish())
}
