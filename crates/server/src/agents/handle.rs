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
use crate::agents::CodeAgents;
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
use crate::db::Conn;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::store as definitions;
use crate::tools::Tools;

/// How often we look whether somebody else changed something.
const POLL: Duration = Duration::from_millis(500);

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
    code: CodeAgents,
    snapshots: ArcSwap<HashMap<TenantId, Arc<Snapshot>>>,
    /// Held while a snapshot is made, so that none undoes another.
    gate: Mutex<()>,
}

impl Agents {
    pub fn new(
        db: Db,
        clock: Clock,
        ids: Ids,
        models: Models,
        tools: Tools,
        code: CodeAgents,
    ) -> Self {
        let surroundings = Surroundings { models, tools };
        let (snapshots, gate) = (ArcSwap::default(), Mutex::default());
        Self(Arc::new(Inner { db, clock, ids, surroundings, code, snapshots, gate }))
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
            Some(snapshot) if snapshot.revision == Some(revision) => Ok(snapshot),
            _ => self.reload(tenant).await,
        }
    }

    /// Shows what this process just wrote, before the next look at the database. That look reads all:
    /// somebody else may have written after us and been read before.
    pub(in crate::agents) async fn show(&self, tenant: &TenantId, row: &Row) -> Arc<Agent> {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        let mut agent = Arc::new(Agent::of_row(row, row.normalise()));
        snapshot.insert(Arc::clone(&agent));
        snapshot.judge(&mut agent, tenant, self.surroundings());
        snapshot.insert(Arc::clone(&agent));
        snapshot.revision = None;
        self.store(tenant, snapshot);
        agent
    }

    /// The same for what it deleted.
    pub(in crate::agents) async fn hide(&self, tenant: &TenantId, id: Id) {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        snapshot.remove(id);
        snapshot.revision = None;
        self.store(tenant, snapshot);
    }

    /// The agents of a tenant while `tx` keeps other writers through the API from changing them.
    pub(in crate::agents) async fn hold(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
    ) -> Result<Arc<Snapshot>, AgentError> {
        store::lock_all(tx, tenant).await?;
        let revision = definitions::find_revision(tx, TABLE).await?;
        let known = self.cached(tenant).unwrap_or_default();
        if known.revision == Some(revision) {
            return Ok(known);
        }
        let mut snapshot = Snapshot::new(revision, Arc::clone(known.code()));
        for row in readable(store::list(tx, tenant).await?) {
            let agent = known.unchanged(&row);
            let read = || Arc::new(Agent::of_row(&row, row.normalise()));
            snapshot.insert(agent.unwrap_or_else(read));
        }
        Ok(Arc::new(snapshot))
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

    /// What agents can be given to think with.
    pub(in crate::agents) fn models(&self) -> &Models {
        &self.0.surroundings.models
    }

    pub(in crate::agents) fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// Reloads the agents of the tenants that are known, if any agent changed. A tenant whose agents
    /// cannot be read does not keep the others from theirs.
    async fn refresh(&self) -> Result<(), AgentError> {
        let snapshots = self.0.snapshots.load_full();
        if snapshots.is_empty() {
            return Ok(());
        }
        let revision = self.revision().await?;
        let mut outcome = Ok(());
        for (tenant, _) in snapshots.iter().filter(|(_, it)| it.revision != Some(revision)) {
            outcome = outcome.and(self.reload(tenant).await.map(drop));
        }
        outcome
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
        let code = if known.code().is_empty() {
            Arc::new(self.0.code.settled(self.db(), tenant, self.clock().now()).await?)
        } else {
            Arc::clone(known.code())
        };
        let mut snapshot = Snapshot::new(revision, code);
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
        for id in unsettled {
            if let Some(row) = self.settle(tenant, id).await? {
                snapshot.insert(Arc::new(Agent::of_row(&row, row.normalise())));
            }
        }
        snapshot.judge_all(tenant, self.surroundings());
        Ok(self.store(tenant, snapshot))
    }

    /// Settles one row in a transaction of its own: who holds several rows while he waits for the
    /// number in `revisions` could wait for somebody who waits for him.
    async fn settle(&self, tenant: &TenantId, id: Id) -> Result<Option<Row>, AgentError> {
        let change = Change::in_sql(self.clock().now());
        let settled = self.db().write(async |tx| settle(tx, tenant, id, change).await).await;
        match settled {
            Err(AgentError::Database(fault)) if is_of_one_row(&fault) => {
                warn!(agent.id = %id, error = &fault as &dyn Error, "an agent is left out");
                Ok(None)
            }
            settled => settled,
        }
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

/// Whether what failed is a value that cannot be read, and not the database.
fn is_of_one_row(fault: &sqlx::Error) -> bool {
    matches!(fault, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use llm::Timeouts;
    use reqwest::Client;
    use testkit::database::DatabaseKind;
    use testkit::database::TestDatabase;

    use super::*;
    use crate::config;
    use crate::db::DatabaseSettings;
    use crate::db::Sync;
    use crate::db::migrate::Migrator;
    use crate::db::migrate::Source;
    use crate::on;

    #[tokio::test]
    async fn what_this_process_wrote_does_not_hide_what_others_wrote_since() {
        let (_database, agents) = agents().await;
        let tenant = TenantId::default();
        in_sql(
            &agents,
            "INSERT INTO agent_definitions (name, display_name, instructions) VALUES ('a', 'A', 'old')",
        )
        .await;
        let id = agents.find(&tenant, "a").await.unwrap().unwrap().id;
        let row = agents.db().read(async |conn| store::find(conn, &tenant, id).await);
        let old = row.await.unwrap().unwrap();
        in_sql(&agents, "UPDATE agent_definitions SET instructions = 'new'").await;
        agents.snapshot(&tenant).await.unwrap();

        agents.show(&tenant, &old).await;

        agents.refresh().await.unwrap();
        let found = agents.find(&tenant, "a").await.unwrap().unwrap();
        assert_eq!(found.content.instructions, "new");
        in_sql(&agents, "DELETE FROM agent_definitions").await;
        agents.snapshot(&tenant).await.unwrap();
        agents.show(&tenant, &old).await;
        assert!(agents.snapshot(&tenant).await.unwrap().find("a").is_none());
    }

    #[tokio::test]
    async fn the_first_agent_that_is_written_is_not_taken_for_all() {
        let (_database, agents) = agents().await;
        let tenant = TenantId::default();

        agents.hide(&tenant, Ids::Random.next()).await;

        assert_eq!(agents.cached(&tenant).unwrap().revision, None);
    }

    async fn agents() -> (TestDatabase, Agents) {
        let database = TestDatabase::empty(DatabaseKind::Sqlite).await;
        let url = database.url().to_owned().into();
        let settings = DatabaseSettings { url, pool: 2, sync: Sync::Normal };
        let migrator = Migrator::new(settings.clone(), Source::Embedded, Clock::System).unwrap();
        migrator.up(None, &mut |_| {}).await.unwrap();
        let db = Db::open(&settings).await.unwrap();
        let models = config::Models {
            default: "demo/scripted".to_owned(),
            aliases: BTreeMap::new(),
            prices: BTreeMap::new(),
            providers: BTreeMap::new(),
            timeouts: Timeouts::default(),
        };
        let models = Models::new(&models, &Client::new());
        let tools = Tools::built_in().unwrap();
        (
            database,
            Agents::new(db, Clock::System, Ids::Random, models, tools, CodeAgents::default()),
        )
    }

    async fn in_sql(agents: &Agents, sql: &'static str) {
        let done = agents.db().write(async |tx| on!(tx, c => sqlx::query(sql).execute(c).await));
        done.await.unwrap();
    }
}
