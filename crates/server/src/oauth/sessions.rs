//! Browsers in which somebody is signed in.

pub mod calls;
pub mod routes;

use std::time::Duration;

use auth::scope::Scopes;
use auth::token::Digest;
use auth::token::OpaqueToken;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::Clients;
use crate::oauth::People;
use crate::oauth::caller::Subject;
use crate::oauth::store::sessions as store;
use crate::oauth::store::users;

/// A session that was not seen for so long is over.
pub const IDLE: Duration = Duration::from_mins(30);
/// However much it is used, it is over after so long.
pub const LONGEST: Duration = Duration::from_hours(12);
/// That it was seen is written down so often.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// A browser in which somebody is signed in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    pub id: Id,
    /// `user:<id>`, or `client:<id>` of the management client.
    #[schema(example = "user:0199a1b2-0000-7000-8000-000000000001")]
    pub subject: String,
    /// Where the sign-in came from.
    #[schema(example = "192.0.2.7")]
    pub address: String,
    /// What the browser said it was.
    pub user_agent: String,
    pub created_at: At,
    /// To the minute.
    pub last_seen_at: At,
    /// When it is over at the latest; half an hour after it was last seen it is, too.
    pub expires_at: At,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Who {
    pub tenant: TenantId,
    pub subject: Subject,
    /// `None`: it is the management client.
    pub user: Option<Id>,
    /// As he calls himself at the door.
    pub username: String,
    /// All that he may do.
    pub scopes: Scopes,
    /// Of the management client: with which of its secrets. When that is changed, what came of it is over.
    pub credential: Option<String>,
}

impl People {
    /// Who is signed in with this token, if he still is.
    pub async fn signed_in(
        &self,
        clients: &Clients,
        token: &OpaqueToken,
        now: At,
    ) -> Result<Option<Who>, sqlx::Error> {
        let digest = token.digest();
        let found = self.db.read(async |conn| {
            let Some(row) = store::find(conn, &digest).await? else { return Ok(None) };
            let user = match row.user_id {
                Some(id) => users::find(conn, &row.tenant_id, id).await?,
                None => None,
            };
            Ok::<_, sqlx::Error>(Some((row, user)))
        });
        let Some((row, user)) = found.await? else { return Ok(None) };
        let seen = now.time() - row.session.last_seen_at.time();
        if row.session.expires_at <= now || seen.to_std().is_ok_and(|seen| seen > IDLE) {
            return Ok(None);
        }
        let who = match (row.user_id, user) {
            (None, _) => management(clients, row.credential.as_deref()),
            (Some(_), Some(user)) if user.is_active => Some(Who::user(&user)),
            _ => None,
        };
        if who.is_some() && seen.to_std().is_ok_and(|seen| seen >= SEEN_EVERY) {
            let id = row.session.id;
            self.db.write_behind(async |tx| store::update_seen(tx, id, now).await).await?;
        }
        Ok(who)
    }

    /// Where somebody is signed in, and whether that is the session of `token`.
    pub async fn sessions_of(
        &self,
        who: &Who,
        token: &OpaqueToken,
        now: At,
    ) -> Result<Vec<(Session, bool)>, sqlx::Error> {
        let (open, digest) = ((now, At::new(now.time() - IDLE)), token.digest());
        self.db.read(async |conn| store::list_own(conn, who, open, &digest).await).await
    }

    /// Ends a session of the actor, who is `who`, and says whether it was there.
    pub async fn end_own_session(
        &self,
        by: Actor<'_>,
        who: &Who,
        id: Id,
        now: At,
    ) -> Result<bool, sqlx::Error> {
        let ended = self.db.write(async |tx| {
            let is_ended = store::delete_own(tx, who, id).await?;
            if is_ended {
                let target = id.to_string();
                audit::record(tx, by, Act::new("session.delete", &target, Value::Null), now)
                    .await?;
            }
            Ok(is_ended)
        });
        ended.await
    }

    /// Ends the session of this token.
    pub async fn sign_out(&self, token: &OpaqueToken) -> Result<(), sqlx::Error> {
        let digest = token.digest();
        self.db.write(async |tx| store::delete_by_token(tx, &digest).await).await
    }
}

impl Who {
    pub fn user(user: &crate::oauth::User) -> Self {
        Self {
            tenant: user.tenant.clone(),
            subject: Subject::user(user.id),
            user: Some(user.id),
            username: user.username.clone(),
            scopes: user.scopes(),
            credential: None,
        }
    }
}

/// The management client as somebody who signed in, if the secret that he did it with is still one of its own.
pub fn management(clients: &Clients, credential: Option<&str>) -> Option<Who> {
    let client = clients.management();
    let credential = credential?;
    let mut own = client.secrets.iter().map(|secret| credential_of(&secret.digest));
    own.any(|own| own == credential).then(|| Who {
        tenant: client.tenant.clone(),
        subject: Subject::client(&client.client_id),
        user: None,
        username: client.client_id.clone(),
        scopes: client.scopes.clone(),
        credential: Some(credential.to_owned()),
    })
}

/// What names a secret without telling anything of it.
pub fn credential_of(secret: &Digest) -> String {
    Digest::of(&secret.to_hex()).to_hex().chars().take(16).collect()
}
