//! `/workflows/code/steps`: what the program of the server has for entries of the type `step`.

use axum::extract::State;
use engine::Effect;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::Page;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::WorkflowDefinitionRead;

/// A function of the program that entries of the type `step` call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodeStep {
    #[schema(example = "charge")]
    name: String,
    description: String,
    /// What making the same call twice would do.
    effect: Effect,
    /// What a caller must hold, all of it, to execute a workflow that calls the step.
    scopes: Vec<String>,
    /// JSON Schema of what goes in.
    #[schema(value_type = Object)]
    input_schema: Value,
    /// JSON Schema of what comes out.
    #[schema(value_type = Object)]
    output_schema: Value,
}

/// List the steps of the program
///
/// All of them, by name. Steps are defined in Rust, and belong to the tenant `default`.
#[utoipa::path(get, path = "/workflows/code/steps", tag = "workflows",
    responses((status = 200, body = Page<CodeStep>), Problem),
    security(("oauth2" = ["workflow.write"]), ("oauth2" = ["admin.read"])))]
pub(super) async fn list_steps(
    State(app): State<App>,
    caller: Caller<WorkflowDefinitionRead>,
) -> Page<CodeStep> {
    let steps = app.workflows.kind().steps.all(&caller.tenant).map(|step| {
        let content = &step.content;
        CodeStep {
            name: content.name.clone(),
            description: content.description.clone(),
            effect: content.effect,
            scopes: content.scopes.clone(),
            input_schema: content.input_schema.clone(),
            output_schema: content.output_schema.clone().unwrap_or_default(),
        }
    });
    Page { data: steps.collect(), next_cursor: None }
}
