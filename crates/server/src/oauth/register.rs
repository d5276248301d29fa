//! Registering clients (RFC 7591).

pub mod routes;

use std::fmt;
use std::str::FromStr;

use auth::error::ErrorCode;
use auth::error::OAuthError;
use auth::registration;
use auth::registration::AuthMethod;
use auth::registration::ClientMetadata;
use auth::registration::ClientUpdate;
use auth::registration::KeySource;
use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use secrecy::ExposeSecret;
use tracing::info;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::db::At;
use crate::db::Db;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::caller::Principal;
use crate::oauth::caller::Subject;
use crate::oauth::not_grantable;
use crate::oauth::store;

/// What a client may do whose registration does not say: have agents work.
const DEFAULT_SCOPES: &str = "agent.read agent.execute";

/// A new client, and the only sight of its secret.
#[derive(Debug)]
pub struct Registered {
    pub registration: Registration,
    /// None: the client signs, or cannot prove itself.
    pub secret: Option<OpaqueToken>,
    /// Lets the client read, change and delete its registration.
    pub token: OpaqueToken,
}

/// On whose word a client is registered.
#[derive(Debug)]
pub enum Registrar {
    Caller(Principal),
    /// Nobody who is known: the settings say what such a client may hold.
    Stranger {
        scopes: Scopes,
        policy: &'static str,
        origin: Origin,
    },
}

/// Registers, as the row `id` and now, a client that may do nothing which its registrar may not.
pub async fn register(
    db: &Db,
    clients: &Clients,
    registrar: &Registrar,
    metadata: ClientMetadata,
    (id, now): (Id, At),
) -> Result<Registered, OAuthFailure> {
    let scope = registrar.scopes(&metadata)?;
    if metadata.server_id.is_some() && matches!(registrar, Registrar::Stranger { .. }) {
        return Err(refused("serverId: only an administrator chooses the id of a client").into());
    }
    if let Some(KeySource::Uri(uri)) = &metadata.keys {
        clients.assertions.check(uri)?;
    }
    let secret = match metadata.token_endpoint_auth_method {
        AuthMethod::None | AuthMethod::PrivateKeyJwt => None,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Some(OpaqueToken::generate(TokenKind::ClientSecret)?)
        }
    };
    let token = OpaqueToken::generate(TokenKind::Registration)?;
    let client_id = metadata.server_id.unwrap_or_else(|| id.to_string());
    if clients.is_management(&client_id) {
        return Err(OAuthFailure::ClientIdTaken(client_id));
    }
    let uris = metadata.redirect_uris.iter().map(|uri| uri.as_str().to_owned());
    let registration = Registration {
        id: Some(id),
        tenant: registrar.tenant(),
        client_id,
        client_name: metadata.client_name.unwrap_or_default(),
        grant_types: metadata.grant_types,
        token_endpoint_auth_method: Some(metadata.token_endpoint_auth_method),
        scope,
        redirect_uris: uris.collect(),
        may_act: Vec::new(),
        is_active: true,
        registered_by: Some(registrar.to_string()),
        last_used_at: None,
        created_at: Some(now),
        updated_at: Some(now),
        problems: Vec::new(),
        secret: secret.as_ref().map(OpaqueToken::digest),
        previous: None,
        token: Some(token.digest()),
        keys: metadata.keys,
    };
    let name = registrar.to_string();
    db.write(async |tx| {
        store::insert(tx, &registration).await?;
        let (client_id, after) = (&registration.client_id, registration.told());
        let act = Act::between("client.create", client_id, None, Some(after));
        Ok::<_, OAuthFailure>(
            audit::record(tx, registrar.actor(&registration.tenant, &name), act, now).await?,
        )
    })
    .await?;
    clients.catch_up().await;
    info!(
        client_id = registration.client_id,
        by = %registrar,
        scope = %registration.scope,
        "a client was registered"
    );
    Ok(Registered { registration, secret, token })
}

