//! `/mcp/server`: how a tenant shows itself, and what of it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::definitions::wire::Members;
use crate::http::Body;
use crate::http::Problem;
use crate::mcp::REVISIONS;
use crate::mcp::offers;
use crate::mcp::offers::Counted;
use crate::mcp::routes::PATH;
use crate::mcp::routes::SSE;
use crate::mcp::server;
use crate::mcp::server::Kept;
use crate::mcp::server::Server;
use crate::mcp::server::ServerError;
use crate::mcp::sessions;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::AdminRead;
use crate::oauth::scopes::AdminWrite;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_mcp_server, change_mcp_server))
        .routes(routes!(reload_mcp_server))
}

/// How the tenant shows itself by MCP.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpServer)]
struct Shown {
    #[serde(flatten)]
    #[schema(inline)]
    server: Server,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Revisions of the protocol that are spoken.
    #[schema(value_type = Vec<String>)]
    protocol_versions: [&'static str; 5],
    endpoints: Endpoints,
    #[schema(value_type = Vec<String>, example = json!(["tools"]))]
    capabilities: &'static [&'static str],
    /// What is usable and shown.
    resources: Counted,
    sessions: Sessions,
    /// `null`: it was never changed.
    #[schema(required)]
    updated_at: Option<At>,
}

/// Where it is called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpEndpoints)]
struct Endpoints {
    #[schema(value_type = String, example = "/mcp")]
    http: &'static str,
    /// As revision 2024-11-05 has it.
    #[schema(value_type = String, example = "/mcp/sse")]
    sse: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpSessions)]
struct Sessions {
    /// Of the tenant.
    open: i64,
    /// Of all tenants together.
    limit: u32,
}

/// Read how MCP is spoken
#[utoipa::path(get, path = "/mcp/server", tag = "mcp",
    responses((status = 200, body = Shown), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn read_mcp_server(
    State(app): State<App>,
    caller: Caller<AdminRead>,
) -> Result<Json<Shown>, Problem> {
    show(&app, &caller).await
}

/// Change how MCP is spoken
///
/// Members that are not in the body stay as they are; `null` stands for the default. There is nothing to start: it
/// counts at once, on all processes within a second.
#[utoipa::path(post, path = "/mcp/server", tag = "mcp", request_body = Server,
    responses((status = 200, body = Shown), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn change_mcp_server(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Body(Members(given)): Body<Members>,
) -> Result<Json<Shown>, Problem> {
    server::change(&app, &caller, given).await?;
    show(&app, &caller).await
}

/// Read all anew that is shown by MCP
///
/// This is done all the time; it is for whoever does not want to wait half a second.
#[utoipa::path(post, path = "/mcp/server/reload", tag = "mcp",
    responses((status = 200, body = Shown), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn reload_mcp_server(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
) -> Result<Json<Shown>, Problem> {
    server::reload(&app, &caller).await?;
    show(&app, &caller).await
}

async fn show(app: &App, caller: &Principal) -> Result<Json<Shown>, Problem> {
    let tenant = &caller.tenant;
    let internal = |cause: sqlx::Error| Problem::internal(&cause);
    let kept = app.mcp.servers.find(tenant).await.map_err(internal)?;
    let Kept { server, updated_at } = kept.as_ref().clone();
    let resources = offers::count(app, tenant, &server.expose).await?;
    Ok(Json(Shown {
        version: env!("CARGO_PKG_VERSION"),
        protocol_versions: REVISIONS,
        endpoints: Endpoints { http: PATH, sse: SSE },
        capabilities: &["tools", "prompts", "resources", "completions"],
        resources,
        sessions: Sessions {
            open: sessions::count(app, tenant).await.map_err(internal)?,
            limit: app.config.mcp.sessions,
        },
        server,
        updated_at,
    }))
}

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Invalid(faults) => Self::invalid(faults),
            ServerError::Json(_) | ServerError::Database(_) => Self::internal(&error),
        }
    }
}
