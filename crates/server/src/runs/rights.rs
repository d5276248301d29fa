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

/// The rights that the caller had when the run began, as far as he and his client hold them still. Looks into memory
/// as long as both are known there.
pub async fn held(runs: &Runs, record: &Record) -> Result<Scopes, sqlx::Error> {
    let (client_id, subject) = (&record.run.summary.client_id, &record.run.summary.subject);
    runs.clients.held(client_id, subject, &record.scopes).await
}
