//! `/audit`: who administered what, and who was refused.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit;
use crate::audit::Entry;
use crate::audit::Filter;
use crate::audit::Verified;
use crate::db::At;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Problem;
use crate::http::Query;
use crate::oauth::caller::Caller;
use crate::oauth::scopes::AuditRead;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_entries)).routes(routes!(verify_trail))
}

/// What a list of entries is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntryFilter {
    /// `client:<client_id>`, `user:<id>`, or `system:<command>`.
    actor: Option<String>,
    /// Such as `agent.update`, or `agent` for all that is done to agents.
    action: Option<String>,
    /// The name or id of what it is done to.
    target: Option<String>,
    after: Option<At>,
    before: Option<At>,
}

/// List the audit trail
///
/// What was administered in the tenant, and what was refused to callers who are known, the newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(EntryFilter, Paging),
    responses((status = 200, body = Page<Entry>), Problem),
    security(("oauth2" = ["audit.read"])))]
async fn list_entries(
    State(app): State<App>,
    caller: Caller<AuditRead>,
    paging: Paging,
    Query(filter): Query<EntryFilter>,
) -> Result<Page<Entry>, Problem> {
    let EntryFilter { actor, action, target, after: since, before: until } = filter;
    let filter = Filter { actor, action, target, since, until, before: paging.after()? };
    let (tenant, rows) = (&caller.tenant, paging.rows());
    let found = app.db.read(async |conn| audit::list(conn, tenant, &filter, rows).await);
    let found = found.await.map_err(|cause| Problem::internal(&cause))?;
    Ok(paging.page(found, |entry: &Entry| entry.seq))
}

/// Verify the audit trail
///
/// Reads it whole, and compares each entry with its hash. `agent-server audit verify` does the same without the server.
#[utoipa::path(get, path = "/audit/verify", tag = "audit",
    responses((status = 200, body = Verified), Problem),
    security(("oauth2" = ["audit.read"])))]
async fn verify_trail(
    State(app): State<App>,
    caller: Caller<AuditRead>,
) -> Result<Json<Verified>, Problem> {
    let verified = audit::verify(&app.db, &caller.tenant).await;
    verified.map(Json).map_err(|cause| Problem::internal(&cause))
}
