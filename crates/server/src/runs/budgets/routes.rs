//! `/budgets`: what owners may use in a day, and what they have used.

use axum::Json;
use axum::extract::State;
use engine::LimitOwner;
use llm::Usd;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Budget;
use super::EACH;
use super::Owner;
use super::Used;
use super::day_of;
use super::resets_at;
use crate::app::App;
use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::AdminRead;
use crate::oauth::scopes::AdminWrite;
use crate::runs::RunsError;
use crate::runs::store::budgets as store;

/// The longest id of an owner, in bytes.
const ID_LENGTH: usize = 1_000;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_budgets)).routes(routes!(
        get_budget,
        put_budget,
        delete_budget
    ))
}

/// What an owner may use in a day, and has used today.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budget)]
struct Shown {
    owner: ShownOwner,
    window: Window,
    /// Tokens of all model calls together, in and out.
    max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>)]
    max_cost_usd: Option<Usd>,
    /// With the most that calls under way may use. `null` for `*`, of which each has a use of its own.
    used: Option<Used>,
    /// When the use begins at nothing again.
    resets_at: At,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetOwner)]
struct ShownOwner {
    kind: LimitOwner,
    id: String,
}

/// For how long a budget is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Window {
    /// A day of UTC.
    #[default]
    Day,
}

/// What an owner may use. At least one of the limits is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"max_tokens": 1_000_000, "max_cost_usd": 2.5}))]
struct NewBudget {
    #[serde(default)]
    #[expect(dead_code, reason = "there is one window")]
    window: Window,
    #[schema(maximum = 1_000_000_000_000_000_u64)]
    max_tokens: Option<u64>,
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 9_000_000)]
    max_cost_usd: Option<Usd>,
}

/// List budgets
///
/// By the kinds and ids of their owners, with what was used of them today.
#[utoipa::path(get, path = "/budgets", tag = "budgets", params(Paging),
    responses((status = 200, body = Page<Shown>), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn list_budgets(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Shown>, Problem> {
    let (after, rows) = (paging.after()?.unwrap_or_default(), paging.rows());
    let now = app.clock.now();
    let shown = app
        .db
        .read(async |conn| store::list(conn, &caller.tenant, &after, &day_of(now), rows).await);
    let shown = shown.await.map_err(RunsError::from)?;
    let shown = shown.into_iter().map(|(budget, used)| Shown::of(budget, used, now)).collect();
    let position = |it: &Shown| (it.owner.kind.as_str().to_owned(), it.owner.id.clone());
    Ok(paging.page(shown, position))
}

/// Get a budget
#[utoipa::path(get, path = "/budgets/{kind}/{id}", tag = "budgets",
    params(("kind" = LimitOwner, Path, description = "`tenant`, `agent`, `client` or `user`"),
        ("id" = String, Path, description = "Of the owner; an agent's name will do; a user is `subject/user`; `*` is each")),
    responses((status = 200, body = Shown), Problem),
    security(("oauth2" = ["admin.read"])))]
async fn get_budget(
    State(app): State<App>,
    caller: Caller<AdminRead>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Json<Shown>, Problem> {
    let owner = owner(&app, &caller, &kind, id).await?;
    let now = app.clock.now();
    let found = app.db.read(async |conn| {
        let Some(budget) = store::find(conn, &owner).await? else { return Ok(None) };
        Ok::<_, RunsError>(Some((budget, store::used(conn, &owner, &day_of(now)).await?.0)))
    });
    let (budget, used) = found.await?.ok_or_else(|| no_budget(&kind, &owner.id))?;
    Ok(Json(Shown::of(budget, used, now)))
}

/// Set a budget
///
/// In the place of the one that the owner may have. What was used today counts. Other replicas know of it
/// within half a second.
#[utoipa::path(put, path = "/budgets/{kind}/{id}", tag = "budgets",
    params(("kind" = LimitOwner, Path, description = "`tenant`, `agent`, `client` or `user`"),
        ("id" = String, Path, description = "Of the owner; an agent's name will do; a user is `subject/user`; `*` is each")),
    request_body = NewBudget,
    responses((status = 200, body = Shown), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn put_budget(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path((kind, id)): Path<(String, String)>,
    Body(new): Body<NewBudget>,
) -> Result<Json<Shown>, Problem> {
    let owner = owner(&app, &caller, &kind, id).await?;
    ensure_there(&app, &owner).await?;
    let NewBudget { max_tokens, max_cost_usd, .. } = new;
    if max_tokens.is_none() && max_cost_usd.is_none() {
        let detail = "at least one of `max_tokens` and `max_cost_usd` is needed";
        return Err(Problem::invalid(vec![Invalid::new("/max_tokens", "missing_member", detail)]));
    }
    let (budget, now) = (Budget { owner, max_tokens, max_cost_usd }, app.clock.now());
    let used = app.db.write(async |tx| {
        let before = store::find(tx, &budget.owner).await?.as_ref().map(told);
        store::upsert(tx, &budget, now).await?;
        let target = format!("{kind}/{}", budget.owner.id);
        let act = Act::between("budget.set", &target, before, Some(told(&budget)));
        audit::record(tx, caller.actor(), act, now).await?;
        Ok::<_, RunsError>(store::used(tx, &budget.owner, &day_of(now)).await?.0)
    });
    let used = used.await?;
    app.runs.budgets.refresh().await.map_err(RunsError::from)?;
    info!(owner.kind = kind, owner.id = budget.owner.id, by = %caller.subject, "a budget was set");
    Ok(Json(Shown::of(budget, used, now)))
}

/// Delete a budget
#[utoipa::path(delete, path = "/budgets/{kind}/{id}", tag = "budgets",
    params(("kind" = LimitOwner, Path, description = "`tenant`, `agent`, `client` or `user`"),
        ("id" = String, Path, description = "Of the owner; an agent's name will do; a user is `subject/user`; `*` is each")),
    responses((status = 204), Problem),
    security(("oauth2" = ["admin.write"])))]
