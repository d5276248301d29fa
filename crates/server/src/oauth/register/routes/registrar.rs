//! Who may register clients: administrators, and whoever else the settings let.

use std::time::Instant;

use auth::token::Digest;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use secrecy::ExposeSecret;

use crate::app::App;
use crate::audit::Refusal;
use crate::config::RegistrationPolicy;
use crate::http::address;
use crate::oauth::OAuthFailure;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Door;
use crate::oauth::caller::bearer_token;
use crate::oauth::caller::origin;
use crate::oauth::guesses::Guesser;
use crate::oauth::register::Registrar;
use crate::oauth::scopes::ClientWrite;
use crate::oauth::sessions::calls::shows_session;

impl FromRequestParts<App> for Registrar {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let settings = &app.config.identity.registration;
        let origin = origin(parts, app);
        let scopes = settings.scopes.clone();
        let stranger = |policy| Self::Stranger { scopes, policy, origin };
        let is_ours = shows_session(parts, app);
        match &settings.policy {
            _ if is_ours => {}
            RegistrationPolicy::Open if !parts.headers.contains_key(header::AUTHORIZATION) => {
                limit(parts, app).map_err(IntoResponse::into_response)?;
                return Ok(stranger("policy:open"));
            }
            RegistrationPolicy::Token(expected) => {
                let door = Door::api(&app.config.issuer);
                let presented = bearer_token(&parts.headers, parts.uri.query(), &door);
                let presented = presented.map_err(IntoResponse::into_response)?;
                if Digest::of(expected.expose_secret()).matches(presented) {
                    return Ok(stranger("policy:token"));
                }
            }
            RegistrationPolicy::Admin | RegistrationPolicy::Open => {}
        }
        match Caller::<ClientWrite>::from_request_parts(parts, app).await {
            Ok(caller) => Ok(Self::Caller(caller.into_principal())),
            Err(problem) => Err(refuse(problem.into_response(), parts, app)),
        }
    }
}

/// Answers who shows no good token; who does so often is told to wait.
fn refuse(refusal: Response, request: &Parts, app: &App) -> Response {
    if refusal.status() != StatusCode::UNAUTHORIZED {
        return refusal;
    }
    let origin = origin(request, app);
    let stranger = Guesser::stranger(address::caller(request, &app.config.trusted_proxies));
    app.refusals.note(Refusal::unproven("client.refused", "/oauth/register", origin));
    if let Some(retry_after) = app.clients.guesses.wait(&stranger, Instant::now()) {
        return OAuthFailure::TooManyGuesses { retry_after }.into_response();
    }
    app.clients.guesses.wrong(stranger, Instant::now());
    refusal
}

/// Counts a registration for the address it comes from.
fn limit(request: &Parts, app: &App) -> Result<(), OAuthFailure> {
    let registrations = &app.clients.registrations;
    let stranger = Guesser::stranger(address::caller(request, &app.config.trusted_proxies));
    if let Some(retry_after) = registrations.wait(&stranger, Instant::now()) {
        return Err(OAuthFailure::TooManyRegistrations { retry_after });
    }
    registrations.wrong(stranger, Instant::now());
    Ok(())
}
