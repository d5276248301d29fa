//! What the routes of all kinds of definitions take and answer alike.

use http::HeaderName;
use http::header;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;

use crate::db::At;
use crate::definitions::Definition;
use crate::definitions::Force;
use crate::definitions::Kind;
use crate::definitions::Version;
use crate::http::Invalid;

/// The members of a body, understood later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub struct Members(pub Map<String, Value>);

#[derive(Debug, Deserialize, IntoParams)]
pub struct WhichVersion {
    /// A version of the history; the current one if not said.
    #[param(maximum = 9_223_372_036_854_775_807_i64)]
    pub version: Option<i64>,
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct Deletion {
    /// Whether to delete it although others name it.
    force: Option<bool>,
}

impl Deletion {
    pub fn force(&self) -> Force {
        if self.force == Some(true) { Force::Yes } else { Force::No }
    }
}

/// A version in the history of a definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct DefinitionVersion {
    pub version: i64,
    content_hash: String,
    /// Who made it; `null` if that is not known, because it was written in SQL.
    #[schema(required, example = "client:admin")]
    created_by: Option<String>,
    /// `null` if it cannot be read.
    #[schema(required)]
    created_at: Option<At>,
    #[schema(required, example = "restored from version 1")]
    note: Option<String>,
    /// What of it cannot be read, because it was written in SQL. Such a version is neither shown nor
    /// restored nor executed.
    problems: Vec<Invalid>,
}

impl From<Version> for DefinitionVersion {
    fn from(version: Version) -> Self {
        Self {
            problems: version.faults(),
            version: version.version,
            content_hash: version.content_hash,
            created_by: version.created_by,
            created_at: version.created_at,
            note: version.note,
        }
    }
}

/// An answer with the version it is about.
pub type Tagged<T> = ([(HeaderName, String); 1], T);

pub fn etag<K: Kind>(definition: &Definition<K>) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", definition.version))]
}
