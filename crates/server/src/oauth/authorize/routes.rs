//! `/oauth/authorize`.

use std::time::Duration;

use auth::error::OAuthError;
use auth::form::Params;
use axum::extract::RawQuery;
use axum::extract::Request as HttpRequest;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::StatusCode;
use http::header;
use minijinja::Value;
use minijinja::context;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::http::Problem;
use crate::http::address::Asker;
use crate::oauth::OAuthFailure;
use crate::oauth::authorize::LIFETIMES;
use crate::oauth::authorize::Request;
use crate::oauth::authorize::Step;
use crate::oauth::authorize::Terms;
use crate::oauth::authorize::in_words;
use crate::oauth::sessions::Who;
use crate::oauth::sign_in::pages::Page;
use crate::oauth::sign_in::routes::Form;
use crate::oauth::sign_in::routes::place;
use crate::oauth::sign_in::routes::redirect;
use crate::oauth::sign_in::routes::show;
use crate::oauth::sign_in::routes::who;

/// Members of the form that are not of the request.
const OWN: [&str; 2] = ["decision", "lifetime"];

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/oauth/authorize", get(begin).post(decide))
}

/// Where a client sends the browser of a person.
async fn begin(
    State(app): State<App>,
    Asker(address): Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    let params = match params {
        Ok(params) => params,
        Err(error) => return refusal(&app, &error),
    };
    let request = match Request::of(&app.clients, &params, &app.config.issuer, address).await {
        Ok(request) => request,
        Err(failure) => return failed(&app, failure),
    };
    let who = who(&app, &headers).await?;
    let row = (app.ids.next(), app.clock.now());
    match request.next(&app.people, &params, who.as_ref(), row).await {
        Ok(step) => answer(&app, &request, &params, step, who.as_ref()),
        Err(failure) => failed(&app, failure),
    }
}

/// What a person decided, on the page that [`begin`] showed.
async fn decide(State(app): State<App>, http: HttpRequest) -> Result<Response, Problem> {
    let Form { params, headers, address } = match Form::read(&app, http).await {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let request = match Request::of(&app.clients, &params, &app.config.issuer, address).await {
        Ok(request) => request,
        Err(failure) => return failed(&app, failure),
    };
    let Some(who) = who(&app, &headers).await? else {
        return answer(&app, &request, &params, Step::SignIn, None);
    };
    let lifetime = (params.get("decision") == Some("allow")).then(|| lifetime(&params));
    let row = (app.ids.next(), app.clock.now());
    match request.decide(&app.people, &params, &who, lifetime, row).await {
        Ok(step) => answer(&app, &request, &params, step, Some(&who)),
        Err(failure) => failed(&app, failure),
    }
}

fn lifetime(params: &Params) -> Duration {
    let chosen = LIFETIMES.iter().find(|(word, ..)| params.get("lifetime") == Some(word));
    chosen.unwrap_or(&LIFETIMES[0]).2
}

fn answer(
    app: &App,
    request: &Request,
    params: &Params,
    step: Step,
    who: Option<&Who>,
) -> Result<Response, Problem> {
    match (step, who) {
        (Step::Back(url), _) => Ok(redirect(&url)),
        (Step::Ask(terms), Some(who)) => ask(app, request, params, &terms, who),
        (Step::SignIn | Step::Ask(_), _) => {
            let then = again(params);
            let query: String = url::form_urlencoded::byte_serialize(then.as_bytes()).collect();
            Ok(redirect(&format!("{}/sign-in?then={query}", place(app))))
        }
    }
}

/// What of a form, or a query, is the request.
fn asked(params: &Params) -> impl Iterator<Item = (&str, &str)> {
    params.iter().filter(|(name, _)| !OWN.contains(name))
}

/// The same request, but that whoever has signed in is not asked to once more.
fn again(params: &Params) -> String {
    let pairs = asked(params).filter(|pair| *pair != ("prompt", "login"));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/oauth/authorize?{}", query.extend_pairs(pairs).finish())
}

fn ask(
    app: &App,
    request: &Request,
    params: &Params,
    terms: &Terms,
    who: &Who,
) -> Result<Response, Problem> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let fields: Vec<(String, String)> = asked(params).map(owned).collect();
    let scopes = terms.scopes.iter().map(|scope| {
        let (words, is_strong) = in_words(scope.as_str());
        context! { words, is_strong, scope => scope.as_str() }
    });
    let values = context! {
        client => name_of(request).to_owned(),
        is_unchecked => request.client.is_unchecked,
        publisher => request.client.publisher.clone(),
        is_local_only => request.is_local_only(),
        place => request.to.place().to_owned(),
        is_here => request.to.as_str().starts_with("http://"),
        username => who.username.clone(),
        then => again(params),
        scopes => scopes.collect::<Vec<Value>>(),
        lifetimes => LIFETIMES.map(|(word, text, _)| (word, text)),
        fields,
    };
    show(app, StatusCode::OK, Page::Consent, values, Some(&request.to.source()))
}

/// How a client is called on pages: by its name, which it gave itself, or by its id.
pub fn name_of(request: &Request) -> &str {
    let client = &request.client;
    if client.name.is_empty() { &client.client_id } else { &client.name }
}

/// A page that says why nobody is sent anywhere.
fn refusal(app: &App, error: &OAuthError) -> Result<Response, Problem> {
    let values = context! {
        problem => "This cannot be answered",
        detail => format!("What asked for access did it wrongly: {}.", error.description()),
    };
    show(app, StatusCode::BAD_REQUEST, Page::Refusal, values, None)
}

fn failed(app: &App, failure: OAuthFailure) -> Result<Response, Problem> {
    match failure {
        OAuthFailure::Refused(error) => refusal(app, &error),
        failure => {
            let status = failure.into_response().status();
            let values = context! {
                problem => "This cannot be answered now",
                detail => "The server has a fault, or has too much to do. Try again.",
            };
            let mut response = show(app, status, Page::Refusal, values, None)?;
            response.headers_mut().insert(header::RETRY_AFTER, 1.into());
            Ok(response)
        }
    }
}
