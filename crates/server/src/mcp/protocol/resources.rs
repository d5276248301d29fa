//! What can be read: agents, databases, runs, and tools that are shown as resources.

use std::collections::BTreeMap;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CacheScope;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::ReadResourceResponse;
use rmcp::model::ReadResourceResult;
use rmcp::model::Resource;
use rmcp::model::ResourceContents;
use rmcp::model::ResourceTemplate;
use rmcp::service::RequestContext;
use serde_json::Map;
use serde_json::Value;

use crate::app::App;
use crate::db::TenantId;
use crate::mcp::Request;
use crate::mcp::face;
use crate::mcp::face::Role;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::calls::outcome;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::convert::FRESH;
use crate::mcp::protocol::convert::RUN_URI;
use crate::mcp::protocol::dialogue::Asked;
use crate::mcp::protocol::dialogue::Stop;
use crate::mcp::protocol::handler::fault;
use crate::mcp::protocol::handler::paged;
use crate::mcp::protocol::handler::request;
use crate::mcp::store::subscriptions;
use crate::mcp::store::subscriptions::Subscription;
use crate::oauth::caller::Principal;
use crate::runs::RunsError;
use crate::runs::look;

const JSON: &str = "application/json";
/// Of so many resources a session, or whoever listens, hears.
const SUBSCRIPTIONS: i64 = 100;

