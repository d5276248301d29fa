//! What can be read: agents, databases, runs, and tools that are shown as resources.

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CacheScope;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ReadResourceResult;
use rmcp::model::Resource;
use rmcp::model::ResourceContents;
use rmcp::model::ResourceTemplate;
use rmcp::service::RequestContext;
use serde_json::Map;
use serde_json::Value;

use crate::mcp::Request;
use crate::mcp::face;
use crate::mcp::face::Role;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::calls::outcome;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::convert::FRESH;
use crate::mcp::protocol::convert::RUN_URI;
use crate::mcp::protocol::handler::fault;
use crate::mcp::protocol::handler::paged;
use crate::mcp::protocol::handler::request;
use crate::runs::RunsError;
use crate::runs::look;

const JSON: &str = "application/json";

pub async fn list(
    page: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourcesResult, ErrorData> {
    let Request { app, caller } = request(&context.extensions)?;
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
    let Request { app, caller } = request(&context.extensions)?;
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
    uri: &str,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResult, ErrorData> {
    let request = request(&context.extensions)?;
    let contents = match uri.strip_prefix(RUN_URI) {
        Some(id) => vec![run(request, uri, id).await?],
        None => offered(request, uri, context).await?,
    };
    Ok(ReadResourceResult::new(contents).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

async fn run(
    Request { app, caller }: &Request,
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
    uri: &str,
    context: &RequestContext<RoleServer>,
) -> Result<Vec<ResourceContents>, ErrorData> {
    let offers = offers::all(&request.app, &request.caller).await.map_err(|it| fault(&it))?;
    let found = offers.into_iter().find_map(|offer| {
        let (place, mime_type) = place(&offer)?;
        Some((face::variables(&place, uri)?, mime_type, offer))
    });
    let (arguments, mime_type, offer) = found.ok_or_else(|| not_found(uri))?;
    if !matches!(offer.face().role, Role::Resource { .. }) {
        let mut about = Map::new();
        let shown = offer.show();
        about.insert("name".to_owned(), Value::String(shown.name));
        about.insert("title".to_owned(), Value::String(shown.title));
        about.insert("description".to_owned(), Value::String(shown.description));
        about.insert("input_schema".to_owned(), Value::Object(shown.input_schema));
        return Ok(vec![json_at(uri, &about)?]);
    }
    let value = outcome(request, &offer, arguments, context).await?;
    Ok(vec![convert::content_at(uri, mime_type, value)])
}

/// Where an offer is, and what is there.
fn place(offer: &Offer) -> Option<(String, Option<String>)> {
    match offer {
        Offer::Agent(agent) => {
            Some((format!("agent://{}", agent.content.name), Some(JSON.to_owned())))
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
    ErrorData::resource_not_found(format!("Resource not found: {uri}"), None)
}
