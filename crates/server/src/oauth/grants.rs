//! What people have allowed clients: each is a family of tokens, which ends as a whole.

pub mod routes;

use std::time::Duration;

use auth::scope::Scopes;
use serde::Serialize;
use serde_json::Value;
use tracing::info;
use utoipa::ToSchema;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::oauth::People;
use crate::oauth::store::grants as store;

/// No access token lives longer, whatever `ACCESS_TOKEN_TTL` is set to: for so long a grant that was ended is
/// remembered.
const LONGEST_TOKEN: Duration = Duration::from_hours(24);

/// What somebody has allowed a client to do for him.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Grant {
    pub id: Id,
    pub client_id: String,
    /// For whom the client acts: `user:<id>`, or `client:<id>` of the management client.
    #[schema(example = "user:0199a1b2-0000-7000-8000-000000000001")]
    pub subject: String,
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "agent.read agent.execute")]
    pub scope: Scopes,
    pub created_at: At,
    /// When the client last got a token by it.
    pub last_used_at: At,
    pub expires_at: At,
}

/// A grant with all that its tokens need.
#[derive(Debug, Clone)]
pub struct Family {
    pub tenant: TenantId,
    pub user: Option<Id>,
    pub credential: Option<String>,
    pub audience: String,
    pub grant: Grant,
}

/// Which grants are meant.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    One(Id),
    /// One, if it is of this subject.
    Own(Id, &'a str),
    /// All of a subject.
    Of(&'a str),
}

impl People {
    /// Ends a grant of the actor's tenant: its refresh tokens are gone, and its access tokens void. Says whether it was there.
    pub async fn end_grant(&self, by: Actor<'_>, id: Id, now: At) -> Result<bool, sqlx::Error> {
        self.end_and_tell(by, (id, Which::One(id)), now).await
    }

    /// The same of what the actor has allowed himself.
    pub async fn end_own_grant(&self, by: Actor<'_>, id: Id, now: At) -> Result<bool, sqlx::Error> {
        self.end_and_tell(by, (id, Which::Own(id, by.subject)), now).await
    }

    async fn end_and_tell(
        &self,
        by: Actor<'_>,
        (id, which): (Id, Which<'_>),
        now: At,
    ) -> Result<bool, sqlx::Error> {
        let ended = self.db.write(async |tx| {
            let is_ended = end(tx, by.tenant, which, now).await?;
            if is_ended {
                let target = id.to_string();
                let act = Act::new("grant.delete", &target, Value::Null);
                audit::record(tx, by, act, now).await?;
            }
            Ok(is_ended)
        });
        ended.await
    }
}

/// Ends grants in a transaction.
pub async fn end(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    which: Which<'_>,
    now: At,
) -> Result<bool, sqlx::Error> {
    store::count_revocation(tx).await?;
    let until = At::new(now.time() + LONGEST_TOKEN);
    store::revoke(tx, tenant, which, (now, until)).await?;
    let ended = store::delete(tx, tenant, which).await?;
    info!(?which, ended, "what a person allowed was ended");
    Ok(ended > 0)
}
