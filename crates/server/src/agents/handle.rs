//! The one way to the agents: all of them in memory, never a second behind the database.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::agents::Agent;
use crate::agents::AgentError;
use crate::agents::KIND;
use crate::agents::models::Models;
use crate::agents::references::Surroundings;
use crate::agents::settle::Change;
use crate::agents::settle::settle;
use crate::agents::snapshot::Snapshot;
use crate::agents::store;
use crate::agents::store::Row;
use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::store as definitions;
use crate::tools::Tools;

/// How often we look whether somebody else changed something.
const POLL: Duration = Duration::from_millis(500);

/// Rows that are settled in one transaction.
const BATCH: usize = 50;

const TABLE: &str = "agent_definitions";

/// The agents of all tenants. Clones share them.
#[derive(Debug, Clone)]
pub struct Agents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    ids: Ids,
    surroundings: Surroundings,
    snapshots: ArcSwap<HashMap<TenantId, Arc<Snapshot>>>,
    /// Held while a snapshot is made, so that none undoes another.
    gate: Mutex<()>,
}

impl Agents {
    pub fn new(db: Db, clock: Clock, ids: Ids, models: Models, tools: Tools) -> Self {
        let surroundings = Surroundings { models, tools };
        let snapshots = ArcSwap::default();
        Self(Arc::new(Inner { db, clock, ids, surroundings, snapshots, gate: Mutex::default() }))
    }

    /// Keeps the snapshots new until the server stops.
    pub fn start(&self, tasks: &Tasks) {
        let agents = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(POLL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = agents.refresh().await {
                    warn!(error = &error as &dyn Error, "agents were not refreshed");
                }
            }
        });
    }

    /// Finds an agent by its id or its name, whatever the case of either.
    ///
    /// One that was changed elsewhere may be found as it was half a second ago; one that was made
    /// elsewhere is always found.
    pub async fn find(
        &self,
        tenant: &TenantId,
        id_or_name: &str,
    ) -> Result<Option<Arc<Agent>>, AgentError> {
        if let Some(agent) = self.cached(tenant).and_then(|it| it.find(id_or_name).cloned()) {
            return Ok(Some(agent));
        }
        Ok(self.snapshot(tenant).await?.find(id_or_name).cloned())
    }

    /// Finds a version of an agent, also of one that was deleted; that one is not active.
    pub async fn version(
        &self,
        tenant: &TenantId,
        id: Id,
        version: i64,
    ) -> Result<Option<Arc<Agent>>, AgentError> {
        let found = self
            .db()
            .read(async |conn| definitions::find_version(conn, tenant, KIND, id, version).await)
            .await?;
        let Some(version) = found else { return Ok(None) };
        let snapshot = self.snapshot(tenant).await?;
        let current = snapshot.find_by_id(id).map(Arc::as_ref);
        let mut agent = Arc::new(Agent::of_version(id, version, current)?);
        snapshot.judge(&mut agent, tenant, self.surroundings());
        Ok(Some(agent))
    }

    /// The agents of a tenant as they are now.
    pub async fn snapshot(&self, tenant: &TenantId) -> Result<Arc<Snapshot>, AgentError> {
        let revision = self.revision().await?;
        match self.cached(tenant) {
            Some(snapshot) if snapshot.revision == revision => Ok(snapshot),
            _ => self.reload(tenant).await,
        }
    }

    /// Shows what this process just wrote, before the next look at the database.
    pub(in crate::agents) async fn show(&self, tenant: &TenantId, row: &Row) -> Arc<Agent> {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        let mut agent = Arc::new(Agent::of_row(row, row.normalise()));
        snapshot.insert(Arc::clone(&agent));
        snapshot.judge(&mut agent, tenant, self.surroundings());
        snapshot.insert(Arc::clone(&agent));
        self.store(tenant, snapshot);
        agent
    }

    /// The same for what it deleted.
    pub(in crate::agents) async fn hide(&self, tenant: &TenantId, id: Id) {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        snapshot.remove(id);
        self.store(tenant, snapshot);
    }

    pub(in crate::agents) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(in crate::agents) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(in crate::agents) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    pub(in crate::agents) fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// Reloads the agents of the tenants that are known, if any agent changed.
    async fn refresh(&self) -> Result<(), AgentError> {
        let snapshots = self.0.snapshots.load_full();
        if snapshots.is_empty() {
            return Ok(());
        }
        let revision = self.revision().await?;
        for (tenant, _) in snapshots.iter().filter(|(_, it)| it.revision != revision) {
            self.reload(tenant).await?;
        }
        Ok(())
    }

    async fn revision(&self) -> Result<i64, AgentError> {
        Ok(self.db().read(async |conn| definitions::find_revision(conn, TABLE).await).await?)
    }

    async fn reload(&self, tenant: &TenantId) -> Result<Arc<Snapshot>, AgentError> {
        let _turn = self.0.gate.lock().await;
        let known = self.cached(tenant).unwrap_or_default();
        // In this order: rows that are newer than the revision are only read once more.
        let (revision, rows) = self
            .db()
            .read(async |conn| {
                let revision = definitions::find_revision(conn, TABLE).await?;
                Ok::<_, AgentError>((revision, store::list(conn, tenant).await?))
            })
            .await?;
        let mut snapshot = Snapshot::new(revision);
        let mut unsettled = Vec::new();
        for row in &readable(rows) {
            if let Some(agent) = known.unchanged(row) {
                snapshot.insert(agent);
                continue;
            }
            let normal = row.normalise();
            if row.is_settled(&normal.document) {
                snapshot.insert(Arc::new(Agent::of_row(row, normal)));
            } else {
                unsettled.push(row.id);
            }
        }
        for row in self.settle_all(tenant, &unsettled).await? {
            snapshot.insert(Arc::new(Agent::of_row(&row, row.normalise())));
        }
        snapshot.judge_all(tenant, self.surroundings());
        Ok(self.store(tenant, snapshot))
    }

    async fn settle_all(&self, tenant: &TenantId, ids: &[Id]) -> Result<Vec<Row>, AgentError> {
        let mut rows = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let change = Change::in_sql(self.clock().now());
            let settled = self
                .db()
                .write(async |tx| {
                    let mut settled = Vec::with_capacity(batch.len());
                    for id in batch {
                        settled.extend(settle(tx, tenant, *id, change).await?);
                    }
                    Ok::<_, AgentError>(settled)
                })
                .await?;
            rows.extend(settled);
        }
        Ok(rows)
    }

    fn cached(&self, tenant: &TenantId) -> Option<Arc<Snapshot>> {
        self.0.snapshots.load().get(tenant).cloned()
    }

    fn store(&self, tenant: &TenantId, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        let mut snapshots = HashMap::clone(&self.0.snapshots.load());
        snapshots.insert(tenant.clone(), Arc::clone(&snapshot));
        self.0.snapshots.store(Arc::new(snapshots));
        snapshot
    }
}

/// The rows that could be read; of the others the log tells.
fn readable(rows: Vec<Result<Row, sqlx::Error>>) -> Vec<Row> {
    let mut readable = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Ok(row) => readable.push(row),
            Err(error) => warn!(
                error = &error as &dyn Error,
                "a row of agent_definitions is left out: its id or a time of it cannot be read"
            ),
        }
    }
    readable
}
