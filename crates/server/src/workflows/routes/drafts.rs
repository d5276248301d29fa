//! `/workflows/drafts/check`: what would be refused of a workflow that somebody is writing.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::definitions::wire::Members;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::WorkflowWrite;
use crate::workflows::normalise::NewWorkflow;

/// What is wrong with a draft.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// All that would be refused; empty if it would be saved.
    problems: Vec<Invalid>,
}

/// Check a workflow
///
/// Says all that would be refused if it were saved now. Nothing is stored, and whether its name is free is not asked.
#[utoipa::path(post, path = "/workflows/drafts/check", tag = "workflows", request_body = NewWorkflow,
    responses((status = 200, body = Checked), Problem),
    security(("oauth2" = ["workflow.write"])))]
pub(super) async fn check_workflow(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Body(Members(body)): Body<Members>,
) -> Result<Json<Checked>, Problem> {
    let problems = app.workflows.faults_of(caller.author(), body).await?;
    Ok(Json(Checked { problems }))
}
