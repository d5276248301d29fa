//! Who may do what: clients, the tokens they get, and the check of those tokens.
//!
//! We are the authorization server and, for our own API, the resource server. The rules of OAuth
//! are in the crate `auth`; here they meet settings, database, clock and HTTP.
//!
//! A token is believed, and one is issued, without a look into the database: the signing key, all
//! clients and all revoked tokens are in memory, as they were half a second ago at most.

mod access;
mod api_keys;
mod assertions;
mod authenticate;
mod authorize;
pub mod caller;
mod clients;
mod cookie;
mod discovery;
mod documents;
mod external;
mod genuine;
mod grants;
pub mod guesses;
pub mod holders;
mod introspect;
mod issue;
mod keys;
mod onward;
mod passwords;
mod people;
mod register;
mod resource;
mod revoke;
mod revoked;
pub mod routes;
pub mod scopes;
pub mod sessions;
pub mod sign_in;
mod store;
mod take_over;
mod users;
mod uses;

pub use assertions::Assertions;
pub use clients::Clients;
pub use documents::Documents;
pub use external::External;
pub use keys::Begin;
pub use keys::KeyInfo;
pub use keys::Keys;
pub use keys::KeysError;
pub use keys::ResealedKeys;
pub use keys::setting_key;
pub use onward::Behalf;
pub use onward::Onward;
pub use people::People;
pub use take_over::TakenOver;
pub use take_over::take_over;
pub use take_over::tenant_of;
pub use users::Actor;
pub use users::NewUser;
pub use users::User;
pub use users::UserError;

use std::sync::Arc;
use std::time::Duration;

use auth::client_keys::ClientKeys;
use auth::error::OAuthError;
use auth::keys::SignError;
use auth::random::NoRandomness;
use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::registration::KeySource;
use auth::scope::Scope;
use auth::scope::Scopes;
use auth::token::Digest;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::Clock;
use crate::app::Tasks;
use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::members_of;
use crate::http::Invalid;

/// The code of what in a client's row cannot be read at all.
const UNREADABLE: &str = "unreadable";

/// Who may ask for tokens, and for which: all that issuing and checking one needs to know.
#[derive(Debug, Clone)]
pub struct Client {
    pub client_id: String,
    /// The id of its row, by which it differs from whoever had its name before.
    pub registration: Option<String>,
    pub tenant: TenantId,
    /// A name for people; it may be empty.
    pub name: String,
    /// All that its tokens can ever allow.
    pub scopes: Scopes,
    pub grant_types: Vec<GrantType>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// It cannot prove itself, and acts for people only.
    pub is_public: bool,
    /// It registered itself, and nobody has looked at it.
    pub is_unchecked: bool,
    /// The host of the document in which it describes itself, if it does.
    pub publisher: Option<String>,
    /// Clients that may exchange its tokens.
    pub may_act: Vec<String>,
    /// Any of them proves the client. Without any, and without keys, it cannot prove itself.
    pub secrets: Vec<ClientSecret>,
    /// Whatever one of them signed proves it.
    pub keys: Option<ClientKeySource>,
}

/// What proves a client that shows it.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    pub digest: Digest,
    /// `None`: always.
    pub until: Option<At>,
}

/// The keys of a client that signs, ready to be used.
#[derive(Debug, Clone)]
pub enum ClientKeySource {
    Inline(Arc<ClientKeys>),
    /// There they are fetched.
    Uri(String),
}

/// A client as it stands in the database and as administrators see it: never with its secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct Registration {
    #[serde(skip)]
    pub id: Option<Id>,
    #[serde(skip)]
    pub tenant: TenantId,
    #[schema(example = "0199a1b2-0000-7000-8000-000000000001")]
    pub client_id: String,
    /// A name for people; it may be empty.
    #[schema(example = "Shop")]
    pub client_name: String,
    #[schema(value_type = Vec<String>, example = json!(["client_credentials"]))]
    pub grant_types: Vec<GrantType>,
    /// `null`: one that this version does not know, so the client cannot authenticate.
    #[schema(value_type = Option<String>, required, example = "client_secret_basic")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "agent.read agent.execute")]
    pub scope: Scopes,
    pub redirect_uris: Vec<String>,
    /// Clients that may exchange its tokens (RFC 8693), beside itself.
    pub may_act: Vec<String>,
    /// Inactive clients get no tokens, and those that they have are void.
    pub is_active: bool,
    /// The subject that registered it, or by which policy it registered itself (`policy:open`,
    /// `policy:token`; `policy:document`: it describes itself at the URL that is its id). `null`: it was written in SQL.
    #[schema(required)]
    pub registered_by: Option<String>,
    /// When it last got a token, to the minute.
    #[schema(required)]
    pub last_used_at: Option<At>,
    /// `null`: it cannot be read.
    #[schema(required)]
    pub created_at: Option<At>,
    #[schema(required)]
    pub updated_at: Option<At>,
    /// What of its row is not understood, because it was written in SQL. It gives no right; a client
    /// of which a part is `unreadable` cannot be used at all.
    pub problems: Vec<Invalid>,
    #[serde(skip)]
    pub secret: Option<Digest>,
    /// The secret before, and until when it is good.
    #[serde(skip)]
    pub previous: Option<(Digest, At)>,
    #[serde(skip)]
    pub keys: Option<KeySource>,
    /// Of the token that lets the client manage its registration, when that is written. It is never read.
    #[serde(skip)]
    pub token: Option<Digest>,
}

