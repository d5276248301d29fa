//! `POST /workflows/{id}/triggers/{trigger}/run`, and what errors of triggers are.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use super::execute::Wanted;
use super::execute::answer;
use crate::app::App;
use crate::http::Keyed;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::WorkflowExecute;
use crate::runs::Run;
use crate::runs::executable;
use crate::runs::execute;
use crate::runs::journal::NewKey;
use crate::runs::triggers;
use crate::runs::triggers::TriggerError;
use crate::workflows::routes::trigger_not_found;
use crate::workflows::store::firings::Of;
use crate::workflows::store::triggers as store;
use crate::workflows::triggers::Trigger;

/// A trigger that is to begin a run now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunTrigger {
    /// That of its schedule, or `{}`, if absent.
    #[schema(value_type = Value, required = false)]
    input: Option<Value>,
}

/// Run a trigger
///
/// Begins a run now, also if the trigger is paused: as whoever asks for it, with what it would be given. Its history has
/// the run, and who asked.
#[utoipa::path(post, path = "/workflows/{id}/triggers/{trigger}/run", tag = "workflows",
    params(("id" = String, Path, description = "Its id or its name"),
        ("trigger" = String, Path, description = "Id of the trigger"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same run")),
    request_body = RunTrigger,
    responses((status = 202, body = Run, description = "The run goes on"), Problem),
    security(("oauth2" = ["workflow.execute"])))]
pub async fn run_trigger(
    State(app): State<App>,
    caller: Caller<WorkflowExecute>,
    Path((name, trigger)): Path<(String, String)>,
    Keyed { body, key }: Keyed<RunTrigger>,
) -> Result<Response, Problem> {
    let key = key.map(NewKey::from);
    let replayed = match &key {
        Some(key) => execute::replay(&app.runs, &caller, key).await?,
        None => None,
    };
    let begun = if let Some(begun) = replayed {
        begun
    } else {
        triggers::catch_up(&app.runs).await?;
        let workflow = executable::workflow(&app.runs, &caller, &name, None).await?;
        let of = Of { tenant: &caller.tenant, workflow: workflow.id, trigger: &trigger };
        let armed = app.db.read(async |conn| store::find(conn, of).await).await;
        let armed =
            armed.map_err(TriggerError::from)?.ok_or_else(|| trigger_not_found(&trigger))?;
        let usual = match &armed.trigger {
            Trigger::Cron { input, .. } => input.clone(),
            _ => Value::Object(Map::new()),
        };
        let input = body.input.unwrap_or(usual);
        triggers::by_caller(&app.runs, &caller, (&workflow, &armed), input, key).await?
    };
    answer(&app, &caller, &begun, Wanted { stream: false, background: true }).await
}

impl From<TriggerError> for Problem {
    fn from(error: TriggerError) -> Self {
        match error {
            TriggerError::Definitions(error) => error.into(),
            TriggerError::Execute(error) => error.into(),
            TriggerError::Database(_) => Self::internal(&error),
            TriggerError::Changed => Self::unavailable(Duration::from_secs(1)),
        }
    }
}
