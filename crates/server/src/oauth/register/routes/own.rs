//! `/oauth/register/{client_id}`: what a client does with its own registration (RFC 7592).

use std::time::Instant;

use auth::registration::ClientUpdate;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use http::HeaderValue;
use http::header;
use http::request::Parts;
use tracing::info;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::http::NoContent;
use crate::http::Path;
use crate::http::Problem;
use crate::http::address;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::caller::Door;
use crate::oauth::caller::Subject;
use crate::oauth::caller::bearer_token;
use crate::oauth::caller::invalid_token;
use crate::oauth::caller::origin;
use crate::oauth::guesses::Guesser;
use crate::oauth::register::replace;
use crate::oauth::register::routes::ClientInformation;
use crate::oauth::register::routes::NewClient;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::RefusalSchema;
use crate::oauth::routes::read_body;
use crate::oauth::store;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(
        read_own_registration,
        change_own_registration,
        delete_own_registration
    ))
}

/// Whose registration it is, by the token that he got with it.
struct Own {
    registration: Registration,
    token: OpaqueToken,
    origin: Origin,
}

/// Read one's own registration
///
/// With the `registration_access_token` that came with it. The secret is not shown again.
#[utoipa::path(get, path = "/oauth/register/{client_id}", tag = "oauth", security(()),
    params(("client_id" = String, Path)),
    responses((status = 200, body = ClientInformation), Problem))]
async fn read_own_registration(
    State(app): State<App>,
    Own { registration, token, .. }: Own,
) -> impl IntoResponse {
    (NO_STORE, Json(ClientInformation::again(&app.config.issuer, registration, &token)))
}

/// Change one's own registration
///
/// The body says all that the client is (RFC 7592): what is left out goes back to its default, but for `scope`, which
/// stays. It may have less than before, never more: no other scopes, grants or way to authenticate. Who agreed to
/// something is asked again.
#[utoipa::path(put, path = "/oauth/register/{client_id}", tag = "oauth", security(()),
    params(("client_id" = String, Path)), request_body = NewClient,
    responses((status = 200, body = ClientInformation), (status = 400, body = RefusalSchema), Problem))]
async fn change_own_registration(
    State(app): State<App>,
    Own { registration, token, origin }: Own,
    request: Request,
) -> Result<impl IntoResponse, OAuthFailure> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, app.config.limits.body_time).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let update = ClientUpdate::read(content_type, &body)?;
    let at = (&origin, app.clock.now());
    let changed = replace(&app.db, &app.clients, registration, update, at).await?;
    Ok((NO_STORE, Json(ClientInformation::again(&app.config.issuer, changed, &token))))
}

/// Delete one's own registration
///
/// The client, its tokens and its keys are void at once; on other replicas within half a second.
#[utoipa::path(delete, path = "/oauth/register/{client_id}", tag = "oauth", security(()),
    params(("client_id" = String, Path)),
    responses((status = 204), Problem))]
async fn delete_own_registration(
    State(app): State<App>,
    Own { registration, origin, .. }: Own,
) -> Result<NoContent, Problem> {
    let told = registration.told();
    let Registration { tenant, client_id, .. } = registration;
    let now = app.clock.now();
    let deleted = app.db.write(async |tx| {
        if store::delete(tx, &tenant, &client_id).await? {
            let subject = Subject::client(&client_id);
            let subject = subject.as_str();
            let by =
                Actor { tenant: &tenant, subject, client_id: Some(&client_id), origin: &origin };
            let act = Act::between("client.delete", &client_id, Some(told.clone()), None);
            audit::record(tx, by, act, now).await?;
        }
        Ok::<_, sqlx::Error>(())
    });
    deleted.await.map_err(|cause| Problem::internal(&cause))?;
    app.clients.forget(&client_id).await;
    app.clients.catch_up().await;
    info!(client_id, "a client deleted its registration");
    Ok(NoContent)
}

impl FromRequestParts<App> for Own {
    type Rejection = Response;

    /// A client that is not there and a token that is not its own are answered alike.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let refused = IntoResponse::into_response;
        let door = Door::api(&app.config.issuer);
        let text = bearer_token(&parts.headers, parts.uri.query(), &door).map_err(refused)?;
        let text = text.to_owned();
        let Path(client_id) =
            Path::<String>::from_request_parts(parts, app).await.map_err(refused)?;
        let wrong =
            || invalid_token("this is not the registration access token of the client", &door);
        let token = OpaqueToken::parse(&text).ok();
        let token = token.filter(|token| token.kind() == TokenKind::Registration);
        let token = token.ok_or_else(|| wrong().into_response())?;
        let wrongs = &app.clients.guesses;
        let guesser = Guesser::stranger(address::caller(parts, &app.config.trusted_proxies));
        if let Some(retry_after) = wrongs.wait(&guesser, Instant::now()) {
            return Err(OAuthFailure::TooManyGuesses { retry_after }.into_response());
        }
        let digest = token.digest();
        let found = app.db.read(async |conn| store::find_own(conn, &client_id, &digest).await);
        let found = found.await.map_err(|cause| Problem::internal(&cause).into_response())?;
        let origin = origin(parts, app);
        found.map(|registration| Self { registration, token, origin }).ok_or_else(|| {
            wrongs.wrong(guesser, Instant::now());
            wrong().into_response()
        })
    }
}
