//! `/oauth/clients`: the administration of clients.

use std::time::Duration;

use auth::error::OAuthError;
use auth::registration::AuthMethod;
use auth::registration::KeySource;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::http::Body;
use crate::http::Invalid;
use crate::http::Keyed;
use crate::http::Located;
use crate::http::NoContent;
use crate::http::OnlyPaging;
use crate::http::Page;
use crate::http::Paging;
use crate::http::Path;
use crate::http::Problem;
use crate::http::once::Answers;
use crate::http::once::once;
use crate::oauth::Change;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::caller::Caller;
use crate::oauth::caller::Principal;
use crate::oauth::caller::insufficient;
use crate::oauth::not_grantable;
use crate::oauth::routes::NO_STORE;
use crate::oauth::routes::encoded;
use crate::oauth::scopes::ClientRead;
use crate::oauth::scopes::ClientWrite;
use crate::oauth::store;
use crate::oauth::store::Position;

/// For so many seconds the secret before stays good, unless the caller says otherwise: a day.
const OVERLAP: u32 = 86_400;
/// And so many at most: thirty days.
const LONGEST_OVERLAP: u32 = 30 * 86_400;
/// As many may exchange the tokens of one client.
const MAY_ACT: usize = 100;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_clients))
        .routes(routes!(read_client, change_client, delete_client))
        .routes(routes!(rotate_secret))
}

/// What of a client is to be changed. Members that are absent stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientChange {
    /// A name for people.
    #[schema(nullable = false, max_length = 255, example = "Shop")]
    client_name: Option<String>,
    /// Scopes with spaces between. Tokens that are out lose what is taken away.
    #[schema(nullable = false, example = "agent.read")]
    scope: Option<String>,
    /// `false`: it gets no tokens, and those that it has are void.
    #[schema(nullable = false)]
    is_active: Option<bool>,
    /// Clients that may exchange its tokens (RFC 8693), beside itself; at most 100. Who says so must hold all that the
    /// client holds.
    #[schema(nullable = false)]
    may_act: Option<Vec<String>>,
    /// Other public keys, for a client that signs (`private_key_jwt`).
    #[schema(value_type = Option<Object>, nullable = false)]
    jwks: Option<Value>,
    /// Another place where they are, instead.
    #[schema(nullable = false)]
    jwks_uri: Option<String>,
}

/// For how long the secret before stays good.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotation {
    /// At most thirty days; 0: it is void at once.
    #[serde(default = "default_overlap")]
    #[schema(minimum = 0, maximum = 2_592_000, default = 86400)]
    overlap_seconds: u32,
}

/// A new secret, and the only sight of it.
#[derive(Serialize, ToSchema)]
struct NewSecretOfClient {
    #[schema(example = "ags_…")]
    client_secret: String,
    /// Until when the secret before is good. `null`: it is not.
    #[schema(required)]
    previous_expires_at: Option<At>,
}

fn default_overlap() -> u32 {
    OVERLAP
}

/// List clients
///
/// The newest first. The management client, which the settings name, is not among them.
#[utoipa::path(get, path = "/oauth/clients", tag = "oauth", params(Paging),
    responses((status = 200, body = Page<Registration>), Problem),
    security(("oauth2" = ["client.read"])))]
async fn list_clients(
    State(app): State<App>,
    caller: Caller<ClientRead>,
    OnlyPaging(paging): OnlyPaging,
) -> Result<Page<Registration>, Problem> {
    let (after, rows) = (paging.after()?.unwrap_or_default(), paging.rows());
    let clients = app.db.read(async |conn| store::list(conn, &caller.tenant, &after, rows).await);
    let clients = clients.await.map_err(|cause| Problem::internal(&cause))?;
    Ok(paging.page(clients, Position::of))
}

/// Read a client
#[utoipa::path(get, path = "/oauth/clients/{client_id}", tag = "oauth",
    params(("client_id" = String, Path)),
    responses((status = 200, body = Registration), Problem),
    security(("oauth2" = ["client.read"])))]
async fn read_client(
    State(app): State<App>,
    caller: Caller<ClientRead>,
    Path(client_id): Path<String>,
) -> Result<Json<Registration>, Problem> {
    let found = app.db.read(async |conn| store::find(conn, &caller.tenant, &client_id).await);
    let found = found.await.map_err(|cause| Problem::internal(&cause))?;
    found.map(Json).ok_or_else(|| no_client(&client_id))
}

