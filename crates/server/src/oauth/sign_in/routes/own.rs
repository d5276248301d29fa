//! `/sign-in/access`: where one is signed in oneself, and which programs one allowed to act for oneself.

use auth::token::OpaqueToken;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::StatusCode;
use minijinja::Value;
use minijinja::context;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::At;
use crate::db::Id;
use crate::http::Problem;
use crate::oauth::authorize::in_words;
use crate::oauth::grants::Grant;
use crate::oauth::sessions::Session;
use crate::oauth::sessions::Who;
use crate::oauth::sign_in::pages::Page;
use crate::oauth::sign_in::routes::Form;
use crate::oauth::sign_in::routes::cookie_of;
use crate::oauth::sign_in::routes::place;
use crate::oauth::sign_in::routes::redirect;
use crate::oauth::sign_in::routes::show;
use crate::oauth::sign_in::routes::who;
use crate::oauth::store::grants;

/// As much of what somebody allowed is shown.
const MOST: i64 = 200;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/sign-in/access", get(read).post(end))
}

async fn read(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let Some((who, token)) = signed_in(&app, &headers).await? else {
        return Ok(redirect(&format!("{}/sign-in", place(&app))));
    };
    let now = app.clock.now();
    let sessions = app.people.sessions_of(&who, &token, now).await;
    let sessions = sessions.map_err(|cause| Problem::internal(&cause))?;
    let allowed = app.db.read(async |conn| grants::list_own(conn, &who, now, MOST).await);
    let allowed = allowed.await.map_err(|cause| Problem::internal(&cause))?;
    let sessions: Vec<Value> = sessions.iter().map(session).collect();
    let allowed: Vec<Value> = allowed.iter().map(|grant| program(&app, grant)).collect();
    let values = context! { username => who.username.clone(), sessions, allowed };
    show(&app, StatusCode::OK, Page::Access, values, None)
}

/// Ends one of them, which the form names. What is gone already, or of somebody else, is not there to be ended.
async fn end(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Form { params, headers, address } = match Form::read(&app, request).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let Some((who, _)) = signed_in(&app, &headers).await? else {
        return Ok(redirect(&format!("{}/sign-in", place(&app))));
    };
    let origin = Origin { address: Some(address), request_id: None };
    let subject = who.subject.as_str();
    let by = Actor { tenant: &who.tenant, subject, client_id: None, origin: &origin };
    let (id, now) = (|name| params.get(name).and_then(|id| id.parse::<Id>().ok()), app.clock.now());
    let ended = match (id("session"), id("grant")) {
        (Some(id), None) => app.people.end_own_session(by, &who, id, now).await,
        (None, Some(id)) => app.people.end_own_grant(by, id, now).await,
        _ => Ok(false),
    };
    if ended.map_err(|cause| Problem::internal(&cause))? {
        app.clients.catch_up().await;
    }
    Ok(redirect(&format!("{}/sign-in/access", place(&app))))
}

/// Who asks, and with which session.
async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<(Who, OpaqueToken)>, Problem> {
    Ok(who(app, headers).await?.zip(cookie_of(app, headers)))
}

fn session((session, is_here): &(Session, bool)) -> Value {
    context! {
        id => session.id.to_string(), address => session.address.clone(),
        user_agent => session.user_agent.clone(),
        created_at => day(session.created_at), last_seen_at => day(session.last_seen_at), is_here => is_here,
    }
}

fn program(app: &App, grant: &Grant) -> Value {
    let client = app.clients.find(&grant.client_id);
    let name = client.map(|client| client.name.clone()).filter(|name| !name.is_empty());
    let words: Vec<String> = grant.scope.iter().map(|scope| in_words(scope.as_str()).0).collect();
    context! {
        id => grant.id.to_string(), client => name.unwrap_or_else(|| grant.client_id.clone()),
        words, created_at => day(grant.created_at),
        last_used_at => day(grant.last_used_at), expires_at => day(grant.expires_at),
    }
}

/// A time as people read it.
fn day(at: At) -> String {
    at.time().format("%Y-%m-%d %H:%M UTC").to_string()
}
