//! The one way to the definitions of a kind: all of them in memory, never a second behind the database.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::app::Clock;
use crate::app::Ids;
use crate::app::Tasks;
use crate::db::Conn;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Change;
use crate::definitions::Definition;
use crate::definitions::DefinitionError;
use crate::definitions::Document;
use crate::definitions::Kind;
use crate::definitions::OfCode;
use crate::definitions::Row;
use crate::definitions::Snapshot;
use crate::definitions::Version;
use crate::definitions::code_id;
use crate::definitions::settle;
use crate::definitions::settle_code;
use crate::definitions::store;
use crate::definitions::store::UnreadableRow;

/// How often we look whether somebody else changed something.
const POLL: Duration = Duration::from_millis(500);

/// The definitions of kind `K` of all tenants. Clones share them.
#[derive(Debug)]
pub struct Definitions<K: Kind>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K: Kind> {
    db: Db,
    clock: Clock,
    ids: Ids,
    kind: K,
    code: InCode<K>,
    snapshots: ArcSwap<HashMap<TenantId, Arc<Snapshot<K>>>>,
    /// Held while a snapshot is made, so that none undoes another.
    gate: Mutex<()>,
}

/// What the code defines, by names in lower case.
#[derive(Debug)]
pub enum InCode<K: Kind> {
    /// What each says: it is looked up in the history, and belongs to the tenant `default`.
    Versioned(BTreeMap<String, Document>),
    /// Without a history: those of every tenant, and those of the tenant `default`.
    Unversioned { all: Arc<OfCode<K>>, default: Arc<OfCode<K>> },
}

impl<K: Kind> Definitions<K> {
    pub fn new(db: Db, clock: Clock, ids: Ids, kind: K, code: InCode<K>) -> Self {
        let (snapshots, gate) = (ArcSwap::default(), Mutex::default());
        Self(Arc::new(Inner { db, clock, ids, kind, code, snapshots, gate }))
    }

    /// The definitions of another kind in the same database.
    pub fn beside<O: Kind>(other: &Definitions<O>, kind: K, code: InCode<K>) -> Self {
        let Inner { db, clock, ids, .. } = &*other.0;
        Self::new(db.clone(), clock.clone(), ids.clone(), kind, code)
    }