/// Makes `registration` what its client wants it to be, which is no more than it was.
pub async fn replace(
    db: &Db,
    clients: &Clients,
    registration: Registration,
    update: ClientUpdate,
    (origin, now): (&Origin, At),
) -> Result<Registration, OAuthFailure> {
    let before = registration.told();
    let metadata = own_metadata(&registration, update)?;
    let scope = metadata.scope.unwrap_or_else(|| registration.scope.clone());
    if let Some(KeySource::Uri(uri)) = &metadata.keys {
        clients.assertions.check(uri)?;
    }
    let seen = registration.updated_at;
    let uris = metadata.redirect_uris.iter().map(|uri| uri.as_str().to_owned());
    let changed = Registration {
        client_name: metadata.client_name.unwrap_or_default(),
        grant_types: metadata.grant_types,
        redirect_uris: uris.collect(),
        keys: metadata.keys,
        updated_at: Some(now),
        scope,
        ..registration
    };
    let done = db.write(async |tx| {
        store::codes::delete_consents(tx, &changed.tenant, &changed.client_id).await?;
        let is_done = store::replace(tx, &changed, seen).await?;
        if is_done {
            let Registration { tenant, client_id, .. } = &changed;
            let subject = Subject::client(client_id);
            let subject = subject.as_str();
            let by = Actor { tenant, subject, client_id: Some(client_id), origin };
            let told = (Some(before.clone()), Some(changed.told()));
            let act = Act::between("client.update", client_id, told.0, told.1);
            audit::record(tx, by, act, now).await?;
        }
        Ok::<_, OAuthFailure>(is_done)
    });
    // What an administrator took away meanwhile must not come back.
    if !done.await? {
        return Err(refused("the registration was changed meanwhile").with_status(409).into());
    }
    clients.forget(&changed.client_id).await;
    clients.catch_up().await;
    info!(client_id = changed.client_id, "a client changed its registration");
    Ok(changed)
}

/// What an update says, if its client may say it of itself.
fn own_metadata(
    registration: &Registration,
    update: ClientUpdate,
) -> Result<ClientMetadata, OAuthError> {
    let ClientUpdate { client_id, client_secret, metadata } = update;
    let secret = registration.secret.as_ref();
    let is_own = client_secret
        .is_none_or(|shown| secret.is_some_and(|secret| secret.matches(shown.expose_secret())));
    if client_id != registration.client_id || !is_own {
        return Err(refused("client_id and client_secret are not those of the registration"));
    }
    if Some(metadata.token_endpoint_auth_method) != registration.token_endpoint_auth_method {
        return Err(refused("token_endpoint_auth_method: it cannot be changed"));
    }
    if let Some(grant) =
        metadata.grant_types.iter().find(|it| !registration.grant_types.contains(it))
    {
        let name = grant.as_str();
        return Err(refused(format!("grant_types: the client was not given {name}")));
    }
    if metadata.scope.as_ref().is_some_and(|scope| !registration.scope.covers_all(scope)) {
        return Err(refused("scope: the client was given no more than it has"));
    }
    Ok(metadata)
}

impl Registrar {
    /// He of whom the audit trail tells by this `name`.
    fn actor<'a>(&'a self, tenant: &'a TenantId, name: &'a str) -> Actor<'a> {
        match self {
            Self::Caller(caller) => caller.actor(),
            Self::Stranger { origin, .. } => {
                Actor { tenant, subject: name, client_id: None, origin }
            }
        }
    }

    /// What a client gets that describes itself so.
    fn scopes(&self, metadata: &ClientMetadata) -> Result<Scopes, OAuthError> {
        match (self, metadata.scope.clone()) {
            (Self::Caller(caller), None) => {
                let defaults = Scopes::from_str(DEFAULT_SCOPES).unwrap_or_default();
                Ok(caller.scopes.intersection(&defaults))
            }
            (Self::Stranger { scopes, .. }, None) => Ok(scopes.clone()),
            // A person decides each time, and programs register with what they were told to ask for first.
            (Self::Stranger { scopes, .. }, Some(_)) if metadata.is_for_people() => {
                Ok(scopes.clone())
            }
            (Self::Caller(caller), Some(wanted)) => match not_grantable(&caller.scopes, &wanted) {
                None => Ok(wanted),
                Some(scope) => {
                    Err(refused(format!("scope: you do not hold {scope}, so you cannot give it")))
                }
            },
            (Self::Stranger { scopes, .. }, Some(wanted)) if scopes.covers_all(&wanted) => {
                Ok(wanted)
            }
            (Self::Stranger { scopes, .. }, Some(_)) => Err(refused(format!(
                "scope: without an administrator a client gets no more than {scopes}"
            ))),
        }
    }

    /// Who is told of members that nobody knows.
    fn kind(&self) -> registration::Registrar {
        match self {
            Self::Caller(_) => registration::Registrar::Admin,
            Self::Stranger { .. } => registration::Registrar::Dynamic,
        }
    }

    fn tenant(&self) -> TenantId {
        match self {
            Self::Caller(caller) => caller.tenant.clone(),
            Self::Stranger { .. } => TenantId::default(),
        }
    }
}

impl fmt::Display for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) => caller.subject.fmt(f),
            Self::Stranger { policy, .. } => f.write_str(policy),
        }
    }
}

fn refused(description: impl AsRef<str>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}
