//! Which client is asking.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::client_auth::Credentials;
use auth::error::OAuthError;
use auth::form::Params;
use tracing::info;

use crate::oauth::Client;
use crate::oauth::Clients;
use crate::oauth::OAuthFailure;
use crate::oauth::guesses::Guesser;

/// A request to one of the endpoints for clients: to get a token, to give one back, to ask about one.
#[derive(Debug)]
pub struct ClientCall {
    pub credentials: Credentials,
    pub params: Params,
    pub address: IpAddr,
}

/// The client that makes a request.
///
/// A right secret needs no look into the database. A wrong one and an unknown client both do,
/// because the clients in memory may be half a second old; so neither answers sooner than the
/// other. Whoever presents many wrong ones is told to wait instead.
pub async fn authenticate(
    clients: &Clients,
    call: &ClientCall,
) -> Result<Arc<Client>, OAuthFailure> {
    let ClientCall { credentials, address, .. } = call;
    let presented = credentials.secrets().next().ok_or_else(OAuthError::invalid_client)?;
    let guesser = Guesser { client_id: presented.client_id().to_owned(), address: *address };
    clients.ensure_trust(&guesser.client_id).await?;
    if let Some(client) = clients.proven(credentials) {
        clients.guesses.right(&guesser);
        return Ok(client);
    }
    if let Some(retry_after) = clients.guesses.wait(&guesser, Instant::now()) {
        return Err(OAuthFailure::TooManyGuesses { retry_after });
    }
    clients.refresh().await?;
    if let Some(client) = clients.proven(credentials) {
        return Ok(client);
    }
    info!(client_id = guesser.client_id, %address, "a client did not prove itself");
    clients.guesses.wrong(guesser, Instant::now());
    Err(OAuthError::invalid_client().into())
}
