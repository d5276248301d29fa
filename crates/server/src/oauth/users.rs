//! People who may sign in: their names, roles and passwords.

pub mod routes;

use auth::password;
use auth::password::PasswordHash;
use auth::role::Role;
use auth::scope::Scopes;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use tracing::info;
use utoipa::ToSchema;

use crate::audit;
use crate::audit::Act;
use crate::db::At;
use crate::db::Conn;
use crate::db::Id;
use crate::db::TenantId;
use crate::definitions::members_of;
use crate::http::Invalid;
use crate::oauth::People;
use crate::oauth::caller::Principal;
use crate::oauth::caller::Subject;
use crate::oauth::grants;
use crate::oauth::grants::Which;
use crate::oauth::not_grantable;
use crate::oauth::passwords::HasherError;
use crate::oauth::store::sessions;
use crate::oauth::store::users as store;

/// No name has more characters.
pub const MAX_USERNAME: usize = 200;
const MAX_DISPLAY_NAME: usize = 200;

/// Somebody who may sign in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    pub id: Id,
    #[serde(skip)]
    pub tenant: TenantId,
    /// What is typed to sign in; it belongs to one person on the whole server.
    #[schema(example = "maria.koski@fjord.example")]
    pub username: String,
    /// A name for people; it may be empty.
    #[schema(example = "Maria Koski")]
    pub display_name: String,
    /// `owner`, `admin`, `editor`, `operator` or `viewer`. `null`: one that this version does not know; it gives no right.
    #[schema(value_type = Option<String>, required, example = "operator")]
    pub role: Option<Role>,
    /// What may be done beyond the role, such as scopes of your own.
    #[serde(with = "auth::scope::space_separated")]
    #[schema(value_type = String, example = "rfp.process")]
    pub scope: Scopes,
    /// Whether there is a password to sign in with.
    pub has_password: bool,
    /// Who is inactive cannot sign in, and what acts for him is void.
    pub is_active: bool,
    #[schema(required)]
    pub last_signed_in_at: Option<At>,
    #[schema(required)]
    pub created_by: Option<String>,
    pub created_at: At,
    pub updated_at: At,
}

/// What tokens that act for a user are checked by.
#[derive(Debug)]
pub struct Person {
    pub tenant: TenantId,
    pub scopes: Scopes,
}

/// A user that is to be made.
#[derive(Debug)]
pub struct NewUser {
    pub username: String,
    pub display_name: String,
    pub role: String,
    pub scope: String,
    /// `None`: he cannot sign in with one yet.
    pub password: Option<SecretString>,
}

/// What of a user is to change. What is absent stays.
#[derive(Debug, Default)]
pub struct Change {
    pub display_name: Option<String>,
    pub role: Option<String>,
    pub scope: Option<String>,
    pub is_active: Option<bool>,
}

/// A change that was checked.
#[derive(Debug)]
pub struct Checked {
    pub display_name: Option<String>,
    pub role: Option<Role>,
    pub scope: Option<Scopes>,
    pub is_active: Option<bool>,
}

/// Why an operation on a user failed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no such user")]
    NotFound,
    #[error("a user named `{0}` already exists")]
    NameTaken(String),
    #[error("the user is not valid")]
    Invalid(Vec<Invalid>),
    /// The user may do what the caller may not, so he must not become him.
    #[error("the user may do what you may not")]
    BeyondYou { scope: String },
    #[error(transparent)]
    Hasher(#[from] HasherError),
    #[error("the scopes could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the database refused a query of users")]
    Database(#[from] sqlx::Error),
}

/// On whose word users are made and changed.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    pub who: audit::Actor<'a>,
    /// He gives nobody a right that he does not hold.
    pub scopes: &'a Scopes,
}

impl<'a> Actor<'a> {
    pub fn of(caller: &'a Principal) -> Self {
        Self { who: caller.actor(), scopes: &caller.scopes }
    }

    /// Refuses rights that he does not hold: who gives them to somebody else could have them himself.
    fn check(&self, scopes: &Scopes) -> Result<(), UserError> {
        match not_grantable(self.scopes, scopes) {
            None => Ok(()),
            Some(scope) => Err(UserError::BeyondYou { scope: scope.as_str().to_owned() }),
        }
    }
}

impl User {
    /// All that he may do.
    pub fn scopes(&self) -> Scopes {
        scopes_of(self.role, &self.scope)
    }