pub async fn list(
    page: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourcesResult, ErrorData> {
    let Request { app, caller, .. } = request(&context.extensions)?;
    let offers = offers::all(app, caller).await.map_err(|cause| fault(&cause))?;
    let resources = offers.iter().filter_map(|offer| {
        let (uri, mime_type) = place(offer).filter(|(uri, _)| !face::is_template(uri))?;
        let shown = offer.show();
        let mut resource = Resource::new(uri, shown.name)
            .with_title(shown.title)
            .with_description(shown.description);
        resource.mime_type = mime_type;
        Some(resource)
    });
    let mut resources: Vec<Resource> = resources.collect();
    resources.sort_by(|a, b| a.uri.cmp(&b.uri));
    let after = page.and_then(|page| page.cursor);
    let (resources, next) = paged(app, "resources", resources, |it| it.uri.clone(), after)?;
    let mut listed = ListResourcesResult::with_all_items(resources);
    listed.next_cursor = next;
    Ok(listed.with_ttl_ms(FRESH).with_cache_scope(CacheScope::Private))
}

pub async fn list_templates(
    page: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourceTemplatesResult, ErrorData> {
    let Request { app, caller, .. } = request(&context.extensions)?;
    let offers = offers::all(app, caller).await.map_err(|cause| fault(&cause))?;
    let own = ResourceTemplate::new(format!("{RUN_URI}{{id}}"), "run")
        .with_title("Run")
        .with_description("What became of a call, by the id of its run.")
        .with_mime_type(JSON);
    let templates = offers.iter().filter_map(|offer| {
        let (uri, mime_type) = place(offer).filter(|(uri, _)| face::is_template(uri))?;
        let shown = offer.show();
        let mut template = ResourceTemplate::new(uri, shown.name)
            .with_title(shown.title)
            .with_description(shown.description);
        template.mime_type = mime_type;
        Some(template)
    });
    let mut templates: Vec<ResourceTemplate> = templates.chain([own]).collect();
    templates.sort_by(|a, b| a.uri_template.cmp(&b.uri_template));
    let after = page.and_then(|page| page.cursor);
    let (templates, next) =
        paged(app, "templates", templates, |it| it.uri_template.clone(), after)?;
    let mut listed = ListResourceTemplatesResult::with_all_items(templates);
    listed.next_cursor = next;
    Ok(listed.with_ttl_ms(FRESH).with_cache_scope(CacheScope::Private))
}

pub async fn read(
    asked: ReadResourceRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResponse, ErrorData> {
    let request = request(&context.extensions)?;
    let contents = match asked.uri.strip_prefix(RUN_URI) {
        Some(id) => run(request, &asked.uri, id).await?,
        None => match offered(request, asked, context).await {
            Ok(contents) => contents,
            Err(stop) => return Ok(stop.error()?.into()),
        },
    };
    let read = ReadResourceResult::new(vec![contents]);
    Ok(read.with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
}

/// Lets the client of a session hear when what is at `uri` changes.
pub async fn subscribe(uri: &str, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let Request { app, caller, session, .. } = request(&context.extensions)?;
    let session_id = session.clone().ok_or_else(|| not_found(uri))?;
    let uris = [uri.to_owned()];
    let seen = as_they_are(app, caller, &uris).await?.remove(uri);
    let seen = seen.ok_or_else(|| not_found(uri))?;
    let subscription = Subscription { session_id, uri: uri.to_owned(), seen };
    let inserted =
        app.db.write(async |tx| subscriptions::insert(tx, &subscription, SUBSCRIPTIONS).await);
    if inserted.await.map_err(|cause| fault(&cause))? {
        return Ok(());
    }
    Err(ErrorData::invalid_params("the session hears of too many resources already", None))
}

pub async fn unsubscribe(uri: &str, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let Request { app, session, .. } = request(&context.extensions)?;
    let Some(session) = session else { return Ok(()) };
    let deleted = app.db.write(async |tx| subscriptions::delete(tx, session, uri).await);
    deleted.await.map_err(|cause| fault(&cause))
}

/// Those of `uris` that `caller` may read, and how they are.
pub async fn as_they_are(
    app: &App,
    caller: &Principal,
    uris: &[String],
) -> Result<BTreeMap<String, String>, ErrorData> {
    let mut found = BTreeMap::new();
    if uris.is_empty() {
        return Ok(found);
    }
    let offers = offers::all(app, caller).await.map_err(|cause| fault(&cause))?;
    let most = usize::try_from(SUBSCRIPTIONS).unwrap_or(usize::MAX);
    for uri in uris.iter().take(most) {
        let is_own = match uri.strip_prefix(RUN_URI) {
            Some(id) => look::find(&app.runs, caller, id).await.is_ok(),
            None => true,
        };
        let state = state(app, &caller.tenant, &offers, uri).await.map_err(|it| fault(&it))?;
        if let Some(state) = state.filter(|_| is_own) {
            found.insert(uri.clone(), state);
        }
    }
    Ok(found)
}

/// How what is at `uri` is, in a word that changes with it; `None`: there is nothing.
pub async fn state(
    app: &App,
    tenant: &TenantId,
    offers: &[Offer],
    uri: &str,
) -> Result<Option<String>, RunsError> {
    if let Some(id) = uri.strip_prefix(RUN_URI) {
        return look::place(&app.runs, tenant, id).await;
    }
    let is_there = |offer: &&Offer| {
        place(offer).is_some_and(|(place, _)| face::variables(&place, uri).is_some())
    };
    Ok(offers.iter().find(is_there).map(|offer| offer.content_hash().to_owned()))
}

async fn run(
    Request { app, caller, .. }: &Request,
    uri: &str,
    id: &str,
) -> Result<ResourceContents, ErrorData> {
    match look::find(&app.runs, caller, id).await {
        Ok(record) => json_at(uri, &record.run),
        Err(RunsError::NotFound(_)) => Err(not_found(uri)),
        Err(cause) => Err(fault(&cause)),
    }
}

async fn offered(
    request: &Request,
    asked: ReadResourceRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<ResourceContents, Stop> {
    let uri = asked.uri.as_str();
    let offers = offers::all(&request.app, &request.caller).await;
    let offers = offers.map_err(|cause| Stop::Error(fault(&cause)))?;
    let found = offers.into_iter().find_map(|offer| {
        let (place, mime_type) = place(&offer)?;
        Some((face::variables(&place, uri)?, mime_type, offer))
    });
    let (arguments, mime_type, offer) = found.ok_or_else(|| Stop::Error(not_found(uri)))?;
    if !matches!(offer.face().role, Role::Resource { .. }) {
        let mut about = Map::new();
        let shown = offer.show();
        about.insert("name".to_owned(), Value::String(shown.name));
        about.insert("title".to_owned(), Value::String(shown.title));
        about.insert("description".to_owned(), Value::String(shown.description));
        about.insert("input_schema".to_owned(), Value::Object(shown.input_schema));
        return json_at(uri, &about).map_err(Stop::Error);
    }
    let called = Asked {
        method: "resources/read",
        name: uri,
        arguments: &arguments,
        responses: asked.input_responses,
        state: asked.request_state,
    };
    let value = outcome(request, &offer, called, context).await?;
    Ok(convert::content_at(uri, mime_type, value))
}

/// Where an offer is, and what is there.
fn place(offer: &Offer) -> Option<(String, Option<String>)> {
    match offer {
        Offer::Agent(agent) => {
            Some((format!("agent://{}", agent.content.name), Some(JSON.to_owned())))
        }
        Offer::Workflow(workflow) => {
            Some((format!("workflow://{}", workflow.content.name), Some(JSON.to_owned())))
        }
        Offer::Search(tool) => {
            let database = crate::tools::database_of(&tool.content.name)?;
            Some((format!("rag://{database}"), Some(JSON.to_owned())))
        }
        Offer::Tool(_) => match offer.face().role {
            Role::Resource { uri, mime_type } => Some((uri, mime_type)),
            Role::Tool | Role::Prompt => None,
        },
    }
}

fn json_at(uri: &str, value: &impl serde::Serialize) -> Result<ResourceContents, ErrorData> {
    let text = serde_json::to_string(value).map_err(|cause| fault(&cause))?;
    Ok(ResourceContents::text(text, uri).with_mime_type(JSON))
}

fn not_found(uri: &str) -> ErrorData {
    let place = serde_json::json!({ "uri": uri });
    ErrorData::resource_not_found(format!("Resource not found: {uri}"), Some(place))
}
