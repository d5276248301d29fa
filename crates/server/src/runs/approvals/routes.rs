//! `/approvals`: who may see and decide what.

use axum::Json;
use axum::extract::State;
use engine::Approval;
use engine::ApprovalStatus;
use engine::Decision;
use serde::Deserialize;
use serde::Deserializer;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::decide;
use super::decide::DecideError;
use super::decide::Wish;
use super::shown::ShownApproval;
use super::shown::shown;
use crate::app::App;
use crate::db::Id;
use crate::http::Body;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::Query;
use crate::oauth::caller::Caller;
use crate::oauth::caller::insufficient;
use crate::oauth::scopes::ApprovalDecide;
use crate::oauth::scopes::ApprovalRead;
use crate::runs::store::approvals;
use crate::runs::store::approvals::Filter;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_approvals))
        .routes(routes!(get_approval, decide_approval))
}

/// List approvals
///
/// All that people of the tenant are or were asked to decide, the newest first.
#[utoipa::path(get, path = "/approvals", tag = "approvals", params(ApprovalFilter, Paging),
    responses((status = 200, body = Page<ShownApproval>), Problem),
    security(("oauth2" = ["approval.read"]), ("oauth2" = ["approval.decide"])))]
async fn list_approvals(
    State(app): State<App>,
    caller: Caller<ApprovalRead>,
    paging: Paging,
    Query(filter): Query<ApprovalFilter>,
) -> Result<Page<ShownApproval>, Problem> {
    let (status, run_id, before) = (filter.status, filter.run_id, paging.after()?);
    let filter = Filter { status, run_id, before };
    let (tenant, rows) = (&caller.tenant, paging.rows());
    let found = app.db.read(async |conn| approvals::list(conn, tenant, &filter, rows).await);
    let shown = shown(&app.runs, tenant, found.await?).await?;
    Ok(paging.page(shown, |it: &ShownApproval| it.approval.id.clone()))
}

/// What a list of approvals is narrowed to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalFilter {
    status: Option<ApprovalStatus>,
    run_id: Option<Id>,
}

/// Get an approval
#[utoipa::path(get, path = "/approvals/{id}", tag = "approvals",
    params(("id" = String, Path, description = "Id of the approval")),
    responses((status = 200, body = ShownApproval), Problem),
    security(("oauth2" = ["approval.read"]), ("oauth2" = ["approval.decide"])))]
async fn get_approval(
    State(app): State<App>,
    caller: Caller<ApprovalRead>,
    Path(id): Path<String>,
) -> Result<Json<ShownApproval>, Problem> {
    let not_found = || DecideError::NotFound(id.clone());
    let own: Id = id.parse().map_err(|_| not_found())?;
    let tenant = &caller.tenant;
    let found = app.db.read(async |conn| approvals::find(conn, tenant, own).await).await?;
    let found = found.ok_or_else(not_found)?;
    let mut shown = shown(&app.runs, tenant, vec![found]).await?;
    Ok(Json(shown.pop().ok_or_else(not_found)?))
}

/// Decide an approval
///
/// The first decision counts, and the run goes on with it at once. Whoever comes later, or too late,
/// or has looked at other arguments is told so with 409.
#[utoipa::path(post, path = "/approvals/{id}", tag = "approvals",
    params(("id" = String, Path, description = "Id of the approval")),
    request_body = DecisionAsked,
    responses((status = 200, body = Approval), Problem),
    security(("oauth2" = ["approval.decide"])))]
async fn decide_approval(
    State(app): State<App>,
    caller: Caller<ApprovalDecide>,
    Path(id): Path<String>,
    Body(asked): Body<DecisionAsked>,
) -> Result<Json<Approval>, Problem> {
    let decision = Decision::from(asked.decision);
    let wish = Wish {
        decision,
        arguments_hash: asked.arguments_hash,
        arguments: asked.arguments,
        // Elsewhere `null` is no result.
        result: asked.result.filter(|it| decision == Decision::Done || !it.is_null()),
        payload: asked.payload,
        reason: asked.reason,
    };
    Ok(Json(decide::decide(&app.runs, &caller, &id, wish).await?))
}

/// What is decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"decision": "approve", "arguments_hash": "sha256:…"}))]
struct DecisionAsked {
    decision: DecisionWord,
    /// That of the approval: what is decided is the call with these arguments and no other.
    arguments_hash: String,
    /// Of `approve`: what the tool is called with instead.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Value>,
    /// Of `done`: what came of the call, as the model is to see it; any JSON, also `null`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Value, required = false)]
    result: Option<Value>,
    /// Of a step of a workflow: what it gives with the decision, as its `payload_schema` says.
    #[schema(value_type = Value, required = false)]
    payload: Option<Value>,
    /// Why, for the record and, of a rejection, for the model.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// What is there is given, also `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionWord {
    Approve,
    Reject,
    /// Of an unknown effect: make the call again.
    Retry,
    /// Of an unknown effect: it did happen.
    Done,
}

impl From<DecisionWord> for Decision {
    fn from(word: DecisionWord) -> Self {
        match word {
            DecisionWord::Approve => Self::Approve,
            DecisionWord::Reject => Self::Reject,
            DecisionWord::Retry => Self::Retry,
            DecisionWord::Done => Self::Done,
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        let detail = error.to_string();
        match error {
            DecideError::NotFound(_) => Self::not_found("approval-not-found", detail),
            DecideError::MissingScope(scope) => insufficient(&[&scope]),
            DecideError::Decided(approval) => {
                Self::conflict("approval-decided", detail).with("approval", &*approval)
            }
            DecideError::Expired(approval) => {
                Self::conflict("approval-expired", detail).with("approval", &*approval)
            }
            DecideError::Changed(approval) => {
                Self::conflict("approval-changed", detail).with("approval", &*approval)
            }
            DecideError::Invalid(wrong) => Self::invalid(wrong),
            DecideError::Runs(error) => error.into(),
        }
    }
}