    /// What the audit trail is told of him.
    pub(in crate::oauth) fn told(&self) -> Map<String, Value> {
        let mut told = members_of(self);
        for other in ["id", "last_signed_in_at", "updated_at"] {
            told.remove(other);
        }
        told
    }

    /// The names that his password must not be made of.
    fn names(&self) -> [&str; 2] {
        [&self.username, &self.display_name]
    }
}

impl People {
    /// Makes a user, who may do nothing that `by` may not.
    pub async fn create_user(
        &self,
        by: Actor<'_>,
        new: NewUser,
        (id, now): (Id, At),
    ) -> Result<User, UserError> {
        let mut faults = Vec::new();
        let username = new.username.trim().to_lowercase();
        faults.extend(check_username(&username));
        faults.extend(check_display_name(&new.display_name));
        let role = read_role(&new.role).map_err(|fault| faults.push(fault)).ok();
        let scope = read_scope(&new.scope).map_err(|fault| faults.push(fault)).unwrap_or_default();
        let user = User {
            id,
            tenant: by.who.tenant.clone(),
            username,
            display_name: new.display_name,
            role,
            scope,
            has_password: new.password.is_some(),
            is_active: true,
            last_signed_in_at: None,
            created_by: Some(by.who.subject.to_owned()),
            created_at: now,
            updated_at: now,
        };
        if let Some(password) = &new.password {
            faults.extend(check_password(password, &user));
        }
        if !faults.is_empty() {
            return Err(UserError::Invalid(faults));
        }
        by.check(&user.scopes())?;
        let hash = match new.password {
            Some(password) => Some(self.hasher.hash(password).await?),
            None => None,
        };
        let made = self.db.write(async |tx| {
            store::insert(tx, &user, hash.as_ref()).await?;
            let target = id.to_string();
            let act = Act::between("user.create", &target, None, Some(user.told()));
            Ok::<_, UserError>(audit::record(tx, by.who, act, now).await?)
        });
        made.await?;
        info!(user = %user.id, by = by.who.subject, role = new.role, "a user was made");
        Ok(user)
    }

    /// The user who signs in by this name, of whatever tenant.
    pub async fn find_by_name(&self, username: &str) -> Result<Option<User>, UserError> {
        let username = username.trim().to_lowercase();
        let found = self.db.read(async |conn| store::find_by_name(conn, &username).await).await?;
        Ok(found.map(|(user, _)| user))
    }

    /// The users of all tenants, by name.
    pub async fn list_all(&self) -> Result<Vec<User>, UserError> {
        Ok(self.db.read(async |conn| store::list_all(conn).await).await?)
    }

    /// Changes a user, unless he may do, before or after, what `by` may not. Who is made inactive is signed out
    /// everywhere, and what he allowed is over.
    pub async fn change_user(
        &self,
        by: Actor<'_>,
        id: Id,
        change: Change,
        now: At,
    ) -> Result<User, UserError> {
        let change = change.check()?;
        let changed = self.db.write(async |tx| {
            let before = store::find(tx, by.who.tenant, id).await?.ok_or(UserError::NotFound)?;
            by.check(&before.scopes())?;
            store::update(tx, by.who.tenant, id, &change, now).await?;
            let after = store::find(tx, by.who.tenant, id).await?.ok_or(UserError::NotFound)?;
            by.check(&after.scopes())?;
            if !after.is_active {
                sign_out_everywhere(tx, by.who.tenant, id, now).await?;
            }
            if before.told() != after.told() {
                let target = id.to_string();
                let told = (Some(before.told()), Some(after.told()));
                let act = Act::between("user.update", &target, told.0, told.1);
                audit::record(tx, by.who, act, now).await?;
            }
            Ok::<_, UserError>(after)
        });
        let changed = changed.await?;
        info!(user = %id, by = by.who.subject, "a user was changed");
        Ok(changed)
    }

    /// Deletes a user, and all that acts for him is void.
    pub async fn delete_user(&self, by: Actor<'_>, id: Id, now: At) -> Result<(), UserError> {
        let deleted = self.db.write(async |tx| {
            let user = store::find(tx, by.who.tenant, id).await?.ok_or(UserError::NotFound)?;
            by.check(&user.scopes())?;
            sign_out_everywhere(tx, by.who.tenant, id, now).await?;
            store::delete(tx, by.who.tenant, id).await?;
            let target = id.to_string();
            let act = Act::between("user.delete", &target, Some(user.told()), None);
            Ok::<_, UserError>(audit::record(tx, by.who, act, now).await?)
        });
        deleted.await?;
        info!(user = %id, by = by.who.subject, "a user was deleted");
        Ok(())
    }

