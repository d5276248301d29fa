//! `/mcp/consent/{upstream}`: pages on which a person lets a server of others be used in his name; and `/mcp/consents`: what
//! he has consented to.

use std::sync::Arc;

use auth::form::Params;
use axum::Json;
use axum::extract::RawQuery;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use minijinja::Value;
use minijinja::context;
use serde::Serialize;
use tracing::error;
use tracing::info;
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::At;
use crate::definitions::DefinitionError;
use crate::http::NoContent;
use crate::http::Page as List;
use crate::http::Path;
use crate::http::Problem;
use crate::http::address::Asker;
use crate::mcp::store::consents as store;
use crate::mcp::store::consents::Key;
use crate::mcp::store::consents::Own;
use crate::mcp::upstreams;
use crate::mcp::upstreams::ConsentError;
use crate::mcp::upstreams::Upstream;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::Anybody;
use crate::oauth::sessions::Who;
use crate::oauth::sign_in::pages::Page;
use crate::oauth::sign_in::routes::Form;
use crate::oauth::sign_in::routes::place;
use crate::oauth::sign_in::routes::redirect;
use crate::oauth::sign_in::routes::show;
use crate::oauth::sign_in::routes::who;
use crate::runs::approvals;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/mcp/consent/{upstream}", get(read).post(decide))
        .route("/mcp/consent/{upstream}/callback", get(come_back))
        .route("/mcp/consent/{upstream}/client.json", get(document))
        .routes(routes!(list_mcp_consents))
        .routes(routes!(delete_mcp_consent))
}

/// A server of others that may be used in one's name.
#[derive(Debug, Serialize, ToSchema)]
struct McpConsent {
    #[schema(example = "github")]
    upstream: String,
    #[schema(example = "GitHub")]
    display_name: String,
    /// Where one takes it back, or consents anew.
    #[schema(example = "https://agents.example.com/mcp/consent/github")]
    url: String,
    /// What one has allowed, as its authorization server says.
    #[schema(required)]
    scope: Option<String>,
    created_at: At,
    /// When the token was renewed last.
    updated_at: At,
}

/// List what one has consented to
///
/// Servers of others that may be used in the name of whoever calls, at most 200.
#[utoipa::path(get, path = "/mcp/consents", tag = "mcp",
    responses((status = 200, body = List<McpConsent>), Problem),
    security(("oauth2" = [])))]
async fn list_mcp_consents(
    State(app): State<App>,
    caller: Caller<Anybody>,
) -> Result<List<McpConsent>, Problem> {
    let (tenant, subject) = (&caller.tenant, caller.subject.as_str());
    let own = app.db.read(async |conn| store::list_own(conn, tenant, subject).await).await;
    let url = |upstream: &str| app.mcp.upstreams.consents().url(upstream);
    let shown = |it: Own| McpConsent {
        url: url(&it.upstream),
        upstream: it.upstream,
        display_name: it.display_name,
        scope: it.scope,
        created_at: it.created_at,
        updated_at: it.updated_at,
    };
    let own = own.map_err(|cause| Problem::internal(&cause))?;
    Ok(List { data: own.into_iter().map(shown).collect(), next_cursor: None })
}

/// Take a consent of one's own back
///
/// The tokens are forgotten, and their authorization server is told so.
#[utoipa::path(delete, path = "/mcp/consents/{upstream}", tag = "mcp",
    params(("upstream" = String, Path, description = "Its id or its name")),
    responses((status = 204), Problem),
    security(("oauth2" = [])))]
async fn delete_mcp_consent(
    State(app): State<App>,
    caller: Caller<Anybody>,
    Path(id_or_name): Path<String>,
) -> Result<NoContent, Problem> {
    let none = || Problem::not_found("mcp-consent-not-found", "there is no such consent of yours");
    let found = app.mcp.upstreams.rows().find(&caller.tenant, &id_or_name).await?;
    let upstream = found.ok_or_else(none)?;
    let (tenant, subject) = (&caller.tenant, caller.subject.as_str());
    let key = Key { tenant, subject, upstream: upstream.id };
    let (consents, name) = (app.mcp.upstreams.consents(), &upstream.content.name);
    let taken = consents.take_back(key, name, caller.actor()).await;
    if taken.map_err(|cause| Problem::internal(&cause))? { Ok(NoContent) } else { Err(none()) }
}

/// The document that describes us as a client to the authorization server of an upstream. It tells nothing of what there is.
async fn document(State(app): State<App>, Path(upstream): Path<String>) -> Json<serde_json::Value> {
    Json(app.mcp.upstreams.consents().document(&upstream))
}

async fn read(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = match Visit::of(&app, &headers, &name).await? {
        Ok(visit) => visit,
        Err(elsewhere) => return Ok(elsewhere),
    };
    visit.page(&app, StatusCode::OK, context! {}).await
}

