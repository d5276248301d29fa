//! Signing people in.

pub mod pages;
pub mod routes;

use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use auth::password::PasswordHash;
use auth::random::NoRandomness;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use metrics::counter;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use tracing::info;

use crate::audit;
use crate::audit::Origin;
use crate::audit::Refusal;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Clients;
use crate::oauth::People;
use crate::oauth::caller::Subject;
use crate::oauth::guesses::Guesser;
use crate::oauth::guesses::Guesses;
use crate::oauth::passwords::HasherError;
use crate::oauth::sessions::LONGEST;
use crate::oauth::sessions::Session;
use crate::oauth::sessions::Who;
use crate::oauth::sessions::credential_of;
use crate::oauth::sessions::management;
use crate::oauth::store::sessions as store;
use crate::oauth::store::users;
use crate::oauth::users::Actor;
use crate::oauth::users::MAX_USERNAME;
use crate::oauth::users::UserError;

/// Nobody waits longer for his turn; who would is told to come back.
pub const LONGEST_TURN: Duration = Duration::from_secs(20);
/// Somebody is signed in in so many browsers at most; one more ends the oldest of them.
const MOST: i64 = 20;
/// What is kept of what a browser says it is, in characters.
const MAX_USER_AGENT: usize = 200;

/// Somebody at the door.
#[derive(Debug)]
pub struct Attempt {
    pub username: String,
    pub password: SecretString,
    pub visit: Visit,
}