async fn delete_budget(
    State(app): State<App>,
    caller: Caller<AdminWrite>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<NoContent, Problem> {
    let owner = owner(&app, &caller, &kind, id).await?;
    let now = app.clock.now();
    let deleted = app.db.write(async |tx| {
        let before = store::find(tx, &owner).await?.as_ref().map(told);
        let is_gone = store::delete(tx, &owner).await?;
        if is_gone {
            let target = format!("{kind}/{}", owner.id);
            let act = Act::between("budget.delete", &target, before, None);
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok::<_, sqlx::Error>(is_gone)
    });
    if !deleted.await.map_err(RunsError::from)? {
        return Err(no_budget(&kind, &owner.id));
    }
    app.runs.budgets.refresh().await.map_err(RunsError::from)?;
    info!(owner.kind = kind, owner.id = owner.id, by = %caller.subject, "a budget was deleted");
    Ok(NoContent)
}

/// What the audit trail is told of a budget.
fn told(budget: &Budget) -> Map<String, Value> {
    let told =
        [("max_tokens", json!(budget.max_tokens)), ("max_cost_usd", json!(budget.max_cost_usd))];
    told.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// The owner that a path names.
async fn owner(app: &App, caller: &Principal, kind: &str, id: String) -> Result<Owner, Problem> {
    let tenant = caller.tenant.clone();
    let owner_kind = match kind {
        "tenant" if id == tenant.as_str() => LimitOwner::Tenant,
        "tenant" => return Err(no_budget(kind, &id)),
        "agent" => LimitOwner::Agent,
        "client" => LimitOwner::Client,
        "user" => LimitOwner::User,
        _ => {
            let detail = "must be one of `tenant`, `agent`, `client` or `user`";
            return Err(Problem::invalid(vec![Invalid::new("?kind", "not_one_of", detail)]));
        }
    };
    if id.len() > ID_LENGTH {
        return Err(no_budget(kind, "that"));
    }
    let is_name = owner_kind == LimitOwner::Agent && id != EACH;
    let agent = if is_name { app.agents.find(&tenant, &id).await? } else { None };
    let id = agent.map_or(id, |agent| agent.id.to_string());
    Ok(Owner { tenant, kind: owner_kind, id })
}

/// Refuses an owner that is not there: a budget of it would protect from nothing. Whether there is a user
/// of that name, only whoever names him knows.
async fn ensure_there(app: &App, owner: &Owner) -> Result<(), Problem> {
    let Owner { tenant, kind, id } = owner;
    let (is_there, code, detail) = match kind {
        _ if id == EACH => return Ok(()),
        LimitOwner::Agent => {
            let agent = app.agents.find(tenant, id).await?;
            (agent.is_some(), "unknown_agent", "no agent has this id or name")
        }
        LimitOwner::Client => {
            let client = app.clients.look_up(id).await.map_err(RunsError::from)?;
            let is_ours = client.is_some_and(|client| client.tenant == *tenant);
            (is_ours, "unknown_client", "no active client has this id")
        }
        _ => return Ok(()),
    };
    let fault = || Problem::invalid(vec![Invalid::new("?id", code, detail)]);
    if is_there { Ok(()) } else { Err(fault()) }
}

fn no_budget(kind: &str, id: &str) -> Problem {
    let shown = |text: &str| text.chars().take(200).collect::<String>();
    let detail = format!("there is no budget of the {} `{}`", shown(kind), shown(id));
    Problem::not_found("budget-not-found", detail)
}

impl Shown {
    fn of(budget: Budget, used: Used, now: At) -> Self {
        let Budget { owner, max_tokens, max_cost_usd } = budget;
        Self {
            used: (owner.id != EACH).then_some(used),
            owner: ShownOwner { kind: owner.kind, id: owner.id },
            window: Window::Day,
            max_tokens,
            max_cost_usd,
            resets_at: resets_at(now),
        }
    }
}
