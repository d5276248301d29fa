//! Sessions: what clients before 2026-07-28 begin with `initialize` and name in each request after it.
//!
//! A session belongs to whoever began it, and to nobody else: its id proves nothing. It is a row, so that any process
//! goes on with it; what is in memory is only what a process has made of the row.

use std::time::Duration;

use crate::app::App;
use crate::db::At;
use crate::db::Db;
use crate::db::TenantId;
use crate::mcp::store::sessions as store;
use crate::oauth::caller::Principal;

/// A session of which nothing was seen for so long is over.
const IDLE: Duration = Duration::from_hours(24);
/// How exactly it is known when a session was seen last.
const SEEN: Duration = Duration::from_mins(1);
/// How often those that are over are looked for.
const TIDY: Duration = Duration::from_mins(10);

/// A session as it is kept.
#[derive(Debug)]
pub struct Session {
    pub owner: Owner,
    /// The parameters with which it began, as JSON.
    pub initialize: String,
    pub seen_at: At,
}

/// Whose a session is.
#[derive(Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: TenantId,
    pub subject: String,
    pub client_id: String,
}

/// Why a session was not begun.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0} sessions are open, and no more may be")]
    TooMany(i64),
    #[error("the database could not be asked about sessions")]
    Database(#[from] sqlx::Error),
}

impl Owner {
    fn of(caller: &Principal) -> Self {
        Self {
            tenant: caller.tenant.clone(),
            subject: caller.subject.to_string(),
            client_id: caller.client_id.clone(),
        }
    }
}

/// Keeps a session that `caller` has begun. If he has as many as he may have, the one that was seen least lately is
/// over: programs that die do not say so.
pub async fn begin(
    app: &App,
    caller: &Principal,
    id: &str,
    initialize: String,
) -> Result<(), SessionError> {
    let limits = &app.config.mcp;
    let session = Session { owner: Owner::of(caller), initialize, seen_at: app.clock.now() };
    let begun = app.db.write(async |tx| {
        store::delete_surplus(tx, &session.owner, i64::from(limits.sessions_of_one) - 1).await?;
        let open = store::count(tx).await?;
        if open >= i64::from(limits.sessions) {
            return Err(SessionError::TooMany(open));
        }
        store::insert(tx, id, &session).await?;
        Ok(())
    });
    begun.await
}

/// Whether the session is there, and belongs to `caller`. Whoever else asks is told that it is not there.
pub async fn is_own(app: &App, caller: &Principal, id: &str) -> Result<bool, sqlx::Error> {
    let now = app.clock.now();
    let found = app.db.read(async |conn| store::find(conn, id).await).await?;
    let is_alive = |it: &Session| it.seen_at.time() + IDLE > now.time();
    let own = found.filter(is_alive).filter(|it| it.owner == Owner::of(caller));
    let Some(session) = own else { return Ok(false) };
    if session.seen_at.time() + SEEN <= now.time() {
        app.db.write(async |tx| store::update_seen(tx, id, now).await).await?;
    }
    Ok(true)
}

/// The parameters with which a session began, for a process that does not have it.
pub async fn initialize(db: &Db, id: &str) -> Result<Option<String>, sqlx::Error> {
    Ok(db.read(async |conn| store::find(conn, id).await).await?.map(|it| it.initialize))
}

/// How many a tenant has.
pub async fn count(app: &App, tenant: &TenantId) -> Result<i64, sqlx::Error> {
    let then = At::new(app.clock.now().time() - IDLE);
    app.db.read(async |conn| store::count_of(conn, tenant, then).await).await
}

pub async fn end(app: &App, id: &str) -> Result<(), sqlx::Error> {
    app.db.write(async |tx| store::delete(tx, id).await).await
}

/// Forgets sessions that are over, until the server stops.
pub async fn tidy(app: App) {
    let stopping = app.tasks.stopping().clone();
    while stopping.run_until_cancelled(tokio::time::sleep(TIDY)).await.is_some() {
        let then = At::new(app.clock.now().time() - IDLE);
        loop {
            let done = app.db.write(async |tx| store::delete_idle(tx, then).await).await;
            match done {
                Ok(200) => {}
                Ok(_) => break,
                Err(cause) => {
                    tracing::warn!(
                        error = &cause as &dyn std::error::Error,
                        "old sessions are not forgotten"
                    );
                    break;
                }
            }
        }
    }
}
