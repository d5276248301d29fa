//! Counts the runs of each minute that is over, once.
//!
//! Of several processes whoever is first has counted a minute: the row that says how far it has come changes in the
//! transaction that stores the figures, and only from what the process had read.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::error;

use super::Figures;
use super::KEPT;
use super::MINUTE;
use super::PAGE;
use super::minute_of;
use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::runs::RunsError;
use crate::runs::service::Runs;
use crate::runs::store::stats as store;
use crate::runs::store::stats::Whose;

/// How often a process looks for minutes that are over.
const ROUND: Duration = Duration::from_secs(20);
/// For so long after its end a minute is not over: clocks differ, and what has ended is stored a moment later.
const LAG: TimeDelta = TimeDelta::seconds(60);

/// Keeps counting until the server stops.
pub fn start(runs: &Runs) {
    runs.tasks.spawn(keep_counting(runs.clone()));
}

async fn keep_counting(runs: Runs) {
    let stopping = runs.tasks.stopping().clone();
    let mut rounds = tokio::time::interval(ROUND);
    while stopping.run_until_cancelled(rounds.tick()).await.is_some() {
        let round = stopping.run_until_cancelled(round(&runs)).await;
        if let Some(Err(cause)) = round {
            error!(error = &cause as &dyn std::error::Error, "figures of runs are counted later");
        }
    }
}

/// Counts all minutes that are over and were not counted yet.
pub async fn round(runs: &Runs) -> Result<(), RunsError> {
    let (db, now) = (&runs.db, runs.clock.now().time());
    let (oldest, over) = (minute_of(At::new(now - KEPT)), minute_of(At::new(now - LAG)));
    let mut until = db.read(async |conn| store::until(conn).await).await?;
    loop {
        // Long times without a run cost one look into the index.
        let from = until.unwrap_or(oldest).max(oldest);
        let next = db.read(async |conn| store::first_end(conn, from, over).await).await?;
        let Some(minute) = next.map(minute_of) else { break };
        let end = At::new(minute.time() + MINUTE);
        let counted = count(db, minute, end).await?;
        if !store_minute(db, (until, minute, end), &counted).await? {
            break;
        }
        until = Some(end);
    }
    Ok(db.write_behind(async |tx| store::delete_minutes(tx, oldest).await).await?)
}

/// The figures of each tenant that had a run end from `from` on and before `to`.
async fn count(db: &Db, from: At, to: At) -> Result<BTreeMap<TenantId, Figures>, RunsError> {
    let mut counted: BTreeMap<TenantId, Figures> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = db
            .read(async |conn| store::ended(conn, Whose::All, (from, to), after, PAGE).await)
            .await?;
        let Some(last) = page.last() else { return Ok(counted) };
        after = Some((last.finished_at, last.id));
        for run in page {
            counted.entry(run.tenant_id.clone()).or_default().count(&run)?;
        }
    }
}

/// Stores a minute, unless somebody else has been here.
async fn store_minute(
    db: &Db,
    (last, minute, end): (Option<At>, At, At),
    counted: &BTreeMap<TenantId, Figures>,
) -> Result<bool, RunsError> {
    db.write_behind(async |tx| {
        if !store::move_until(tx, last, end).await? {
            return Ok(false);
        }
        for (tenant, figures) in counted {
            let text = serde_json::to_string(figures)?;
            store::insert_minute(tx, tenant, minute, &text).await?;
        }
        Ok(true)
    })
    .await
}
