//! Which client is asking.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::client_auth::Credentials;
use auth::error::OAuthError;
use auth::form::Params;
use tracing::info;

use crate::audit::Origin;
use crate::audit::Refusal;
use crate::db::At;
use crate::http::RequestId;
use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::caller::Subject;
use crate::oauth::guesses::Guesser;

/// A request to one of the endpoints for clients: to get a token, to give one back, to ask about one.
#[derive(Debug)]
pub struct ClientCall {
    pub credentials: Credentials,
    pub params: Params,
    pub address: IpAddr,
    pub request_id: Option<RequestId>,
    /// When it came.
    pub now: At,
}

impl ClientCall {
    /// From where it came.
    pub fn origin(&self) -> Origin {
        Origin { address: Some(self.address), request_id: self.request_id.clone() }
    }
}

/// The client that makes a request, and has proved it.
pub async fn prove(clients: &Clients, call: &ClientCall) -> Result<Arc<Client>, OAuthFailure> {
    let client = authenticate(clients, call).await?;
    if client.is_public { Err(OAuthError::invalid_client().into()) } else { Ok(client) }
}

/// The client that makes a request. One that cannot prove itself is taken at its word.
///
/// A right secret needs no look into the database. A wrong one and an unknown client both do,
/// because the clients in memory may be half a second old; so neither answers sooner than the
/// other. Whoever presents many wrong ones is told to wait instead. An assertion is written down,
/// for it proves its client once.
pub async fn authenticate(
    clients: &Clients,
    call: &ClientCall,
) -> Result<Arc<Client>, OAuthFailure> {
    let presented_by = match &call.credentials {
        // It cannot prove itself; what it shows, a code or a refresh token, has to.
        Credentials::Public { client_id } => Some(client_id.as_str()),
        credentials => credentials.presented_by(),
    };
    let client_id = presented_by.ok_or_else(OAuthError::invalid_client)?;
    let guesser = Guesser { client_id: client_id.to_owned(), address: call.address };
    clients.ensure_trust(&guesser.client_id).await?;
    if let Some(client) = proven(clients, call).await? {
        clients.guesses.right(&guesser);
        return Ok(client);
    }
    if let Some(retry_after) = clients.guesses.wait(&guesser, Instant::now()) {
        return Err(OAuthFailure::TooManyGuesses { retry_after });
    }
    clients.refresh().await?;
    if let Some(client) = proven(clients, call).await? {
        return Ok(client);
    }
    info!(client_id = guesser.client_id, address = %call.address, "a client did not prove itself");
    let known = clients.find(&guesser.client_id);
    let subject = known.map(|it| (it.tenant.clone(), Subject::client(&it.client_id).to_string()));
    let refusal = Refusal::unproven("client.refused", "/oauth", call.origin());
    clients.refusals.note(refusal.by(subject));
    clients.guesses.wrong(guesser, Instant::now());
    Err(OAuthError::invalid_client().into())
}

/// The client that a request proves, as far as it is known here. The keys of one that describes itself are those of its
/// document as it is now; if that cannot be had, as it was.
async fn proven(clients: &Clients, call: &ClientCall) -> Result<Option<Arc<Client>>, sqlx::Error> {
    let assertion = match &call.credentials {
        Credentials::Assertion(assertion) => assertion,
        Credentials::Public { client_id } => {
            return Ok(clients.find(client_id).filter(|client| client.is_public));
        }
        credentials => return Ok(clients.proven(credentials, call.now)),
    };
    let Some(mut client) = clients.find(assertion.client_id()) else { return Ok(None) };
    if client.publisher.is_some()
        && let Ok(described) = clients.described(&client.client_id, call.address).await
    {
        let Some((now, _)) = described else { return Ok(None) };
        client = now;
    }
    let is_proven = clients.assertions.prove(&client, assertion, call.now).await?;
    Ok(is_proven.then_some(client))
}
