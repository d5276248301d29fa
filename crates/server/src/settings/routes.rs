//! `GET /settings`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::models::ProviderState;
use crate::app::App;
use crate::config::Config;
use crate::config::Mode;
use crate::config::RegistrationPolicy;
use crate::db;
use crate::db::TenantId;
use crate::db::Way;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::AdminRead;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read_settings))
}

/// What the server is set to do.
#[derive(Debug, Serialize, ToSchema)]
struct Settings {
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// `production` or `development`.
    mode: &'static str,
    /// The public URL, which tokens name.
    issuer: String,
    database: Database,
    models: ModelSettings,
    /// Of RAG databases that name none.
    #[schema(example = "local/hashing")]
    embedding_model: String,
    limits: LimitSettings,
    /// For how many days a run is kept after its end; `null`: for ever.
    #[schema(required)]
    run_retention_days: Option<u64>,
    identity: IdentitySettings,
    /// Whether traces go to a collector.
    sends_traces: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DatabaseSettings)]
struct Database {
    #[schema(example = "SQLite 3.50.4")]
    version: String,
    /// How it is reached: `local`, `encrypted` or `plain`.
    way: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelSettings {
    /// Of agents that name none.
    #[schema(example = "openai/gpt-5-mini")]
    default: String,
    /// Names of one's own, and what they mean.
    aliases: Vec<Alias>,
    providers: Vec<ProviderSettings>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelAlias)]
struct Alias {
    name: String,
    model: String,
}

/// Who makes models.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderSettings {
    #[schema(example = "openai")]
    name: String,
    /// Where it is asked: a host, and its port if it is not the usual one. `null`: in this program, or the server is
    /// not yours.
    #[schema(required)]
    host: Option<String>,
    /// The setting without which it cannot be called; `null`: it can be.
    #[schema(required, example = "OPENAI_API_KEY")]
    missing: Option<String>,
}

/// What is bounded, and where; 0: only by what bounds all.
#[derive(Debug, Serialize, ToSchema)]
struct LimitSettings {
    body_bytes: usize,
    document_bytes: usize,
    request_ms: u64,
    concurrent_requests: usize,
    concurrent_runs: usize,
    runs_per_client: usize,
    runs_per_agent: usize,
    queued_runs: u32,
    tool_workers: usize,
    mcp_sessions: u32,
    mcp_sessions_per_caller: u32,
}

#[derive(Debug, Serialize, ToSchema)]
struct IdentitySettings {
    access_token_seconds: u64,
    /// Who may register clients beside administrators: nobody (`admin`), who shows a token (`token`), anybody (`open`).
    registration: &'static str,
    /// By whose server people may sign in, too.
    #[schema(required)]
    external: Option<ExternalSignIn>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ExternalSignIn {
    #[schema(example = "Contoso")]
    name: String,
    issuer: String,
    /// Whether somebody who was not here before is let in.
    creates_users: bool,
}

/// Read what the server is set to do
///
/// They come from its environment and are changed there. No secret is among them.
#[utoipa::path(get, path = "/settings", tag = "operations",
    responses((status = 200, body = Settings), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn read_settings(
    State(app): State<App>,
    caller: Caller<AdminRead>,
) -> Result<Json<Settings>, Problem> {
    let Config { mode, issuer, models, rag, identity, telemetry, run_retention, .. } = &app.config;
    let facts = db::facts(&app.db).await.map_err(|cause| Problem::internal(&cause))?;
    // Where they are is nothing for the tenants of others.
    let is_ours = caller.tenant == TenantId::default();
    let aliases = models.aliases.iter();
    let providers = app.agents.kind().models.providers();
    Ok(Json(Settings {
        version: env!("CARGO_PKG_VERSION"),
        mode: match mode {
            Mode::Production => "production",
            Mode::Development => "development",
        },
        issuer: issuer.clone(),
        database: Database {
            version: facts.version,
            way: match facts.way {
                Way::Local => "local",
                Way::Encrypted => "encrypted",
                Way::Plain => "plain",
            },
        },
        models: ModelSettings {
            default: models.default.clone(),
            aliases: aliases
                .map(|(name, model)| Alias { name: name.clone(), model: model.clone() })
                .collect(),
            providers: providers.map(|it| provider(&app.config, it, is_ours)).collect(),
        },
        embedding_model: rag.embedding_model.clone(),
        limits: limits(&app.config),
        run_retention_days: run_retention.map(|kept| kept.as_secs() / 86_400),
        identity: IdentitySettings {
            access_token_seconds: identity.access_token_ttl.as_secs(),
            registration: match identity.registration.policy {
                RegistrationPolicy::Admin => "admin",
                RegistrationPolicy::Token(_) => "token",
                RegistrationPolicy::Open => "open",
            },
            external: identity.oidc.as_ref().map(|it| ExternalSignIn {
                name: it.name.clone(),
                issuer: it.issuer.clone(),
                creates_users: it.creates_users,
            }),
        },
        sends_traces: telemetry.endpoint.is_some(),
    }))
}

fn provider(config: &Config, state: ProviderState<'_>, is_ours: bool) -> ProviderSettings {
    let settings = config.models.providers.get(state.name).filter(|_| is_ours);
    let url = settings.and_then(|it| it.base_url.parse::<Url>().ok());
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
    });
    ProviderSettings {
        name: state.name.to_owned(),
        host,
        missing: state.missing.map(str::to_owned),
    }
}

fn limits(Config { limits, rag, mcp, tool_workers, .. }: &Config) -> LimitSettings {
    LimitSettings {
        body_bytes: limits.body_bytes,
        document_bytes: rag.file_bytes,
        request_ms: u64::try_from(limits.request_time.as_millis()).unwrap_or(u64::MAX),
        concurrent_requests: limits.concurrency,
        concurrent_runs: limits.runs,
        runs_per_client: limits.runs_per_client,
        runs_per_agent: limits.runs_per_agent,
        queued_runs: limits.queued_runs,
        tool_workers: tool_workers.get(),
        mcp_sessions: mcp.sessions,
        mcp_sessions_per_caller: mcp.sessions_of_one,
    }
}
