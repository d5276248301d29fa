//! Signing in by the server of others that the settings name (`OpenID` Connect, authorization code with PKCE).
//!
//! As between our own pages, nothing is kept meanwhile: the browser holds a ticket in a cookie, from which state, nonce and
//! verifier follow by a key of ours. An answer that does not fit the ticket of its browser is nobody's.

mod provider;
pub mod routes;

use std::time::Duration;

use auth::form::Params;
use auth::id_token::Identity;
use auth::id_token::Profile;
use auth::pkce::Challenge;
use auth::random;
use auth::random::NoRandomness;
use auth::role::Role;
use auth::secret::MacKey;
use auth::secret::MasterKey;
use auth::token::Digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tracing::info;

use crate::audit;
use crate::audit::Act;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::config::Config;
use crate::config::Oidc;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress::Egress;
use crate::oauth::People;
use crate::oauth::guesses;
use crate::oauth::guesses::Guesses;
use crate::oauth::keys::seconds;
use crate::oauth::sessions::Who;
use crate::oauth::store::identities as store;
use crate::oauth::store::users;
use crate::oauth::users::Change;
use crate::oauth::users::MAX_USERNAME;
use crate::oauth::users::User;
use crate::oauth::users::UserError;
use provider::Provider;
use provider::ProviderError;

/// Who the audit trail says it was that made or changed a user.
const BY: &str = "system:oidc";
/// Somebody is away for so long at most.
pub const AWAY: Duration = Duration::from_mins(10);
/// The longest place to go on to that fits into a cookie, in bytes.
const LONGEST_THEN: usize = 2_700;
/// The path to which the provider sends people back.
pub const CALLBACK: &str = "/sign-in/external/callback";

/// The provider, and what is believed of it.
#[derive(Debug)]
pub struct External {
    settings: Oidc,
    provider: Provider,
    key: MacKey,
    redirect_uri: String,
    /// Sign-ins that went wrong, by address: each may cost the provider a request.
    attempts: Guesses,
}

/// Where the browser goes, and what it keeps.
#[derive(Debug)]
pub struct Begun {
    pub url: String,
    pub ticket: String,
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    #[error("the answer is not of a sign-in that this browser began within the last ten minutes")]
    NotBegunHere,
    /// What the other side says, in its word.
    #[error("the other side refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("nobody here is known by that account")]
    Unknown,
    #[error("none of the groups of the account may come in")]
    NoRole,
    #[error("another user here is called as the account is")]
    NameTaken,
    #[error("no ticket could be made")]
    Random(#[from] NoRandomness),
    #[error("a user could not be made or changed")]
    User(#[source] UserError),
    #[error("the database refused a query of people")]
    Database(#[from] sqlx::Error),
}

impl External {
    /// What the settings name, if they do.
    pub fn of(config: &Config, egress: &Egress, key: &MasterKey) -> Option<Self> {
        let settings = config.identity.oidc.clone()?;
        Some(Self {
            provider: Provider::new(settings.clone(), egress.clone()),
            key: key.mac("external sign-in"),
            attempts: Guesses::new(guesses::REGISTRATIONS),
            redirect_uri: format!("{}{CALLBACK}", config.issuer),
            settings,
        })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Begins a sign-in that leads on to `then`.
    pub async fn begin(&self, then: &str, now: At) -> Result<Begun, ExternalError> {
        let random = random::bytes()?;
        let begun = format!("{}.{}", seconds(now), URL_SAFE_NO_PAD.encode(random.as_slice()));
        let (state, nonce) = (self.tag("state", &begun), self.tag("nonce", &begun));
        let challenge = Challenge::of(&self.tag("verifier", &begun));
        let query = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.settings.scopes),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let url = self.provider.sign_in_url(&query).await?;
        let then = if then.len() > LONGEST_THEN { "" } else { then };
        let ticket = format!("{begun}.{}", URL_SAFE_NO_PAD.encode(then));
        Ok(Begun { url, ticket })
    }

    /// Who the provider says came back, and where he wanted to go on to.
    pub async fn finish(
        &self,
        params: &Params,
        ticket: Option<&str>,
        now: At,
    ) -> Result<(Identity, String), ExternalError> {
        let (begun, then) = ticket.and_then(read_ticket).ok_or(ExternalError::NotBegunHere)?;
        let state = Digest::of(&self.tag("state", begun));
        let is_own = params.get("state").is_some_and(|given| state.matches(given));
        if !is_own || !is_fresh(begun, now) {
            return Err(ExternalError::NotBegunHere);
        }
        self.provider.check_issuer(params.get("iss")).await?;
        if let Some(error) = params.get("error") {
            let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            return Err(ExternalError::Refused(error.chars().filter(word).take(60).collect()));
        }
        let code = params.get("code").ok_or(ExternalError::NotBegunHere)?;
        let verifier = self.tag("verifier", begun);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &verifier),
        ];
        let nonce = self.tag("nonce", begun);
        let (issuer, client_id) = (&self.settings.issuer, &self.settings.client_id);
        let profile = Profile { issuer, client_id, nonce: &nonce };
        Ok((self.provider.identity(&form, profile, seconds(now)).await?, then))
    }

    /// What only we can compute of what a browser holds.
    fn tag(&self, what: &str, begun: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.key.sign(format!("{what}\n{begun}").as_bytes()))
    }

    /// The highest role that the groups of somebody give him; `None`: roles do not come from there.
    fn role(&self, identity: &Identity) -> Result<Option<Role>, ExternalError> {
        if self.settings.roles.is_empty() {
            return Ok(None);
        }
        let groups = identity.groups(&self.settings.groups_claim);
        let has = |group: &str| group == "*" || groups.contains(&group);
        let own =
            |role: &Role| self.settings.roles.iter().any(|(group, it)| it == role && has(group));
        Role::ALL.into_iter().find(own).map(Some).ok_or(ExternalError::NoRole)
    }
}

