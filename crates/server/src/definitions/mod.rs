//! What agents, workflows, tools and databases have in common: they are rows that people write, by the
//! API or in SQL, that are understood by one pure function, and of which each content is a version.
//!
//! This knows no kind of definition. What the members of one mean, its feature says.

mod all;
mod apply;
mod body;
mod code;
mod definition;
mod document;
mod error;
pub mod files;
mod kind;
pub mod metadata;
mod name;
mod reader;
mod save;
mod settle;
mod snapshot;
pub mod store;
pub mod template;
pub mod wire;

pub use all::Definitions;
pub use all::InCode;
pub use apply::Action;
pub use apply::Drift;
pub use apply::FileSet;
pub use apply::Judged;
pub use apply::OrderedMembers;
pub use apply::Plan;
pub use apply::Planned;
pub use body::change_body;
pub use body::new_body;
pub use code::code_id;
pub use definition::Definition;
pub use document::Document;
pub use error::DefinitionError;
pub use error::Dependent;
pub use error::Slug;
pub use error::Words;
pub use kind::Broken;
pub use kind::Content;
pub use kind::Kind;
pub use kind::Normalised;
pub use kind::beyond_rights;
pub use kind::check_scopes;
pub use kind::duplicates;
pub use kind::unknown;
pub use kind::unknown_at;
pub use name::check_name;
pub use reader::Reader;
pub use reader::add_new;
pub use reader::in_order;
pub use reader::member_of;
pub use reader::members_of;
pub use save::Author;
pub use save::Force;
pub use save::Switch;
pub use snapshot::OfCode;
pub use snapshot::Snapshot;
pub use store::Holds;
pub use store::Row;
pub use store::Table;

use settle::Change;
use settle::settle;
use settle::settle_anew;
use settle::settle_code;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::At;
use crate::db::Readable;
use crate::http::Invalid;

/// Where a definition lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Database,
    /// In the program, which alone can change it.
    Code,
}

/// One content that a definition had.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    pub version: i64,
    pub content_hash: String,
    /// The canonical text of its [`Document`].
    pub content: String,
    /// Who made it; unknown if that was done in SQL.
    pub created_by: Option<String>,
    /// The client by which he did, and what he held then; unknown of what no caller wrote.
    pub client_id: Option<String>,
    pub scopes: Option<String>,
    pub note: Option<String>,
    /// Unknown if nobody can read it.
    #[sqlx(try_from = "Readable<At>")]
    pub created_at: Option<At>,
}

impl Version {
    /// What of it cannot be read, as happens to rows that were written in SQL.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut faults = Vec::new();
        if Document::parse(&self.content).is_err() {
            faults.push(Invalid::new("/content", "not_json", "it is no JSON object"));
        }
        if self.created_at.is_none() {
            faults.push(Invalid::new("/created_at", "unreadable", "it is no time that we know"));
        }
        faults
    }
}
