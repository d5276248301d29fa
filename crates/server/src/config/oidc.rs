//! The server of others by which people may sign in.

use auth::role::Role;
use secrecy::SecretString;

use crate::config::Env;
use crate::config::Reader;
use crate::config::urls;

/// An `OpenID` provider, and what is believed of it.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Exactly as it calls itself.
    pub issuer: String,
    pub client_id: String,
    /// `None`: we prove ourselves there by PKCE alone.
    pub client_secret: Option<SecretString>,
    /// What people call it.
    pub name: String,
    /// Scopes that it is asked for.
    pub scopes: String,
    /// Where it says in which groups somebody is.
    pub groups_claim: String,
    /// What who is in a group may do; `*` is everybody. Empty: nobody's role comes from there.
    pub roles: Vec<(String, Role)>,
    /// Whether somebody who was not here before is let in.
    pub creates_users: bool,
    /// Whether somebody is the user whose name is his address.
    pub links_by_email: bool,
}

impl Oidc {
    pub(in crate::config) fn read<E: Env>(from: &mut Reader<E>) -> Option<Self> {
        let issuer = from.optional("OIDC_ISSUER", |text| {
            let url = urls::web(text)?;
            let is_plain = url.query().is_none() && url.fragment().is_none();
            if is_plain && url.username().is_empty() {
                return Ok(text.to_owned());
            }
            Err("it must have no user, no query and no fragment".into())
        });
        let host = |url: &String| urls::web(url).ok()?.host_str().map(str::to_owned);
        let (client_id, name) = (from.given("OIDC_CLIENT_ID"), from.given("OIDC_NAME"));
        let words = [("yes", true), ("no", false)];
        let own = Self {
            client_id: client_id.clone().unwrap_or_default(),
            client_secret: from.secret("OIDC_CLIENT_SECRET"),
            name: name.or_else(|| issuer.as_ref().and_then(host)).unwrap_or_default(),
            scopes: from.text("OIDC_SCOPES"),
            groups_claim: from.text("OIDC_GROUPS_CLAIM"),
            roles: from.list("OIDC_ROLES", role),
            creates_users: from.choice("OIDC_CREATE_USERS", &words, false),
            links_by_email: from.choice("OIDC_LINK_BY_EMAIL", &words, false),
            issuer: issuer?,
        };
        if client_id.is_none() {
            from.fault("OIDC_CLIENT_ID", "it is not set, and OIDC_ISSUER needs it");
        }
        if own.creates_users && own.roles.is_empty() {
            let fault = "it needs OIDC_ROLES, which say what a new user may do";
            from.fault("OIDC_CREATE_USERS", fault);
        }
        Some(own)
    }
}

/// `group=role`; a group may have `=` in its name.
fn role(text: &str) -> Result<(String, Role), String> {
    let found = text.rsplit_once('=').map(|(group, role)| (group.trim(), Role::parse(role.trim())));
    match found {
        Some((group, Some(role))) if !group.is_empty() => Ok((group.to_owned(), role)),
        _ => {
            let names = Role::ALL.map(Role::as_str).join(", ");
            Err(format!("`{text}` must be a group, `=` and a role, which is one of {names}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_role() {
        assert_eq!(role("Platform Team = admin"), Ok(("Platform Team".to_owned(), Role::Admin)));
        assert_eq!(role("cn=agents=viewer"), Ok(("cn=agents".to_owned(), Role::Viewer)));
        assert_eq!(role("*=viewer"), Ok(("*".to_owned(), Role::Viewer)));
        for wrong in ["admins", "=admin", "admins=", "admins=root", "admins=Admin"] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
    }
}
