//! What is asked for, and which of our answers that is.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::PoisonError;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::ServerHandler;
use rmcp::model::CacheScope;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CompleteRequestParams;
use rmcp::model::CompleteResult;
use rmcp::model::DiscoverResult;
use rmcp::model::Extensions;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::GetPromptResponse;
use rmcp::model::Implementation;
use rmcp::model::InitializeRequestParams;
use rmcp::model::InitializeResult;
use rmcp::model::ListPromptsResult;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::ListToolsResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::ReadResourceResponse;
use rmcp::model::ServerCapabilities;
use rmcp::model::ServerConfig;
#[expect(deprecated, reason = "clients of former revisions hear lines")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::SubscribeRequestParams;
use rmcp::model::SubscriptionFilter;
use rmcp::model::Tool;
use rmcp::model::UnsubscribeRequestParams;
use rmcp::service::NotificationContext;
use rmcp::service::RequestContext;
use rmcp::service::SubscriptionContext;
use tracing::error;

use crate::app::App;
use crate::mcp::Request;
use crate::mcp::call::Level;
use crate::mcp::face::Role;
use crate::mcp::offers;
use crate::mcp::offers::Offer;
use crate::mcp::protocol::calls;
use crate::mcp::protocol::convert;
use crate::mcp::protocol::convert::FRESH;
use crate::mcp::protocol::prompts;
use crate::mcp::protocol::resources;
use crate::mcp::protocol::watchers::Ear;
use crate::mcp::protocol::watchers::Watchers;

/// So many entries a list has at once.
const PAGE: usize = 200;

tokio::task_local! {
    /// The tool that a request calls, while its headers are compared with its arguments.
    pub static CALLED: Option<Tool>;
}

/// Answers every request by itself: who asks, and of which server, stands in the request. One is made for each
/// session, and for each request without one.
#[derive(Debug, Default)]
pub struct Handler {
    /// From which level on the client of a session wants to hear lines.
    level: Mutex<Level>,
}