/// A browser that comes.
#[derive(Debug)]
pub struct Visit {
    pub address: IpAddr,
    pub user_agent: String,
    /// The session that his browser had before: it ends, so that nobody who knew it comes in with him.
    pub before: Option<OpaqueToken>,
    /// The mark of whoever has signed in in it, if it has one.
    pub mark: Option<String>,
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Whatever is wrong: nobody learns whether there is such a name.
    #[error("that name and password do not match")]
    Refused,
    #[error("too many attempts from one address")]
    Wait(Duration),
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// What keeps the next password from being one.
    #[error("the password is not valid")]
    Weak(String),
    #[error("a password could not be set")]
    User(#[source] UserError),
    #[error("no session could be made")]
    Random(#[from] NoRandomness),
    #[error("the database refused a query of people")]
    Database(#[from] sqlx::Error),
}

impl People {
    /// Lets somebody in who knows his password, or the secret of the management client.
    ///
    /// Who fails often waits, longer each time, before his next password is looked at: by name and address, so that he who
    /// knows it is let in from anywhere else at once, and from there after a while. An address of which very many
    /// passwords were wrong, whatever the names, waits a little each time, but for browsers in which that name has
    /// signed in before. An unknown name, a wrong password, an
    /// inactive user and one without a password are answered alike, after the same work.
    pub async fn sign_in(
        &self,
        clients: &Clients,
        attempt: Attempt,
        (id, now): (Id, At),
    ) -> Result<(OpaqueToken, Who), SignInError> {
        let who = self.admit(clients, &attempt).await?;
        let token = self.enter(&who, &attempt.visit, (id, now)).await?;
        Ok((token, who))
    }

    /// Begins a session of somebody who has proved who he is.
    pub async fn enter(
        &self,
        who: &Who,
        visit: &Visit,
        (id, now): (Id, At),
    ) -> Result<OpaqueToken, SignInError> {
        let token = OpaqueToken::generate(TokenKind::Session)?;
        let session = Session {
            id,
            subject: who.subject.to_string(),
            address: visit.address.to_string(),
            user_agent: printable(&visit.user_agent),
            created_at: now,
            last_seen_at: now,
            expires_at: At::new(now.time() + LONGEST),
        };
        let (digest, before) = (token.digest(), visit.before.as_ref().map(OpaqueToken::digest));
        let stored = self.db.write(async |tx| {
            if let Some(before) = &before {
                store::delete_by_token(tx, before).await?;
            }
            if let Some(user) = who.user {
                users::update_signed_in(tx, &who.tenant, user, now).await?;
            }
            store::insert(tx, who, &session, &digest).await?;
            store::delete_older(tx, who, MOST).await
        });
        stored.await?;
        info!(subject = %who.subject, session = %id, "somebody signed in");
        Ok(token)
    }

    /// Gives a user another password, if he knows the one that he has. He is signed out everywhere.
    pub async fn change_password(
        &self,
        clients: &Clients,
        attempt: Attempt,
        next: SecretString,
        now: At,
    ) -> Result<(), SignInError> {
        let who = self.admit(clients, &attempt).await?;
        let user = who.user.ok_or(SignInError::Refused)?;
        let origin = Origin { address: Some(attempt.visit.address), request_id: None };
        let (tenant, subject) = (&who.tenant, who.subject.as_str());
        let himself = audit::Actor { tenant, subject, client_id: None, origin: &origin };
        let by = Actor { who: himself, scopes: &who.scopes };
        self.set_password(by, user, next, now).await.map_err(|error| match error {
            UserError::Invalid(faults) => {
                SignInError::Weak(faults.into_iter().map(|it| it.detail).collect())
            }
            error => SignInError::User(error),
        })
    }

    /// Who somebody at the door is, when it is his turn.
    async fn admit(&self, clients: &Clients, attempt: &Attempt) -> Result<Who, SignInError> {
        let username = name_of(&attempt.username);
        let address = Guesser::stranger(attempt.visit.address);
        let guesser = Guesser { client_id: username.clone(), ..address.clone() };
        let mark = attempt.visit.mark.as_deref();
        let is_known = mark.is_some_and(|mark| self.is_marked(&username, mark));
        if !is_known {
            wait(&self.unknown, &address).await?;
        }
        wait(&self.attempts, &guesser).await?;
        match self.recognise(clients, &username, attempt).await? {
            Ok(who) => {
                self.attempts.right(&guesser);
                if !is_known {
                    self.unknown.give_back(&address);
                }
                Ok(who)
            }
            Err(subject) => {
                counter!("auth_failures_total", "reason" => "wrong_password").increment(1);
                // Not the name: some type their password there.
                info!(address = %attempt.visit.address, "somebody could not sign in");
                let origin = Origin { address: Some(attempt.visit.address), request_id: None };
                let refusal = Refusal::unproven("sign_in.refused", "/sign-in", origin);
                clients.refusals.note(refusal.by(subject));
                Err(SignInError::Refused)
            }
        }
    }

    /// Who has this name and password; else who has the name alone.
    async fn recognise(
        &self,
        clients: &Clients,
        username: &str,
        attempt: &Attempt,
    ) -> Result<Result<Who, Option<(TenantId, String)>>, SignInError> {
        let client = clients.management();
        let is_management = attempt.username.trim() == client.client_id;
        if is_management {
            let secret = attempt.password.expose_secret();
            let used = client.secrets.iter().find(|it| it.digest.matches(secret));
            let who = used.and_then(|it| management(clients, Some(&credential_of(&it.digest))));
            if let Some(who) = who {
                return Ok(Ok(who));
            }
        }
        let found = self.db.read(async |conn| users::find_by_name(conn, username).await).await?;
        let (user, hash): (_, Option<Option<PasswordHash>>) = found.unzip();
        let hash = hash.flatten().filter(|_| user.as_ref().is_some_and(|user| user.is_active));
        if self.hasher.matches(hash, attempt.password.clone()).await?
            && let Some(user) = &user
        {
            return Ok(Ok(Who::user(user)));
        }
        let own = user.map(|user| (user.tenant, Subject::user(user.id).to_string()));
        let management = || (client.tenant.clone(), Subject::client(&client.client_id).to_string());
        Ok(Err(own.or_else(|| is_management.then(management))))
    }
}

/// The name that somebody means who types this.
pub fn name_of(typed: &str) -> String {
    typed.trim().to_lowercase().chars().take(MAX_USERNAME).collect()
}

/// Waits until it is the turn of `who`.
async fn wait(guesses: &Guesses, who: &Guesser) -> Result<(), SignInError> {
    let turn = guesses.turn(who.clone(), Instant::now(), LONGEST_TURN);
    let turn = turn.map_err(|wait| {
        counter!("auth_failures_total", "reason" => "too_many_attempts").increment(1);
        SignInError::Wait(wait)
    });
    tokio::time::sleep(turn?).await;
    Ok(())
}

/// The beginning of what a browser says it is, as a text that can be shown.
fn printable(user_agent: &str) -> String {
    user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
}
