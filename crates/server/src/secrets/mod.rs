//! Secrets: values that tools send to their hosts, and that nobody ever reads again.
//!
//! A value comes in and is sealed; [`Vault`] opens it in memory for the client of outgoing requests
//! ([`crate::egress`]), which alone puts it anywhere. No type of this feature that is written as JSON
//! has a value in it.

mod references;
mod reseal;
pub mod routes;
mod save;
mod store;
mod vault;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use auth::seal::Place;
use auth::seal::SealError;

use crate::db::At;
use crate::db::Id;
use crate::db::TenantId;
use crate::egress;
use crate::egress::HostPattern;
use crate::http::Invalid;

pub use references::Reference;
pub use references::references;
pub use reseal::Resealed;
pub use save::Force;
pub use store::list_hosts;
pub use vault::Vault;

/// The scope of who may have a secret used for him.
pub const USE: &str = "secret.execute";
/// The longest value, in bytes: it has room for a key of RSA in PEM.
pub const LONGEST: usize = 8 << 10;
/// As many secrets a tenant may have, and as many bytes of values in all of them: they are in memory.
pub const MOST: usize = 1_000;
pub const MOST_BYTES: i64 = 1 << 20;
/// As many hosts a secret may be for.
pub const MOST_HOSTS: usize = 20;

/// The hosts of secrets, by their names in lower case.
pub type SecretHosts = BTreeMap<String, Vec<HostPattern>>;

/// A secret, without its value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Secret {
    #[serde(skip)]
    pub id: Id,
    #[schema(example = "stripe_key")]
    pub name: String,
    pub description: String,
    /// The hosts that its value may be sent to.
    #[schema(value_type = Vec<String>, example = json!(["api.stripe.com"]))]
    pub hosts: Vec<HostPattern>,
    /// Counts the values that it had.
    pub version: i64,
    /// The definitions that name it.
    pub used_by: Vec<User>,
    /// To the minute. `null`: never.
    #[schema(required)]
    pub last_used_at: Option<At>,
    #[schema(required)]
    pub created_at: Option<At>,
    #[schema(required)]
    pub updated_at: Option<At>,
    /// Why its value cannot be used; empty if it can.
    pub problems: Vec<Invalid>,
}

/// A definition that names a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SecretUser)]
pub struct User {
    #[schema(value_type = String, example = "tool")]
    pub kind: &'static str,
    #[schema(example = "refund")]
    pub name: String,
}

/// A new secret, that may be kept.
#[derive(Debug)]
pub struct NewSecret {
    pub name: String,
    pub value: SecretString,
    pub description: String,
    pub hosts: Vec<HostPattern>,
}

/// What of a secret is to change.
#[derive(Debug, Default)]
pub struct Change {
    pub value: Option<SecretString>,
    pub description: Option<String>,
    pub hosts: Option<Vec<HostPattern>>,
}

/// Why an operation on a secret failed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("no secret has the name `{0}`")]
    NotFound(String),
    #[error("a secret named `{0}` already exists")]
    NameTaken(String),
    #[error("definitions name it: {}", names(.0))]
    InUse(Vec<User>),
    #[error("the secret is not valid")]
    Invalid(Vec<Invalid>),
    #[error("the value could not be encrypted")]
    Seal(#[from] SealError),
    #[error("the hosts could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("the database refused a query of secrets")]
    Database(#[from] sqlx::Error),
}

fn names(users: &[User]) -> String {
    let names = users.iter().map(|user| format!("the {} `{}`", user.kind, user.name));
    names.collect::<Vec<_>>().join(", ")
}

/// Says what keeps `value` from being one, at `/value`.
fn check_value(value: &str) -> Result<(), Invalid> {
    let fault = |code, detail: String| Err(Invalid::new("/value", code, detail));
    match value.len() {
        ..egress::SHORTEST => fault(
            "too_short",
            format!(
                "a value has at least {} bytes: a shorter one could not be told from other text",
                egress::SHORTEST
            ),
        ),
        egress::SHORTEST..=LONGEST => Ok(()),
        _ => fault("too_long", format!("a value has at most {LONGEST} bytes")),
    }
}

/// Where a value is kept. Its hosts are a part of that: who changes them in SQL makes it unreadable.
fn place(row: &str) -> Place<'_> {
    Place { table: "secrets", row, column: "value" }
}

/// The row of a [`place`].
fn place_row(tenant: &TenantId, id: Id, hosts: &str) -> String {
    format!("{tenant}|{id}|{hosts}")
}
