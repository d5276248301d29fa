//! Why an operation on a definition failed, and which status that is.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use crate::definitions::Kind;
use crate::definitions::Version;
use crate::http::Invalid;
use crate::http::Problem;

/// Why an operation on a definition failed. `kind` is its kind in words.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("no {kind} has the name or id `{name}`")]
    NotFound { kind: &'static Words, name: String },
    #[error("the {kind} has no version {version}")]
    VersionNotFound { kind: &'static Words, version: i64 },
    #[error("{} {kind} named `{name}` already exists", article(.kind.name))]
    NameTaken { kind: &'static Words, name: String },
    #[error("others name it: {}", in_words(.dependents))]
    InUse { kind: &'static Words, dependents: Vec<Dependent> },
    /// Who may not execute a definition may not make it one that he may execute.
    #[error("the {kind} is only for who holds `{scope}`")]
    MissingScope { kind: &'static Words, scope: String },
    #[error("the {kind} `{name}` is defined in code, and only changed there")]
    ReadOnly { kind: &'static Words, name: String },
    #[error("the {kind} is at version {current} now")]
    Changed { kind: &'static Words, current: i64 },
    #[error("the definition is not valid")]
    Invalid(Vec<Invalid>),
    #[error("version {version} of the {kind} cannot be read")]
    Unreadable { kind: &'static Words, version: i64, faults: Vec<Invalid> },
    #[error("the database refused a query of definitions")]
    Database(#[from] sqlx::Error),
}

/// How a kind of definition is called.
#[derive(Debug)]
pub struct Words {
    /// In the history, in ids of the code, and in sentences, such as `agent`.
    pub name: &'static str,
    /// The problems that are its own.
    pub not_found: Slug,
    pub version_not_found: Slug,
    pub name_taken: Slug,
    pub in_use: Slug,
    pub invalid: Slug,
}

/// The name of the page of a problem.
#[derive(Debug, Clone, Copy)]
pub struct Slug(pub &'static str);

impl Slug {
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A definition that names another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependent {
    pub kind: &'static str,
    pub name: String,
}

impl DefinitionError {
    pub fn not_found<K: Kind>(id_or_name: &str) -> Self {
        Self::NotFound { kind: K::WORDS, name: id_or_name.to_owned() }
    }

    /// The problem that it is; the scope of a [`DefinitionError::MissingScope`] is for its caller to tell.
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotFound { kind, .. } => Problem::not_found(kind.not_found.0, self),
            Self::VersionNotFound { kind, .. } => {
                Problem::not_found(kind.version_not_found.0, self)
            }
            Self::NameTaken { kind, .. } => Problem::conflict(kind.name_taken.0, self),
            Self::InUse { kind, dependents } => {
                Problem::conflict(kind.in_use.0, self).with("dependents", dependents)
            }
            Self::ReadOnly { .. } => Problem::conflict("read-only", self),
            Self::MissingScope { scope, .. } => {
                Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", self)
                    .with("required_scope", scope)
            }
            Self::Changed { current, .. } => {
                Problem::new(StatusCode::PRECONDITION_FAILED, "version-changed", self)
                    .with("version", current)
            }
            Self::Invalid(errors) => Problem::invalid(errors.clone()),
            Self::Unreadable { kind, faults, .. } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, kind.invalid.0, self)
                    .errors(faults.clone())
            }
            Self::Database(_) => Problem::internal(self),
        }
    }

    pub(in crate::definitions) fn unreadable(kind: &'static Words, version: &Version) -> Self {
        Self::Unreadable { kind, version: version.version, faults: version.faults() }
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn in_words(dependents: &[Dependent]) -> String {
    let words = dependents.iter().map(|it| format!("the {} `{}`", it.kind, it.name));
    words.collect::<Vec<_>>().join(", ")
}
