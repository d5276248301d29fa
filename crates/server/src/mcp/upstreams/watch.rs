//! Looking at upstreams from time to time, on one of the processes.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use auth::scope::Scopes;
use chrono::TimeDelta;
use tokio::sync::Semaphore;
use tracing::warn;

use super::Place;
use super::UpstreamAuth;
use super::UpstreamError;
use super::UpstreamRows;
use super::Whose;
use super::sync;
use crate::app::App;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::Kind;
use crate::definitions::code_id;
use crate::mcp::store::upstreams as store;

/// How often it is seen to.
const PACE: Duration = Duration::from_secs(30);
/// An upstream is looked at again after so long, in seconds.
const INTERVAL: i64 = 300;
/// How many that say that they have changed are looked at at once, and how long each is left alone then.
const AT_ONCE: usize = 8;
const REST: Duration = Duration::from_secs(1);

/// Looks at all upstreams again and again until the server stops. What is new is not taken in, and what has changed
/// is not accepted: that takes somebody who administers.
pub async fn watch(app: App) {
    let stopping = app.tasks.stopping().clone();
    let rest = || tokio::time::sleep(PACE);
    while stopping.run_until_cancelled(rest()).await.is_some() {
        let looked = stopping.run_until_cancelled(look_at_due(&app)).await;
        if let Some(Err(cause)) = looked {
            warn!(error = &cause as &dyn Error, "upstreams were not looked at");
        }
    }
}

/// Looks at upstreams that say that their tools have changed, at each at most once a second, until the server stops.
pub async fn heed(app: App) {
    let stopping = app.tasks.stopping().clone();
    let looks = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(which) = stopping.run_until_cancelled(app.mcp.upstreams.changes().next()).await {
        // Who has looked since then has seen it; what was looked at in this very moment may not have.
        let heard = At::new(app.clock.now().time() + TimeDelta::microseconds(1));
        let (app, looks, stopping) = (app.clone(), Arc::clone(&looks), stopping.clone());
        app.tasks.clone().spawn(async move {
            let look = async {
                let _turn = looks.acquire().await;
                if let Err(cause) = look_at(&app, &which.0, which.1, heard).await {
                    warn!(error = &cause as &dyn Error, "an upstream was not looked at");
                }
                tokio::time::sleep(REST).await;
            };
            stopping.run_until_cancelled(look).await;
            app.mcp.upstreams.changes().done(&which);
        });
    }
}

async fn look_at_due(app: &App) -> Result<(), UpstreamError> {
    let before = At::new(app.clock.now().time() - TimeDelta::seconds(INTERVAL));
    let mut due = app.db.read(async |conn| store::list_due(conn, before).await).await?;
    let names = app.mcp.upstreams.programs();
    let programs = names.iter().map(|name| code_id(UpstreamRows::NAME, name)).collect();
    let own = TenantId::default();
    let read =
        async |conn: &mut Conn<'_>| store::list_due_programs(conn, &own, before, &programs).await;
    due.extend(app.db.read(read).await?.into_iter().map(|id| (own.clone(), id)));
    for (tenant, id) in due {
        look_at(app, &tenant, id, before).await?;
    }
    Ok(())
}

/// Looks at an upstream that nobody has looked at since `before`.
async fn look_at(app: &App, tenant: &TenantId, id: Id, before: At) -> Result<(), UpstreamError> {
    let found = app.mcp.upstreams.rows().find(tenant, &id.to_string()).await?;
    let Some(upstream) = found else { return Ok(()) };
    let (at, now) = ((id, Place::of(&upstream)), app.clock.now());
    let claimed = app.db.write(async |tx| store::claim(tx, tenant, at, before, now).await).await?;
    if !claimed || !upstream.is_usable() {
        return Ok(());
    }
    // One that wants to know who calls is asked when somebody does.
    if matches!(upstream.content.auth, UpstreamAuth::Exchange { .. } | UpstreamAuth::Consent { .. })
    {
        return Ok(());
    }
    let scopes = Scopes::default();
    let whose = Whose { tenant, subject: "", client_id: "", scopes: &scopes };
    let seen = sync::look(app, &upstream, whose).await?;
    sync::keep(app, tenant, &upstream, &seen).await
}
