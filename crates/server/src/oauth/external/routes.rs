//! `/sign-in/external`: to the provider and back.

use std::time::Instant;

use auth::form::Params;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use metrics::counter;
use minijinja::context;
use tracing::error;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::audit::Origin;
use crate::audit::Refusal;
use crate::http::Problem;
use crate::http::address::Asker;
use crate::oauth::cookie;
use crate::oauth::external::AWAY;
use crate::oauth::external::CALLBACK;
use crate::oauth::external::External;
use crate::oauth::external::ExternalError;
use crate::oauth::guesses::Guesser;
use crate::oauth::sign_in::LONGEST_TURN;
use crate::oauth::sign_in::SignInError;
use crate::oauth::sign_in::Visit;
use crate::oauth::sign_in::routes::enter;
use crate::oauth::sign_in::routes::form;
use crate::oauth::sign_in::routes::redirect;
use crate::oauth::sign_in::routes::set_cookie;
use crate::oauth::sign_in::routes::too_many;

const BEGIN: &str = "/sign-in/external";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().route(BEGIN, get(begin)).route(CALLBACK, get(finish))
}

/// Sends the browser to the provider, with a ticket for the way back.
async fn begin(
    State(app): State<App>,
    Asker(address): Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let external = external(&app)?;
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let then = params.get("then").unwrap_or_default();
    match external.begin(then, app.clock.now()).await {
        Ok(begun) => {
            let mut response = redirect(&begun.url);
            let seconds = i64::try_from(AWAY.as_secs()).unwrap_or_default();
            let ticket = cookie::set_ticket(&app.config.issuer, &begun.ticket, seconds);
            set_cookie(&mut response, &ticket);
            Ok(response)
        }
        Err(error) => refused(&app, &error, (then, address)).await,
    }
}

/// Takes back who comes from the provider, and lets him in if he is somebody here.
async fn finish(
    State(app): State<App>,
    visit: Visit,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (external, address) = (external(&app)?, visit.address);
    let guesser = Guesser::stranger(address);
    let turn = external.attempts.turn(guesser.clone(), Instant::now(), LONGEST_TURN);
    match turn {
        Ok(wait) => tokio::time::sleep(wait).await,
        Err(wait) => return too_many(&app, ("", address), "", wait).await,
    }
    let params = Params::from_query(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let cookies = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let ticket = cookie::read_ticket(&app.config.issuer, cookies);
    let now = app.clock.now();
    let found = external.finish(&params, ticket.as_deref(), now).await;
    let (identity, then) = match found {
        Ok(found) => found,
        Err(error) => return refused(&app, &error, ("", address)).await,
    };
    let origin = Origin { address: Some(address), request_id: None };
    let row = (app.ids.next(), now);
    let who = match app.people.recognise_external(external, &identity, &origin, row).await {
        Ok(who) => who,
        Err(error) => return refused(&app, &error, (then.as_str(), address)).await,
    };
    external.attempts.right(&guesser);
    app.clients.catch_up().await;
    let entered = app.people.enter(&who, &visit, (app.ids.next(), now)).await;
    let token = entered.map_err(|error: SignInError| Problem::internal(&error))?;
    let mut response = enter(&app, &token, (then.as_str(), address)).await;
    set_cookie(&mut response, &cookie::set_ticket(&app.config.issuer, "", 0));
    Ok(response)
}

fn external(app: &App) -> Result<&External, Problem> {
    let none = || Problem::not_found("route-not-found", "nobody signs in elsewhere");
    app.people.external.as_ref().ok_or_else(none)
}

/// The sign-in page once more, with why it did not work out.
async fn refused(
    app: &App,
    error: &ExternalError,
    then: (&str, std::net::IpAddr),
) -> Result<Response, Problem> {
    counter!("auth_failures_total", "reason" => "external_sign_in").increment(1);
    let origin = Origin { address: Some(then.1), request_id: None };
    app.refusals.note(Refusal::unproven("sign_in.refused", BEGIN, origin));
    let (status, detail) = match error {
        ExternalError::NotBegunHere => (
            StatusCode::BAD_REQUEST,
            "It was begun elsewhere, or too long ago. Begin anew.".to_owned(),
        ),
        ExternalError::Refused(word) => {
            (StatusCode::FORBIDDEN, format!("The other side says: {word}."))
        }
        ExternalError::Unknown => {
            (StatusCode::FORBIDDEN, "Nobody here is known by that account.".to_owned())
        }
        ExternalError::NoRole => {
            (StatusCode::FORBIDDEN, "None of your groups may come in.".to_owned())
        }
        ExternalError::NameTaken => {
            (StatusCode::FORBIDDEN, "Somebody else here is called so already.".to_owned())
        }
        ExternalError::Provider(_) => {
            (StatusCode::BAD_GATEWAY, "The other side does not answer as it should.".to_owned())
        }
        ExternalError::Random(_) | ExternalError::User(_) | ExternalError::Database(_) => {
            return Err(Problem::internal(error));
        }
    };
    match error {
        ExternalError::Provider(cause) => {
            error!(
                error = cause as &dyn std::error::Error,
                "the provider of sign-ins is of no use"
            );
        }
        error => info!(%error, address = %then.1, "somebody could not sign in elsewhere"),
    }
    let problem = "You could not be signed in";
    form(app, status, then, context! { problem, detail }).await
}