impl Handler {
    /// Which lines of a call the client wants to hear. Without sessions each request says that.
    fn lines(&self, context: &RequestContext<RoleServer>) -> Option<Level> {
        if convert::is_modern(context.protocol_version().as_ref()) {
            return convert::level_of(&context.meta);
        }
        Some(*self.level.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[expect(deprecated, reason = "clients of former revisions set the level of what they hear")]
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_completions()
            .build();
        let own = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(own)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let called = CALLED.try_with(Option::clone).ok().flatten();
        called.filter(|tool| tool.name == name)
    }

    async fn initialize(
        &self,
        asked: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut answer = self.negotiate_initialize(&asked)?;
        introduce(&context.extensions, &mut answer.server_info, &mut answer.instructions).await?;
        context.peer.set_peer_info(asked);
        Ok(answer)
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let mut info = self.get_info();
        introduce(&context.extensions, &mut info.server_info, &mut info.instructions).await?;
        let versions = self.supported_protocol_versions().into_owned();
        let found = DiscoverResult::from_server_info(versions, info);
        Ok(found.with_ttl_ms(FRESH).with_cache_scope(CacheScope::Private))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Ok(Request { app, caller, session, .. }) = request(&context.extensions) else { return };
        let ear = Ear::Session(session.clone(), context.peer.clone());
        if let Err(cause) = app.mcp.service.watchers.add(app, caller, ear, BTreeMap::new()).await {
            fault(&cause);
        }
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let Request { app, caller, .. } = request(&context.request_context().extensions)?;
        let (watchers, ear) = (&app.mcp.service.watchers, Ear::Subscribed(context.sink().clone()));
        let uris = context.accepted().resource_subscriptions.as_deref().unwrap_or_default();
        let resources = resources::as_they_are(app, caller, uris).await?;
        let added = watchers.add(app, caller, ear, resources).await;
        let added = added.map_err(|cause| fault(&cause))?;
        let too_many = || ErrorData::invalid_request("too many listen for this caller", None);
        let key = added.ok_or_else(too_many)?;
        let _listening = Listening { watchers, key };
        let _ = app.tasks.stopping().run_until_cancelled(context.cancelled()).await;
        Ok(())
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let Request { app, caller, .. } = request(&context.extensions)?;
        let mut offers = offers::all(app, caller).await.map_err(|cause| fault(&cause))?;
        offers.retain(|offer| offer.face().role == Role::Tool);
        let is_modern = convert::is_modern(context.protocol_version().as_ref());
        let after = page.and_then(|page| page.cursor);
        let (offers, next) = paged(app, "tools", offers, Offer::name, after)?;
        let tools = offers.iter().map(|offer| convert::tool(offer.show(), is_modern)).collect();
        let mut listed = ListToolsResult::with_all_items(tools);
        listed.next_cursor = next;
        Ok(listed.with_ttl_ms(FRESH).with_cache_scope(CacheScope::Private))
    }

    async fn set_level(
        &self,
        asked: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let level = convert::level(asked.level);
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
        Ok(())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        prompts::list(page, &context).await
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(asked, &context).await
    }

    async fn complete(
        &self,
        asked: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let found = prompts::complete(&asked.r#ref, &asked.argument, &context).await?;
        Ok(CompleteResult::new(found))
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(page, &context).await
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        resources::list_templates(page, &context).await
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(asked, &context).await
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::subscribe(&asked.uri, &context).await
    }

    async fn unsubscribe(
        &self,
        asked: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::unsubscribe(&asked.uri, &context).await
    }

    async fn call_tool(
        &self,
        called: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let lines = self.lines(&context);
        calls::call(called, lines, &context).await
    }
}

/// Somebody hears of changes as long as this is there.
struct Listening<'a> {
    watchers: &'a Watchers,
    key: u64,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.watchers.remove(self.key);
    }
}

/// Says how the tenant of the caller shows itself.
async fn introduce(
    extensions: &Extensions,
    own: &mut Implementation,
    instructions: &mut Option<String>,
) -> Result<(), ErrorData> {
    let Request { app, caller, .. } = request(extensions)?;
    let kept = app.mcp.servers.find(&caller.tenant).await.map_err(|cause| fault(&cause))?;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    own.name.clone_from(&kept.server.name);
    own.description = some(&kept.server.description);
    *instructions = some(&kept.server.instructions);
    Ok(())
}

/// By whom, and of which server, something is asked.
pub fn request(extensions: &Extensions) -> Result<&Request, ErrorData> {
    let parts = extensions.get::<http::request::Parts>();
    let request = parts.and_then(|parts| parts.extensions.get::<Request>());
    request.ok_or_else(|| ErrorData::internal_error("the request came by no door", None))
}

/// One page of a list that is sorted by `key`, and the cursor of the next.
pub fn paged<T>(
    app: &App,
    list: &str,
    mut all: Vec<T>,
    key: impl Fn(&T) -> String,
    after: Option<String>,
) -> Result<(Vec<T>, Option<String>), ErrorData> {
    let (list, now) = (format!("mcp {list}"), app.clock.now().time());
    if let Some(cursor) = after {
        let after: String = app
            .cursors
            .open(&list, &cursor, now)
            .map_err(|error| ErrorData::invalid_params(format!("the cursor {error}"), None))?;
        all.retain(|it| key(it) > after);
    }
    let more = all.len() > PAGE;
    all.truncate(PAGE);
    let next = all.last().filter(|_| more).map(|last| app.cursors.seal(&list, key(last), now));
    Ok((all, next))
}

/// Our fault. The cause is for the log.
pub fn fault(cause: &(dyn Error + 'static)) -> ErrorData {
    error!(error = cause, "a request by MCP failed");
    ErrorData::internal_error("the server failed; its log says why", None)
}
