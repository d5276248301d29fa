//! What those may do in whose name tokens speak and runs work.

use auth::scope::Scopes;

use crate::db::TenantId;
use crate::oauth::Client;
use crate::oauth::Clients;

/// What stands for a client where people call from our own pages. No token is issued to it.
pub const OWN_PAGES: &str = "agent-server-ui";

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
            Some(("user", id)) => self.rights(id).await?,
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
        if client_id == OWN_PAGES {
            let rights = match subject.strip_prefix("user:") {
                Some(id) => self.rights(id).await?,
                None => None,
            };
            return Ok(rights.map_or_else(Scopes::default, |(_, held)| held.intersection(scopes)));
        }
        let Some(client) = self.look_up(client_id).await? else { return Ok(Scopes::default()) };
        let scopes = scopes.intersection(&client.scopes);
        Ok(self.holder(&client, subject).await?.bound(scopes))
    }

    /// The same in `tenant`: to who belongs to another nothing is left there.
    pub async fn held_in(
        &self,
        tenant: &TenantId,
        client_id: &str,
        subject: &str,
        scopes: &Scopes,
    ) -> Result<Scopes, sqlx::Error> {
        let own = match subject.strip_prefix("user:") {
            Some(id) if client_id == OWN_PAGES => self.rights(id).await?.map(|(tenant, _)| tenant),
            _ => self.look_up(client_id).await?.map(|client| client.tenant.clone()),
        };
        if own.as_ref() != Some(tenant) {
            return Ok(Scopes::default());
        }
        self.held(client_id, subject, scopes).await
    }

    /// To whom a user belongs, and what he may do; `None` if he is gone.
    async fn rights(&self, id: &str) -> Result<Option<(TenantId, Scopes)>, sqlx::Error> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let person = self.person(id).await?;
        Ok(person.map(|it| (it.tenant.clone(), it.scopes.clone())))
    }
}
