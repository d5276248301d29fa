//! What those may do in whose name tokens speak and runs work.

use auth::scope::Scopes;

use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::Clients;

/// Who bounds what a client does, beside the client itself.
#[derive(Debug)]
pub enum Holder {
    /// Nobody: it acts for itself.
    Itself,
    /// A person, or another client, who may do this now.
    Other(Scopes),
    /// Somebody who was deleted or deactivated.
    Gone,
}

impl Holder {
    /// What of `scopes` is left.
    pub fn bound(&self, scopes: Scopes) -> Scopes {
        match self {
            Self::Itself => scopes,
            Self::Other(held) => held.intersection(&scopes),
            Self::Gone => Scopes::default(),
        }
    }
}

impl Clients {
    /// Who stands behind `subject`, for whom `client` acts.
    pub async fn holder(&self, client: &Client, subject: &str) -> Result<Holder, sqlx::Error> {
        let other: Option<(TenantId, Scopes)> = match subject.split_once(':') {
            Some(("client", id)) if id == client.client_id => return Ok(Holder::Itself),
            Some(("client", id)) => {
                self.look_up(id).await?.map(|it| (it.tenant.clone(), it.scopes.clone()))
            }
            Some(("user", id)) => match id.parse() {
                Ok(id) => self.person(id).await?.map(|it| (it.tenant.clone(), it.scopes.clone())),
                Err(_) => None,
            },
            _ => None,
        };
        let other = other.filter(|(tenant, _)| *tenant == client.tenant);
        Ok(other.map_or(Holder::Gone, |(_, scopes)| Holder::Other(scopes)))
    }

    /// What of `scopes` a client may still do for `subject`. Looks into memory as long as both are known there.
    pub async fn held(
        &self,
        client_id: &str,
        subject: &str,
        scopes: &Scopes,
    ) -> Result<Scopes, sqlx::Error> {
        let Some(client) = self.look_up(client_id).await? else { return Ok(Scopes::default()) };
        let scopes = scopes.intersection(&client.scopes);
        Ok(self.holder(&client, subject).await?.bound(scopes))
    }
}
