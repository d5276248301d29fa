//! `/sign-in` and `/sign-out`: pages for people.

mod own;

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use auth::form::MediaType;
use auth::form::Params;
use auth::token::OpaqueToken;
use axum::extract::FromRequestParts;
use axum::extract::RawQuery;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http::request::Parts;
use minijinja::Value;
use minijinja::context;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::http::Problem;
use crate::http::address;
use crate::http::address::Asker;
use crate::http::is_same_origin;
use crate::oauth::authorize;
use crate::oauth::authorize::routes::name_of;
use crate::oauth::cookie;
use crate::oauth::discovery;
use crate::oauth::external::External;
use crate::oauth::passwords::HasherError;
use crate::oauth::routes::read_body;
use crate::oauth::sessions::LONGEST;
use crate::oauth::sessions::Who;
use crate::oauth::sign_in::Attempt;
use crate::oauth::sign_in::SignInError;
use crate::oauth::sign_in::Visit;
use crate::oauth::sign_in::pages;
use crate::oauth::sign_in::pages::Page;

/// Where a sign-in leads on to: the request of a client, and our own pages.
const ON: &str = "/oauth/authorize?";
const OWN_PAGES: [&str; 2] = ["/ui/", "/mcp/consent/"];
/// For so long a browser is known after a sign-in: 90 days.
const MARK_SECONDS: i64 = 90 * 24 * 60 * 60;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/sign-in", get(read).post(sign_in))
        .route("/sign-out", post(sign_out))
        .merge(own::router())
        .route("/sign-in/password", post(change_password))
        .route("/sign-in/style.css", get(async || asset("text/css", pages::STYLE.as_bytes())))
        .route("/sign-in/hanken-grotesk.woff2", get(async || asset("font/woff2", pages::TEXT_FONT)))
        .route("/sign-in/geist-mono.woff2", get(async || asset("font/woff2", pages::CODE_FONT)))
}

fn asset(media_type: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, bytes).into_response()
}

impl Visit {
    fn of(app: &App, address: IpAddr, headers: &HeaderMap) -> Self {
        let user_agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
        Self {
            address,
            user_agent: String::from_utf8_lossy(user_agent.unwrap_or_default()).into_owned(),
            before: cookie_of(app, headers),
            mark: cookie::read_mark(&app.config.issuer, cookies(headers)),
        }
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let address = address::caller(parts, &app.config.trusted_proxies);
        Ok(Self::of(app, address, &parts.headers))
    }
}

/// A form that one of our own pages sent.
pub struct Form {
    pub params: Params,
    pub headers: HeaderMap,
    pub address: IpAddr,
}

impl Form {
    /// Reads it, or answers why not.
    pub async fn read(app: &App, request: Request) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let refused = |status, problem: &str, detail: &str| {
            let values = context! { problem, detail };
            match show(app, status, Page::Refusal, values, None) {
                Ok(page) => page,
                Err(problem) => problem.into_response(),
            }
        };
        if !is_same_origin(&parts.headers, origin(&app.config.issuer)) {
            let detail =
                "The form was not sent from a page of this server. Go back and begin anew.";
            return Err(refused(StatusCode::FORBIDDEN, "That came from elsewhere", detail));
        }
        let body = read_body(body, app.config.limits.body_time.min(Duration::from_secs(10))).await;
        let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_form = content_type.and_then(MediaType::parse) == Some(MediaType::Form);
        let params = body.and_then(|body| Params::read(content_type, &body));
        match params {
            Ok(params) if is_form => {
                let address = address::caller(&parts, &app.config.trusted_proxies);
                Ok(Self { params, headers: parts.headers, address })
            }
            _ => {
                Err(refused(StatusCode::BAD_REQUEST, "This cannot be read", "The form is broken."))
            }
        }
    }
}