/// Sends him on to be asked, or takes back what he has consented to.
async fn decide(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Form { params, headers, address } = match Form::read(&app, request).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let visit = match Visit::of(&app, &headers, &name).await? {
        Ok(visit) => visit,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let consents = app.mcp.upstreams.consents();
    if params.get("decision") != Some("allow") {
        let origin = Origin { address: Some(address), request_id: None };
        let (by, name) = (visit.actor(&origin), &visit.upstream.content.name);
        let taken = consents.take_back(visit.key(), name, by).await;
        taken.map_err(|cause| Problem::internal(&cause))?;
        return Ok(redirect(&visit.path(&app)));
    }
    match consents.begin(&visit.who, &visit.upstream).await {
        Ok(away) => {
            let on = HeaderValue::from_str(&format!("0;url={}", away.url));
            let on = on.map_err(|cause| Problem::internal(&cause))?;
            let host = Url::parse(&away.place).ok();
            let host = host.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
            let mut page = visit.page(&app, StatusCode::OK, context! { goes_to => host }).await?;
            // Not by a redirect: what follows a form must stay where the policy of its page says, and some servers
            // lead over several hosts.
            page.headers_mut().insert("refresh", on);
            Ok(page)
        }
        Err(error) => visit.failed(&app, &error).await,
    }
}

/// Takes back who was asked, with what he has been given.
async fn come_back(
    State(app): State<App>,
    Path(name): Path<String>,
    Asker(address): Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = match Visit::of(&app, &headers, &name).await? {
        Ok(visit) => visit,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let origin = Origin { address: Some(address), request_id: None };
    let Visit { who, upstream, .. } = &visit;
    let consents = app.mcp.upstreams.consents();
    match consents.finish(who, upstream, &params, visit.actor(&origin)).await {
        Ok(signals) => {
            info!(subject = %who.subject, upstream = upstream.content.name, "somebody has consented");
            approvals::go_on(&app.runs, signals).await;
            if who.scopes.covers("admin.write") {
                // Whoever administers is the first who can see what it has.
                let caller = who.clone().into_principal();
                app.mcp.upstreams.forgive(upstream);
                upstreams::take_up(&app, &caller, upstream).await?;
            }
            Ok(redirect(&visit.path(&app)))
        }
        Err(error) => visit.failed(&app, &error).await,
    }
}

/// Somebody who is signed in, at the page of an upstream.
struct Visit {
    who: Who,
    upstream: Arc<Upstream>,
}

impl Visit {
    /// Or where he has to go first.
    async fn of(
        app: &App,
        headers: &HeaderMap,
        name: &str,
    ) -> Result<Result<Self, Response>, Problem> {
        let Some(who) = who(app, headers).await? else {
            let then: String =
                url::form_urlencoded::byte_serialize(format!("/mcp/consent/{name}").as_bytes())
                    .collect();
            return Ok(Err(redirect(&format!("{}/sign-in?then={then}", place(app)))));
        };
        let found: Result<_, DefinitionError> =
            app.mcp.upstreams.rows().find(&who.tenant, name).await;
        let usable = found?.filter(|it| it.is_usable() && it.content.auth.is_personal());
        let Some(upstream) = usable else {
            let values = context! {
                problem => "There is nothing to consent to",
                detail => "No server of this name is used in the name of people.",
            };
            return show(app, StatusCode::NOT_FOUND, Page::Refusal, values, None).map(Err);
        };
        Ok(Ok(Self { who, upstream }))
    }

    fn key(&self) -> Key<'_> {
        let Self { who, upstream } = self;
        Key { tenant: &who.tenant, subject: who.subject.as_str(), upstream: upstream.id }
    }

    fn actor<'a>(&'a self, origin: &'a Origin) -> Actor<'a> {
        let (tenant, subject) = (&self.who.tenant, self.who.subject.as_str());
        Actor { tenant, subject, client_id: None, origin }
    }

    fn path(&self, app: &App) -> String {
        format!("{}/mcp/consent/{}", place(app), self.upstream.content.name)
    }

    async fn page(
        &self,
        app: &App,
        status: StatusCode,
        values: Value,
    ) -> Result<Response, Problem> {
        let key = self.key();
        let has = app.db.read(async |conn| store::find(conn, key).await).await;
        let has = has.map_err(|cause| Problem::internal(&cause))?.is_some();
        let content = &self.upstream.content;
        let url = Url::parse(&content.url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let values = context! {
            upstream => content.name.clone(), title => content.display_name.clone(), host, has,
            username => self.who.username.clone(), ..values
        };
        show(app, status, Page::Connect, values, None)
    }

    /// The page once more, with why it did not work out.
    async fn failed(&self, app: &App, error: &ConsentError) -> Result<Response, Problem> {
        let upstream = &self.upstream.content.name;
        let status = match error {
            ConsentError::NotBegunHere => StatusCode::BAD_REQUEST,
            ConsentError::Refused(_) => StatusCode::FORBIDDEN,
            ConsentError::OtherIssuer | ConsentError::Far(_) => {
                error!(upstream, error = error as &dyn std::error::Error, "nobody can consent now");
                StatusCode::BAD_GATEWAY
            }
            fault => return Err(Problem::internal(fault)),
        };
        let mut detail = error.to_string();
        if let Some(first) = detail.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let problem = "That did not work out";
        self.page(app, status, context! { problem, detail => format!("{detail}.") }).await
    }
}