/// Change a client
#[utoipa::path(patch, path = "/oauth/clients/{client_id}", tag = "oauth",
    params(("client_id" = String, Path)), request_body = ClientChange,
    responses((status = 200, body = Registration), Problem),
    security(("oauth2" = ["client.write"])))]
async fn change_client(
    State(app): State<App>,
    caller: Caller<ClientWrite>,
    Path(client_id): Path<String>,
    Body(change): Body<ClientChange>,
) -> Result<Json<Registration>, Problem> {
    let scope = change.scope.as_deref().map(|text| parse_scope(&caller, text)).transpose()?;
    let ClientChange { client_name, is_active, may_act, jwks, jwks_uri, .. } = change;
    if let Some(may_act) = &may_act {
        if may_act.len() > MAY_ACT {
            let detail = format!("there are at most {MAY_ACT}");
            return Err(Problem::invalid(vec![Invalid::new("/may_act", "too_many", detail)]));
        }
        find_own(&app, &caller, &client_id).await?;
    }
    let keys = match (jwks, jwks_uri) {
        (None, None) => None,
        given => Some(read_keys(&app, &caller, &client_id, given).await?),
    };
    let change = Change { client_name, scope, is_active, may_act, keys };
    let (tenant, now) = (&caller.tenant, app.clock.now());
    let changed = app.db.write(async |tx| {
        let before = store::find(tx, tenant, &client_id).await?;
        store::update(tx, tenant, &client_id, &change, now).await?;
        let after = store::find(tx, tenant, &client_id).await?;
        let told =
            (before.as_ref().map(Registration::told), after.as_ref().map(Registration::told));
        if told.0 != told.1 {
            let act = Act::between("client.update", &client_id, told.0, told.1);
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok::<_, OAuthFailure>(after)
    });
    let changed = changed.await.map_err(|cause| Problem::internal(&cause))?;
    let client = changed.ok_or_else(|| no_client(&client_id))?;
    app.clients.forget(&client_id).await;
    app.clients.catch_up().await;
    info!(client_id, by = %caller.subject, "a client was changed");
    Ok(Json(client))
}

/// Delete a client
///
/// Its secret and its tokens are void at once; on other replicas within half a second.
#[utoipa::path(delete, path = "/oauth/clients/{client_id}", tag = "oauth",
    params(("client_id" = String, Path)),
    responses((status = 204), Problem),
    security(("oauth2" = ["client.write"])))]
async fn delete_client(
    State(app): State<App>,
    caller: Caller<ClientWrite>,
    Path(client_id): Path<String>,
) -> Result<NoContent, Problem> {
    let now = app.clock.now();
    let deleted = app.db.write(async |tx| {
        let before = store::find(tx, &caller.tenant, &client_id).await?;
        let is_gone = store::delete(tx, &caller.tenant, &client_id).await?;
        if is_gone {
            let before = before.as_ref().map(Registration::told);
            let act = Act::between("client.delete", &client_id, before, None);
            audit::record(tx, caller.actor(), act, now).await?;
        }
        Ok::<_, sqlx::Error>(is_gone)
    });
    if !deleted.await.map_err(|cause| Problem::internal(&cause))? {
        return Err(no_client(&client_id));
    }
    app.clients.forget(&client_id).await;
    app.clients.catch_up().await;
    info!(client_id, by = %caller.subject, "a client was deleted");
    Ok(NoContent)
}

/// Give a client another secret
///
/// The secret before stays good for a while, so that the client can change over without a gap. Who gives a client
/// a secret could be it: he must hold all that the client holds.
#[utoipa::path(post, path = "/oauth/clients/{client_id}/secret", tag = "oauth",
    params(("client_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same again is done once")),
    request_body = SecretRotation,
    responses((status = 200, body = NewSecretOfClient), Problem),
    security(("oauth2" = ["client.write"])))]
