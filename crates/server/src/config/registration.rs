//! Who may register clients, and as what.

use auth::scope::Scope;
use auth::scope::Scopes;
use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::config::Env;
use crate::config::Reader;
use crate::egress::HostPattern;

const MIN_TOKEN: usize = 32;
/// Of our scopes those that whoever nobody knows may be given: they make and reveal nothing of others.
const SAFE: [&str; 13] = [
    "agent.execute",
    "agent.read",
    "mcp.access",
    "rag.read",
    "rag.search",
    "run.read",
    "run.write",
    "thread.read",
    "thread.write",
    "tool.execute",
    "tool.read",
    "workflow.execute",
    "workflow.read",
];

/// How clients come to be.
#[derive(Debug, Clone)]
pub struct Registration {
    pub policy: RegistrationPolicy,
    /// What a client may hold at most that no administrator registered.
    pub scopes: Scopes,
    /// Where clients may describe themselves; nowhere, if it is empty.
    pub documents: Vec<DocumentHosts>,
}

/// Hosts whose client-id metadata documents are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentHosts {
    /// Whatever may be asked.
    Any,
    These(HostPattern),
}

/// Who may register clients beside administrators.
#[derive(Debug, Clone)]
pub enum RegistrationPolicy {
    Admin,
    /// Who shows this token.
    Token(SecretString),
    /// Anybody.
    Open,
}

impl Registration {
    pub(in crate::config) fn read<E: Env>(from: &mut Reader<E>) -> Self {
        let words = [("admin", Word::Admin), ("token", Word::Token), ("open", Word::Open)];
        let token = token(from);
        let policy = match from.choice("REGISTRATION_POLICY", &words, Word::Admin) {
            Word::Admin => RegistrationPolicy::Admin,
            Word::Token => RegistrationPolicy::Token(token.unwrap_or_else(|| {
                from.fault(
                    "REGISTRATION_TOKEN",
                    "it is not set, and REGISTRATION_POLICY=token needs it",
                );
                SecretString::default()
            })),
            Word::Open => RegistrationPolicy::Open,
        };
        let documents = from.list("CLIENT_ID_DOCUMENTS", |text| match text {
            "*" => Ok(DocumentHosts::Any),
            host => {
                host.parse().map(DocumentHosts::These).map_err(|error| format!("`{host}`: {error}"))
            }
        });
        Self { policy, scopes: scopes(from), documents }
    }
}

#[derive(Clone, Copy)]
enum Word {
    Admin,
    Token,
    Open,
}

fn token<E: Env>(from: &mut Reader<E>) -> Option<SecretString> {
    let token = from.secret("REGISTRATION_TOKEN")?;
    // Of these RFC 6750 makes a bearer token.
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it);
    let text = token.expose_secret();
    if text.len() < MIN_TOKEN || !text.bytes().all(fits) {
        let rule = "it must have at least 32 characters, letters, digits and `-._~+/=` only";
        from.fault("REGISTRATION_TOKEN", rule);
    }
    Some(token)
}

fn scopes<E: Env>(from: &mut Reader<E>) -> Scopes {
    let name = "REGISTRATION_SCOPES";
    let Ok(scopes) = from.text(name).parse::<Scopes>() else {
        from.fault(name, "it must be scopes with spaces between, such as `agent.read`");
        return Scopes::default();
    };
    let is_safe = |scope: &Scope| scope.is_own() || SAFE.contains(&scope.as_str());
    if !scopes.iter().all(is_safe) {
        from.fault(name, format!("of ours it may only have {}", SAFE.join(" ")));
    }
    scopes
}
