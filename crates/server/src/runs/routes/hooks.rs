//! `/hooks/{path}`: paths of the triggers of workflows, for callers and for other servers.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http::request::Parts;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;

use super::events;
use super::execute::Wanted;
use super::execute::answer;
use crate::app::App;
use crate::db::Id;
use crate::db::TenantId;
use crate::http::IdempotencyKey;
use crate::http::Invalid;
use crate::http::Path;
use crate::http::Problem;
use crate::http::address;
use crate::http::body;
use crate::http::json::parse_strict;
use crate::http::once;
use crate::http::pointer_to;
use crate::http::query_pairs;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::scopes::WorkflowExecute;
use crate::oauth::sessions::calls;
use crate::runs::Run;
use crate::runs::executable;
use crate::runs::execute;
use crate::runs::execute::ExecuteError;
use crate::runs::journal::NewKey;
use crate::runs::triggers;
use crate::runs::triggers::TriggerError;
use crate::runs::triggers::hook;
use crate::runs::triggers::hook::Delivered;
use crate::runs::triggers::hook::Delivery;
use crate::runs::triggers::hook::HookError;
use crate::workflows::store::triggers as store;
use crate::workflows::triggers::Armed;
use crate::workflows::triggers::HookMethod;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const GITHUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// So often a delivery is looked at, if its trigger changes each time before its run is stored.
const ATTEMPTS: usize = 3;

/// What the sender of a webhook is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct HookAnswer {
    run_id: Id,
}

/// What the query of a call says: any names.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct HookQuery(Map<String, Value>);

/// What is answered to a call and to a webhook that go on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum HookTaken {
    Run(Box<Run>),
    Hook(HookAnswer),
}

