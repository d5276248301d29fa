//! `/models`: what agents can be given to think with.

use std::time::Duration;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use futures::StreamExt;
use llm::Chunk;
use llm::Message;
use llm::ModelError;
use llm::ModelOptions;
use llm::Part;
use llm::Request;
use llm::Role;
use serde::Deserialize;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::agents::models::Known;
use crate::agents::models::Model as Callable;
use crate::app::App;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::AgentRead;
use crate::oauth::scopes::AgentWrite;

/// How long a model that is tried may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many tokens it may answer with. Some models think first.
const TOKENS: u32 = 256;

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

/// A model that is to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelTest {
    /// As agents name it.
    #[schema(example = "openai/gpt-5-mini")]
    model: String,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelTested {
    /// Its whole name.
    model: String,
    took_ms: u64,
    /// What it answered, at most 200 characters.
    #[schema(required)]
    text: Option<String>,
    /// Why it did not; `null`: it did.
    #[schema(required)]
    error: Option<ModelTestError>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelTestError {
    message: String,
    /// The status of the provider, if it answered.
    #[schema(required)]
    provider_status: Option<u16>,
}

/// Try a model
///
/// Makes one short call, which costs a few tokens and counts for no budget. 200 also when the model does not answer:
/// `error` says why.
#[utoipa::path(post, path = "/models/test", tag = "agents", request_body = ModelTest,
    responses((status = 200, body = ModelTested), Problem),
    security(("oauth2" = ["agent.write"])))]
pub(super) async fn test_model(
    State(app): State<App>,
    _: Caller<AgentWrite>,
    Body(asked): Body<ModelTest>,
) -> Result<Json<ModelTested>, Problem> {
    let found = app.agents.kind().models.resolve(&asked.model);
    let found = found
        .map_err(|why| Problem::invalid(vec![Invalid::new("/model", "unknown_model", why)]))?;
    let (model, began) = (found.full_name.clone(), Instant::now());
    let heard = timeout(PATIENCE, greet(found)).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (text, error) = match heard {
        Ok(Ok(text)) => (Some(text), None),
        Ok(Err(error)) => {
            let ModelError { message, status, .. } = error;
            (None, Some(ModelTestError { message, provider_status: status }))
        }
        Err(_) => {
            let message = format!("no answer within {} seconds", PATIENCE.as_secs());
            (None, Some(ModelTestError { message, provider_status: None }))
        }
    };
    Ok(Json(ModelTested { model, took_ms, text, error }))
}

/// Has a model say something.
async fn greet(Callable { name, model, .. }: Callable) -> Result<String, ModelError> {
    let text = Part::Text { text: "Answer with the word OK.".to_owned(), citations: Vec::new() };
    let request = Request {
        model: name,
        instructions: None,
        messages: vec![Message { role: Role::User, content: vec![text] }],
        tools: Vec::new(),
        options: ModelOptions { max_output_tokens: Some(TOKENS), ..ModelOptions::default() },
        output_schema: None,
    };
    let mut answer = model.stream(request);
    while let Some(chunk) = answer.next().await {
        if let Chunk::Finished(answer) = chunk? {
            let texts = answer.message.content.into_iter().filter_map(|part| match part {
                Part::Text { text, .. } => Some(text),
                _ => None,
            });
            return Ok(texts.collect::<String>().chars().take(200).collect());
        }
    }
    Ok(String::new())
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