    /// Gives a user another password. He is signed out everywhere, and what he allowed is over.
    pub async fn set_password(
        &self,
        by: Actor<'_>,
        id: Id,
        password: SecretString,
        now: At,
    ) -> Result<(), UserError> {
        let user = self.db.read(async |conn| store::find(conn, by.who.tenant, id).await);
        let user = user.await?.ok_or(UserError::NotFound)?;
        by.check(&user.scopes())?;
        if let Some(fault) = check_password(&password, &user) {
            return Err(UserError::Invalid(vec![fault]));
        }
        let hash = self.hasher.hash(password).await?;
        self.store_password(by, &user, &hash, now).await
    }

    async fn store_password(
        &self,
        by: Actor<'_>,
        user: &User,
        hash: &PasswordHash,
        now: At,
    ) -> Result<(), UserError> {
        let done = self.db.write(async |tx| {
            store::update_password(tx, by.who.tenant, user.id, hash, now).await?;
            sign_out_everywhere(tx, by.who.tenant, user.id, now).await?;
            let target = user.id.to_string();
            audit::record(tx, by.who, Act::new("user.password", &target, Value::Null), now).await
        });
        done.await?;
        info!(user = %user.id, by = by.who.subject, "a user got another password");
        Ok(())
    }
}

/// Ends all that acts for a user: where he is signed in, and what he allowed.
async fn sign_out_everywhere(
    tx: &mut Conn<'_>,
    tenant: &TenantId,
    id: Id,
    now: At,
) -> Result<(), sqlx::Error> {
    sessions::delete_of_user(tx, tenant, id).await?;
    grants::end(tx, tenant, Which::Of(Subject::user(id).as_str()), now).await?;
    Ok(())
}

impl Change {
    pub(in crate::oauth) fn check(self) -> Result<Checked, UserError> {
        let mut faults = Vec::new();
        faults.extend(self.display_name.as_deref().and_then(check_display_name));
        let mut note = |fault| faults.push(fault);
        let role = self.role.as_deref().map(read_role).transpose().map_err(&mut note);
        let scope = self.scope.as_deref().map(read_scope).transpose().map_err(&mut note);
        match (role, scope) {
            (Ok(role), Ok(scope)) if faults.is_empty() => Ok(Checked {
                display_name: self.display_name,
                role,
                scope,
                is_active: self.is_active,
            }),
            _ => Err(UserError::Invalid(faults)),
        }
    }
}

/// What a role and scopes beside it allow together.
pub fn scopes_of(role: Option<Role>, more: &Scopes) -> Scopes {
    let role = role.map(Role::scopes).unwrap_or_default();
    role.iter().chain(more.iter()).cloned().collect()
}

fn check_username(username: &str) -> Option<Invalid> {
    let fits = (1..=MAX_USERNAME).contains(&username.chars().count())
        && !username.chars().any(|c| c.is_control() || c.is_whitespace());
    let detail = format!(
        "a username has 1 to {MAX_USERNAME} characters, none of which is a space or a control character"
    );
    (!fits).then(|| Invalid::new("/username", "bad_format", detail))
}

fn check_display_name(name: &str) -> Option<Invalid> {
    let fits = name.chars().count() <= MAX_DISPLAY_NAME && !name.chars().any(char::is_control);
    let detail = format!("has at most {MAX_DISPLAY_NAME} characters and no control characters");
    (!fits).then(|| Invalid::new("/display_name", "bad_format", detail))
}

fn check_password(text: &SecretString, user: &User) -> Option<Invalid> {
    let weakness = password::check(text.expose_secret(), &user.names()).err()?;
    Some(Invalid::new("/password", "too_easy", weakness.to_string()))
}

fn read_role(text: &str) -> Result<Role, Invalid> {
    Role::parse(text).ok_or_else(|| {
        let names = Role::ALL.map(Role::as_str).join(", ");
        Invalid::new("/role", "unknown_value", format!("the roles are {names}"))
    })
}

fn read_scope(text: &str) -> Result<Scopes, Invalid> {
    text.parse().map_err(|error: auth::scope::ScopeError| {
        Invalid::new("/scope", "bad_scope", error.to_string())
    })
}