    /// Keeps the snapshots new until the server stops.
    pub fn start(&self, tasks: &Tasks) {
        let definitions = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(POLL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = definitions.refresh().await {
                    warn!(
                        kind = K::NAME,
                        error = &error as &dyn Error,
                        "definitions were not refreshed"
                    );
                }
            }
        });
    }

    /// Finds a definition by its id or its name, whatever the case of either.
    ///
    /// One that was changed elsewhere may be found as it was half a second ago; one that was made
    /// elsewhere is always found.
    pub async fn find(
        &self,
        tenant: &TenantId,
        id_or_name: &str,
    ) -> Result<Option<Arc<Definition<K>>>, DefinitionError> {
        if let Some(found) = self.cached(tenant).and_then(|it| it.find(id_or_name).cloned()) {
            return Ok(Some(found));
        }
        Ok(self.snapshot(tenant).await?.find(id_or_name).cloned())
    }

    /// Finds a version of a definition, also of one that was deleted; that one is not active.
    pub async fn version(
        &self,
        tenant: &TenantId,
        id: Id,
        version: i64,
    ) -> Result<Option<Arc<Definition<K>>>, DefinitionError> {
        let found = self
            .db()
            .read(async |conn| store::find_version(conn, tenant, K::NAME, id, version).await)
            .await?;
        let Some(version) = found else { return Ok(None) };
        let snapshot = self.snapshot(tenant).await?;
        let current = snapshot.find_by_id(id).map(Arc::as_ref);
        let mut past = Arc::new(Definition::of_version(self.kind(), id, version, current)?);
        snapshot.judge(self.kind(), tenant, &mut past);
        Ok(Some(past))
    }

    /// The definitions of a tenant as they are now.
    pub async fn snapshot(&self, tenant: &TenantId) -> Result<Arc<Snapshot<K>>, DefinitionError> {
        let revision = self.revision().await?;
        match self.cached(tenant) {
            Some(snapshot) if snapshot.revision == Some(revision) => Ok(snapshot),
            _ => self.reload(tenant).await,
        }
    }

    /// Shows what this process just wrote, before the next look at the database. That look reads all:
    /// somebody else may have written after us and been read before.
    pub(in crate::definitions) async fn show(
        &self,
        tenant: &TenantId,
        row: &Row<K>,
    ) -> Arc<Definition<K>> {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        let kind = self.kind();
        let mut written = Arc::new(Definition::of_row(kind, row, row.normalise(kind)));
        snapshot.insert(Arc::clone(&written));
        snapshot.judge(kind, tenant, &mut written);
        snapshot.insert(Arc::clone(&written));
        snapshot.revision = None;
        self.store(tenant, snapshot);
        written
    }

    /// The same for what it deleted.
    pub(in crate::definitions) async fn hide(&self, tenant: &TenantId, id: Id) {
        let _turn = self.0.gate.lock().await;
        let mut snapshot = self.cached(tenant).map(Arc::unwrap_or_clone).unwrap_or_default();
        snapshot.remove(id);
        snapshot.revision = None;
        self.store(tenant, snapshot);
    }

    /// The definitions of a tenant while `tx` keeps other writers through the API from changing any.
    pub(in crate::definitions) async fn hold_all(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
    ) -> Result<Arc<Snapshot<K>>, DefinitionError> {
        store::lock_all(tx, tenant).await?;
        self.seen_by(tx, tenant).await
    }

    /// The definitions of a tenant as `conn` sees them. What is wrong with those that changed is not
    /// known yet, nor the version of those that were written in SQL.
    pub async fn seen_by(
        &self,
        conn: &mut Conn<'_>,
        tenant: &TenantId,
    ) -> Result<Arc<Snapshot<K>>, DefinitionError> {
        let revision = store::find_revision(conn, K::WATCHED).await?;
        let known = self.cached(tenant).unwrap_or_default();
        if known.revision == Some(revision) {
            return Ok(known);
        }
        let kind = self.kind();
        let view = kind.look(conn, tenant, &known.view).await?;
        let code = self.unversioned(tenant).unwrap_or_else(|| Arc::clone(known.code()));
        let mut snapshot = Snapshot::new(revision, view, code);
        for row in readable(store::list(conn, tenant).await?) {
            let definition = known.unchanged(&row);
            let read = || Arc::new(Definition::of_row(kind, &row, row.normalise(kind)));
            snapshot.insert(definition.unwrap_or_else(read));
        }
        Ok(Arc::new(snapshot))
    }

    /// What the row of a definition says, which nobody changes until the transaction ends, and the version that it
    /// is. Its references are not followed.
    pub async fn hold(
        &self,
        tx: &mut Conn<'_>,
        tenant: &TenantId,
        id: Id,
    ) -> Result<Option<(Definition<K>, Option<Version>)>, DefinitionError> {
        let (kind, change) = (self.kind(), Change::in_sql(self.clock().now()));
        let Some(row) = settle(kind, tx, tenant, id, change).await? else { return Ok(None) };
        let number = row.version.unwrap_or_default();
        let version = store::find_version(tx, tenant, K::NAME, id, number).await?;
        Ok(Some((Definition::of_row(kind, &row, row.normalise(kind)), version)))
    }

    pub fn kind(&self) -> &K {
        &self.0.kind
    }

    pub(in crate::definitions) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(in crate::definitions) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(in crate::definitions) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// Reloads the definitions of the tenants that are known, if any changed. A tenant whose definitions
    /// cannot be read does not keep the others from theirs.
    async fn refresh(&self) -> Result<(), DefinitionError> {
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

    async fn revision(&self) -> Result<i64, DefinitionError> {
        Ok(self.db().read(async |conn| store::find_revision(conn, K::WATCHED).await).await?)
    }

    async fn reload(&self, tenant: &TenantId) -> Result<Arc<Snapshot<K>>, DefinitionError> {
        let _turn = self.0.gate.lock().await;
        let known = self.cached(tenant).unwrap_or_default();
        let kind = self.kind();
        kind.call_up(tenant).await?;
        // In this order: what is newer than the revision is only read once more.
        let read = self.db().read(async |conn| {
            let revision = store::find_revision(conn, K::WATCHED).await?;
            let view = kind.look(conn, tenant, &known.view).await?;
            Ok::<_, DefinitionError>((revision, view, store::list(conn, tenant).await?))
        });
        let (revision, view, rows) = read.await?;
        let code = self.code(tenant, &known).await?;
        let mut snapshot = Snapshot::new(revision, view, code);
        let mut unsettled = Vec::new();
        for row in &readable(rows) {
            if let Some(definition) = known.unchanged(row) {
                snapshot.insert(definition);
                continue;
            }
            let normal = row.normalise(kind);
            if row.is_settled(&normal.document) {
                snapshot.insert(Arc::new(Definition::of_row(kind, row, normal)));
            } else {
                unsettled.push(row.id);
            }
        }
        for id in unsettled {
            if let Some(row) = self.settle(tenant, id).await? {
                let normal = row.normalise(kind);
                snapshot.insert(Arc::new(Definition::of_row(kind, &row, normal)));
            }
        }
        snapshot.judge_all(kind, tenant);
        Ok(self.store(tenant, snapshot))
    }

    /// The definitions of the code; `known` has them if they were looked up before.
    async fn code(
        &self,
        tenant: &TenantId,
        known: &Snapshot<K>,
    ) -> Result<Arc<OfCode<K>>, DefinitionError> {
        if let Some(code) = self.unversioned(tenant) {
            return Ok(code);
        }
        let InCode::Versioned(documents) = &self.0.code else { return Ok(Arc::default()) };
        if !known.code().is_empty() || *tenant != TenantId::default() {
            return Ok(Arc::clone(known.code()));
        }
        let mut code = OfCode::new();
        for (name, document) in documents {
            code.insert(name.clone(), Arc::new(self.settled(tenant, name, document).await?));
        }
        Ok(Arc::new(code))
    }

    /// Those of the code that have no history, if they have none.
    fn unversioned(&self, tenant: &TenantId) -> Option<Arc<OfCode<K>>> {
        match &self.0.code {
            InCode::Versioned(_) => None,
            InCode::Unversioned { default, .. } if *tenant == TenantId::default() => {
                Some(Arc::clone(default))
            }
            InCode::Unversioned { all, .. } => Some(Arc::clone(all)),
        }
    }

    /// A definition of the code at the version that says what it says.
    ///
    /// A content that was never seen becomes a version now: what nobody asks for is not written.
    async fn settled(
        &self,
        tenant: &TenantId,
        name: &str,
        document: &Document,
    ) -> Result<Definition<K>, DefinitionError> {
        let (db, now) = (self.db(), self.clock().now());
        let (id, hash) = (code_id(K::NAME, name), document.hash());
        let found = db
            .read(async |conn| store::find_version_by_hash(conn, tenant, K::NAME, id, &hash).await);
        let version = match found.await? {
            Some(known) => known,
            None => {
                db.write(async |tx| settle_code::<K>(tx, tenant, id, document, now).await).await?
            }
        };
        let first = db.read(async |conn| store::find_version(conn, tenant, K::NAME, id, 1).await);
        let first = first.await?.and_then(|first| first.created_at);
        let first = first.or(version.created_at).unwrap_or(now);
        Definition::of_code(self.kind(), id, version, first)
    }

    /// Settles one row in a transaction of its own: who holds several rows while he waits for the
    /// number in `revisions` could wait for somebody who waits for him.
    async fn settle(&self, tenant: &TenantId, id: Id) -> Result<Option<Row<K>>, DefinitionError> {
        let change = Change::in_sql(self.clock().now());
        let settled =
            self.db().write(async |tx| settle(self.kind(), tx, tenant, id, change).await).await;
        match settled {
            Err(DefinitionError::Database(fault)) if is_of_one_row(&fault) => {
                warn!(definition.id = %id, kind = K::NAME, error = &fault as &dyn Error, "a definition is left out");
                Ok(None)
            }
            settled => settled,
        }
    }

    fn cached(&self, tenant: &TenantId) -> Option<Arc<Snapshot<K>>> {
        self.0.snapshots.load().get(tenant).cloned()
    }

    fn store(&self, tenant: &TenantId, snapshot: Snapshot<K>) -> Arc<Snapshot<K>> {
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
fn readable<K: Kind>(rows: Vec<Result<Row<K>, UnreadableRow>>) -> Vec<Row<K>> {
    let mut readable = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Ok(row) => readable.push(row),
            Err(UnreadableRow { name, why }) => warn!(
                table = K::TABLE.name,
                definition.name = name,
                error = &why as &dyn Error,
                "a row of definitions is left out: its id or a time of it cannot be read"
            ),
        }
    }
    readable
}

