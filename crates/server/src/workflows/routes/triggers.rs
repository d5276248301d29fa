//! `/workflows/{id}/triggers`: what begins runs of a workflow, and what it has done.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::is_visible;
use crate::app::App;
use crate::db::Id;
use crate::definitions::DefinitionError;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::WorkflowRead;
use crate::oauth::scopes::WorkflowWrite;
use crate::workflows::Workflow;
use crate::workflows::WorkflowKind;
use crate::workflows::store::firings;
use crate::workflows::store::firings::Of;
use crate::workflows::triggers::Firing;
use crate::workflows::triggers::arm;
use crate::workflows::triggers::look;
use crate::workflows::triggers::look::Eyes;
use crate::workflows::triggers::look::TriggerState;
use crate::workflows::triggers::pause;
use crate::workflows::triggers::pause::Turn;

/// List the triggers of a workflow
///
/// Those of the version that is at work, in the order of its definition, with what is to come and what came of the last.
#[utoipa::path(get, path = "/workflows/{id}/triggers", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = Page<TriggerState>), Problem),
    security(("oauth2" = ["workflow.read"]), ("oauth2" = ["workflow.execute"])))]
pub(super) async fn list_triggers(
    State(app): State<App>,
    caller: Caller<WorkflowRead>,
    Path(id_or_name): Path<String>,
) -> Result<Page<TriggerState>, Problem> {
    let workflow = find(&app, &caller, &id_or_name).await?;
    let data = states(&app, &caller, &workflow).await?;
    // There are few: they are one page.
    Ok(Page { data, next_cursor: None })
}

/// Pause a trigger
///
/// It begins nothing until it is resumed; by hand it still does. A new version of the workflow does not resume it.
#[utoipa::path(post, path = "/workflows/{id}/triggers/{trigger}/pause", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("trigger" = String, Path, description = "Id of the trigger")),
    responses((status = 200, body = TriggerState), Problem),
    security(("oauth2" = ["workflow.write"])))]
pub(super) async fn pause_trigger(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path((id_or_name, trigger)): Path<(String, String)>,
) -> Result<Json<TriggerState>, Problem> {
    turn(&app, &caller, &id_or_name, &trigger, Turn::Pause).await
}

/// Resume a trigger
///
/// A schedule goes on from now: what would have happened while it was paused does not.
#[utoipa::path(post, path = "/workflows/{id}/triggers/{trigger}/resume", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("trigger" = String, Path, description = "Id of the trigger")),
    responses((status = 200, body = TriggerState), Problem),
    security(("oauth2" = ["workflow.write"])))]
pub(super) async fn resume_trigger(
    State(app): State<App>,
    caller: Caller<WorkflowWrite>,
    Path((id_or_name, trigger)): Path<(String, String)>,
) -> Result<Json<TriggerState>, Problem> {
    turn(&app, &caller, &id_or_name, &trigger, Turn::Resume).await
}

/// List the firings of a trigger
///
/// What it has done, the newest first; as long as runs are kept.
#[utoipa::path(get, path = "/workflows/{id}/triggers/{trigger}/firings", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("trigger" = String, Path, description = "Id of the trigger"), Paging),
    responses((status = 200, body = Page<Firing>), Problem),
    security(("oauth2" = ["workflow.read"]), ("oauth2" = ["workflow.execute"])))]
pub(super) async fn list_firings(
    State(app): State<App>,
    caller: Caller<WorkflowRead>,
    Path((id_or_name, trigger)): Path<(String, String)>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Firing>, Problem> {
    let workflow = find(&app, &caller, &id_or_name).await?;
    ensure_trigger(&workflow, &trigger)?;
    let (before, rows) = (paging.after::<Id>()?, paging.rows());
    let of = Of { tenant: &caller.tenant, workflow: workflow.id, trigger: &trigger };
    let firings = app.db.read(async |conn| firings::list(conn, of, before, rows).await).await;
    let firings = firings.map_err(DefinitionError::from)?;
    Ok(paging.page(firings, |it: &Firing| it.id))
}

async fn turn(
    app: &App,
    caller: &Principal,
    id_or_name: &str,
    trigger: &str,
    turn: Turn,
) -> Result<Json<TriggerState>, Problem> {
    let workflow = find(app, caller, id_or_name).await?;
    caller.author().ensure_may_change::<WorkflowKind>(&workflow.content)?;
    let index = ensure_trigger(&workflow, trigger)?;
    let which = (&*workflow, trigger);
    let armed = pause::turn(&app.db, &app.clock, caller.actor(), which, turn).await;
    if armed.map_err(DefinitionError::from)?.is_none() {
        return Err(not_found(trigger));
    }
    let mut states = states(app, caller, &workflow).await?;
    Ok(Json(states.swap_remove(index)))
}

async fn states(
    app: &App,
    caller: &Principal,
    workflow: &Workflow,
) -> Result<Vec<TriggerState>, Problem> {
    let (db, clock, issuer) = (&app.db, &app.clock, app.config.issuer.as_str());
    let eyes = Eyes { db, clock, clients: &app.clients, vault: &app.secrets, issuer };
    Ok(look::all(eyes, &caller.tenant, workflow).await.map_err(DefinitionError::from)?)
}

/// The workflow as it is now, whose triggers are as it says; the place of `trigger` in it.
async fn find(app: &App, caller: &Principal, id_or_name: &str) -> Result<Arc<Workflow>, Problem> {
    arm::catch_up(&app.db, &app.workflows, &app.clock).await?;
    let workflows = app.workflows.snapshot(&caller.tenant).await?;
    let is_shown = |it: &&Arc<Workflow>| is_visible(it, caller) || caller.holds("workflow.write");
    let workflow = workflows.find(id_or_name).filter(is_shown);
    Ok(workflow.cloned().ok_or_else(|| DefinitionError::not_found::<WorkflowKind>(id_or_name))?)
}

fn ensure_trigger(workflow: &Workflow, trigger: &str) -> Result<usize, Problem> {
    let found = workflow.content.triggers.iter().position(|it| it.id() == trigger);
    found.ok_or_else(|| not_found(trigger))
}

pub fn not_found(trigger: &str) -> Problem {
    let shown: String = trigger.chars().take(56).collect();
    Problem::not_found("trigger-not-found", format!("the workflow has no trigger `{shown}`"))
}
