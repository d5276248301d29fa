//! Whose rows they are.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

/// The name of a tenant. Clients, definitions and runs belong to exactly one.
///
/// Invariant: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, ToSchema, sqlx::Type,
)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct TenantId(String);

/// A text that cannot be the name of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tenant's name has 1 to 64 lower-case letters, digits, `-` and `_`")]
pub struct InvalidTenant;

impl TenantId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tenant that every database has.
impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenant;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let valid = |it: u8| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if (1..=64).contains(&name.len()) && name.bytes().all(valid) {
            return Ok(Self(name));
        }
        Err(InvalidTenant)
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenant;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.to_owned().try_into()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
