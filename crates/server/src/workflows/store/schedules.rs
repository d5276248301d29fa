//! SQL of schedules: which are due, and how far they are.

use super::triggers::Row;
use super::triggers::select;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::on;
use crate::workflows::triggers::Armed;

/// Where a list of schedules goes on: behind this one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub time: At,
    pub workflow_id: Id,
    pub trigger_id: String,
}

/// Some schedules of a list.
#[derive(Debug, Default)]
pub struct Batch {
    pub armed: Vec<Armed>,
    /// Those that this release cannot read.
    pub unreadable: Vec<Place>,
    /// The last of them all; `None`: there are no more.
    pub last: Option<Place>,
}

/// Some schedules that are due at `now`, the most overdue first, behind a place.
pub async fn list_due(
    conn: &mut Conn<'_>,
    now: At,
    after: Option<&Place>,
) -> Result<Batch, sqlx::Error> {
    let (time, workflow, trigger) = parts(after);
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "WHERE t.next_at IS NOT NULL AND t.next_at <= $1
                     AND ($2 IS NULL OR (t.next_at, t.workflow_id, t.trigger_id) > ($2, $3, $4))
                 ORDER BY t.next_at, t.workflow_id, t.trigger_id LIMIT 100"
            ),
        )
        .bind(now)
        .bind(time)
        .bind(workflow)
        .bind(trigger)
        .fetch_all(c)
        .await)?;
    Ok(Batch::of(rows))
}

/// Some schedules that have dealt with what is to come after `time`, behind a place, whose time does not matter: one that
/// is moved meanwhile does not come again.
pub async fn list_ahead(
    conn: &mut Conn<'_>,
    time: At,
    after: Option<&Place>,
) -> Result<Batch, sqlx::Error> {
    let (_, workflow, trigger) = parts(after);
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(
            select!(
                "WHERE t.next_at IS NOT NULL AND t.handled_at > $1
                     AND ($2 IS NULL OR (t.workflow_id, t.trigger_id) > ($2, $3))
                 ORDER BY t.workflow_id, t.trigger_id LIMIT 100"
            ),
        )
        .bind(time)
        .bind(workflow)
        .bind(trigger)
        .fetch_all(c)
        .await)?;
    Ok(Batch::of(rows))
}

/// Moves a schedule on from what `armed` says to `handled`, and says whether it did: of several who know the same one
/// does, and nobody whose knowledge is old. Whoever comes second waits for the end of the first one's transaction.
pub async fn advance(
    conn: &mut Conn<'_>,
    armed: &Armed,
    handled: At,
    next: Option<At>,
) -> Result<bool, sqlx::Error> {
    let done = on!(conn, c => sqlx::query(
            "UPDATE workflow_triggers SET handled_at = $5, next_at = $6
             WHERE tenant_id = $1 AND workflow_id = $2 AND trigger_id = $3 AND handled_at = $4 AND version = $7
                 AND is_active AND paused_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM workflow_trigger_changes c
                     WHERE c.tenant_id = workflow_triggers.tenant_id AND c.workflow_id = workflow_triggers.workflow_id)",
        )
        .bind(&armed.tenant)
        .bind(armed.workflow_id)
        .bind(armed.trigger.id())
        .bind(armed.handled_at)
        .bind(handled)
        .bind(next)
        .bind(armed.version)
        .execute(c)
        .await)?;
    Ok(done.rows_affected() > 0)
}

fn parts(place: Option<&Place>) -> (Option<At>, Option<Id>, Option<&str>) {
    let Some(Place { time, workflow_id, trigger_id }) = place else { return (None, None, None) };
    (Some(*time), Some(*workflow_id), Some(trigger_id))
}

impl Batch {
    fn of(rows: Vec<Row>) -> Self {
        let mut some = Self { last: rows.last().map(Row::place), ..Self::default() };
        for row in rows {
            let place = row.place();
            match row.armed() {
                Some(armed) => some.armed.push(armed),
                None => some.unreadable.push(place),
            }
        }
        some
    }
}