impl<K: Kind> Clone for Definitions<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use llm::Timeouts;
    use reqwest::Client;
    use testkit::database::DatabaseKind;
    use testkit::database::TestDatabase;

    use super::*;
    use crate::agents::AgentKind;
    use crate::agents::Agents;
    use crate::agents::models::Models;
    use crate::config;
    use crate::db::DatabaseSettings;
    use crate::db::Sync;
    use crate::db::migrate::Migrator;
    use crate::db::migrate::Source;
    use crate::on;
    use crate::rag::Embedders;
    use crate::tools::CodeTools;
    use crate::tools::Makers;
    use crate::tools::ToolRows;
    use crate::tools::Tools;

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
        let rag = config::Rag {
            embedding_model: "local/hashing".to_owned(),
            models: PathBuf::new(),
            file_bytes: 0,
            index_bytes: 0,
        };
        let embedders = Embedders::new(&models, &rag, &Client::new());
        let models = Models::new(&models, &Client::new());
        let kind = ToolRows::new(Makers::with([]), BTreeMap::new(), BTreeSet::new());
        let (own, code) = (db.clone(), CodeTools::built_in().into());
        let tools = Tools::new(own, Clock::System, Ids::Random, kind, code);
        let kind = AgentKind { models, tools, embedders };
        let code = InCode::Versioned(BTreeMap::new());
        (database, Agents::new(db, Clock::System, Ids::Random, kind, code))
    }

    async fn in_sql(agents: &Agents, sql: &'static str) {
        let done = agents.db().write(async |tx| on!(tx, c => sqlx::query(sql).execute(c).await));
        done.await.unwrap();
    }
}
