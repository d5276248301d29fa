//! Tools that are shown as prompts.

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::ArgumentInfo;
use rmcp::model::CacheScope;
use rmcp::model::CompletionInfo;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::GetPromptResponse;
use rmcp::model::GetPromptResult;
use rmcp::model::ListPromptsResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::Prompt;
use rmcp::model::PromptArgument;
use rmcp::model::PromptMessage;
use rmcp::model::Reference;
use rmcp::model::Role as Speaker;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::mcp::face;
use crate::mcp::face::Role;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::calls::outcome;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::convert::FRESH;
use crate::mcp::protocol::dialogue::Asked;
use crate::mcp::protocol::handler::fault;
use crate::mcp::protocol::handler::paged;
use crate::mcp::protocol::handler::request;

/// So many completions are given at once.
const COMPLETIONS: usize = CompletionInfo::MAX_VALUES;

pub async fn list(
    page: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListPromptsResult, ErrorData> {
    let request = request(&context.extensions)?;
    let mut offers = offers::all(&request.app, &request.caller).await.map_err(|it| fault(&it))?;
    offers.retain(|offer| offer.face().role == Role::Prompt);
    let after = page.and_then(|page| page.cursor);
    let (offers, next) = paged(&request.app, "prompts", offers, Offer::name, after)?;
    let mut listed = ListPromptsResult::with_all_items(offers.iter().map(show).collect());
    listed.next_cursor = next;
    Ok(listed.with_ttl_ms(FRESH).with_cache_scope(CacheScope::Private))
}

pub async fn get(
    asked: GetPromptRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let request = request(&context.extensions)?;
    let found = offers::find(&request.app, &request.caller.tenant, &asked.name).await;
    let found = found.map_err(|cause| fault(&cause))?;
    let found = found.filter(|offer| offer.face().role == Role::Prompt);
    let offer = found.filter(|offer| offer.is_for(&request.caller)).ok_or_else(|| {
        ErrorData::invalid_params(format!("Unknown prompt: {}", asked.name), None)
    })?;
    let called = Asked {
        method: "prompts/get",
        name: &asked.name,
        arguments: &asked.arguments.unwrap_or_default(),
        responses: asked.input_responses,
        state: asked.request_state,
    };
    let value = match outcome(request, &offer, called, context).await {
        Ok(value) => value,
        Err(stop) => return Ok(stop.error()?.into()),
    };
    let said = |content| PromptMessage::new(Speaker::User, content);
    let messages = convert::contents(&offer, value).into_iter().map(said).collect();
    Ok(GetPromptResult::new(messages).with_description(offer.show().description).into())
}

/// Values that an argument of a prompt, or a variable of a resource, may have: those that its schema names.
pub async fn complete(
    whose: &Reference,
    argument: &ArgumentInfo,
    context: &RequestContext<RoleServer>,
) -> Result<CompletionInfo, ErrorData> {
    let request = request(&context.extensions)?;
    let offers = offers::all(&request.app, &request.caller).await.map_err(|it| fault(&it))?;
    let is_it = |offer: &Offer| match (offer.face().role, whose) {
        (Role::Prompt, Reference::Prompt(named)) => offer.name() == named.name,
        (Role::Resource { uri, .. }, Reference::Resource(named)) => {
            uri == named.uri || face::variables(&uri, &named.uri).is_some()
        }
        _ => false,
    };
    let Some(offer) = offers.iter().find(|offer| is_it(offer)) else {
        return Err(ErrorData::invalid_params("there is nothing of that name to complete", None));
    };
    let schema = offer.show().input_schema;
    let property = &schema.get("properties").unwrap_or(&Value::Null)[&argument.name];
    let named = [&property["enum"], &property["examples"]].into_iter().filter_map(Value::as_array);
    let values = named.flatten().filter_map(Value::as_str);
    let mut values: Vec<String> =
        values.filter(|it| it.starts_with(&argument.value)).map(str::to_owned).collect();
    let total = values.len();
    values.truncate(COMPLETIONS);
    let more = total > values.len();
    let completion = CompletionInfo::with_pagination(values, u32::try_from(total).ok(), more);
    completion.map_err(|why| ErrorData::internal_error(why, None))
}

fn show(offer: &Offer) -> Prompt {
    let shown = offer.show();
    let required = shown.input_schema.get("required").and_then(Value::as_array);
    let properties = shown.input_schema.get("properties").and_then(Value::as_object);
    let arguments = properties.into_iter().flatten().map(|(name, schema)| {
        let is_required = required.is_some_and(|all| all.iter().any(|it| it == name));
        let mut argument = PromptArgument::new(name.clone()).with_required(is_required);
        argument.description = schema["description"].as_str().map(str::to_owned);
        argument
    });
    Prompt::new(shown.name, Some(shown.description), Some(arguments.collect()))
        .with_title(shown.title)
}
