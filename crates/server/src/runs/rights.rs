//! What a run may do now, on behalf of its caller.

use auth::scope::Scopes;
use engine::RunKind;

use super::Record;
use super::service::Runs;

/// Without this nobody executes an agent.
pub const EXECUTE: &str = "agent.execute";

/// Without this nobody executes what is of this kind, and no run of it does anything for him.
pub fn to_execute(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Agent => EXECUTE,
        RunKind::Workflow => "workflow.execute",
        RunKind::Tool => "tool.execute",
    }
}

/// The rights that the caller had when the run began, as far as his client holds them still. Looks into memory
/// as long as the client is known there.
pub async fn held(runs: &Runs, record: &Record) -> Result<Scopes, sqlx::Error> {
    held_of(runs, &record.run.summary.client_id, &record.scopes).await
}

/// The same of a client that had `scopes`.
pub async fn held_of(runs: &Runs, client_id: &str, scopes: &Scopes) -> Result<Scopes, sqlx::Error> {
    let client = runs.clients.look_up(client_id).await?;
    Ok(client.map(|it| scopes.intersection(&it.scopes)).unwrap_or_default())
}