impl People {
    /// The user who somebody is: the one that he was before; else, if the settings want it, the one whose name is his
    /// address, or a new one. His role is what his groups give him now.
    pub async fn recognise_external(
        &self,
        external: &External,
        identity: &Identity,
        origin: &Origin,
        (id, now): (Id, At),
    ) -> Result<Who, ExternalError> {
        let role = external.role(identity)?;
        let tenant = TenantId::default();
        let user = self.db.write(async |tx| {
            let (issuer, subject) = (external.settings.issuer.as_str(), identity.subject.as_str());
            let user = match store::find(tx, issuer, subject).await? {
                Some((tenant, user)) => users::find(tx, &tenant, user).await?,
                None => external.newcomer(tx, identity, (role, origin), (id, now)).await?,
            };
            let user = user.filter(|user| user.is_active).ok_or(ExternalError::Unknown)?;
            let by = Actor { tenant: &tenant, subject: BY, client_id: None, origin };
            give_role(tx, user, role, (by, now)).await
        });
        Ok(Who::user(&user.await?))
    }
}

impl External {
    /// The user who somebody becomes that was not here before, if anybody.
    async fn newcomer(
        &self,
        tx: &mut Conn<'_>,
        identity: &Identity,
        (role, origin): (Option<Role>, &Origin),
        (id, now): (Id, At),
    ) -> Result<Option<User>, ExternalError> {
        let issuer = self.settings.issuer.as_str();
        let email = identity.email.as_deref().map(str::to_lowercase);
        let named = match email.as_deref().filter(|_| self.settings.links_by_email) {
            Some(email) => users::find_by_name(tx, email).await?.map(|(user, _)| user),
            None => None,
        };
        // An address may be given to somebody else there. Who was this user before still is.
        let user = match (named, role.filter(|_| self.settings.creates_users)) {
            (Some(user), _) if !store::has_identity(tx, issuer, user.id).await? => user,
            (Some(_), _) => return Err(ExternalError::NameTaken),
            (None, Some(role)) => {
                let user = new_user(identity, email, role, (id, now));
                if user.username.is_empty() {
                    return Err(ExternalError::Unknown);
                }
                users::insert(tx, &user, None).await.map_err(|error| match error {
                    UserError::NameTaken(_) => ExternalError::NameTaken,
                    error => ExternalError::User(error),
                })?;
                let by = Actor { tenant: &user.tenant, subject: BY, client_id: None, origin };
                let target = id.to_string();
                let act = Act::between("user.create", &target, None, Some(user.told()));
                audit::record(tx, by, act, now).await?;
                user
            }
            (None, None) => return Ok(None),
        };
        store::insert(tx, (issuer, identity.subject.as_str()), &user, now).await?;
        let by = Actor { tenant: &user.tenant, subject: BY, client_id: None, origin };
        let (target, told) =
            (user.id.to_string(), json!({"issuer": issuer, "subject": identity.subject}));
        audit::record(tx, by, Act::new("user.link", &target, told), now).await?;
        info!(user = %user.id, issuer, "an account elsewhere is a user here from now on");
        Ok(Some(user))
    }
}

/// Gives a user the role that his groups give him, if it is another than he has.
async fn give_role(
    tx: &mut Conn<'_>,
    user: User,
    role: Option<Role>,
    (by, now): (Actor<'_>, At),
) -> Result<User, ExternalError> {
    let Some(role) = role.filter(|role| user.role != Some(*role)) else { return Ok(user) };
    let change = Change { role: Some(role.as_str().to_owned()), ..Change::default() };
    let change = change.check().map_err(ExternalError::User)?;
    users::update(tx, &user.tenant, user.id, &change, now).await.map_err(ExternalError::User)?;
    let by = Actor { tenant: &user.tenant, ..by };
    let changed = User { role: Some(role), updated_at: now, ..user.clone() };
    let target = user.id.to_string();
    let act = Act::between("user.update", &target, Some(user.told()), Some(changed.told()));
    audit::record(tx, by, act, now).await?;
    Ok(changed)
}

fn new_user(identity: &Identity, email: Option<String>, role: Role, (id, now): (Id, At)) -> User {
    let name =
        email.or_else(|| identity.username.clone()).unwrap_or_else(|| identity.subject.clone());
    let fits = |c: &char| !c.is_whitespace() && !c.is_control();
    let username = name.to_lowercase().chars().filter(fits).take(MAX_USERNAME).collect();
    User {
        id,
        tenant: TenantId::default(),
        username,
        display_name: identity
            .name
            .clone()
            .unwrap_or_default()
            .chars()
            .take(MAX_USERNAME)
            .collect(),
        role: Some(role),
        scope: auth::scope::Scopes::default(),
        has_password: false,
        is_active: true,
        last_signed_in_at: None,
        created_by: Some(BY.to_owned()),
        created_at: now,
        updated_at: now,
    }
}

/// When and with what a sign-in was begun, and where it leads on to.
fn read_ticket(ticket: &str) -> Option<(&str, String)> {
    let (begun, then) = ticket.rsplit_once('.')?;
    let then = String::from_utf8(URL_SAFE_NO_PAD.decode(then).ok()?).ok()?;
    Some((begun, then))
}

fn is_fresh(begun: &str, now: At) -> bool {
    let at = begun.split('.').next().and_then(|at| at.parse::<u64>().ok());
    at.is_some_and(|at| at <= seconds(now) && seconds(now) - at <= AWAY.as_secs())
}
