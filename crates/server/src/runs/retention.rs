//! Deletes runs that ended long ago, with all that belongs to them.
//!
//! A run is gone from the API when its time is over, on both databases. On the embedded one its events
//! go with it. On PostgreSQL events are kept by the month in which runs began: a month whose runs are
//! all gone is dropped as a whole, which costs the same however much is in it. A month in which
//! a run is still kept (it goes on, or ended late) is emptied of the others.
//!
//! Of several processes one works at a time; nothing depends on that but the load.

use std::time::Duration;

use chrono::DateTime;
use chrono::Datelike;
use chrono::Months;
use chrono::NaiveDate;
use chrono::NaiveTime;
use chrono::Utc;
use tracing::error;
use tracing::info;
use uuid::Uuid;

use super::service::Runs;
use super::store::retention as store;
use super::store::retention::Rows;
use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::workflows::store::firings;

/// How often a process looks for what has had its time.
const ROUND: Duration = Duration::from_mins(10);
/// Rows that one transaction deletes. A value may be large and counts as several.
const ROWS: u64 = 200;
const ROWS_OF_A_VALUE: u64 = 10;
/// Months that are there before they begin.
const MONTHS_AHEAD: u32 = 3;

/// Keeps deleting runs that ended longer than `kept` ago (`None`: no run) until the server stops.
pub fn start(runs: &Runs, kept: Option<Duration>) {
    runs.tasks.spawn(keep_clean(runs.clone(), kept));
}

async fn keep_clean(runs: Runs, kept: Option<Duration>) {
    let stopping = runs.tasks.stopping().clone();
    let mut rounds = tokio::time::interval(ROUND);
    while stopping.run_until_cancelled(rounds.tick()).await.is_some() {
        if let Err(cause) = round(&runs, kept).await {
            report(&cause, "old runs are deleted later");
        }
    }
}

/// Deletes what has had its time now, and makes the months to come.
pub async fn round(runs: &Runs, kept: Option<Duration>) -> Result<(), sqlx::Error> {
    let now = runs.clock.now().time();
    let by_months = runs.db.dialect() == Dialect::Postgres;
    if by_months {
        create_months(runs, now).await?;
    }
    let Some(kept) = kept else { return Ok(()) };
    let age = now - kept;
    for tenant in runs.db.read(async |conn| store::tenants(conn).await).await? {
        delete_expired(runs, &tenant, age).await?;
    }
    let forget =
        async || runs.db.write_behind(async |tx| firings::delete_old(tx, At::new(age)).await).await;
    while forget().await? > 0 {}
    if by_months {
        drop_months(runs, age).await?;
    }
    Ok(())
}

async fn delete_expired(
    runs: &Runs,
    tenant: &TenantId,
    age: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (before, age) = (first_id_of(age), At::new(age));
    let limit = ROWS.cast_signed();
    loop {
        let expired = runs
            .db
            .read(async |conn| store::expired(conn, tenant, before, age, limit).await)
            .await?;
        if expired.is_empty() || !delete(runs, tenant, &expired, Rows::OutsideMonths).await? {
            return Ok(());
        }
        info!(runs = expired.len(), "runs whose time was over are deleted");
    }
}

/// Deletes these runs in as many transactions as it takes, and says whether they are gone: not if
/// somebody else is at it, or the server stops.
async fn delete(
    runs: &Runs,
    tenant: &TenantId,
    ids: &[Id],
    rows: Rows,
) -> Result<bool, sqlx::Error> {
    let mut left = ids;
    while !left.is_empty() {
        if runs.tasks.stopping().is_cancelled() {
            return Ok(false);
        }
        let deleted =
            runs.db.write_behind(async |tx| delete_some(tx, tenant, left, rows).await).await?;
        let Some(deleted) = deleted else { return Ok(false) };
        left = &left[deleted..];
    }
    Ok(true)
}

/// Deletes of `ids` as many as fit into one transaction, and says how many are gone. The row of a run
/// goes last, so that what is left of it is found again.
async fn delete_some(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    ids: &[Id],
    rows: Rows,
) -> Result<Option<usize>, sqlx::Error> {
    if !store::is_alone(tx).await? {
        return Ok(None);
    }
    let mut room = ROWS;
    for (gone, id) in ids.iter().enumerate() {
        room -= store::delete_events(tx, tenant, *id, rows, room).await?;
        let values = room / ROWS_OF_A_VALUE;
        room -= ROWS_OF_A_VALUE * store::delete_values(tx, tenant, *id, rows, values).await?;
        if room < ROWS_OF_A_VALUE {
            // There may be more of this one.
            return Ok(Some(gone));
        }
        room = room.saturating_sub(store::delete_run(tx, tenant, *id).await?);
    }
    Ok(Some(ids.len()))
}

async fn create_months(runs: &Runs, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let there = runs.db.read(async |conn| store::months(conn).await).await?;
    let months = (0..=MONTHS_AHEAD).filter_map(|ahead| month_of(now, ahead));
    for month in months.filter(|month| !there.contains(month)) {
        let created = runs.db.write_behind(async |tx| store::create_month(tx, month).await).await;
        if let Err(cause) = created {
            // Without it the rows go where those without a month are.
            report(&cause, "a month for events could not be made");
        }
    }
    Ok(())
}

/// Drops the months that ended before `age` and have no runs any more, and empties those that have.
async fn drop_months(runs: &Runs, age: DateTime<Utc>) -> Result<(), sqlx::Error> {
    for month in runs.db.read(async |conn| store::months(conn).await).await? {
        let Some(next) = month.checked_add_months(Months::new(1)) else { return Ok(()) };
        if midnight(next) > age {
            return Ok(());
        }
        let (from, to) = (first_id_of(midnight(month)), first_id_of(midnight(next)));
        let dropped = runs.db.write_behind(async |tx| {
            if !store::is_alone(tx).await? {
                return Ok(None);
            }
            for tenant in store::tenants(tx).await? {
                if store::has_runs(tx, &tenant, from, to).await? {
                    return Ok(Some(false));
                }
            }
            store::drop_month(tx, month).await?;
            Ok::<_, sqlx::Error>(Some(true))
        });
        match dropped.await? {
            Some(true) => info!(month = %month.format("%Y-%m"), "a month of events was dropped"),
            Some(false) => empty_month(runs, from, to).await?,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Deletes the events of runs that are gone from a month that must stay.
async fn empty_month(runs: &Runs, from: Id, to: Id) -> Result<(), sqlx::Error> {
    let mut after = (String::new(), from);
    loop {
        let lost = runs.db.read(async |conn| store::lost(conn, &after, from, to).await).await?;
        let Some((tenant, id)) = lost.last() else { return Ok(()) };
        after = (tenant.to_string(), *id);
        for (tenant, id) in lost {
            if !delete(runs, &tenant, &[id], Rows::All).await? {
                return Ok(());
            }
        }
    }
}

/// The least id that could be made at `time`: a UUIDv7 begins with its milliseconds since 1970.
fn first_id_of(time: DateTime<Utc>) -> Id {
    let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Id::new(Uuid::from_u128(milliseconds << 80))
}

/// The first day of the month that is `ahead` of that of `time`.
fn month_of(time: DateTime<Utc>, ahead: u32) -> Option<NaiveDate> {
    time.date_naive().with_day(1)?.checked_add_months(Months::new(ahead))
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn report(cause: &sqlx::Error, what: &str) {
    error!(error = cause as &dyn std::error::Error, "{what}");
}
