//! What the server does beside answering requests.

use std::time::Duration;

use tracing::warn;

use crate::app::App;
use crate::app::StartError;
use crate::db::Channel;
use crate::mcp;
use crate::oauth;
use crate::rag;
use crate::runs::recover;
use crate::runs::relay;
use crate::runs::retention;
use crate::runs::stats::roll;
use crate::runs::triggers::cron;
use crate::runs::webhook::deliver;

/// How long runs may take to be let go.
const LETTING_GO: Duration = Duration::from_secs(5);

/// Begins all of it. Before that no run may be begun.
pub async fn start(app: &App) -> Result<(), StartError> {
    oauth::start(&app.tasks, &app.keys, &app.clients, &app.clock).await?;
    app.refusals.start(app.db.clone(), app.clock.clone(), &app.tasks);
    app.secrets.start(&app.tasks);
    app.tools.start(&app.tasks);
    app.agents.start(&app.tasks);
    app.workflows.start(&app.tasks);
    app.runs.budgets.start(&app.tasks).await?;
    recover::start(&app.runs).await?;
    rag::start(&app.rag, &app.tasks, app.runs.worker());
    if let Some(listen) = &app.config.listen {
        relay::start(&app.runs, Channel::new(listen)?);
    }
    deliver::start(&app.runs);
    cron::start(&app.runs);
    mcp::start(app);
    retention::start(&app.runs, app.config.run_retention);
    roll::start(&app.runs);
    let (sandbox, stopping) = (app.sandbox.clone(), app.tasks.stopping().clone());
    app.tasks.spawn(async move { stopping.run_until_cancelled(sandbox.tend()).await });
    Ok(())
}

/// Ends all of it: what has begun may end within the grace; runs that need longer are let go, for
/// another process or the next start.
pub async fn stop(app: &App) {
    let late = app.tasks.shut_down(app.config.limits.shutdown_grace).await;
    if late > 0 {
        warn!(tasks = late, "not everything was done in time: runs are handed over");
        app.runs.hand_over().cancel();
        app.tasks.shut_down(LETTING_GO).await;
    }
    app.mcp.upstreams.end().await;
    if let Some(telemetry) = &app.runs.telemetry {
        telemetry.stop().await;
    }
    if let Err(cause) = recover::stop(&app.runs).await {
        warn!(
            error = &cause as &dyn std::error::Error,
            "others will notice later that we are gone"
        );
    }
}
