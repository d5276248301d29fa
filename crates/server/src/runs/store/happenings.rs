//! SQL of events from outside: to whom they are given, and what came before anybody waited.
//!
//! Who waits and who brings an event hold [`lock`] of its name and key until they commit, and take it before any row
//! below: whoever writes several locks all of them first, in one order, after the rows of runs.

use sqlx::FromRow;
use uuid::Uuid;

use crate::db::At;
use crate::db::Conn;
use crate::db::Dialect;
use crate::db::Id;
use crate::db::TenantId;
use crate::on;
use crate::runs::happen::Given;
use crate::runs::happen::HappenError;
use crate::runs::happen::Happening;
use crate::runs::happen::KEPT;
use crate::runs::journal::JournalError;
use crate::runs::signal::Order;

/// What names an event, and what waits for it.
pub(super) type Key<'k> = (&'k str, &'k str, &'k str);

/// To so many runs, and so many bytes, an event is brought in one transaction.
const TOLD_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 4 << 20;

/// What became of an event.
#[derive(Debug, Default)]
pub struct Offer {
    /// To how many runs it was given.
    pub runs: usize,
    /// Those of them that are told already.
    pub told: Vec<Id>,
}

#[derive(Debug, FromRow)]
pub(super) struct GivenRow {
    name: String,
    key: String,
    payload: String,
    created_by: String,
    created_at: At,
    expires_at: At,
}

impl GivenRow {
    pub fn read(self) -> Result<Given, JournalError> {
        let Self { name, key, payload, created_by: by, created_at: at, expires_at } = self;
        let event = Happening { name, key, payload: serde_json::from_str(&payload)? };
        Ok(Given { event, by, at, expires_at })
    }
}

/// Gives an event to all runs that wait for it, which then do no more; keeps it if none does and it has time left.
pub async fn happen(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    given: &Given,
    now: At,
) -> Result<Offer, HappenError> {
    lock(conn, (tenant.as_str(), &given.event.name, &given.event.key)).await?;
    let offer = offer(conn, tenant, id, given, now).await?;
    if offer.runs == 0 && given.expires_at > now {
        if count(conn, tenant, now).await? >= KEPT {
            return Err(HappenError::Full);
        }
        keep(conn, tenant, id, given).await?;
    }
    Ok(offer)
}

