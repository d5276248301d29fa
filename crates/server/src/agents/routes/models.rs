//! `/models`: what agents can be given to think with.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::agents::models::Known;
use crate::app::App;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::AgentRead;

/// A model that this server knows by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Model {
    /// What agents call it.
    #[schema(example = "openai/gpt-5")]
    id: String,
    #[schema(example = "openai")]
    provider: String,
    /// Whether the provider can be called as the server is set up.
    configured: bool,
    input: Vec<Input>,
    /// How many tokens a conversation may have, if that is known.
    #[schema(required)]
    context_tokens: Option<u64>,
}

/// What can be said to a model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelInput)]
pub(super) enum Input {
    Text,
    Image,
}

/// List models
///
/// Those that the settings name, and those of each provider whose prices are published, by their names. A provider
/// may have others, which agents can be given as well.
#[utoipa::path(get, path = "/models", tag = "agents", params(crate::http::Paging),
    responses((status = 200, body = Page<Model>), Problem),
    security(("oauth2" = ["agent.read"]), ("oauth2" = ["agent.execute"])))]
pub(super) async fn list_models(
    State(app): State<App>,
    _: Caller<AgentRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Model>, Problem> {
    let mut models = app.agents.kind().models.known();
    if let Some(after) = paging.after::<String>()? {
        models.retain(|model| model.full_name > after);
    }
    let Page { data, next_cursor } = paging.page(models, |model| model.full_name.clone());
    Ok(Page { data: data.into_iter().map(Model::from).collect(), next_cursor })
}

impl From<Known> for Model {
    fn from(known: Known) -> Self {
        let images = known.takes_images.then_some(Input::Image);
        Self {
            id: known.full_name,
            provider: known.provider,
            configured: known.configured,
            input: [Input::Text].into_iter().chain(images).collect(),
            context_tokens: known.context_tokens,
        }
    }
}
