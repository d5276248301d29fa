//! `/mcp/upstreams`: servers of others, whose tools our agents call.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::db::At;
use crate::definitions::DefinitionError;
use crate::definitions::Kind;
use crate::definitions::store;
use crate::definitions::wire::DefinitionVersion;
use crate::definitions::wire::Deletion;
use crate::definitions::wire::Members;
use crate::definitions::wire::Tagged;
use crate::definitions::wire::WhichVersion;
use crate::definitions::wire::etag;
use crate::http::Body;
use crate::http::Created;
use crate::http::IfMatch;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::mcp::store::upstreams as seen_store;
use crate::mcp::upstreams;
use crate::mcp::upstreams::NewUpstream;
use crate::mcp::upstreams::Place;
use crate::mcp::upstreams::Seen;
use crate::mcp::upstreams::SeenTool;
use crate::mcp::upstreams::State as Health;
use crate::mcp::upstreams::Upstream;
use crate::mcp::upstreams::UpstreamChange;
use crate::mcp::upstreams::UpstreamError;
use crate::mcp::upstreams::UpstreamRows;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::AdminRead;
use crate::oauth::scopes::AdminWrite;

/// What the server says of an upstream, and nobody sets. A body that has these members may be sent as it was read.
const STATE: [&str; 7] = [
    "state",
    "last_error",
    "protocol_version",
    "checked_at",
    "tools",
    "offered_hash",
    "consent_url",
];

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_mcp_upstreams, create_mcp_upstream))
        .routes(routes!(read_mcp_upstream, change_mcp_upstream, delete_mcp_upstream))
        .routes(routes!(refresh_mcp_upstream))
        .routes(routes!(accept_mcp_upstream))
        .routes(routes!(list_mcp_upstream_versions))
        .routes(routes!(restore_mcp_upstream))
}

/// A server of others, and how it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpUpstreamShown)]
struct Shown {
    #[serde(flatten)]
    definition: Upstream,
    state: Health,
    /// Why it could not be asked the last time.
    #[schema(required)]
    last_error: Option<String>,
    /// The revision of the protocol that it was spoken with in.
    #[schema(required, example = "2026-07-28")]
    protocol_version: Option<String>,
    /// When it was looked at; every five minutes it is.
    #[schema(required)]
    checked_at: Option<At>,
    /// Its tools that `allow` means, as they were last seen.
    tools: Vec<SeenTool>,
    /// Of all that is `offered` now; `null` if nothing has changed.
    #[schema(
        required,
        example = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )]
    offered_hash: Option<String>,
    /// Where people let it be used in their names, if it is used so.
    #[schema(required, example = "https://agents.example.com/mcp/consent/github")]
    consent_url: Option<String>,
}

/// What somebody accepts.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = McpUpstreamAcceptance)]
struct Acceptance {
    /// The `offered_hash` that was shown to him: anything else is not accepted. Without it whatever was last seen is.
    #[serde(default)]
    #[schema(required = false)]
    offered_hash: Option<String>,
}

impl Shown {
    fn new(app: &App, definition: Arc<Upstream>, seen: Seen) -> Self {
        let content = &definition.content;
        let url = app.mcp.upstreams.consents().url(&content.name);
        let consent_url = Some(url).filter(|_| content.auth.is_personal());
        let wants = |url: &String| seen.last_error.as_ref().is_some_and(|it| it.ends_with(url));
        let state = match seen.state() {
            Health::Failing if consent_url.as_ref().is_some_and(wants) => Health::NeedsConsent,
            state => state,
        };
        let offered_hash = seen.offered_hash();
        let Seen { protocol, last_error, tools, checked_at } = seen;
        let (definition, protocol_version) = (Arc::unwrap_or_clone(definition), protocol);
        Self {
            definition,
            state,
            last_error,
            protocol_version,
            checked_at,
            tools,
            offered_hash,
            consent_url,
        }
    }
}