async fn rotate_secret(
    State(app): State<App>,
    caller: Caller<ClientWrite>,
    Path(client_id): Path<String>,
    Keyed { body, key }: Keyed<SecretRotation>,
) -> Response {
    let rotate = Box::pin(async {
        if body.overlap_seconds > LONGEST_OVERLAP {
            let detail = format!("must be at most {LONGEST_OVERLAP}");
            let fault = Invalid::new("/overlap_seconds", "out_of_range", detail);
            return Err(Problem::invalid(vec![fault]));
        }
        let client = find_own(&app, &caller, &client_id).await?;
        let method = client.token_endpoint_auth_method;
        if matches!(method, Some(AuthMethod::None | AuthMethod::PrivateKeyJwt)) {
            return Err(Problem::conflict(
                "client-has-no-secret",
                "the client signs, or cannot prove itself: it has no secret",
            ));
        }
        let (overlap, now) = (u64::from(body.overlap_seconds), app.clock.now());
        let previous_expires_at =
            (overlap > 0).then(|| At::new(now.time() + Duration::from_secs(overlap)));
        let secret = OpaqueToken::generate(TokenKind::ClientSecret)
            .map_err(|error| Problem::internal(&error))?;
        let (tenant, digest) = (&caller.tenant, secret.digest());
        let done = app.db.write(async |tx| {
            let end = previous_expires_at;
            let is_done = store::update_secret(tx, tenant, &client_id, &digest, (end, now)).await?;
            if is_done {
                let after = json!({"previous_expires_at": end});
                let act = Act::new("client.rotate_secret", &client_id, after);
                audit::record(tx, caller.actor(), act, now).await?;
            }
            Ok::<_, sqlx::Error>(is_done)
        });
        if !done.await.map_err(|cause| Problem::internal(&cause))? {
            return Err(no_client(&client_id));
        }
        app.clients.forget(&client_id).await;
        app.clients.catch_up().await;
        info!(client_id, by = %caller.subject, "a client got another secret");
        let client_secret = secret.expose().to_owned();
        Ok((NO_STORE, Json(NewSecretOfClient { client_secret, previous_expires_at })))
    });
    once(&app, caller.owner(), key, Answers::Secret, rotate).await
}

/// A client whose credentials the caller may set: he could do in its name whatever it may.
async fn find_own(app: &App, caller: &Principal, client_id: &str) -> Result<Registration, Problem> {
    let found = app.db.read(async |conn| store::find(conn, &caller.tenant, client_id).await);
    let found = found.await.map_err(|cause| Problem::internal(&cause))?;
    let client = found.ok_or_else(|| no_client(client_id))?;
    match not_grantable(&caller.scopes, &client.scope) {
        None => Ok(client),
        Some(scope) => Err(insufficient(&[scope.as_str()])),
    }
}

/// Keys that a client shall have, of which one place is given.
async fn read_keys(
    app: &App,
    caller: &Principal,
    client_id: &str,
    (jwks, jwks_uri): (Option<Value>, Option<String>),
) -> Result<KeySource, Problem> {
    let client = find_own(app, caller, client_id).await?;
    let at = if jwks.is_some() { "/jwks" } else { "/jwks_uri" };
    let invalid = |error: &OAuthError| {
        Problem::invalid(vec![Invalid::new(at, "not_valid", error.description())])
    };
    let method = client.token_endpoint_auth_method.unwrap_or(AuthMethod::ClientSecretBasic);
    let keys = KeySource::of(method, jwks, jwks_uri).map_err(|error| invalid(&error))?;
    let keys = keys.ok_or_else(|| no_client(client_id))?;
    if let KeySource::Uri(uri) = &keys {
        app.clients.assertions.check(uri).map_err(|error| invalid(&error))?;
    }
    Ok(keys)
}

pub fn no_client(client_id: &str) -> Problem {
    let shown: String = client_id.chars().take(100).collect();
    Problem::not_found("client-not-found", format!("no client has the id `{shown}`"))
}

/// The scopes that a client shall have, none of which the caller may withhold.
fn parse_scope(caller: &Principal, text: &str) -> Result<Scopes, Problem> {
    let invalid =
        |code, detail: String| Problem::invalid(vec![Invalid::new("/scope", code, detail)]);
    let scopes: Scopes = text.parse().map_err(|error| invalid("not_valid", format!("{error}")))?;
    match not_grantable(&caller.scopes, &scopes) {
        None => Ok(scopes),
        Some(scope) => {
            Err(invalid("not_yours", format!("you do not hold `{scope}`, so you cannot give it")))
        }
    }
}

impl Located for Registration {
    fn location(&self) -> String {
        format!("/oauth/clients/{}", encoded(&self.client_id))
    }
}