impl Registration {
    /// What the audit trail is told of a client: all but its secrets, and when it was used.
    pub fn told(&self) -> Map<String, Value> {
        let mut told = members_of(self);
        for other in ["last_used_at", "updated_at", "problems"] {
            told.remove(other);
        }
        told
    }
}

/// What of a client is to change.
#[derive(Debug)]
pub struct Change {
    pub client_name: Option<String>,
    pub scope: Option<Scopes>,
    pub is_active: Option<bool>,
    pub may_act: Option<Vec<String>>,
    pub keys: Option<KeySource>,
}

/// Why an OAuth endpoint did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OAuthFailure {
    #[error(transparent)]
    Refused(#[from] OAuthError),
    /// The secret is wrong, as many before it were.
    #[error("too many wrong secrets were presented")]
    TooManyGuesses { retry_after: Duration },
    /// As many registrations as a stranger may make for now.
    #[error("too many clients were registered from one address")]
    TooManyRegistrations { retry_after: Duration },
    /// As many tokens of a client are revoked and not over as are remembered.
    #[error("the client has revoked too many tokens")]
    TooManyRevoked,
    /// As many requests of clients as there may be at once are being answered.
    #[error("too many requests of clients at once")]
    Busy,
    #[error("a client has the id `{0}` already")]
    ClientIdTaken(String),
    #[error("the database could not be asked about clients")]
    Database(#[from] sqlx::Error),
    #[error("the access token could not be signed")]
    Signing(#[from] SignError),
    #[error("no secret could be made")]
    Secret(#[from] NoRandomness),
    #[error("the registration could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Registration {
    /// What issuing and checking tokens needs of it, if it may have any.
    ///
    /// A client that signs has no secret, and another no keys, whatever stands in its row.
    fn client(self) -> Option<Client> {
        let (mut secrets, mut keys) = (Vec::new(), None);
        match self.token_endpoint_auth_method {
            Some(AuthMethod::PrivateKeyJwt) => keys = self.keys.and_then(ClientKeySource::of),
            Some(AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost) => {
                let previous = self.previous.map(|(digest, until)| (digest, Some(until)));
                let both = self.secret.map(|digest| (digest, None)).into_iter().chain(previous);
                secrets.extend(both.map(|(digest, until)| ClientSecret { digest, until }));
            }
            Some(AuthMethod::None) | None => {}
        }
        let is_public = self.token_endpoint_auth_method == Some(AuthMethod::None);
        let is_whole = self.problems.iter().all(|problem| problem.code != UNREADABLE);
        let by = self.registered_by.as_deref();
        let is_unchecked = matches!(by, Some("policy:open" | documents::POLICY));
        let publisher = by.filter(|by| *by == documents::POLICY).map(|_| host_of(&self.client_id));
        (self.is_active && is_whole).then(|| Client {
            client_id: self.client_id,
            registration: self.id.map(|id| id.to_string()),
            tenant: self.tenant,
            name: self.client_name,
            scopes: self.scope,
            grant_types: self.grant_types,
            redirect_uris: self.redirect_uris,
            is_public,
            is_unchecked,
            publisher,
            may_act: self.may_act,
            secrets,
            keys,
        })
    }
}

impl ClientSecret {
    fn proves(&self, presented: &str, now: At) -> bool {
        self.digest.matches(presented) && self.until.is_none_or(|until| now < until)
    }
}

impl ClientKeySource {
    fn of(source: KeySource) -> Option<Self> {
        Some(match source {
            KeySource::Inline(text) => {
                Self::Inline(Arc::new(ClientKeys::parse(text.as_bytes()).ok()?))
            }
            KeySource::Uri(uri) => Self::Uri(uri),
        })
    }
}

/// Host and port of a URL.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// What of `wanted` one who holds `held` may not pass on to a client.
///
/// Nobody gives what he does not hold. Own scopes, to which only our users give a meaning, are the
/// exception: who holds `admin.write` may give any of them, for somebody must be the first to.
fn not_grantable<'w>(held: &Scopes, wanted: &'w Scopes) -> Option<&'w Scope> {
    let names_own_scopes = held.covers("admin.write");
    let is_grantable = |scope: &Scope| held.covers(scope) || (scope.is_own() && names_own_scopes);
    wanted.iter().find(|scope| !is_grantable(scope))
}

/// Begins the work beside requests: keeping in memory fresh what tokens are checked by, and each minute
/// writing down when clients were used and forgetting what is over. It ends when the server stops. Without a
/// key that signs it does not begin.
pub async fn start(
    tasks: &Tasks,
    keys: &Arc<Keys>,
    clients: &Arc<Clients>,
    clock: &Clock,
) -> Result<(), KeysError> {
    keys.refresh().await?;
    tasks.spawn(Arc::clone(keys).keep_fresh(tasks.stopping().clone()));
    tasks.spawn(Arc::clone(clients).keep_fresh(tasks.stopping().clone()));
    tasks.spawn(Arc::clone(clients).tidy(tasks.stopping().clone(), clock.clone()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_on_what_he_does_not_hold() {
        let first = |held: &str, wanted: &str| {
            let (held, wanted) = (held.parse().unwrap(), wanted.parse().unwrap());
            not_grantable(&held, &wanted).map(Scope::to_string)
        };

        assert_eq!(first("client.* agent.*", "agent.read agent.execute"), None);
        assert_eq!(first("client.* agent.*", "agent.read tool.read"), Some("tool.read".into()));
        assert_eq!(first("client.write", "rfp.process"), Some("rfp.process".into()));
        assert_eq!(first("admin.write agent.*", "rfp.process agent.*"), None);
        assert_eq!(first("admin.write", "agent.execute"), Some("agent.execute".into()));
    }
}
