//! The budgets in memory.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::Budget;
use super::EACH;
use super::Owner;
use super::owners;
use crate::app::Tasks;
use crate::db::Db;
use crate::definitions::store as definitions;
use crate::runs::Record;
use crate::runs::store::budgets as store;

/// How often we look whether somebody else changed something.
const POLL: Duration = Duration::from_millis(500);
const TABLE: &str = "budgets";

/// All budgets, as they were half a second ago at most. Clones share them.
#[derive(Debug, Clone)]
pub struct Budgets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    known: ArcSwap<HashMap<Owner, Budget>>,
    /// The revision that they have at least; held while they are read.
    revision: Mutex<Option<i64>>,
}

impl Budgets {
    /// None, until they are [started](Self::start).
    pub fn new(db: Db) -> Self {
        Self(Arc::new(Inner { db, known: ArcSwap::default(), revision: Mutex::default() }))
    }

    /// Reads them, and keeps them new until the server stops.
    pub async fn start(&self, tasks: &Tasks) -> Result<(), sqlx::Error> {
        self.refresh().await?;
        let budgets = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(POLL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = budgets.refresh().await {
                    warn!(error = &error as &dyn Error, "budgets were not refreshed");
                }
            }
        });
        Ok(())
    }

    /// Catches up with the database.
    pub async fn refresh(&self) -> Result<(), sqlx::Error> {
        let mut known = self.0.revision.lock().await;
        let news = self.0.db.read(async |conn| {
            let revision = definitions::find_revision(conn, &[TABLE]).await?;
            if *known == Some(revision) {
                return Ok::<_, sqlx::Error>(None);
            }
            Ok(Some((revision, store::list_all(conn).await?)))
        });
        if let Some((revision, budgets)) = news.await? {
            let budgets = budgets.into_iter().map(|budget| (budget.owner.clone(), budget));
            self.0.known.store(Arc::new(budgets.collect()));
            *known = Some(revision);
        }
        Ok(())
    }

    /// The budgets that the model calls of a run draw from, in the order in which their rows are locked.
    pub fn of(&self, record: &Record) -> Vec<Budget> {
        let known = self.0.known.load();
        if known.is_empty() {
            return Vec::new();
        }
        let found = owners(record).filter_map(|owner| {
            let budget = known
                .get(&owner)
                .or_else(|| known.get(&Owner { id: EACH.to_owned(), ..owner.clone() }))?;
            Some(Budget { owner, ..budget.clone() })
        });
        let found = found.filter(|it| it.max_tokens.is_some() || it.max_cost_usd.is_some());
        let mut found: Vec<_> = found.collect();
        found.sort_by(|one, other| one.owner.cmp(&other.owner));
        found
    }
}
