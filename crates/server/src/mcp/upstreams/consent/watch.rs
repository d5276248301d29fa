//! Runs whose person consented between their look at it and their rest.

use std::error::Error;
use std::time::Duration;

use tracing::warn;

use crate::app::App;
use crate::runs::approvals;

/// How often it is looked for them.
const PACE: Duration = Duration::from_secs(5);

/// Lets such runs go on, until the server stops.
pub async fn watch(app: App) {
    let stopping = app.tasks.stopping().clone();
    let consents = app.mcp.upstreams.consents();
    while stopping.run_until_cancelled(tokio::time::sleep(PACE)).await.is_some() {
        match consents.let_go_on().await {
            Ok(signals) => approvals::go_on(&app.runs, signals).await,
            Err(cause) => {
                warn!(
                    error = &cause as &dyn Error,
                    "runs that wait for a consent were not looked at"
                );
            }
        }
    }
}
