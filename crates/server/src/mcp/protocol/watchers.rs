//! Who wants to hear when something changes that can be called.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::Peer;
use rmcp::service::SubscriptionSink;
use tracing::warn;

use crate::app::App;
use crate::db::TenantId;
use crate::definitions::DefinitionError;
use crate::mcp::offers;
use crate::oauth::caller::Principal;

/// How often it is looked whether something has changed.
const PACE: Duration = Duration::from_millis(300);

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
}

/// How he is told.
#[derive(Debug, Clone)]
pub enum Ear {
    /// He has asked for it, and listens.
    Subscribed(SubscriptionSink),
    /// He has a session.
    Session(Peer<RoleServer>),
}

impl Watchers {
    /// Lets `caller` hear of all changes from now on; `None`: he has too many ears already.
    pub async fn add(
        &self,
        app: &App,
        caller: &Principal,
        ear: Ear,
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
        state.all.insert(key, Watcher { tenant, subject, ear });
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    fn is_there(&self) -> bool {
        match self {
            // It is taken away by whoever listens.
            Self::Subscribed(_) => true,
            Self::Session(peer) => !peer.is_transport_closed(),
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
            Self::Session(peer) => {
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