/// The page on which somebody signs in; without anywhere to go on to, one that says who is signed in.
async fn read(
    State(app): State<App>,
    Asker(address): Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let then = params.get("then").unwrap_or_default();
    if let (true, Some(who)) = (then.is_empty(), who(&app, &headers).await?) {
        return inside(&app, StatusCode::OK, &who, context! {});
    }
    form(&app, StatusCode::OK, (then, address), context! {}).await
}

async fn sign_in(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Form { params, headers, address } = match Form::read(&app, request).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let then = params.get("then").unwrap_or_default();
    let username = params.get("username").unwrap_or_default();
    let attempt = Attempt {
        username: username.to_owned(),
        password: params.get("password").unwrap_or_default().into(),
        visit: Visit::of(&app, address, &headers),
    };
    let row = (app.ids.next(), app.clock.now());
    match app.people.sign_in(&app.clients, attempt, row).await {
        Ok((token, _)) => {
            let mut response = enter(&app, &token, (then, address)).await;
            let mark = app.people.mark(username);
            let mark = cookie::set_mark(&app.config.issuer, &mark, MARK_SECONDS);
            set_cookie(&mut response, &mark);
            Ok(response)
        }
        Err(SignInError::Refused) => {
            let problem = "That name and password do not match";
            let values = context! { username, problem };
            form(&app, StatusCode::UNAUTHORIZED, (then, address), values).await
        }
        Err(SignInError::Wait(wait)) => too_many(&app, (then, address), username, wait).await,
        Err(SignInError::Hasher(HasherError::Busy)) => {
            too_many(&app, (then, address), username, Duration::from_secs(1)).await
        }
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// Somebody is signed in from now on, and goes on to where he wanted to.
pub async fn enter(app: &App, token: &OpaqueToken, (then, address): (&str, IpAddr)) -> Response {
    let is_ours = is_own_page(then) || leads_on(app, then, address).await.is_some();
    let on = if is_ours { then } else { "/sign-in" };
    let mut response = redirect(&format!("{}{on}", place(app)));
    let seconds = i64::try_from(LONGEST.as_secs()).unwrap_or_default();
    set_cookie(&mut response, &cookie::set(&app.config.issuer, token.expose(), seconds));
    response
}

/// The form once more, with how long somebody has to wait.
pub async fn too_many(
    app: &App,
    then: (&str, IpAddr),
    username: &str,
    wait: Duration,
) -> Result<Response, Problem> {
    let seconds = wait.as_secs().max(1);
    let detail = format!("Try again in {seconds} s.");
    let values = context! { username, problem => "Too many attempts at once", detail };
    let mut response = form(app, StatusCode::TOO_MANY_REQUESTS, then, values).await?;
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    Ok(response)
}

/// The page of who is signed in.
fn inside(app: &App, status: StatusCode, who: &Who, values: Value) -> Result<Response, Problem> {
    let (username, is_user) = (who.username.clone(), who.user.is_some());
    show(app, status, Page::SignedIn, context! { username, is_user, ..values }, None)
}

async fn change_password(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Form { params, headers, address } = match Form::read(&app, request).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let Some(who) = who(&app, &headers).await? else {
        return Ok(redirect(&format!("{}/sign-in", place(&app))));
    };
    let attempt = Attempt {
        username: who.username.clone(),
        password: params.get("password").unwrap_or_default().into(),
        visit: Visit::of(&app, address, &headers),
    };
    let next = params.get("next").unwrap_or_default().into();
    let (status, values) =
        match app.people.change_password(&app.clients, attempt, next, app.clock.now()).await {
            Ok(()) => {
                app.clients.catch_up().await;
                return Ok(redirect(&format!("{}/sign-in", place(&app))));
            }
            Err(SignInError::Refused) => {
                (StatusCode::UNAUTHORIZED, context! { problem => "That is not the password" })
            }
            Err(SignInError::Weak(detail)) => {
                let problem = "That is no password to take";
                (StatusCode::UNPROCESSABLE_ENTITY, context! { problem, detail })
            }
            Err(SignInError::Wait(_) | SignInError::Hasher(HasherError::Busy)) => {
                let problem = "Too many attempts at once";
                (StatusCode::TOO_MANY_REQUESTS, context! { problem })
            }
            Err(error) => return Err(Problem::internal(&error)),
        };
    inside(&app, status, &who, values)
}

async fn sign_out(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Form { params, headers, .. } = match Form::read(&app, request).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    if let Some(token) = cookie_of(&app, &headers) {
        app.people.sign_out(&token).await.map_err(|cause| Problem::internal(&cause))?;
    }
    let then = params.get("then").unwrap_or_default();
    let query: String = url::form_urlencoded::byte_serialize(then.as_bytes()).collect();
    let query = if query.is_empty() { query } else { format!("?then={query}") };
    let mut response = redirect(&format!("{}/sign-in{query}", place(&app)));
    set_cookie(&mut response, &cookie::set(&app.config.issuer, "", 0));
    Ok(response)
}

/// The sign-in form. What it leads on to is named, if it is a request of a client; else it leads nowhere.
pub async fn form(
    app: &App,
    status: StatusCode,
    (then, address): (&str, IpAddr),
    values: Value,
) -> Result<Response, Problem> {
    let request = leads_on(app, then, address).await;
    let client = request.as_ref().map(name_of);
    let then = (request.is_some() || is_own_page(then)).then_some(then);
    let external = app.people.external.as_ref().map(External::name);
    let query: String =
        url::form_urlencoded::byte_serialize(then.unwrap_or_default().as_bytes()).collect();
    let values = context! { client, then, external, query, ..values };
    show(app, status, Page::SignIn, values, request.map(|it| it.to.source()).as_deref())
}

/// Whether a sign-in leads on to one of our own pages. Whatever follows, it stays a path of this server.
fn is_own_page(then: &str) -> bool {
    OWN_PAGES.iter().any(|page| then.starts_with(page))
        && then.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The request of a client to which a sign-in leads on.
async fn leads_on(app: &App, then: &str, address: IpAddr) -> Option<authorize::Request> {
    let query =
        then.strip_prefix(ON).filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let params = Params::from_query(query).ok()?;
    authorize::Request::of(&app.clients, &params, &app.config.issuer, address).await.ok()
}

/// A page with this status. `leads_to` is where its form may end.
pub fn show(
    app: &App,
    status: StatusCode,
    page: Page,
    values: Value,
    leads_to: Option<&str>,
) -> Result<Response, Problem> {
    let server = origin(&app.config.issuer).split("://").last();
    let html = page.render(context! { server, base => place(app), ..values });
    let html = html.map_err(|cause| Problem::internal(&cause))?;
    let headers = [(header::CONTENT_SECURITY_POLICY, pages::policy(leads_to))];
    let frames = [(header::X_FRAME_OPTIONS, "DENY")];
    Ok((status, headers, frames, Html(html)).into_response())
}

/// Who is signed in in the browser that sent these headers.
pub async fn who(app: &App, headers: &HeaderMap) -> Result<Option<Who>, Problem> {
    let Some(token) = cookie_of(app, headers) else { return Ok(None) };
    let who = app.people.signed_in(&app.clients, &token, app.clock.now()).await;
    who.map_err(|cause| Problem::internal(&cause))
}

/// The session of the browser that sent these headers, if there is one in them.
pub fn cookie_of(app: &App, headers: &HeaderMap) -> Option<OpaqueToken> {
    cookie::read(&app.config.issuer, cookies(headers))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes)
}

pub fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// After a form: the browser asks by GET, and does not send the form on.
pub fn redirect(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        Err(cause) => Problem::internal(&cause).into_response(),
    }
}

/// The path below which this server is reached.
pub fn place(app: &App) -> &str {
    discovery::path_of(&app.config.issuer)
}

/// The origin of a URL.
pub fn origin(issuer: &str) -> &str {
    &issuer[..issuer.len() - discovery::path_of(issuer).len()]
}