macro_rules! hooks {
    ($($(#[$summary:meta])* $method:ident $name:ident $taken:ident, ($($security:tt)*);)+) => {
        $(
            $(#[$summary])*
            ///
            /// Begins a run, if the workflow has a trigger of type `api` for it; answered as an execution is. The input
            /// is the JSON body; parameters of the query are members of it, as texts. `Accept: text/event-stream` gives
            /// the events, `Prefer: respond-async` the run at once.
            ///
            /// A webhook needs no token; it is answered with 202 and the id of the run.
            #[utoipa::path($method, path = "/hooks/{path}", tag = "workflows",
                params(("path" = String, Path, description = "Of the trigger"),
                    ("input" = inline(Option<HookQuery>), Query, style = Form, explode, description = "Members of the input")),
                request_body = inline(Option<Value>),
                responses((status = 200, body = Run, description = "The run succeeded, or its events follow"),
                    (status = 202, body = $taken, description = "The run goes on"), Problem),
                security($($security)*))]
            pub async fn $name(
                State(app): State<App>,
                Path(path): Path<String>,
                request: Request,
            ) -> Result<Response, Problem> {
                call(&app, Some(TenantId::default()), path, request).await
            }
        )+
    };
}

macro_rules! hooks_of_tenants {
    ($($(#[$summary:meta])* $method:ident $name:ident $taken:ident, ($($security:tt)*);)+) => {
        $(
            $(#[$summary])*
            ///
            /// The same as `/hooks/{path}`, where the tenant is not `default`.
            #[utoipa::path($method, path = "/hooks/{tenant}/{path}", tag = "workflows",
                params(("tenant" = String, Path, description = "Whose path it is"),
                    ("path" = String, Path, description = "Of the trigger"),
                    ("input" = inline(Option<HookQuery>), Query, style = Form, explode, description = "Members of the input")),
                request_body = inline(Option<Value>),
                responses((status = 200, body = Run, description = "The run succeeded, or its events follow"),
                    (status = 202, body = $taken, description = "The run goes on"), Problem),
                security($($security)*))]
            pub async fn $name(
                State(app): State<App>,
                Path((tenant, path)): Path<(String, String)>,
                request: Request,
            ) -> Result<Response, Problem> {
                call(&app, TenantId::try_from(tenant).ok(), path, request).await
            }
        )+
    };
}

hooks! {
    /// Call a path of a workflow by GET
    get get_hook Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of a workflow by POST
    post post_hook HookTaken, ((), ("oauth2" = ["workflow.execute"]));
    /// Call a path of a workflow by PUT
    put put_hook Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of a workflow by PATCH
    patch patch_hook Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of a workflow by DELETE
    delete delete_hook Run, (("oauth2" = ["workflow.execute"]));
}

hooks_of_tenants! {
    /// Call a path of another tenant by GET
    get get_hook_of_tenant Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of another tenant by POST
    post post_hook_of_tenant HookTaken, ((), ("oauth2" = ["workflow.execute"]));
    /// Call a path of another tenant by PUT
    put put_hook_of_tenant Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of another tenant by PATCH
    patch patch_hook_of_tenant Run, (("oauth2" = ["workflow.execute"]));
    /// Call a path of another tenant by DELETE
    delete delete_hook_of_tenant Run, (("oauth2" = ["workflow.execute"]));
}

/// What is called; of what there cannot be a tenant or a method is `None`.
struct Place {
    tenant: Option<TenantId>,
    path: String,
    method: Option<HookMethod>,
}

impl Place {
    /// What trigger has it now.
    async fn find(&self, app: &App) -> Result<Option<Armed>, TriggerError> {
        let (Some(tenant), Some(method)) = (&self.tenant, self.method) else { return Ok(None) };
        triggers::current(&app.runs).await?;
        let (path, db) = (&self.path, &app.db);
        Ok(db.read(async |conn| store::find_hook(conn, tenant, path, method).await).await?)
    }

    /// The same, if it is a webhook.
    async fn find_webhook(&self, app: &App) -> Result<Option<Armed>, TriggerError> {
        Ok(self.find(app).await?.filter(|it| it.trigger.is_unattended()))
    }

    /// The same, if it is for callers, such as this one.
    async fn find_for(&self, app: &App, caller: &Principal) -> Result<Armed, Problem> {
        let is_his = |it: &Armed| !it.trigger.is_unattended() && it.tenant == caller.tenant;
        self.find(app).await?.filter(is_his).ok_or_else(|| not_found(&self.path))
    }
}

/// A webhook is for whoever has signed what he sends. All else is for callers who are known, who are asked for before
/// anything is said of what there is; who shows nothing, and does so again and again, waits.
async fn call(
    app: &App,
    tenant: Option<TenantId>,
    path: String,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let from = address::caller(&parts, &app.config.trusted_proxies);
    let is_stranger = !shows_something(&parts, app);
    if let Some(wait) = app.runs.strangers().wait(from).filter(|_| is_stranger) {
        return Err(HookError::TooMuch(wait).into());
    }
    let place = Place { tenant, path, method: method(&parts.method) };
    if let Some(armed) = place.find_webhook(app).await? {
        return deliver(app, &place, &armed, parts, body).await;
    }
    let caller = Caller::<WorkflowExecute>::from_request_parts(&mut parts, app).await;
    let caller = caller.inspect_err(|it| {
        if is_stranger && it.status() == StatusCode::UNAUTHORIZED {
            app.runs.strangers().note_lost(from);
        }
    })?;
    execute_for(app, &caller, &place, parts, body).await
}

/// Whether a request shows a token, a session or a signature, of whatever worth.
fn shows_something(parts: &Parts, app: &App) -> bool {
    let shown = [header::AUTHORIZATION, SIGNATURE, GITHUB_SIGNATURE];
    shown.iter().any(|it| parts.headers.contains_key(it)) || calls::shows_session(parts, app)
}

/// Begins a run for `caller`, as `execute` does. The trigger is looked up again when all is read: that may take a while.
async fn execute_for(
    app: &App,
    caller: &Principal,
    place: &Place,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    place.find_for(app, caller).await?;
    let query = query_pairs(parts.uri.query().unwrap_or_default())?;
    let request = Request::from_parts(parts.clone(), body);
    let bytes = body::read_json(request, &app.config.limits).await?;
    let asked = [parts.uri.query().unwrap_or_default().as_bytes(), b"\n", &bytes].concat();
    let key = IdempotencyKey::of(&parts, &asked)?.map(NewKey::from);
    let input = input(parse_strict(&bytes)?, query)?;
    let replayed = match &key {
        Some(key) => execute::replay(&app.runs, caller, key).await?,
        None => None,
    };
    let begun = if let Some(begun) = replayed {
        begun
    } else {
        let armed = place.find_for(app, caller).await?;
        let id = armed.workflow_id.to_string();
        let workflow = executable::workflow(&app.runs, caller, &id, None).await?;
        if armed.paused_at.is_some() {
            return Err(paused());
        }
        let begun = triggers::by_caller(&app.runs, caller, (&workflow, &armed), input, key).await;
        begun.map_err(of_input)?
    };
    let stream = events::wanted(&parts.headers);
    let background = !stream && wants_no_wait(&parts.headers);
    answer(app, caller, &begun, Wanted { stream, background }).await
}

/// Takes what another server sends to `first`. The trigger is looked up again when all is read: that may take a while.
async fn deliver(
    app: &App,
    place: &Place,
    first: &Armed,
    mut parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    let from = address::caller(&parts, &app.config.trusted_proxies);
    hook::admit(&app.runs, first, &parts.headers, from).await?;
    let request = Request::from_parts(parts.clone(), body);
    let body = body::read(request, &app.config.limits).await?;
    for _ in 0..ATTEMPTS {
        let Some(armed) = place.find_webhook(app).await? else {
            Caller::<WorkflowExecute>::from_request_parts(&mut parts, app).await?;
            return Err(not_found(&place.path));
        };
        let delivery = Delivery { headers: &parts.headers, body: &body, from };
        match hook::deliver(&app.runs, &app.secrets, &armed, delivery).await {
            Err(HookError::Failed(TriggerError::Changed)) => {}
            delivered => return Ok(accepted(delivered?)),
        }
    }
    Err(TriggerError::Changed.into())
}

fn accepted(Delivered { run_id, is_repeated }: Delivered) -> Response {
    let mut answer = (StatusCode::ACCEPTED, Json(HookAnswer { run_id })).into_response();
    if is_repeated {
        answer.headers_mut().insert(once::REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

/// The body, of which the parameters of the query are members; those that come several times are lists.
fn input(body: Value, query: Vec<(String, String)>) -> Result<Value, Problem> {
    if query.is_empty() {
        return Ok(body);
    }
    let Value::Object(mut members) = body else {
        let fault = Invalid::new("", "conflict", "must be an object, or the query be empty");
        return Err(Problem::invalid(vec![fault]));
    };
    let mut given: Map<String, Value> = Map::new();
    for (name, text) in query {
        match given.get_mut(&name) {
            None => drop(given.insert(name, text.into())),
            Some(Value::Array(list)) => list.push(text.into()),
            Some(one) => *one = Value::Array(vec![one.take(), text.into()]),
        }
    }
    let twice = given.keys().filter(|name| members.contains_key(*name));
    let detail = "is in the query, too";
    let faults: Vec<_> =
        twice.map(|name| Invalid::new(pointer_to("", name), "conflict", detail)).collect();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    members.extend(given);
    Ok(Value::Object(members))
}

/// Whether the caller would rather not wait (RFC 7240).
fn wants_no_wait(headers: &HeaderMap) -> bool {
    let preferred = headers.get_all(PREFER).iter().filter_map(|it| it.to_str().ok());
    let mut preferred = preferred.flat_map(|it| it.split(','));
    preferred.any(|it| {
        it.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("respond-async"))
    })
}

fn method(method: &Method) -> Option<HookMethod> {
    match *method {
        Method::GET => Some(HookMethod::Get),
        Method::POST => Some(HookMethod::Post),
        Method::PUT => Some(HookMethod::Put),
        Method::PATCH => Some(HookMethod::Patch),
        Method::DELETE => Some(HookMethod::Delete),
        _ => None,
    }
}

fn not_found(path: &str) -> Problem {
    let path: String = path.chars().take(100).collect();
    Problem::not_found("hook-not-found", format!("no workflow has this method for `/hooks/{path}`"))
}

fn too_much(wait: Duration, error: &HookError) -> Problem {
    let limit =
        json!({"name": "hook_calls_of_address", "value": 100, "used": 100, "resets_at": null});
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit-reached", error)
        .with("limit", limit)
        .header(header::RETRY_AFTER, wait.as_secs() + 1)
}

fn paused() -> Problem {
    Problem::conflict("trigger-paused", HookError::Paused)
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Unproven => Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", error)
                .header(header::WWW_AUTHENTICATE, "Signature"),
            HookError::TooMuch(wait) => too_much(wait, &error),
            HookError::Paused => paused(),
            HookError::NotJson(_) => Self::malformed(error, Vec::new()),
            HookError::Invalid(wrong) => {
                Self::invalid(wrong.into_iter().map(without_input).collect())
            }
            HookError::Refused => Self::conflict("trigger-refused", error),
            HookError::Failed(error) => error.into(),
        }
    }
}

/// What is wrong with the input is wrong with the body.
fn of_input(error: ExecuteError) -> Problem {
    match error {
        ExecuteError::Invalid(wrong) => HookError::Invalid(wrong).into(),
        error => error.into(),
    }
}

/// The body is the input.
fn without_input(fault: Invalid) -> Invalid {
    let pointer = fault.pointer.strip_prefix("/input").map(str::to_owned);
    Invalid { pointer: pointer.unwrap_or(fault.pointer), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        query_pairs(query).unwrap()
    }

    #[test]
    fn parameters_become_members_of_the_input() {
        let taken = |body: Value, query| input(body, pairs(query)).ok();

        assert_eq!(taken(json!([1]), ""), Some(json!([1])));
        assert_eq!(taken(json!({}), "a=1&b=x%20y"), Some(json!({"a": "1", "b": "x y"})));
        assert_eq!(
            taken(json!({"c": 1}), "a=1&a=2&a=3"),
            Some(json!({"a": ["1", "2", "3"], "c": 1}))
        );
        assert_eq!(taken(json!({"a": 1}), "a=1"), None);
        assert_eq!(taken(json!("text"), "a=1"), None);
    }

    #[test]
    fn who_prefers_not_to_wait_says_so() {
        let wants = |value: &'static str| {
            wants_no_wait(&HeaderMap::from_iter([(PREFER, HeaderValue::from_static(value))]))
        };
        assert!(wants("respond-async") && wants("handling=lenient, Respond-Async; wait=5"));
        assert!(!wants("return=minimal") && !wants_no_wait(&HeaderMap::new()));
    }
}