/// List MCP upstreams
///
/// The newest first.
#[utoipa::path(get, path = "/mcp/upstreams", tag = "mcp", params(Paging),
    responses((status = 200, body = Page<Shown>), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn list_mcp_upstreams(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Shown>, Problem> {
    let all = app.mcp.upstreams.rows().snapshot(&caller.tenant).await?;
    let rows = usize::try_from(paging.rows()).unwrap_or(usize::MAX);
    let some: Vec<_> = all.newest_first(paging.after()?).take(rows).cloned().collect();
    let page = paging.page(some, |it: &Arc<Upstream>| (it.created_at, it.id));
    let seen = app.db.read(async |conn| seen_store::list_seen(conn, &caller.tenant).await);
    let mut seen: HashMap<_, _> = seen.await.map_err(DefinitionError::from)?.into_iter().collect();
    let show = |it: Arc<Upstream>| {
        let seen = seen.remove(&it.id).unwrap_or_default();
        Shown::new(&app, it, seen)
    };
    Ok(Page { data: page.data.into_iter().map(show).collect(), next_cursor: page.next_cursor })
}

/// Create an MCP upstream
///
/// It is looked at at once, and its tools are taken in as `<name>__<tool>`. If it cannot be asked now it is there
/// nevertheless, and `last_error` says why.
#[utoipa::path(post, path = "/mcp/upstreams", tag = "mcp", request_body = NewUpstream,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    responses((status = 201, body = Shown, headers(("ETag" = String), ("Location" = String))), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn create_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Keyed { body: Members(mut body), key }: Keyed<Members>,
) -> Response {
    let create = Box::pin(async {
        take_state(&mut body);
        let made = app.mcp.upstreams.rows().create(caller.author(), body).await?;
        let seen = upstreams::take_up(&app, &caller, &made).await?;
        Ok::<_, Problem>((etag(&made), Created(Shown::new(&app, made, seen))))
    });
    once(&app, caller.owner(), key, Answers::Kept, create).await
}

/// Read an MCP upstream
///
/// How it is and its tools are as they are now, whichever version is asked for.
#[utoipa::path(get, path = "/mcp/upstreams/{id}", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name"), WhichVersion),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn read_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    Path(id_or_name): Path<String>,
    Query(WhichVersion { version }): Query<WhichVersion>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let mut upstream = find(&app, &caller, &id_or_name).await?;
    let (tenant, id) = (&caller.tenant, upstream.id);
    if let Some(version) = version {
        let past = app.mcp.upstreams.rows().version(tenant, id, version).await?;
        let unknown = DefinitionError::VersionNotFound { kind: UpstreamRows::WORDS, version };
        upstream = past.ok_or(unknown)?;
    }
    let seen = app.db.read(async |conn| seen_store::find_seen(conn, tenant, id).await).await;
    let seen = seen.map_err(DefinitionError::from)?.unwrap_or_default();
    Ok((etag(&upstream), Json(Shown::new(&app, upstream, seen))))
}

/// Change an MCP upstream
///
/// Members that are not in the body stay as they are; `null` stands for the default. Its name stays, since its tools have
/// it. It is looked at at once.
#[utoipa::path(put, path = "/mcp/upstreams/{id}", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name"),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    request_body = UpstreamChange,
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn change_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path(id_or_name): Path<String>,
    if_match: IfMatch,
    Body(Members(mut body)): Body<Members>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    take_state(&mut body);
    let name = find_to_change(&app, &caller, &id_or_name).await?.content.name.clone();
    if body.get("name").is_some_and(|it| *it != name) {
        let detail = "its tools have it in their names; it cannot be changed";
        return Err(Problem::invalid(vec![Invalid::new("/name", "read_only", detail)]));
    }
    let rows = app.mcp.upstreams.rows();
    let changed = rows.update(caller.author(), &id_or_name, &if_match, body).await?;
    app.mcp.upstreams.forgive(&changed);
    let seen = upstreams::take_up(&app, &caller, &changed).await?;
    Ok((etag(&changed), Json(Shown::new(&app, changed, seen))))
}

/// Delete an MCP upstream
///
/// Its tools go with it. One whose tools agents name is deleted only with `force`.
#[utoipa::path(delete, path = "/mcp/upstreams/{id}", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name"), Deletion,
        ("If-Match" = Option<String>, Header, description = "Versions that may be deleted")),
    responses((status = 204), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn delete_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path(id_or_name): Path<String>,
    Query(deletion): Query<Deletion>,
    if_match: IfMatch,
) -> Result<NoContent, Problem> {
    let upstream = find_to_change(&app, &caller, &id_or_name).await?;
    upstreams::delete(&app, &caller, &upstream, &if_match, deletion.force()).await?;
    Ok(NoContent)
}

/// Look at an MCP upstream
///
/// What is new of its tools is taken in. What has changed of others is shown, and not used before it is accepted.
#[utoipa::path(post, path = "/mcp/upstreams/{id}/refresh", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn refresh_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path(id_or_name): Path<String>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let upstream = find(&app, &caller, &id_or_name).await?;
    let seen = upstreams::refresh(&app, &caller, &upstream).await?;
    Ok((etag(&upstream), Json(Shown::new(&app, upstream, seen))))
}

