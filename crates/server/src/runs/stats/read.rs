//! The figures of a tenant, in steps of equal length.

use chrono::TimeDelta;

use super::Figures;
use super::PAGE;
use super::minute_of;
use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::runs::RunsError;
use crate::runs::store::stats as store;
use crate::runs::store::stats::Whose;

/// What ended up to so long ago is counted when it is asked for, if it was not counted before. It is more than that
/// only while the minutes of an older release are counted, or nobody could.
const TAIL: TimeDelta = TimeDelta::minutes(10);

/// A time in steps. All of it are whole minutes.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: At,
    pub to: At,
    pub step: TimeDelta,
}

/// What ended in each step, and whether all of it is counted.
#[derive(Debug)]
pub struct Read {
    pub steps: Vec<(At, Figures)>,
    pub is_complete: bool,
}

impl Window {
    /// The beginnings of its steps.
    fn steps(self) -> impl Iterator<Item = At> {
        let next = move |at: &At| Some(At::new(at.time() + self.step));
        std::iter::successors(Some(self.from), next).take_while(move |at| *at < self.to)
    }

    /// Which step `at` is in.
    fn step_of(self, at: At) -> Option<usize> {
        let since = (at.time() - self.from.time()).num_milliseconds();
        usize::try_from(since / self.step.num_milliseconds()).ok()
    }
}

/// Reads the figures of `window`: what was counted, and the runs that ended since.
pub async fn read(db: &Db, tenant: &TenantId, window: Window, now: At) -> Result<Read, RunsError> {
    let Window { from, to, .. } = window;
    let recent = minute_of(At::new(now.time() - TAIL)).max(from);
    let (until, minutes) = db
        .read(async |conn| {
            let until = store::until(conn).await?.unwrap_or(from);
            Ok::<_, RunsError>((until, store::minutes(conn, tenant, from, to.min(until)).await?))
        })
        .await?;
    let mut steps: Vec<_> = window.steps().map(|at| (at, Figures::default())).collect();
    for (minute, text) in minutes {
        if let Some((_, figures)) = window.step_of(minute).and_then(|at| steps.get_mut(at)) {
            *figures += &serde_json::from_str(&text)?;
        }
    }
    let since = until.max(recent);
    count_since(db, tenant, (window, since), &mut steps).await?;
    let (from, to) = (until.max(from), recent.min(to));
    let left = db.read(async |conn| store::first_end(conn, from, to).await).await?;
    Ok(Read { steps, is_complete: left.is_none() })
}

async fn count_since(
    db: &Db,
    tenant: &TenantId,
    (window, since): (Window, At),
    steps: &mut [(At, Figures)],
) -> Result<(), RunsError> {
    if since >= window.to {
        return Ok(());
    }
    let mut after = None;
    loop {
        let (whose, range) = (Whose::One(tenant), (since, window.to));
        let page =
            db.read(async |conn| store::ended(conn, whose, range, after, PAGE).await).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.finished_at, last.id));
        for run in page {
            let step = window.step_of(run.finished_at).and_then(|at| steps.get_mut(at));
            if let Some((_, figures)) = step {
                figures.count(&run)?;
            }
        }
    }
}
