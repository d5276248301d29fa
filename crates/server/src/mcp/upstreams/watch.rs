//! Looking at upstreams from time to time, on one of the processes.

use std::error::Error;
use std::time::Duration;

use auth::scope::Scopes;
use chrono::TimeDelta;
use tracing::warn;

use super::UpstreamAuth;
use super::UpstreamError;
use super::Whose;
use super::sync;
use crate::app::App;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::mcp::store::upstreams as store;

/// How often it is seen to.
const PACE: Duration = Duration::from_secs(30);
/// An upstream is looked at again after so long, in seconds.
const INTERVAL: i64 = 300;

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

async fn look_at_due(app: &App) -> Result<(), UpstreamError> {
    let now = app.clock.now();
    let before = At::new(now.time() - TimeDelta::seconds(INTERVAL));
    let due = app.db.read(async |conn| store::list_due(conn, before).await).await?;
    for (tenant, id) in due {
        let claimed =
            app.db.write(async |tx| store::claim(tx, &tenant, id, before, now).await).await?;
        if claimed {
            look_at(app, &tenant, id).await?;
        }
    }
    Ok(())
}

async fn look_at(app: &App, tenant: &TenantId, id: Id) -> Result<(), UpstreamError> {
    let found = app.mcp.upstreams.rows().find(tenant, &id.to_string()).await?;
    let Some(upstream) = found.filter(|it| it.is_usable()) else { return Ok(()) };
    // One that wants to know who calls is asked when somebody does.
    if matches!(upstream.content.auth, UpstreamAuth::Exchange { .. }) {
        return Ok(());
    }
    let scopes = Scopes::default();
    let whose = Whose { tenant, subject: "", client_id: "", scopes: &scopes };
    let seen = sync::look(app, &upstream, whose).await?;
    sync::keep(app, tenant, id, &seen).await
}