/// Accept what has changed of an MCP upstream
///
/// Tools that say something else than before are used by what they were last seen to say; those that are gone go here, too.
/// The upstream is not asked. With the `offered_hash` that was shown, nothing else is accepted than what was looked at: then the
/// answer is 409, with the `upstream` as it is.
#[utoipa::path(post, path = "/mcp/upstreams/{id}/accept", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name")),
    request_body = Acceptance,
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn accept_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path(id_or_name): Path<String>,
    Body(Acceptance { offered_hash }): Body<Acceptance>,
) -> Result<Tagged<Json<Shown>>, Problem> {
    let upstream = find(&app, &caller, &id_or_name).await?;
    match upstreams::accept(&app, &caller, &upstream, offered_hash.as_deref()).await {
        Ok(seen) => Ok((etag(&upstream), Json(Shown::new(&app, upstream, seen)))),
        Err(UpstreamError::OfferChanged(seen)) => {
            let detail = "what is offered now is not what was looked at";
            let shown = Shown::new(&app, upstream, *seen);
            Err(Problem::conflict("mcp-upstream-changed", detail).with("upstream", shown))
        }
        Err(error) => Err(error.into()),
    }
}

/// List the versions of an MCP upstream
///
/// The newest first.
#[utoipa::path(get, path = "/mcp/upstreams/{id}/versions", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name"), Paging),
    responses((status = 200, body = Page<DefinitionVersion>), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn list_mcp_upstream_versions(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    Path(id_or_name): Path<String>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<DefinitionVersion>, Problem> {
    let (tenant, id) = (&caller.tenant, find(&app, &caller, &id_or_name).await?.id);
    let (before, rows) = (paging.after()?.unwrap_or(i64::MAX), paging.rows());
    let versions = app.db.read(async |conn| {
        store::list_versions(conn, tenant, UpstreamRows::NAME, id, before, rows).await
    });
    let versions = versions.await.map_err(DefinitionError::from)?;
    let versions = versions.into_iter().map(DefinitionVersion::from).collect();
    Ok(paging.page(versions, |it: &DefinitionVersion| it.version))
}

/// Restore a version of an MCP upstream
///
/// What it said then becomes its newest version. It is looked at at once.
#[utoipa::path(post, path = "/mcp/upstreams/{id}/versions/{version}/restore", tag = "mcp",
    params(("id" = String, Path, description = "Its id or its name"), ("version" = i64, Path),
        ("If-Match" = Option<String>, Header, description = "Versions that may be changed")),
    responses((status = 200, body = Shown, headers(("ETag" = String))), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn restore_mcp_upstream(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path((id_or_name, version)): Path<(String, i64)>,
    if_match: IfMatch,
) -> Result<Tagged<Json<Shown>>, Problem> {
    find_to_change(&app, &caller, &id_or_name).await?;
    let rows = app.mcp.upstreams.rows();
    let restored = rows.restore(caller.author(), &id_or_name, &if_match, version).await?;
    let seen = upstreams::take_up(&app, &caller, &restored).await?;
    Ok((etag(&restored), Json(Shown::new(&app, restored, seen))))
}

async fn find(
    app: &App,
    caller: &Principal,
    id_or_name: &str,
) -> Result<Arc<Upstream>, DefinitionError> {
    let all = app.mcp.upstreams.rows().snapshot(&caller.tenant).await?;
    let unknown = || DefinitionError::not_found::<UpstreamRows>(id_or_name);
    all.find(id_or_name).cloned().ok_or_else(unknown)
}

/// The same where it is to be changed, which programs of the file are not.
async fn find_to_change(
    app: &App,
    caller: &Principal,
    id_or_name: &str,
) -> Result<Arc<Upstream>, Problem> {
    let upstream = find(app, caller, id_or_name).await?;
    if Place::of(&upstream) == Place::Row {
        return Ok(upstream);
    }
    let name = &upstream.content.name;
    let detail =
        format!("`{name}` is a program of the file `MCP_SERVERS_FILE`, and only changed there");
    Err(Problem::conflict("read-only", detail))
}

fn take_state(body: &mut Map<String, Value>) {
    body.retain(|member, _| !STATE.contains(&member.as_str()));
}

impl Located for Shown {
    fn location(&self) -> String {
        format!("/mcp/upstreams/{}", self.definition.id)
    }
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Definition(error) => error.into(),
            UpstreamError::OfferChanged(_) => Self::conflict("mcp-upstream-changed", error),
            UpstreamError::Json(_) | UpstreamError::Database(_) => Self::internal(&error),
        }
    }
}