/// Keeps whoever waits for an event and whoever brings it from not seeing each other. SQLite has one writer.
pub(super) async fn lock(
    conn: &mut Conn<'_>,
    (tenant, name, key): Key<'_>,
) -> Result<(), sqlx::Error> {
    if conn.dialect() == Dialect::Postgres {
        let text = format!("workflow_events/{tenant}/{name}/{key}");
        on!(conn, c => sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(&text)
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// Gives an event to all runs that wait for it, and tells the first of them.
pub(super) async fn offer(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    given: &Given,
    now: At,
) -> Result<Offer, JournalError> {
    let taken = on!(conn, c => sqlx::query(
            "UPDATE workflow_waits SET event_id = $4
             WHERE tenant_id = $1 AND name = $2 AND key = $3 AND event_id IS NULL",
        )
        .bind(tenant.as_str())
        .bind(&given.event.name)
        .bind(&given.event.key)
        .bind(id)
        .execute(c)
        .await)?;
    let runs = usize::try_from(taken.rows_affected()).unwrap_or(usize::MAX);
    if runs == 0 {
        return Ok(Offer::default());
    }
    let told = tell(conn, tenant, id, given, Id::new(Uuid::nil()), now).await?;
    if runs > 1 {
        insert_delivery(conn, tenant, id, given, &told, runs).await?;
    }
    Ok(Offer { runs, told })
}

/// Tells the next of those to whom an event was given; none when nobody is left.
pub async fn tell_next(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    now: At,
) -> Result<Option<(Given, Vec<Id>)>, JournalError> {
    let Some((given, _)) = find_open(conn, tenant, id).await? else { return Ok(None) };
    lock(conn, (tenant.as_str(), &given.event.name, &given.event.key)).await?;
    // Another process may have told some of them meanwhile.
    let Some((given, last)) = find_open(conn, tenant, id).await? else { return Ok(None) };
    let told = tell(conn, tenant, id, &given, last, now).await?;
    on!(conn, c => sqlx::query(
            "UPDATE workflow_deliveries SET told = coalesce($3, told),
             payload = CASE WHEN $3 IS NULL THEN NULL ELSE payload END
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(told.iter().max().copied())
        .execute(c)
        .await)?;
    Ok((!told.is_empty()).then_some((given, told)))
}

/// The events of which not all are told to whom they were given.
pub async fn open(conn: &mut Conn<'_>) -> Result<Vec<(TenantId, Id)>, sqlx::Error> {
    on!(conn, c => sqlx::query_as(
            "SELECT tenant_id, id FROM workflow_deliveries WHERE payload IS NOT NULL
             ORDER BY tenant_id, id LIMIT 200",
        )
        .fetch_all(c)
        .await)
}

/// Keeps an event for the first that comes to wait for it.
pub(super) async fn keep(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    given: &Given,
) -> Result<(), JournalError> {
    on!(conn, c => sqlx::query(
            "INSERT INTO workflow_events (tenant_id, id, name, key, payload, created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(&given.event.name)
        .bind(&given.event.key)
        .bind(given.event.payload.to_string())
        .bind(&given.by)
        .bind(given.at)
        .bind(given.expires_at)
        .execute(c)
        .await)?;
    Ok(())
}

/// Takes away the oldest event that is kept.
pub(super) async fn take(
    conn: &mut Conn<'_>,
    (tenant, name, key): Key<'_>,
    now: At,
) -> Result<Option<(Id, Given)>, JournalError> {
    #[derive(FromRow)]
    struct Taken {
        id: Id,
        #[sqlx(flatten)]
        given: GivenRow,
    }
    let taken: Option<Taken> = on!(conn, c => sqlx::query_as(
            "DELETE FROM workflow_events WHERE tenant_id = $1 AND id =
             (SELECT id FROM workflow_events WHERE tenant_id = $1 AND name = $2 AND key = $3 AND expires_at > $4
              ORDER BY created_at, id LIMIT 1)
             RETURNING id, name, key, payload, created_by, created_at, expires_at",
        )
        .bind(tenant)
        .bind(name)
        .bind(key)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    taken.map(|it| Ok((it.id, it.given.read()?))).transpose()
}

/// Of an event that was given to several runs: one more of them has no use for it. Says whether that is so of all.
pub(super) async fn count_returned(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<bool>, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, bool>(
            "UPDATE workflow_deliveries SET returned = returned + 1 WHERE tenant_id = $1 AND id = $2
             RETURNING returned >= runs",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)
}

/// Takes an event away that was given to several runs, with what is to be kept of it if not all were told.
pub(super) async fn take_delivery(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<Given>, JournalError> {
    let row: Option<GivenRow> = on!(conn, c => sqlx::query_as(
            "DELETE FROM workflow_deliveries WHERE tenant_id = $1 AND id = $2
             RETURNING name, key, coalesce(payload, '') AS payload, created_by, created_at, expires_at",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.filter(|it| !it.payload.is_empty()).map(GivenRow::read).transpose()
}

/// Forgets some of the events whose time is over, and says how many.
pub async fn delete_expired(conn: &mut Conn<'_>, now: At) -> Result<u64, sqlx::Error> {
    // Who takes one meanwhile need not wait, nor be waited for.
    let (events, deliveries) = match conn.dialect() {
        Dialect::Sqlite => (
            "DELETE FROM workflow_events WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_events WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200)",
            "DELETE FROM workflow_deliveries WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_deliveries WHERE expires_at <= $1 AND payload IS NULL
              ORDER BY expires_at LIMIT 200)",
        ),
        Dialect::Postgres => (
            "DELETE FROM workflow_events WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_events WHERE expires_at <= $1 ORDER BY expires_at LIMIT 200
              FOR UPDATE SKIP LOCKED)",
            "DELETE FROM workflow_deliveries WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM workflow_deliveries WHERE expires_at <= $1 AND payload IS NULL
              ORDER BY expires_at LIMIT 200 FOR UPDATE SKIP LOCKED)",
        ),
    };
    let mut rows = 0;
    for sql in [events, deliveries] {
        rows += on!(conn, c => sqlx::query(sql).bind(now).execute(c).await)?.rows_affected();
    }
    Ok(rows)
}

/// How many events of a tenant wait for somebody; more than [`KEPT`] are not counted.
async fn count(conn: &mut Conn<'_>, tenant: &TenantId, now: At) -> Result<i64, sqlx::Error> {
    on!(conn, c => sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM
             (SELECT id FROM workflow_events WHERE tenant_id = $1 AND expires_at > $2 LIMIT $3) AS kept",
        )
        .bind(tenant.as_str())
        .bind(now)
        .bind(KEPT)
        .fetch_one(c)
        .await)
}

/// Leaves an event to the first of those to whom it was given that come after the run `last`; says to which.
async fn tell(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    given: &Given,
    last: Id,
    now: At,
) -> Result<Vec<Id>, JournalError> {
    let order = Order::Event(Box::new(given.clone()));
    let data = serde_json::to_string(&order)?;
    // Each of them has a copy.
    let at_once = (BYTES_AT_ONCE / data.len().max(1)).clamp(1, TOLD_AT_ONCE);
    Ok(on!(conn, c => sqlx::query_scalar(
            "INSERT INTO run_signals (tenant_id, run_id, id, kind, data, created_at)
             SELECT tenant_id, run_id, event_id, $4, $5, $6 FROM workflow_waits
             WHERE tenant_id = $1 AND event_id = $2 AND run_id > $3 ORDER BY run_id LIMIT $7
             RETURNING run_id",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(last)
        .bind(order.kind())
        .bind(data)
        .bind(now)
        .bind(i64::try_from(at_once).unwrap_or(i64::MAX))
        .fetch_all(c)
        .await)?)
}

async fn insert_delivery(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    given: &Given,
    told: &[Id],
    runs: usize,
) -> Result<(), JournalError> {
    let payload = (told.len() < runs).then(|| given.event.payload.to_string());
    on!(conn, c => sqlx::query(
            "INSERT INTO workflow_deliveries (tenant_id, id, name, key, payload, created_by, created_at, expires_at,
             runs, returned, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(&given.event.name)
        .bind(&given.event.key)
        .bind(&payload)
        .bind(&given.by)
        .bind(given.at)
        .bind(given.expires_at)
        .bind(i64::try_from(runs).unwrap_or(i64::MAX))
        .bind(told.iter().max().copied())
        .execute(c)
        .await)?;
    Ok(())
}

/// An event of which not all are told, and the last run that is.
async fn find_open(
    conn: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
) -> Result<Option<(Given, Id)>, JournalError> {
    #[derive(FromRow)]
    struct Open {
        told: Id,
        #[sqlx(flatten)]
        given: GivenRow,
    }
    let row: Option<Open> = on!(conn, c => sqlx::query_as(
            "SELECT name, key, payload, created_by, created_at, expires_at, told FROM workflow_deliveries
             WHERE tenant_id = $1 AND id = $2 AND payload IS NOT NULL",
        )
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    row.map(|it| Ok((it.given.read()?, it.told))).transpose()
}
