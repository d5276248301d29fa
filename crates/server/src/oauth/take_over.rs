//! Clients that come from elsewhere with a secret that they have already.

use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::scope::Scopes;
use auth::token::Digest;
use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::OAuthFailure;
use crate::oauth::Registration;
use crate::oauth::store;

/// A client as it was elsewhere.
#[derive(Debug)]
pub struct TakenOver {
    pub client_id: String,
    pub name: String,
    /// Only its hash is kept. None: the client cannot prove itself before it is given one.
    pub secret: Option<SecretString>,
    pub scope: Scopes,
}

/// Whose client of this id there is, if there is one.
pub async fn tenant_of(
    conn: &mut Conn<'_>,
    client_id: &str,
) -> Result<Option<TenantId>, sqlx::Error> {
    store::find_tenant(conn, client_id).await
}

/// Registers a client that goes on proving itself as before.
pub async fn take_over(
    tx: &mut Conn<'_>,
    taken: &TakenOver,
    by: Actor<'_>,
    (id, now): (Id, At),
) -> Result<(), OAuthFailure> {
    let registration = Registration {
        id: Some(id),
        tenant: by.tenant.clone(),
        client_id: taken.client_id.clone(),
        client_name: taken.name.clone(),
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: Some(AuthMethod::ClientSecretPost),
        scope: taken.scope.clone(),
        redirect_uris: Vec::new(),
        may_act: Vec::new(),
        is_active: true,
        registered_by: Some(by.subject.to_owned()),
        last_used_at: None,
        created_at: Some(now),
        updated_at: Some(now),
        problems: Vec::new(),
        secret: taken.secret.as_ref().map(|it| Digest::of(it.expose_secret())),
        previous: None,
        keys: None,
        token: None,
    };
    store::insert(tx, &registration).await?;
    let act =
        Act::between("client.create", &registration.client_id, None, Some(registration.told()));
    Ok(audit::record(tx, by, act, now).await?)
}
